package shape

import (
	"math/bits"
	"time"

	"grove/tree"
)

// tally counts, for each group above something that its viewers may not see, what they
// may see: the group's own counts would tell of the rest.
type tally struct {
	scope  scope
	at     uint64 // flush that is said to have published what changes
	groups map[uint32]*tallied
	leaf   bitmap  // attributes that are counted
	status []uint8 // of them, as counted, by index
}

// scope is what tells how much is seen: *grant.Scope.
type scope interface {
	Partial(index uint32) bool
}

// tallied is one group.
type tallied struct {
	counts [4]int32
	status tree.Status
	since  time.Time
	// changed is the flush that publishes the last change of anything here.
	changed uint64
}

// newTally counts everything that is seen. It returns nil when nothing hidden
// contributes to anything.
func newTally(r *tree.Reader, s *Scene, at uint64) *tally {
	t := &tally{scope: s.scope, at: at, groups: map[uint32]*tallied{}}
	root := r.Root()
	if !r.IsGroup(root) || !s.scope.Partial(root) {
		return nil
	}
	t.status = make([]uint8, r.Bound())
	var walk func(g uint32)
	walk = func(g uint32) {
		if s.scope.Partial(g) {
			t.groups[g] = &tallied{changed: at}
			t.renew(r, g)
		}
		for c := range r.Children(g) {
			switch {
			case !s.sees(c):
			case r.IsGroup(c):
				walk(c)
			default:
				t.leaf.set(c, true)
				t.status[c] = uint8(r.Status(c))
				t.count(r, c, r.Status(c), 1)
			}
		}
	}
	walk(root)
	return t
}

// count adds to the groups above an attribute.
func (t *tally) count(r *tree.Reader, i uint32, status tree.Status, by int32) {
	for root := r.Root(); i != root; {
		i = r.Parent(i)
		if g := t.groups[i]; g != nil {
			g.counts[status] += by
			g.changed = t.at
		}
	}
}

// renew notes the status of a group, and says that it changed if it did.
func (t *tally) renew(r *tree.Reader, i uint32) {
	var c tree.Cell
	r.Cell(i, &c)
	if g := t.groups[i]; g.status != c.Status || !g.since.Equal(c.Since) {
		g.status, g.since, g.changed = c.Status, c.Since, t.at
	}
}

// update brings the counts up to date with what changed after flush number since. The
// structure is the same as before.
func (t *tally) update(r *tree.Reader, since, at uint64) {
	t.at = at
	for b, word := range t.leaf {
		if word == 0 || !r.BlockChanged(uint32(b), since) {
			continue
		}
		for ; word != 0; word &= word - 1 {
			i := uint32(b<<6 + bits.TrailingZeros64(word))
			if was, is := tree.Status(t.status[i]), r.Status(i); was != is {
				t.count(r, i, was, -1)
				t.count(r, i, is, 1)
				t.status[i] = uint8(is)
			}
		}
	}
	for i := range t.groups {
		if r.Changed(i, since) {
			t.renew(r, i)
		}
	}
}
