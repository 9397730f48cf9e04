package alert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
	"grove/viewer/deed"
)

// Change is the body of what changes alerts.
type Change struct {
	IDs     []string   `json:"ids" minItems:"1" maxItems:"1000" nullable:"false" doc:"Numbers of the alerts."`
	Comment string     `json:"comment,omitempty" doc:"For whoever reads it, at most 1024 bytes."`
	Sticky  bool       `json:"sticky,omitempty" doc:"Of an acknowledgement: it holds until the alert is resolved, else until it gets worse."`
	Until   *time.Time `json:"until,omitempty" doc:"Of an acknowledgement: when it ends by itself."`
	At      string     `json:"at,omitempty" maxLength:"1024" doc:"Of alerts of another manager: a node of its tree here at which, or below which, they all are. Their numbers are those of that manager, as a search with at=owner tells them."`
}

// ChangeResults is the answer to a change of alerts.
type ChangeResults struct {
	Results []alert.Result `json:"results" nullable:"false" doc:"One for each alert, in the order that was asked for."`
}

type changeInput struct{ Body Change }

type changeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         ChangeResults
}

// change is one way in which people change alerts.
type change struct {
	name, summary string
	do            func(ctx context.Context, ids []alert.ID, by string, c *Change, may func(tree.Path) error) []alert.Result
}

func (a *API) changes() []change {
	return []change{
		{"acknowledge", "Acknowledge alerts", func(ctx context.Context, ids []alert.ID, by string, c *Change, may func(tree.Path) error) []alert.Result {
			return a.Book.Acknowledge(ctx, ids, alert.Ack{By: by, At: a.Now(), Comment: c.Comment, Sticky: c.Sticky, Until: c.Until}, may)
		}},
		{"unacknowledge", "Take acknowledgements back", func(ctx context.Context, ids []alert.ID, by string, c *Change, may func(tree.Path) error) []alert.Result {
			return a.Book.Unacknowledge(ctx, ids, by, c.Comment, may)
		}},
		{"comment", "Comment alerts", func(ctx context.Context, ids []alert.ID, by string, c *Change, may func(tree.Path) error) []alert.Result {
			return a.Book.Comment(ctx, ids, by, c.Comment, may)
		}},
		{"resolve", "Resolve alerts", func(ctx context.Context, ids []alert.ID, by string, c *Change, may func(tree.Path) error) []alert.Result {
			return a.Book.Resolve(ctx, ids, by, c.Comment, may)
		}},
	}
}

// check says what is wrong with the body.
func (c *Change) check(name string, now time.Time) error {
	c.Comment = strings.TrimSpace(c.Comment)
	wrong := func(field, text string) error {
		return huma.NewError(http.StatusUnprocessableEntity, field+" "+text, &huma.ErrorDetail{Message: text, Location: "body." + field})
	}
	switch {
	case len(c.Comment) > alert.MaxCommentBytes:
		return wrong("comment", fmt.Sprintf("has %d bytes, and the bound is %d", len(c.Comment), alert.MaxCommentBytes))
	case name == "comment" && c.Comment == "":
		return wrong("comment", "is empty")
	case name != "acknowledge" && (c.Sticky || c.Until != nil):
		return wrong("sticky", "and until belong to acknowledging")
	case c.Until != nil && !c.Until.After(now):
		return wrong("until", "is over: an acknowledgement ends later than now")
	}
	return nil
}

// change does one to alerts of this manager, or has another one do it.
func (a *API) change(ctx context.Context, c change, body *Change) (*changeOutput, error) {
	who := grant.Of(ctx)
	if who == grant.Nobody {
		return nil, deed.Problem(a.Log, grant.DemandWhole(who, grant.Operator))
	}
	if err := body.check(c.name, a.Now()); err != nil {
		return nil, err
	}
	out := &changeOutput{CacheControl: "no-store"}
	var err error
	if body.At != "" {
		out.Body.Results, err = a.changeElsewhere(ctx, c.name, body)
	} else {
		out.Body.Results, err = a.changeHere(ctx, c, tree.Root, body)
	}
	return out, err
}

// Change changes alerts at and below a node for who asks in ctx, by the name of one of the
// changes: "acknowledge". Another manager has asked for it.
func (a *API) Change(ctx context.Context, name string, under tree.Path, body *Change) ([]alert.Result, error) {
	all := a.changes()
	i := slices.IndexFunc(all, func(c change) bool { return c.name == name })
	if i < 0 {
		return nil, fmt.Errorf("alerts know no %.40q", name)
	}
	if len(body.IDs) == 0 || len(body.IDs) > MaxIDs {
		return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("%d alerts: it takes 1 to %d at once", len(body.IDs), MaxIDs))
	}
	if err := body.check(name, a.Now()); err != nil {
		return nil, err
	}
	return a.changeHere(ctx, all[i], under, body)
}

// changeHere changes those alerts at and below a node that are seen. Those that are not are as
// if they were not there.
func (a *API) changeHere(ctx context.Context, c change, under tree.Path, body *Change) (list []alert.Result, err error) {
	who := grant.Of(ctx)
	eye := a.eye(who)
	errs := map[string]string{}
	var ids []alert.ID
	var about []string
	for _, text := range body.IDs {
		one, err := a.find(ctx, text, eye)
		var known huma.StatusError
		switch {
		case errors.As(err, &known) && known.GetStatus() == http.StatusNotFound, err == nil && !under.Contains(one.Path):
			errs[text] = noneText(text)
		case err != nil:
			return nil, err
		case !slices.Contains(ids, one.ID):
			ids, about = append(ids, one.ID), append(about, one.Path.String())
		}
	}
	if len(ids) > 0 {
		err := deed.Do(ctx, a.Audit, a.Log, "alerts "+c.name, target(about), detail(ids, body), func() error {
			results := c.do(ctx, ids, who.Name, body, func(p tree.Path) error { return a.Guard.Demand(who, grant.Operator, p) })
			return a.note(results, errs)
		})
		var failed *undone
		if err != nil && !errors.As(err, &failed) {
			return nil, err
		}
	}
	for _, text := range body.IDs {
		id, _ := alert.ParseID(text) // What is none is zero, and has its error.
		list = append(list, alert.Result{ID: id, Error: errs[text]})
	}
	return list, nil
}

// undone says of how many alerts of several something was not done.
type undone struct {
	n, of int
	first string
}

func (u *undone) Error() string { return fmt.Sprintf("not done for %d of %d: %s", u.n, u.of, u.first) }

// note takes up what came of it, and returns an error for the audit log.
func (a *API) note(results []alert.Result, errs map[string]string) error {
	var failed *undone
	for _, r := range results {
		if r.Error == "" {
			continue
		}
		errs[r.ID.String()] = r.Error
		if failed == nil {
			failed = &undone{of: len(results), first: r.Error}
		}
		failed.n++
	}
	if failed == nil {
		return nil
	}
	return failed
}

// target names in the audit log what was changed: the path of one alert, or how many.
func target(about []string) string {
	slices.Sort(about)
	if about = slices.Compact(about); len(about) == 1 {
		return about[0]
	}
	return fmt.Sprintf("%s and %d more", about[0], len(about)-1)
}

// maxNamed bounds the numbers of alerts in one record of the audit log.
const maxNamed = 100

func detail(ids []alert.ID, body *Change) any {
	named := map[string]any{"alerts": ids[:min(len(ids), maxNamed)]}
	if more := len(ids) - maxNamed; more > 0 {
		named["more"] = more
	}
	if body.Comment != "" {
		named["comment"] = body.Comment
	}
	if body.Sticky {
		named["sticky"] = true
	}
	if body.Until != nil {
		named["until"] = body.Until.UTC()
	}
	return named
}
