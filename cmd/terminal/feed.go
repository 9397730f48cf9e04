package terminal

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"grove/tree"
	"grove/viewer/live/frame"
)

// Shape says what a subscription shows.
type Shape struct {
	Path tree.Path
	// Some lets the server open groups as long as no more rows show; Open are groups that
	// are open in any case.
	Some int
	Open []tree.Path
	// Text and Statuses are a filter; empty is none.
	Text     string
	Statuses []tree.Status
}

// Feed is a subscription to what shows of a tree. Next is called by one goroutine, the
// other methods by another.
type Feed interface {
	// Next waits until something is another. The frame is nil when it is no more than
	// which groups are open, or what a filter found.
	Next() (*frame.Frame, error)
	// Read calls read with what shows, which stands still meanwhile.
	Read(read func(*frame.Mirror))
	// Ask asks for another shape of the same tree.
	Ask(Shape) error
	// Expand and Collapse open and close groups; CollapseAll leaves the root open.
	Expand(groups ...uint32) error
	Collapse(groups ...uint32) error
	ExpandAll() error
	CollapseAll() error
	// Problems opens the ways to what is yellow or red alone, Reveal the groups above a
	// node. Focus is the worst node, or that node, once the server has answered.
	Problems() error
	Reveal(tree.Path) error
	Focus() (index uint32, ok bool)
	// Matches are how many nodes a filter finds and how many of them show.
	Matches() (hits, shown int)
	End()
}

// Messages of the link.
type (
	// connected says that there is a feed, with its first snapshot.
	connected struct{ feed Feed }
	// changed says that the feed has something new; told is the server's time then.
	changed struct{}
	// lost says that the feed ended, and when it is dialled again.
	lost struct {
		err   error
		again time.Time
	}
	// over says that it makes no sense to go on.
	over struct{ err error }
)

// Times between two attempts to connect.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 10 * time.Second
)

// link keeps a feed going: it dials, tells of what is new, and dials again.
type link struct {
	dial  func(context.Context, Shape) (Feed, error)
	fatal func(error) bool // no other attempt can help
	send  func(tea.Msg)
	// shapes takes what is to be shown after the connection was lost.
	shapes chan Shape

	met bool // there was a connection once; for run

	waiting    atomic.Bool  // a changed is under way
	structural atomic.Bool  // rows came or went since it was asked the last time
	skew       atomic.Int64 // of the server's clock, nanoseconds
}

// run runs the link until ctx ends.
func (l *link) run(ctx context.Context, shape Shape) {
	pause := firstPause
	for ctx.Err() == nil {
		feed, err := l.dial(ctx, shape)
		if err == nil {
			err = l.follow(ctx, feed, &pause)
		}
		if ctx.Err() != nil {
			return
		}
		if !l.met || l.fatal(err) {
			l.send(over{err})
			return
		}
		l.send(lost{err, time.Now().Add(pause)})
		timer := time.NewTimer(pause)
		pause = min(2*pause, lastPause)
		// Whoever lost it says what to show again.
		select {
		case shape = <-l.shapes:
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// follow reads a feed until it ends.
func (l *link) follow(ctx context.Context, feed Feed, pause *time.Duration) error {
	stop := context.AfterFunc(ctx, feed.End)
	defer stop()
	defer feed.End()
	for first := true; ; {
		f, err := feed.Next()
		if err != nil {
			return err
		}
		if f == nil || f.Type == frame.TypeSnapshot || len(f.Nodes)+len(f.Removed) > 0 {
			l.structural.Store(true)
		}
		if f != nil {
			l.skew.Store(int64(time.Until(f.Time)))
		}
		switch {
		case first && f != nil:
			first, l.met = false, true
			*pause = firstPause
			l.send(connected{feed})
		case !first && l.waiting.CompareAndSwap(false, true):
			l.send(changed{})
		}
	}
}

// errNoFeed is returned while there is no connection.
var errNoFeed = errors.New("there is no connection")
