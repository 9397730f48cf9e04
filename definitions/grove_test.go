package definitions_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"grove/tree"
)

// TestGrove runs the definition of grove on the process of this test, whose health is
// told by a server that has the paths of grove's.
func TestGrove(t *testing.T) {
	var healthy, ready atomic.Bool
	healthy.Store(true)
	mux := http.NewServeMux()
	for path, well := range map[string]*atomic.Bool{"GET /healthz": &healthy, "GET /readyz": &ready} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if !well.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w := grow(t, fmt.Sprintf("{ use: grove, at: /grove, with: { address: %q, every: 1s } }", strings.TrimPrefix(server.URL, "http://")))
	w.is("/grove/Answers/Healthy", tree.Green)
	w.is("/grove/Answers/Ready", tree.Yellow)
	ready.Store(true)
	w.is("/grove/Answers", tree.Green)
	w.within("/grove/Answers/Response time", 1e-6, 0.25)
	w.within("/grove/Processor/Used", 0, 100)
	w.within("/grove/Processor/Goroutines", 1, 20000)
	w.within("/grove/Memory/Resident", 1<<20, 1<<30)
	w.within("/grove/Memory/Heap", 1<<10, 1<<30)
	w.within("/grove/Memory/Allocation", 1, 1<<40)
	w.within("/grove/Process/Open files", 0.001, 70)
	w.within("/grove/Process/Threads", 1, 500)
	w.until("every node has a reading", func() bool { return len(w.white("/grove")) == 0 })
	w.is("/grove", tree.Green)
	w.exported()
	healthy.Store(false)
	w.is("/grove", tree.Red)
	w.says("/grove/Answers/Error", "status 503")
}
