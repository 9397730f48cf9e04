// Package meter measures how busy a manager is with messages of other managers.
package meter

import (
	"context"
	"runtime"
	"sync"
	"time"

	"grove/notify/peer"
)

// window is the time over which is measured, in steps, so that what is old leaves a bit at a
// time.
const (
	step   = time.Second
	steps  = 10
	window = steps * step
)

// Fabric is a peer.Fabric that measures the handlers that are given to it.
type Fabric struct {
	peer.Fabric
	slots int
	began time.Time

	mu      sync.Mutex
	running int           // handlers
	changed time.Duration // when running changed last, since began
	busy    [steps]time.Duration
	handled [steps]uint64
	at      int64 // number of the newest step
	total   uint64
}

// New returns a fabric that measures. Slots is how many handlers can work at the same time:
// zero is one for each processor.
func New(f peer.Fabric, slots int) *Fabric {
	if slots <= 0 {
		slots = runtime.GOMAXPROCS(0)
	}
	return &Fabric{Fabric: f, slots: slots, began: time.Now()}
}

// Handle implements peer.Fabric.
func (f *Fabric) Handle(kind string, h peer.Handler) {
	if h == nil {
		f.Fabric.Handle(kind, nil)
		return
	}
	f.Fabric.Handle(kind, func(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
		f.run(1)
		defer f.run(-1)
		return h(ctx, from, body)
	})
}

// run notes that a handler begins or ends.
func (f *Fabric) run(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(time.Since(f.began))
	f.running += n
	if n < 0 {
		f.handled[f.at%steps]++
		f.total++
	}
}

// advance charges the time since the last change to the steps that it lies in.
func (f *Fabric) advance(now time.Duration) {
	if now-f.changed > window { // What was before has left the window.
		f.busy, f.handled = [steps]time.Duration{}, [steps]uint64{}
		f.changed = now - window
	}
	for {
		at := int64(f.changed / step)
		if at != f.at {
			f.at, f.busy[at%steps], f.handled[at%steps] = at, 0, 0
		}
		if f.changed >= now {
			return
		}
		end := min(now, time.Duration(at+1)*step)
		f.busy[at%steps] += time.Duration(min(f.running, f.slots)) * (end - f.changed)
		f.changed = end
	}
}

// Load is how busy a manager was in the last ten seconds.
type Load struct {
	PerSecond float64 // messages that were answered
	// Saturation is 0..1: the time that handlers took, summed up over those that ran at the
	// same time but at most Slots of them, divided by the time there was, which is that of
	// the window times Slots:
	//
	//	saturation = ∫ min(running, slots) dt / (window × slots)
	//
	// A handler that waits for a disk counts as busy: who sends more waits behind it.
	Saturation float64
	Handled    uint64 // messages since the start
}

// Load returns the present load.
func (f *Fabric) Load() Load {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Since(f.began)
	f.advance(now)
	var busy time.Duration
	var handled uint64
	for i := range steps {
		busy += f.busy[i]
		handled += f.handled[i]
	}
	// The newest step has only begun.
	over := min(now, window-step+now%step)
	if over <= 0 {
		return Load{Handled: f.total}
	}
	return Load{
		PerSecond:  float64(handled) / over.Seconds(),
		Saturation: min(1, float64(busy)/(float64(over)*float64(f.slots))),
		Handled:    f.total,
	}
}
