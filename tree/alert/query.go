package alert

import (
	"slices"
	"strings"
	"time"

	"grove/tree"
)

// Query says which alerts are searched for. The zero Query is all that are not resolved.
type Query struct {
	States     []State         // one of these; empty: all but resolved
	Statuses   []tree.Status   // Status, or Worst of a resolved one; empty: any
	Severities []tree.Severity // empty: any
	Kinds      []Kind          // empty: any
	Under      tree.Path       // the node and everything below it
	Instance   string
	Customer   string
	Cause      ID     // suppressed because of this one
	Text       string // stands in the message, the path or a comment, in any case
	// From and To bound when it was open: it had not ended at From, and had opened before To.
	From, To time.Time
	// Sees says of which nodes alerts are found, and counted; nil: of all.
	Sees  func(tree.Path) bool
	Limit int    // DefaultLimit when zero
	After string // Page.Next of the page before, to the same query
}

// Bounds of a search.
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
)

// Page is what a search found: what is not resolved first, the worst and then the newest
// first; then what is resolved, the newest first.
type Page struct {
	Alerts []Alert `json:"alerts"`
	Next   string  `json:"next,omitempty"` // for Query.After; empty: there is no more
	// Counts are all that are not resolved and seen, by state, whatever the query says.
	Counts map[State]int `json:"counts"`
}

// Takes says whether the query asks for an alert, but for what bounds the page.
func (q *Query) Takes(a *Alert) bool {
	status := a.Status
	if a.Ended() {
		status = a.Worst
	}
	switch {
	case len(q.States) == 0 && a.Ended(), len(q.States) > 0 && !slices.Contains(q.States, a.State),
		len(q.Statuses) > 0 && !slices.Contains(q.Statuses, status),
		len(q.Severities) > 0 && !slices.Contains(q.Severities, a.Severity),
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, a.Kind),
		!q.Under.Contains(a.Path),
		q.Instance != "" && q.Instance != a.Instance,
		q.Customer != "" && !slices.ContainsFunc(a.Customers, func(c string) bool { return sameCustomer(c, q.Customer) }),
		q.Cause != 0 && (a.Suppression == nil || a.Suppression.Cause != q.Cause),
		q.Text != "" && !a.mentions(q.Text),
		!q.From.IsZero() && a.Resolved != nil && a.Resolved.Before(q.From),
		!q.To.IsZero() && !a.Opened.Before(q.To):
		return false
	}
	return q.Sees == nil || q.Sees(a.Path)
}

func sameCustomer(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// mentions says whether a text stands in what people read of an alert.
func (a *Alert) mentions(text string) bool {
	text = strings.ToLower(text)
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return has(a.Message) || has(a.Path.String()) || a.Ack != nil && has(a.Ack.Comment) ||
		slices.ContainsFunc(a.History, func(s Step) bool { return has(s.Text) })
}
