package alert

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
	"grove/viewer"
	"grove/viewer/alert/sight"
	"grove/viewer/deed"
)

type searchInput struct {
	State    []string  `query:"state,explode" maxItems:"4" doc:"Only in one of these states: open, acknowledged, suppressed, resolved; or all. Left out: all but resolved."`
	Status   []string  `query:"status,explode" maxItems:"4" doc:"Only with one of these statuses, of what is resolved the worst that it had: white, yellow, red."`
	Severity []string  `query:"severity,explode" maxItems:"5" doc:"Only as grave as one of these: indeterminate, warning, minor, major, critical."`
	Kind     []string  `query:"kind,explode" maxItems:"3" doc:"Only these kinds: status, silence, missing."`
	Under    string    `query:"under" maxLength:"1024" doc:"Only of the node at this path and everything below it."`
	At       string    `query:"at" enum:"owner" doc:"Of a node of another manager: owner asks that one for its alerts, with the numbers that they have there; absent: the alerts of this manager."`
	Instance string    `query:"instance" maxLength:"256" doc:"Only of what this instance grew."`
	Customer string    `query:"customer" maxLength:"256" doc:"Only of what is this customer's."`
	Cause    string    `query:"cause" maxLength:"20" doc:"Only those that are suppressed because of the alert with this number."`
	Text     string    `query:"text" maxLength:"256" doc:"Only with this in the message, the path or a comment, in any case."`
	From     time.Time `query:"from" doc:"Only what had not ended then, RFC 3339."`
	To       time.Time `query:"to" doc:"Only what had opened before, RFC 3339."`
	Limit    int       `query:"limit" default:"100" minimum:"1" maximum:"10000" doc:"At most so many."`
	After    string    `query:"after" maxLength:"256" doc:"The next of the page before, with all else as it was."`
}

// words reads a parameter that is repeated, or has commas, or both.
func words[T any](name string, given []string, parse func(string) (T, error)) (list []T, err error) {
	for _, text := range given {
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			one, err := parse(word)
			if err != nil {
				return nil, huma.NewError(http.StatusBadRequest, name+": "+err.Error())
			}
			list = append(list, one)
		}
	}
	return list, nil
}

func parseState(text string) (alert.State, error) {
	if s := alert.State(text); slices.Contains(alert.States, s) {
		return s, nil
	}
	return "", errors.New("an alert is open, acknowledged, suppressed or resolved")
}

func parseKind(text string) (alert.Kind, error) {
	switch k := alert.Kind(text); k {
	case alert.Status, alert.Silence, alert.Missing:
		return k, nil
	}
	return "", errors.New("an alert is about a status, silence or missing")
}

// query is what is searched for.
func (in *searchInput) query() (q alert.Query, err error) {
	q = alert.Query{Instance: in.Instance, Customer: in.Customer, Text: in.Text, From: in.From, To: in.To, Limit: in.Limit, After: in.After}
	if slices.Equal(in.State, []string{"all"}) {
		q.States = alert.States
	} else if q.States, err = words("state", in.State, parseState); err != nil {
		return q, err
	}
	if q.Statuses, err = words("status", in.Status, tree.ParseStatus); err != nil {
		return q, err
	}
	if q.Severities, err = words("severity", in.Severity, tree.ParseSeverity); err != nil {
		return q, err
	}
	if q.Kinds, err = words("kind", in.Kind, parseKind); err != nil {
		return q, err
	}
	if q.Under, err = tree.ParsePath(in.Under); err != nil {
		return q, viewer.Problem(err)
	}
	if in.Cause != "" {
		if q.Cause, err = alert.ParseID(in.Cause); err != nil {
			return q, huma.NewError(http.StatusBadRequest, "cause: "+err.Error())
		}
	}
	return q, nil
}

type pageOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         alert.Page
}

func (a *API) search(ctx context.Context, in *searchInput) (*pageOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	var page alert.Page
	if in.At == "" {
		page, err = a.List(ctx, q)
	} else {
		page, err = a.listElsewhere(ctx, q)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if page.Alerts == nil {
		page.Alerts = []alert.Alert{}
	}
	return &pageOutput{"no-store", page}, nil
}

// List searches for alerts as who asks in ctx sees them.
func (a *API) List(ctx context.Context, q alert.Query) (alert.Page, error) {
	eye := a.eye(grant.Of(ctx))
	q.Sees = eye.Filter()
	return a.page(ctx, q, eye)
}

// maxSearches bounds the searches for one page.
const maxSearches = 20

// page searches for as many alerts as are asked for. What was found by words or a cause that
// who asks does not see is not for him, so that more is searched for in its place.
func (a *API) page(ctx context.Context, q alert.Query, eye *sight.Eye) (page alert.Page, err error) {
	var found []alert.Alert
	for range maxSearches {
		if page, err = a.Book.Search(ctx, q); err != nil {
			return page, err
		}
		seen := eye.Alerts(page.Alerts, a.Book.Live)
		if !eye.Whole() && (q.Text != "" || q.Cause != 0) {
			seen = slices.DeleteFunc(seen, func(one alert.Alert) bool { return !q.Takes(&one) })
		}
		found = append(found, seen...)
		q.After, q.Limit = page.Next, q.Limit-len(seen)
		if q.After == "" || q.Limit <= 0 {
			break
		}
	}
	page.Alerts = found
	return page, nil
}

type alertOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         alert.Alert
}

func (a *API) get(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"40" doc:"Number of the alert."`
}) (*alertOutput, error) {
	eye := a.eye(grant.Of(ctx))
	one, err := a.find(ctx, in.ID, eye)
	if err != nil {
		return nil, err
	}
	seen := eye.Alerts([]alert.Alert{one}, a.Book.Live)
	return &alertOutput{"no-store", seen[0]}, nil
}

// find returns an alert that is seen, as it is.
func (a *API) find(ctx context.Context, text string, eye *sight.Eye) (alert.Alert, error) {
	id, err := alert.ParseID(text)
	if err != nil {
		return alert.Alert{}, none(text)
	}
	one, err := a.Book.Get(ctx, id)
	switch {
	case errors.Is(err, alert.ErrNone), err == nil && !eye.Sees(one.Path):
		return one, none(text)
	case err != nil:
		return one, a.problem(err)
	}
	return one, nil
}

func (a *API) problem(err error) error {
	if errors.Is(err, alert.ErrQuery) {
		return huma.NewError(http.StatusBadRequest, err.Error())
	}
	return deed.Problem(a.Log, err)
}
