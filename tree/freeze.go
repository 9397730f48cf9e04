package tree

import (
	"errors"
	"math"
	"time"
)

// ErrFrozen is wrapped by the refusal of a change of a tree that Freeze made.
var ErrFrozen = errors.New("the past cannot be changed")

// Record is what is known of one node as it was at a moment that is past.
type Record struct {
	Path Path
	Spec *Spec
	// Tuned, unless nil, is the threshold in place of the spec's.
	Tuned *Threshold
	// Status is what the node had, Last the last that was not white, if that is known.
	Status, Last Status
	// Since is when Status began, Created when the node was made, Time when its reading
	// was taken; zero is not known.
	Since, Created, Time time.Time
	Value                Value
	// Reason is why the node is white, or what is not known of it.
	Reason string
	// Events are those of a log attribute, oldest first.
	Events []Event
}

// Freeze returns the tree that the records tell of, as it stood at a moment. Every node
// has the status of its record, groups too: no threshold and no roll-up of today is held
// against them, only the counts of a group are those of what is below it. Groups that are
// needed and have no record are white. The order of the records is that of the children.
//
// The tree takes no changes. Its clock stands at the moment.
func Freeze(at time.Time, records []Record) (*Tree, error) {
	t := New(Options{Now: func() time.Time { return at }})
	t.mu.Lock()
	defer t.unlock()
	t.frozen = true
	if n := len(records); n > len(t.index) {
		t.index = make(map[uint64]uint32, n+n/8)
		t.setIndex(Root.text, 0)
	}
	indexes := make([]uint32, len(records))
	for k := range records {
		r := &records[k]
		i, err := t.thaw(r, at)
		if err != nil {
			return nil, &OpError{Op: "freeze", Path: r.Path, Err: err}
		}
		indexes[k] = i
	}
	for i := range t.cells {
		// What they came to on the way is no more than that.
		t.force(uint32(i), White)
		t.places[i].known, t.places[i].since, t.places[i].created = White, 0, 0
		t.reasons[uint32(i)] = "nothing was recorded of it"
	}
	for k, i := range indexes {
		t.record(i, &records[k])
	}
	t.pending++ // Readers begin with a whole tree, and there is nothing else to tell.
	t.last.Store(t.seq())
	t.dirty = false
	return t, nil
}

// Frozen says whether the tree is one of the past, and of which moment.
func (t *Tree) Frozen() (at time.Time, frozen bool) {
	if !t.frozen {
		return time.Time{}, false
	}
	return t.opts.Now(), true
}

// thaw makes the node of a record.
func (t *Tree) thaw(r *Record, now time.Time) (uint32, error) {
	if r.Spec == nil {
		return none, ErrBadChange
	}
	if err := r.Spec.Check(); err != nil {
		return none, err
	}
	i := t.find(r.Path.text)
	switch {
	case i == none && t.nodes >= MaxNodes:
		return none, ErrBadChange
	case i == none:
		parent := t.parentFor(r.Path, now)
		if t.cells[parent].kind != Group {
			return none, ErrNotGroup
		}
		i = t.insert(r.Path, parent, r.Spec, now)
	case t.cells[i].kind != r.Spec.Kind || t.cells[i].flags&flagImplied == 0:
		return none, ErrNodeExists
	default: // A group that was made for its children's sake, or the root.
		t.update(i, r.Spec, now)
		t.cells[i].flags &^= flagImplied
	}
	if r.Tuned != nil && r.Spec.Kind != Group {
		if err := r.Tuned.Check(); err != nil {
			return none, err
		}
		t.tuned[i] = r.Tuned
		t.wear(i, r.Tuned)
	}
	return i, nil
}

// record gives a node what its record says.
func (t *Tree) record(i uint32, r *Record) {
	c, p := &t.cells[i], &t.places[i]
	t.force(i, min(r.Status, Red))
	p.known = min(r.Last, Red)
	if c.status != White {
		p.known = c.status
	}
	p.since = nanosecondsOf(r.Since)
	if !r.Created.IsZero() {
		p.created = uint32(min(max(r.Created.Unix(), 0), math.MaxUint32))
	}
	if r.Reason == "" {
		delete(t.reasons, i)
	} else {
		t.reasons[i] = cut(r.Reason)
	}
	if c.kind == Group {
		return
	}
	c.level = levelsOf(c.status)
	c.time = nanosecondsOf(r.Time)
	n, isNumber := r.Value.Number()
	s, isText := r.Value.Text()
	switch {
	case c.kind == Log:
		l := &eventLog{}
		for _, e := range r.Events {
			e.Text, e.Status = cut(e.Text), min(e.Status, Red)
			l.add(e, keepOf(r.Spec))
			c.flags |= flagText
			t.texts[i] = e.Text
		}
		t.logs[i] = l
	case isNumber && c.kind != TextKind:
		c.value, c.flags = n, c.flags|flagNumber
	case isText && c.kind != Performance:
		t.texts[i], c.flags = cut(s), c.flags|flagText
	}
	// What a white child contributes, and so which attributes are the cause, follows
	// from what it was.
	t.mark(i)
}

// nanosecondsOf is a time as places and cells hold it; 0 for one that is not known.
func nanosecondsOf(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return max(nanoseconds(at, 0), 1)
}

// force gives a node a status whatever follows from others, and lets nothing follow from
// it but the counts of the attributes.
func (t *Tree) force(i uint32, to Status) {
	c := &t.cells[i]
	if c.status == to {
		return
	}
	from := c.status
	c.status = to
	if c.kind == Group {
		return
	}
	for j := t.places[i].parent; j != none; j = t.places[j].parent {
		g := &t.groups[t.places[j].group]
		g.leaves[from]--
		g.leaves[to]++
	}
}
