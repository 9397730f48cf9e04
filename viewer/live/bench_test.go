package live

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/live/frame"
)

// benchTree has n performance nodes /g<i/100>/n<i>.
func benchTree(b *testing.B, o tree.Options, n int) (*tree.Tree, []tree.Ref) {
	b.Helper()
	tr := tree.New(o)
	ops := make([]tree.Op, n)
	paths := make([]tree.Path, n)
	spec := &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(1e12, 1e12)}}
	for i := range n {
		paths[i] = tree.MustPath(fmt.Sprintf("/g%d/n%d", i/100, i))
		ops[i] = tree.Add(paths[i], spec)
	}
	if err := tr.Change(ops...); err != nil {
		b.Fatal(err)
	}
	refs := make([]tree.Ref, n)
	for i, p := range paths {
		refs[i], _ = tr.Lookup(p)
	}
	tr.Flush()
	return tr, refs
}

// benchClient acknowledges what it reads and hands each frame to got.
func benchClient(url string, done *sync.WaitGroup, got func(*frame.Frame)) (*websocket.Conn, error) {
	ws, res, err := (&websocket.Dialer{Subprotocols: []string{ProtocolBinary}}).Dial(url, nil)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","id":1,"path":"/"}`)); err != nil {
		return nil, err
	}
	done.Add(1)
	go func() {
		defer done.Done()
		for {
			kind, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if kind != websocket.BinaryMessage {
				continue
			}
			f, err := frame.Decode(data)
			if err != nil {
				panic(err)
			}
			got(f)
			_ = ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"ack","id":1,"seq":%d}`, f.Seq))
		}
	}()
	return ws, nil
}

// BenchmarkFanOut sends one delta of 100 changes to 200 clients; client and server
// share the processors.
func BenchmarkFanOut(b *testing.B) {
	const clients, changes = 200, 100
	tr, refs := benchTree(b, tree.Options{}, 10_000)
	s := New(Options{Tree: tr})
	hs := httptest.NewServer(as(s, grant.Anonymous))
	defer hs.Close()
	var done sync.WaitGroup
	got := make(chan struct{}, clients)
	for range clients {
		ws, err := benchClient("ws"+strings.TrimPrefix(hs.URL, "http"), &done, func(*frame.Frame) { got <- struct{}{} })
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = ws.Close() }()
		<-got // the snapshot
	}
	batch := make([]tree.Reading, changes)
	v := 0.0
	for b.Loop() {
		v++
		for i := range batch {
			batch[i] = tree.Reading{Node: refs[i*97], Value: v}
		}
		tr.Apply(batch)
		tr.Flush()
		for range clients {
			<-got
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/clients, "us/message")
	_ = s.Close(context.Background())
	done.Wait()
}

// BenchmarkReadingToDelta measures how long a reading takes to a client while
// 10,000 come in a second.
func BenchmarkReadingToDelta(b *testing.B) {
	const perSecond, nodes = 10_000, 10_000
	var s *Server
	tr, refs := benchTree(b, tree.Options{Pace: func() time.Duration { return s.Pace() }}, nodes)
	s = New(Options{Tree: tr})
	hs := httptest.NewServer(as(s, grant.Anonymous))
	defer hs.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		_ = tr.Run(ctx)
	}()
	sent := make([]time.Time, nodes) // by index
	var mu sync.Mutex
	var took []time.Duration
	first := make(chan struct{}, 1)
	ws, err := benchClient("ws"+strings.TrimPrefix(hs.URL, "http"), &done, func(f *frame.Frame) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range f.Changes {
			if n, ok := c.Value.Number(); ok {
				took = append(took, now.Sub(sent[int(n)%nodes]))
			}
		}
		if f.Type == frame.TypeSnapshot {
			first <- struct{}{}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	<-first
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	n := 0
	for b.Loop() {
		<-tick.C
		batch := make([]tree.Reading, 0, perSecond/1000)
		mu.Lock()
		for range perSecond / 1000 {
			i := n % nodes
			sent[i] = time.Now()
			batch = append(batch, tree.Reading{Node: refs[i], Value: float64(n % (1 << 24))}) // exact as float32
			n++
		}
		mu.Unlock()
		tr.Apply(batch)
	}
	cancel()
	_ = s.Close(context.Background())
	_ = ws.Close()
	done.Wait()
	slices.Sort(took)
	if len(took) > 0 {
		ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
		b.ReportMetric(ms(0.5), "ms-median")
		b.ReportMetric(ms(0.99), "ms-p99")
		b.ReportMetric(float64(len(took)), "deltas")
	}
}
