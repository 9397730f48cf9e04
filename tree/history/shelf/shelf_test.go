package shelf

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func standing(t *testing.T, dir string, change func(*Options)) *Shelf {
	t.Helper()
	o := Options{Dir: dir, BlockRange: 2 * time.Hour, MaxBlockRange: 2 * time.Hour, OutOfOrder: time.Hour, Segment: 1 << 20, MaxSeries: 100, MinFree: 1}
	if change != nil {
		change(&o)
	}
	s := New(o)
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func named(name string) *Series { return &Series{Labels: labels.FromStrings(labels.MetricName, name)} }

// hour is the time of samples: so many hours after a round one.
func hour(h float64) int64 { return 1_772_000_000_000/7_200_000*7_200_000 + int64(h*3_600_000) }

// kept lists "hours=value" of a series.
func kept(t *testing.T, s *Shelf, name string) (list []string) {
	t.Helper()
	q, err := s.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, name))
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			at, v := it.At()
			list = append(list, fmt.Sprintf("%v=%v", float64(at-hour(0))/3_600_000, v))
		}
	}
	return list
}

func TestOutcomes(t *testing.T) {
	s := standing(t, t.TempDir(), func(o *Options) { o.MaxSeries = 2 })
	a, b, c, none := named("a"), named("b"), named("c"), &Series{}
	for name, step := range []struct {
		batch []Sample
		want  Outcome
	}{
		{[]Sample{{a, hour(10), 1}, {b, hour(10), 1}}, Outcome{Taken: 2}},
		{[]Sample{{a, hour(10), 1}, {a, hour(10), 2}}, Outcome{Taken: 1, Duplicate: 1}},
		{[]Sample{{a, hour(9.5), 0}, {a, hour(8), 0}}, Outcome{Taken: 1, Late: 1}},
		{[]Sample{{c, hour(10), 1}, {none, hour(10), 1}}, Outcome{Limited: 1, Invalid: 1}},
		{nil, Outcome{}},
	} {
		got, err := s.Append(t.Context(), step.batch)
		if err != nil || got != step.want {
			t.Errorf("step %d: %+v %v, want %+v", name, got, err, step.want)
		}
	}
	if diff := cmp.Diff([]string{"9.5=0", "10=1"}, kept(t, s, "a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReopenGivesNewReferences(t *testing.T) {
	dir := t.TempDir()
	s := standing(t, dir, nil)
	a, b := named("a"), named("b")
	if _, err := s.Append(t.Context(), []Sample{{a, hour(10), 1}, {b, hour(10), 2}}); err != nil {
		t.Fatal(err)
	}
	// The log loses the series, so that their references go to others.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(wlog.SegmentName(s.logs()[0], 0), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []Sample{{b, hour(11), 3}, {a, hour(11), 4}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"a": {"11=4"}, "b": {"11=3"}} {
		if diff := cmp.Diff(want, kept(t, s, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestBlocksAreMadeAndDeleted(t *testing.T) {
	until := int64(0)
	s := standing(t, t.TempDir(), func(o *Options) { o.Obsolete = func(_, maxt int64) bool { return maxt <= until } })
	a := named("a")
	for h := range 12 {
		if _, err := s.Append(t.Context(), []Sample{{a, hour(float64(h)), float64(h)}}); err != nil {
			t.Fatal(err)
		}
	}
	if oldest, ok := s.Oldest(); !ok || oldest != hour(0) {
		t.Errorf("oldest %d, want %d", oldest, hour(0))
	}
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if len(st.Blocks) != 4 || st.Blocks[0].Min != hour(0) || st.Blocks[0].Max != hour(2) || st.Bytes == 0 || st.Series != 1 {
		t.Errorf("%+v", st)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Newest() != hour(11)+1 {
		t.Errorf("newest %d, want %d", s.Newest(), hour(11)+1)
	}
	until = hour(4)
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if oldest, _ := s.Oldest(); oldest != hour(4) {
		t.Errorf("oldest %d, want %d", oldest, hour(4))
	}
	if err := s.Delete(t.Context(), hour(5), hour(9), labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "a")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"4=4", "10=10", "11=11"}, kept(t, s, "a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClosedShelf(t *testing.T) {
	s := standing(t, t.TempDir(), nil)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, appended := s.Append(t.Context(), nil)
	_, asked := s.Querier(0, 1)
	for name, err := range map[string]error{"append": appended, "querier": asked, "sync": s.Sync(), "maintain": s.Maintain(t.Context())} {
		if !errors.Is(err, ErrNotOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := s.Oldest(); ok || s.Newest() != 0 || s.Series() != 0 {
		t.Error("a closed shelf has samples")
	}
}

func TestAPanicIsTheEndOfTheShelfOnly(t *testing.T) {
	s := standing(t, t.TempDir(), nil)
	db := s.db
	defer func() { _ = db.Close() }()
	if err := s.guard(func() error { panic("no space left on device") }); !errors.Is(err, ErrBroken) {
		t.Errorf("got %v", err)
	}
	_, appended := s.Append(t.Context(), []Sample{{named("a"), hour(1), 1}})
	_, asked := s.Querier(0, 1)
	for name, err := range map[string]error{"append": appended, "querier": asked, "sync": s.Sync(), "reopen": s.Reopen()} {
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type notified chan struct{}

func (n notified) Notify() {
	select {
	case n <- struct{}{}:
	default:
	}
}

func TestWhoFollowsTheLogIsTold(t *testing.T) {
	s := standing(t, t.TempDir(), nil)
	told := make(notified, 1)
	s.SetWriteNotified(told)
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []Sample{{named("a"), hour(1), 1}}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	default:
		t.Error("nobody was told")
	}
}

// TestFlushWithLateSamples makes blocks of what is in memory while there are late ones.
func TestFlushWithLateSamples(t *testing.T) {
	s := standing(t, t.TempDir(), func(o *Options) { o.OutOfOrder = 24 * time.Hour })
	a, b := named("a"), named("b")
	if _, err := s.Append(t.Context(), []Sample{{a, hour(5), 1}, {b, hour(5), 1}, {a, hour(6), 2}, {a, hour(2), 0}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2=0", "5=1", "6=2"}, kept(t, s, "a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(s.Stats().Blocks); n != 3 {
		t.Errorf("%d blocks, not one for each two hours", n)
	}
}
