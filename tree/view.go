package tree

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// Cell is the part of a node that changes with readings.
type Cell struct {
	Index    uint32
	Kind     Kind
	Status   Status
	Last     Status // the last status that was not white
	Flapping bool
	Pending  bool // a hold time runs towards another status
	Value    Value
	Time     time.Time // of the last reading; zero: none yet
	Since    time.Time // when Status began
	Reason   string    // why it is white
	Counts   [4]int32  // of a group: the attributes anywhere below, by Status
}

// Node is a copy of everything that is known of one node.
type Node struct {
	Cell
	Ref      Ref
	Parent   uint32 // index of the parent; the root's is its own
	Depth    int
	Path     Path
	Name     string
	Spec     *Spec // as the definition or program gave it
	Children int
	Created  time.Time
	// Threshold is the one in force, never nil for an attribute; Tuned says that it
	// was set after the node was made.
	Threshold *Threshold
	Tuned     bool
}

// View is a reader's window on one subtree. It stays with its path: when the
// subtree goes and comes back, the view shows the new one. Its methods may be
// called from many goroutines.
type View struct {
	t    *Tree
	path Path
	s    *subtree
}

// subtree is what all views of one path share: which nodes lie in it.
type subtree struct {
	path    Path
	root    uint32   // none while nothing is there
	members []uint64 // a bit for each index
	users   int
}

func (s *subtree) include(i uint32) {
	for int(i>>6) >= len(s.members) {
		s.members = append(s.members, 0)
	}
	s.members[i>>6] |= 1 << (i & 63)
}

func (s *subtree) exclude(i uint32) {
	if int(i>>6) < len(s.members) {
		s.members[i>>6] &^= 1 << (i & 63)
	}
}

func (s *subtree) has(i uint32) bool {
	return int(i>>6) < len(s.members) && s.members[i>>6]&(1<<(i&63)) != 0
}

// MaxViews bounds the different subtrees that are looked at.
const MaxViews = 4096

// View opens a window on the subtree at root.
func (t *Tree) View(root Path) (*View, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.views[root]
	if s != nil && s.root == none && !t.occupy(s) {
		return nil, fmt.Errorf("%s: %w", root, ErrNoNode)
	}
	if s == nil {
		if len(t.views) >= MaxViews {
			return nil, fmt.Errorf("%w: more than %d subtrees are looked at", ErrBadChange, MaxViews)
		}
		s = &subtree{path: root, root: none}
		if !t.occupy(s) {
			return nil, fmt.Errorf("%s: %w", root, ErrNoNode)
		}
		t.views[root] = s
	}
	s.users++
	return &View{t: t, path: root, s: s}, nil
}

// Close ends the view. It may be called more than once.
func (v *View) Close() {
	v.t.mu.Lock()
	defer v.t.mu.Unlock()
	if v.s == nil {
		return
	}
	if v.s.users--; v.s.users == 0 {
		delete(v.t.views, v.path)
		if v.s.root != none {
			delete(v.t.roots, v.s.root)
		}
	}
	v.s = nil
}

// occupy finds the node at the path of a subtree and who is in it.
func (t *Tree) occupy(s *subtree) bool {
	root := t.find(s.path.text)
	if root == none {
		return false
	}
	s.root = root
	s.members = make([]uint64, len(t.blocks))
	t.preorder(root, -1, func(i uint32) bool {
		s.include(i)
		return true
	})
	t.roots[root] = s
	return true
}

// resolve is occupy for a reader: the view may have lost its root meanwhile. It
// returns with the read lock held unless it fails.
func (v *View) resolve() error {
	t := v.t
	t.mu.RLock()
	if v.s != nil && v.s.root != none {
		return nil
	}
	t.mu.RUnlock()
	t.mu.Lock()
	ok := v.s != nil && (v.s.root != none || t.occupy(v.s))
	t.mu.Unlock()
	if !ok {
		return fmt.Errorf("%s: %w", v.path, ErrNoNode)
	}
	t.mu.RLock()
	if v.s == nil || v.s.root == none {
		t.mu.RUnlock()
		return fmt.Errorf("%s: %w", v.path, ErrNoNode)
	}
	return nil
}

// Snapshot yields every node of the subtree, parents first, until yield returns
// false; the Node is used again for the next. The sequence number that it returns
// is the one to give to Since. Yield must not call the tree.
func (v *View) Snapshot(yield func(*Node) bool) (seq uint64, err error) {
	if err := v.resolve(); err != nil {
		return 0, err
	}
	defer v.t.mu.RUnlock()
	v.t.walk(v.s.root, -1, yield)
	return v.t.seq(), nil
}

// Span says what Since covered.
type Span struct {
	From, To uint64 // numbers: what was changed after From is told up to To
	// Reset says that the changes are not known any more, or are too many: take a
	// Snapshot. Nothing was yielded then.
	Reset   bool
	Removed []uint32 // indexes that are not in the subtree any more, and perhaps never were
	Placed  []Node   // nodes that were added, moved or given another spec, parents first
}

// Since yields the state of every node that changed after flush number since, in
// rising order of indexes, merged: a node that changed often is told once, as it
// is now. The Cell is used again for the next. Yield must not call the tree.
//
// A number that this tree never gave (of another process, say) yields a Reset.
func (v *View) Since(since uint64, yield func(*Cell)) (Span, error) {
	if err := v.resolve(); err != nil {
		return Span{}, err
	}
	t, s := v.t, v.s
	defer t.mu.RUnlock()
	span := Span{From: since, To: t.seq()}
	events, ok := t.log.since(since)
	if !ok || since < t.base || since > span.To {
		span.Reset = true
		return span, nil
	}
	for _, e := range events {
		i := e.index
		if s.has(i) {
			span.Placed = append(span.Placed, Node{})
			t.fill(&span.Placed[len(span.Placed)-1], i, t.pathOf(i))
		} else {
			span.Removed = append(span.Removed, i)
		}
	}
	slices.SortStableFunc(span.Placed, func(a, b Node) int { return a.Depth - b.Depth })
	var c Cell
	after := uint32(since - t.base)
	for b, stamp := range t.blocks {
		if stamp <= after || b >= len(s.members) {
			continue
		}
		for word := s.members[b]; word != 0; word &= word - 1 {
			i := uint32(b<<6 + bits.TrailingZeros64(word))
			if t.cells[i].stamp > after {
				t.fillCell(&c, i)
				yield(&c)
			}
		}
	}
	return span, nil
}

// structureLog remembers which nodes were added, moved, respecified or removed
// lately: enough for readers that keep up.
type structureLog struct {
	ring []structureEvent
	next int
	lost uint64 // number up to which events were overwritten
}

type structureEvent struct {
	seq   uint64
	index uint32
	gen   uint32 // of the cell, after what happened
}

const structureLogSize = 4096

func (l *structureLog) add(seq uint64, index, gen uint32) {
	e := structureEvent{seq, index, gen}
	if len(l.ring) < structureLogSize {
		l.ring = append(l.ring, e)
		return
	}
	l.lost = l.ring[l.next].seq
	l.ring[l.next] = e
	l.next = (l.next + 1) % structureLogSize
}

// since lists the events after a number by rising index, for each index the first; ok
// is false when some of them were overwritten.
func (l *structureLog) since(seq uint64) (events []structureEvent, ok bool) {
	if l.lost > seq {
		return nil, false
	}
	for k := len(l.ring) - 1; k >= 0; k-- {
		e := l.ring[(l.next+k)%len(l.ring)]
		if e.seq <= seq {
			break
		}
		events = append(events, e)
	}
	slices.Reverse(events)
	slices.SortStableFunc(events, func(a, b structureEvent) int { return cmp.Compare(a.index, b.index) })
	return slices.CompactFunc(events, func(a, b structureEvent) bool { return a.index == b.index }), true
}
