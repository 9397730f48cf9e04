// Package fold says how readings that were merged are kept: as the series of their
// averages, which has the name and labels of the readings themselves, and beside it
// series of the least, the greatest and the number, which have one more label.
// PromQL does not see those unless a query names the label.
package fold

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// Label tells the series beside the averages apart. Names that begin with two
// underscores are for internal use ("Data model", prometheus.io/docs/concepts), so no
// definition can give a node this label.
const Label = "__fold__"

// The values of Label; the averages do not have it.
const (
	Min   = "min"
	Max   = "max"
	Count = "count"
)

// Of returns the labels of the series that is kept beside the averages.
func Of(average labels.Labels, which string) labels.Labels {
	b := labels.NewBuilder(average)
	b.Set(Label, which)
	return b.Labels()
}

// hidden is the matcher of series that are not beside others.
var hidden = labels.MustNewMatcher(labels.MatchEqual, Label, "")

// Hide returns a queryable without the series beside the averages, except for
// queries with a matcher for Label.
func Hide(q storage.Queryable) storage.Queryable {
	return storage.QueryableFunc(func(mint, maxt int64) (storage.Querier, error) {
		inner, err := q.Querier(mint, maxt)
		if err != nil {
			return nil, err
		}
		return querier{inner}, nil
	})
}

type querier struct{ storage.Querier }

func restrict(matchers []*labels.Matcher) []*labels.Matcher {
	if slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name == Label }) {
		return matchers
	}
	return append(slices.Clip(matchers), hidden)
}

func (q querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return q.Querier.Select(ctx, sorted, hints, restrict(matchers)...)
}

// LabelValues does not say that Label is there. What the other labels have is the
// same beside the averages, so that they need not be left out.
func (q querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if name == Label {
		return nil, nil, nil
	}
	return q.Querier.LabelValues(ctx, name, hints, matchers...)
}

func (q querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names, notes, err := q.Querier.LabelNames(ctx, hints, matchers...)
	return slices.DeleteFunc(names, func(n string) bool { return n == Label }), notes, err
}
