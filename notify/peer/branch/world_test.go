package branch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/branch"
	"grove/notify/peer/peertest"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	idA peer.ID = "aaaaaaaaaaaaaaaa"
	idB peer.ID = "bbbbbbbbbbbbbbbb"
	idC peer.ID = "cccccccccccccccc"
	idD peer.ID = "dddddddddddddddd"
)

// manager is one manager of a test: a tree, and its branches.
type manager struct {
	t        *testing.T
	net      *peertest.Net
	id       peer.ID
	tree     *tree.Tree
	branches *branch.Branches
	stop     func()
	statuses func([]tree.StatusChange)
}

func (m *manager) who() peer.Manager { return peer.Manager{ID: m.id, Name: "m" + string(m.id[:1])} }

// start begins a manager with an empty tree, on a network.
func start(t *testing.T, net *peertest.Net, id peer.ID, change ...func(*branch.Options)) *manager {
	m := &manager{t: t, net: net, id: id}
	m.tree = tree.New(tree.Options{Statuses: func(changes []tree.StatusChange) {
		if m.statuses != nil {
			m.statuses(changes)
		}
	}})
	m.begin(change...)
	return m
}

// begin runs its branches, after end on a new process that has the same tree.
func (m *manager) begin(change ...func(*branch.Options)) {
	o := branch.Options{Tree: m.tree, Fabric: m.net.Join(m.id)}
	for _, c := range change {
		c(&o)
	}
	m.branches = branch.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = m.tree.Run(ctx) })
	running.Go(func() { _ = m.branches.Run(ctx) })
	m.stop = sync.OnceFunc(func() {
		m.net.Leave(m.id)
		cancel()
		running.Wait()
	})
}

// finish stops the process that runs last.
func (m *manager) finish() { m.stop() }

// joins has a manager join others.
func (m *manager) joins(others ...*manager) {
	m.t.Helper()
	var managers []peer.Manager
	for _, o := range others {
		managers = append(managers, o.who())
	}
	if err := m.branches.Set([]branch.Rule{{From: "*"}}, managers); err != nil {
		m.t.Fatal(err)
	}
}

func (m *manager) change(ops ...tree.Op) {
	m.t.Helper()
	if err := m.tree.Change(ops...); err != nil {
		m.t.Fatal(err)
	}
}

func (m *manager) report(path string, v any) {
	m.t.Helper()
	ref, ok := m.tree.Lookup(tree.MustPath(path))
	if !ok {
		m.t.Fatalf("%s: no such node", path)
	}
	r := tree.Report{Node: ref}
	switch v := v.(type) {
	case int:
		r.Value = tree.Number(float64(v))
	case string:
		r.Value = tree.Text(v)
	case error:
		r.Reason = v.Error()
	case tree.Event:
		r.Events = []tree.Event{v}
	}
	if m.tree.Report(r) != 1 {
		m.t.Fatalf("%s did not take %v", path, v)
	}
}

func (m *manager) node(path string) tree.Node {
	m.t.Helper()
	n, err := m.tree.Node(tree.MustPath(path))
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// seen is what must be the same here and there.
type seen struct {
	Kind              tree.Kind
	Status, Last      tree.Status
	Flapping, Pending bool
	Value             string
	Time, Since       int64
	Reason            string
	Counts            [4]int32
	Threshold         string
	Events            string
}

// look returns everything below a path, by the path below it.
func (m *manager) look(under string) map[string]seen {
	all := map[string]seen{}
	top := tree.MustPath(under)
	var logs []tree.Path
	err := m.tree.Walk(top, -1, func(n *tree.Node) bool {
		below, _ := top.Below(n.Path)
		s := seen{
			Kind: n.Kind, Status: n.Status, Last: n.Last, Flapping: n.Flapping, Pending: n.Pending, Value: n.Value.String(),
			Time: n.Time.UnixMilli(), Reason: n.Reason, Counts: n.Counts,
		}
		if n.Kind == tree.Group {
			s.Reason = ""
		} else {
			s.Since, s.Threshold = n.Since.UnixMilli(), n.Threshold.Yellow.String()+n.Threshold.Red.String()
		}
		all[below.String()] = s
		if n.Kind == tree.Log {
			logs = append(logs, n.Path)
		}
		return true
	})
	if err != nil {
		m.t.Fatal(err)
	}
	for _, p := range logs {
		below, _ := top.Below(p)
		s := all[below.String()]
		events, _ := m.tree.Events(p)
		for _, e := range events {
			s.Events += fmt.Sprint(e.Time.UnixMilli(), " ", e.Status, " ", e.Text, "\n")
		}
		all[below.String()] = s
	}
	return all
}

// same fails unless what hangs at a path is what the other manager has.
func (m *manager) same(at string, other *manager, under string) {
	m.t.Helper()
	if diff := cmp.Diff(other.look(under), m.look(at)); diff != "" {
		m.t.Errorf("%s at %s is not what %s has (-there +here):\n%s", at, m.id, other.id, diff)
	}
}

// settled waits until everything that was sent has come, and is flushed and told.
func settled() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

var (
	number = &tree.Spec{Kind: tree.Performance, Unit: "s", Threshold: &tree.Threshold{Yellow: tree.AboveLevel(80, 75), Red: tree.AboveLevel(90, 85)}}
	state  = &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "down": tree.Red}}}
	log    = &tree.Spec{Kind: tree.Log, Keep: 5}
	text   = &tree.Spec{Kind: tree.TextKind}
)

// furnish gives a manager some nodes.
func (m *manager) furnish() {
	m.change(
		tree.Add(tree.MustPath("/shop/web/Load"), number), tree.Add(tree.MustPath("/shop/web/Latency"), number),
		tree.Add(tree.MustPath("/shop/web/Process"), state), tree.Add(tree.MustPath("/shop/web/Lines"), log),
		tree.Add(tree.MustPath("/shop/db"), &tree.Spec{Kind: tree.Group, Rollup: &tree.Rollup{White: tree.GreenWhite}}),
		tree.Add(tree.MustPath("/shop/db/Version"), text), tree.Add(tree.MustPath("/shop/db/Size"), number),
	)
	m.report("/shop/web/Load", 85)
	m.report("/shop/web/Process", "up")
	m.report("/shop/web/Lines", tree.Event{Time: time.Now(), Status: tree.Yellow, Text: "one"})
	m.report("/shop/db/Version", "17")
	m.report("/shop/db/Size", 95)
}

// answers is a handler that always says the same.
func answers(text string) peer.Handler {
	return func(context.Context, peer.ID, []byte) ([]byte, error) { return []byte(text), nil }
}
