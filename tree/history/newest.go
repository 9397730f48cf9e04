package history

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"grove/tree"
	"grove/tree/history/fold"
	"grove/tree/metric"
)

// Newest returns the newest reading of each node by the text of its path, in its unit: what
// Last says, for all in one walk that have one within so long of the newest of all. Of each
// series only the newest samples are read.
func (s *Store) Newest(ctx context.Context, within time.Duration) (newest map[string]Sample, err error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	latest, ok := s.raw.Latest()
	if !ok {
		return nil, nil
	}
	latest = min(latest, millis(s.opts.Now().Add(tree.MaxAhead)))
	q, err := s.raw.ChunkQuerier(latest-within.Milliseconds(), latest)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	newest = map[string]Sample{}
	set := q.Select(ctx, false, nil, isValue, withPath, labels.MustNewMatcher(labels.MatchEqual, fold.Label, ""))
	var it chunkenc.Iterator
	for n := 0; set.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		series := set.At()
		last, end := chunkenc.Chunk(nil), int64(math.MinInt64)
		chunks := series.Iterator(nil)
		for chunks.Next() {
			if c := chunks.At(); c.MaxTime >= end {
				last, end = c.Chunk, c.MaxTime
			}
		}
		if err := chunks.Err(); err != nil {
			return nil, err
		}
		if last == nil {
			continue
		}
		it = last.Iterator(it)
		at, v, found := int64(0), 0.0, false
		for it.Next() == chunkenc.ValFloat {
			if t, x := it.At(); !value.IsStaleNaN(x) {
				at, v, found = t, x, true
			}
		}
		path := series.Labels().Get("path")
		if before, ok := newest[path]; it.Err() != nil || !found || ok && before.Time.UnixMilli() > at {
			continue
		}
		if name := series.Labels().Get(labels.MetricName); name != metric.Value {
			v = s.unscaled(name, path, v)
		}
		newest[path] = Sample{Time: time.UnixMilli(at), Value: v}
	}
	return newest, set.Err()
}

var withPath = labels.MustNewMatcher(labels.MatchNotEqual, "path", "")

// unscaled is a value of a metric in the unit of the node that it belongs to.
func (s *Store) unscaled(name, path string, v float64) float64 {
	p, err := tree.ParsePath(path)
	t := s.tree.Load()
	if err != nil || t == nil {
		return v
	}
	n, err := t.Node(p)
	if err != nil {
		return v
	}
	return unscale(name, n.Spec)(v)
}
