package promql

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"grove/tree"
)

// pathLabel is the label that holds the path of a node.
const pathLabel = "path"

// Scope are the subtrees that a question may see: their series, and nothing that has
// no path. Nil sees everything, and so does a Scope that holds the root; a Scope
// without paths sees nothing.
type Scope []tree.Path

// errNothing refuses a question whose Scope holds no path.
var errNothing = errors.New("there is nothing that this question may see")

// matchers returns the matchers that keep a question inside.
func (s Scope) matchers() ([]*labels.Matcher, error) {
	if s == nil {
		return nil, nil
	}
	if len(s) == 0 {
		return nil, &Error{Execution, errNothing}
	}
	var pattern strings.Builder
	for i, p := range s {
		if p.IsRoot() {
			return nil, nil
		}
		if i > 0 {
			pattern.WriteByte('|')
		}
		// A subtree is its root and what continues with a slash. Paths escape the
		// slashes in names, so that no other node begins like this.
		quoted := regexp.QuoteMeta(p.String())
		pattern.WriteString(quoted + "|" + quoted + "/.*")
	}
	m, err := labels.NewMatcher(labels.MatchRegexp, pathLabel, pattern.String())
	if err != nil {
		return nil, &Error{Internal, err}
	}
	return []*labels.Matcher{m}, nil
}

// restrict returns q as far as the scope sees it.
func restrict(q storage.Queryable, s Scope) (storage.Queryable, error) {
	m, err := s.matchers()
	if err != nil || len(m) == 0 {
		return q, err
	}
	return &restricted{q, m}, nil
}

type restricted struct {
	storage.Queryable
	matchers []*labels.Matcher
}

func (r *restricted) Querier(from, to int64) (storage.Querier, error) {
	q, err := r.Queryable.Querier(from, to)
	if err != nil {
		return nil, err
	}
	return &restrictedQuerier{q, r.matchers}, nil
}

type restrictedQuerier struct {
	storage.Querier
	matchers []*labels.Matcher
}

// with returns the matchers of a call and those of the scope. The slice of the call
// is the engine's and stays as it is.
func (r *restrictedQuerier) with(m []*labels.Matcher) []*labels.Matcher {
	return append(append(make([]*labels.Matcher, 0, len(m)+len(r.matchers)), m...), r.matchers...)
}

func (r *restrictedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	return r.Querier.Select(ctx, sorted, hints, r.with(m)...)
}

func (r *restrictedQuerier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return r.Querier.LabelValues(ctx, name, hints, r.with(m)...)
}

func (r *restrictedQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return r.Querier.LabelNames(ctx, hints, r.with(m)...)
}
