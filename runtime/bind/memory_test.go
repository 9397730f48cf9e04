package bind

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/tree/definition"
)

// TestProbesRemember: what a probe says after a run is what its successor is given, by
// the names of instance and probe.
func TestProbesRemember(t *testing.T) {
	inWorld(t, func(w *world) {
		file := func(rev string) string {
			return "grove: 1\napplication: log\nat: /log\nprobes:\n  it: { kind: actor, id: a, every: 10s, rev: " + rev + " }\ntree:\n  Value: { from: it.value }\n"
		}
		w.value("a", "value", 1)
		w.apply("log.yaml", file("1"))
		w.pass(25 * time.Second)
		kept := w.notes.text("log/it/actor")
		if kept == "" || kept == "0" {
			t.Fatalf("after some runs %q is remembered", kept)
		}
		w.apply("log.yaml", file("2")) // another probe of the same name
		w.pass(time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if diff := cmp.Diff([]string{"", kept}, w.recalled); diff != "" {
			t.Errorf("what the probes were given, -want +got:\n%s", diff)
		}
	})
}

// caller is a stand-in for a probe that sends by itself. It counts what it sent, holds a
// lock while it sends and while it is asked, as receivers do, and remembers the count.
type caller struct {
	actor
	mu      *sync.Mutex
	deliver func(probe.Result)
	sent    int
	asked   *atomic.Int32
	running *atomic.Bool // nobody is to be asked now
}

func (c *caller) Attach(_, _ string, deliver func(probe.Result)) (func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliver = deliver
	return func() { c.mu.Lock(); defer c.mu.Unlock(); c.deliver = nil }, nil
}

func (c *caller) send() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deliver == nil {
		return
	}
	c.sent++
	var r probe.Result
	r.Number("value", float64(c.sent))
	c.deliver(r)
}

func (c *caller) Run(ctx context.Context) (probe.Result, error) {
	c.running.Store(true)
	defer c.running.Store(false)
	return c.actor.Run(ctx)
}

func (c *caller) Memory() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked.Add(1)
	if c.running.Load() {
		return []byte("asked beside a run")
	}
	return fmt.Append(nil, c.sent)
}

// withCallers has the probes of the actors of a world send by themselves.
func withCallers(w *world) (latest func() *caller) {
	var mu sync.Mutex
	var last *caller
	w.binder.opts.Wrap = func(_ *definition.Instance, p probe.Probe) probe.Probe {
		mu.Lock()
		defer mu.Unlock()
		last = &caller{actor: *p.(*actor), mu: new(sync.Mutex), asked: new(atomic.Int32), running: new(atomic.Bool)}
		return last
	}
	return func() *caller { mu.Lock(); defer mu.Unlock(); return last }
}

const called = "grove: 1\napplication: calls\nat: /calls\nprobes:\n  it: { kind: actor, id: a, mode: request, rev: 1 }\ntree:\n  Value: { from: it.value }\n"

// TestWhatIsSentIsRemembered: nobody runs the probe, and what it knows is kept a second
// after it sent something, once for all that came meanwhile, and when it stops.
func TestWhatIsSentIsRemembered(t *testing.T) {
	inWorld(t, func(w *world) {
		latest := withCallers(w)
		w.apply("calls.yaml", called)
		c := latest()
		kept := func(when, want string, asked int32) {
			t.Helper()
			if got, n := w.notes.text("calls/it/actor"), c.asked.Load(); got != want || n != asked {
				t.Errorf("%s: %q is kept after %d questions, want %q after %d", when, got, n, want, asked)
			}
		}
		w.pass(time.Minute)
		kept("nothing was sent", "", 0)
		for range 5 {
			c.send()
		}
		kept("something was sent just now", "", 0)
		w.pass(memoryPace)
		kept("a second later", "5", 1)
		w.pass(time.Minute)
		kept("nothing more was sent", "5", 1)
		for range 40 {
			c.send()
			w.pass(memoryPace / 10)
		}
		w.pass(memoryPace)
		kept("four seconds of messages", "45", 5)
		c.send()
		w.apply("calls.yaml", strings.Replace(called, "rev: 1", "rev: 2", 1))
		kept("it stops", "46", 6)
		w.mu.Lock()
		recalled := slices.Clone(w.recalled)
		w.mu.Unlock()
		if diff := cmp.Diff([]string{"", "46"}, recalled); diff != "" {
			t.Errorf("what the probes were given, -want +got:\n%s", diff)
		}
	})
}

// TestNobodyIsAskedBesideARun: what is sent during a run, from several goroutines, is kept
// after it, and stopping waits for all.
func TestNobodyIsAskedBesideARun(t *testing.T) {
	inWorld(t, func(w *world) {
		latest := withCallers(w)
		w.set("a", func(context.Context) (probe.Result, error) {
			time.Sleep(3 * time.Second)
			return probe.Result{}, nil
		})
		w.apply("calls.yaml", strings.Replace(called, "mode: request", "every: 4s", 1))
		var senders sync.WaitGroup
		for k := range 4 {
			senders.Go(func() {
				for range 100 {
					latest().send()
					time.Sleep(time.Duration(90+10*k) * time.Millisecond)
				}
			})
		}
		for range 8 {
			w.pass(1300 * time.Millisecond)
			r := w.binder.running()[0].runner("it")
			r.stop()
			if kept := w.notes.text("calls/it/actor"); kept == "asked beside a run" {
				t.Error(kept)
			}
			if err := r.start(); err != nil {
				t.Error(err)
			}
		}
		senders.Wait()
		c := latest()
		w.apply()
		if kept := w.notes.text("calls/it/actor"); kept != fmt.Sprint(c.sent) {
			t.Errorf("%q is kept of %d", kept, c.sent)
		}
	})
}
