package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"grove/cmd/app"
	"grove/test/grovetest"
	"grove/tree"
	"grove/viewer/live"
	"grove/viewer/live/frame"
)

// BenchmarkPushToDelta measures the way of a reading through the whole program at
// 10,000 readings a second: from just before POST /api/v1/readings until the delta is
// read from a websocket. A sender posts a batch of 100 every 10 ms over one connection;
// every reading has a value of its own, by which the reader knows it.
//
//	go test ./test -run '^$' -bench '^BenchmarkPushToDelta$' -benchtime 5s
//
// It should be below 5 ms in the median and 50 ms at the 99th percentile.
func BenchmarkPushToDelta(b *testing.B) {
	const (
		nodes    = 10_000
		batch    = 100
		interval = 10 * time.Millisecond
	)
	m := serve(b)
	m.write("many.yaml", fmt.Sprintf(`grove: 1
application: many
at: /many
tree:
  "Group ${item}":
    each: "1..%d"
    nodes:
      "n${item}": { each: "1..100", kind: performance, red: "> 1e9" }
`, nodes/100))
	m.loaded("many")
	paths := make([]string, 0, nodes)
	for g := range nodes / 100 {
		for n := range 100 {
			paths = append(paths, fmt.Sprintf("/many/Group %d/n%d", g+1, n+1))
		}
	}

	// The reader notes when each value arrived.
	ws, res, err := (&websocket.Dialer{Subprotocols: []string{live.ProtocolBinary}}).Dial("ws"+m.url[len("http"):]+"/api/v1/live", nil)
	if err != nil {
		b.Fatal(err)
	}
	_ = res.Body.Close()
	var (
		mu      sync.Mutex
		sent    = map[float32]time.Time{} // by value: the frames carry 32 bits
		took    []time.Duration
		ready   = make(chan struct{})
		reading sync.WaitGroup
	)
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","id":1,"path":"/many"}`)); err != nil {
		b.Fatal(err)
	}
	reading.Go(func() {
		for {
			kind, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if kind != websocket.BinaryMessage {
				continue
			}
			now := time.Now()
			f, err := frame.Decode(data)
			if err != nil {
				b.Error(err)
				return
			}
			mu.Lock()
			for i := range f.Changes {
				n, _ := f.Changes[i].Value.Number()
				if at, ok := sent[float32(n)]; ok {
					took = append(took, now.Sub(at))
					delete(sent, float32(n))
				}
			}
			mu.Unlock()
			if f.Type == frame.TypeSnapshot {
				close(ready)
			}
			if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"ack","id":1,"seq":%d}`, f.Seq)); err != nil {
				return
			}
		}
	})
	<-ready

	value, posted := 0, 0
	var body bytes.Buffer
	pace := time.NewTicker(interval)
	defer pace.Stop()
	b.ResetTimer()
	begin := time.Now()
	for b.Loop() {
		<-pace.C
		body.Reset()
		values := make([]float32, batch)
		for i := range batch {
			value = value%(1<<24-1) + 1 // whole numbers that 32 bits hold
			values[i] = float32(value)
			fmt.Fprintf(&body, "%c{\"path\":%q,\"value\":%d}", "[,"[min(i, 1)], paths[value%nodes], value)
		}
		body.WriteByte(']')
		now := time.Now()
		mu.Lock()
		for _, v := range values {
			sent[v] = now
		}
		mu.Unlock()
		res, err := m.http.Post(m.url+"/api/v1/readings", "application/json", bytes.NewReader(body.Bytes()))
		if err != nil {
			b.Fatal(err)
		}
		answer, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"accepted":`+strconv.Itoa(batch))) {
			b.Fatalf("%s: %s", res.Status, answer)
		}
		posted += batch
	}
	elapsed := time.Since(begin)
	b.StopTimer()
	grovetest.Eventually(b, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(sent) > 0 {
			return fmt.Errorf("%d readings did not arrive", len(sent))
		}
		return nil
	})
	_ = ws.Close()
	reading.Wait()
	slices.Sort(took)
	ms := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(ms(0.5), "ms-median")
	b.ReportMetric(ms(0.99), "ms-p99")
	b.ReportMetric(float64(posted)/elapsed.Seconds(), "readings/s")
}

// campus yields 101,001 nodes: 1,000 switches of 25 ports of 3 attributes, which a
// probe of kind push feeds.
const campus = `grove: 1
application: campus
at: /campus
probes:
  box: { kind: push, attributes: { in: { type: counter, unit: bytes }, out: { type: counter, unit: bytes } } }
templates:
  port:
    description: Port of a switch
    In:  { from: box.in, change: rate, yellow: "> 5e6", red: "> 9e6 for 30s", back: 10% }
    Out: { from: box.out, change: rate, yellow: "> 5e6", red: "> 9e6 for 30s", back: 10% }
    Load: { value: (box.in + box.out) / 1e7, yellow: "> 0.8", red: "> 0.9" }
tree:
  "Switch ${item}":
    each: "1..1000"
    rollup: { percent: { yellow: 10, red: 50 } }
    "Port ${item}": { each: "1..25", use: port }
`

// BenchmarkHundredThousandNodes measures how long a running manager takes to check and
// build a definition that yields 101,001 nodes: reading it, the plan, the nodes in the
// tree with what feeds them, and their state in the tree itself. The 200 ms for which
// the watch waits until the file is whole are not in it.
//
//	go test ./test -run '^$' -bench '^BenchmarkHundredThousandNodes$' -benchtime 5x -cpu 2
//
// It should be below 2 s on two cores.
func BenchmarkHundredThousandNodes(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		data := b.TempDir()
		a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: data, NoHost: true})
		if err != nil {
			b.Fatal(err)
		}
		m := &manager{TB: b, App: a, drop: a.DropIn()}
		a.Reload()
		m.write("campus.yaml", campus)
		b.StartTimer()
		a.Reload()
		b.StopTimer()
		if n := a.Tree.Len(); n < 101_001 {
			b.Fatalf("%d nodes", n)
		}
		if err := a.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkStart measures how long the default tree takes from nothing until /readyz
// answers and the memory of this host has its first reading.
//
//	go test ./test -run '^$' -bench '^BenchmarkStart$'
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		changed := make(chan struct{}, 1)
		cancel := a.Tree.OnFlush(func(uint64) {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
		a.Start()
		for there := false; !there; {
			<-changed
			_ = a.Tree.Walk(tree.Path{}, -1, func(n *tree.Node) bool {
				there = there || n.Spec != nil && n.Spec.Metric == "host_memory_used_ratio" && !n.Value.IsNone()
				return !there
			})
		}
		b.StopTimer()
		cancel()
		if err := a.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
