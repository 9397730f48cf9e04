package tree

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Kind is the kind of a node.
type Kind uint8

// The kinds: a group has children, the others are attributes.
const (
	Group       Kind = iota
	Performance      // a number
	State            // a status message, such as "running"
	Log              // events, the newest last
	TextKind         // a text that never colours
)

var kindNames = [...]string{"group", "performance", "status", "log", "text"}

// String returns the kind's name as definitions write it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind reads what String writes.
func ParseKind(text string) (Kind, error) {
	for i, n := range kindNames {
		if n == text {
			return Kind(i), nil
		}
	}
	return Group, fmt.Errorf("unknown kind %q: performance, status, log or text", clip(text))
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Mode is how a node gets its readings.
type Mode uint8

// The four modes.
const (
	Timer        Mode = iota // asked for at every interval
	Push                     // sent by the runtime bean whenever it has something
	Request                  // asked for when somebody looks
	Notification             // the runtime bean says that something is there, then asked for
)

var modeNames = [...]string{"timer", "push", "request", "notification"}

// String returns the mode's name as definitions write it.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode reads what String writes.
func ParseMode(text string) (Mode, error) {
	for i, n := range modeNames {
		if n == text {
			return Mode(i), nil
		}
	}
	return Timer, fmt.Errorf("unknown mode %q: timer, push, request or notification", clip(text))
}

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Spec is everything that is said of a node when it is made. Nodes that are alike
// share one Spec: it is not changed once a node has it. Its small fields stand together, so
// that those of many instances take little room.
type Spec struct {
	Kind Kind
	// Mode is how the node gets its readings; it is shown, and Request makes the
	// tree call Options.Asked when somebody looks.
	Mode Mode
	// Given says that the node stands for one of another manager: its status comes with
	// its value, by Tree.Give, and the threshold, which is shown, judges nothing unless it
	// is tuned here. Of a group it says that the times of its status are given.
	Given bool
	// Edge says how the node counts in its parent.
	Edge        Edge
	Description string
	Unit        string // of a performance attribute: "s", "bytes", "%", "connections"
	// Threshold colours an attribute; nil makes every reading green.
	Threshold *Threshold
	// Rollup makes the status of a group; nil is the worst child.
	Rollup *Rollup
	// Keep is how many events a log attribute holds; 0 means DefaultKeep.
	Keep int
	// Source names the runtime bean that feeds the node, for people.
	Source string
	// Owner is the name of the instance whose definition grew the node; empty for
	// nodes that a program made.
	Owner string
	// Metric is the name under which exporters give the node; empty for the generic
	// name. Labels are added to it.
	Metric string
	Labels map[string]string
	// Properties say more of what the node stands for, for people and documents:
	// "location", "portal", "customer", "service"; those above hold below, too.
	Properties map[string]string
	// History says what is kept of the node's readings; nil is every reading for as
	// long as the manager keeps any.
	History *History
	// Alerting says what its status means to people; nil is as those above say.
	Alerting *Alerting
}

// Elsewhere is the property of a group that stands for something which is watched elsewhere: a
// text that says who watches it and where it is seen, for who asks for what is missing below.
const Elsewhere = "elsewhere"

// History says what is kept of a node's readings.
type History struct {
	Off bool // nothing is kept
	// Every merges the readings of so long into their minimum, maximum and average;
	// zero keeps each.
	Every time.Duration
	// Keep is how long they are kept; zero is as long as the manager keeps any.
	Keep time.Duration
}

// Bounds of a log attribute.
const (
	DefaultKeep = 100
	MaxKeep     = 10_000
)

// MaxTextBytes bounds the text of a value, a reason and an event; what is longer is
// cut.
const MaxTextBytes = 4096

// Check says whether the parts of the spec fit together.
func (s *Spec) Check() error {
	switch {
	case s.Kind > TextKind:
		return fmt.Errorf("unknown kind %d", s.Kind)
	case s.Kind == Group && s.Threshold != nil:
		return fmt.Errorf("%w: a group has none", ErrThreshold)
	case s.Kind != Group && s.Rollup != nil:
		return fmt.Errorf("%w: only a group has one", ErrRollup)
	case s.Mode > Notification:
		return fmt.Errorf("unknown mode %d", s.Mode)
	case s.Keep < 0 || s.Keep > MaxKeep:
		return fmt.Errorf("a log keeps 1 to %d events, not %d", MaxKeep, s.Keep)
	case s.History != nil && (s.History.Every < 0 || s.History.Keep < 0):
		return errors.New("a history has no negative times")
	case s.Edge.Map > FixedStatus || s.Edge.Fixed > Red:
		return fmt.Errorf("%w: unknown edge map", ErrRollup)
	}
	if s.Alerting != nil {
		if err := s.Alerting.Check(s.Kind); err != nil {
			return err
		}
	}
	if s.Threshold != nil {
		return s.Threshold.Check()
	}
	if s.Rollup != nil {
		return s.Rollup.Check()
	}
	return nil
}

// Equal says whether two specs say the same.
func (s *Spec) Equal(o *Spec) bool {
	if s == o {
		return true
	}
	if s == nil || o == nil {
		return false
	}
	a, b := *s, *o
	if !maps.Equal(a.Labels, b.Labels) || !maps.Equal(a.Properties, b.Properties) || !equalHistory(a.History, b.History) || !equalThreshold(a.Threshold, b.Threshold) || !equalRollup(a.Rollup, b.Rollup) || !equalAlerting(a.Alerting, b.Alerting) {
		return false
	}
	return a.Kind == b.Kind && a.Given == b.Given && a.Description == b.Description && a.Unit == b.Unit && a.Edge == b.Edge &&
		a.Keep == b.Keep && a.Mode == b.Mode && a.Source == b.Source && a.Owner == b.Owner && a.Metric == b.Metric
}

func equalThreshold(a, b *Threshold) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	return a.Yellow == b.Yellow && a.Red == b.Red && a.ClearAfter == b.ClearAfter && a.Flap == b.Flap &&
		a.StaleAfter == b.StaleAfter && maps.Equal(a.States, b.States)
}

func equalHistory(a, b *History) bool { return a == b || a != nil && b != nil && *a == *b }

func equalRollup(a, b *Rollup) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// Event is one line of a log attribute.
type Event struct {
	Time   time.Time
	Status Status // how bad it is; green for information, white for what says nothing of it
	Text   string
}
