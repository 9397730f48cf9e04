// Package maintenance holds the operations of the REST interface about maintenance windows:
// to look at them, plan one, end one early and remove one. Who plans one has the role
// operator on all that it is about.
package maintenance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/maintenance"
	"grove/viewer"
	"grove/viewer/deed"
)

// Calendar is where the windows are; *maintenance.Calendar has it.
type Calendar interface {
	List() []maintenance.Planned
	Get(id string) (maintenance.Window, error)
	Add(ctx context.Context, w maintenance.Window) (maintenance.Window, error)
	Remove(ctx context.Context, id string) error
	End(ctx context.Context, id string) error
}

// Options are the surroundings of the operations.
type Options struct {
	Calendar Calendar
	Tree     *tree.Tree
	Guard    *grant.Guard
	// Audit puts what people change into the audit log.
	Audit deed.Audit
	// Touched is told where windows came, ended or went; nil: nobody is.
	Touched func(paths ...tree.Path)
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
}

// API holds the operations; Register adds them.
type API struct{ Options }

// New returns the operations.
func New(o Options) (*API, error) {
	if o.Calendar == nil || o.Tree == nil || o.Guard == nil || o.Audit == nil {
		return nil, errors.New("maintenance: no calendar, no tree, no guard or no audit log")
	}
	if o.Touched == nil {
		o.Touched = func(...tree.Path) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{o}, nil
}

const maxBody = 512 << 10 // 256 paths of 1 kB, and what else there is

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	operation := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"alerts"}, MaxBodyBytes: maxBody,
			Errors: append(errors, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable),
		}
	}
	huma.Register(api, operation("get-maintenance", http.MethodGet, "/api/v1/maintenance", "Maintenance windows",
		"Those that hold now first, then those to come, then what is over. Of a window that is also about nodes that you may not see there is only when it is, and where you see it."), a.list)
	add := operation("add-maintenance", http.MethodPost, "/api/v1/maintenance", "Plan a maintenance",
		"Needs the role operator on each path. Alerts at these nodes and below are held back meanwhile; checks go on.", http.StatusNotFound)
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.add)
	remove := operation("remove-maintenance", http.MethodDelete, "/api/v1/maintenance/{id}", "Remove a maintenance",
		"What stands in the file of alerts is removed there.", http.StatusNotFound, http.StatusConflict)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, a.remove)
	end := operation("end-maintenance", http.MethodPost, "/api/v1/maintenance/{id}/end", "End a maintenance now",
		"One that repeats comes again.", http.StatusNotFound, http.StatusConflict)
	end.DefaultStatus = http.StatusOK
	huma.Register(api, end, a.end)
}

// PlannedWindow is a window with its times.
type PlannedWindow struct {
	maintenance.Window
	// Now is the time that runs, Next the one to come.
	Now  *maintenance.Occurrence `json:"now,omitempty" doc:"The time that runs."`
	Next *maintenance.Occurrence `json:"next,omitempty" doc:"The next time; absent when there is none."`
	// Hidden says that it is also about nodes that are not seen: there is no name, and no
	// comment.
	Hidden bool `json:"hidden,omitempty" doc:"It is also about nodes that you may not see."`
	// May says whether who asks may end and remove it.
	May bool `json:"may,omitempty" doc:"You may end it, and remove it unless it stands in the file."`
}

// PlannedWindows is the answer of GET /api/v1/maintenance.
type PlannedWindows struct {
	Windows []PlannedWindow `json:"windows" nullable:"false"`
}

type listOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         PlannedWindows
}

func (a *API) list(ctx context.Context, _ *struct{}) (*listOutput, error) {
	who := grant.Of(ctx)
	out := &listOutput{CacheControl: "no-store", Body: PlannedWindows{Windows: []PlannedWindow{}}}
	for _, p := range a.Calendar.List() {
		if w, ok := a.seen(who, p); ok {
			if w.Hidden { // Its own may be made of the name.
				w.ID = fmt.Sprintf("hidden-%d", len(out.Body.Windows)+1)
			}
			out.Body.Windows = append(out.Body.Windows, w)
		}
	}
	return out, nil
}

// seen is what somebody sees of a window. One at a node above what he sees concerns him:
// he is told when, and not what it is called, which may tell of others.
func (a *API) seen(who *grant.Subject, p maintenance.Planned) (w PlannedWindow, ok bool) {
	w = PlannedWindow{Window: p.Window, Now: p.Now, Next: p.Next, May: true}
	w.At = []tree.Path{}
	for _, at := range p.At {
		w.May = w.May && a.Guard.May(who, grant.Operator, at)
		w.Hidden = w.Hidden || !a.Guard.May(who, grant.Viewer, at)
		if len(who.Grants) > 0 && a.Guard.Sees(who, at) { // The root is there for nobody, too.
			w.At = append(w.At, at)
		}
	}
	if w.Hidden {
		w.Name, w.Comment, w.By = "maintenance", "", ""
	}
	return w, len(w.At) > 0
}

// NewMaintenance is the body of POST /api/v1/maintenance.
type NewMaintenance struct {
	Name     string               `json:"name" minLength:"1" maxLength:"128" example:"backup"`
	At       []string             `json:"at" minItems:"1" maxItems:"256" nullable:"false" example:"[\"/shop/db\"]" doc:"Paths: these nodes and everything below them."`
	Start    *time.Time           `json:"start,omitempty" doc:"When it begins, for the first time; now when absent."`
	For      maintenance.Duration `json:"for" example:"2h" doc:"How long it lasts each time: 1m to 90d."`
	Rule     string               `json:"rule,omitempty" maxLength:"256" example:"FREQ=WEEKLY;BYDAY=SU" doc:"How it repeats: daily, weekly on sat, sun, monthly on first sun, or a RRULE of RFC 5545; once when absent."`
	Zone     string               `json:"zone,omitempty" maxLength:"64" example:"Europe/Berlin" doc:"Time zone by whose clock it repeats; UTC when absent."`
	Comment  string               `json:"comment,omitempty" maxLength:"1024"`
	Announce maintenance.Duration `json:"announce,omitempty" example:"1h" doc:"How long ahead it is announced by the routes; not at all when absent."`
}

type windowOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         PlannedWindow
}

func (a *API) add(ctx context.Context, in *struct{ Body NewMaintenance }) (*windowOutput, error) {
	who, b := grant.Of(ctx), &in.Body
	rule, err := maintenance.ParseRule(b.Rule)
	if err != nil {
		return nil, a.problem(err)
	}
	w := maintenance.Window{
		Name: strings.TrimSpace(b.Name), Start: a.Now(), For: b.For, Rule: rule, Zone: b.Zone, Comment: strings.TrimSpace(b.Comment), Announce: b.Announce, By: who.Name,
	}
	if b.Start != nil {
		w.Start = *b.Start
	}
	w.Start = w.Start.Truncate(time.Second)
	for _, text := range b.At {
		p, err := tree.ParsePath(text)
		if err == nil {
			err = a.Guard.Demand(who, grant.Operator, p)
		}
		if err != nil {
			return nil, viewer.Problem(err)
		}
		if _, there := a.Tree.Lookup(p); !there {
			return nil, viewer.Problem(a.Guard.Missing(who, p))
		}
		if !slices.Contains(w.At, p) {
			w.At = append(w.At, p)
		}
	}
	if err := w.Check(); err != nil {
		return nil, a.problem(err)
	}
	var made maintenance.Window
	err = a.do(ctx, "maintenance add", &w, map[string]any{"became": about(&w)}, func() (err error) {
		made, err = a.Calendar.Add(ctx, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &windowOutput{"no-store", a.planned(made)}, nil
}

// about is what the audit log has of a window.
func about(w *maintenance.Window) map[string]any {
	const most = 10 // paths; who wants all of them asks for the window
	said := map[string]any{"name": w.Name, "start": w.Start.UTC(), "for": w.For, "at": w.At[:min(len(w.At), most)]}
	for name, text := range map[string]string{"rule": w.Rule, "zone": w.Zone, "comment": w.Comment, "id": w.ID} {
		if text != "" {
			said[name] = text
		}
	}
	if len(w.At) > most {
		said["paths"] = len(w.At)
	}
	return said
}

// planned is a window with its times, for who may do everything with it.
func (a *API) planned(w maintenance.Window) PlannedWindow {
	out, now := PlannedWindow{Window: w, May: true}, a.Now()
	if o, ok := w.Now(now); ok {
		out.Now = &o
	}
	if o, ok := w.Next(now); ok {
		out.Next = &o
	}
	return out
}

// Identified is the part of inputs that names a window.
type Identified struct {
	ID string `path:"id" maxLength:"256" doc:"Of the window."`
}

func (a *API) remove(ctx context.Context, in *Identified) (*struct{}, error) {
	w, err := a.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if w.Source == maintenance.FromFile {
		return nil, a.problem(maintenance.ErrFile)
	}
	return nil, a.do(ctx, "maintenance remove", &w, map[string]any{"was": about(&w)}, func() error { return a.Calendar.Remove(ctx, in.ID) })
}

func (a *API) end(ctx context.Context, in *Identified) (*windowOutput, error) {
	w, err := a.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := a.do(ctx, "maintenance end", &w, about(&w), func() error { return a.Calendar.End(ctx, in.ID) }); err != nil {
		return nil, err
	}
	if again, err := a.Calendar.Get(in.ID); err == nil {
		w = again
	}
	return &windowOutput{"no-store", a.planned(w)}, nil
}

// find returns a window that who asks may change.
func (a *API) find(ctx context.Context, id string) (maintenance.Window, error) {
	who := grant.Of(ctx)
	none := huma.NewError(http.StatusNotFound, fmt.Sprintf("%v: %.80q", maintenance.ErrNone, id))
	w, err := a.Calendar.Get(id)
	switch {
	case errors.Is(err, maintenance.ErrNone):
		return w, none
	case err != nil:
		return w, a.problem(err)
	}
	seen, ok := a.seen(who, maintenance.Planned{Window: w})
	switch {
	case !ok, seen.Hidden: // He was not told how it is called here.
		return w, none
	case seen.May:
		return w, nil
	}
	for _, p := range w.At {
		if err := a.Guard.Demand(who, grant.Operator, p); err != nil {
			return w, viewer.Problem(err)
		}
	}
	return w, nil
}

// do changes a window.
func (a *API) do(ctx context.Context, action string, w *maintenance.Window, detail any, do func() error) error {
	target := w.At[0].String()
	if n := len(w.At) - 1; n > 0 {
		target += fmt.Sprintf(" and %d more", n)
	}
	if err := deed.Do(ctx, a.Audit, a.Log, action, target, detail, do); err != nil {
		return a.problem(err)
	}
	a.Touched(w.At...)
	return nil
}

// problem makes an answer of an error.
func (a *API) problem(err error) error {
	switch {
	case errors.Is(err, maintenance.ErrNone):
		return huma.NewError(http.StatusNotFound, err.Error())
	case errors.Is(err, maintenance.ErrFile):
		return huma.NewError(http.StatusConflict, err.Error())
	case errors.Is(err, maintenance.ErrWindow):
		return huma.NewError(http.StatusUnprocessableEntity, err.Error())
	}
	return deed.Problem(a.Log, err)
}
