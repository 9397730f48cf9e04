package definitions_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/bind"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/runtime/schedule"
	"grove/tree"
)

// TestMain runs more tests beside each other than there are processors, since most of
// them wait for servers.
func TestMain(m *testing.M) {
	flag.Parse()
	if n := flag.Lookup("test.parallel"); n.Value.String() == n.DefValue {
		if err := n.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come; it is long, since the machine
// may be busy, and nothing waits so long when all is well.
const patience = 2 * time.Minute

// world is a running plan: the probes ask real things, and the tree lives.
type world struct {
	t       *testing.T
	tree    *tree.Tree
	flushed chan struct{} // the tree has published something
}

// grow loads an instance file and runs it until the test ends.
func grow(t *testing.T, file string) *world {
	t.Helper()
	return growWith(t, registry(), file)
}

// growWith does so with kinds of probes of the test's own: with a receiver that listens.
func growWith(t *testing.T, kinds *probe.Registry, file string) *world {
	t.Helper()
	l := loader()
	l.Kinds = builtin.Kinds{Registry: kinds}
	plan, errs := l.FS(fstest.MapFS{"it.yaml": {Data: []byte(file)}}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, tree: tree.New(tree.Options{}), flushed: make(chan struct{}, 1)}
	cancelFlush := w.tree.OnFlush(func(uint64) {
		select {
		case w.flushed <- struct{}{}:
		default:
		}
	})
	jobs := schedule.New(schedule.Options{})
	binder, err := bind.New(bind.Options{Tree: w.tree, Registry: kinds, Schedule: jobs})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.tree.Run(ctx) })
	running.Go(func() { _ = jobs.Run(ctx) })
	t.Cleanup(func() {
		if err := binder.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		running.Wait()
		cancelFlush()
	})
	if err := binder.Apply(plan); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) node(path string) (tree.Node, bool) {
	p, err := tree.ParsePath(path)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := w.tree.Node(p)
	return n, err == nil
}

// until waits until a condition holds, and is not nervous about the time that it takes.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !holds() {
		select {
		case <-w.flushed:
		case <-late.C:
			w.t.Fatalf("%s: not within %s:\n%s", what, patience, w)
		}
	}
}

// is waits until a node has a status.
func (w *world) is(path string, want tree.Status) {
	w.t.Helper()
	w.until(path+" is "+want.String(), func() bool {
		n, ok := w.node(path)
		return ok && n.Status == want
	})
}

// within waits until a node has a number in a range, both ends included.
func (w *world) within(path string, low, high float64) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s is in %v..%v", path, low, high), func() bool {
		n, ok := w.node(path)
		number, isNumber := n.Value.Number()
		return ok && n.Status != tree.White && isNumber && number >= low && number <= high
	})
}

// says waits until a node has a text that contains another.
func (w *world) says(path, part string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s says %q", path, part), func() bool {
		n, ok := w.node(path)
		text, isText := n.Value.Text()
		return ok && isText && strings.Contains(text, part)
	})
}

// white lists the nodes with a value below a path that are white.
func (w *world) white(path string) []string {
	var found []string
	_ = w.tree.Walk(tree.MustPath(path), -1, func(n *tree.Node) bool {
		if n.Kind != tree.Group && n.Status == tree.White {
			found = append(found, n.Path.String()+": "+n.Reason)
		}
		return true
	})
	return found
}

// String draws the tree.
func (w *world) String() string {
	var b strings.Builder
	_ = w.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		fmt.Fprintf(&b, "%s%s: %s %s %s %s\n", strings.Repeat("  ", n.Depth), n.Name, n.Status, n.Value, n.Spec.Unit, n.Reason)
		return true
	})
	return b.String()
}

// TestLinuxHost runs the default tree on this machine.
func TestLinuxHost(t *testing.T) {
	t.Parallel()
	w := grow(t, "{ use: linux-host, at: /host, with: { every: 1s } }")
	w.within("/host/CPU/Used", 0, 100)
	w.within("/host/CPU/Waiting for disks", 0, 100)
	w.within("/host/Memory/Used", 0.1, 100)
	w.within("/host/Memory/Size", 1<<24, 1<<52)
	w.within("/host/Swap/Used", 0, 100)
	w.within("/host/Load/5 minutes", 0, 1e4)
	w.within("/host/File systems/~1/Used", 0, 100)
	w.within("/host/File systems/~1/Answers", 1, 1)
	w.within("/host/System/Up for", 0, 1e10)
	w.within("/host/System/Processes", 1, 1e7)
	w.says("/host/System/Kernel", ".")
	w.until("every node has a reading", func() bool { return len(w.white("/host")) == 0 })
	// What is decided over minutes cannot have turned in a moment.
	for _, path := range []string{"/host/CPU", "/host/Memory", "/host/Load"} {
		w.is(path, tree.Green)
	}
	for _, want := range []string{`host_memory_size_bytes{`, `host_filesystem_used_ratio{`, `mountpoint="/"`, `host_cpu_used_ratio{path="/host/CPU/Used"} `} {
		if !strings.Contains(w.exported(), want) {
			t.Errorf("no %s in what Prometheus gets", want)
		}
	}
	if testing.Verbose() {
		t.Log("\n" + w.String())
	}
}
