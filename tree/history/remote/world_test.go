package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	prom "github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledger is what was written: by series and time, the value. The series are those
// that the stores should have.
type ledger map[string]map[int64]float64

func (l ledger) add(series string, at int64, v float64) {
	if l[series] == nil {
		l[series] = map[int64]float64{}
	}
	l[series][at] = v
}

func (l ledger) len() int {
	n := 0
	for _, s := range l {
		n += len(s)
	}
	return n
}

// missing says what is in l and not, or otherwise, in got; and what is only there.
func (l ledger) missing(got ledger) []string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		for at, v := range l[name] {
			if w, ok := got[name][at]; !ok || v != w {
				said = append(said, fmt.Sprintf("%s at %d: %v, %v, want %v", name, at, ok, w, v))
			}
		}
	}
	for name, s := range got {
		for at := range s {
			if _, ok := l[name][at]; !ok {
				said = append(said, fmt.Sprintf("%s at %d was never written", name, at))
			}
		}
	}
	if len(said) > 5 {
		said = append(said[:5], fmt.Sprintf("and %d more", len(said)-5))
	}
	return said
}

// history is a store that writes a log, as the history does.
type history struct {
	*tsdb.DB
	t      testing.TB
	dir    string
	change func(*tsdb.Options)
	wrote  ledger
	next   int64 // time of the next round, Unix milliseconds
	step   int64
}

func newHistory(t testing.TB, change func(*tsdb.Options)) *history {
	t.Helper()
	h := &history{t: t, dir: filepath.Join(t.TempDir(), "raw"), change: change, wrote: ledger{}, step: 1000,
		next: time.Now().Add(-30 * time.Minute).Truncate(time.Second).UnixMilli()}
	h.open()
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func (h *history) open() {
	h.t.Helper()
	o := tsdb.DefaultOptions()
	o.OutOfOrderTimeWindow = (24 * time.Hour).Milliseconds()
	o.WALSegmentSize = 128 << 10
	if h.change != nil {
		h.change(o)
	}
	db, err := tsdb.Open(h.dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	db.DisableCompactions()
	h.DB = db
}

func (h *history) reopen() {
	h.t.Helper()
	if err := h.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open()
}

// write writes rounds of one sample in each of so many series.
func (h *history) write(rounds, series int) {
	h.t.Helper()
	for range rounds {
		a := h.Appender(context.Background())
		for i := range series {
			h.put(a, i, h.next, float64(h.next%100_000)+float64(i)/1000)
		}
		if err := a.Commit(); err != nil {
			h.t.Fatal(err)
		}
		h.next += h.step
	}
}

type appender interface {
	Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error)
}

func path(i int) string { return fmt.Sprintf("/shop/n%d", i) }

// sent are the labels that the stores get.
func sent(i int) labels.Labels {
	return labels.FromStrings("__name__", "x_seconds", "grove_manager", "m1", "path", path(i))
}

// put appends one sample, and to the ledger.
func (h *history) put(a appender, i int, at int64, v float64) {
	h.t.Helper()
	if _, err := a.Append(0, labels.FromStrings("__name__", "x_seconds", "path", path(i)), at, v); err != nil {
		h.t.Fatal(err)
	}
	h.wrote.add(path(i), at, v)
}

// session is one run of a writer.
type session struct {
	*Writer
	stop func()
}

func (h *history) options(targets ...Target) Options {
	return Options{WAL: filepath.Join(h.dir, "wal"), Dir: filepath.Join(filepath.Dir(h.dir), "remote"), Targets: targets,
		Labels: map[string]string{"grove_manager": "m1"}, Version: "test"}
}

// run starts a writer; it is stopped with the test at the latest.
func (h *history) run(o Options) *session {
	h.t.Helper()
	w, err := New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	s := &session{w, sync.OnceFunc(func() { cancel(); <-done })}
	h.t.Cleanup(s.stop)
	return s
}

// until waits for a condition; it looks often, and gives up late.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("in vain: %s", what)
		case <-tick.C:
		}
	}
}

// idle waits until everything that was written is taken or refused.
func (s *session) idle(t testing.TB, total int) {
	t.Helper()
	until(t, "everything is sent", func() bool {
		for _, st := range s.Stats() {
			if int(st.Sent+st.Failed+st.Repeated) < total || st.Behind != 0 {
				return false
			}
		}
		return true
	})
}

// receiver is Prometheus' own receiver of remote write over a store in this process.
type receiver struct {
	*httptest.Server
	db *tsdb.DB

	mu     sync.Mutex
	down   bool
	refuse func(*http.Request) int // a status to answer with; 0: none
	asked  []http.Header
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.OutOfOrderTimeWindow = (48 * time.Hour).Milliseconds()
	db, err := tsdb.Open(filepath.Join(t.TempDir(), "received"), slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.DisableCompactions()
	// The type of the list is of a module that is not ours to import.
	one := config.DefaultRemoteWriteConfig.ProtobufMessage
	two := one
	two = two[:0] + "io.prometheus.write.v2.Request"
	handler := prom.NewWriteHandler(slog.New(slog.DiscardHandler), nil, db, listOf(one, two), false, false, true)
	r := &receiver{db: db}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		down, refuse := r.down, r.refuse
		r.asked = append(r.asked, req.Header.Clone())
		r.mu.Unlock()
		status := 0
		if refuse != nil {
			status = refuse(req)
		}
		switch {
		case down:
			panic(http.ErrAbortHandler)
		case status != 0:
			http.Error(w, "not now", status)
		default:
			handler.ServeHTTP(w, req)
		}
	}))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(func() { r.Close(); _ = db.Close() })
	return r
}

func listOf[T any](all ...T) []T { return all }

func (r *receiver) set(change func(*receiver)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// received reads the store.
func (r *receiver) received(t testing.TB) ledger {
	t.Helper()
	q, err := r.db.Querier(0, 1<<60)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	got := ledger{}
	set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "grove_manager", "m1"))
	for set.Next() {
		s := set.At()
		it := s.Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			at, v := it.At()
			got.add(s.Labels().Get("path"), at, v)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

// ask reads raw samples of all series from a store's query interface.
func ask(t testing.TB, base string, at time.Time) (ledger, error) {
	t.Helper()
	q := url.Values{"query": {`x_seconds{grove_manager="m1"}[12h]`}, "time": {strconv.FormatInt(at.Unix(), 10)}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/query?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	// VictoriaMetrics shows what it took only after a while, unless it is asked to.
	if flushed, err := client.Get(base + "/internal/force_flush"); err == nil {
		_ = flushed.Body.Close()
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%w in %s", err, text)
	}
	got := ledger{}
	for _, s := range answer.Data.Result {
		for _, v := range s.Values {
			value, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				return nil, err
			}
			at := int64(v[0].(float64)*1000 + 0.5)
			if _, twice := got[s.Metric["path"]][at]; twice {
				return nil, fmt.Errorf("%v has two samples at %d", s.Metric, at)
			}
			got.add(s.Metric["path"], at, value)
		}
	}
	return got, nil
}

func said(problems []string) string { return strings.Join(problems, "\n") }
