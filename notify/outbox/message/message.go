// Package message is one message of the outbox to one channel: what goes first, where it
// stands, and what it may be at most.
package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/store"
)

// Precedence says what goes first.
type Precedence uint8

// The precedences.
const (
	Normal Precedence = iota
	Urgent
	Bulk
	Precedences = 3 // how many there are
)

// ByPrecedence is the order in which they go.
var ByPrecedence = [Precedences]Precedence{Urgent, Normal, Bulk}

var precedenceNames = [Precedences]string{"normal", "urgent", "bulk"}

// String returns the name: "urgent".
func (p Precedence) String() string {
	if int(p) < len(precedenceNames) {
		return precedenceNames[p]
	}
	return fmt.Sprintf("Precedence(%d)", uint8(p))
}

// ParsePrecedence reads what String writes.
func ParsePrecedence(text string) (Precedence, error) {
	for i, n := range precedenceNames {
		if n == text {
			return Precedence(i), nil
		}
	}
	return Normal, fmt.Errorf("unknown precedence %q: urgent, normal or bulk", Cut(text, 80))
}

// MarshalText implements encoding.TextMarshaler.
func (p Precedence) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Precedence) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePrecedence(string(text))
	return err
}

// State is where a message stands.
type State string

// The states.
const (
	Waiting State = "waiting"
	Sent    State = "sent"
	Dead    State = "dead" // given up; a person may have it sent again
)

// States lists all, in the order of the numbers that the database has for them.
var States = [...]State{Waiting, Sent, Dead}

// Bounds of a message, in bytes; that of the body is channel.MaxBytes.
const (
	MaxKeyBytes     = 256
	MaxChannelBytes = 128
	MaxTitleBytes   = 1024
	MaxErrorBytes   = 1024
	maxPurposeBytes = 64
)

// Message is one message to one channel. Who puts one fills in what stands above the
// state; the rest is the outbox's.
type Message struct {
	ID int64 `json:"id,string"`
	// Key identifies the message on its channel: what has the same key is the same
	// message, which is not put twice while the outbox still knows of it.
	Key        string     `json:"key"`
	Channel    string     `json:"channel"`
	Precedence Precedence `json:"precedence"`
	// Persistent messages outlive a restart.
	Persistent bool      `json:"persistent"`
	Made       time.Time `json:"made"`          // now, when zero
	Ends       time.Time `json:"ends,omitzero"` // of the time to live; zero: never
	// Title, At and Purpose say to people what it is; Body is a channel.Message.
	Title   string          `json:"title"`
	At      tree.Path       `json:"at"`
	Purpose string          `json:"purpose,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`

	State    State     `json:"state"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"`    // not before this; zero: as soon as may be
	Settled  time.Time `json:"settled,omitzero"` // when it was sent, or given up
	Error    string    `json:"error,omitempty"`  // of the last attempt
}

// ErrMessage is wrapped by the errors of a message that cannot be put, whatever the room.
var ErrMessage = errors.New("message")

// Check says what is wrong with a new message, with an error that wraps ErrMessage, and
// makes its texts and times such as the database takes. What is the outbox's is cleared.
func (m *Message) Check(now time.Time) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w %q to the channel %q: %w", ErrMessage, Cut(m.Key, 80), Cut(m.Channel, 80), fmt.Errorf(format, args...))
	}
	switch {
	case m.Key == "" || len(m.Key) > MaxKeyBytes || store.Clean(m.Key) != m.Key:
		return wrong("the key has %d bytes: it is not 1 to %d bytes of valid UTF-8 without NUL", len(m.Key), MaxKeyBytes)
	case m.Channel == "" || len(m.Channel) > MaxChannelBytes || store.Clean(m.Channel) != m.Channel:
		return wrong("the name of the channel has %d bytes: it is not 1 to %d bytes of valid UTF-8 without NUL", len(m.Channel), MaxChannelBytes)
	case m.Precedence >= Precedences:
		return wrong("there is no precedence %d", m.Precedence)
	case len(m.Body) > channel.MaxBytes:
		return wrong("the body has %d bytes, more than the bound of %d", len(m.Body), channel.MaxBytes)
	case !json.Valid(m.Body):
		return wrong("the body is no JSON")
	}
	m.Body = json.RawMessage(store.Clean(string(m.Body)))
	m.Title, m.Purpose = store.Clean(Cut(m.Title, MaxTitleBytes)), store.Clean(Cut(m.Purpose, maxPurposeBytes))
	if m.Made.IsZero() {
		m.Made = now
	}
	// The database has milliseconds: memory is to have the same before a restart and after it.
	m.Made, m.Ends = Milliseconds(m.Made), Milliseconds(m.Ends)
	m.State, m.Attempts, m.Next, m.Settled, m.Error = Waiting, 0, time.Time{}, time.Time{}, ""
	return nil
}

// Name is what tells messages apart.
type Name struct{ Channel, Key string }

// Name returns the name of a message.
func (m *Message) Name() Name { return Name{m.Channel, m.Key} }

// Bytes is what counts of a message under every limit and throttle.
func (m *Message) Bytes() int64 { return int64(len(m.Body)) }

// Over says whether its time to live is.
func (m *Message) Over(now time.Time) bool { return !m.Ends.IsZero() && !now.Before(m.Ends) }

// Milliseconds returns a time as it is after it was in the database.
func Milliseconds(t time.Time) time.Time { return FromUnix(Unix(t)) }

// Unix is a time as the database has it, in milliseconds: zero for none.
func Unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromUnix reads what Unix writes.
func FromUnix(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Cut shortens a text to so many bytes, at the border of a character.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const more = "…"
	n := most - len(more)
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n] + more
}
