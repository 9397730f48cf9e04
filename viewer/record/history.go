package record

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/history"
	"grove/tree/store/journal"
)

// Bounds of an answer.
const (
	DefaultPoints = 600
	MaxPoints     = 5000
)

type historyInput struct {
	Path   string `query:"path" required:"true" maxLength:"1024" doc:"Path of the node." example:"/shop/web1/Answer/Response time"`
	From   string `query:"from" default:"-1h" maxLength:"40" doc:"Beginning: RFC 3339, or how long ago: -1h, -24h, -7d."`
	To     string `query:"to" default:"now" maxLength:"40" doc:"End, which is not part of it, in the same forms."`
	Points int    `query:"points" default:"600" minimum:"1" maximum:"5000" doc:"At most so many points; readings are merged to come to that."`
	Format string `query:"format" default:"json" enum:"json,csv" doc:"CSV has the points alone."`
}

// Series is the history of a node.
type Series struct {
	Path       string  `json:"path"`
	Kind       string  `json:"kind,omitempty" doc:"Of the node, if it is there now."`
	Unit       string  `json:"unit,omitempty" doc:"Of the values."`
	From       string  `json:"from" format:"date-time"`
	To         string  `json:"to" format:"date-time"`
	Step       float64 `json:"step_seconds" doc:"How long one point covers."`
	Merged     string  `json:"merged_until,omitempty" format:"date-time" doc:"Before that, readings were merged already when they were stored."`
	MergedStep float64 `json:"merged_step_seconds,omitempty" doc:"Into so long each."`
	Points     []Point `json:"points" doc:"Oldest first. A point without values is a gap: a line must break there. No readings between two points is no gap."`
	Statuses   []Band  `json:"statuses" doc:"Which status the node had when, oldest first, without holes."`
}

// Point is what the readings of one step come to.
type Point struct {
	Time  string   `json:"time" format:"date-time" doc:"Beginning of the step."`
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
	Avg   *float64 `json:"avg,omitempty"`
	Last  *float64 `json:"last,omitempty"`
	Count uint64   `json:"count" doc:"Readings; 0 is a gap."`
}

// Band is a time with one status.
type Band struct {
	From   string `json:"from" format:"date-time"`
	To     string `json:"to" format:"date-time"`
	Status string `json:"status" enum:"white,green,yellow,red"`
	Text   string `json:"text,omitempty" doc:"Why the node was white."`
}

func (a *API) registerHistory(api huma.API) {
	registry := api.OpenAPI().Components.Schemas
	huma.Register(api, huma.Operation{
		OperationID: "get-history", Method: http.MethodGet, Path: "/api/v1/history",
		Summary: "What a node was", Tags: []string{"history"},
		Description: "The readings of a node over a time, merged into at most so many points with their minimum, maximum and average, and the statuses that it had.",
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			"application/json": {Schema: huma.SchemaFromType(registry, typeOf[Series]())},
			"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
		}}},
	}, a.getHistory)
}

func (a *API) getHistory(ctx context.Context, in *historyInput) (*huma.StreamResponse, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return nil, a.Problem(err)
	}
	from, to, err := a.span(in.From, in.To)
	if err != nil {
		return nil, err
	}
	asks := grant.Of(ctx)
	if !a.Guard.Remembers(asks, path) {
		return a.wayHistory(ctx, in, path, from, to)
	}
	node, nodeErr := a.Tree.Node(path)
	s := seriesOf(path, from, to)
	if nodeErr == nil {
		s.Kind = node.Kind.String()
		if node.Spec != nil {
			s.Unit = node.Spec.Unit
		}
	}
	points, resolution, err := a.History.Points(ctx, path, from, to, in.Points)
	if err != nil {
		return nil, a.problem(err)
	}
	bands, err := a.Journal.Intervals(ctx, path, from, to)
	if err != nil {
		return nil, a.problem(err)
	}
	if nodeErr != nil && len(points) == 0 && len(bands) == 0 {
		return nil, a.Problem(a.Guard.Missing(asks, path)) // It is neither there nor remembered.
	}
	s.fill(points, resolution, bands)
	return s.answer(in.Format), nil
}

// wayHistory is the history of a group on the way to what somebody sees: its statuses
// alone. Of what is hidden there is none, as of what is not there.
func (a *API) wayHistory(ctx context.Context, in *historyInput, path tree.Path, from, to time.Time) (*huma.StreamResponse, error) {
	asks := grant.Of(ctx)
	node, err := a.Tree.Node(path)
	if err != nil || a.Guard.Scope(asks).There(path) != grant.Way {
		return nil, a.Problem(a.Guard.Missing(asks, path))
	}
	bands, err := a.Journal.Intervals(ctx, path, from, to)
	if err != nil {
		return nil, a.problem(err)
	}
	for i := range bands {
		bands[i].Text = ""
	}
	s := seriesOf(path, from, to)
	s.Kind = node.Kind.String()
	s.fill(nil, history.Resolution{Bucket: to.Sub(from) / time.Duration(in.Points)}, bands)
	return s.answer(in.Format), nil
}

func seriesOf(path tree.Path, from, to time.Time) *Series {
	return &Series{Path: path.String(), From: stamp(from), To: stamp(to), Points: []Point{}, Statuses: []Band{}}
}

func (s *Series) fill(points []history.Point, r history.Resolution, bands []journal.Interval) {
	s.Step = r.Bucket.Seconds()
	if !r.Merged.IsZero() {
		s.Merged, s.MergedStep = stamp(r.Merged), r.Step.Seconds()
	}
	for i := range points {
		p := &points[i]
		one := Point{Time: stamp(p.Time), Count: p.Count}
		if p.Count > 0 {
			one.Min, one.Max, one.Avg, one.Last = finite(p.Min), finite(p.Max), finite(p.Avg), finite(p.Last)
		}
		s.Points = append(s.Points, one)
	}
	for _, b := range bands {
		s.Statuses = append(s.Statuses, Band{From: stamp(b.From), To: stamp(b.To), Status: b.Status.String(), Text: b.Text})
	}
}

// finite is a value that JSON can say, or nil: an infinite reading has no place in a
// chart.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// answer writes the series in a format.
func (s *Series) answer(format string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Cache-Control", "no-store")
		if format == "csv" {
			ctx.SetHeader("Content-Type", "text/csv; charset=utf-8; header=present")
			ctx.SetHeader("Content-Disposition", `attachment; filename="history.csv"`)
			_, _ = ctx.BodyWriter().Write(s.csv()) // The client that is gone needs nothing.
			return
		}
		ctx.SetHeader("Content-Type", "application/json")
		_ = huma.DefaultJSONFormat.Marshal(ctx.BodyWriter(), s)
	}}
}

// csv writes the points as RFC 4180 has it. Nothing in it comes from outside, so that no
// cell needs to be defused.
func (s *Series) csv() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	_ = w.Write([]string{"time", "min", "max", "avg", "last", "count"})
	for _, p := range s.Points {
		_ = w.Write([]string{p.Time, number(p.Min), number(p.Max), number(p.Avg), number(p.Last), strconv.FormatUint(p.Count, 10)})
	}
	w.Flush() // A buffer takes everything.
	return b.Bytes()
}
