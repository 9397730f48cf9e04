package definitions_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"grove/tree"
)

// TestRecordedSpringBoot runs the definition on answers of the forms that Spring Boot 3
// and Micrometer document, since Debian has no such application.
func TestRecordedSpringBoot(t *testing.T) {
	t.Parallel()
	metrics, err := os.ReadFile(filepath.Join("testdata", "spring-boot.prom"))
	if err != nil {
		t.Fatal(err)
	}
	var failed atomic.Int64
	var down atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/actuator/health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.spring-boot.actuator.v3+json")
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"status":"DOWN","components":{"db":{"status":"DOWN"},"ping":{"status":"UP"}}}`)
			return
		}
		_, _ = io.WriteString(w, `{"status":"UP","components":{"db":{"status":"UP"},"ping":{"status":"UP"}}}`)
	})
	mux.HandleFunc("/actuator/prometheus", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain;version=0.0.4;charset=utf-8")
		_, _ = io.WriteString(w, strings.Replace(string(metrics), "FAILED", fmt.Sprint(failed.Load()), 1))
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	w := grow(t, fmt.Sprintf("{ use: spring-boot, at: /app1, with: { url: %q, every: 1s, timeout: 900ms } }", s.URL+"/actuator"))
	w.is("/app1/Answer/Health", tree.Green)
	w.within("/app1/Machine/Heap used", 24.9, 25.1)
	w.within("/app1/Machine/Threads", 31, 31)
	w.within("/app1/Machine/Up for", 321.5, 321.5)
	w.within("/app1/Requests/Slowest", 0.25, 0.25)
	w.within("/app1/Requests/Paths/~1orders~1{id}", 0, 0)
	w.within("/app1/Database connections/HikariPool-1/Used", 20, 20)
	w.until("every node has a reading", func() bool { return len(w.white("/app1")) == 0 })
	w.is("/app1", tree.Green)
	w.exported()

	failed.Store(50)
	w.within("/app1/Requests/Failed", 1, 100)
	down.Store(true)
	w.is("/app1/Answer/Health", tree.Red)
	w.is("/app1", tree.Red)
	s.CloseClientConnections()
	s.Close()
	w.is("/app1/Answer/Up", tree.Red)
	w.is("/app1/Machine/Threads", tree.White)
}
