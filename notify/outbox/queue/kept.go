package queue

import (
	"iter"
	"slices"
	"time"
)

// Kept are messages that do not wait any more, the oldest first, within bounds.
type Kept struct {
	Most      int
	MostBytes int64

	entries []*Entry
	bytes   int64
}

// Len returns how many they are.
func (k *Kept) Len() int { return len(k.entries) }

// All returns them.
func (k *Kept) All() iter.Seq[*Entry] { return slices.Values(k.entries) }

// Add keeps one more, and returns what has to go for it. The last one is kept whatever its
// bytes.
func (k *Kept) Add(e *Entry) (gone []*Entry) {
	k.entries = append(k.entries, e)
	k.bytes += e.Bytes()
	n := 0
	for n < len(k.entries)-1 && (len(k.entries)-n > k.Most || k.bytes > k.MostBytes) {
		k.bytes -= k.entries[n].Bytes()
		n++
	}
	gone = k.entries[:n:n]
	k.entries = k.entries[n:]
	return gone
}

// Remove takes one out.
func (k *Kept) Remove(e *Entry) {
	if i := slices.Index(k.entries, e); i >= 0 {
		k.entries = slices.Delete(k.entries, i, i+1)
		k.bytes -= e.Bytes()
	}
}

// Before takes out what was settled before a time.
func (k *Kept) Before(at time.Time) (gone []*Entry) {
	n := 0
	for n < len(k.entries) && k.entries[n].Settled.Before(at) {
		k.bytes -= k.entries[n].Bytes()
		n++
	}
	gone = k.entries[:n:n]
	k.entries = k.entries[n:]
	return gone
}
