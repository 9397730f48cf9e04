package ccms

import (
	"slices"
	"time"

	"grove/tree"
)

// State is where an alert stands.
type State string

// The states of an alert. SAP's codes for them are not public.
const (
	Open      State = "open"
	Completed State = "completed" // somebody acknowledged it
)

// Alert is one time that an attribute turned yellow or red.
type Alert struct {
	ID          uint64     `json:"id"`
	AID         string     `json:"AID"` // 84 characters; clients take them as they are
	TID         string     `json:"TID"`
	Name        string     `json:"MTE"` // full name of the element
	Path        tree.Path  `json:"path"`
	Object      string     `json:"object"`
	Attribute   string     `json:"attribute"`
	Value       Value      `json:"value"` // yellow or red
	Severity    uint8      `json:"severity"`
	Opened      time.Time  `json:"opened"`
	Ended       *time.Time `json:"ended,omitempty"` // when the attribute took another colour, other than white
	Description string     `json:"description"`
	State       State      `json:"state"`
	By          string     `json:"by,omitempty"` // who acknowledged it
	At          *time.Time `json:"at,omitempty"` // and when
	Comment     string     `json:"comment,omitempty"`
}

// Shelf keeps alerts over a restart. It is called from one goroutine at a time.
type Shelf interface {
	// Alerts returns what was kept, in any order.
	Alerts() ([]Alert, error)
	// Keep is told of alerts that are new or changed. It returns when they are safe.
	Keep([]Alert) error
	// Drop is told of alerts that fell out of the list.
	Drop(ids []uint64) error
}

// book is the bounded list of alerts. Exporter.mu guards it.
type book struct {
	alerts  map[uint64]*Alert
	of      map[string][]*Alert // by path, oldest first
	next    uint64
	total   int // bound
	each    int // bound per element
	dropped uint64
	changed []uint64 // since the last take, for the shelf
	gone    []uint64
}

func newBook(total, each int) *book {
	return &book{alerts: map[uint64]*Alert{}, of: map[string][]*Alert{}, next: 1, total: total, each: each}
}

// put adds an alert that has its ID, and drops what is too much.
func (b *book) put(a *Alert) {
	key := a.Path.String()
	b.alerts[a.ID] = a
	b.of[key] = append(b.of[key], a)
	b.next = max(b.next, a.ID+1)
	b.changed = append(b.changed, a.ID)
	if len(b.of[key]) > b.each {
		b.drop(b.of[key][0])
	}
	if len(b.alerts) > b.total {
		b.drop(b.least())
	}
}

// least is the alert that is missed least: one that is completed, else one whose
// attribute is well again, else the oldest.
func (b *book) least() (least *Alert) {
	rank := func(a *Alert) int {
		switch {
		case a.State == Completed:
			return 0
		case a.Ended != nil:
			return 1
		}
		return 2
	}
	for _, a := range b.alerts {
		if least == nil || rank(a) < rank(least) || rank(a) == rank(least) && a.ID < least.ID {
			least = a
		}
	}
	return least
}

func (b *book) drop(a *Alert) {
	key := a.Path.String()
	delete(b.alerts, a.ID)
	b.of[key] = slices.DeleteFunc(b.of[key], func(o *Alert) bool { return o == a })
	if len(b.of[key]) == 0 {
		delete(b.of, key)
	}
	b.gone = append(b.gone, a.ID)
	b.dropped++
}

// end notes that an attribute took a colour, which ends its alerts of others that were
// open before.
func (b *book) end(path string, took Value, at time.Time) {
	for _, a := range b.of[path] {
		if a.Ended == nil && a.Value != took && !a.Opened.After(at) {
			a.Ended = &at
			b.changed = append(b.changed, a.ID)
		}
	}
}

// known says whether there is an alert of the colour that an attribute took: one that
// has not ended, or one of that very time.
func (b *book) known(path string, v Value, at time.Time) bool {
	return slices.ContainsFunc(b.of[path], func(a *Alert) bool { return a.Value == v && (a.Ended == nil || a.Opened.Equal(at)) })
}

// highest is the open alert of an element that matters most; nil when there is none.
func (b *book) highest(path string) (top *Alert) {
	for _, a := range b.of[path] {
		if a.State == Open && (top == nil || compare(a, top) < 0) {
			top = a
		}
	}
	return top
}

// compare sorts alerts: red before yellow, then by severity, then the newer first.
func compare(a, b *Alert) int {
	switch {
	case a.Value != b.Value:
		return int(b.Value) - int(a.Value)
	case a.Severity != b.Severity:
		return int(b.Severity) - int(a.Severity)
	case !a.Opened.Equal(b.Opened):
		return b.Opened.Compare(a.Opened)
	case a.ID < b.ID:
		return 1
	case a.ID > b.ID:
		return -1
	}
	return 0
}

// take returns what the shelf does not know yet.
func (b *book) take() (kept []Alert, gone []uint64) {
	slices.Sort(b.changed)
	for _, id := range slices.Compact(b.changed) {
		if a := b.alerts[id]; a != nil {
			kept = append(kept, *a)
		}
	}
	gone = b.gone
	b.changed, b.gone = nil, nil
	return kept, gone
}
