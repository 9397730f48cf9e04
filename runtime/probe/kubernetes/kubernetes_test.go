package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made is when the recorded objects were made.
var made = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)

// recorded are answers in the form that the API reference documents; no API server can
// be had where the tests run.
var recorded = map[string]string{
	"/readyz":  "ok",
	"/version": `{"major":"1","minor":"34","gitVersion":"v1.34.2","platform":"linux/amd64"}`,
	"/api/v1/nodes": `{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[
{"metadata":{"name":"n1","creationTimestamp":"MADE","labels":{"node-role.kubernetes.io/control-plane":"","kubernetes.io/os":"linux"}},"spec":{"taints":[]},
 "status":{"capacity":{"cpu":"4"},"allocatable":{"cpu":"3920m","memory":"7Gi","pods":"110"},"nodeInfo":{"kubeletVersion":"v1.34.2"},
 "conditions":[{"type":"MemoryPressure","status":"False","reason":"KubeletHasSufficientMemory","message":"m"},{"type":"DiskPressure","status":"True"},{"type":"PIDPressure","status":"False"},{"type":"Ready","status":"True","reason":"KubeletReady","message":"kubelet is posting ready status"}]}},
{"metadata":{"name":"n2","creationTimestamp":"MADE"},"spec":{"unschedulable":true},"status":{"allocatable":{"cpu":"2","memory":"100Mi"},"nodeInfo":{"kubeletVersion":"v1.33.1"},
 "conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown","message":"Kubelet stopped posting node status."}]}}]}`,
	"/api/v1/pods": `{"kind":"PodList","metadata":{"continue":"MORE"},"items":[
{"metadata":{"name":"web-1","namespace":"shop","creationTimestamp":"MADE","ownerReferences":[{"kind":"ReplicaSet","name":"web-7d","controller":true}]},
 "spec":{"nodeName":"n1","containers":[{"resources":{"requests":{"cpu":"250m","memory":"64Mi"},"limits":{"cpu":"1","memory":"128Mi"}}},{"resources":{"requests":{"cpu":"50m"}}}]},
 "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]}}]}`,
	"/api/v1/pods MORE": `{"kind":"PodList","metadata":{},"items":[
{"metadata":{"name":"web-2","namespace":"shop","creationTimestamp":"MADE"},"spec":{"nodeName":"n2","containers":[{}]},
 "status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}],"containerStatuses":[{"restartCount":9,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{}}]}},
{"metadata":{"name":"old","namespace":"shop"},"spec":{"containers":[]},"status":{"phase":"Failed","reason":"Evicted"}},
{"metadata":{"name":"new","namespace":"shop"},"spec":{"containers":[{}]},"status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]}},
{"metadata":{"name":"done","namespace":"shop"},"spec":{},"status":{"phase":"Succeeded"}}]}`,
	"/apis/apps/v1/deployments": `{"items":[{"metadata":{"name":"web","namespace":"shop","creationTimestamp":"MADE"},"spec":{"replicas":3},
 "status":{"readyReplicas":1,"updatedReplicas":2,"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded"}]}}]}`,
	"/apis/apps/v1/statefulsets": `{"items":[{"metadata":{"name":"db","namespace":"shop"},"spec":{},"status":{"readyReplicas":1,"updatedReplicas":1}}]}`,
	"/apis/apps/v1/daemonsets":   `{"items":[{"metadata":{"name":"log","namespace":"kube-system"},"spec":{},"status":{"desiredNumberScheduled":2,"numberReady":2,"updatedNumberScheduled":2}}]}`,
	"/apis/batch/v1/jobs": `{"items":[{"metadata":{"name":"backup","namespace":"shop"},"status":{"failed":4,"startTime":"2026-01-01T00:00:00Z","conditions":[{"type":"Failed","status":"True","reason":"BackoffLimitExceeded","message":"too often","lastTransitionTime":"2026-01-01T00:01:00Z"}]}},
{"metadata":{"name":"report","namespace":"shop"},"status":{"succeeded":1,"startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:00:30Z","conditions":[{"type":"Complete","status":"True"}]}}]}`,
	"/api/v1/persistentvolumeclaims": `{"items":[{"metadata":{"name":"data-db-0","namespace":"shop"},"spec":{"storageClassName":"fast"},"status":{"phase":"Bound","capacity":{"storage":"10Gi"}}}]}`,
	"/api/v1/events":                 `{"items":[{"metadata":{"name":"e1","namespace":"shop"},"type":"Warning","reason":"BackOff","message":"restarting failed container","count":7,"involvedObject":{"kind":"Pod","namespace":"shop","name":"web-2"},"lastTimestamp":"NOW"}]}`,
}

// server answers as an API server does; may says what its account may see.
func server(t *testing.T, may func(path string) int) (*httptest.Server, *[]string) {
	t.Helper()
	var mu sync.Mutex // guards asked
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.String())
		mu.Unlock()
		if code := may(r.URL.Path); code != http.StatusOK {
			w.WriteHeader(code)
			return
		}
		path := strings.Replace(r.URL.Path, "/namespaces/shop", "", 1)
		if more := r.URL.Query().Get("continue"); more != "" {
			path += " " + more
		}
		text, ok := recorded[path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		text = strings.ReplaceAll(text, "MADE", made)
		fmt.Fprint(w, strings.ReplaceAll(text, "NOW", time.Now().UTC().Format(time.RFC3339)))
	}))
	t.Cleanup(s.Close)
	return s, &asked
}

func everything(string) int { return http.StatusOK }

func options(url string, edit ...func(*Options)) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	o.URL = url
	for _, e := range edit {
		e(o)
	}
	return o
}

func run(t *testing.T, p probe.Probe) (values map[string]string, tables map[string][]string, events []string) {
	t.Helper()
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	values, tables = map[string]string{}, map[string][]string{}
	for _, v := range r.Values {
		if v.Attribute != "duration" {
			values[v.Attribute] = v.Value.String()
		}
		for _, e := range v.Events {
			events = append(events, e.Text)
		}
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			cells := make([]string, 0, len(row))
			for k, c := range row {
				if table.Columns[k] != "age" {
					cells = append(cells, c.String())
				} else if n, ok := c.Number(); ok && (n < 3600 || n > 7200) {
					t.Errorf("the age of %v is %v", row[0], n)
				}
			}
			tables[table.Attribute] = append(tables[table.Attribute], strings.Join(cells, "|"))
		}
	}
	return values, tables, events
}

// TestRecordedCluster reads a whole cluster.
func TestRecordedCluster(t *testing.T) {
	s, asked := server(t, everything)
	p, err := Kind(nil, nil).New(options(s.URL, func(o *Options) { o.Objects, o.Labels = objectNames(), "app=shop" }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	values, tables, events := run(t, p)
	wantValues := map[string]string{
		"up": "1", "state": "up", "error": "", "version": "v1.34.2", "left_out": "0", "node_count": "2", "nodes_ready": "1",
		"pods_running": "2", "pods_pending": "1", "pods_failed": "1", "pods_succeeded": "1", "pods_unknown": "0",
		"warnings": "Pod shop/web-2: BackOff: restarting failed container (7 times)",
	}
	if diff := cmp.Diff(wantValues, values); diff != "" {
		t.Errorf("values -want +got:\n%s", diff)
	}
	wantTables := map[string][]string{
		"nodes": {
			"n1|ready||1|0|1|0||control-plane|v1.34.2|3.92|7.516192768e+09|110",
			"n2|unknown|NodeStatusUnknown: Kubelet stopped posting node status.|0|||||" + "|v1.33.1|2|1.048576e+08|",
		},
		"pods": {
			"shop/web-1|shop|web-1|running|1|2|OOMKilled|ReplicaSet/web-7d|n1|0.3||6.7108864e+07|",
			"shop/web-2|shop|web-2|CrashLoopBackOff|0|9|||n2||||",
			"shop/old|shop|old|Evicted|0|0|||||0||0",
			"shop/new|shop|new|pending|0|0|||||||",
		},
		"workloads": {
			"shop/deployment/web|shop|web|deployment|3|1|2|2|1", "shop/statefulset/db|shop|db|statefulset|1|1|1|0|0",
			"kube-system/daemonset/log|kube-system|log|daemonset|2|2|2|0|0",
		},
		"jobs":    {"shop/backup|shop|backup|failed|BackoffLimitExceeded: too often|4|60", "shop/report|shop|report|complete||0|30"},
		"volumes": {"shop/data-db-0|shop|data-db-0|bound|1.073741824e+10|fast"},
	}
	if diff := cmp.Diff(wantTables, tables); diff != "" {
		t.Errorf("tables -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Pod shop/web-2: BackOff: restarting failed container (7 times)"}, events); diff != "" {
		t.Errorf("events -want +got:\n%s", diff)
	}
	all := strings.Join(*asked, "\n")
	for _, part := range []string{"continue=MORE", "limit=500", "labelSelector=app%3Dshop", "fieldSelector=type%3DWarning"} {
		if !strings.Contains(all, part) {
			t.Errorf("%s was never asked for:\n%s", part, all)
		}
	}
	if strings.Contains(all, "nodes?labelSelector") {
		t.Error("the selector of pods was used for nodes")
	}
}

// TestRecordedNamespaces asks in the namespaces that are named, and shows as much as is allowed.
func TestRecordedNamespaces(t *testing.T) {
	s, asked := server(t, everything)
	p, err := Kind(nil, nil).New(options(s.URL, func(o *Options) { o.Namespaces, o.Most = []string{"shop"}, 1 }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	values, tables, _ := run(t, p)
	if !strings.Contains(strings.Join(*asked, " "), "/api/v1/namespaces/shop/pods?") || len(tables["pods"]) != 1 || values["left_out"] != "6" {
		t.Errorf("%v %v %v", *asked, values, tables)
	}
}

// TestRecordedRefusals: what may not be listed hides nothing else.
func TestRecordedRefusals(t *testing.T) {
	for _, tt := range []struct {
		name, refuse, state, err string
		code                     int
		rows                     int // of nodes
	}{
		{"one kind", "/api/v1/pods", "refused_access", "pods: this may not be asked (status 403)", http.StatusForbidden, 2},
		{"everything", "/", "refused_access", "user and password, or the token, are refused (status 401)", http.StatusUnauthorized, 0},
		{"not ready", "/readyz", "status", "status 500 Internal Server Error", http.StatusInternalServerError, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := server(t, func(path string) int {
				if strings.HasPrefix(path, tt.refuse) {
					return tt.code
				}
				return http.StatusOK
			})
			p, err := Kind(nil, nil).New(options(s.URL))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			values, tables, _ := run(t, p)
			if values["up"] != "0" || values["state"] != tt.state || values["error"] != tt.err || len(tables["nodes"]) != tt.rows {
				t.Errorf("%v, %d nodes", values, len(tables["nodes"]))
			}
		})
	}
}

func TestContract(t *testing.T) {
	s, _ := server(t, everything)
	probetest.Run(t, Kind(nil, nil), options(s.URL, func(o *Options) { o.Objects = objectNames() }))
	bad := func(name, option, want string, edit func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Options: options("https://k/", edit), Option: option, Want: option + ": " + want}
	}
	probetest.Refuses(t, Kind(nil, nil),
		bad("no address", "url", "is missing", func(o *Options) { o.URL = "" }),
		bad("unknown object", "objects", `"services" is none of nodes, pods, workloads, jobs, volumes, warnings`, func(o *Options) { o.Objects = []string{"services"} }),
		bad("an object twice", "objects", "pods is given twice", func(o *Options) { o.Objects = []string{"pods", "pods"} }),
		bad("a namespace that leads elsewhere", "namespaces", `"a/../b" is no name of a namespace`, func(o *Options) { o.Namespaces = []string{"a/../b"} }),
		bad("a long selector", "labels", "has 1001 bytes, more than 1000", func(o *Options) { o.Labels = strings.Repeat("x", 1001) }),
		bad("too many", "most", "10001 is outside 1..10000", func(o *Options) { o.Most = 10_001 }),
	)
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hanging.Close()
	probetest.Stops(t, Kind(nil, nil), options(hanging.URL))
}

func TestParseQuantity(t *testing.T) {
	for text, want := range map[string]float64{"250m": 0.25, "2": 2, "1.5Gi": 1.5 * (1 << 30), "12e3": 12000, "100k": 1e5, "1500000n": 0.0015, "3E": 3e18, "1e3": 1000} {
		if got, ok := ParseQuantity(text); !ok || got != want {
			t.Errorf("%s is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "Mi", "1KiB", "0x10", "Inf", "NaN", "1_0"} {
		if got, ok := ParseQuantity(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// FuzzObjects: an API server, or what stands in its place, may answer anything.
func FuzzObjects(f *testing.F) {
	for _, text := range recorded {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		var page struct{ Items []json.RawMessage }
		if json.Unmarshal(text, &page) != nil {
			return
		}
		for _, o := range objects {
			var r probe.Result
			pour := o.begin()
			for _, item := range page.Items {
				_ = pour.take(&look{now: time.Unix(1e9, 0), most: 10}, o.paths[0], item)
			}
			pour.end(&r)
		}
	})
}
