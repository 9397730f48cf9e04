package promql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// Find asks for what there is in a range of time.
type Find struct {
	// Matching are selectors such as `up{path="/shop"}`: what matches any of them is
	// found. Series needs one; labels without any are those of everything.
	Matching []string
	From, To time.Time // the store looks up what blocks of this time hold; both included
	// Limit cuts the answer, with a warning; zero gives all, up to MaxFound.
	Limit int
	Scope Scope
}

// found bounds an answer to the limit of the question.
func (f *Find) limit() int {
	if f.Limit <= 0 || f.Limit > MaxFound {
		return MaxFound
	}
	return f.Limit
}

// matchers reads the selectors. Each must name something, or it would find all.
func (e *Engine) matchers(texts []string) ([][]*labels.Matcher, error) {
	if len(texts) > MaxSelectors {
		return nil, fmt.Errorf("%d selectors, and %d is the bound", len(texts), MaxSelectors)
	}
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	if size > MaxQueryBytes {
		return nil, fmt.Errorf("the selectors have %d bytes, and %d is the bound", size, MaxQueryBytes)
	}
	sets, err := e.parser.ParseMetricSelectors(texts)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if !slices.ContainsFunc(set, func(m *labels.Matcher) bool { return m != nil && !m.Matches("") }) {
			return nil, errors.New("match[] must contain at least one non-empty matcher")
		}
	}
	return sets, nil
}

// querier opens the store for the time and scope of a question.
func (e *Engine) querier(ctx context.Context, f *Find) (storage.Querier, error) {
	store, err := e.open(ctx, f.Scope)
	if err != nil {
		return nil, err
	}
	q, err := store.Querier(f.From.UnixMilli(), f.To.UnixMilli())
	if err != nil {
		return nil, classify(err)
	}
	return q, nil
}

// Series returns the labels of the series that match, and warnings.
func (e *Engine) Series(ctx context.Context, f Find) ([]Labels, []string, error) {
	if len(f.Matching) == 0 {
		return nil, nil, &Error{BadData, errors.New("no match[] parameter provided")}
	}
	sets, err := e.matchers(f.Matching)
	if err != nil {
		return nil, nil, badParameter("match[]", err)
	}
	ctx, end, err := e.begin(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	defer end()
	q, err := e.querier(ctx, &f)
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	limit := f.limit()
	// Without its own times, such a hint finds nothing.
	hints := &storage.SelectHints{Start: f.From.UnixMilli(), End: f.To.UnixMilli(), Func: "series", Limit: limit + 1}
	several := len(sets) > 1
	all := make([]storage.SeriesSet, len(sets))
	for i, m := range sets {
		all[i] = q.Select(ctx, several, hints, m...) // Merging needs them sorted.
	}
	set := all[0]
	if several {
		set = storage.NewMergeSeriesSet(all, 0, storage.ChainedSeriesMerge)
	}
	found, c, cut := []Labels{}, copier{}, false
	for set.Next() {
		if len(found) == limit {
			cut = true
			break
		}
		if len(found)%256 == 0 && ctx.Err() != nil {
			return nil, nil, classify(ctx.Err())
		}
		found = append(found, c.labels(set.At().Labels()))
	}
	if err := set.Err(); err != nil {
		return nil, nil, classify(err)
	}
	return found, warnings(set.Warnings(), cut), nil
}

func warnings(a annotations.Annotations, cut bool) []string {
	w, _ := texts(a, "")
	if cut {
		w = append(w, truncated)
	}
	return w
}

// LabelNames returns the sorted names of labels, and warnings.
func (e *Engine) LabelNames(ctx context.Context, f Find) ([]string, []string, error) {
	return e.strings(ctx, f, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, h, m...)
	})
}

// LabelValues returns the sorted values of a label, and warnings.
func (e *Engine) LabelValues(ctx context.Context, name string, f Find) ([]string, []string, error) {
	if name == "" || len(name) > MaxQueryBytes || strings.ToValidUTF8(name, "") != name {
		return nil, nil, &Error{BadData, fmt.Errorf("invalid label name: %q", clip(name))}
	}
	return e.strings(ctx, f, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, h, m...)
	})
}

// clip bounds what a message repeats.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

type lookup func(context.Context, storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)

// strings collects what a lookup finds for any of the selectors.
func (e *Engine) strings(ctx context.Context, f Find, look lookup) ([]string, []string, error) {
	sets, err := e.matchers(f.Matching)
	if err != nil {
		return nil, nil, &Error{BadData, err}
	}
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	ctx, end, err := e.begin(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	defer end()
	q, err := e.querier(ctx, &f)
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	limit := f.limit()
	var notes annotations.Annotations
	found := []string{}
	for _, m := range sets {
		some, a, err := look(ctx, q, &storage.LabelHints{Limit: limit + 1}, m)
		if err != nil {
			return nil, nil, classify(err)
		}
		notes.Merge(a)
		for _, s := range some {
			found = append(found, strings.Clone(s)) // The store's own lasts as long as q.
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	cut := len(found) > limit
	return found[:min(len(found), limit)], warnings(notes, cut), nil
}
