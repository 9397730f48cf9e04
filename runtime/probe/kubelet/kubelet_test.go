package kubelet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded is an answer in the form that the kubelet's API documents; no kubelet can be
// had where the tests run.
const recorded = `{
 "node": {"nodeName":"n1","startTime":"2026-01-01T00:00:00Z",
  "cpu":{"time":"2026-01-01T01:00:00Z","usageNanoCores":1500000000,"usageCoreNanoSeconds":9000000000000},
  "memory":{"availableBytes":1000,"usageBytes":900,"workingSetBytes":800,"rssBytes":700,"pageFaults":1,"majorPageFaults":0},
  "network":{"name":"eth0","rxBytes":11,"rxErrors":0,"txBytes":22,"txErrors":0,"interfaces":[]},
  "fs":{"availableBytes":250,"capacityBytes":1000,"usedBytes":700,"inodesFree":90,"inodes":100,"inodesUsed":10},
  "runtime":{"imageFs":{"availableBytes":100,"capacityBytes":1000,"usedBytes":50}},
  "rlimit":{"maxpid":1000,"curproc":250}},
 "pods": [
  {"podRef":{"name":"db-0","namespace":"shop","uid":"u"},"startTime":"2026-01-01T00:00:00Z","containers":[],
   "cpu":{"usageNanoCores":250000000},"memory":{"workingSetBytes":123},"network":{"rxBytes":1,"txBytes":2},
   "volume":[{"availableBytes":40,"capacityBytes":200,"usedBytes":150,"inodes":10,"inodesUsed":5,"inodesFree":5,"name":"data","pvcRef":{"name":"data-db-0","namespace":"shop"}},
             {"availableBytes":9,"capacityBytes":10,"name":"token"}],
   "ephemeral-storage":{"usedBytes":77},"process_stats":{"process_count":6}},
  {"podRef":{"name":"bare","namespace":"shop"},"volume":[{"capacityBytes":200,"name":"data","pvcRef":{"name":"data-db-0","namespace":"shop"}}]}]}`

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func options(url string) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	o.URL = url
	return o
}

func run(t *testing.T, url string) (map[string]string, map[string][]string) {
	t.Helper()
	p, err := Kind(nil, nil).New(options(url))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	values, tables := map[string]string{}, map[string][]string{}
	for _, v := range r.Values {
		if v.Attribute != "duration" && v.Attribute != "uptime" {
			values[v.Attribute] = v.Value.String()
		}
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			var cells []string
			for _, c := range row {
				cells = append(cells, c.String())
			}
			tables[table.Attribute] = append(tables[table.Attribute], strings.Join(cells, "|"))
		}
	}
	return values, tables
}

func TestRecordedSummary(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/nodes/n1/proxy/stats/summary" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, recorded)
	})
	values, tables := run(t, url+"/api/v1/nodes/n1/proxy")
	want := map[string]string{
		"up": "1", "state": "up", "error": "", "node": "n1", "cpu": "1.5", "memory": "800", "memory_available": "1000", "received": "11", "sent": "22",
		"disk_used": "75", "disk_available": "250", "inodes_used": "10", "images_used": "90", "processes": "250", "processes_used": "25", "pod_count": "2",
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Errorf("values -want +got:\n%s", diff)
	}
	wantTables := map[string][]string{
		"pods":    {"shop/db-0|shop|db-0|0.25|123|1|2|77|6", "shop/bare|shop|bare||||||"},
		"volumes": {"shop/data-db-0|shop|data-db-0|shop/db-0|80|40|200|50"},
	}
	if diff := cmp.Diff(wantTables, tables); diff != "" {
		t.Errorf("tables -want +got:\n%s", diff)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, tt := range []struct {
		name, state, err string
		handler          http.HandlerFunc
	}{
		{"not a kubelet", "status", "the answer to /stats/summary is not a kubelet's: ", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }},
		{"no right", "refused_access", "this may not be asked (status 403)", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			values, _ := run(t, serve(t, tt.handler))
			if values["up"] != "0" || values["state"] != tt.state || !strings.HasPrefix(values["error"], tt.err) {
				t.Errorf("%v", values)
			}
		})
	}
}

func TestContract(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, recorded) })
	probetest.Run(t, Kind(nil, nil), options(url))
	probetest.Refuses(t, Kind(nil, nil), probetest.Bad{Name: "no address", Options: options(""), Option: "url", Want: "url: is missing"})
	probetest.Stops(t, Kind(nil, nil), options(serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
}

// FuzzSummary: whatever stands in a kubelet's place may answer anything.
func FuzzSummary(f *testing.F) {
	f.Add([]byte(recorded))
	f.Fuzz(func(_ *testing.T, text []byte) {
		var s summary
		if json.Unmarshal(text, &s) == nil {
			s.into(&probe.Result{Time: time.Unix(1e9, 0)})
		}
	})
}
