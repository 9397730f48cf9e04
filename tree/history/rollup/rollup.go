// Package rollup merges samples into five minutes each, for the long run: a block with
// the average, the least, the greatest and the number of each series (package fold).
//
// A window of time is written anew from the samples themselves, and the same samples
// make the same block, so that it does not matter when a window is written twice.
package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"grove/tree/history/fold"
	"grove/tree/metric"
)

// Step is how much time is merged. A merged sample has the time at which it begins.
const Step = 5 * time.Minute

// shard is how many series are written as one block: it bounds the memory, since a
// block is put together there.
const shard = 20_000

// Write merges the samples of all series from from up to before to, Unix milliseconds and
// whole steps, into blocks in dir, which is made when there is something to write. It
// needs room for scratch files at dir.
func Write(ctx context.Context, raw storage.Queryable, dir string, from, to int64, log *slog.Logger) error {
	return write(ctx, raw, dir, from, to, shard, log)
}

func write(ctx context.Context, raw storage.Queryable, dir string, from, to int64, shard int, log *slog.Logger) (err error) {
	q, err := raw.Querier(from, to-1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	w := &writer{ctx: ctx, q: q, dir: dir, from: from, to: to, shard: shard, log: log}
	defer func() { err = errors.Join(err, w.drop()) }()
	if err := w.findFolded(); err != nil {
		return err
	}
	set := q.Select(ctx, false, nil, every, main)
	var it chunkenc.Iterator
	for set.Next() {
		series := set.At()
		it = series.Iterator(it)
		if err := w.series(series.Labels(), it); err != nil {
			return fmt.Errorf("merge %s: %w", series.Labels(), err)
		}
	}
	if err := set.Err(); err != nil {
		return err
	}
	return w.flush()
}

var (
	every = labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".+")
	main  = labels.MustNewMatcher(labels.MatchEqual, fold.Label, "")
)

// bucket is what the samples of one step come to.
type bucket struct {
	start                    int64
	least, most, sum, n, end float64 // end is the last
}

type writer struct {
	ctx      context.Context
	q        storage.Querier
	dir      string
	from, to int64
	shard    int
	log      *slog.Logger
	folded   map[uint64]struct{} // hashes of the series that have others beside them

	head    *tsdb.Head // of the block in the making
	scratch string
	inHead  int
	buckets []bucket
}

// findFolded finds the series that were merged already when they were kept.
func (w *writer) findFolded() error {
	w.folded = map[uint64]struct{}{}
	set := w.q.Select(w.ctx, false, nil, every, labels.MustNewMatcher(labels.MatchEqual, fold.Label, fold.Count))
	b := labels.NewBuilder(labels.EmptyLabels())
	for set.Next() {
		b.Reset(set.At().Labels())
		b.Del(fold.Label)
		w.folded[b.Labels().Hash()] = struct{}{}
	}
	return set.Err()
}

// series merges one series.
func (w *writer) series(of labels.Labels, it chunkenc.Iterator) error {
	w.buckets = w.buckets[:0]
	if _, ok := w.folded[of.Hash()]; ok {
		if err := w.mergeFolded(of, it); err != nil {
			return err
		}
	} else if err := each(it, func(at int64, v float64) {
		b := w.bucket(at)
		b.least, b.most = min(b.least, v), max(b.most, v)
		b.sum, b.n, b.end = b.sum+v, b.n+1, v
	}); err != nil {
		return err
	}
	if len(w.buckets) == 0 {
		return nil
	}
	// The number of a status means nothing between two of them.
	name := of.Get(labels.MetricName)
	return w.write(of, name == metric.Status || name == metric.GroupNodes)
}

// bucket is the one of a time; times rise.
func (w *writer) bucket(at int64) *bucket {
	start := at - at%Step.Milliseconds()
	if k := len(w.buckets) - 1; k >= 0 && w.buckets[k].start == start {
		return &w.buckets[k]
	}
	w.buckets = append(w.buckets, bucket{start: start, least: math.Inf(1), most: math.Inf(-1)})
	return &w.buckets[len(w.buckets)-1]
}

// each yields the samples but not the staleness markers.
func each(it chunkenc.Iterator, yield func(at int64, v float64)) error {
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if kind != chunkenc.ValFloat {
			continue
		}
		if at, v := it.At(); !value.IsStaleNaN(v) {
			yield(at, v)
		}
	}
	return it.Err()
}

// mergeFolded merges the averages of a series by their number, and takes the others
// from the series beside it.
func (w *writer) mergeFolded(of labels.Labels, it chunkenc.Iterator) error {
	beside := map[string]map[int64]float64{}
	for _, which := range []string{fold.Min, fold.Max, fold.Count} {
		samples := map[int64]float64{}
		beside[which] = samples
		var matchers []*labels.Matcher
		fold.Of(of, which).Range(func(l labels.Label) {
			matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
		})
		set := w.q.Select(w.ctx, false, nil, matchers...)
		for set.Next() {
			if !labels.Equal(set.At().Labels(), fold.Of(of, which)) {
				continue // It has labels that this one has not.
			}
			if err := each(set.At().Iterator(nil), func(at int64, v float64) { samples[at] = v }); err != nil {
				return err
			}
		}
		if err := set.Err(); err != nil {
			return err
		}
	}
	return each(it, func(at int64, v float64) {
		n, ok := beside[fold.Count][at]
		if !ok {
			n = 1
		}
		least, ok := beside[fold.Min][at]
		if !ok {
			least = v
		}
		most, ok := beside[fold.Max][at]
		if !ok {
			most = v
		}
		b := w.bucket(at)
		b.least, b.most = min(b.least, least), max(b.most, most)
		b.sum, b.n, b.end = b.sum+v*n, b.n+n, v
	})
}

// write adds what a series came to to the block.
func (w *writer) write(of labels.Labels, last bool) error {
	if w.head == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	app := w.head.Appender(w.ctx)
	var refs [4]storage.SeriesRef
	names := [...]labels.Labels{of, fold.Of(of, fold.Min), fold.Of(of, fold.Max), fold.Of(of, fold.Count)}
	for _, b := range w.buckets {
		middle := b.sum / b.n
		if last {
			middle = b.end
		}
		for k, v := range [...]float64{middle, b.least, b.most, b.n} {
			ref, err := app.Append(refs[k], names[k], b.start, v)
			if err != nil {
				return errors.Join(err, app.Rollback())
			}
			refs[k] = ref
		}
	}
	if err := app.Commit(); err != nil {
		return err
	}
	if w.inHead++; w.inHead >= w.shard {
		return w.flush()
	}
	return nil
}

// begin makes the head that a block is put together in. It has no log.
func (w *writer) begin() (err error) {
	if err := os.MkdirAll(w.dir, 0o750); err != nil {
		return err
	}
	if w.scratch, err = os.MkdirTemp(w.dir, "scratch-"); err != nil {
		return err
	}
	o := tsdb.DefaultHeadOptions()
	// A series may begin half a range before where the one written before it ended.
	o.ChunkRange, o.ChunkDirRoot = 2*(w.to-w.from), w.scratch
	head, err := tsdb.NewHead(nil, w.log, nil, nil, o, tsdb.NewHeadStats())
	if err != nil {
		return err
	}
	w.head = head
	return head.Init(math.MinInt64)
}

// flush writes the block.
func (w *writer) flush() error {
	if w.head == nil {
		return nil
	}
	c, err := tsdb.NewLeveledCompactor(w.ctx, nil, w.log, []int64{w.to - w.from}, chunkenc.NewPool(), nil)
	if err != nil {
		return err
	}
	if _, err := c.Write(w.dir, w.head, w.from, w.to, nil); err != nil {
		return err
	}
	return w.drop()
}

// drop gives up the head.
func (w *writer) drop() error {
	if w.scratch == "" {
		return nil
	}
	var err error
	if w.head != nil {
		err = w.head.Close()
	}
	err = errors.Join(err, os.RemoveAll(w.scratch))
	w.head, w.scratch, w.inHead = nil, "", 0
	return err
}
