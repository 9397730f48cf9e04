package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"grove/tree"
	"grove/tree/history/fold"
	"grove/tree/history/rollup"
	"grove/tree/metric"
)

// DefaultBuckets is how many points a chart needs, MaxBuckets the most that are made.
const (
	DefaultBuckets = 1000
	MaxBuckets     = 10_000
)

// ErrRange is wrapped by the refusal of a range of time.
var ErrRange = errors.New("invalid range of time")

// Point is what the readings of a node in one bucket of time come to, in the unit of
// the node. Where Count is 0 there is a gap: the values are NaN, and a line through the
// points must break there.
type Point struct {
	Time          time.Time // at which the bucket begins
	Min, Max, Avg float64
	Last          float64
	Count         uint64 // of readings
}

// Resolution says what points are made of.
type Resolution struct {
	Bucket time.Duration // width of a bucket
	// Merged is up to when the points are made of readings that were merged into
	// buckets of Step before; zero when none are.
	Merged time.Time
	Step   time.Duration
}

// Sample is one reading, in the unit of the node.
type Sample struct {
	Time  time.Time
	Value float64
	Gap   bool // from now on the node had no value, until the next sample
}

// Points merges the readings of the node at path from from up to before to into so many
// buckets of time at most; 0 is DefaultBuckets. Buckets without a reading are left out,
// but where the node was white, or silent for three times as long as is usual for it,
// there is one gap.
func (s *Store) Points(ctx context.Context, path tree.Path, from, to time.Time, buckets int) ([]Point, Resolution, error) {
	if buckets == 0 {
		buckets = DefaultBuckets
	}
	start, end := millis(from), millis(to)
	switch {
	case buckets < 1 || buckets > MaxBuckets:
		return nil, Resolution{}, fmt.Errorf("%w: 1 to %d buckets, not %d", ErrRange, MaxBuckets, buckets)
	case start >= end:
		return nil, Resolution{}, fmt.Errorf("%w: it ends at %s, before it begins at %s", ErrRange, to.Format(time.RFC3339), from.Format(time.RFC3339))
	case start < 0:
		return nil, Resolution{}, fmt.Errorf("%w: it begins before 1970", ErrRange)
	}
	// Buckets lie where they would for another range of the same length, so that a
	// chart that moves on does not flicker. The first can begin before the range.
	width := max((end-start+int64(max(buckets-1, 1))-1)/int64(max(buckets-1, 1)), 1)
	if buckets == 1 {
		width = end // one that has everything
	}
	c := collection{width: width, first: start / width, buckets: make([]bucketOf, (end-1)/width-start/width+1)}
	border := s.mergedBefore(width >= 2*rollup.Step.Milliseconds())
	res := Resolution{Bucket: time.Duration(width) * time.Millisecond, Step: rollup.Step}
	if border > start {
		res.Merged = time.UnixMilli(min(border, end))
	}
	err := errors.Join(
		s.gather(ctx, s.long, path, start, min(end, border)-1, func(m merged) { m.long = true; c.add(m) }),
		s.gather(ctx, s.raw, path, max(start, border), end-1, c.add),
	)
	if err != nil {
		return nil, Resolution{}, fmt.Errorf("history of %s: %w", path, err)
	}
	return c.points(), res, nil
}

// mergedBefore is the time before which merged readings are read: as far as there are
// any for wide buckets, and otherwise only where there is nothing else.
func (s *Store) mergedBefore(wide bool) int64 {
	until := s.long.Newest()
	if rolled := s.keeping.rolled.Load(); rolled > 0 {
		until = min(until, rolled) // What is beyond is there in part only.
	}
	if oldest, ok := s.raw.Oldest(); ok && !wide {
		step := rollup.Step.Milliseconds()
		until = min((oldest+step-1)/step*step, until)
	}
	return until
}

// merged is one sample with what may be kept beside it.
type merged struct {
	at               int64
	avg, min, max, n float64
	gap, long        bool
}

// gather yields the samples of a node from mint to maxt, by series; nothing when the
// range is empty.
func (s *Store) gather(ctx context.Context, from storage.Queryable, path tree.Path, mint, maxt int64, yield func(merged)) (err error) {
	if mint > maxt {
		return nil
	}
	if err := s.ready(); err != nil {
		return err
	}
	q, err := from.Querier(mint, maxt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	series, err := s.seriesOf(ctx, q, path)
	if err != nil {
		return err
	}
	for _, f := range series {
		if err := f.each(ctx, yield); err != nil {
			return err
		}
	}
	return nil
}

// family is one series of a node with those beside it.
type family struct {
	unscale          func(float64) float64
	avg, min, max, n chunkenc.Iterator
}

// seriesOf finds the series of the readings of a node: one, unless its metric had
// another name or unit once.
func (s *Store) seriesOf(ctx context.Context, q storage.Querier, path tree.Path) ([]*family, error) {
	var spec *tree.Spec
	if t := s.tree.Load(); t != nil {
		if n, err := t.Node(path); err == nil {
			spec = n.Spec
		}
	}
	of := labels.MustNewMatcher(labels.MatchEqual, "path", path.String())
	set := q.Select(ctx, false, nil, of, isValue)
	found := map[uint64]*family{}
	var list []*family
	b := labels.NewBuilder(labels.EmptyLabels())
	for set.Next() {
		series := set.At()
		which := series.Labels().Get(fold.Label)
		b.Reset(series.Labels())
		b.Del(fold.Label)
		hash := b.Labels().Hash()
		f := found[hash]
		if f == nil {
			f = &family{unscale: unscale(series.Labels().Get(labels.MetricName), spec)}
			found[hash] = f
			list = append(list, f)
		}
		it := series.Iterator(nil)
		switch which {
		case fold.Min:
			f.min = it
		case fold.Max:
			f.max = it
		case fold.Count:
			f.n = it
		default:
			f.avg = it
		}
	}
	return list, set.Err()
}

// unscale returns what makes values of the node's unit of those in the base unit that
// the name of their metric says.
func unscale(name string, spec *tree.Spec) func(float64) float64 {
	if spec == nil || name == metric.Value {
		return func(v float64) float64 { return v }
	}
	_, scale := metric.BaseUnit(name, spec.Unit)
	return scale.Back
}

// checkEvery is how many samples are read before somebody asks whether they are still
// wanted.
const checkEvery = 1 << 14

func (f *family) each(ctx context.Context, yield func(merged)) error {
	if f.avg == nil {
		return nil
	}
	k := 0
	for kind := f.avg.Next(); kind != chunkenc.ValNone; kind = f.avg.Next() {
		if k++; k%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if kind == chunkenc.ValFloat {
			yield(f.at())
		}
	}
	return f.avg.Err()
}

// at is the sample that avg is at.
func (f *family) at() merged {
	at, v := f.avg.At()
	if value.IsStaleNaN(v) {
		return merged{at: at, avg: math.NaN(), gap: true}
	}
	m := merged{at: at, n: 1}
	m.avg = f.unscale(v)
	m.min, m.max = m.avg, m.avg
	if n, ok := besideAt(f.n, at); ok && n >= 1 {
		m.n = n
	}
	if v, ok := besideAt(f.min, at); ok {
		m.min = f.unscale(v)
	}
	if v, ok := besideAt(f.max, at); ok {
		m.max = f.unscale(v)
	}
	return m
}

// besideAt is the value that it has at a time; times only rise.
func besideAt(it chunkenc.Iterator, at int64) (v float64, ok bool) {
	if it == nil || it.Seek(at) != chunkenc.ValFloat {
		return 0, false
	}
	t, v := it.At()
	return v, t == at && !value.IsStaleNaN(v)
}

// Last is the newest reading of the node at path; ok is false when there is none. It can
// be merged of several when it is old.
func (s *Store) Last(ctx context.Context, path tree.Path) (last Sample, ok bool, err error) {
	now := millis(s.opts.Now())
	newest := merged{at: math.MinInt64}
	take := func(m merged) {
		if !m.gap && m.at >= newest.at {
			newest = m
		}
	}
	for _, from := range []int64{now - time.Hour.Milliseconds(), now - (24 * time.Hour).Milliseconds(), 0} {
		if err := s.gather(ctx, s.raw, path, from, now+tree.MaxAhead.Milliseconds(), take); err != nil {
			return Sample{}, false, fmt.Errorf("history of %s: %w", path, err)
		}
		if newest.at != math.MinInt64 {
			return Sample{Time: time.UnixMilli(newest.at), Value: newest.avg}, true, nil
		}
	}
	if err := s.gather(ctx, s.long, path, 0, now, take); err != nil {
		return Sample{}, false, fmt.Errorf("history of %s: %w", path, err)
	}
	if newest.at == math.MinInt64 {
		return Sample{}, false, nil
	}
	return Sample{Time: time.UnixMilli(newest.at), Value: newest.avg}, true, nil
}

// Samples yields the readings of the node at path as they are kept, from from up to
// before to, in the order of time: before the time up to which they are kept as they
// came, the averages of five minutes. An error ends it.
func (s *Store) Samples(ctx context.Context, path tree.Path, from, to time.Time) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		border := s.mergedBefore(false)
		start, end := max(millis(from), 0), millis(to)
		more, err := s.ordered(ctx, s.long, path, start, min(end, border)-1, yield)
		if more && err == nil {
			_, err = s.ordered(ctx, s.raw, path, max(start, border), end-1, yield)
		}
		if err != nil {
			yield(Sample{}, fmt.Errorf("history of %s: %w", path, err))
		}
	}
}

// ordered yields the samples of all series of a node in the order of time; more is
// false when no more are wanted.
func (s *Store) ordered(ctx context.Context, from storage.Queryable, path tree.Path, mint, maxt int64, yield func(Sample, error) bool) (more bool, err error) {
	if mint > maxt {
		return true, nil
	}
	if err := s.ready(); err != nil {
		return true, err
	}
	q, err := from.Querier(mint, maxt)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	all, err := s.seriesOf(ctx, q, path)
	if err != nil {
		return true, err
	}
	var heads []*family // those that have a next sample
	advance := func(f *family) (bool, error) {
		if f.avg == nil {
			return false, nil
		}
		return f.avg.Next() == chunkenc.ValFloat, f.avg.Err()
	}
	for _, f := range all {
		ok, err := advance(f)
		if err != nil {
			return true, err
		}
		if ok {
			heads = append(heads, f)
		}
	}
	for k := 0; len(heads) > 0; k++ {
		if k%checkEvery == checkEvery-1 && ctx.Err() != nil {
			return true, ctx.Err()
		}
		next := 0
		for i := range heads {
			if heads[i].avg.AtT() < heads[next].avg.AtT() {
				next = i
			}
		}
		f := heads[next]
		m := f.at()
		if !yield(Sample{Time: time.UnixMilli(m.at), Value: m.avg, Gap: m.gap}, nil) {
			return false, nil
		}
		ok, err := advance(f)
		if err != nil {
			return true, err
		}
		if !ok {
			heads = append(heads[:next], heads[next+1:]...)
		}
	}
	return true, nil
}
