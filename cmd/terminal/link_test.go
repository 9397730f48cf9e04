package terminal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"grove/tree"
	"grove/viewer/live/frame"
)

// wire is a feed whose frames come from a channel; it ends with an error.
type wire struct {
	stage
	frames chan *frame.Frame
	ended  chan struct{}
	once   sync.Once
}

var errWire = errors.New("the wire was cut")

func (w *wire) Next() (*frame.Frame, error) {
	select {
	case f, ok := <-w.frames:
		if !ok {
			return nil, errWire
		}
		return f, nil
	case <-w.ended:
		return nil, errWire
	}
}

func (w *wire) End() { w.once.Do(func() { close(w.ended) }) }

// TestLink dials until it is told to end, later and later while nobody answers.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		var log []string
		say := func(format string, a ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf("%s "+format, append([]any{time.Since(begin)}, a...)...))
		}
		answers := true
		var last *wire
		l := &link{shapes: make(chan Shape, 1), fatal: func(err error) bool { return errors.Is(err, tree.ErrNoNode) }}
		l.dial = func(_ context.Context, s Shape) (Feed, error) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf("%s dial %v", time.Since(begin), s.Open))
			if !answers {
				return nil, errors.New("nobody answers")
			}
			last = &wire{frames: make(chan *frame.Frame, 8), ended: make(chan struct{})}
			last.frames <- &frame.Frame{Type: frame.TypeSnapshot, Time: time.Now()}
			return last, nil
		}
		l.send = func(msg tea.Msg) {
			switch msg := msg.(type) {
			case connected:
				say("connected")
			case changed:
				say("changed, %t", l.structural.Swap(false))
			case lost:
				say("%v, again in %s", msg.err, time.Until(msg.again))
				select {
				case l.shapes <- Shape{Open: []tree.Path{tree.MustPath("/a")}}:
				default:
				}
			case over:
				say("over: %v", msg.err)
			}
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(log) != fmt.Sprint(want) {
				t.Errorf("got\n%q\nwant\n%q", log, want)
			}
			log = nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { l.run(ctx, Shape{}) })
		expect("0s dial []", "0s connected")
		l.structural.Store(false)
		last.frames <- &frame.Frame{Type: frame.TypeDelta, Time: time.Now()}
		expect("0s changed, false")
		last.frames <- &frame.Frame{Type: frame.TypeDelta, Removed: []uint32{1}} // The model has not looked yet.
		expect()
		l.waiting.Store(false)
		last.frames <- nil
		expect("0s changed, true")
		mu.Lock()
		answers = false
		mu.Unlock()
		close(last.frames)
		expect("0s the wire was cut, again in 500ms")
		time.Sleep(time.Second)
		expect("500ms dial [/a]", "500ms nobody answers, again in 1s")
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		if n := len(log); n != 16 || log[n-1] != "55.5s nobody answers, again in 10s" {
			t.Errorf("%d: %q", n, log)
		}
		log, answers = nil, true
		mu.Unlock()
		time.Sleep(5 * time.Second)
		expect("1m5.5s dial [/a]", "1m5.5s connected")
		cancel()
		all.Wait()
		expect()

		// What cannot be had at all ends it, and so does the first failure.
		answers, l.met = false, false
		l.run(t.Context(), Shape{})
		expect("1m6s dial []", "1m6s over: nobody answers")
	})
}

// TestManyRows shows a hundred thousand rows, in a time that nobody notices.
func TestManyRows(t *testing.T) {
	tr := tree.New(tree.Options{Now: func() time.Time { return noon }})
	ops := make([]tree.Op, 100_000)
	for i := range ops {
		ops[i] = tree.Add(tree.MustPath(fmt.Sprintf("/shop/host%d/load%d", i/100, i%100)), &tree.Spec{Kind: tree.Performance})
	}
	if err := tr.Change(ops...); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	s := play(t, tr, 200, 60)
	s.press("e", "end", "up")
	if len(s.m.rows) != 101_002 || s.m.at != 101_000 {
		t.Fatalf("%d rows, the cursor is on %d", len(s.m.rows), s.m.at)
	}
	s.screen()
	begin := time.Now()
	s.m.arrange()
	t.Log("rows in order as defined:", time.Since(begin))
	s.press("s", "s")
	begin = time.Now()
	s.m.arrange()
	t.Log("rows by name:", time.Since(begin))
	begin = time.Now()
	_ = s.m.View()
	t.Log("a screen:", time.Since(begin))
}
