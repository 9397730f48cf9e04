package definitions_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"grove/tree"
)

// TestHAProxy runs the definition of HAProxy on Debian's haproxy in front of two servers,
// which a client visits, of which one stops and the other follows, and then the balancer
// is taken away.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	program, metrics, front := installed(t, "haproxy", "haproxy"), loopback(freePort(t)), loopback(freePort(t))
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") })
	a, b := httptest.NewServer(page), httptest.NewServer(page)
	defer a.Close()
	defer b.Close()
	dir := t.TempDir()
	orders := filepath.Join(dir, "orders")
	config := configure(t, filepath.Join(dir, "haproxy.cfg"), fmt.Sprintf(`
global
    maxconn 100
    stats socket %s level admin
defaults
    mode http
    retries 0
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend metrics
    bind %s
    http-request use-service prometheus-exporter if { path /metrics }
frontend shop
    bind %s
    default_backend web
backend web
    option httpchk
    default-server inter 200ms fall 1 rise 1
    server a %s check
    server b %s check
    server c 127.0.0.1:1 check disabled
`, orders, metrics, front, strings.TrimPrefix(a.URL, "http://"), strings.TrimPrefix(b.URL, "http://")))
	balancer := newDaemon(t, func() *exec.Cmd { return exec.Command(program, "-db", "-f", config) })
	w := grow(t, fmt.Sprintf("use: haproxy\nat: /lb1\nwith: { url: \"http://%s/metrics\", every: 200ms }\n", metrics))
	w.is("/lb1/Answer/Up", tree.Red)

	balancer.start()
	w.is("/lb1/Answer/Up", tree.Green)
	w.says("/lb1/Answer/Version", ".")
	w.within("/lb1/Process/Connections used", 0, 20)
	w.within("/lb1/Process/Idle", 1, 100)
	w.says("/lb1/Servers/web a/State", "up")
	w.says("/lb1/Servers/web c/State", "maintenance")
	w.is("/lb1/Servers/web c/State", tree.Green)
	w.within("/lb1/Backends/web/Servers", 2, 2)
	w.within("/lb1/Frontends/shop/Sessions used", 0, 10)
	w.is("/lb1/Backends", tree.Green)
	for range 20 {
		res, err := http.Get("http://" + front + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	w.within("/lb1/Frontends/shop/Sent", 1, 1e9)
	w.within("/lb1/Backends/web/Response time", 0, 1)
	w.exported()

	order, err := net.Dial("unix", orders)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(order, "set server web/b state drain"); err != nil {
		t.Fatal(err)
	}
	_ = order.Close()
	w.says("/lb1/Servers/web b/State", "draining")
	w.is("/lb1/Servers/web b/State", tree.Yellow)
	w.is("/lb1/Backends/web/Up", tree.Green)

	a.Close()
	w.is("/lb1/Servers/web a/State", tree.Red)
	w.is("/lb1/Backends/web/Up", tree.Red)
	w.is("/lb1", tree.Red)

	balancer.stop()
	w.is("/lb1/Answer/Up", tree.Red)
	w.is("/lb1/Process/Idle", tree.White)
}
