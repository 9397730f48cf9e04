package definitions_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"grove/tree"
)

// TestGoApplication runs the definition of a Go program on Debian's Prometheus, which is
// one, and takes it away.
func TestGoApplication(t *testing.T) {
	t.Parallel()
	program, dir, address := installed(t, "prometheus", "prometheus"), t.TempDir(), loopback(freePort(t))
	config := configure(t, filepath.Join(dir, "prometheus.yml"), "global: {}\n")
	server := newDaemon(t, func() *exec.Cmd {
		return exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+address)
	})
	server.start()
	reachable(t, address)
	w := grow(t, fmt.Sprintf(`
use: go-application
name: healthy
at: /program
with: { url: "http://%[1]s/metrics", every: 200ms, http: true, memory: 16e9, requests: prometheus_http_requests_total, durations: prometheus_http_request_duration_seconds }
---
use: go-application
name: crowded
at: /crowded
with: { url: "http://%[1]s/metrics", every: 200ms, goroutines_yellow: 5 }
`, address))
	w.is("/program/Answer/Up", tree.Green)
	w.says("/program/Answer/Go version", "go1.")
	w.within("/program/Goroutines", 5, 1000)
	w.within("/program/Threads", 2, 100)
	w.within("/program/Processor", 0, 400)
	w.within("/program/Memory/Resident", 1<<20, 1<<32)
	w.within("/program/Memory/Used", 0.01, 80)
	w.within("/program/Memory/Heap", 1<<20, 1<<32)
	w.within("/program/Garbage collector/Stopped", 0, 100)
	w.within("/program/Files/Used", 0.001, 80)
	w.within("/program/HTTP/Requests", 1, 1000) // our own
	w.within("/program/HTTP/Failed", 0, 0)
	w.within("/program/HTTP/95th percentile", 1e-4, 0.5)
	w.within("/program/Answer/Restarted", 0, 0)
	w.is("/program", tree.Green)
	w.is("/crowded/Goroutines", tree.Yellow)
	w.exported()

	server.stop()
	w.is("/program/Answer/Up", tree.Red)
	w.says("/program/Answer/Error", "connection refused")
	w.is("/program/Goroutines", tree.White)

	server.start()
	w.is("/program/Answer/Restarted", tree.Yellow)
}
