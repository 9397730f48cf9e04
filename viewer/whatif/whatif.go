// Package whatif holds the operation of the REST interface that says what would happen if
// nodes had other statuses: what the tree would show, which alerts would open, and who would
// be told. Nothing is changed, and nothing is sent.
package whatif

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

// Supposing says what would be.
type Supposing interface {
	// Suppose returns how nodes would change, and which alerts would open, each with its
	// suppression.
	Suppose(ctx context.Context, set map[tree.Path]tree.Status) (changes []tree.StatusChange, alerts []alert.Alert, err error)
	// Explain says what would become of an alert that opened at a time.
	Explain(a alert.Alert, at time.Time) alert.Explanation
}

// Options are the surroundings of the operation.
type Options struct {
	Supposing Supposing
	Tree      *tree.Tree
	Guard     *grant.Guard
	Now       func() time.Time // nil is time.Now
	Log       *slog.Logger     // nil discards
}

// API holds the operation; Register adds it.
type API struct {
	Options
	under chan struct{} // holds one for each answer that is being made
}

// Bounds of an answer.
const (
	MaxSet     = 1000   // nodes that are supposed to have other statuses
	maxChanges = 10_000 // nodes that would change
	maxAlerts  = 500    // alerts that are explained
	maxUnder   = 2      // answers at once, since each looks at the whole tree
	maxBody    = 2 << 20
)

// New returns the operation.
func New(o Options) (*API, error) {
	if o.Supposing == nil || o.Tree == nil || o.Guard == nil {
		return nil, errors.New("what-if: nobody who supposes, no tree or no guard")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{o, make(chan struct{}, maxUnder)}, nil
}

// Register adds the operation to an API.
func (a *API) Register(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "what-if", Method: http.MethodPost, Path: "/api/v1/what-if",
		Summary: "What would happen if nodes had other statuses", Tags: []string{"alerts"}, DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Description: "Which nodes would change, which alerts would open, suppressed or not, and who would be told when. Nothing is changed and nothing is sent. What you do not see is left out, also of what is counted.",
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.answer)
}

// Supposition is the body of POST /api/v1/what-if.
type Supposition struct {
	Set map[string]string `json:"set" minProperties:"1" maxProperties:"1000" example:"{\"/shop/web1/Up\": \"red\"}" doc:"Statuses by path: green, yellow, red or white."`
}

// Supposed is what would be.
type Supposed struct {
	Changes  []SupposedChange    `json:"changes" nullable:"false" doc:"Nodes that would change, by path."`
	Alerts   []alert.Explanation `json:"alerts" nullable:"false" doc:"Alerts that would open, those that are not suppressed and the worst first."`
	Messages []SupposedMessage   `json:"messages" nullable:"false" doc:"What would be sent, in order of time, if the statuses stayed so and nobody did anything."`
	// Truncated says that there is more of one of them than is told.
	Truncated bool `json:"truncated" doc:"There is more than is told."`
}

// SupposedChange is one node that would change.
type SupposedChange struct {
	Path string `json:"path"`
	From string `json:"from" enum:"white,green,yellow,red"`
	To   string `json:"to" enum:"white,green,yellow,red"`
	Set  bool   `json:"set,omitempty" doc:"It is one of those that were supposed; the others follow."`
}

// SupposedMessage is one message that would be sent.
type SupposedMessage struct {
	Route   string         `json:"route"`
	Channel string         `json:"channel"`
	To      string         `json:"to,omitempty" doc:"The person, or who is on call, that the channel is of."`
	Title   string         `json:"title"`
	Group   string         `json:"group,omitempty" doc:"What its alerts have in common."`
	Purpose string         `json:"purpose"`
	After   alert.Duration `json:"after" doc:"Counted from when the statuses are so."`
	Every   alert.Duration `json:"every,omitempty" doc:"How often it is repeated."`
	Alerts  int            `json:"alerts" doc:"How many it is about."`
}

type output struct {
	CacheControl string `header:"Cache-Control"`
	Body         Supposed
}

func (a *API) answer(ctx context.Context, in *struct{ Body Supposition }) (*output, error) {
	who := grant.Of(ctx)
	set := make(map[tree.Path]tree.Status, len(in.Body.Set))
	for _, text := range slices.Sorted(maps.Keys(in.Body.Set)) {
		p, err := tree.ParsePath(text)
		if err == nil {
			err = a.Guard.Demand(who, grant.Viewer, p)
		}
		if err != nil {
			return nil, viewer.Problem(err)
		}
		if _, there := a.Tree.Lookup(p); !there {
			return nil, viewer.Problem(a.Guard.Missing(who, p))
		}
		if set[p], err = tree.ParseStatus(in.Body.Set[text]); err != nil {
			return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("%s: %v", p, err))
		}
	}
	select {
	case a.under <- struct{}{}:
		defer func() { <-a.under }()
	case <-ctx.Done():
		return nil, viewer.Problem(ctx.Err())
	}
	changes, alerts, err := a.Supposing.Suppose(ctx, set)
	if err != nil {
		return nil, deed.Problem(a.Log, err)
	}
	out := &output{CacheControl: "no-store", Body: Supposed{Changes: []SupposedChange{}, Alerts: []alert.Explanation{}, Messages: []SupposedMessage{}}}
	a.changes(who, set, changes, &out.Body)
	a.alerts(sight.New(a.Guard, who), alerts, &out.Body)
	return out, nil
}

// changes tells of those nodes that are seen, if only by name and status.
func (a *API) changes(who *grant.Subject, set map[tree.Path]tree.Status, changes []tree.StatusChange, out *Supposed) {
	changes = slices.DeleteFunc(slices.Clone(changes), func(c tree.StatusChange) bool { return !a.Guard.Sees(who, c.Path) })
	slices.SortFunc(changes, func(x, y tree.StatusChange) int { return cmp.Compare(x.Path.String(), y.Path.String()) })
	if len(changes) > maxChanges {
		changes, out.Truncated = changes[:maxChanges], true
	}
	for _, c := range changes {
		_, said := set[c.Path]
		// What is said of a group is said of all attributes below it.
		out.Changes = append(out.Changes, SupposedChange{c.Path.String(), c.From.String(), c.To.String(), said || c.Kind != tree.Group})
	}
}

// alerts tells of those alerts that are seen, and of the messages about them.
func (a *API) alerts(eye *sight.Eye, alerts []alert.Alert, out *Supposed) {
	alerts = eye.Alerts(alerts, func(yield func(*alert.Alert) bool) {
		for i := range alerts {
			if !yield(&alerts[i]) {
				return
			}
		}
	})
	alerts = slices.Clone(alerts)
	slices.SortStableFunc(alerts, func(x, y alert.Alert) int {
		return cmp.Or(rank(&x)-rank(&y), cmp.Compare(y.Severity, x.Severity), cmp.Compare(y.Status, x.Status), cmp.Compare(x.Path.String(), y.Path.String()))
	})
	at := a.Now()
	var told messages
	for i := range alerts {
		x := eye.Explanation(a.Supposing.Explain(alerts[i], at))
		x.Alert = alerts[i] // With its consequences.
		told.add(&x)
		if i >= maxAlerts {
			out.Truncated = true
			continue // It counts in its message.
		}
		if x.Routes == nil {
			x.Routes = []alert.Routing{}
		}
		if x.Told == nil {
			x.Told = []alert.Telling{}
		}
		out.Alerts = append(out.Alerts, x)
	}
	out.Messages = told.list(out)
}

func rank(a *alert.Alert) int {
	if a.Suppression != nil {
		return 1
	}
	return 0
}
