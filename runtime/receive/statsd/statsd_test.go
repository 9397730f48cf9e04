package statsd

import (
	"context"
	"fmt"
	"net"
	"os/exec"
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
	hub := NewHub(Options{Flush: 10 * time.Millisecond})
	udp, tcp := listen(t, hub.Packets, hub.Stream)
	got := attach(t, Kind(hub), series.Options{
		Values: map[string]string{
			"orders": `sum(shop_orders)`, "german": `shop_orders{country="de"}`, "sampled": "hits", "level": "tank_level", "changed": "tank_flow", "users": "users",
			"count": "histogram_count(answer)", "sum": "histogram_sum(answer)",
		},
	})
	send(t, "udp", udp, "shop.orders:3|c|#country:de,slow\nshop.orders:4|c|#country:fr\nhits:2|c|@0.5\ntank.level:7|g\ntank.level:8.5|g\ntank.flow:+5|g\ntank.flow:-2|g\n")
	send(t, "tcp", tcp, "users:ada|s\nusers:joe|s\nusers:ada|s\nanswer:100:200|ms\nanswer:300|d\nanswer:400|h|@0.5\nshop.orders:1|c|#country:de\n")
	got.has(t, map[string]string{"orders": "8", "german": "4", "sampled": "4", "level": "8.5", "changed": "3", "users": "2", "count": "5", "sum": "1400", "error": ""})
	send(t, "udp", udp, "tank.flow:+1|g\nshop.orders:2|c|#country:de\nanswer:100|ms\n")
	got.has(t, map[string]string{"orders": "10", "changed": "4", "count": "6", "sum": "1500"})
}

// TestClient takes what the client library of StatsD for Python sends.
func TestClient(t *testing.T) {
	t.Parallel()
	if err := exec.Command("/usr/bin/python3", "-c", "import statsd").Run(); err != nil {
		t.Skip("python3-statsd is not installed")
	}
	hub := NewHub(Options{Flush: 10 * time.Millisecond})
	udp, _ := listen(t, hub.Packets, hub.Stream)
	got := attach(t, Kind(hub), series.Options{Values: map[string]string{"orders": "shop_orders", "load": "shop_load", "answers": "histogram_count(shop_answer)", "users": "shop_users"}})
	host, port, err := net.SplitHostPort(udp)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("import statsd\nc = statsd.StatsClient('%s', %s, prefix='shop')\nc.incr('orders', 3)\nc.gauge('load', 0.5)\nc.timing('answer', 12)\nc.set('users', 'ada')\n", host, port)
	if out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got.has(t, map[string]string{"orders": "3", "load": "0.5", "answers": "1", "users": "1"})
}

func TestParse(t *testing.T) {
	for _, line := range []string{"a", ":1|c", "a:1", "a:1|x", "a:1|c|@2", "a:1|c|@0", "a:1|c|@x", "a:x|c", "a:NaN|g", "a:1:x|h", "a:1|c||", "a:|c", "a:1e101|c", "a:-1e300|g", "a:1|c|@1e-300"} {
		if m, err := parse([]byte(line)); err == nil {
			t.Errorf("%q is %+v", line, m)
		}
	}
	hub := NewHub(Options{})
	for _, line := range []string{"nonsense", "_e{1,1}:a|b", "_sc|a|0"} {
		hub.line([]byte(line))
	}
	if s := hub.Stats(); s.Refused[receive.Malformed] != 1 || s.Refused[receive.NoNode] != 2 || s.Lines != 0 {
		t.Errorf("%+v", s)
	}
}

func TestContract(t *testing.T) {
	probetest.Run(t, Kind(NewHub(Options{})), &sample.ProbeOptions{StaleAfter: time.Minute, Options: series.Options{MaxSeries: 10, Values: map[string]string{"x": "x"}}})
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("a.b:1:2|h|@0.5|#c:d"))
	f.Fuzz(func(_ *testing.T, line []byte) {
		hub := NewHub(Options{})
		hub.line(line)
		hub.handOn()
	})
}
