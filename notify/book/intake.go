package book

import (
	"sync"
	"sync/atomic"

	"grove/tree"
)

// intake is what the tree and others tell, until somebody decides on it.
type intake struct {
	wake  chan struct{} // holds one token when there is something to decide
	begun atomic.Bool   // what is told before is found by the look at the whole tree

	mu    sync.Mutex // guards what follows
	queue []note     // nodes that took another status, oldest first
	given uint64     // notes, and looks at the whole tree, that were ever asked for
	// whole asks for a look at the whole tree in place of notes, which were too many;
	// structure and reloaded for one besides them.
	whole, structure, reloaded bool
	maintenance                bool
	asked                      uint64 // given when the first of these flags was raised

	// Nodes that have an entry. It is written before such a node is looked at, so that
	// none turns green unnoticed.
	watching sync.RWMutex
	watched  map[tree.Path]struct{}
}

// note says that a node took another status.
type note struct {
	path tree.Path
	at   int64 // Unix nanoseconds
}

// Statuses takes changes of status; it is for tree.Options and never waits. It costs most
// changes next to nothing: what turns green is of no interest unless there is an alert of
// it, and of groups only those are that alert as a whole.
func (b *Book) Statuses(changes []tree.StatusChange) {
	if !b.in.begun.Load() {
		return
	}
	wholes := b.plan.Load().wholes
	now := b.o.Now().UnixNano()
	b.in.watching.RLock()
	defer b.in.watching.RUnlock()
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	before := b.in.given
	for i := range changes {
		c := &changes[i]
		if b.in.whole {
			break
		}
		switch c.Kind {
		case tree.Group:
			if _, ok := wholes[c.Ref]; !ok {
				continue
			}
		case tree.TextKind:
			continue
		}
		if c.To == tree.Green {
			if _, ok := b.in.watched[c.Path]; !ok {
				continue
			}
		}
		b.in.given++
		if len(b.in.queue) >= maxQueue {
			b.in.raise(&b.in.whole)
			b.in.queue = nil
			break
		}
		b.in.queue = append(b.in.queue, note{c.Path, now})
	}
	if b.in.given != before {
		b.rouse()
	}
}

// Names takes changes of structure; it is for tree.Options and never waits.
func (b *Book) Names([]tree.NameChange) { b.ask(&b.in.structure) }

// Reloaded says that the specs of nodes may have changed.
func (b *Book) Reloaded() { b.ask(&b.in.reloaded) }

// MaintenanceChanged says that other nodes are maintained than before.
func (b *Book) MaintenanceChanged() { b.ask(&b.in.maintenance) }

// TwinsChanged says that alerts are left to other managers than before, or that these have
// told people of others.
func (b *Book) TwinsChanged() { b.ask(&b.in.maintenance) }

// ask raises a flag of the intake.
func (b *Book) ask(flag *bool) {
	if !b.in.begun.Load() {
		return
	}
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	if !*flag {
		b.in.given++
		b.in.raise(flag)
		b.rouse()
	}
}

// raise raises a flag, which given counts already, with the lock.
func (i *intake) raise(flag *bool) {
	if !i.whole && !i.structure && !i.reloaded {
		i.asked = i.given
	}
	*flag = true
}

// rouse wakes Run.
func (b *Book) rouse() {
	select {
	case b.in.wake <- struct{}{}:
	default:
	}
}

// watch says that there is an entry of a node, or will be.
func (b *Book) watch(p tree.Path) {
	b.in.watching.Lock()
	b.in.watched[p] = struct{}{}
	b.in.watching.Unlock()
}

func (b *Book) unwatch(p tree.Path) {
	b.in.watching.Lock()
	delete(b.in.watched, p)
	b.in.watching.Unlock()
}

func (b *Book) unwatchAll() {
	b.in.watching.Lock()
	clear(b.in.watched)
	b.in.watching.Unlock()
}

// taken is what the intake held.
type taken struct {
	notes                                   []note
	upTo                                    uint64 // of given: all of it was taken
	whole, structure, reloaded, maintenance bool
	later                                   bool // a look at the whole tree waits
}

func (t *taken) look() bool { return t.whole || t.structure || t.reloaded }

// drain takes what waits. What asks for a look at the whole tree stays, unless that may be.
func (b *Book) drain(mayLook bool) (t taken) {
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	t = taken{notes: b.in.queue, upTo: b.in.given, maintenance: b.in.maintenance}
	b.in.queue, b.in.maintenance = nil, false
	switch asked := b.in.whole || b.in.structure || b.in.reloaded; {
	case asked && mayLook:
		t.whole, t.structure, t.reloaded = b.in.whole, b.in.structure, b.in.reloaded
		b.in.whole, b.in.structure, b.in.reloaded = false, false, false
	case asked:
		t.upTo = b.in.asked - 1
		t.later = true
	}
	return t
}
