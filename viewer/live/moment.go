package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grove/tree"
	"grove/tree/grant"
)

// maxMoments bounds the moments of the past that are looked at: each is a tree.
const maxMoments = 16

// errMoments says that the bound is reached.
var errMoments = fmt.Errorf("more than %d moments of the past are looked at; try again later", maxMoments)

// errNoPast says that there is nothing to look at.
var errNoPast = errors.New("this server keeps no past")

// moment is the tree as it stood, shared by all who look at that time.
type moment struct {
	at    int64         // Unix milliseconds
	holds int           // guarded by Server.mu
	made  chan struct{} // closed when the fields below are set
	tree  *tree.Tree
	guard *grant.Guard
	free  func()
	err   error
}

// past returns the tree as it stood, which must be left.
func (s *Server) past(ctx context.Context, at time.Time) (*moment, error) {
	if s.opts.Past == nil {
		return nil, errNoPast
	}
	ms := at.UnixMilli()
	s.mu.Lock()
	m := s.moments[ms]
	if m == nil && len(s.moments) >= maxMoments {
		s.mu.Unlock()
		return nil, errMoments
	}
	mine := m == nil
	if mine {
		m = &moment{at: ms, made: make(chan struct{})}
		s.moments[ms] = m
	}
	m.holds++
	s.mu.Unlock()
	if mine {
		// Others wait for it, so that it does not end with the one who asked first.
		if m.tree, m.free, m.err = s.opts.Past(s.ctx, at); m.err == nil {
			m.guard = s.opts.Guard.Past(m.tree)
		}
		close(m.made)
	}
	select {
	case <-m.made:
	case <-ctx.Done():
		s.forget(m)
		return nil, ctx.Err()
	}
	if m.err != nil {
		s.forget(m)
		return nil, m.err
	}
	return m, nil
}

// forget gives a moment back; m may be nil.
func (s *Server) forget(m *moment) {
	if m == nil {
		return
	}
	s.mu.Lock()
	m.holds--
	last := m.holds == 0
	if last {
		delete(s.moments, m.at)
	}
	s.mu.Unlock()
	if last && m.free != nil {
		m.free()
	}
}
