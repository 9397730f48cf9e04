package app

import (
	"context"
	"log/slog"
	"time"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/history/remote"
	"grove/tree/metric"
)

// longAgo is the history with what is older than anything kept here, read back from the
// store that remote write fills.
type longAgo struct {
	*history.Store
	tree   *tree.Tree
	reader *remote.Reader // nil: nothing is read back
	log    *slog.Logger
}

// Points is that of the history. When the store cannot be asked, what is kept here is
// the answer: a chart with its newer half beats none.
func (l *longAgo) Points(ctx context.Context, path tree.Path, from, to time.Time, buckets int) ([]history.Point, history.Resolution, error) {
	border := l.oldest()
	if l.reader == nil || border.IsZero() || !from.Before(border) {
		return l.Store.Points(ctx, path, from, to, buckets)
	}
	if buckets <= 0 {
		buckets = history.DefaultBuckets
	}
	border = earlier(border, to)
	far := l.far(ctx, path, from, border, share64(buckets, border.Sub(from), to.Sub(from)))
	if !border.Before(to) {
		return far, history.Resolution{Bucket: to.Sub(from) / time.Duration(buckets), Merged: to, Step: to.Sub(from) / time.Duration(buckets)}, nil
	}
	near, resolution, err := l.Store.Points(ctx, path, border, to, max(buckets-len(far), 1))
	return append(far, near...), resolution, err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// share64 is the part of n that belongs to a part of a time, at least 1.
func share64(n int, part, whole time.Duration) int {
	return max(int(float64(n)*float64(part)/float64(whole)), 1)
}

// oldest is from when on anything is kept here; zero when nothing is.
func (l *longAgo) oldest() time.Time {
	s := l.Store.Stats()
	switch {
	case s.OldestMerged.IsZero():
		return s.Oldest
	case s.Oldest.IsZero():
		return s.OldestMerged
	}
	return earlier(s.Oldest, s.OldestMerged)
}

// far asks the store, in whose base unit the values are.
func (l *longAgo) far(ctx context.Context, path tree.Path, from, to time.Time, buckets int) []history.Point {
	n, err := l.tree.Node(path)
	if err != nil || n.Kind == tree.Group {
		return nil // What a node that is gone was called is not known.
	}
	series := metric.SeriesOf(path, n.Spec)
	points, err := l.reader.Points(ctx, series, from, to, buckets)
	if err != nil {
		l.log.Warn("what is older than the history could not be read back", "path", path.String(), "error", err)
		return nil
	}
	out := make([]history.Point, len(points))
	back := series.Scale.Back
	for i, p := range points {
		out[i] = history.Point{Time: p.Time, Min: back(p.Min), Max: back(p.Max), Avg: back(p.Avg), Last: back(p.Last), Count: uint64(max(p.Count, 0))}
	}
	return out
}
