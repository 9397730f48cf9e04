package journal

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// Kind says what an entry of the journal tells.
type Kind uint8

// The kinds. Their numbers are in the database.
const (
	Status     Kind = 1 + iota // a node took another status
	Event                      // a line of a log attribute
	Definition                 // a definition was put, rolled back or removed
	Tuning                     // a threshold was tuned
	Link                       // a link to another manager was lost or is back
	Alert                      // an alert opened, was acknowledged or resolved
	Manager                    // the manager itself: it started, it stops
)

var kindNames = [...]string{Status: "status", Event: "event", Definition: "definition", Tuning: "tuning", Link: "link", Alert: "alert", Manager: "manager"}

// Kinds lists all.
var Kinds = []Kind{Status, Event, Definition, Tuning, Link, Alert, Manager}

// String returns the kind's name.
func (k Kind) String() string {
	if k >= Status && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind reads what String writes.
func ParseKind(text string) (Kind, error) {
	for _, k := range Kinds {
		if kindNames[k] == text {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%w: unknown kind %q: status, event, definition, tuning, link, alert or manager", ErrQuery, clip(text))
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(text []byte) (err error) {
	*k, err = ParseKind(string(text))
	return err
}

// ID is the number of an entry. Its upper bits are the time in Unix milliseconds, its
// lower 20 the place among those of the same millisecond, so that the order of numbers
// is that of time. As text it is decimal; JavaScript cannot hold it as a number.
type ID int64

// idBits are those below the milliseconds.
const idBits = 20

// maxMilliseconds is the year 2248: what leaves an ID positive.
const maxMilliseconds = 1<<(63-idBits) - 1

// String returns the number in decimal.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	*id = ID(n)
	return err
}

// Time is when the entry happened, to the millisecond.
func (id ID) Time() time.Time { return time.UnixMilli(int64(id >> idBits)) }

// FirstID is the least that an entry of t or later can have.
func FirstID(t time.Time) ID { return ID(milliseconds(t) << idBits) }

// milliseconds keeps a time within what an ID holds.
func milliseconds(t time.Time) int64 { return min(max(t.UnixMilli(), 0), maxMilliseconds) }

// Entry is one line of the journal.
type Entry struct {
	ID   ID
	Time time.Time // to the millisecond
	Path tree.Path
	Kind Kind
	// From and To are the statuses of a change; an event has its own in To.
	From, To tree.Status
	Value    tree.Value // of the node when its status changed
	Text     string     // the line of an event, the reason of a white status, or what else is to be said
}

// The forms of a value in the database.
const (
	formNone = iota
	formNumber
	formText
)

// valueColumns are a value as the database holds it: a number as the shortest text that
// reads back as the same, not-a-number and infinities too.
func valueColumns(v tree.Value) (form int64, text string) {
	if _, ok := v.Number(); ok {
		return formNumber, v.String()
	}
	if s, ok := v.Text(); ok {
		return formText, store.Clean(s)
	}
	return formNone, ""
}

func valueOf(form int64, text string) tree.Value {
	switch form {
	case formNumber:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			n = math.NaN()
		}
		return tree.Number(n)
	case formText:
		return tree.Text(text)
	}
	return tree.Value{}
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return store.Clean(s[:80]) + "…"
	}
	return s
}
