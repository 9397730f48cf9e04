// Package maintenance says when which parts of the tree are worked on: windows of time,
// once or again and again, that hold at some nodes and everything below them. Alerts that
// arise meanwhile are held back; checks go on.
//
// Windows come from the file of alerts or from people; those of people are kept in the
// central database. A window that repeats keeps its time of day in its zone, also over the
// changes to and from summer time: it begins by the clock on the wall there, and lasts as
// long as it is told by any clock. Where the wall skips its beginning, it begins as much
// later as the clock was put forward.
package maintenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition/source"
)

// Bounds of windows.
const (
	MaxWindows   = 10_000
	MaxPaths     = 256
	MaxTextBytes = 1024
	MaxFor       = 90 * 24 * time.Hour
	MaxAnnounce  = 30 * 24 * time.Hour
)

// The errors of windows.
var (
	ErrWindow = errors.New("maintenance window")
	ErrNone   = fmt.Errorf("%w: there is no such one", ErrWindow)
	ErrFile   = fmt.Errorf("%w: it stands in the file of alerts, and is changed there", ErrWindow)
)

// FieldError says what is wrong with one field of a window: "at[1]", "start", "rule". It
// wraps ErrWindow.
type FieldError struct {
	Field string
	Err   error
}

// Error implements error.
func (e *FieldError) Error() string { return fmt.Sprintf("%v: %s: %v", ErrWindow, e.Field, e.Err) }

// Unwrap gives what errors.Is and errors.As look through.
func (e *FieldError) Unwrap() []error { return []error{ErrWindow, e.Err} }

// FromFile is the Source of windows that stand in the file of alerts.
const FromFile = "file"

// Window is one maintenance, or one that repeats.
type Window struct {
	ID   string      `json:"id"`
	Name string      `json:"name"`
	At   []tree.Path `json:"at"` // these and everything below
	// Start is when it begins, for the first time, and For how long it lasts each time.
	Start time.Time `json:"start"`
	For   Duration  `json:"for"`
	// Rule says how it repeats, as RFC 5545 has it: "FREQ=WEEKLY;BYDAY=SU"; empty: once.
	Rule string `json:"rule,omitempty"`
	// Zone is the time zone of the IANA by whose clock it repeats; empty: UTC.
	Zone string `json:"zone,omitempty"`
	// Announce is how long ahead it is announced; zero: it is not. Who is told that it is
	// near is told of its begin and end as well.
	Announce Duration  `json:"announce,omitempty"`
	Comment  string    `json:"comment,omitempty"`
	By       string    `json:"by,omitempty"`
	Made     time.Time `json:"made,omitzero"`
	// Source is FromFile, or empty for those that people made.
	Source string `json:"source,omitempty"`
	// Ended, unless zero, ends what had begun by then.
	Ended time.Time `json:"ended,omitzero"`
}

// Occurrence is one time of a window.
type Occurrence struct {
	Window Window    `json:"-"`
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
}

// Text says it to people: `maintenance "backup" until Mon 04:00 CET`, by the clock of the
// window.
func (o *Occurrence) Text() string {
	text := fmt.Sprintf("maintenance %q until %s", o.Window.Name, o.End.In(o.Window.location()).Format("Mon 2 Jan 15:04 MST"))
	if o.Window.Comment != "" {
		text += ": " + o.Window.Comment
	}
	return text
}

// Check says what is wrong with a window, field by field.
func (w *Window) Check() error {
	wrong := func(field, format string, args ...any) error {
		return &FieldError{field, fmt.Errorf(format, args...)}
	}
	switch {
	case strings.TrimSpace(w.Name) == "":
		return wrong("name", "is missing")
	case len(w.Name) > 128 || strings.ContainsFunc(w.Name, isControl):
		return wrong("name", "is one line of at most 128 bytes")
	case len(w.At) == 0:
		return wrong("at", "is missing: the paths that are worked on")
	case len(w.At) > MaxPaths:
		return wrong("at", "%d paths are more than the bound of %d", len(w.At), MaxPaths)
	case w.Start.IsZero():
		return wrong("start", "is missing")
	case w.Start.Year() < 1970 || w.Start.Year() > 2200:
		return wrong("start", "the year %d is not between 1970 and 2200", w.Start.Year())
	case time.Duration(w.For) < time.Minute || time.Duration(w.For) > MaxFor:
		return wrong("for", "%s is not between 1m and %s", w.For, Duration(MaxFor))
	case w.Announce < 0 || time.Duration(w.Announce) > MaxAnnounce:
		return wrong("announce", "%s is not between 0s and %s", w.Announce, Duration(MaxAnnounce))
	case len(w.Comment) > MaxTextBytes:
		return wrong("comment", "%d bytes are more than the bound of %d", len(w.Comment), MaxTextBytes)
	}
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "Local" {
		return wrong("zone", "%q is no time zone of the IANA, such as Europe/Berlin", w.Zone)
	}
	return w.checkRule(wrong)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (w *Window) location() *time.Location {
	if zone, err := time.LoadLocation(w.Zone); err == nil {
		return zone
	}
	return time.UTC // Check has refused what cannot be loaded.
}

// Duration is a duration that is written as definitions do: "1h30m", "2d".
type Duration time.Duration

// String writes it.
func (d Duration) String() string { return tree.FormatDuration(time.Duration(d)) }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	t, err := source.ParseDuration(string(text))
	*d = Duration(t)
	return err
}

// windowText is a window as the database keeps it.
func windowText(w *Window) (string, error) {
	text, err := json.Marshal(w)
	return string(text), err
}
