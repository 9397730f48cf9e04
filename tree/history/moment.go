package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"grove/tree"
	"grove/tree/history/fold"
	"grove/tree/history/rollup"
	"grove/tree/history/shelf"
	"grove/tree/metric"
)

// LookBack is for how long a status that was recorded holds: as long as PromQL looks
// back, within which it is recorded again while the node is there.
const LookBack = 5 * time.Minute

// StatusAt is what was recorded of a node's status at a moment.
type StatusAt struct {
	Status tree.Status
	// Before is the status at the beginning of the step where samples are merged, and
	// the same as Status where they are not.
	Before tree.Status
	Last   tree.Status // the last that was not white, as far as it was looked back; White: not known
	Told   time.Time   // when it was recorded the last time
	Since  time.Time   // when it began, if that is within what was looked at
	// Renewed is when the node was gone the last time, if that is within what was looked
	// at: what its readings were before belongs to another node.
	Renewed time.Time
	Group   bool // what it was is counted below it
}

// StatusesAt returns what was recorded of each node, by the text of its path, that was
// there at a moment. Where samples are merged already, step is how many are one: which
// status a node had within the step is not known.
func (s *Store) StatusesAt(ctx context.Context, at time.Time) (statuses map[string]StatusAt, step time.Duration, err error) {
	t := millis(at)
	from, mint := s.raw, t-LookBack.Milliseconds()+1
	if border := s.border(); t < border || t-LookBack.Milliseconds() < border && t < s.mergedBefore(true) {
		step = rollup.Step
		from, mint = s.long, t-t%step.Milliseconds()-step.Milliseconds()
	}
	statuses = map[string]StatusAt{}
	name := labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, metric.Status)
	err = s.chunksAt(ctx, from, mint, t, func(of labels.Labels, samples *samplesAt) error {
		one, there, err := samples.status(mint, t, step.Milliseconds())
		if there {
			statuses[of.Get("path")] = one
		}
		return err
	}, name, withPath, hidden)
	if err != nil {
		return nil, 0, err
	}
	counted := labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, metric.GroupNodes)
	green := labels.MustNewMatcher(labels.MatchEqual, "status", tree.Green.String())
	err = s.chunksAt(ctx, from, mint, t, func(of labels.Labels, samples *samplesAt) error {
		newest, ok, err := samples.newest(t, false)
		if one, there := statuses[of.Get("path")]; there && ok && newest.at >= mint && !newest.gap {
			one.Group = true
			statuses[of.Get("path")] = one
		}
		return err
	}, counted, green, withPath, hidden)
	return statuses, step, err
}

// hidden leaves out what is kept beside averages.
var hidden = labels.MustNewMatcher(labels.MatchEqual, fold.Label, "")

// ReadingAt is the last reading that a node had at a moment.
type ReadingAt struct {
	Time   time.Time
	Value  float64 // in the unit of the metric
	Metric string  // under which it was kept
	Unit   string  // that the series says, if it does
	// Ended says that the series ended after it: the node turned white, or was gone.
	Ended bool
}

// MaxPathsAt bounds the paths for which ReadingsAt is asked by name.
const MaxPathsAt = 4096

// ReadingsAt returns the last reading of each node before a moment, by the text of its
// path, that is at most so long before it; zero is as long as readings are kept. With paths
// it looks for these alone.
func (s *Store) ReadingsAt(ctx context.Context, at time.Time, within time.Duration, paths ...string) (readings map[string]ReadingAt, err error) {
	if len(paths) > MaxPathsAt {
		return nil, fmt.Errorf("%w: %d nodes at most are asked for by name, not %d", ErrRange, MaxPathsAt, len(paths))
	}
	t, mint := millis(at), int64(0)
	if within > 0 {
		mint = t - within.Milliseconds()
	}
	readings = map[string]ReadingAt{}
	take := func(of labels.Labels, samples *samplesAt) error {
		newest, ok, err := samples.newest(t, true)
		path := of.Get("path")
		before, known := readings[path]
		if ok && newest.at >= mint && (!known || before.Time.UnixMilli() < newest.at) {
			readings[path] = ReadingAt{Time: time.UnixMilli(newest.at), Value: newest.v, Metric: of.Get(labels.MetricName), Unit: of.Get("unit"), Ended: newest.ended}
		}
		return err
	}
	if paths == nil {
		return readings, s.readingsAt(ctx, mint, t, take)
	}
	for part := range slices.Chunk(paths, forgetAtOnce) {
		quoted := make([]string, len(part))
		for i, path := range part {
			quoted[i] = regexp.QuoteMeta(path)
		}
		of, err := labels.NewMatcher(labels.MatchRegexp, "path", strings.Join(quoted, "|"))
		if err != nil {
			return nil, err
		}
		if err := s.readingsAt(ctx, mint, t, take, of); err != nil {
			return nil, err
		}
	}
	return readings, nil
}

// readingsAt reads both shelves, as far as they are needed.
func (s *Store) readingsAt(ctx context.Context, mint, t int64, take func(labels.Labels, *samplesAt) error, of ...*labels.Matcher) error {
	matchers := append([]*labels.Matcher{isValue, withPath, hidden}, of...)
	border := s.border()
	if mint < border {
		if err := s.chunksAt(ctx, s.long, mint, min(t, border-1), take, matchers...); err != nil {
			return err
		}
	}
	return s.chunksAt(ctx, s.raw, max(mint, border), t, take, matchers...)
}

// chunksAt yields the series of a selection with what is needed to read their samples
// before a time. Of each only the last chunks are read.
func (s *Store) chunksAt(ctx context.Context, from *shelf.Shelf, mint, t int64, yield func(labels.Labels, *samplesAt) error, matchers ...*labels.Matcher) (err error) {
	if mint > t {
		return nil
	}
	if err := s.ready(); err != nil {
		return err
	}
	q, err := from.ChunkQuerier(mint, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	// A chunk that lies across the end is taken as it is: to cut it would cost more than
	// to read it.
	set := q.Select(ctx, false, &storage.SelectHints{Start: mint, End: t, DisableTrimming: true}, matchers...)
	var samples samplesAt
	for n := 0; set.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		series := set.At()
		samples.before, samples.last = nil, nil
		chunks := series.Iterator(nil)
		for chunks.Next() {
			c := chunks.At()
			if c.MinTime > t {
				break
			}
			samples.before, samples.last = samples.last, c.Chunk
		}
		if err := chunks.Err(); err != nil {
			return err
		}
		if samples.last == nil {
			continue
		}
		if err := yield(series.Labels(), &samples); err != nil {
			return err
		}
	}
	return errors.Join(set.Err(), ctx.Err())
}

// samplesAt are the last chunks of a series that begin before a time, and their iterator,
// which is used again.
type samplesAt struct {
	before, last chunkenc.Chunk
	it           chunkenc.Iterator
}

// sampleAt is one of them.
type sampleAt struct {
	at    int64
	v     float64
	gap   bool
	ended bool // a gap follows
}

// each yields the samples of a chunk up to a time.
func (s *samplesAt) each(c chunkenc.Chunk, t int64, yield func(sampleAt)) error {
	s.it = c.Iterator(s.it)
	for s.it.Next() == chunkenc.ValFloat {
		at, v := s.it.At()
		if at > t {
			break
		}
		yield(sampleAt{at: at, v: v, gap: value.IsStaleNaN(v)})
	}
	return s.it.Err()
}

// newest is the last sample up to a time; with values a gap does not count.
func (s *samplesAt) newest(t int64, values bool) (newest sampleAt, ok bool, err error) {
	ended := false
	for _, c := range []chunkenc.Chunk{s.last, s.before} {
		if ok || err != nil || c == nil {
			break
		}
		gap := ended
		err = s.each(c, t, func(one sampleAt) {
			if gap = one.gap; !one.gap || !values {
				newest, ok = one, true
			}
		})
		ended = ended || gap
	}
	newest.ended = ended
	return newest, ok, err
}

// status reads a series of statuses.
func (s *samplesAt) status(mint, t, step int64) (one StatusAt, there bool, err error) {
	last := sampleAt{at: math.MinInt64, gap: true}
	var since int64 // of the value of last; 0: it was the first
	take := func(next sampleAt) {
		if math.IsNaN(next.v) && !next.gap || next.v > float64(tree.Red) {
			return // It is no status: somebody else wrote it.
		}
		switch {
		case next.gap:
			one.Renewed, since = time.UnixMilli(next.at), 0
		case last.gap && !one.Renewed.IsZero():
			since = next.at // It came back.
		case !last.gap && last.v != next.v:
			since = next.at
		}
		if status := tree.Status(max(next.v, 0)); !next.gap && status != tree.White {
			one.Last = status
		}
		// What merged samples were at the end of the step before is where this one begins.
		if !last.gap && last.at >= mint && step > 0 {
			one.Before = tree.Status(last.v)
		} else if !next.gap {
			one.Before = tree.Status(next.v)
		}
		last = next
	}
	if s.before != nil && step > 0 {
		err = s.each(s.before, t, take)
	}
	if err == nil {
		err = s.each(s.last, t, take)
	}
	if err != nil || last.gap || last.at < mint || step > 0 && last.at < t-t%step {
		return one, false, err
	}
	one.Status, one.Told = tree.Status(last.v), time.UnixMilli(last.at)
	if step == 0 {
		one.Before = one.Status
		if since != 0 {
			one.Since = time.UnixMilli(since)
		}
	}
	return one, true, nil
}
