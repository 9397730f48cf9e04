package definitions_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"grove/tree"
)

// TestRecordedCluster runs the definitions of a cluster and of its node on answers of the
// form that the API server and the kubelet document, since neither can be had where the
// tests run; everything between them and the tree is real.
func TestRecordedCluster(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	answers := map[string]string{
		"/readyz":  "ok",
		"/version": `{"gitVersion":"v1.34.2"}`,
		"/api/v1/nodes": `{"items":[{"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"DiskPressure","status":"False"}]}},
			{"metadata":{"name":"n2"},"status":{"conditions":[{"type":"Ready","status":"READY"}]}}]}`,
		"/api/v1/pods":                   `{"items":[{"metadata":{"name":"web-1","namespace":"shop"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}]}`,
		"/apis/apps/v1/deployments":      `{"items":[{"metadata":{"name":"web","namespace":"shop"},"spec":{"replicas":1},"status":{"readyReplicas":1}}]}`,
		"/apis/apps/v1/statefulsets":     `{"items":[]}`,
		"/apis/apps/v1/daemonsets":       `{"items":[]}`,
		"/apis/batch/v1/jobs":            `{"items":[]}`,
		"/api/v1/persistentvolumeclaims": `{"items":[{"metadata":{"name":"data","namespace":"shop"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}]}`,
		"/api/v1/events":                 `{"items":[]}`,
		"/stats/summary":                 `{"node":{"nodeName":"n1","cpu":{"usageNanoCores":1500000000},"memory":{"workingSetBytes":5000000000,"availableBytes":AVAILABLE},"fs":{"availableBytes":60,"capacityBytes":100}},"pods":[]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		if r.Header.Get("Authorization") != "Bearer t0ken" || !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ready, available := "True", "4000000000"
		if broken.Load() {
			ready, available = "Unknown", "1000"
		}
		fmt.Fprint(w, strings.NewReplacer("READY", ready, "AVAILABLE", available).Replace(text))
	}))
	t.Cleanup(server.Close)
	token := configure(t, filepath.Join(t.TempDir(), "token"), "t0ken\n")
	w := grow(t, fmt.Sprintf(`
use: kubernetes-cluster
at: /cluster
with: { url: "%[1]s", token: "file:%[2]s", ca: "", every: 5s }
---
use: kubernetes-node
name: n1
at: /nodes/n1
with: { url: "%[1]s", token: "file:%[2]s", ca: "", every: 5s }
`, server.URL, token))
	w.is("/cluster/API server", tree.Green)
	w.is("/cluster/Nodes", tree.Green)
	w.within("/cluster/Workloads/shop~1deployment~1web/Missing", 0, 0)
	w.within("/cluster/Volumes/shop~1data/Size", 1<<30, 1<<30)
	w.within("/nodes/n1/Disk/Used", 40, 40)
	w.is("/nodes/n1/Memory/Available", tree.Green)
	w.exported()

	broken.Store(true)
	w.is("/cluster/Nodes/n2/Ready", tree.Red)
	w.is("/cluster/Nodes", tree.Red) // one of two
	w.is("/nodes/n1/Memory/Available", tree.Red)
	server.Close()
	w.is("/cluster/API server/Answers", tree.Red)
	w.is("/nodes/n1/Kubelet/Answers", tree.Red)
}
