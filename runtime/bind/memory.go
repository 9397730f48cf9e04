package bind

import (
	"bytes"
	"sync"
	"time"

	"grove/runtime/probe"
)

// memoryPace is the shortest time between two questions to a probe that sends by itself
// what it remembers: a storm of messages shall not make it answer for each.
const memoryPace = time.Second

// Memories keeps what probes remember over a restart. Its methods may be called from
// many goroutines, and do not wait for a disk.
type Memories interface {
	// Recall returns what was kept last under a name; nil when nothing was.
	Recall(name string) []byte
	// Keep keeps a memory, soon; the slice is not changed afterwards.
	Keep(name string, memory []byte)
}

// memory is what a runner keeps of the memory of its probe. A run asks the probe at its
// end; what the probe sends by itself sets an alarm clock, which asks a little later for
// all that came meanwhile.
type memory struct {
	probe probe.Rememberer
	kept  []byte // what was last kept

	mu      sync.Mutex // guards what follows; nothing is called with it held
	due     bool       // something was sent that is not asked for yet
	clock   *time.Timer
	ringing sync.WaitGroup // clocks that are set
}

// memoryName is under which name the memory of the probe is kept: a probe of another kind
// is another probe.
func (r *runner) memoryName() string {
	return r.inst.name + "/" + r.plan.Name + "/" + r.plan.Kind
}

// recall gives a probe that begins what it remembered.
func (r *runner) recall() {
	if m := r.memory; m != nil {
		m.kept = r.b.opts.Memories.Recall(r.memoryName())
		m.probe.Recall(bytes.Clone(m.kept))
	}
}

// memorize keeps what the probe remembers after what it found was delivered. The lock
// asking is held.
func (r *runner) memorize() {
	m := r.memory
	if m == nil {
		return
	}
	now := m.probe.Memory()
	switch {
	case bytes.Equal(now, m.kept):
		return
	case len(now) > probe.MaxMemory:
		r.b.opts.Logger.Warn("A probe remembers too much: it will begin anew after a restart.",
			"instance", r.inst.name, "probe", r.plan.Name, "bytes", len(now), "most", probe.MaxMemory)
		return
	}
	m.kept = bytes.Clone(now)
	r.b.opts.Memories.Keep(r.memoryName(), m.kept)
}

// memorizeSoon has the probe asked what it remembers. It waits for nothing: whoever sends
// may hold a lock that the probe takes to answer.
func (r *runner) memorizeSoon() {
	m := r.memory
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.due {
		return
	}
	m.due = true
	m.ringing.Add(1)
	m.clock = time.AfterFunc(memoryPace, r.memorizeSent)
}

// memorizeSent is what the clock rings for.
func (r *runner) memorizeSent() {
	defer r.memory.ringing.Done()
	r.asking.Lock()
	defer r.asking.Unlock()
	r.memorizeDue()
}

// memorizeDue asks the probe if it has sent something since it was asked last. The lock
// asking is held.
func (r *runner) memorizeDue() {
	m := r.memory
	m.mu.Lock()
	due := m.due
	m.due = false
	m.mu.Unlock()
	if !due {
		return
	}
	if err := guard(func() error { r.memorize(); return nil }); err != nil {
		r.b.opts.Logger.Warn("A probe could not say what it remembers.", "instance", r.inst.name, "probe", r.plan.Name, "err", err)
	}
}

// memorizeLast keeps what is not kept yet of a probe that neither runs nor sends any more,
// and waits for a clock that rings now.
func (r *runner) memorizeLast() {
	m := r.memory
	if m == nil {
		return
	}
	m.mu.Lock()
	if m.clock != nil && m.clock.Stop() {
		m.ringing.Done()
	}
	m.clock = nil
	m.mu.Unlock()
	m.ringing.Wait()
	r.asking.Lock()
	defer r.asking.Unlock()
	r.memorizeDue()
}
