// Package alert says what an alert is: that something is wrong with a node which matters to
// people, from when on, how grave, what it follows from, who knows, and when it ended.
//
// The fields of X.733 have their names from there (see tree.Alerting); an alert's life is
//
//	open -> acknowledged -> resolved
//	  \-> suppressed ->/     (and back to open, when what suppressed it ends first)
//
// and one that comes back soon after it was resolved is the same alert, reopened.
package alert

import (
	"fmt"
	"strconv"
	"time"

	"grove/tree"
)

// ID is the number of an alert: its upper bits are when it opened in Unix milliseconds, its
// lower 20 the place among those of the same millisecond, so that the order of numbers is
// that of time. As text it is decimal; JavaScript cannot hold it as a number.
type ID int64

// String returns the number in decimal.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads what String writes.
func ParseID(text string) (ID, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%w: the number of an alert is decimal", ErrNone)
	}
	return ID(n), nil
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// Kind is what an alert is about.
type Kind string

// The kinds.
const (
	Status  Kind = "status"  // the node is yellow or red
	Silence Kind = "silence" // the node had a status, and now nothing is known of it
	Missing Kind = "missing" // a child that its definition expects is not there
)

// State is where an alert stands.
type State string

// The states. One that is both acknowledged and suppressed is suppressed.
const (
	Open         State = "open"
	Acknowledged State = "acknowledged"
	Suppressed   State = "suppressed"
	Resolved     State = "resolved"
)

// States lists all.
var States = []State{Open, Acknowledged, Suppressed, Resolved}

// Alert is one fault of one node. What is read of it is never changed: a change makes
// another Alert.
type Alert struct {
	ID ID `json:"id"`
	// Key is the same for all alerts of one kind of one node of one manager, over
	// restarts too: what other systems tell repetitions by.
	Key     string    `json:"key"`
	Manager string    `json:"manager"`
	Path    tree.Path `json:"path"`
	Kind    Kind      `json:"kind"`
	State   State     `json:"state"`
	// Status is what the node has now, Worst the worst since the alert opened: white for
	// a kind other than status.
	Status   tree.Status   `json:"status"`
	Worst    tree.Status   `json:"worst"`
	Severity tree.Severity `json:"severity"` // of Status while it is not resolved, of Worst afterwards
	Opened   time.Time     `json:"opened"`
	Changed  time.Time     `json:"changed"` // the last step
	Resolved *time.Time    `json:"resolved,omitempty"`
	// Message says in one sentence what is wrong, with the path, the value and the border:
	// "/shop/web1/Connections/Active is red: 1200 connections, which is > 1000".
	Message   string `json:"message"`
	Value     string `json:"value,omitempty"` // observed, as people read it, without the unit
	Unit      string `json:"unit,omitempty"`
	Threshold string `json:"threshold,omitempty"` // the border that was crossed: "> 1000"
	// Instance is the name of the instance that grew the node.
	Instance string `json:"instance,omitempty"`
	// Labels are those of the node's metric, Properties those that hold at the node (see
	// tree.Spec); Customers are whose the node is, none: nobody's.
	Labels     map[string]string `json:"labels,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Customers  []string          `json:"customers,omitempty"`
	// Of X.733, where the definition says them.
	EventType     string `json:"eventType,omitempty"`
	ProbableCause string `json:"probableCause,omitempty"`
	Repair        string `json:"proposedRepairActions,omitempty"`
	// Count is how often the node turned bad within this alert: more than one after a
	// reopening. Flapping says that it goes on doing so, and ends only once it is calm.
	Count    int  `json:"count"`
	Flapping bool `json:"flapping,omitempty"`
	// Ack says who knows of it.
	Ack *Ack `json:"acknowledgement,omitempty"`
	// Suppression says why nobody is told, if nobody is.
	Suppression *Suppression `json:"suppression,omitempty"`
	// Consequences counts the alerts that are suppressed because of this one.
	Consequences int `json:"consequences,omitempty"`
	// History are the last steps, oldest first, at most MaxSteps; the journal has all.
	History []Step `json:"history,omitempty"`
	// Revision rises by one with every step.
	Revision int64 `json:"revision"`
}

// MaxSteps bounds Alert.History, MaxCommentBytes a comment.
const (
	MaxSteps        = 32
	MaxCommentBytes = 1024
)

// Ended says whether the alert is over.
func (a *Alert) Ended() bool { return a.State == Resolved }

// Ack is an acknowledgement.
type Ack struct {
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Comment string    `json:"comment,omitempty"`
	// Sticky holds until the alert is resolved; else it ends when the alert gets worse.
	Sticky bool `json:"sticky,omitempty"`
	// Until, unless zero, is when it ends by itself.
	Until *time.Time `json:"until,omitempty"`
}

// Reason is why an alert is suppressed.
type Reason string

// The reasons.
const (
	ByParent      Reason = "parent"      // what is above has failed
	ByDependency  Reason = "dependency"  // what it depends on has failed
	ByWhole       Reason = "whole"       // a group above alerts as a whole
	ByMaintenance Reason = "maintenance" // somebody works on it
	ByTwin        Reason = "twin"        // another manager watches it, too, and tells of it
)

// Suppression says why nobody is told of an alert. Checks go on, and its resolving is told
// to whoever was told that it opened.
type Suppression struct {
	Reason Reason `json:"reason"`
	// Cause is the alert that it is a consequence of, and At the path of that, or what is
	// maintained.
	Cause ID        `json:"cause,omitempty"`
	At    tree.Path `json:"at"`
	// Text says it to people: "/shop/web1 has failed: /shop/web1/Up is red",
	// "maintenance \"backup\" until 04:00".
	Text  string     `json:"text"`
	Since time.Time  `json:"since"`
	Until *time.Time `json:"until,omitempty"`
	// Told says, of ByTwin, that people know of the alert, or that it is over, from the other
	// manager, which tells them what follows: from here they are told nothing more.
	Told bool `json:"told,omitempty"`
	// Hidden says that what it is a consequence of is not for who reads this: there is no
	// Cause, and At is the alert's own path.
	Hidden bool `json:"hidden,omitempty"`
}

// What is a kind of step in the life of an alert.
type What string

// The steps.
const (
	Opened         What = "opened"
	Worsened       What = "worsened"
	Eased          What = "eased"
	DidAcknowledge What = "acknowledged"
	Unacknowledged What = "unacknowledged" // by somebody, by time, or since it got worse
	DidSuppress    What = "suppressed"
	Released       What = "released" // not suppressed any more
	Reopened       What = "reopened"
	Flaps          What = "flapping"
	Calmed         What = "calm" // not flapping any more
	Commented      What = "commented"
	DidResolve     What = "resolved"
	Moved          What = "moved"   // another manager goes on with it: here it is over, and nobody is told so
	Adopted        What = "adopted" // it goes on here; whoever had it before has told people of it
)

// Steps lists all.
var Steps = []What{Opened, Worsened, Eased, DidAcknowledge, Unacknowledged, DidSuppress, Released, Reopened, Flaps, Calmed, Commented, DidResolve, Moved, Adopted}

// Step is one change of an alert.
type Step struct {
	Time   time.Time   `json:"time"`
	What   What        `json:"what"`
	Status tree.Status `json:"status"`
	By     string      `json:"by,omitempty"` // a person; empty is grove
	Text   string      `json:"text,omitempty"`
}

// Result is what came of one change that a person asked for.
type Result struct {
	ID    ID     `json:"id"`
	Error string `json:"error,omitempty"` // why not; empty: it is done
}
