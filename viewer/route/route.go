// Package route holds the operations of the REST interface about routes: which there are,
// and what they would do with an alert, without that anything is sent.
package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
	"grove/viewer"
	"grove/viewer/alert/sight"
	"grove/viewer/deed"
)

// Routes is what the alerts go through.
type Routes interface {
	// Configured returns the routes and channels as they stand in the file of alerts.
	Configured() Configuration
	// Explain says what would become of an alert that opened at a time; *route.Router has it.
	Explain(a alert.Alert, at time.Time) alert.Explanation
}

// Supposing says which alerts would open.
type Supposing interface {
	// Suppose returns the alerts that would open if nodes had other statuses, each with its
	// suppression. An error wraps tree.ErrNoNode or tree.ErrStatus, or is the server's own.
	Suppose(ctx context.Context, set map[tree.Path]tree.Status) (changes []tree.StatusChange, alerts []alert.Alert, err error)
}

// Options are the surroundings of the operations.
type Options struct {
	Routes    Routes
	Supposing Supposing
	// Live yields the alerts that are not resolved; *book.Book has it.
	Live  func(yield func(*alert.Alert) bool)
	Tree  *tree.Tree
	Guard *grant.Guard
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
}

// API holds the operations; Register adds them.
type API struct{ Options }

// New returns the operations.
func New(o Options) (*API, error) {
	if o.Routes == nil || o.Supposing == nil || o.Live == nil || o.Tree == nil || o.Guard == nil {
		return nil, errors.New("routes: no routes, nobody who supposes, no alerts, no tree or no guard")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{o}, nil
}

// Configuration is the answer of GET /api/v1/routes.
type Configuration struct {
	File     string         `json:"file,omitempty" doc:"The file of alerts."`
	Error    string         `json:"error,omitempty" doc:"Why the file as it is now is not in force, but as it was before."`
	Routes   []Route        `json:"routes" nullable:"false" doc:"In their order."`
	Channels []NamedChannel `json:"channels" nullable:"false" doc:"By name."`
}

// Route is one route as the file has it.
type Route struct {
	Name     string        `json:"name"`
	When     []Requirement `json:"when,omitempty" doc:"All must hold; none: it takes every alert."`
	To       []string      `json:"to,omitempty" doc:"Channels, people and who is on call."`
	Group    []string      `json:"group,omitempty" doc:"What the alerts of one message have in common."`
	Wait     string        `json:"wait,omitempty" doc:"How long others are waited for before the first message."`
	Interval string        `json:"interval,omitempty" doc:"How long between two messages about a group."`
	Repeat   string        `json:"repeat,omitempty" doc:"How often it is told again while it stays."`

	Escalate   []Escalation `json:"escalate,omitempty"`
	Precedence string       `json:"precedence,omitempty"`
	Continue   bool         `json:"continue,omitempty" doc:"Whether the routes below are asked as well."`
}

// Requirement is one condition of a route.
type Requirement struct {
	Name string `json:"name"`
	Want string `json:"want"`
}

// Escalation says who is told when nobody acknowledges.
type Escalation struct {
	After string   `json:"after"`
	To    []string `json:"to" nullable:"false"`
}

// NamedChannel is a channel of the file.
type NamedChannel struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-routes", Method: http.MethodGet, Path: "/api/v1/routes",
		Summary: "Routes and channels", Tags: []string{"alerts"},
		Description: "Needs the role viewer on everything: routes name nodes and customers of all of it.",
		Errors:      []int{http.StatusForbidden},
	}, a.list)
	huma.Register(api, huma.Operation{
		OperationID: "explain-routes", Method: http.MethodPost, Path: "/api/v1/routes/explain",
		Summary: "What would become of an alert", Tags: []string{"alerts"}, DefaultStatus: http.StatusOK, MaxBodyBytes: 16 << 10,
		Description: "Says which routes take it and why, and who would be told when; nothing is sent. Who does not see everything is not told of routes that do not take it.",
		Errors:      []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.explain)
}

type listOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Configuration
}

func (a *API) list(ctx context.Context, _ *struct{}) (*listOutput, error) {
	if err := grant.DemandWhole(grant.Of(ctx), grant.Viewer); err != nil {
		return nil, viewer.Problem(err)
	}
	out := &listOutput{"no-store", a.Routes.Configured()}
	if out.Body.Routes == nil {
		out.Body.Routes = []Route{}
	}
	if out.Body.Channels == nil {
		out.Body.Channels = []NamedChannel{}
	}
	return out, nil
}

// Question is the body of POST /api/v1/routes/explain.
type Question struct {
	Path   string     `json:"path" maxLength:"1024" example:"/shop/web1/Up"`
	Status string     `json:"status,omitempty" enum:"white,yellow,red" doc:"Which the node would have; as it is when absent, or red when it is well."`
	At     *time.Time `json:"at,omitempty" doc:"When it would open; now when absent."`
}

type explainOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         alert.Explanation
}

func (a *API) explain(ctx context.Context, in *struct{ Body Question }) (*explainOutput, error) {
	p, err := tree.ParsePath(in.Body.Path)
	who := grant.Of(ctx)
	if err == nil {
		err = a.Guard.Demand(who, grant.Viewer, p)
	}
	if err != nil {
		return nil, viewer.Problem(err)
	}
	node, err := a.Tree.Node(p)
	if err != nil {
		return nil, viewer.Problem(a.Guard.Missing(who, p))
	}
	status := node.Status
	if in.Body.Status != "" {
		if status, err = tree.ParseStatus(in.Body.Status); err != nil {
			return nil, viewer.Problem(err)
		}
	}
	eye := sight.New(a.Guard, who)
	one, ok := a.standing(p, status)
	if !ok {
		if in.Body.Status == "" {
			status = tree.Red
		}
		if one, err = a.suppose(ctx, eye, p, status); err != nil {
			return nil, err
		}
	}
	at := a.Now()
	if in.Body.At != nil {
		at = *in.Body.At
	}
	x := eye.Explanation(a.Routes.Explain(one, at))
	if x.Routes == nil {
		x.Routes = []alert.Routing{}
	}
	if x.Told == nil {
		x.Told = []alert.Telling{}
	}
	return &explainOutput{"no-store", x}, nil
}

// standing returns the alert of a node that stands with a status.
func (a *API) standing(p tree.Path, status tree.Status) (found alert.Alert, ok bool) {
	for one := range a.Live {
		if one.Path == p && one.Status == status {
			return *one, true
		}
	}
	return found, false
}

// suppose returns the alert that would open at a node, or what would open instead.
func (a *API) suppose(ctx context.Context, eye *sight.Eye, p tree.Path, status tree.Status) (alert.Alert, error) {
	_, alerts, err := a.Supposing.Suppose(ctx, map[tree.Path]tree.Status{p: status})
	if err != nil {
		return alert.Alert{}, deed.Problem(a.Log, err)
	}
	alerts = slices.DeleteFunc(alerts, func(one alert.Alert) bool { return !eye.Sees(one.Path) })
	k := slices.IndexFunc(alerts, func(one alert.Alert) bool { return one.Path == p })
	if k < 0 {
		k = slices.IndexFunc(alerts, func(one alert.Alert) bool { return one.Path.Contains(p) || p.Contains(one.Path) })
	}
	if k < 0 {
		return alert.Alert{}, huma.NewError(http.StatusConflict, fmt.Sprintf("no alert would open when %s is %s: it or a group above alerts never, or it is a group whose attributes alert each for itself", p, status))
	}
	return alerts[k], nil
}
