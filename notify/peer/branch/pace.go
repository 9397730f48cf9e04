package branch

import (
	"context"
	"time"

	"grove/tree"
)

const (
	// pace is the time between two rounds of deltas, so that many changes go in one message. A
	// node that turns is told sooner, for it may colour the tops of other trees: turnPace is
	// the shortest time for that, and turnsMost how many such rounds there are in a second.
	pace      = 25 * time.Millisecond
	turnPace  = 4 * time.Millisecond
	turnsMost = 20
)

// early counts the rounds of a second that came before their time.
type early struct {
	since  time.Time
	rounds int
}

// may says whether there can be one more, and counts it.
func (e *early) may(now time.Time) bool {
	if now.Sub(e.since) >= time.Second {
		*e = early{since: now}
	}
	e.rounds++
	return e.rounds <= turnsMost
}

// rest waits until the next round is due; false is that ctx has ended.
func (f *feed) rest(ctx context.Context, timer *time.Timer) bool {
	timer.Reset(turnPace)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	timer.Reset(pace - turnPace)
	for woken := false; ; {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			if woken {
				poke(f.wake)
			}
			return true
		case <-f.wake:
			woken = true
			if f.turned() && f.sooner.may(time.Now()) {
				timer.Stop()
				poke(f.wake)
				return true
			}
		}
	}
}

// turned says whether a node has another status than was told.
func (f *feed) turned() (is bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// What goes wrong here goes wrong in the round that follows, too.
	_, _ = f.view.Since(f.seq, func(c *tree.Cell) {
		e := f.nodes[c.Index]
		is = is || e != nil && e.Status != c.Status
	})
	return is
}
