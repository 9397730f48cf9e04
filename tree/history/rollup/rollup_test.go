package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"grove/tree/history/fold"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database has the given samples: by series, times in seconds and values.
func database(t *testing.T, samples map[string][][2]float64) *tsdb.DB {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	app := db.Appender(t.Context())
	for name, list := range samples {
		of := labels.FromStrings(labels.MetricName, "v", "path", name)
		if name[0] == '_' { // a series beside another: _min/a
			of = labels.FromStrings(labels.MetricName, "v", "path", name[4:], fold.Label, name[1:4])
			if name[1:4] == "cnt" {
				of = labels.FromStrings(labels.MetricName, "v", "path", name[4:], fold.Label, fold.Count)
			}
		}
		if name[0] == '!' {
			of = labels.FromStrings(labels.MetricName, "grove_node_status", "path", name[1:])
		}
		for _, s := range list {
			if _, err := app.Append(0, of, int64(s[0]*1000), s[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	return db
}

// written lists what is in the blocks of a directory.
func written(t *testing.T, dir string) map[string][]string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "0*"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, name := range blocks {
		b, err := tsdb.OpenBlock(nil, name, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		q, err := tsdb.NewBlockQuerier(b, math.MinInt64, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		set := q.Select(context.Background(), true, nil, every)
		for set.Next() {
			it := set.At().Iterator(nil)
			for it.Next() != chunkenc.ValNone {
				at, v := it.At()
				key := set.At().Labels().String()
				got[key] = append(got[key], fmt.Sprintf("%d=%v", at/1000, v))
			}
		}
		if err := set.Err(); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if rest, _ := filepath.Glob(filepath.Join(dir, "scratch-*")); len(rest) > 0 {
		t.Errorf("scratch files are left: %v", rest)
	}
	return got
}

func TestWrite(t *testing.T) {
	stale := math.Float64frombits(value.StaleNaN)
	for name, c := range map[string]struct {
		samples map[string][][2]float64
		want    map[string][]string
	}{
		"nothing": {nil, map[string][]string{}},
		"each step for itself, and only those of the window": {
			map[string][][2]float64{"/a": {{10, 1}, {7200, 4}, {7210, 2}, {7499.999, 9}, {7500, 7}, {10800, 3}, {14399, 5}, {14400, 8}}},
			map[string][]string{
				`{__name__="v", path="/a"}`:                   {"7200=5", "7500=7", "10800=3", "14100=5"},
				`{__fold__="min", __name__="v", path="/a"}`:   {"7200=2", "7500=7", "10800=3", "14100=5"},
				`{__fold__="max", __name__="v", path="/a"}`:   {"7200=9", "7500=7", "10800=3", "14100=5"},
				`{__fold__="count", __name__="v", path="/a"}`: {"7200=3", "7500=1", "10800=1", "14100=1"},
			},
		},
		"without staleness markers": {
			map[string][][2]float64{"/a": {{7200, 4}, {7210, stale}, {7500, stale}}, "/b": {{7300, stale}}},
			map[string][]string{
				`{__name__="v", path="/a"}`:                   {"7200=4"},
				`{__fold__="min", __name__="v", path="/a"}`:   {"7200=4"},
				`{__fold__="max", __name__="v", path="/a"}`:   {"7200=4"},
				`{__fold__="count", __name__="v", path="/a"}`: {"7200=1"},
			},
		},
		"of what was merged before, by number": {
			map[string][][2]float64{
				"/a": {{7200, 4}, {7260, 10}}, "_min/a": {{7200, 1}, {7260, 10}}, "_max/a": {{7200, 5}, {7260, 10}}, "_cnt/a": {{7200, 5}, {7260, 1}},
			},
			map[string][]string{
				`{__name__="v", path="/a"}`:                   {"7200=5"},
				`{__fold__="min", __name__="v", path="/a"}`:   {"7200=1"},
				`{__fold__="max", __name__="v", path="/a"}`:   {"7200=10"},
				`{__fold__="count", __name__="v", path="/a"}`: {"7200=6"},
			},
		},
		"the last of a status": {
			map[string][][2]float64{"!/a": {{7200, 1}, {7210, 3}, {7220, 1}}},
			map[string][]string{
				`{__name__="grove_node_status", path="/a"}`:                   {"7200=1"},
				`{__fold__="min", __name__="grove_node_status", path="/a"}`:   {"7200=1"},
				`{__fold__="max", __name__="grove_node_status", path="/a"}`:   {"7200=3"},
				`{__fold__="count", __name__="grove_node_status", path="/a"}`: {"7200=3"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := database(t, c.samples)
			dir := filepath.Join(t.TempDir(), "blocks")
			if err := Write(t.Context(), db, dir, 7_200_000, 14_400_000, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, written(t, dir)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestManySeries needs more than one block.
func TestManySeries(t *testing.T) {
	const n = 500
	samples := map[string][][2]float64{}
	for i := range n {
		samples[fmt.Sprint("/", i)] = [][2]float64{{7300, float64(i)}}
	}
	db := database(t, samples)
	dir := t.TempDir()
	if err := write(t.Context(), db, dir, 7_200_000, 14_400_000, 400, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if got := written(t, dir); len(got) != 4*n {
		t.Errorf("%d series, want %d", len(got), 4*n)
	}
	if blocks, _ := filepath.Glob(filepath.Join(dir, "0*")); len(blocks) != 2 {
		t.Errorf("%d blocks, want 2", len(blocks))
	}
}

func TestFailuresLeaveNothingBehind(t *testing.T) {
	db := database(t, map[string][][2]float64{"/a": {{7200, 1}}})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if err := Write(t.Context(), db, file, 7_200_000, 14_400_000, log); err == nil {
		t.Error("blocks were written into a file")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	cancel()
	dir := t.TempDir()
	if err := Write(ctx, db, dir, 7_200_000, 14_400_000, log); err == nil {
		t.Error("it went on without its context")
	}
	if got := written(t, dir); len(got) > 0 {
		t.Errorf("%v", got)
	}
	broken := storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return nil, os.ErrClosed })
	if err := Write(t.Context(), broken, dir, 7_200_000, 14_400_000, log); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
