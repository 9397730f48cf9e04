// Package alert is the book of alerts that changes of status raise, as SAP's CCMS keeps
// them: an alert stays open, also when the attribute is well again or gone, until somebody
// acknowledges it.
package alert

import (
	"context"
	"errors"
	"fmt"
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
	ID          uint64      `json:"id"`
	AID         string      `json:"AID"` // 84 characters; clients take them as they are
	TID         string      `json:"TID"`
	Name        string      `json:"MTE"` // full name of the element
	Path        tree.Path   `json:"path"`
	Object      string      `json:"object"`
	Attribute   string      `json:"attribute"`
	Value       tree.Status `json:"value"` // yellow or red
	Severity    uint8       `json:"severity"`
	Opened      time.Time   `json:"opened"`
	Ended       *time.Time  `json:"ended,omitempty"` // when the attribute took another colour, other than white
	Description string      `json:"description"`
	State       State       `json:"state"`
	By          string      `json:"by,omitempty"` // who acknowledged it
	At          *time.Time  `json:"at,omitempty"` // and when
	Comment     string      `json:"comment,omitempty"`
}

// Shelf keeps alerts over a restart. It is called from one goroutine at a time.
type Shelf interface {
	// Alerts returns what was kept, in any order.
	Alerts(context.Context) ([]Alert, error)
	// Keep is told of alerts that are new or changed, and of those that fell out of the
	// list, of which it may never have heard. It returns when all of it is safe, or with
	// an error, and is told the same again then.
	Keep(ctx context.Context, changed []Alert, gone []uint64) error
	// Replaced rises when what was kept is replaced by something else, such as what a
	// backup holds. The alerts are read again then.
	Replaced() int64
}

// ErrNone is wrapped by the reason why an alert cannot be acknowledged that is not there.
var ErrNone = errors.New("no such alert")

// ErrGone is the reason why an alert cannot be acknowledged that is not there any more, or
// not for whoever asks.
var ErrGone = fmt.Errorf("%w: it is not in the list any more", ErrNone)

// Filter says which alerts are asked for.
type Filter struct {
	Below tree.Path   // the root: all
	State State       // empty: all
	Value tree.Status // White: all
	Limit int         // 0: all
	// Sees says of which attributes alerts are listed, and counted; nil: of all.
	Sees func(tree.Path) bool
}

func (f *Filter) takes(a *Alert) bool {
	return f.Below.Contains(a.Path) && (f.State == "" || a.State == f.State) && (f.Value == tree.White || a.Value == f.Value) && (f.Sees == nil || f.Sees(a.Path))
}

// Acknowledgement says who completed which alert.
type Acknowledgement struct {
	Time    time.Time
	By      string // as the client says, which need not be who asked
	Comment string
	Alert   Alert
}

// Result is what came of one acknowledgement.
type Result struct {
	AID          string `json:"AID"`
	Acknowledged bool   `json:"acknowledged"`
	Reason       string `json:"reason,omitempty"` // why not
}

// Compare sorts alerts: red before yellow, then by severity, then the newer first.
func Compare(a, b *Alert) int {
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
