package remote

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// tail reads samples from the log in the order in which they were written, from a
// position on. It is for one goroutine.
type tail struct {
	spool *spool
	// choose returns the labels that a series is sent with, or false.
	choose func(labels.Labels) (labels.Labels, bool)
	log    *slog.Logger

	at      position
	series  map[chunks.HeadSeriesRef]labels.Labels // that are sent
	base    int                                    // the newest checkpoint that series was read from
	segment *wlog.Segment
	reader  *wlog.LiveReader
	decoder record.Decoder
	began   []record.RefSeries
	values  []record.RefSample
	lost    int // segments that were no longer there, or could not be read to their end
}

// liveMetrics are nobody's; the library wants some.
var liveMetrics = wlog.NewLiveReaderMetrics(nil)

// errBehind says that the log goes on where the tail cannot follow.
var errBehind = errors.New("the log does not hold the position")

// open goes to a position. Segments that are not there any more are skipped, and
// counted in t.lost.
func (t *tail) open(p position) error {
	t.close()
	segments, err := t.spool.segments()
	if err != nil {
		return err
	}
	if len(segments) == 0 {
		return fmt.Errorf("%w: it is empty", errBehind)
	}
	if first := segments[0]; p.Segment < first {
		t.lost += first - p.Segment
		p = position{Segment: first}
	}
	if p.Segment > segments[len(segments)-1] {
		// Another log stands in its place: everything in it is new.
		p = position{Segment: segments[0]}
	}
	if err := t.loadSeries(p, segments); err != nil {
		return err
	}
	return t.enter(p)
}

// loadSeries reads the labels of all series that began before a segment.
func (t *tail) loadSeries(p position, segments []int) error {
	t.series = map[chunks.HeadSeriesRef]labels.Labels{}
	t.base = -1
	checkpoints, err := numbered(t.spool.dir, checkpointPrefix)
	if err != nil {
		return err
	}
	// A number stands for the same series in all of them, so that the later ones do no
	// harm, and help when segments were dropped.
	for _, n := range checkpoints {
		dir := checkpointName(t.spool.dir, n)
		parts, err := numbered(dir, "")
		if err != nil {
			return err
		}
		for _, part := range parts {
			if err := t.scan(wlog.SegmentName(dir, part)); err != nil {
				return err
			}
		}
		t.base = n
	}
	for _, n := range segments {
		if n < p.Segment {
			if err := t.scan(wlog.SegmentName(t.spool.dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan reads the series of a finished file.
func (t *tail) scan(file string) error {
	s, err := wlog.OpenReadSegment(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // The spool dropped it in the meantime.
	}
	if err != nil {
		return err
	}
	defer s.Close()
	r := wlog.NewLiveReader(t.log, liveMetrics, s)
	t.decoder = record.NewDecoder(labels.NewSymbolTable(), t.log)
	for r.Next() {
		if err := t.note(r.Record()); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		t.log.Warn("remote write: a file of the log is damaged; what follows in it is left out", "file", file, "error", err)
	}
	return nil
}

// note keeps the series that a record begins, if it is one of these.
func (t *tail) note(rec []byte) error {
	if t.decoder.Type(rec) != record.Series {
		return nil
	}
	var err error
	if t.began, err = t.decoder.Series(rec, t.began[:0]); err != nil {
		return fmt.Errorf("read the series of the log: %w", err)
	}
	for _, s := range t.began {
		if l, ok := t.choose(s.Labels); ok {
			t.series[s.Ref] = l
		}
	}
	return nil
}

// enter opens the segment of a position and reads up to it.
func (t *tail) enter(p position) error {
	s, err := wlog.OpenReadSegment(wlog.SegmentName(t.spool.dir, p.Segment))
	if err != nil {
		return err
	}
	t.segment, t.reader = s, wlog.NewLiveReader(t.log, liveMetrics, s)
	t.decoder = record.NewDecoder(labels.NewSymbolTable(), t.log)
	t.at = position{Segment: p.Segment}
	for t.at.Offset < p.Offset && t.reader.Next() {
		if err := t.note(t.reader.Record()); err != nil {
			return err
		}
		t.at.Offset = t.reader.Offset()
	}
	return nil
}

func (t *tail) close() {
	if t.segment != nil {
		_ = t.segment.Close()
		t.segment = nil
	}
}

// sample is a value of a series that is sent.
type sample struct {
	ref    chunks.HeadSeriesRef
	labels labels.Labels
	time   int64 // Unix milliseconds
	value  float64
}

// maxRecords bounds what one call of next reads, when little of it is sent.
const maxRecords = 10_000

// next appends samples until there are about as many as wanted, or no more in the
// log, which is the second result. What was returned stands before t.at.
func (t *tail) next(into []sample, want int) ([]sample, bool, error) {
	for n := 0; n < maxRecords && len(into) < want; n++ {
		if t.reader.Next() {
			var err error
			if into, err = t.take(into); err != nil {
				return into, false, err
			}
			t.at.Offset = t.reader.Offset()
			continue
		}
		err := t.reader.Err()
		damaged := err != nil && !errors.Is(err, io.EOF)
		segments, err2 := t.spool.segments()
		if err2 != nil {
			return into, false, err2
		}
		following := -1
		for _, n := range segments {
			if n > t.at.Segment {
				following = n
				break
			}
		}
		if following < 0 {
			if damaged {
				return into, true, fmt.Errorf("read the log: %w", err)
			}
			return into, true, nil
		}
		// A segment is finished before the next one begins: what was written between
		// the two looks is read now.
		if !damaged && t.reader.Next() {
			if into, err = t.take(into); err != nil {
				return into, false, err
			}
			t.at.Offset = t.reader.Offset()
			continue
		}
		if damaged {
			t.lost++
			t.log.Warn("remote write: a segment of the log is damaged; what follows in it is left out", "segment", t.at.Segment, "error", err)
		}
		t.lost += following - t.at.Segment - 1
		if err := t.follow(position{Segment: following}); err != nil {
			return into, false, err
		}
	}
	return into, false, nil
}

// follow goes on to the next segment. After a new checkpoint it forgets the series
// that ended.
func (t *tail) follow(p position) error {
	t.close()
	checkpoints, err := numbered(t.spool.dir, checkpointPrefix)
	if err != nil {
		return err
	}
	if n := len(checkpoints); n > 0 && checkpoints[n-1] > t.base && checkpoints[n-1] < p.Segment {
		segments, err := t.spool.segments()
		if err != nil {
			return err
		}
		if err := t.loadSeries(p, segments); err != nil {
			return err
		}
	}
	return t.enter(p)
}

// take appends the samples of the record that was read last.
func (t *tail) take(into []sample) ([]sample, error) {
	rec := t.reader.Record()
	switch t.decoder.Type(rec) {
	case record.Series:
		return into, t.note(rec)
	case record.Samples, record.SamplesV2:
	default:
		return into, nil // Numbers are all that the history holds.
	}
	var err error
	if t.values, err = t.decoder.Samples(rec, t.values[:0]); err != nil {
		return into, fmt.Errorf("read the samples of the log: %w", err)
	}
	for _, v := range t.values {
		if l, ok := t.series[v.Ref]; ok {
			into = append(into, sample{v.Ref, l, v.T, v.V})
		}
	}
	return into, nil
}
