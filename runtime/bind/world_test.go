package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/beans/monitor"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/runtime/receive"
	"grove/runtime/receive/push"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
	nodes "grove/tree/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// actor is a stand-in probe; what it does is set by the test, by its id.
type actor struct {
	id    string
	stage *stage
}

type actorOptions struct {
	ID  string `yaml:"id"`
	Rev int    `yaml:"rev"`
}

// stage is where the actors of a test find out what to do.
type stage struct {
	mu       sync.Mutex
	play     map[string]func(ctx context.Context) (probe.Result, error)
	made     map[string]int
	runs     map[string]int
	closed   map[string]int
	refuse   map[string]error // by id: New fails
	announce map[string]func()
	recalled []string // what actors were given to remember
	notes    *notebook
}

func (s *stage) set(id string, play func(context.Context) (probe.Result, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.play[id] = play
}

// value lets an actor yield one number from now on.
func (s *stage) value(id, attribute string, v float64) {
	s.set(id, func(context.Context) (probe.Result, error) {
		var r probe.Result
		r.Number(attribute, v)
		return r, nil
	})
}

func (s *stage) fail(id, text string) {
	s.set(id, func(context.Context) (probe.Result, error) { return probe.Result{}, errors.New(text) })
}

// rows lets an actor yield the table disks: name, used, kind.
func (s *stage) rows(id string, rows ...[]tree.Value) {
	s.set(id, func(context.Context) (probe.Result, error) {
		return probe.Result{Tables: []probe.Table{{Attribute: "disks", Columns: []string{"name", "used", "kind"}, Rows: rows}}}, nil
	})
}

func disk(name string, used float64, kind string) []tree.Value {
	return []tree.Value{tree.Text(name), tree.Number(used), tree.Text(kind)}
}

func (s *stage) count(m map[string]int, id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m[id]
}

func (s *stage) kind() probe.Kind {
	return probe.Kind{
		Name: "actor", Title: "Stand-in", NewOptions: func() any { return new(actorOptions) },
		New: func(options any) (probe.Probe, error) {
			o := options.(*actorOptions)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err := s.refuse[o.ID]; err != nil {
				return nil, err
			}
			s.made[o.ID]++
			return &actor{id: o.ID, stage: s}, nil
		},
	}
}

func (a *actor) Attributes() []beans.AttributeInfo {
	return []beans.AttributeInfo{
		{Name: "value", Type: beans.TypeFloat, Unit: "s", Readable: true},
		{Name: "other", Type: beans.TypeFloat, Readable: true},
		{Name: "count", Type: beans.TypeInt, Readable: true, Descriptor: map[string]string{"metricType": "counter"}},
		{Name: "state", Type: beans.TypeString, Readable: true},
		{Name: "lines", Type: beans.TypeList, Readable: true},
		{Name: "disks", Type: beans.TypeTable, Key: "name", Readable: true, Columns: []beans.AttributeInfo{
			{Name: "name", Type: beans.TypeString}, {Name: "used", Type: beans.TypeFloat}, {Name: "kind", Type: beans.TypeString},
		}},
	}
}

func (a *actor) Target() string { return "" }

func (a *actor) Run(ctx context.Context) (probe.Result, error) {
	a.stage.mu.Lock()
	a.stage.runs[a.id]++
	play := a.stage.play[a.id]
	a.stage.mu.Unlock()
	if play == nil {
		return probe.Result{}, nil
	}
	return play(ctx)
}

func (a *actor) Close() error {
	a.stage.mu.Lock()
	defer a.stage.mu.Unlock()
	a.stage.closed[a.id]++
	return nil
}

func (a *actor) Watch(ctx context.Context, announce func()) error {
	a.stage.mu.Lock()
	a.stage.announce[a.id] = announce
	a.stage.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// Recall and Memory make an actor remember how often it ran.
func (a *actor) Recall(memory []byte) {
	a.stage.mu.Lock()
	defer a.stage.mu.Unlock()
	a.stage.recalled = append(a.stage.recalled, string(memory))
}

func (a *actor) Memory() []byte {
	a.stage.mu.Lock()
	defer a.stage.mu.Unlock()
	return fmt.Append(nil, a.stage.runs[a.id])
}

// notebook keeps memories; like the stage it outlives a world's probes.
type notebook struct{ sync.Map }

func (n *notebook) Recall(name string) []byte       { return []byte(n.text(name)) }
func (n *notebook) Keep(name string, memory []byte) { n.Store(name, string(memory)) }

func (n *notebook) text(name string) string {
	v, _ := n.Load(name)
	text, _ := v.(string)
	return text
}

// world is a tree, a schedule, a bean server and a Binder in a bubble of time.
type world struct {
	*testing.T
	*stage
	tree   *tree.Tree
	beans  *beans.Server
	binder *Binder
	boxes  *receive.Mailboxes
	loader *definition.Loader

	told sync.Mutex // guards lines
	// lines are the notifications of monitors.
	lines []string
}

func inWorld(t *testing.T, play func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, boxes: new(receive.Mailboxes), stage: &stage{
			play: map[string]func(context.Context) (probe.Result, error){}, made: map[string]int{}, runs: map[string]int{},
			closed: map[string]int{}, refuse: map[string]error{}, announce: map[string]func(){}, notes: new(notebook),
		}}
		w.tree = tree.New(tree.Options{
			Asked: func(refs []tree.Ref) { w.binder.Asked(refs) },
			Names: func(changes []tree.NameChange) { nodes.Announce(w.beans, changes) },
		})
		var err error
		if w.beans, err = beans.NewServer(beans.ServerOptions{ID: "test"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.beans.Mount(nodes.Domain, nodes.Type, nodes.NewDirectory(w.tree, nil)); err != nil {
			t.Fatal(err)
		}
		monitors := monitor.NewService(monitor.Options{Beans: w.beans, Notify: w.note})
		quiet := slog.New(slog.DiscardHandler)
		s := schedule.New(schedule.Options{Log: quiet})
		registry := probe.NewRegistry(w.kind(), push.Kind(w.boxes))
		w.loader = &definition.Loader{Kinds: builtin.Kinds{Registry: registry}}
		w.binder, err = New(Options{Tree: w.tree, Registry: registry, Schedule: s, Beans: w.beans, Monitors: monitors, Logger: quiet, Memories: w.notes})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		wg.Go(func() { _ = monitors.Run(ctx) })
		wg.Go(func() { _ = w.tree.Run(ctx) })
		defer func() {
			if err := w.binder.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			cancel()
			wg.Wait()
		}()
		play(w)
	})
}

// note writes down what a monitor tells.
func (w *world) note(n beans.Notification) {
	a := n.Data.(monitor.Alarm)
	object, ok := a.ObservedObject.Text("path")
	if !ok {
		object = a.ObservedObject.String()
	}
	name, _ := n.Source.Get("name")
	w.told.Lock()
	defer w.told.Unlock()
	w.lines = append(w.lines, fmt.Sprintf("%s: %s %s %v by %v", name, strings.TrimPrefix(n.Type, "jmx.monitor."), object, a.DerivedGauge, a.Trigger))
}

// tells compares what monitors told since the last time.
func (w *world) tells(want ...string) {
	w.Helper()
	w.told.Lock()
	defer w.told.Unlock()
	if d := cmp.Diff(want, w.lines); d != "" {
		w.Errorf("monitors told (-want +got):\n%s", d)
	}
	w.lines = nil
}

// load makes a plan of files: names and contents in turn.
func (w *world) load(files ...string) *definition.Plan {
	w.Helper()
	fsys := fstest.MapFS{}
	for k := 0; k < len(files); k += 2 {
		fsys[files[k]] = &fstest.MapFile{Data: []byte(files[k+1])}
	}
	plan, errs := w.loader.FS(fsys, "")
	if len(errs) > 0 && len(plan.Broken) == 0 {
		w.Fatal(errs)
	}
	return plan
}

// apply loads files that are right and applies them.
func (w *world) apply(files ...string) {
	w.Helper()
	plan := w.load(files...)
	if len(plan.Broken) > 0 {
		w.Fatal(plan.Broken[0].Err)
	}
	if err := w.binder.Apply(plan); err != nil {
		w.Fatal(err)
	}
}

// pass lets time go by and everything settle.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) node(path string) tree.Node {
	w.Helper()
	n, err := w.tree.Node(tree.MustPath(path))
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// is checks value and status of a node.
func (w *world) is(path, value string, status tree.Status) {
	w.Helper()
	n := w.node(path)
	if n.Value.String() != value || n.Status != status {
		w.Errorf("%s is %q, %s (%s); want %q, %s", path, n.Value, n.Status, n.Reason, value, status)
	}
}

// white checks that a node is white for a reason.
func (w *world) white(path, reason string) {
	w.Helper()
	if n := w.node(path); n.Status != tree.White || n.Reason != reason {
		w.Errorf("%s is %s: %q; want white: %q", path, n.Status, n.Reason, reason)
	}
}

func (w *world) absent(path string) {
	w.Helper()
	if _, ok := w.tree.Lookup(tree.MustPath(path)); ok {
		w.Errorf("%s is there", path)
	}
}

func (w *world) attribute(bean, name string) beans.Value {
	w.Helper()
	v, err := w.beans.Attribute(w.Context(), beans.MustName(bean), name)
	if err != nil {
		w.Fatal(err)
	}
	return v
}

// sorted compares what monitors told, whichever told first.
func (w *world) sorted(want ...string) {
	w.Helper()
	w.told.Lock()
	slices.Sort(w.lines)
	w.told.Unlock()
	w.tells(want...)
}

// states lets an actor yield a state and rows from now on.
func states(state string, rows ...[]tree.Value) func(context.Context) (probe.Result, error) {
	return func(context.Context) (probe.Result, error) {
		r := probe.Result{Tables: []probe.Table{{Attribute: "disks", Columns: []string{"name", "used", "kind"}, Rows: rows}}}
		r.Text("state", state)
		return r, nil
	}
}
