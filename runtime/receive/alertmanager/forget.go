package alertmanager

import (
	"maps"
	"time"

	"grove/runtime/probe"
)

// begin shows what the probe recalled, as it stands now.
func (k *keeper) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.attached = true
	if k.recalled {
		k.post(0, k.result(k.now()))
	}
}

// end has nothing forgotten any more, and waits for what is being forgotten now.
func (k *keeper) end() {
	k.mu.Lock()
	k.attached = false
	k.unset()
	k.mu.Unlock()
	k.ringing.Wait()
}

// result is what fires now, without what was not repeated for too long.
func (k *keeper) result(now time.Time) probe.Result {
	maps.DeleteFunc(k.firing, func(_ string, f *fired) bool { return now.Sub(f.seen) > k.forget })
	r := probe.Result{Time: now, Tables: []probe.Table{k.rows()}}
	r.Number("firing", float64(len(k.firing)))
	r.Number("left_out", float64(k.left))
	return r
}

// post hands on what n alerts came to, and sets the clock: when no more alerts come, those
// that fire are forgotten all the same.
func (k *keeper) post(n int, r probe.Result) {
	k.memory = nil
	k.PostMany(uint64(n), r)
	k.unset()
	if !k.attached || len(k.firing) == 0 {
		return
	}
	var oldest time.Time
	for _, f := range k.firing {
		if oldest.IsZero() || f.seen.Before(oldest) {
			oldest = f.seen
		}
	}
	k.ringing.Add(1)
	k.clock = time.AfterFunc(oldest.Add(k.forget+time.Second).Sub(k.now()), k.forgotten)
}

func (k *keeper) unset() {
	if k.clock != nil && k.clock.Stop() {
		k.ringing.Done()
	}
	k.clock = nil
}

// forgotten is what the clock rings for.
func (k *keeper) forgotten() {
	defer k.ringing.Done()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.attached {
		k.post(0, k.result(k.now()))
	}
}
