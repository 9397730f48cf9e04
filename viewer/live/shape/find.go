package shape

import (
	"math/bits"
	"slices"

	"grove/tree"
)

// Find is what a filter finds in a scene: it is kept up to date for all who have the
// filter on. Of the nodes that match MaxMatches show; each goes on to show as long as
// it matches.
type Find struct {
	filter Filter
	users  int

	byText bitmap           // nodes that match by their text; by status too: attributes only
	hit    bitmap           // of them those that match
	kept   bitmap           // of them those that show
	hits   int              // in hit
	shown  int              // in kept
	above  map[uint32]int32 // groups above a kept node -> how many are below
	// version rises whenever kept changes.
	version uint64
}

// Hits counts the nodes that match, and those of them that show. f may be nil.
func (f *Find) Hits() (hits, shown int) {
	if f == nil {
		return 0, 0
	}
	return f.hits, f.shown
}

// keeps says whether a node matches and shows, or is above one that does.
func (f *Find) keeps(i uint32) bool { return f.kept.has(i) || f.above[i] > 0 }

// isWay says whether a group is above a node that matches and shows.
func (f *Find) isWay(i uint32) bool { return f.above[i] > 0 }

func (f *Find) ways() []uint32 {
	list := make([]uint32, 0, len(f.above))
	for i := range f.above {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// build looks at every node.
func (f *Find) build(r *tree.Reader, s *Scene) {
	words := (r.Bound() + 63) / 64
	f.byText, f.hit, f.kept = make(bitmap, words), make(bitmap, words), make(bitmap, words)
	f.hits, f.shown, f.above = 0, 0, map[uint32]int32{}
	f.version++
	var walk func(g, path uint32)
	walk = func(g, path uint32) {
		for c := range r.Children(g) {
			if !s.sees(c) {
				continue
			}
			own := f.filter.wordsIn(r.Name(c))
			f.look(r, c, path|own, own)
			if r.IsGroup(c) {
				walk(c, path|own)
			}
		}
	}
	if root := r.Root(); r.IsGroup(root) {
		walk(root, 0)
	}
}

// look says anew whether a node matches.
func (f *Find) look(r *tree.Reader, i, path, own uint32) {
	match := f.filter.matchesText(path, own) && !(f.filter.byStatus && r.IsGroup(i))
	f.byText.set(i, match)
	f.take(r, i, match && f.matchesStatus(r, i))
}

func (f *Find) matchesStatus(r *tree.Reader, i uint32) bool {
	return !f.filter.byStatus || f.filter.statuses[r.Status(i)&3]
}

// take notes whether a node matches.
func (f *Find) take(r *tree.Reader, i uint32, match bool) {
	if !f.hit.set(i, match) {
		return
	}
	switch {
	case match:
		f.hits++
		if f.shown < MaxMatches {
			f.keep(r, i, true)
		}
	default:
		f.hits--
		if f.kept.has(i) {
			f.keep(r, i, false)
		}
	}
}

// keep lets a node show or not.
func (f *Find) keep(r *tree.Reader, i uint32, in bool) {
	f.kept.set(i, in)
	f.version++
	step := int32(1)
	if !in {
		step = -1
	}
	f.shown += int(step)
	for root := r.Root(); i != root; {
		i = r.Parent(i)
		if f.above[i] += step; f.above[i] == 0 {
			delete(f.above, i)
		}
	}
}

// update brings what was found up to date with what happened after flush number since.
func (f *Find) update(r *tree.Reader, s *Scene, since uint64, placed []tree.Placement) {
	if len(placed) > 0 {
		f.replace(r, s, placed)
	}
	if f.filter.byStatus {
		for b, word := range f.byText {
			if word == 0 || !r.BlockChanged(uint32(b), since) {
				continue
			}
			for ; word != 0; word &= word - 1 {
				if i := uint32(b<<6 + bits.TrailingZeros64(word)); r.Changed(i, since) {
					f.take(r, i, f.matchesStatus(r, i))
				}
			}
		}
	}
	if f.shown < MaxMatches && f.shown < f.hits {
		f.fill(r)
	}
}

// fill lets further nodes show, when some that did match no longer.
func (f *Find) fill(r *tree.Reader) {
	for b, word := range f.hit {
		for word &^= f.kept[min(b, len(f.kept)-1)]; word != 0 && f.shown < MaxMatches; word &= word - 1 {
			f.keep(r, uint32(b<<6+bits.TrailingZeros64(word)), true)
		}
	}
}

// replace looks at nodes that came, went or moved. Where those that went were is not
// known any more, so that what is above the others is found anew.
func (f *Find) replace(r *tree.Reader, s *Scene, placed []tree.Placement) {
	f.above = map[uint32]int32{}
	f.version++
	for _, p := range placed {
		for _, b := range [...]*bitmap{&f.byText, &f.hit, &f.kept} {
			switch was := b.set(p.Index, false); {
			case was && b == &f.hit:
				f.hits--
			case was && b == &f.kept:
				f.shown--
			}
		}
	}
	for b, word := range f.kept {
		for ; word != 0; word &= word - 1 {
			f.lead(r, uint32(b<<6+bits.TrailingZeros64(word)))
		}
	}
	for _, p := range placed {
		if i := p.Index; i != r.Root() && r.Has(i) && s.sees(i) {
			own := f.filter.wordsIn(r.Name(i))
			path := own
			for j := r.Parent(i); j != r.Root(); j = r.Parent(j) {
				path |= f.filter.wordsIn(r.Name(j))
			}
			f.look(r, i, path, own)
		}
	}
}

// lead counts a kept node in what is above it.
func (f *Find) lead(r *tree.Reader, i uint32) {
	for root := r.Root(); i != root; {
		i = r.Parent(i)
		f.above[i]++
	}
}
