package history

import (
	"context"
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"grove/tree/history/fold"
)

// Queryable is what PromQL reads: the readings as they came as far back as they are
// kept, and before that the averages of five minutes each. A query gets ErrNotReady
// while the log is replayed.
func (s *Store) Queryable() storage.Queryable { return fold.Hide(storage.QueryableFunc(s.querier)) }

// border is the time from which the readings are there as they came.
func (s *Store) border() int64 {
	oldest, ok := s.raw.Oldest()
	if !ok {
		return math.MaxInt64
	}
	return oldest
}

func (s *Store) querier(mint, maxt int64) (storage.Querier, error) {
	s.mu.Lock()
	st, err := s.state, s.readyLocked()
	s.mu.Unlock()
	if st != open && st != refusing {
		return nil, err
	}
	border := s.border()
	parts := []clipped{}
	add := func(from storage.Queryable, mint, maxt int64) error {
		if mint > maxt {
			return nil
		}
		q, err := from.Querier(mint, maxt)
		if err == nil {
			parts = append(parts, clipped{q, mint, maxt})
		}
		return err
	}
	if err := errors.Join(add(s.raw, max(mint, border), maxt), add(s.long, mint, min(maxt, border-1))); err != nil {
		for _, p := range parts {
			err = errors.Join(err, p.Close())
		}
		return nil, err
	}
	queriers := make([]storage.Querier, len(parts))
	for i, p := range parts {
		queriers[i] = p
	}
	return storage.NewMergeQuerier(queriers, nil, storage.ChainedSeriesMerge), nil
}

// clipped is a querier whose selections stay in its range whatever their hints say.
type clipped struct {
	storage.Querier
	mint, maxt int64
}

func (q clipped) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if hints != nil {
		h := *hints
		h.Start, h.End = max(h.Start, q.mint), min(h.End, q.maxt)
		h.DisableTrimming = false
		if h.Start > h.End {
			return storage.EmptySeriesSet()
		}
		hints = &h
	}
	return q.Querier.Select(ctx, sorted, hints, matchers...)
}
