package bind

import (
	"bytes"

	"grove/runtime/probe"
)

// Memories keeps what probes remember over a restart. Its methods may be called from
// many goroutines, and do not wait for a disk.
type Memories interface {
	// Recall returns what was kept last under a name; nil when nothing was.
	Recall(name string) []byte
	// Keep keeps a memory, soon; the slice is not changed afterwards.
	Keep(name string, memory []byte)
}

// memoryName is under which name the memory of the probe is kept: a probe of another kind
// is another probe.
func (r *runner) memoryName() string {
	return r.inst.name + "/" + r.plan.Name + "/" + r.plan.Kind
}

// recall gives a probe that begins what it remembered.
func (r *runner) recall() {
	if p, ok := r.probe.(probe.Rememberer); ok && r.b.opts.Memories != nil {
		r.memory = r.b.opts.Memories.Recall(r.memoryName())
		p.Recall(bytes.Clone(r.memory))
	}
}

// memorize keeps what the probe remembers after a run whose result was delivered.
func (r *runner) memorize() {
	p, ok := r.probe.(probe.Rememberer)
	if !ok || r.b.opts.Memories == nil {
		return
	}
	now := p.Memory()
	switch {
	case bytes.Equal(now, r.memory):
		return
	case len(now) > probe.MaxMemory:
		r.b.opts.Logger.Warn("A probe remembers too much: it will begin anew after a restart.",
			"instance", r.inst.name, "probe", r.plan.Name, "bytes", len(now), "most", probe.MaxMemory)
		return
	}
	r.memory = bytes.Clone(now)
	r.b.opts.Memories.Keep(r.memoryName(), r.memory)
}
