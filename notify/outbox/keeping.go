package outbox

import (
	"slices"
	"time"
)

// keeping is what is kept of one state, the oldest first, within bounds.
type keeping struct {
	entries   []*entry
	bytes     int64
	most      int
	mostBytes int64
}

// add keeps one more, and returns what has to go for it.
func (k *keeping) add(e *entry) (gone []*entry) {
	k.entries = append(k.entries, e)
	k.bytes += e.bytes()
	n := 0
	for n < len(k.entries)-1 && (len(k.entries)-n > k.most || k.bytes > k.mostBytes) {
		k.bytes -= k.entries[n].bytes()
		n++
	}
	gone = k.entries[:n:n]
	k.entries = k.entries[n:]
	return gone
}

// remove takes one out.
func (k *keeping) remove(e *entry) {
	if i := slices.Index(k.entries, e); i >= 0 {
		k.entries = slices.Delete(k.entries, i, i+1)
		k.bytes -= e.bytes()
	}
}

// before takes out what was settled before a time.
func (k *keeping) before(at time.Time) (gone []*entry) {
	n := 0
	for n < len(k.entries) && k.entries[n].Settled.Before(at) {
		k.bytes -= k.entries[n].bytes()
		n++
	}
	gone = k.entries[:n:n]
	k.entries = k.entries[n:]
	return gone
}
