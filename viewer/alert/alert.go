package alert

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
	"grove/viewer/alert/sight"
	"grove/viewer/deed"
	"grove/viewer/stream"
)

// Book is where the alerts are; *book.Book has it.
type Book interface {
	Search(ctx context.Context, q alert.Query) (alert.Page, error)
	Get(ctx context.Context, id alert.ID) (alert.Alert, error)
	// Live yields the alerts that are not resolved.
	Live(yield func(*alert.Alert) bool)
	// Counts counts those that are seen; nil sees all.
	Counts(sees func(tree.Path) bool) map[alert.State]int

	// The changes are made to each alert at whose path may has no objection; there is a
	// result for each.
	Acknowledge(ctx context.Context, ids []alert.ID, a alert.Ack, may func(tree.Path) error) []alert.Result
	Unacknowledge(ctx context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result
	Comment(ctx context.Context, ids []alert.ID, by, text string, may func(tree.Path) error) []alert.Result
	Resolve(ctx context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result
}

// Options are the surroundings of the operations.
type Options struct {
	Book  Book
	Guard *grant.Guard
	// Owners are the managers whose trees hang here; nil: there are none.
	Owners Owners
	// Audit puts what people change into the audit log.
	Audit deed.Audit
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
}

// Bounds of requests.
const (
	MaxIDs  = 1000 // alerts of one change
	maxBody = 64 << 10
)

// API holds the operations; Register adds them. Close it.
type API struct {
	Options
	door *stream.Door
	news news
}

// New returns the operations.
func New(o Options) (*API, error) {
	if o.Book == nil || o.Guard == nil || o.Audit == nil {
		return nil, errors.New("alerts: no book, no guard or no audit log")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{Options: o, door: stream.New("alerts", maxListeners, pace)}, nil
}

// Close ends the streams and waits until they are gone, or for ctx.
func (a *API) Close(ctx context.Context) error { return a.door.Close(ctx) }

// Register adds the operations to an API. The stream is served by ServeHTTP.
func (a *API) Register(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-alerts", Method: http.MethodGet, Path: "/api/v1/alerts",
		Summary: "Search alerts", Tags: []string{"alerts"},
		Description: "With at=owner those of a node of another manager's tree, which that manager tells now. Those that are not resolved first, the worst and then the newest first; then, if they are asked for, those that are resolved, the newest first. The counts are of all that are not resolved, whatever is searched for.",
		Errors:      []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.search)
	huma.Register(api, huma.Operation{
		OperationID: "get-alert", Method: http.MethodGet, Path: "/api/v1/alerts/{id}",
		Summary: "One alert with its history", Tags: []string{"alerts"},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.get)
	for _, c := range a.changes() {
		huma.Register(api, huma.Operation{
			OperationID: c.name + "-alerts", Method: http.MethodPost, Path: "/api/v1/alerts/" + c.name,
			Summary: c.summary, Tags: []string{"alerts"}, DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
			Description: "Needs the role operator on the node of each alert. The answer has a result for each: an error, or none when it was done. What is said to alerts of another manager, at names a node of whose tree, is passed on to that one.",
			Errors:      []int{http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		}, func(ctx context.Context, in *changeInput) (*changeOutput, error) { return a.change(ctx, c, &in.Body) })
	}
}

// eye is what somebody sees of alerts.
func (a *API) eye(who *grant.Subject) *sight.Eye {
	return sight.New(a.Guard, who).Expecting(a.Book.Live)
}

// none is the answer about an alert that is not there, or hidden.
func none(text string) error {
	return huma.NewError(http.StatusNotFound, noneText(text))
}

func noneText(id string) string {
	if r := []rune(id); len(r) > 40 {
		id = string(r[:40]) + "…"
	}
	return alert.ErrNone.Error() + ": " + id
}
