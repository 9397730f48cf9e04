package graphite

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// got collects what the nodes of a probe get.
type got struct {
	mu     sync.Mutex
	values map[string]string
	rows   []string
}

func attach(t *testing.T, kind probe.Kind, o series.Options) *got {
	t.Helper()
	o.MaxSeries = 100
	p, err := kind.New(&sample.ProbeOptions{Options: o, StaleAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	g := &got{values: map[string]string{}}
	detach, err := p.(receive.Attacher).Attach("shop", "it", func(r probe.Result) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, v := range r.Values {
			g.values[v.Attribute] = v.Value.String()
		}
		for _, table := range r.Tables {
			g.rows = nil
			for _, row := range table.Rows {
				g.rows = append(g.rows, fmt.Sprint(row))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(detach)
	return g
}

// has waits until the nodes got certain values.
func (g *got) has(t *testing.T, want map[string]string) {
	t.Helper()
	var diff string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		g.mu.Lock()
		have := map[string]string{}
		for k := range want {
			have[k] = g.values[k]
		}
		g.mu.Unlock()
		if diff = cmp.Diff(want, have); diff == "" {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	t.Fatalf("-want +got:\n%s", diff)
}

// listen serves a hub at a free port by UDP and by TCP.
func listen(t *testing.T, packets func(context.Context, net.PacketConn) error, stream func(context.Context, net.Listener) error) (udp, tcp string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := packets(ctx, conn); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		if err := stream(ctx, l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return conn.LocalAddr().String(), l.Addr().String()
}

func send(t *testing.T, network, address, text string) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestLines(t *testing.T) {
	hub := NewHub(Options{})
	udp, tcp := listen(t, hub.Packets, hub.Stream)
	got := attach(t, Kind(hub), series.Options{
		Values: map[string]string{"load": `servers_web1_load{p2="web1"}`, "tagged": `disk_used{dc="eu"}`},
		Tables: map[string]series.Table{"servers": {Key: []string{"p2"}, Columns: map[string]string{"load": `{p1="servers",p3="load"}`}}},
	})
	now := time.Now().Unix()
	send(t, "tcp", tcp, fmt.Sprintf("servers.web1.load 0.5 %d\r\nservers.web2.load 7 -1\n\n", now))
	send(t, "udp", udp, "disk.used;dc=eu;host=web1;9x=x 12.5\nnonsense\nservers.web1.load x 1\n")
	got.has(t, map[string]string{"load": "0.5", "tagged": "12.5", "error": ""})
	got.mu.Lock()
	defer got.mu.Unlock()
	if diff := cmp.Diff([]string{"[web1 0.5]", "[web2 7]"}, got.rows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestCollectd takes what Debian's collectd sends to Graphite.
func TestCollectd(t *testing.T) {
	t.Parallel()
	const program = "/usr/sbin/collectd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("collectd is not installed")
	}
	hub := NewHub(Options{})
	_, tcp := listen(t, hub.Packets, hub.Stream)
	host, port, err := net.SplitHostPort(tcp)
	if err != nil {
		t.Fatal(err)
	}
	got := attach(t, Kind(hub), series.Options{Tables: map[string]series.Table{"hosts": {Key: []string{"p2"}, Columns: map[string]string{"load": `{p1="test",p5="shortterm"}`}}}})
	dir := t.TempDir()
	config := filepath.Join(dir, "collectd.conf")
	text := fmt.Sprintf("Hostname \"web1\"\nFQDNLookup false\nInterval 0.2\nBaseDir %q\nPIDFile %q\nLoadPlugin load\nLoadPlugin write_graphite\n<Plugin write_graphite>\n<Node \"grove\">\nHost %q\nPort %q\nProtocol \"tcp\"\nPrefix \"test.\"\nSeparateInstances true\n</Node>\n</Plugin>\n",
		dir, dir+"/pid", host, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-f", "-C", config)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; {
		got.mu.Lock()
		rows := strings.Join(got.rows, " ")
		got.mu.Unlock()
		if strings.Contains(rows, "web1") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("rows %s, %+v", rows, hub.Stats())
		}
		select {
		case <-t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestWhoMaySend(t *testing.T) {
	hub := NewHub(Options{Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	udp, tcp := listen(t, hub.Packets, hub.Stream)
	send(t, "udp", udp, "a 1\n")
	send(t, "tcp", tcp, "a 1\n")
	for deadline := time.Now().Add(2 * time.Minute); hub.Stats().Refused[receive.Denied] != 2; {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", hub.Stats())
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestParse(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, tt := range []struct {
		line, name string
		value      float64
		at         int64
		bad        bool
	}{
		{line: "a.b 1 1600000000", name: "a_b", value: 1, at: 1_600_000_000_000},
		{line: "a.b 1e3", name: "a_b", value: 1000, at: 1_700_000_000_000},
		{line: "a.b -1 -1", name: "a_b", value: -1, at: 1_700_000_000_000},
		{line: "1a-b;x=y 1 1600000000.5", name: "_1a_b", value: 1, at: 1_600_000_000_500},
		{line: "a", bad: true}, {line: "a b", bad: true}, {line: "a 1 2 3", bad: true}, {line: "a NaN", bad: true}, {line: "a Inf 1", bad: true},
		{line: "a 1 yesterday", bad: true}, {line: "a 1 -7", bad: true}, {line: ";x=y 1", bad: true},
	} {
		_, name, s, err := parse([]byte(tt.line), now)
		if (err != nil) != tt.bad || !tt.bad && (string(name) != tt.name || s.Value != tt.value || s.Time != tt.at) {
			t.Errorf("%q: %s %+v %v", tt.line, name, s, err)
		}
	}
}

func TestContract(t *testing.T) {
	probetest.Run(t, Kind(NewHub(Options{})), &sample.ProbeOptions{StaleAfter: time.Minute, Options: series.Options{MaxSeries: 10, Values: map[string]string{"x": "x"}}})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a.b;c=d 1 2"))
	hub := NewHub(Options{})
	f.Fuzz(func(_ *testing.T, line []byte) { hub.line(line) })
}
