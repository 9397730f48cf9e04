// Package moment tells which moments of the past can be shown, and when something
// happened below a node: what a slider over the time needs.
package moment

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store/journal"
)

// Past says what the history holds; *past.Past has it.
type Past interface {
	Range() (from, to time.Time, err error)
	Merged() time.Time
}

// Journal says when something was wrong; *journal.Journal has it.
type Journal interface {
	Worst(ctx context.Context, under tree.Path, from, to time.Time, parts int, sees func(tree.Path) bool) (marks []journal.Mark, whole bool, err error)
}

// Options are the surroundings of the operation. All are needed.
type Options struct {
	Past    Past
	Journal Journal
	Guard   *grant.Guard
	// Problem makes answers of errors.
	Problem func(error) error
}

// API holds the operation; Register adds it.
type API struct{ o Options }

// New returns the operation.
func New(o Options) *API { return &API{o} }

// marks is how many parts the time is cut into.
const marks = 500

type input struct {
	Path string `query:"path" default:"/" maxLength:"1024" doc:"The node and everything below it."`
	From string `query:"from" maxLength:"40" format:"date-time" doc:"Where the marks begin, RFC 3339; where the history does when absent."`
	To   string `query:"to" maxLength:"40" format:"date-time" doc:"Where they end; now when absent."`
}

// Moments is the answer of GET /api/v1/moments.
type Moments struct {
	From   string  `json:"from" format:"date-time" doc:"The earliest moment that can be shown."`
	To     string  `json:"to" format:"date-time" doc:"The latest: now, by the clock of the server."`
	Merged string  `json:"merged_until,omitempty" format:"date-time" doc:"Before that, moments are known in steps of five minutes."`
	Step   float64 `json:"step_seconds" doc:"How much of the time one mark stands for."`
	Marks  []Mark  `json:"marks" doc:"The worst change of each step, oldest first; steps without one are left out."`
	Some   bool    `json:"some,omitempty" doc:"There were so many changes that only some of each step were looked at."`
}

// Mark is the worst change of status within a step.
type Mark struct {
	Time    string `json:"time" format:"date-time" doc:"When it happened: a moment that shows it."`
	Path    string `json:"path"`
	To      string `json:"to" enum:"white,green,yellow,red"`
	Changes int    `json:"changes" doc:"How many there were within the step."`
}

type output struct {
	CacheControl string `header:"Cache-Control"`
	Body         Moments
}

// Register adds the operation to an API.
func (a *API) Register(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-moments", Method: http.MethodGet, Path: "/api/v1/moments",
		Summary: "Which moments can be shown", Tags: []string{"history"},
		Description: "From when to when the history holds the whole tree, and when statuses changed at and below a node: the worst change of each of 500 steps at most.",
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.get)
}

func (a *API) get(ctx context.Context, in *input) (*output, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return nil, a.o.Problem(err)
	}
	who := grant.Of(ctx)
	sees, err := a.sees(who, path)
	if err != nil {
		return nil, a.o.Problem(err)
	}
	from, to, err := a.o.Past.Range()
	if err != nil {
		return nil, a.o.Problem(err)
	}
	out := &output{CacheControl: "no-store", Body: Moments{From: stamp(from), To: stamp(to), Marks: []Mark{}}}
	if merged := a.o.Past.Merged(); !merged.IsZero() {
		out.Body.Merged = stamp(merged)
	}
	begin, end := from, to
	if begin, err = read("from", in.From, begin); err != nil {
		return nil, err
	}
	if end, err = read("to", in.To, end); err != nil {
		return nil, err
	}
	if !begin.Before(end) {
		return nil, huma.NewError(http.StatusBadRequest, fmt.Sprintf("from %s is not before to %s", stamp(begin), stamp(end)))
	}
	// What the history does not hold has no marks.
	if begin.Before(from) {
		begin = from
	}
	if end.After(to) {
		end = to
	}
	out.Body.Step = max(end.Sub(begin).Seconds(), 0) / marks
	if !begin.Before(end) {
		return out, nil
	}
	found, whole, err := a.o.Journal.Worst(ctx, path, begin, end, marks, sees)
	if err != nil {
		return nil, a.o.Problem(err)
	}
	out.Body.Some = !whole
	for _, m := range found {
		out.Body.Marks = append(out.Body.Marks, Mark{Time: stamp(m.Time), Path: m.Path.String(), To: m.To.String(), Changes: m.Changes})
	}
	return out, nil
}

// sees says which nodes count for somebody; nil is all. What is hidden is not there.
func (a *API) sees(who *grant.Subject, path tree.Path) (func(tree.Path) bool, error) {
	if who.RemembersAll(path) {
		return nil, nil
	}
	scope := a.o.Guard.Scope(who)
	sees := func(p tree.Path) bool { return a.o.Guard.Remembers(who, p) || scope.There(p) != grant.Hidden }
	if !sees(path) {
		return nil, a.o.Guard.Missing(who, path)
	}
	return sees, nil
}

// read reads a parameter that is a time.
func read(name, text string, absent time.Time) (time.Time, error) {
	if text == "" {
		return absent, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, huma.NewError(http.StatusBadRequest, fmt.Sprintf("%s: %.40q is no time such as 2026-03-01T12:00:00Z", name, text))
	}
	return at, nil
}

// stamp writes a time as all of the REST interface does.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
