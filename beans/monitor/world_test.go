package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/beans/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// thing is a bean with one attribute, which takes a value of any Go type.
type thing struct {
	mu    sync.Mutex
	value beans.Value
	err   error
}

func (b *thing) set(v beans.Value) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.value, b.err = v, nil
	if err, ok := v.(error); ok {
		b.value, b.err = nil, err
	}
}

func (b *thing) Info() beans.Info {
	return beans.Info{ClassName: "thing", Attributes: []beans.AttributeInfo{
		{Name: "Value", Type: beans.TypeAny, Readable: true}, {Name: "With.dot", Type: beans.TypeInt, Readable: true},
	}}
}

func (b *thing) Attribute(_ context.Context, name string) (beans.Value, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch name {
	case "Value":
		return b.value, b.err
	case "With.dot":
		return int64(77), nil
	}
	return nil, beans.NoAttribute(name)
}

func (b *thing) SetAttribute(_ context.Context, name string, _ beans.Value) error {
	return beans.NoAttribute(name)
}

func (b *thing) Invoke(_ context.Context, name string, _ []beans.Value) (beans.Value, error) {
	return nil, beans.NoOperation(name)
}

// world is a server with things and a service that runs, in a bubble.
type world struct {
	t       *testing.T
	server  *beans.Server
	service *monitor.Service
	begin   time.Time

	mu    sync.Mutex
	lines []string
}

func inBubble(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := beans.NewServer(beans.ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, server: server, begin: time.Now()}
		w.service = monitor.NewService(monitor.Options{Beans: server, Notify: w.note})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.service.Run(ctx) }()
		test(w)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// note writes a notification down: sequence, type, object, gauge and trigger with
// their Go types, and the message.
func (w *world) note(n beans.Notification) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := n.Data.(monitor.Alarm)
	object, _ := a.ObservedObject.Get("name")
	line := fmt.Sprintf("%d %s %s", n.Sequence, strings.TrimPrefix(n.Type, "jmx.monitor."), object)
	if a.DerivedGauge != nil || a.Trigger != nil {
		line += fmt.Sprintf(" %T(%v) by %T(%v)", a.DerivedGauge, a.DerivedGauge, a.Trigger, a.Trigger)
	}
	if n.Message != "" {
		line += " " + n.Message
	}
	w.lines = append(w.lines, line)
}

func (w *world) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.take()); d != "" {
		w.t.Errorf("(-want +got):\n%s", d)
	}
}

// thing registers a thing.
func (w *world) thing(name string) (*thing, beans.Name) {
	w.t.Helper()
	b := &thing{}
	n, err := w.server.Register(b, beans.MustName("test:name="+name))
	if err != nil {
		w.t.Fatal(err)
	}
	return b, n
}

// watched is what all monitors have.
type watched interface {
	beans.Bean
	Start() error
	Stop()
	SetPeriod(time.Duration) error
	SetObservedAttribute(string) error
	Observe(beans.Name) error
}

// add registers a monitor of the attribute Value of objects, with a period of 1 s.
func (w *world) add(m watched, objects ...beans.Name) beans.Name {
	w.t.Helper()
	n, err := w.server.Register(m, beans.MustName("test:name=monitor"))
	w.no(err)
	w.no(m.SetPeriod(time.Second))
	w.no(m.SetObservedAttribute("Value"))
	for _, o := range objects {
		w.no(m.Observe(o))
	}
	return n
}

func (w *world) no(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time go by, and then all goroutines settle.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
