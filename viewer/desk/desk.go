// Package desk keeps how each user wants the page to be: preferences, and views that
// were saved under a name. They are the user's own, and change nothing for anybody else,
// so that they are not in the audit log. Who needs no login is one user of his own,
// "anonymous".
package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/drawer"
	"grove/viewer"
)

// Bounds of what is kept.
const (
	Kind         = "desk" // of the drawer
	MaxUsers     = 10_000
	MaxViews     = 100  // of one user
	maxNameRunes = 64   // of a view
	maxAddress   = 2000 // bytes
)

// Drawer keeps a text for each user; *drawer.Drawer does.
type Drawer interface {
	Text(ctx context.Context, name string) (text string, ok bool, err error)
	Change(ctx context.Context, put []drawer.Item, take []string) error
}

// Desk holds the operations; Register adds them.
type Desk struct {
	drawer Drawer
	log    *slog.Logger

	changing sync.Mutex // one reads, changes and writes at a time
}

// New returns the operations over a drawer of Kind. A nil log discards.
func New(d Drawer, log *slog.Logger) *Desk {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Desk{drawer: d, log: log}
}

// Preferences say how somebody wants the page to be.
type Preferences struct {
	Theme string `json:"theme" enum:"system,light,dark" doc:"system: light or dark as the machine is."`
	Zone  string `json:"zone" enum:"local,utc" doc:"Of the times that are shown."`
	Sound bool   `json:"sound" doc:"Whether there is a sound when something turns red."`
}

// defaults are the preferences of who has none.
var defaults = Preferences{Theme: "system", Zone: "local"}

// View is a part of the page under a name.
type View struct {
	Name    string `json:"name" example:"Web servers"`
	Address string `json:"address" doc:"What stands behind the address of the page." example:"#/tree?find=web&status=red"`
}

// Views is a list of them.
type Views struct {
	Views []View `json:"views" nullable:"false" doc:"By name."`
}

// kept is what the drawer has of one user, as JSON.
type kept struct {
	Preferences Preferences `json:"preferences"`
	Views       []View      `json:"views,omitempty"`
}

// Register adds the operations to an API.
func (d *Desk) Register(api huma.API) {
	operation := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"me"},
			Errors: append(errors, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable), MaxBodyBytes: 16 << 10,
		}
	}
	huma.Register(api, operation("get-preferences", http.MethodGet, "/api/v1/me/preferences", "How I want the page to be", ""), d.getPreferences)
	huma.Register(api, operation("put-preferences", http.MethodPut, "/api/v1/me/preferences", "Change how I want the page to be",
		"What is absent stays as it is."), d.putPreferences)
	huma.Register(api, operation("get-views", http.MethodGet, "/api/v1/me/views", "My saved views", ""), d.getViews)
	huma.Register(api, operation("put-view", http.MethodPut, "/api/v1/me/views/{name}", "Save a view",
		fmt.Sprintf("In the place of the one with this name, if there is one. A user has at most %d.", MaxViews), http.StatusNotFound, http.StatusConflict), d.putView)
	remove := operation("delete-view", http.MethodDelete, "/api/v1/me/views/{name}", "Delete a saved view", "", http.StatusNotFound)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, d.deleteView)
}

// user is whose desk it is.
func user(ctx context.Context) (string, error) {
	s := grant.Of(ctx)
	if s == grant.Nobody {
		return "", viewer.Problem(grant.DemandWhole(s, grant.Viewer))
	}
	return s.Name, nil
}

// read returns what is kept of a user. What cannot be read any more is as if it were not
// there.
func (d *Desk) read(ctx context.Context, user string) (kept, error) {
	k := kept{Preferences: defaults}
	text, ok, err := d.drawer.Text(ctx, user)
	if err != nil || !ok {
		return k, d.problem(err)
	}
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		d.log.Warn("what is kept of a user's page cannot be read", "user", user, "error", err)
		return kept{Preferences: defaults}, nil
	}
	return k, nil
}

// change reads what is kept of who asks, has it changed, and keeps it.
func (d *Desk) change(ctx context.Context, do func(*kept) error) (kept, error) {
	who, err := user(ctx)
	if err != nil {
		return kept{}, err
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	k, err := d.read(ctx, who)
	if err != nil {
		return k, err
	}
	if err := do(&k); err != nil {
		return k, err
	}
	text, err := json.Marshal(k)
	if err != nil {
		return k, d.problem(err)
	}
	return k, d.problem(d.drawer.Change(ctx, []drawer.Item{{Name: who, Text: string(text)}}, nil))
}

// problem makes an answer of an error of the drawer.
func (d *Desk) problem(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, drawer.ErrTooMuch) {
		return huma.NewError(http.StatusConflict, "there is no room for more: delete a saved view first")
	}
	for _, away := range []error{store.ErrFull, store.ErrTaken, store.ErrUnavailable, store.ErrClosed, store.ErrDamaged} {
		if errors.Is(err, away) {
			d.log.Warn("what a user prefers could not be read or kept", "error", err)
			return huma.NewError(http.StatusServiceUnavailable, "the database is not available; try again later")
		}
	}
	return viewer.Problem(err)
}

type preferencesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Preferences
}

func (d *Desk) getPreferences(ctx context.Context, _ *struct{}) (*preferencesOutput, error) {
	who, err := user(ctx)
	if err != nil {
		return nil, err
	}
	k, err := d.read(ctx, who)
	if err != nil {
		return nil, err
	}
	return &preferencesOutput{"no-store", k.Preferences}, nil
}

// ChangedPreferences is the body of PUT /api/v1/me/preferences.
type ChangedPreferences struct {
	Theme *string `json:"theme,omitempty" enum:"system,light,dark"`
	Zone  *string `json:"zone,omitempty" enum:"local,utc"`
	Sound *bool   `json:"sound,omitempty"`
}

func (d *Desk) putPreferences(ctx context.Context, in *struct{ Body ChangedPreferences }) (*preferencesOutput, error) {
	k, err := d.change(ctx, func(k *kept) error {
		p := &k.Preferences
		if in.Body.Theme != nil {
			p.Theme = *in.Body.Theme
		}
		if in.Body.Zone != nil {
			p.Zone = *in.Body.Zone
		}
		if in.Body.Sound != nil {
			p.Sound = *in.Body.Sound
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &preferencesOutput{"no-store", k.Preferences}, nil
}

type viewsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Views
}

func viewsOf(k kept) *viewsOutput {
	return &viewsOutput{"no-store", Views{append([]View{}, k.Views...)}}
}

func (d *Desk) getViews(ctx context.Context, _ *struct{}) (*viewsOutput, error) {
	who, err := user(ctx)
	if err != nil {
		return nil, err
	}
	k, err := d.read(ctx, who)
	if err != nil {
		return nil, err
	}
	return viewsOf(k), nil
}

// Named is the part of inputs that names a view.
type Named struct {
	Name string `path:"name" maxLength:"256" doc:"Name of the view: at most 64 characters."`
}

// SavedView is the body of PUT /api/v1/me/views/{name}.
type SavedView struct {
	Address string `json:"address" minLength:"2" maxLength:"2000" doc:"What stands behind the address of the page, beginning with #/."`
	From    string `json:"from,omitempty" maxLength:"256" doc:"The name that the view had until now: it gets the new one."`
}

func (d *Desk) putView(ctx context.Context, in *struct {
	Named
	Body SavedView
}) (*viewsOutput, error) {
	name, err := checkName(in.Name)
	if err != nil {
		return nil, err
	}
	if err := checkAddress(in.Body.Address); err != nil {
		return nil, err
	}
	k, err := d.change(ctx, func(k *kept) error {
		if from := in.Body.From; from != "" && from != name {
			if _, ok := find(k.Views, name); ok {
				return huma.NewError(http.StatusConflict, fmt.Sprintf("a view named %q is there already", name))
			}
			at, ok := find(k.Views, from)
			if !ok {
				return unknown(from)
			}
			k.Views = slices.Delete(k.Views, at, at+1)
		}
		v := View{name, in.Body.Address}
		at, ok := find(k.Views, name)
		switch {
		case ok:
			k.Views[at] = v
		case len(k.Views) >= MaxViews:
			return huma.NewError(http.StatusConflict, fmt.Sprintf("%d views are saved, which is the bound: delete one first", MaxViews))
		default:
			k.Views = slices.Insert(k.Views, at, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return viewsOf(k), nil
}

func (d *Desk) deleteView(ctx context.Context, in *Named) (*struct{}, error) {
	_, err := d.change(ctx, func(k *kept) error {
		at, ok := find(k.Views, in.Name)
		if !ok {
			return unknown(in.Name)
		}
		k.Views = slices.Delete(k.Views, at, at+1)
		return nil
	})
	return nil, err
}

// find returns where a view is, or would be, in the order of names.
func find(views []View, name string) (at int, ok bool) {
	return slices.BinarySearchFunc(views, name, func(v View, name string) int { return strings.Compare(v.Name, name) })
}

func unknown(name string) error {
	return huma.NewError(http.StatusNotFound, fmt.Sprintf("no view named %.80q is saved", name))
}

// checkName returns the name of a view without spaces around it.
func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	bad := func(why string) (string, error) {
		return "", huma.NewError(http.StatusUnprocessableEntity, "the name of a view "+why)
	}
	switch {
	case name == "":
		return bad("is empty")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return bad("has a character in it that cannot be shown")
	case utf8.RuneCountInString(name) > maxNameRunes:
		return bad(fmt.Sprintf("is longer than %d characters", maxNameRunes))
	}
	return name, nil
}

// checkAddress lets through what leads to a part of this page, and nowhere else.
func checkAddress(address string) error {
	if !strings.HasPrefix(address, "#/") || len(address) > maxAddress || !utf8.ValidString(address) || strings.ContainsFunc(address, unicode.IsControl) {
		return huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("the address of a view begins with #/ and has at most %d bytes", maxAddress))
	}
	return nil
}
