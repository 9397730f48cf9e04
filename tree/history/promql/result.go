package promql

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"
)

// Label is a name with a value.
type Label struct{ Name, Value string }

// Labels identify a series; they are sorted by name, and the name of the metric is
// "__name__" among them.
type Labels []Label

// Point is a value at a time.
type Point struct {
	Time  int64 // Unix time in milliseconds
	Value float64
}

// Series is what a range query returns of one series: rising points, with gaps.
type Series struct {
	Labels Labels
	Points []Point
}

// Type says of which form a result is.
type Type string

// The forms of results.
const (
	Matrix Type = "matrix"
	Vector Type = "vector"
	Scalar Type = "scalar"
	String Type = "string"
)

// Result is the answer to a query.
type Result struct {
	Type Type
	// Series is the answer of the types Matrix and Vector; of a Vector each has one point.
	Series []Series
	// Scalar is the answer of the type Scalar, and has the time of a String.
	Scalar Point
	Text   string // the answer of the type String
	// Warnings and Infos tell of what may be wrong with the query, or with the answer.
	Warnings, Infos []string
	// Stats are there when they were asked for.
	Stats *Stats
}

// Stats tell what a query cost. Times are in seconds.
type Stats struct {
	Evaluation, Sorting, Preparation, Inner, Queued, Total float64
	// SamplesRead were read from the store, SamplesQueried counts them for every
	// step that needed them, SamplesPeak is how many were in memory at once.
	SamplesRead, SamplesQueried int64
	SamplesPeak                 int
}

// annotationsShown bounds the warnings, and the infos, that an answer has.
const annotationsShown = 10

func texts(a annotations.Annotations, query string) (warnings, infos []string) {
	return a.AsStrings(query, annotationsShown, annotationsShown)
}

// copier copies labels out of the store, whose strings last only as long as what
// they were read with. Names repeat, so that one copy of each is enough.
type copier map[string]string

func (c copier) labels(from labels.Labels) Labels {
	to := make(Labels, 0, from.Len())
	from.Range(func(l labels.Label) {
		name, ok := c[l.Name]
		if !ok {
			name = strings.Clone(l.Name)
			c[name] = name
		}
		to = append(to, Label{name, strings.Clone(l.Value)})
	})
	return to
}

// result copies what the engine found. Values that are no numbers, which are native
// histograms, cannot come out of a store that holds numbers only.
func result(r *promql.Result, limit int) (*Result, bool) {
	out, c, cut := &Result{}, copier{}, false
	switch v := r.Value.(type) {
	case promql.Matrix:
		out.Type = Matrix
		if limit > 0 && len(v) > limit {
			v, cut = v[:limit], true
		}
		out.Series = make([]Series, len(v))
		for i, s := range v {
			points := make([]Point, len(s.Floats))
			for j, p := range s.Floats {
				points[j] = Point{p.T, p.F}
			}
			out.Series[i] = Series{c.labels(s.Metric), points}
		}
	case promql.Vector:
		out.Type = Vector
		if limit > 0 && len(v) > limit {
			v, cut = v[:limit], true
		}
		out.Series = make([]Series, 0, len(v))
		points := make([]Point, 0, len(v))
		for _, s := range v {
			if s.H != nil {
				continue
			}
			points = append(points, Point{s.T, s.F})
			out.Series = append(out.Series, Series{c.labels(s.Metric), points[len(points)-1 : len(points) : len(points)]})
		}
	case promql.Scalar:
		out.Type, out.Scalar = Scalar, Point{v.T, v.V}
	case promql.String:
		out.Type, out.Scalar, out.Text = String, Point{Time: v.T}, strings.Clone(v.V)
	}
	return out, cut
}
