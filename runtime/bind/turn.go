package bind

import "sync"

// turn is a lock that may be held for long, while a run is waited for: those who wait for
// it wait at a channel, since they are idle and not about to go on, which is what the clock
// of testing/synctest goes by. The channel is there only while somebody waits: each probe
// has two turns, and hardly ever does anybody wait for one. The zero turn is free.
type turn struct {
	mu    sync.Mutex // guards what follows
	taken bool
	freed chan struct{} // closed when the turn is free; nil: nobody waits
}

func (t *turn) Lock() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.taken {
		if t.freed == nil {
			t.freed = make(chan struct{})
		}
		freed := t.freed
		t.mu.Unlock()
		<-freed
		t.mu.Lock()
	}
	t.taken = true
}

func (t *turn) Unlock() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	if t.freed != nil {
		close(t.freed)
		t.freed = nil
	}
}
