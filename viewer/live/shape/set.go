package shape

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// Set is a set of indexes. It is not changed once it is made, so that clients that look
// at the same share it. It takes 16 bytes for each 64 indexes of which one is in it.
type Set struct{ words []word }

type word struct {
	block uint32 // of the indexes from 64*block
	bits  uint64
}

// SetOf returns the set of some indexes, in any order.
func SetOf(indexes []uint32) Set {
	if len(indexes) == 0 {
		return Set{}
	}
	if !slices.IsSorted(indexes) {
		indexes = slices.Clone(indexes)
		slices.Sort(indexes)
	}
	n, last := 0, ^uint32(0)
	for _, i := range indexes {
		if b := i >> 6; b != last {
			n, last = n+1, b
		}
	}
	words := make([]word, 0, n)
	for _, i := range indexes {
		if n := len(words); n == 0 || words[n-1].block != i>>6 {
			words = append(words, word{block: i >> 6})
		}
		words[len(words)-1].bits |= 1 << (i & 63)
	}
	return Set{words}
}

// Has says whether an index is in the set.
func (s Set) Has(i uint32) bool {
	k, ok := s.find(i >> 6)
	return ok && s.words[k].bits&(1<<(i&63)) != 0
}

func (s Set) find(block uint32) (int, bool) {
	return slices.BinarySearchFunc(s.words, block, func(w word, block uint32) int { return cmp.Compare(w.block, block) })
}

// IsEmpty says whether nothing is in the set.
func (s Set) IsEmpty() bool { return len(s.words) == 0 }

// Len counts the indexes.
func (s Set) Len() (n int) {
	for _, w := range s.words {
		n += bits.OnesCount64(w.bits)
	}
	return n
}

// All yields the indexes, rising.
func (s Set) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, w := range s.words {
			for b := w.bits; b != 0; b &= b - 1 {
				if !yield(w.block<<6 + uint32(bits.TrailingZeros64(b))) {
					return
				}
			}
		}
	}
}

// With returns the set with more indexes in it.
func (s Set) With(indexes ...uint32) Set {
	return s.change(indexes, func(w *word, bit uint64) { w.bits |= bit })
}

// Without returns the set without some indexes.
func (s Set) Without(indexes ...uint32) Set {
	if s.IsEmpty() {
		return s
	}
	return s.change(indexes, func(w *word, bit uint64) { w.bits &^= bit })
}

func (s Set) change(indexes []uint32, change func(w *word, bit uint64)) Set {
	switch {
	case len(indexes) == 0:
		return s
	case len(indexes) > 8: // Not one by one: each may have to make room.
		return s.merge(SetOf(indexes), change)
	}
	s.words = slices.Clone(s.words)
	for _, i := range indexes {
		k, ok := s.find(i >> 6)
		if !ok {
			s.words = slices.Insert(s.words, k, word{block: i >> 6})
		}
		change(&s.words[k], 1<<(i&63))
		if s.words[k].bits == 0 {
			s.words = slices.Delete(s.words, k, k+1)
		}
	}
	return s
}

func (s Set) merge(o Set, change func(w *word, bit uint64)) Set {
	words := make([]word, 0, len(s.words)+len(o.words))
	a, b := s.words, o.words
	for len(a) > 0 || len(b) > 0 {
		var w word
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].block < b[0].block:
			w, a = a[0], a[1:]
		case len(a) == 0 || b[0].block < a[0].block:
			w.block = b[0].block
			change(&w, b[0].bits)
			b = b[1:]
		default:
			w, a = a[0], a[1:]
			change(&w, b[0].bits)
			b = b[1:]
		}
		if w.bits != 0 {
			words = append(words, w)
		}
	}
	return Set{slices.Clip(words)}
}

// Equal says whether the same indexes are in both sets.
func (s Set) Equal(o Set) bool {
	if len(s.words) > 0 && len(o.words) == len(s.words) && &s.words[0] == &o.words[0] {
		return true
	}
	return slices.Equal(s.words, o.words)
}

// hash is the same for equal sets.
func (s Set) hash(h uint64) uint64 {
	for _, w := range s.words {
		h = (h ^ uint64(w.block)) * 0x9e3779b97f4a7c15
		h = (h ^ h>>29 ^ w.bits) * 0xbf58476d1ce4e5b9
	}
	return h ^ h>>32
}

// bitmap is a set that is changed, dense: a bit for each index.
type bitmap []uint64

func (b bitmap) has(i uint32) bool { return int(i>>6) < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

// set puts an index in or out, and says whether it was otherwise before.
func (b *bitmap) set(i uint32, in bool) bool {
	if b.has(i) == in {
		return false
	}
	for int(i>>6) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] ^= 1 << (i & 63)
	return true
}
