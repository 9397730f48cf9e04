package bind

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition"
)

// instance is one running instance of a plan.
type instance struct {
	b        *Binder
	name     string
	beanName beans.Name          // guarded by Binder.applying; zero: no bean
	watchers map[string]*watcher // by the name of the monitor; nil: none yet; guarded by Binder.applying

	mu         sync.Mutex // guards what follows, and what its runners and targets say of it
	plan       *definition.Instance
	runners    []*runner // sorted by the name of the probe
	targets    []*target // of plan.Nodes, in their order; nil without a source
	loops      []*loop
	problems   map[string]string // what is wrong while it runs, by where; nil: nothing ever was
	fault      string            // why the newest file is not what runs; empty: it is
	status     tree.Ref          // the node that shows it
	told       string            // what that node says
	deliveries uint64            // so far
}

// runner is the probe of a name; nil: the instance has none.
func (i *instance) runner(name string) *runner {
	k := slices.IndexFunc(i.runners, func(r *runner) bool { return r.plan.Name == name })
	if k < 0 {
		return nil
	}
	return i.runners[k]
}

// each yields every node of the instance with its target, which is nil for a node
// without a source.
func (i *instance) each(yield func(n *definition.Node, t *target)) {
	for k := range i.plan.Nodes {
		yield(&i.plan.Nodes[k], i.targets[k])
	}
	for _, l := range i.loops {
		for _, key := range slices.Sorted(maps.Keys(l.rows)) {
			r := l.rows[key]
			for k := range r.nodes {
				yield(&r.nodes[k], r.targets[k])
			}
		}
	}
}

// loaded is what the status node of an instance says when nothing is wrong.
const loaded = "loaded"

// verdict is what the status node of the instance says.
func (i *instance) verdict() string {
	if i.fault != "" {
		return i.fault
	}
	if len(i.problems) > 0 {
		return i.problems[slices.Min(slices.Collect(maps.Keys(i.problems)))]
	}
	return loaded
}

// setProblem notes or, with an empty text, forgets what is wrong somewhere.
func (i *instance) setProblem(where, text string) {
	if i.problems[where] == text {
		return
	}
	switch {
	case text == "":
		delete(i.problems, where)
	case i.problems == nil:
		i.problems = map[string]string{where: text}
	default:
		i.problems[where] = text
	}
	i.show()
}

// show brings the status node up to date.
func (i *instance) show() {
	text := i.verdict()
	if i.status.IsZero() || text == i.told {
		return
	}
	i.told = text
	i.b.opts.Tree.Report(tree.Report{Node: i.status, Value: tree.Text(text)})
}

func (i *instance) unregister() {
	if i.b.opts.Beans != nil && !i.beanName.IsZero() {
		// It can only fail because somebody else unregistered the bean before.
		_ = i.b.opts.Beans.Unregister(i.beanName)
		i.beanName = beans.Name{}
	}
}

// failed says at the nodes that never had a reading why that is so.
func (i *instance) failed(r *runner, reason string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.gone || r.told == reason {
		return
	}
	r.told = reason
	i.explain(r, reason, func(*target) bool { return true })
}

// ranWithout is what runner.told says of a probe that runs well.
const ranWithout = "ran without one"

// lacking says at the nodes that never had a reading that the probe ran well without
// one for them: a device may lack what the definition asks for. The lock is held.
func (i *instance) lacking(r *runner) {
	if r.told == ranWithout {
		return
	}
	r.told = ranWithout
	i.explain(r, "no reading yet: probe "+r.plan.Name+" "+ranWithout, func(t *target) bool {
		if slices.ContainsFunc(t.slots, func(s *slot) bool { return s != nil && !s.time.IsZero() }) {
			return false // it was read: the node waits for a second reading, or said what is wrong with it
		}
		n, err := i.b.opts.Tree.NodeAt(t.ref)
		return err == nil && n.Value.IsNone() // else it still has what it was before a restart
	})
}

// explain gives a reason to the nodes of a probe that never had a reading, as far as
// they want it. The lock is held.
func (i *instance) explain(r *runner, reason string, wants func(*target) bool) {
	var reports []tree.Report
	seen := map[*target]bool{}
	r.routes.each(func(s *slot) {
		for _, t := range s.targets {
			if t.had || seen[t] {
				continue
			}
			seen[t] = true
			if wants(t) {
				reports = append(reports, tree.Report{Node: t.ref, Reason: reason})
			}
		}
	})
	for part := range slices.Chunk(reports, batchSize) {
		i.b.opts.Tree.Report(part...)
	}
}

// probeReason names a failure as nodes show it.
func probeReason(probe string, err error) string { return fmt.Sprintf("probe %s: %v", probe, err) }
