package live

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

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
	s.cost = 0 // Nothing rests between two flushes.
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

// viewersOf is how many viewers the benchmarks of the fan-out have.
const viewersOf = 1000

// sitting is a socket that reads without understanding and acknowledges now and then, so
// that what is measured is the server.
type sitting struct {
	conn net.Conn
}

func sit(addr string) (*sitting, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", addr, ProtocolBinary)
	return &sitting{conn: conn}, err
}

// say sends a message in a frame whose mask is zero (RFC 6455, section 5.3).
func (s *sitting) say(format string, args ...any) error {
	text := fmt.Appendf(nil, format, args...)
	head := []byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}
	if len(text) > 125 {
		head = []byte{0x81, 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0}
	}
	_, err := s.conn.Write(append(head, text...))
	return err
}

// BenchmarkViewers has 1,000 viewers of a tree of 10,000 nodes, of whom each looks at the
// same 100 rows or each at others, while 1,000 readings come with every flush. A sitting
// client reads into nothing, which costs about as much as the server's write.
func BenchmarkViewers(b *testing.B) {
	for _, shape := range []string{"same", "different", "everything"} {
		b.Run(shape, func(b *testing.B) { benchViewers(b, shape) })
	}
}

func benchViewers(b *testing.B, shape string) {
	const nodes = 10_000
	tr, refs := benchTree(b, tree.Options{}, nodes)
	s := New(Options{Tree: tr})
	s.cost = 0 // Nothing rests between two flushes.
	hs := httptest.NewServer(as(s, grant.Anonymous))
	defer hs.Close()
	before := memory()
	var done sync.WaitGroup
	var viewers []*sitting
	for k := range viewersOf {
		v, err := sit(strings.TrimPrefix(hs.URL, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = v.conn.Close() }()
		viewers = append(viewers, v)
		open := `,"depth":0,"open":["/","/g0"]`
		switch shape {
		case "different":
			open = fmt.Sprintf(`,"depth":0,"open":["/","/g%d","/g%d"]`, k%100, (k/100+k)%100)
		case "everything":
			open = ""
		}
		if err := v.say(`{"type":"subscribe","id":1,"path":"/"%s}`, open); err != nil {
			b.Fatal(err)
		}
		done.Add(1)
		go func() {
			defer done.Done()
			buf := make([]byte, 512)
			for {
				if _, err := v.conn.Read(buf); err != nil {
					return
				}
			}
		}()
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	settled := func(frames float64) {
		for testutil.ToFloat64(s.counts.frames.WithLabelValues("snapshot"))+testutil.ToFloat64(s.counts.frames.WithLabelValues("delta")) < frames {
			<-look.C
		}
	}
	settled(viewersOf)
	kept := float64(memory()-before) / viewersOf / 1024
	frames := float64(viewersOf)
	batch := make([]tree.Reading, 1000)
	encoded, bytes := testutil.ToFloat64(s.counts.encoded), testutil.ToFloat64(s.counts.bytes)
	v := 0.0
	cpu := processor(b)
	for b.Loop() {
		v++
		for i := range batch {
			batch[i] = tree.Reading{Node: refs[i*10], Value: v}
		}
		tr.Apply(batch)
		seq := tr.Flush()
		frames += viewersOf
		settled(frames)
		for _, w := range viewers {
			if err := w.say(`{"type":"ack","id":1,"seq":%d}`, seq); err != nil {
				b.Fatal(err)
			}
		}
	}
	used := processor(b) - cpu
	changes := 20.0 // rows of two open groups that change, of 200
	switch shape {
	case "same":
		changes = 10
	case "everything":
		changes = 1000
	}
	messages := float64(b.N) * viewersOf
	b.ReportMetric(kept, "kB/viewer")
	b.ReportMetric(float64(used.Microseconds())/messages, "cpu-us/message")
	b.ReportMetric(float64(used.Nanoseconds())/messages/changes, "cpu-ns/change")
	b.ReportMetric((testutil.ToFloat64(s.counts.encoded)-encoded)/float64(b.N), "encoded/flush")
	b.ReportMetric((testutil.ToFloat64(s.counts.bytes)-bytes)/messages, "bytes/message")
	_ = s.Close(context.Background())
	for _, w := range viewers {
		_ = w.conn.Close()
	}
	done.Wait()
}

// memory is what the process has in use, in bytes.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// processor is the time that the process has used of the processors, kernel included.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
