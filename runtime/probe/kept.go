package probe

import (
	"math"
	"slices"
	"unique"

	"grove/tree"
)

// Kept is a table to be kept: column by column, in a quarter of the room of its rows, and
// less where a column says the same in every row or counts little. It is not changed once it is made, so
// that whoever wants the table shares it.
type Kept struct {
	Columns []string // those of the table
	rows    int
	places  []keptColumn // by column
	numbers []float64
	counts  []uint32
	texts   []unique.Handle[string] // the zero Handle is no value
	values  []tree.Value
}

// keptColumn says where the cells of a column begin.
type keptColumn struct {
	form  keptForm
	begin int32
}

type keptForm uint8

const (
	keptSame    keptForm = iota // one of values stands for all rows
	keptNumbers                 // numbers, and cells without a value
	keptCounts                  // whole numbers below keptNoCount, and cells without a value
	keptTexts                   // texts, and cells without a value
	keptValues                  // anything
)

// keptNone stands among numbers for a cell without a value: a NaN that no arithmetic
// yields.
const keptNone = 0x7ff8_6772_6f76_6501

// keptNoCount stands among counts for a cell without a value.
const keptNoCount = math.MaxUint32

// usualColumns is how many columns a table mostly has at most.
const usualColumns = 16

// Keep makes a Kept of a table. What did not change since before is shared with it; before
// may be nil.
func Keep(t *Table, before *Kept) *Kept {
	k := &Kept{Columns: t.Columns, rows: len(t.Rows)}
	var room [usualColumns]keptColumn
	places := room[:0]
	numbers, counts, texts, values := 0, 0, 0, 0
	for c := range t.Columns {
		p := keptColumn{form: formOf(t, c)}
		switch p.form {
		case keptSame:
			p.begin, values = int32(values), values+1
		case keptNumbers:
			p.begin, numbers = int32(numbers), numbers+k.rows
		case keptCounts:
			p.begin, counts = int32(counts), counts+k.rows
		case keptTexts:
			p.begin, texts = int32(texts), texts+k.rows
		case keptValues:
			p.begin, values = int32(values), values+k.rows
		}
		places = append(places, p)
	}
	if before != nil && slices.Equal(places, before.places) {
		k.places = before.places
	} else {
		k.places = slices.Clone(places)
	}
	k.numbers, k.counts, k.values = make([]float64, 0, numbers), make([]uint32, 0, counts), make([]tree.Value, 0, values)
	for c, p := range k.places {
		switch p.form {
		case keptSame:
			k.values = append(k.values, cellOf(t, 0, c))
		case keptNumbers:
			for r := range t.Rows {
				k.numbers = append(k.numbers, keptNumber(cellOf(t, r, c)))
			}
		case keptCounts:
			for r := range t.Rows {
				k.counts = append(k.counts, keptCount(cellOf(t, r, c)))
			}
		case keptTexts:
		case keptValues:
			for r := range t.Rows {
				k.values = append(k.values, cellOf(t, r, c))
			}
		}
	}
	if before != nil && slices.EqualFunc(k.values, before.values, sameValue) {
		k.values = before.values
	}
	k.keepTexts(t, texts, before)
	return k
}

// keepTexts takes the texts of a table, or those of before when they are the same.
func (k *Kept) keepTexts(t *Table, n int, before *Kept) {
	var old []unique.Handle[string]
	if before != nil && len(before.texts) == n {
		old = before.texts
	}
	same := old != nil
	for c, p := range k.places {
		if p.form != keptTexts {
			continue
		}
		for r := range t.Rows {
			at := int(p.begin) + r
			text, ok := cellOf(t, r, c).Text()
			if same {
				if holdsText(old[at], text, ok) {
					continue
				}
				same = false
			}
			if k.texts == nil {
				k.texts = make([]unique.Handle[string], n)
				copy(k.texts[:at], old) // what was the same so far
			}
			switch {
			case !ok:
			case old != nil && holdsText(old[at], text, ok):
				k.texts[at] = old[at]
			default:
				k.texts[at] = unique.Make(text)
			}
		}
	}
	if same {
		k.texts = old
	}
}

func holdsText(h unique.Handle[string], text string, ok bool) bool {
	if h == (unique.Handle[string]{}) {
		return !ok
	}
	return ok && h.Value() == text
}

func keptNumber(v tree.Value) float64 {
	n, ok := v.Number()
	switch {
	case !ok:
		return math.Float64frombits(keptNone)
	case math.IsNaN(n):
		return math.NaN()
	}
	return n
}

func keptCount(v tree.Value) uint32 {
	n, ok := v.Number()
	if !ok {
		return keptNoCount
	}
	return uint32(n)
}

// isCount says whether a number is one that keptCounts hold.
func isCount(n float64) bool {
	return n >= 0 && n < keptNoCount && n == math.Trunc(n) && !math.Signbit(n)
}

// cellOf is a cell of a table; a row that is too short has no more values.
func cellOf(t *Table, row, column int) tree.Value {
	if cells := t.Rows[row]; column < len(cells) {
		return cells[column]
	}
	return tree.Value{}
}

// formOf says how a column is kept.
func formOf(t *Table, column int) keptForm {
	if len(t.Rows) == 0 {
		return keptValues
	}
	first := cellOf(t, 0, column)
	same, counts, numbers, texts := true, true, true, true
	for r := range t.Rows {
		v := cellOf(t, r, column)
		same = same && sameValue(v, first)
		if v.IsNone() {
			continue
		}
		if n, ok := v.Number(); ok {
			texts = false
			counts = counts && isCount(n)
		} else {
			numbers = false
		}
	}
	switch {
	case same:
		return keptSame
	case numbers && counts:
		return keptCounts
	case numbers:
		return keptNumbers
	case texts:
		return keptTexts
	}
	return keptValues
}

// sameValue also tells 0 and -0 apart.
func sameValue(a, b tree.Value) bool {
	x, _ := a.Number()
	y, _ := b.Number()
	return a == b && math.Signbit(x) == math.Signbit(y)
}

// Rows is how many rows the table has.
func (k *Kept) Rows() int { return k.rows }

// Cell returns one cell of the table; a row or column that it has not is a mistake in the
// program and panics.
func (k *Kept) Cell(row, column int) tree.Value {
	p := &k.places[column]
	at := int(p.begin) + row
	switch p.form {
	case keptNumbers:
		n := k.numbers[at]
		if math.Float64bits(n) == keptNone {
			return tree.Value{}
		}
		return tree.Number(n)
	case keptCounts:
		n := k.counts[at]
		if n == keptNoCount {
			return tree.Value{}
		}
		return tree.Number(float64(n))
	case keptTexts:
		h := k.texts[at]
		if h == (unique.Handle[string]{}) {
			return tree.Value{}
		}
		return tree.Text(h.Value())
	case keptValues:
		return k.values[at]
	}
	return k.values[p.begin]
}

// Saver is a Probe that saves memory: it remembers its tables as Keep makes them, and uses
// the rest of a result again. The methods are called after Run has returned and not beside
// it. Who does not call them loses nothing else.
type Saver interface {
	// Kept returns a table of the last result; nil when there was none.
	Kept(attribute string) *Kept
	// Free says that nobody reads the last result any more.
	Free()
}
