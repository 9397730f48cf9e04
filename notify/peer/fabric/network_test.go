package fabric_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/fabric"
	"grove/notify/peer/peertest"
)

// TestLossIsSeenOnBothSides holds that a network that is silent is noticed by both managers,
// also by one that writes all the time, that a question on its way ends then, and that the
// link comes back by itself.
func TestLossIsSeenOnBothSides(t *testing.T) {
	for _, scheme := range []string{"tls://127.0.0.1:0", "wss://127.0.0.1:0/peer"} {
		t.Run(scheme[:3], func(t *testing.T) {
			t.Parallel()
			ca := newCA(t)
			hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Listen: []string{scheme}})
			between := newPass(t, hostOf(t, hub.Addresses()[0]))
			one := manager(t, fabric.Options{Self: second, Security: ca.security(t, second, hour)})
			if err := one.Connect(scheme[:3]+"://"+between.listener.Addr().String(), first); err != nil {
				t.Fatal(err)
			}
			linked(t, hub, one)
			free := make(chan struct{})
			defer close(free)
			hub.Handle("test.wait", func(context.Context, peer.ID, []byte) ([]byte, error) {
				<-free
				return nil, nil
			})
			asked := make(chan error, 2)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				_, err := one.Ask(ctx, first, "test.wait", nil)
				asked <- err
			}()
			one.Handle("test.wait", func(context.Context, peer.ID, []byte) ([]byte, error) {
				<-free
				return nil, nil
			})
			go func() {
				_, err := hub.Ask(ctx, second, "test.wait", nil)
				asked <- err
			}()
			over, written := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(written)
				for { // more than any buffer of the network holds
					select {
					case <-over:
						return
					default:
						_ = one.Publish("s", make([]byte, 64<<10))
					}
				}
			}()
			began := time.Now()
			between.set(false, true)
			lost := map[*fabric.Fabric]time.Duration{}
			peertest.Until(t, "both see the loss", func() bool {
				for f, to := range map[*fabric.Fabric]peer.ID{hub: second, one: first} {
					if _, seen := lost[f]; !seen && !isUp(f, to) {
						lost[f] = time.Since(began)
					}
				}
				return len(lost) == 2
			})
			t.Logf("the loss was seen after %v by the one that listens, %v by the one that calls", lost[hub], lost[one])
			close(over)
			<-written
			for range 2 {
				if err := <-asked; !errors.Is(err, peer.ErrLost) || ctx.Err() != nil {
					t.Errorf("a question on its way: %v", err)
				}
			}
			between.set(true, false)
			between.set(false, false)
			linked(t, hub, one)
		})
	}
}

// TestLongWay holds that managers are linked whose answers take more than half a second.
func TestLongWay(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Listen: []string{"tls://127.0.0.1:0"}})
	between := newPass(t, hostOf(t, hub.Addresses()[0]))
	between.delay = 300 * time.Millisecond
	one := manager(t, fabric.Options{Self: second, Security: ca.security(t, second, hour)})
	if err := one.Connect("tls://"+between.listener.Addr().String(), first); err != nil {
		t.Fatal(err)
	}
	linked(t, hub, one)
	hub.Handle("test.far", func(context.Context, peer.ID, []byte) ([]byte, error) { return []byte("here"), nil })
	for range 3 {
		began := time.Now()
		if answer, err := one.Ask(t.Context(), first, "test.far", nil); err != nil || string(answer) != "here" || time.Since(began) < 2*between.delay {
			t.Errorf("%q, %v after %v", answer, err, time.Since(began))
		}
	}
}

// TestKilledAndStoppedProcess holds the same for a process that is killed, and for one that
// is stopped and goes on.
func TestKilledAndStoppedProcess(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Listen: []string{"tls://127.0.0.1:0"}})
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childAddress+"="+hub.Addresses()[0])
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	child.Stderr = testLog{t}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := sync.OnceFunc(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	defer ended()
	if err := ca.security(t, second, hour).write(in); err != nil {
		t.Fatal(err)
	}
	is := func(up bool) {
		t.Helper()
		began := time.Now()
		peertest.Until(t, fmt.Sprint("the link to the other process is up=", up), func() bool { return isUp(hub, second) == up })
		t.Logf("the link was up=%v after %v", up, time.Since(began))
	}
	is(true)
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	is(false)
	if err := child.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	is(true)
	ended()
	is(false)
}

// childAddress names what the other process calls; it reads its certificate from its input.
const childAddress = "GROVE_FABRIC_TEST_ADDRESS"

func runChild(address string) {
	s, err := readSecurity(os.Stdin)
	if err != nil {
		panic(err)
	}
	f, err := fabric.New(fabric.Options{Self: idOf(s.own.Leaf), Security: s, Log: quiet})
	if err == nil {
		err = f.Start()
	}
	if err == nil {
		err = f.Connect(address, first)
	}
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends, or kills it
}

// TestThroughProxyStandIn holds that links, and the question of who joins, go through an HTTP
// proxy that sends the first bytes of the other side with its answer, and asks for a password.
func TestThroughProxyStandIn(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Listen: []string{"tls://127.0.0.1:0", "wss://127.0.0.1:0/peer"}})
	hub.Handle("test.echo", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) { return body, nil })
	proxy := newProxy(t)
	for i, address := range hub.Addresses() {
		before := proxy.count()
		id := hexID(i)
		f := manager(t, fabric.Options{Self: id, Security: ca.security(t, id, hour), Proxy: "http://me:se%20cret@" + proxy.address})
		if err := f.Connect(address, first); err != nil {
			t.Fatal(err)
		}
		linked(t, hub, f)
		config, _ := ca.security(t, id, hour).ClientConfig(first)
		if answer, err := f.AskOnce(t.Context(), address, config, first, "test.echo", []byte("x")); string(answer) != "x" || err != nil {
			t.Errorf("%s: %q, %v", address, answer, err)
		}
		if n := proxy.count() - before; n < 3 {
			t.Errorf("%d connections went through the proxy, not the two of the link and that of the question", n)
		}
	}
	for name, c := range map[string]struct{ proxy, to, want string }{
		"no password":     {"http://" + proxy.address, hub.Addresses()[0], "it wants a user and a password (407)"},
		"nobody is there": {"http://me:se%20cret@" + proxy.address, "tls://127.0.0.1:1", "it does not connect: 502 Bad Gateway"},
		"no proxy":        {"http://me:se%20cret@" + strings.TrimPrefix(hub.Addresses()[0], "tls://"), hub.Addresses()[0], "proxy "},
	} {
		f := manager(t, fabric.Options{Self: second, Security: ca.security(t, second, hour), Proxy: c.proxy})
		if err := f.Connect(c.to, first); err != nil {
			t.Fatal(err)
		}
		var l peer.Link
		peertest.Until(t, "the link says why it is down", func() bool {
			l, _ = linkTo(f, first)
			return l.Error != ""
		})
		if !strings.Contains(l.Error, c.want) || strings.Contains(l.Error, "cret") {
			t.Errorf("%s: %s", name, l.Error)
		}
	}
}

type proxy struct {
	address string
	mu      sync.Mutex
	n       int
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String()}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(ctx, c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); stop(); running.Wait() })
	return p
}

func (p *proxy) serve(ctx context.Context, c net.Conn) {
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil || r.Method != http.MethodConnect {
		_, _ = io.WriteString(c, "HTTP/1.1 405 Method Not Allowed\r\n\r\n")
		return
	}
	if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("me:se cret")) {
		_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n")
		return
	}
	up, err := net.Dial("tcp", r.RequestURI)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer func() { _ = up.Close() }()
	p.mu.Lock()
	p.n++
	p.mu.Unlock()
	_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(up, in); _ = up.Close() })
	both.Go(func() { _, _ = io.Copy(c, up); _ = c.Close() })
	both.Wait()
}

// TestThroughSquid holds that links go through a real proxy.
func TestThroughSquid(t *testing.T) {
	t.Parallel()
	squid, err := exec.LookPath("squid")
	if err != nil {
		if squid, err = exec.LookPath("/usr/sbin/squid"); err != nil {
			t.Skip("squid is not installed")
		}
	}
	folder := t.TempDir()
	port := freePorts(t, 1)[0]
	config := filepath.Join(folder, "squid.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, `http_port 127.0.0.1:%d
http_access allow all
cache_mem 8 MB
cache_log /dev/null
access_log none
pid_filename none
netdb_filename none
visible_hostname localhost
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir none
`, port), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(squid, "-N", "-f", config, "-n", fmt.Sprint("grove", port))
	c.Stderr = testLog{t}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Listen: []string{"tls://127.0.0.1:0", "wss://127.0.0.1:0/peer"}})
	for i, address := range hub.Addresses() {
		id := hexID(i)
		f := manager(t, fabric.Options{Self: id, Security: ca.security(t, id, hour), Proxy: fmt.Sprintf("http://127.0.0.1:%d", port)})
		if err := f.Connect(address, first); err != nil {
			t.Fatal(err)
		}
		linked(t, hub, f)
	}
}

// TestListensAndCallsAtRunTime holds that a manager begins to listen, moves and stops, and
// that links are made and taken back, while it runs.
func TestListensAndCallsAtRunTime(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour)})
	port := freePorts(t, 1)[0]
	address := fmt.Sprintf("tls://127.0.0.1:%d", port)
	one := manager(t, fabric.Options{Self: second, Security: ca.security(t, second, hour)})
	if err := one.Connect(address, first); err != nil {
		t.Fatal(err)
	}
	if err := hub.Listen([]string{address}); err != nil {
		t.Fatal(err)
	}
	linked(t, hub, one)
	for _, f := range []*fabric.Fabric{hub, one} {
		f.Handle("test.echo", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) { return body, nil })
	}
	if err := hub.Listen(nil); err != nil {
		t.Fatal(err)
	}
	peertest.Until(t, "the link is lost", func() bool { return !isUp(hub, second) && !isUp(one, first) })
	if hub.Addresses() != nil {
		t.Errorf("it listens at %v", hub.Addresses())
	}
	if err := hub.Listen([]string{address, "wss://127.0.0.1:0/x"}); err != nil {
		t.Fatal(err)
	}
	linked(t, hub, one)
	peertest.Until(t, "figures of the link are there", func() bool {
		a, _ := linkTo(hub, second)
		b, _ := linkTo(one, first)
		_, err := one.Ask(t.Context(), first, "test.echo", make([]byte, 1000))
		return err == nil && a.RoundTrip > 0 && b.RoundTrip > 0 && a.BytesIn > 1000 && b.BytesOut > 1000 && a.MessagesIn > 0 && b.MessagesIn > 0 &&
			!a.CertificateEnds.IsZero() && !b.CertificateEnds.IsZero() && !a.Outbound && b.Outbound
	})
	one.Disconnect(first)
	if len(one.Links()) != 0 {
		t.Errorf("links after it was taken back: %v", one.Links())
	}
	peertest.Until(t, "the other side sees it", func() bool { return !isUp(hub, second) })
	if err := one.Connect(hub.Addresses()[1], first); err != nil {
		t.Fatal(err)
	}
	linked(t, hub, one)
}

// TestTwoLinksShowOne holds that two managers that call each other have one link to show,
// that messages do not come twice, and that one link stands in for the other.
func TestTwoLinksShowOne(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	a := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Listen: []string{"tls://127.0.0.1:0"}})
	b := manager(t, fabric.Options{Self: second, Security: ca.security(t, second, hour), Listen: []string{"tls://127.0.0.1:0"}})
	between := newPass(t, hostOf(t, a.Addresses()[0]))
	if err := b.Connect("tls://"+between.listener.Addr().String(), first); err != nil {
		t.Fatal(err)
	}
	linked(t, a, b)
	if err := a.Connect(b.Addresses()[0], second); err != nil {
		t.Fatal(err)
	}
	peertest.Until(t, "both call", func() bool {
		l, _ := linkTo(a, second)
		return l.Outbound && l.Up
	})
	if len(a.Links()) != 1 || len(b.Links()) != 1 {
		t.Errorf("links %v and %v", a.Links(), b.Links())
	}
	got := make(chan string, 10)
	b.Handle("test.take", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) {
		got <- string(body)
		return nil, nil
	})
	cancel, err := b.Follow(first, "s", func(body []byte) { got <- string(body) })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	for i := range 5 {
		what := fmt.Sprint(i)
		if i%2 == 0 {
			err = a.Publish("s", []byte(what))
		} else {
			err = a.SendAll("test.take", []byte(what))
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case body := <-got:
			if body != what {
				t.Errorf("%s came, not %s", body, what)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s never came", what)
		}
	}
	between.set(true, false)
	peertest.Until(t, "the way that b made is lost, and the link is up", func() bool {
		l, _ := linkTo(b, first)
		return l.Up && !l.Outbound
	})
	if _, err := b.Ask(t.Context(), first, "fabric.ping", nil); err != nil {
		t.Errorf("asked over the other link: %v", err)
	}
	peertest.Until(t, "b follows over the other link", func() bool {
		_ = a.Publish("s", []byte("again"))
		select {
		case body := <-got:
			return body == "again"
		default:
			return false
		}
	})
}
