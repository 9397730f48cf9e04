package book

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/alert"
)

// leaveWithin is how long nodes may stay whose alerts were released. Those that stay longer
// are watched here after all, and so have their alerts here again.
const leaveWithin = time.Minute

// leaving is a subtree that is about to go, since another manager watches it.
type leaving struct {
	top   tree.Ref
	until time.Time
}

// Release ends the alerts that are not resolved at and below a node without telling anybody,
// since another manager goes on with them, and returns them as they were, the oldest first.
// From then on the book takes no notice of what the nodes there do, until they are gone; when
// they come back it does as always. Why is a sentence for the history. What is returned is on
// disk, all in one transaction; after an error nothing is released. To release again what is
// released and has not gone yet returns the same again, so that nothing is lost when who
// asked dies before the alerts are elsewhere. And when the nodes do not go, as after a kill,
// the alerts go on as they were.
func (b *Book) Release(ctx context.Context, under tree.Path, why string) ([]alert.Alert, error) {
	if under.IsRoot() {
		return nil, errors.New("alerts of the whole tree cannot be released: a device hangs below the root")
	}
	if len(why) > alert.MaxCommentBytes {
		return nil, fmt.Errorf("why alerts of %s are released has %d bytes, more than the bound of %d", under, len(why), alert.MaxCommentBytes)
	}
	if err := b.take(ctx); err != nil {
		return nil, err
	}
	defer b.leave()
	b.time = b.now()
	if !b.ready(ctx) {
		return nil, ErrNotBegun
	}
	if err := b.writeFirst(ctx); err != nil {
		return nil, err
	}
	var going []*entry
	var were []alert.Alert
	for _, e := range b.entries {
		switch {
		case !under.Contains(e.path):
		case e.live():
			going = append(going, e)
			were = append(were, *e.a)
		case e.closed && moved(e.a):
			were = append(were, before(e.a))
		}
	}
	slices.SortFunc(going, func(x, y *entry) int { return cmp.Compare(x.a.ID, y.a.ID) })
	slices.SortFunc(were, func(x, y alert.Alert) int { return cmp.Compare(x.ID, y.ID) })
	if top, there := b.o.Tree.Lookup(under); there {
		b.leaving[under] = leaving{top, b.time.Add(leaveWithin)}
		b.agenda.add(under, b.time.Add(leaveWithin))
	}
	for _, e := range going {
		b.move(e, why)
	}
	if err := b.conclude(ctx); err != nil {
		delete(b.leaving, under)
		for _, e := range going {
			b.stay(e)
		}
		b.settle()
		return nil, fmt.Errorf("alerts of %s stay: %w", under, err)
	}
	return were, nil
}

// conclude ends what somebody has begun who changes alerts: it is written in one transaction.
func (b *Book) conclude(ctx context.Context) error {
	b.settle()
	b.piece = b.cut(len(b.unwritten))
	b.commit(ctx)
	b.tell()
	b.rouse() // What became due may be sooner than Run knows.
	if b.piece != nil {
		return b.unkept()
	}
	return nil
}

// move ends an alert with which another manager goes on. It stays closed until its node goes.
func (b *Book) move(e *entry, why string) {
	a := b.edit(e)
	b.leaveCause(a)
	at := b.time
	a.Resolved = &at
	e.closed, e.well = true, time.Time{}
	b.step(e, alert.Moved, "", why)
	b.live--
}

// forgo ends the alerts at and below nodes for good without telling anybody, and says why.
// Whatever the nodes are found to be from now on is news.
func (b *Book) forgo(over map[tree.Path]string) {
	if len(over) == 0 {
		return
	}
	for under := range over {
		if _, was := b.leaving[under]; was {
			delete(b.leaving, under)
			b.ask(&b.in.whole) // for what was not decided meanwhile
		}
	}
	var ending []*entry
	why := map[*entry]string{}
	for _, e := range b.entries {
		if !e.live() && (!e.closed || !moved(e.a)) {
			continue
		}
		upwards(e.path, func(p tree.Path) {
			text, is := over[p]
			if _, known := why[e]; is && !known {
				ending, why[e] = append(ending, e), text
			}
		})
	}
	slices.SortFunc(ending, func(x, y *entry) int { return cmp.Compare(x.a.ID, y.a.ID) })
	for _, e := range ending {
		if e.live() {
			b.move(e, why[e])
		}
		b.unclose(e)
	}
}

// stay has an alert go on that was to move, since its node is still there.
func (b *Book) stay(e *entry) {
	b.makeRoom()
	a := b.edit(e)
	a.Resolved = nil
	if a.Suppression != nil {
		b.count(a.Suppression.Cause, 1)
	}
	b.begins(e, "it goes on here after all")
}

// moved says whether an alert is over here since another manager goes on with it.
func moved(a *alert.Alert) bool {
	n := len(a.History)
	return a.Resolved != nil && n > 0 && a.History[n-1].What == alert.Moved
}

// before is an alert as it was before it moved.
func before(of *alert.Alert) alert.Alert {
	a := *of
	a.History = a.History[:len(a.History)-1]
	if n := len(a.History); n > 0 {
		a.Changed = a.History[n-1].Time
	}
	a.Revision--
	a.Resolved = nil
	settle(&a)
	return a
}

// isLeaving says whether a node is about to go, so that nothing is decided of it.
func (b *Book) isLeaving(p tree.Path) bool {
	if len(b.leaving) == 0 {
		return false
	}
	for q := p; ; q = q.Parent() {
		if l, ok := b.leaving[q]; ok {
			switch top, there := b.o.Tree.Lookup(q); {
			case !there || top != l.top: // It is gone, and may be back.
				delete(b.leaving, q)
			case b.time.Before(l.until):
				return true
			default:
				delete(b.leaving, q)
				b.ask(&b.in.whole) // for what was not decided meanwhile
			}
		}
		if q.IsRoot() {
			return false
		}
	}
}
