package promql

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
)

// open returns the store as far as whoever asks sees it, within a scope. What is hidden is
// left out of every selection below the engine, so that it is in no result, count, name or
// warning, whatever the question is.
func (e *Engine) open(ctx context.Context, scope Scope) (storage.Queryable, error) {
	q, err := restrict(e.opts.Store, scope)
	if err != nil {
		return nil, err
	}
	if s := grant.Of(ctx); !s.Whole(grant.Viewer) {
		q = &guarded{q, e.opts.Guard, s}
	}
	return q, nil
}

// guarded is a store of which somebody sees a part.
type guarded struct {
	storage.Queryable
	guard   *grant.Guard
	subject *grant.Subject
}

func (g *guarded) Querier(from, to int64) (storage.Querier, error) {
	q, err := g.Queryable.Querier(from, to)
	if err != nil {
		return nil, err
	}
	return &guardedQuerier{
		Querier: q, sight: &sight{guard: g.guard, subject: g.subject, scope: g.guard.Scope(g.subject), paths: map[string]seen{}},
		from: from, to: to,
	}, nil
}

// seen is what somebody sees of the series of a path.
type seen struct{ values, status, counts bool }

// sight says which series somebody sees, for one question.
type sight struct {
	guard   *grant.Guard
	subject *grant.Subject
	scope   *grant.Scope
	paths   map[string]seen // what was found out before
}

// sees says whether a series is seen. One without a path belongs to the whole manager. A
// status is also that of a group on the way to what is seen. Counts are those of all that
// was below a group, so that they are for those who see all of it at any time.
func (s *sight) sees(l labels.Labels) bool {
	text := l.Get(pathLabel)
	if text == "" {
		return false
	}
	known, ok := s.paths[text]
	if !ok {
		if p, err := tree.ParsePath(text); err == nil {
			known.values = s.guard.Remembers(s.subject, p)
			known.status = known.values || s.scope.There(p) == grant.Way
			known.counts = s.subject.RemembersAll(p)
		}
		s.paths[strings.Clone(text)] = known // The store's own lasts only as long as the series.
	}
	switch l.Get(labels.MetricName) {
	case metric.Status, metric.State:
		return known.status
	case metric.GroupNodes:
		return known.counts
	}
	return known.values
}

type guardedQuerier struct {
	storage.Querier
	sight    *sight
	from, to int64
}

// Select implements storage.Querier. The limit of a hint is about what is seen, which the
// store does not know.
func (q *guardedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	if hints != nil && hints.Limit > 0 {
		all := *hints
		all.Limit = 0
		hints = &all
	}
	return &guardedSet{q.Querier.Select(ctx, sorted, hints, m...), q.sight}
}

type guardedSet struct {
	storage.SeriesSet
	sight *sight
}

// Next implements storage.SeriesSet.
func (s *guardedSet) Next() bool {
	for s.SeriesSet.Next() {
		if s.sight.sees(s.At().Labels()) {
			return true
		}
	}
	return false
}

// hasPath holds for what can be seen at all: a selection needs a matcher.
var hasPath = labels.MustNewMatcher(labels.MatchNotEqual, pathLabel, "")

// each goes over the labels of the series that match and are seen.
func (q *guardedQuerier) each(ctx context.Context, m []*labels.Matcher, yield func(labels.Labels)) (annotations.Annotations, error) {
	set := q.Select(ctx, false, &storage.SelectHints{Start: q.from, End: q.to, Func: "series"}, append(slices.Clone(m), hasPath)...)
	for n := 0; set.Next(); n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		yield(set.At().Labels())
	}
	return set.Warnings(), set.Err()
}

// LabelValues implements storage.Querier.
func (q *guardedQuerier) LabelValues(ctx context.Context, name string, _ *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	found := map[string]struct{}{}
	notes, err := q.each(ctx, m, func(l labels.Labels) {
		if v := l.Get(name); v != "" {
			if _, known := found[v]; !known {
				found[strings.Clone(v)] = struct{}{}
			}
		}
	})
	return slices.Sorted(maps.Keys(found)), notes, err
}

// LabelNames implements storage.Querier.
func (q *guardedQuerier) LabelNames(ctx context.Context, _ *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	found := map[string]struct{}{}
	notes, err := q.each(ctx, m, func(l labels.Labels) {
		l.Range(func(one labels.Label) {
			if _, known := found[one.Name]; !known {
				found[strings.Clone(one.Name)] = struct{}{}
			}
		})
	})
	return slices.Sorted(maps.Keys(found)), notes, err
}
