package shape

import (
	"cmp"
	"errors"
	"math/bits"
	"slices"
	"sync/atomic"

	"grove/tree"
	"grove/tree/grant"
)

// Picture is what a client has of a scene: which nodes, and as of which flush. It is not
// changed once it is made, but for its cursor. Besides constants it takes three sets, of
// which the shape's two hold what was opened and closed by hand or by a turn.
type Picture struct {
	Seq    uint64 // of the flush that the client has
	root   uint32
	cursor atomic.Uint64 // nothing of it changed up to this flush

	shape Shape
	// everything says that all that is there shows, so that the client has what the
	// subtree has, and shown is not needed.
	everything bool
	shown      Set
	// resumed says that the client has what shows now but for what was placed since.
	resumed bool

	scope *grant.Scope // through which shown was found
	find  *Find        // nil: no filter is on
	found uint64       // version of find then
}

// Cursor is the flush up to which the client has been told everything.
func (p *Picture) Cursor() uint64 { return p.cursor.Load() }

// Everything says whether all that is there shows.
func (p *Picture) Everything() bool { return p.everything }

// Find is what the filter finds that is on, or nil.
func (p *Picture) Find() *Find { return p.find }

// Pass says that nothing of the picture changed up to a flush.
func (p *Picture) Pass(seq uint64) { p.cursor.Store(seq) }

// Same says whether two pictures of one scene are alike.
func (p *Picture) Same(o *Picture) bool {
	return p.Seq == o.Seq && p.everything == o.everything && p.scope == o.scope && p.find == o.find && p.found == o.found &&
		p.shape.equal(&o.shape) && p.shown.Equal(o.shown)
}

// Hash is the same for pictures that are alike.
func (p *Picture) Hash() uint64 { return p.shown.hash(p.shape.hash() ^ p.Seq) }

// Bytes is about how much memory the picture takes, if it shares none.
func (p *Picture) Bytes() int {
	return 160 + 16*(len(p.shown.words)+len(p.shape.opened.words)+len(p.shape.closed.words))
}

// Step is what leads a client from one picture to another, as indexes.
type Step struct {
	// Fresh says that the client is to forget what it has: Placed is all that shows.
	Fresh   bool
	Removed []uint32
	Placed  []uint32 // parents first
	Changed []uint32 // rising
}

// IsEmpty says whether the client has nothing to do.
func (s *Step) IsEmpty() bool {
	return !s.Fresh && len(s.Removed) == 0 && len(s.Placed) == 0 && len(s.Changed) == 0
}

// Begin makes the first picture of a client.
func (s *Scene) Begin(r *tree.Reader, w *Wish, f *Find) (*Picture, Step) {
	return s.draw(r, s.begin(r, w, f), f)
}

// ErrResume is returned when a client cannot go on from what it has.
var ErrResume = errors.New("cannot resume")

// Resume makes the picture of a client that has what it was sent up to a flush, when it
// wished the same, and the step that leads to it from there. It fails when that is not
// known well enough.
func (s *Scene) Resume(r *tree.Reader, w *Wish, since uint64) (*Picture, Step, error) {
	if w.Filter.IsOn() || w.Some > 0 || !r.Known(since) {
		return nil, Step{}, ErrResume
	}
	placed := r.Placed(since)
	ofRoot := func(e tree.Placement) bool { return e.Index == r.Root() }
	if s.scope != nil && len(placed) > 0 || slices.ContainsFunc(placed, ofRoot) {
		return nil, Step{}, ErrResume
	}
	sh := s.begin(r, w, nil)
	p := &Picture{Seq: since, root: r.Root(), shape: sh, resumed: true, everything: s.scope == nil && sh.isEverything(), scope: s.scope}
	p.cursor.Store(since)
	q, step, _ := s.Next(r, p, nil)
	return q, step, nil
}

// draw makes a picture of all that shows, and the step that leads to it from nothing.
func (s *Scene) draw(r *tree.Reader, sh Shape, f *Find) (*Picture, Step) {
	p := s.picture(r, sh, f)
	step := Step{Fresh: true}
	s.rows(r, &sh, f, func(i uint32) bool {
		step.Placed = append(step.Placed, i)
		return true
	})
	if !p.everything {
		p.shown = setOfRows(r, step.Placed)
	}
	return p, step
}

// picture makes one of which shown is not found yet.
func (s *Scene) picture(r *tree.Reader, sh Shape, f *Find) *Picture {
	p := &Picture{Seq: r.Seq(), root: r.Root(), shape: sh, everything: s.scope == nil && f == nil && sh.isEverything(), scope: s.scope}
	if f != nil {
		p.find, p.found = f, f.version
	}
	p.cursor.Store(p.Seq)
	return p
}

// setOfRows is SetOf for many indexes of a tree.
func setOfRows(r *tree.Reader, rows []uint32) Set {
	if len(rows) < r.Bound()/64 {
		return SetOf(rows)
	}
	dense := make(bitmap, (r.Bound()+63)/64)
	for _, i := range rows {
		dense[i>>6] |= 1 << (i & 63)
	}
	n := 0
	for _, w := range dense {
		if w != 0 {
			n++
		}
	}
	s := Set{make([]word, 0, n)}
	for b, w := range dense {
		if w != 0 {
			s.words = append(s.words, word{uint32(b), w})
		}
	}
	return s
}

// Next leads a client on to the present, and through its turns. The answers are to those
// turns that have one, in their order; the last one that has no error says which groups
// are open. The picture is the same when nothing is to be told and there was no turn.
func (s *Scene) Next(r *tree.Reader, p *Picture, turns []Turn) (*Picture, Step, []Answer) {
	f := p.find
	since := p.Cursor()
	sh := p.shape
	known := r.Known(since)
	var placed []tree.Placement
	if known {
		placed = r.Placed(since)
		if !p.resumed { // Else it says what is open now.
			sh = s.survive(r, sh, placed)
		}
	} else {
		sh = s.surviveAll(r, sh)
	}
	var again []uint32
	var answers []Answer
	for k := range turns {
		var groups []uint32
		var answer *Answer
		sh, groups, answer = s.turn(r, sh, f, &turns[k])
		again = append(again, groups...)
		if answer != nil {
			answers = append(answers, *answer)
		}
	}
	s.tellOpen(r, &sh, f, answers)
	other := p.root != r.Root() || otherRoot(r, placed)
	if other && !sh.all { // The root that was open went.
		sh.opened = sh.opened.With(r.Root())
	}
	if !known || other {
		q, step := s.draw(r, sh, f)
		return q, step, answers
	}
	d := difference{Scene: s, r: r, p: p, f: f, sh: &sh, since: since, placed: placed, again: SetOf(again)}
	var q *Picture
	var step Step
	if len(turns) == 0 && len(placed) == 0 && !p.resumed && p.scope == s.scope && (f == nil || f.version == p.found) {
		q, step = d.changes()
	} else {
		q, step = d.rows()
	}
	if step.IsEmpty() { // No frame: the client stays at the number that it has.
		q.Seq = p.Seq
		if !p.resumed && q.Same(p) {
			p.Pass(r.Seq())
			q = p
		}
	}
	return q, step, answers
}

// otherRoot says whether the root of the subtree is not the node that it was.
func otherRoot(r *tree.Reader, placed []tree.Placement) bool {
	return slices.ContainsFunc(placed, func(e tree.Placement) bool { return e.Index == r.Root() && e.Other })
}

// survive forgets what a shape has of nodes that are not there any more.
func (s *Scene) survive(r *tree.Reader, sh Shape, placed []tree.Placement) Shape {
	var gone []uint32
	for _, e := range placed {
		if e.Other || !r.Has(e.Index) {
			gone = append(gone, e.Index)
		}
	}
	return sh.without(gone)
}

// surviveAll is survive when it is not known what came and went: a group may be open that
// has the index of one that was, which the client is told.
func (s *Scene) surviveAll(r *tree.Reader, sh Shape) Shape {
	var gone []uint32
	for _, set := range [...]Set{sh.opened, sh.closed} {
		for i := range set.All() {
			if !r.Has(i) || !r.IsGroup(i) {
				gone = append(gone, i)
			}
		}
	}
	return sh.without(gone)
}

// tellOpen fills in which groups are open.
func (s *Scene) tellOpen(r *tree.Reader, sh *Shape, f *Find, answers []Answer) {
	for k := len(answers) - 1; k >= 0; k-- {
		if a := &answers[k]; a.Err == nil {
			a.Opened, a.All = s.open(r, sh, f)
			return
		}
	}
}

// Opened says which groups of a picture are open.
func (s *Scene) Opened(r *tree.Reader, p *Picture) Answer {
	var a Answer
	a.Opened, a.All = s.open(r, &p.shape, p.find)
	return a
}

// difference finds what a client has to be told.
type difference struct {
	*Scene
	r      *tree.Reader
	p      *Picture
	f      *Find
	sh     *Shape // of the picture to be
	since  uint64
	placed []tree.Placement
	again  Set // groups of which everything below is told again
}

// changes is for the usual case: the same nodes show as before.
func (d *difference) changes() (*Picture, Step) {
	q := d.picture(d.r, *d.sh, d.f)
	q.shown = d.p.shown
	return q, Step{Changed: d.changed(q, Set{})}
}

// changed lists what shows and changed, but for what is told by itself.
func (d *difference) changed(q *Picture, told Set) (list []uint32) {
	if q.everything {
		for b := range uint32((d.r.Bound() + 63) / 64) {
			if !d.r.BlockChanged(b, d.since) {
				continue
			}
			for i := b << 6; i < b<<6+64 && int(i) < d.r.Bound(); i++ {
				if d.r.Has(i) && d.r.Changed(i, d.since) && !told.Has(i) {
					list = append(list, i)
				}
			}
		}
		return list
	}
	for k := range q.shown.words {
		w := q.shown.words[k]
		if !d.r.BlockChanged(w.block, d.since) {
			continue
		}
		for ; w.bits != 0; w.bits &= w.bits - 1 {
			i := w.block<<6 + uint32(bits.TrailingZeros64(w.bits))
			if d.Scene.changed(d.r, i, d.since) && !told.Has(i) {
				list = append(list, i)
			}
		}
	}
	return list
}

// rows finds anew what shows.
func (d *difference) rows() (*Picture, Step) {
	r, p := d.r, d.p
	q := d.picture(r, *d.sh, d.f)
	events := make([]uint32, len(d.placed))
	for k, e := range d.placed {
		events[k] = e.Index
	}
	event := SetOf(events)
	// Where something came or went, groups tell how many children they have.
	renew := len(events) > 0
	renewAll := p.scope != d.scope // Also groups of which other children are seen now.

	var step Step
	var told []uint32
	tell := func(i uint32) {
		step.Placed = append(step.Placed, i)
		told = append(told, i)
	}
	if q.everything && (p.everything) && d.again.IsEmpty() {
		d.tellEvents(tell)
		for b := range uint32((r.Bound() + 63) / 64) {
			if !renew || !r.BlockChanged(b, d.since) {
				continue
			}
			for i := b << 6; i < b<<6+64 && int(i) < r.Bound(); i++ {
				if r.Has(i) && r.IsGroup(i) && r.Changed(i, d.since) && !event.Has(i) {
					tell(i)
				}
			}
		}
		for _, e := range d.placed {
			if e.Other || !r.Has(e.Index) {
				step.Removed = append(step.Removed, e.Index)
			}
		}
		slices.SortStableFunc(step.Placed, func(a, b uint32) int { return cmp.Compare(r.Level(a), r.Level(b)) })
		step.Changed = d.changed(q, SetOf(told))
		return q, step
	}

	var rows []uint32
	d.Scene.rows(r, d.sh, d.f, func(i uint32) bool {
		rows = append(rows, i)
		switch {
		case event.Has(i), !d.had(i), d.isAgain(i):
			tell(i)
		case !r.IsGroup(i):
		case renewAll, renew && r.Changed(i, d.since):
			tell(i)
		}
		return true
	})
	if !q.everything {
		q.shown = setOfRows(r, rows)
	}
	step.Changed = d.changed(q, SetOf(told))
	shows := func(i uint32) bool {
		if q.everything {
			return r.Has(i)
		}
		return q.shown.Has(i)
	}
	for _, e := range d.placed {
		if (p.everything || p.resumed || p.shown.Has(e.Index)) && (e.Other || !r.Has(e.Index) || !shows(e.Index)) {
			step.Removed = append(step.Removed, e.Index)
		}
	}
	if !p.everything && !p.resumed {
		for i := range p.shown.All() {
			// What is below a group that a turn closed the client forgets by itself.
			if !shows(i) && !event.Has(i) && !d.belowClosed(i) {
				step.Removed = append(step.Removed, i)
			}
		}
	}
	return q, step
}

// had says whether the client has a node to which nothing happened.
func (d *difference) had(i uint32) bool { return d.p.everything || d.p.resumed || d.p.shown.Has(i) }

// isAgain says whether a node is below a group that is told again.
func (d *difference) isAgain(i uint32) bool {
	if d.again.IsEmpty() {
		return false
	}
	for root := d.r.Root(); i != root; {
		if i = d.r.Parent(i); d.again.Has(i) {
			return true
		}
	}
	return false
}

// belowClosed says whether a group above a node is closed.
func (d *difference) belowClosed(i uint32) bool {
	for root := d.r.Root(); i != root; {
		if i = d.r.Parent(i); !d.sh.isOpen(i) {
			return true
		}
	}
	return false
}

// tellEvents tells the nodes that came or moved.
func (d *difference) tellEvents(tell func(uint32)) {
	for _, e := range d.placed {
		if d.r.Has(e.Index) {
			tell(e.Index)
		}
	}
}
