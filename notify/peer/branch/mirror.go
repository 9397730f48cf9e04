package branch

import (
	"context"
	"sync"
)

// mirror is one part of another manager's tree that hangs here.
type mirror struct {
	b     *Branches
	place place
	end   func()
	ended chan struct{}
	redo  chan struct{} // holds a token when everything is to be looked at again

	mu    sync.Mutex
	shown State
}

func newMirror(b *Branches, p place) *mirror {
	return &mirror{b: b, place: p, end: func() {}, ended: make(chan struct{}), redo: make(chan struct{}, 1), shown: State{
		Peer: p.peer, Name: p.name, Under: p.under, At: p.at, Phase: Joining, Since: b.o.Now(),
	}}
}

func (m *mirror) again() { poke(m.redo) }

func (m *mirror) refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown.Phase, m.shown.Error, m.shown.Since = Refused, err.Error(), m.b.o.Now()
}

func (m *mirror) state() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown
}

func (m *mirror) run(ctx context.Context) { <-ctx.Done() }

func (m *mirror) unhang() {}
