package definitions_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"grove/runtime/probe/builtin"
	"grove/runtime/probe/command"
	"grove/tree"
)

// visit fetches a page so many times.
func visit(t *testing.T, client *http.Client, url string, times int) {
	t.Helper()
	for range times {
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	client.CloseIdleConnections()
}

// TestVarnishAndIcecast runs the definition of content delivery on Debian's varnish in front
// of a server that stops, and on Debian's icecast2, to which an encoder sends and then does not.
func TestVarnishAndIcecast(t *testing.T) {
	t.Parallel()
	program, icecast := installed(t, "varnishd", "varnish"), installed(t, "icecast2", "icecast2")
	dir, front, streams := openDir(t), loopback(freePort(t)), freePort(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		if r.URL.Path == "/own" {
			w.Header().Set("Cache-Control", "no-store")
		}
		fmt.Fprintln(w, "film")
	}))
	defer backend.Close()
	host, port, _ := strings.Cut(strings.TrimPrefix(backend.URL, "http://"), ":")
	language := configure(t, filepath.Join(dir, "cache.vcl"), fmt.Sprintf("vcl 4.1;\nbackend films { .host = %q; .port = %q; }\n", host, port))
	work := filepath.Join(dir, "varnish")
	cache := newDaemon(t, func() *exec.Cmd {
		return exec.Command(program, "-F", "-n", work, "-a", front, "-f", language, "-s", "malloc,16m", "-T", "none", "-j", "none")
	})
	owner := ""
	if os.Geteuid() == 0 { // Icecast refuses to be root.
		owner = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
	}
	config := configure(t, filepath.Join(dir, "icecast.xml"), fmt.Sprintf(`<icecast>
<limits><clients>100</clients><sources>5</sources></limits>
<authentication><source-password>sends</source-password><admin-user>grove</admin-user><admin-password>sees</admin-password></authentication>
<hostname>localhost</hostname><listen-socket><port>%d</port><bind-address>127.0.0.1</bind-address></listen-socket>
<paths><logdir>%s</logdir><webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>
<logging><accesslog>access</accesslog><errorlog>error</errorlog><loglevel>1</loglevel></logging>
<security><chroot>0</chroot>%s</security></icecast>`, streams, dir, owner))
	streaming := newDaemon(t, func() *exec.Cmd { return exec.Command(icecast, "-c", config) })
	secret := configure(t, filepath.Join(dir, "password"), "sees")
	cache.start()
	reachable(t, front)
	commands, err := command.ParsePolicy([]string{"/usr/bin/varnishstat"})
	if err != nil {
		t.Fatal(err)
	}
	w := growWith(t, builtin.Registry(builtin.Options{Commands: commands}), fmt.Sprintf(`
use: content-delivery
at: /ce590
with:
  varnish: %s
  streaming: icecast
  icecast: http://%s
  user: grove
  password: file:%s
  mounts: [/live.mp3]
  customers: ATT, AOL
  location: Denver
  every: 500ms
`, work, loopback(streams), secret))
	w.is("/ce590/Streaming/Up", tree.Red)
	if n, _ := w.node("/ce590"); n.Spec.Properties["customer"] != "ATT, AOL" || n.Spec.Properties["location"] != "Denver" || n.Spec.Properties["portal"] != "" {
		t.Errorf("properties are %v", n.Spec.Properties)
	}
	const varnish = "/ce590/Cache/Varnish"
	w.within(varnish+"/Up for", 0, 60)
	w.is(varnish+"/Up for", tree.Yellow)
	visit(t, http.DefaultClient, "http://"+front+"/film", 10)
	w.within(varnish+"/Hits", 90, 90)
	w.within(varnish+"/Backend failures", 0, 0)
	w.within(varnish+"/Objects", 1, 10)

	streaming.start()
	w.is("/ce590/Streaming/Up", tree.Green)
	w.says("/ce590/Streaming/Version", "Icecast 2.")
	const wanted = "/ce590/Streaming/Wanted/~1live.mp3"
	w.is(wanted, tree.Red)
	encoder := send(t, loopback(streams), "/live.mp3")
	w.is(wanted, tree.Green)
	w.within("/ce590/Streaming/Mounts/~1live.mp3/Listeners", 0, 0)
	listener, err := http.Get("http://" + loopback(streams) + "/live.mp3")
	if err != nil {
		t.Fatal(err)
	}
	w.within("/ce590/Streaming/Mounts/~1live.mp3/Listeners", 1, 1)
	w.within("/ce590/Streaming/Listeners", 1, 1)
	w.within("/ce590/Streaming/Clients used", 1, 10)
	w.is("/ce590/Streaming", tree.Green)
	w.exported()
	_ = listener.Body.Close()
	_ = encoder.Close()
	w.is(wanted, tree.Red)
	w.is("/ce590", tree.Red)

	backend.Close()
	visit(t, http.DefaultClient, "http://"+front+"/own", 20)
	w.until("failures are counted", func() bool {
		n, _ := w.node(varnish + "/Backend failures")
		rate, ok := n.Value.Number()
		return ok && rate > 0
	})
	cache.stop()
	w.is(varnish+"/Running", tree.Red) // Its shared memory is left behind, and read.
}

// openDir is a temporary directory that servers which give up being root may use, too.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "delivery") //nolint:usetesting // others than root must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // It is the test's own, and goes with it.
		t.Fatal(err)
	}
	return dir
}

// send makes a source of Icecast that sends nothing but its request.
func send(t *testing.T, address, mount string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	request := "SOURCE " + mount + " HTTP/1.0\r\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte("source:sends")) + "\r\nContent-Type: audio/mpeg\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSquid runs the definition of content delivery on Debian's squid, which clients visit.
func TestSquid(t *testing.T) {
	t.Parallel()
	program, dir, address := installed(t, "squid", "squid"), openDir(t), loopback(freePort(t))
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		fmt.Fprintln(w, "film")
	}))
	defer backend.Close()
	config := configure(t, filepath.Join(dir, "squid.conf"), fmt.Sprintf(`
http_port %s
pid_filename none
cache_log /dev/null
access_log none
netdb_filename none
cache_mem 8 MB
coredump_dir %s
visible_hostname localhost
pinger_enable off
shutdown_lifetime 1 second
acl here src 127.0.0.1
http_access allow here
`, address, dir))
	cache := newDaemon(t, func() *exec.Cmd { return exec.Command(program, "-N", "-f", config, "-n", "grove") })
	w := grow(t, fmt.Sprintf("use: content-delivery\nat: /ce560\nwith: { cache: squid, squid: \"http://%s\", every: 500ms }\n", address))
	const squid = "/ce560/Cache/Squid"
	w.is(squid+"/Up", tree.Red)
	cache.start()
	w.is(squid+"/Up", tree.Green)
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: address})}
	visit(t, &http.Client{Transport: transport}, backend.URL+"/film", 50)
	w.within(squid+"/Hits", 1, 100)
	w.within(squid+"/Requests", 0.1, 1e6)
	w.within(squid+"/Files used", 0.001, 50)
	w.within(squid+"/Memory used", 0.1, 50)
	w.within(squid+"/Clients", 1, 1)
	w.within(squid+"/Backend failures", 0, 0)
	w.is("/ce560", tree.Green)
	w.exported()
	cache.stop()
	w.is(squid+"/Up", tree.Red)
	w.is("/ce560", tree.Red)
}
