// Package block says in which of some thousand entries a text stands, without the entries.
//
// A block holds each different text of its entries once, in lower case, and beside it
// which entries have it. Looking for a text is looking through some ten kilobytes, and
// what is found is exact: the entries whose text or value has what was looked for, in any
// case of its letters. Numbers stand apart, since few look for them.
//
// Parts is what is stored, three byte strings. Words and Numbers are texts with a zero
// byte behind each. Entries is, each number as an unsigned varint:
//
//	version, count of entries
//	for each entry: its number less that of the one before, in the order of numbers
//	for each entry: a byte, its mark
//	for Words, then for Numbers: count of texts
//	  for each text: its length in bytes, count of the entries that have it, and for each
//	  of these its place among the entries less that of the one before
package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
)

// Parts are the stored parts of a block.
type Parts struct{ Words, Numbers, Entries []byte }

// Entry is an entry of a block.
type Entry struct {
	Number int64 // above zero
	Mark   byte  // what the caller wants to know of it without reading it
}

// ErrDamaged is returned for parts that no Builder made.
var ErrDamaged = errors.New("the block of texts is damaged")

// version is the first number of Parts.Entries.
const version = 1

// end is what stands behind each text; texts of a database have none in them.
const end = 0

// Fold is how letters of both cases become one: what is looked for is folded as well.
func Fold(text string) string { return strings.ToLower(text) }

// IsNumeric says whether a folded text can stand in a number as Go writes it, such as
// "1.5e+06", "-inf" or "nan".
func IsNumeric(folded string) bool {
	return folded != "" && strings.Trim(folded, "0123456789.+-einfa") == ""
}

// Builder makes a block of entries. The zero Builder is empty.
type Builder struct {
	entries []Entry
	words   texts
	numbers texts
}

// texts are different texts in the order in which they came.
type texts struct {
	region  []byte
	lengths []int
	places  [][]int32 // of the entries that have each
	index   map[string]int
}

// Add adds an entry, in the order of numbers.
func (b *Builder) Add(e Entry) { b.entries = append(b.entries, e) }

// Word says that the last entry has a text.
func (b *Builder) Word(text string) { b.words.add(text, len(b.entries)-1) }

// Number says that the last entry has a number.
func (b *Builder) Number(text string) { b.numbers.add(text, len(b.entries)-1) }

// First is the number of the first entry; -1: there is none.
func (b *Builder) First() int64 {
	if len(b.entries) == 0 {
		return -1
	}
	return b.entries[0].Number
}

// Len is how many entries there are.
func (b *Builder) Len() int { return len(b.entries) }

// Bytes is how long their different texts are.
func (b *Builder) Bytes() int { return len(b.words.region) + len(b.numbers.region) }

func (t *texts) add(text string, place int) {
	if text == "" {
		return
	}
	k, known := t.index[text]
	if !known {
		folded := strings.ReplaceAll(Fold(text), "\x00", "\uFFFD")
		k = len(t.lengths)
		if t.index == nil {
			t.index = map[string]int{}
		}
		t.index[text] = k
		t.region = append(append(t.region, folded...), end)
		t.lengths = append(t.lengths, len(folded))
		t.places = append(t.places, nil)
	}
	if p := t.places[k]; len(p) == 0 || p[len(p)-1] != int32(place) {
		t.places[k] = append(p, int32(place))
	}
}

// Parts returns the block.
func (b *Builder) Parts() Parts {
	out := binary.AppendUvarint(nil, version)
	out = binary.AppendUvarint(out, uint64(len(b.entries)))
	before := int64(0)
	for _, e := range b.entries {
		out = binary.AppendUvarint(out, uint64(e.Number-before))
		before = e.Number
	}
	for _, e := range b.entries {
		out = append(out, e.Mark)
	}
	for _, t := range []*texts{&b.words, &b.numbers} {
		out = binary.AppendUvarint(out, uint64(len(t.lengths)))
		for k, length := range t.lengths {
			out = binary.AppendUvarint(out, uint64(length))
			out = binary.AppendUvarint(out, uint64(len(t.places[k])))
			last := int32(0)
			for _, p := range t.places[k] {
				out = binary.AppendUvarint(out, uint64(p-last))
				last = p
			}
		}
	}
	return Parts{Words: notNil(b.words.region), Numbers: notNil(b.numbers.region), Entries: out}
}

// notNil is an empty byte string rather than none, which is another thing to a database.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Find returns where in Parts.Words, or Numbers, those texts end that have a folded text
// in them; nil: none has.
func Find(region []byte, folded string) (ends []int) {
	needle := []byte(folded)
	for from := 0; from < len(region); {
		k := bytes.Index(region[from:], needle)
		if k < 0 {
			break
		}
		k += from
		stop := bytes.IndexByte(region[k+len(needle):], end)
		if stop < 0 {
			break
		}
		from = k + len(needle) + stop + 1
		ends = append(ends, from)
	}
	return ends
}

// Having returns the entries, in the order of their numbers, that have the texts that end
// where Find said in Words and in Numbers.
func Having(entries []byte, inWords, inNumbers []int) ([]Entry, error) {
	d := decoder{rest: entries}
	if d.number(math.MaxInt32) != version {
		return nil, ErrDamaged
	}
	// Each takes two bytes at least.
	all := make([]Entry, d.number(uint64(len(entries))))
	before := int64(0)
	for i := range all {
		before += int64(d.number(math.MaxInt64))
		all[i].Number = before
	}
	if d.bad || len(d.rest) < len(all) {
		return nil, ErrDamaged
	}
	for i := range all {
		all[i].Mark = d.rest[i]
	}
	d.rest = d.rest[len(all):]
	found := make([]bool, len(all))
	d.mark(found, inWords)
	d.mark(found, inNumbers)
	if d.bad || len(d.rest) > 0 {
		return nil, ErrDamaged
	}
	k := 0
	for i := range all {
		if found[i] {
			all[k] = all[i]
			k++
		}
	}
	return slices.Clip(all[:k]), nil
}

type decoder struct {
	rest []byte
	bad  bool
}

// number reads a number that is not above a bound.
func (d *decoder) number(most uint64) uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > most {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// mark reads the texts of one region, and marks the entries of those that end where it is
// said.
func (d *decoder) mark(found []bool, ends []int) {
	at := 0
	for range d.number(uint64(len(d.rest))) {
		at += int(d.number(math.MaxInt32)) + 1
		wanted := len(ends) > 0 && ends[0] == at
		if wanted {
			ends = ends[1:]
		}
		place := 0
		for range d.number(uint64(len(found))) {
			place += int(d.number(uint64(len(found))))
			if place >= len(found) {
				d.bad = true
				return
			}
			found[place] = found[place] || wanted
		}
		if d.bad {
			return
		}
	}
	d.bad = d.bad || len(ends) > 0
}
