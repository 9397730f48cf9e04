package listener

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h http.Handler, l Options) *Server {
	t.Helper()
	s, err := New(h, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.Start()
	return s
}

func TestPortsAndSockets(t *testing.T) {
	if Port(0) != 50013 || Port(42) != 54213 || Socket(0) != "/tmp/.sapstream50013" || Socket(7) != "/tmp/.sapstream50713" {
		t.Errorf("got %d %d %s %s", Port(0), Port(42), Socket(0), Socket(7))
	}
}

// TestServerListensOnBoth asks by TCP, and over the socket with curl as an operator
// would, while a client of the same machine holds a connection open.
func TestServerListensOnBoth(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body) // Nothing is left to do for a client that went.
	})
	socket := filepath.Join(t.TempDir(), ".sapstream50713")
	s := serve(t, echo, Options{Address: "127.0.0.1:0", Socket: socket})
	if info, err := os.Lstat(socket); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	if rest, _ := os.ReadDir(filepath.Dir(socket)); len(rest) != 1 {
		t.Errorf("beside the socket there is %v", rest)
	}
	access := s.Access()
	if len(access) != 2 || access[1] != (Access{Address: socket, Protocol: "HTTP"}) || s.Addr() == "" {
		t.Errorf("got %+v, %s", access, s.Addr())
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	res, err := client.Post("http://"+s.Addr()+"/", "text/xml", strings.NewReader("<name>web1</name>"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != 200 || !strings.Contains(string(body), "<name>web1</name>") {
		t.Errorf("%d %v %s", res.StatusCode, err, body)
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	out, err := exec.CommandContext(t.Context(), curl, "-sS", "--unix-socket", socket, "-u", ":", "-H", "Content-Type: text/xml; charset=utf-8",
		"--data-binary", "<name>web1</name>", "http://localhost/").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "<name>web1</name>") {
		t.Errorf("%v %s", err, out)
	}
}

func TestSocketIsReplacedOnlyWhenStale(t *testing.T) {
	dir := t.TempDir()
	h := http.NotFoundHandler()
	refused := func(l Options, want string) {
		t.Helper()
		s, err := New(h, l)
		if err == nil {
			_ = s.Close(context.Background())
			t.Fatalf("%+v is taken", l)
		}
		if err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	// What a killed program leaves.
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	s, err := New(h, Options{Socket: stale})
	if err != nil {
		t.Fatal(err)
	}
	refused(Options{Socket: stale}, "sapcontrol: another program listens at "+stale+", perhaps a SAP instance of the same number: choose another")
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(stale); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	// What is somebody else's.
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(Options{Socket: file}, "sapcontrol: "+file+" is there and is no socket: it is not replaced")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(stale, link); err != nil {
		t.Fatal(err)
	}
	refused(Options{Socket: link}, "sapcontrol: "+link+" is there and is no socket: it is not replaced")
	refused(Options{Socket: "relative"}, `sapcontrol: socket "relative" is not an absolute path without detours`)
	refused(Options{Address: "0.0.0.0:0"}, "sapcontrol: 0.0.0.0:0 is not a loopback address: the service has no access control")
	refused(Options{Address: "localhost:0"}, "sapcontrol: localhost:0 is not a loopback address: the service has no access control")
	refused(Options{}, "sapcontrol: neither an address nor a socket is given")
	// A socket that was replaced meanwhile is not taken away from who has it now.
	mine := filepath.Join(dir, "mine")
	first, err := New(h, Options{Socket: mine})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file, mine); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(mine); err != nil {
		t.Error(err)
	}
}

// pipes is a listener at which there is always one more.
type pipes struct{ net.Listener }

func (pipes) Accept() (net.Conn, error) {
	here, there := net.Pipe()
	_ = there.Close()
	return here, nil
}

func (pipes) Close() error { return nil }

// TestConnectionsAreBounded: one more than may be waits until another ends, or the
// listener does.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bounded(pipes{}, 1)
		accepted := make(chan error)
		var last net.Conn
		accept := func() {
			c, err := l.Accept()
			if err == nil {
				last = c
			}
			accepted <- err
		}
		waits := func() {
			t.Helper()
			synctest.Wait()
			select {
			case err := <-accepted:
				t.Fatalf("one more than may be is accepted: %v", err)
			default:
			}
		}
		go accept()
		if err := <-accepted; err != nil {
			t.Fatal(err)
		}
		go accept()
		waits()
		held := last
		_ = held.Close()
		_ = held.Close() // Twice counts once.
		if err := <-accepted; err != nil {
			t.Fatal(err)
		}
		go accept()
		waits()
		_ = l.Close()
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
