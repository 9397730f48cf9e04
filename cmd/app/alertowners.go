package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"grove/notify/peer/remote"
	"grove/tree"
	"grove/tree/alert"
	alertrest "grove/viewer/alert"
)

// Bounds of what managers tell each other of alerts: an answer has at most peer.MaxBody bytes.
const (
	maxAlertsTold     = 1000
	maxAlertsAnswered = 384 << 10
)

// errNotYet is told to other managers while this one starts.
var errNotYet = errors.New("this manager is starting and knows no alerts yet")

// alertQuestion is what a manager asks of the alerts at and below a node of another one.
type alertQuestion struct {
	States     []alert.State   `json:"states,omitempty"`
	Statuses   []tree.Status   `json:"statuses,omitempty"`
	Severities []tree.Severity `json:"severities,omitempty"`
	Kinds      []alert.Kind    `json:"kinds,omitempty"`
	Instance   string          `json:"instance,omitempty"`
	Customer   string          `json:"customer,omitempty"`
	Cause      alert.ID        `json:"cause,omitempty"`
	Text       string          `json:"text,omitempty"`
	From       time.Time       `json:"from,omitzero"`
	To         time.Time       `json:"to,omitzero"`
	Limit      int             `json:"limit,omitempty"`
	After      string          `json:"after,omitempty"`
}

// tellAlertsOf answers another manager what alerts there are at and below a node here. Paths in
// it are as seen from that node, since the asker has it elsewhere.
func (a *App) tellAlertsOf(ctx context.Context, at tree.Path, arguments json.RawMessage) (json.RawMessage, error) {
	var q alertQuestion
	if err := readArguments(arguments, &q); err != nil {
		return nil, err
	}
	if a.alerts.rest == nil {
		return nil, errNotYet
	}
	limit := min(max(q.Limit, 1), maxAlertsTold)
	for {
		page, err := a.alerts.rest.List(ctx, alert.Query{
			States: q.States, Statuses: q.Statuses, Severities: q.Severities, Kinds: q.Kinds, Under: at, Instance: q.Instance, Customer: q.Customer,
			Cause: q.Cause, Text: q.Text, From: q.From, To: q.To, Limit: limit, After: q.After,
		})
		if err != nil {
			return nil, err
		}
		for i := range page.Alerts {
			page.Alerts[i] = carried(page.Alerts[i], func(p tree.Path) (tree.Path, bool) { return at.Below(p) })
		}
		text, err := json.Marshal(&page)
		if err != nil || len(text) <= maxAlertsAnswered || limit == 1 {
			return text, err
		}
		limit = max(limit/2, 1)
	}
}

// carried is an alert with other paths, as it goes from one manager to another. What it
// names that has no place there is left to its words.
func carried(x alert.Alert, to func(tree.Path) (tree.Path, bool)) alert.Alert {
	was := x.Path
	x.Path, _ = to(was)
	if rest, ok := strings.CutPrefix(x.Message, was.String()+" "); ok {
		x.Message = x.Path.String() + " " + rest
	}
	if s := x.Suppression; s != nil {
		moved := *s
		if p, ok := to(s.At); ok {
			moved.At = p
		} else {
			moved.At, moved.Cause = x.Path, 0
		}
		x.Suppression = &moved
	}
	return x
}

// changeAlertsOf does for another manager what the page does with alerts at and below a node.
func (a *App) changeAlertsOf(verb remote.Verb) func(context.Context, tree.Path, json.RawMessage) (json.RawMessage, error) {
	return func(ctx context.Context, at tree.Path, arguments json.RawMessage) (json.RawMessage, error) {
		var c alertrest.Change
		if err := readArguments(arguments, &c); err != nil {
			return nil, err
		}
		if a.alerts.rest == nil {
			return nil, errNotYet
		}
		results, err := a.alerts.rest.Change(ctx, string(verb), at, &c)
		if err != nil {
			return nil, err
		}
		return json.Marshal(results)
	}
}

// alertOwners asks the managers whose trees hang here about their alerts.
type alertOwners struct{ app *App }

var _ alertrest.Owners = alertOwners{}

// Alerts implements viewer/alert.Owners.
func (o alertOwners) Alerts(ctx context.Context, q alert.Query) (page alert.Page, theirs bool, err error) {
	theirs, err = o.ask(ctx, q.Under, remote.Alerts, &alertQuestion{
		q.States, q.Statuses, q.Severities, q.Kinds, q.Instance, q.Customer, q.Cause, q.Text, q.From, q.To, min(q.Limit, maxAlertsTold), q.After,
	}, &page)
	for i := range page.Alerts {
		page.Alerts[i] = carried(page.Alerts[i], func(p tree.Path) (tree.Path, bool) {
			there, err := q.Under.Join(p)
			return there, err == nil
		})
	}
	return page, theirs, err
}

// Change implements viewer/alert.Owners.
func (o alertOwners) Change(ctx context.Context, name string, at tree.Path, c *alertrest.Change) (results []alert.Result, theirs bool, err error) {
	there := *c
	there.At = ""
	theirs, err = o.ask(ctx, at, remote.Verb(name), &there, &results)
	if err == nil && theirs && len(results) != len(c.IDs) {
		err = fromAfar(&remote.Error{Message: fmt.Sprintf("the owner's answer has %d results for %d alerts", len(results), len(c.IDs))})
	}
	return results, theirs, err
}

// ask has the owner of a node answer.
func (o alertOwners) ask(ctx context.Context, at tree.Path, verb remote.Verb, question, answer any) (theirs bool, err error) {
	m := o.app.peers.member
	if m == nil {
		return false, nil
	}
	arguments, err := json.Marshal(question)
	if err != nil {
		return false, err
	}
	text, err := m.Remote.Act(ctx, at, verb, arguments)
	if errors.Is(err, remote.ErrOwn) {
		return false, nil
	}
	if err == nil {
		if err = json.Unmarshal(text, answer); err != nil {
			err = &remote.Error{Message: "the owner's answer cannot be read: " + err.Error()}
		}
	}
	return true, fromAfar(err)
}
