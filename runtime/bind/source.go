package bind

import (
	"cmp"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition"
)

// Source is a runtime bean behind a node, as it stands.
type Source struct {
	Bean     beans.Name
	Instance string
	At       tree.Path // where the instance hangs
	Probe    string    // its name in the definition
	Kind     string
	Target   string // host or address that it asks; empty: this machine, or it is sent to
	Mode     tree.Mode
	Started  bool
	Every    time.Duration // 0: no timer runs it
	Timeout  time.Duration
	Last     time.Time // when its last run started; zero: none has ended
	Duration time.Duration
	Error    string // why the last run failed, or what it says of a resource that is down
	Runs     uint64 // ended
	Failures uint64 // of them, ended with an error
	Missed   uint64 // due runs that were skipped
	Next     time.Time
}

// Place returns where an instance that runs hangs in the tree.
func (b *Binder) Place(instance string) (at tree.Path, ok bool) {
	b.mu.RLock()
	i := b.instances[instance]
	b.mu.RUnlock()
	if i == nil {
		return at, false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.plan.At, true
}

// Instance returns the instance of a name as it runs; nil: none does.
func (b *Binder) Instance(name string) *definition.Instance {
	b.mu.RLock()
	i := b.instances[name]
	b.mu.RUnlock()
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.plan
}

// Sources lists the runtime beans that feed a node: one, or those that its expression
// refers to, in the order in which it does. It is empty for a node that no probe feeds.
func (b *Binder) Sources(ref tree.Ref) []Source {
	spec := b.opts.Tree.Spec(ref)
	if spec == nil {
		return nil
	}
	b.mu.RLock()
	i := b.instances[spec.Owner]
	b.mu.RUnlock()
	if i == nil {
		return nil
	}
	i.mu.Lock()
	at := i.plan.At
	var runners []*runner
	i.each(func(_ *definition.Node, t *target) {
		if t != nil && t.ref == ref {
			runners = t.runners()
		}
	})
	i.mu.Unlock()
	sources := make([]Source, len(runners))
	for k, r := range runners {
		sources[k] = r.source(at)
	}
	return sources
}

func (r *runner) source(at tree.Path) Source {
	r.mu.Lock()
	handle, every, timeout, runs := r.handle, r.every, r.timeout, r.runs
	r.mu.Unlock()
	return Source{
		Bean: r.beanName, Instance: r.inst.name, At: at, Probe: r.plan.Name, Kind: r.plan.Kind, Target: r.probe.Target(), Mode: r.plan.Mode,
		Started: !handle.IsZero(), Every: every, Timeout: timeout,
		Last: runs.lastRun, Duration: runs.lastDuration, Error: cmp.Or(runs.lastError, runs.down),
		Runs: runs.runs, Failures: runs.failures, Missed: runs.missed, Next: r.b.opts.Schedule.Next(handle),
	}
}
