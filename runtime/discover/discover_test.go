package discover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
	"grove/tree/definition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// saved is a store in memory.
type saved struct {
	mu    sync.Mutex
	items map[string]string
	err   error
}

func (s *saved) All(context.Context) (items []Item, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		items = append(items, Item{name, s.items[name]})
	}
	return items, s.err
}

func (s *saved) Change(_ context.Context, put []Item, take []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, name := range take {
		delete(s.items, name)
	}
	for _, i := range put {
		s.items[i.Name] = i.Text
	}
	return nil
}

// source is a probe whose table is set by the test.
type source struct {
	rows []string // "key" or "key=port"
	err  error
	down bool
	none bool // no table at all
}

func (s *source) Attributes() []beans.AttributeInfo { return nil }
func (s *source) Target() string                    { return "" }
func (s *source) Close() error                      { return nil }

func (s *source) Run(context.Context) (probe.Result, error) {
	var r probe.Result
	r.Add("up", tree.Bool(!s.down))
	if s.down {
		r.Text("error", "no such host")
	}
	if s.none {
		return r, s.err
	}
	t := probe.Table{Attribute: "targets", Columns: []string{"address", "port", "seen"}}
	for n, text := range s.rows {
		key, port, _ := strings.Cut(text, "=")
		t.Rows = append(t.Rows, []tree.Value{tree.Text(key), tree.Text(port), tree.Number(float64(time.Now().UnixNano() + int64(n)))})
	}
	r.Tables = append(r.Tables, t)
	return r, s.err
}

func plan(keep time.Duration, most int) *definition.Discovery {
	return &definition.Discovery{Name: "shop", Table: "targets", Key: "address", Columns: []string{"address", "port"}, Keep: keep, Most: most}
}

// stage is a Hub with one discovery.
type stage struct {
	*Hub
	source  *source
	probe   probe.Probe
	changes atomic.Int64
}

func begin(t *testing.T, s Saved, d *definition.Discovery) *stage {
	g := &stage{source: &source{}}
	g.Hub = New(t.Context(), Options{Saved: s, Log: slog.New(slog.DiscardHandler), Changed: func() { g.changes.Add(1) }})
	g.Expect([]*definition.Discovery{d})
	g.probe = g.Wrap(&definition.Instance{Discovery: "shop"}, g.source)
	return g
}

// run runs the probe and returns what its nodes would say.
func (g *stage) run(t *testing.T, rows ...string) string {
	t.Helper()
	g.source.rows = rows
	res, err := g.probe.Run(t.Context())
	said := map[string]string{}
	for _, v := range res.Values {
		said[v.Attribute] = v.Value.String()
	}
	if (err != nil) != (said[definition.DiscoveryState] == "failed") {
		t.Errorf("error %v, state %s", err, said[definition.DiscoveryState])
	}
	if said[definition.DiscoveryDuration] == "" {
		t.Error("no duration")
	}
	out := said[definition.DiscoveryState]
	if n := said[definition.DiscoveryRows]; n != "" {
		out += " found " + n + " missing " + said[definition.DiscoveryMissing]
	}
	if p := said[definition.DiscoveryProblem]; p != "" {
		out += ": " + p
	}
	return out
}

// keys are the rows that count.
func (g *stage) keys() string {
	var keys []string
	for _, row := range g.Rows("shop") {
		keys = append(keys, strings.TrimSuffix(row["address"].String()+"="+row["port"].String(), "="))
	}
	return strings.Join(keys, " ")
}

func (g *stage) is(t *testing.T, want string) {
	t.Helper()
	if got := g.keys(); got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
}

func says(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// TestRowsComeAndGo takes a row away only after it was missing for long enough.
func TestRowsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := begin(t, nil, plan(time.Hour, 10))
		says(t, g.run(t, "a=1", "b"), "ok found 2 missing 0")
		says(t, g.run(t, "b"), "ok found 1 missing 1")
		time.Sleep(59 * time.Minute)
		says(t, g.run(t, "b"), "ok found 1 missing 1")
		g.is(t, "a=1 b")
		says(t, g.run(t, "a=1", "b"), "ok found 2 missing 0") // and its time begins anew
		g.run(t, "b")
		time.Sleep(59 * time.Minute)
		g.run(t, "b")
		g.is(t, "a=1 b")
		time.Sleep(time.Minute)
		says(t, g.run(t, "b"), "ok found 1 missing 0")
		g.is(t, "b")
		says(t, g.run(t), "ok found 0 missing 1")
	})
}

func TestKeepNothing(t *testing.T) {
	g := begin(t, nil, plan(0, 10))
	g.run(t, "a", "b")
	says(t, g.run(t, "b"), "ok found 1 missing 0")
	g.is(t, "b")
}

// TestFailedRunTakesNothing holds whatever way a run fails.
func TestFailedRunTakesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		source source
		want   string
	}{
		"an error":         {source{err: errors.New("refused")}, "failed: refused"},
		"down":             {source{down: true}, "failed: no such host"},
		"down, no table":   {source{down: true, none: true}, "failed: no such host"},
		"no table":         {source{none: true}, "failed: the probe found no rows to look at"},
		"rows and a fault": {source{err: errors.New("cut off")}, "failed: cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			g := begin(t, nil, plan(0, 10))
			g.run(t, "a", "b")
			*g.source = c.source
			says(t, g.run(t), c.want)
			g.is(t, "a b")
		})
	}
}

func TestBoundKeepsWhatIsThere(t *testing.T) {
	g := begin(t, nil, plan(time.Hour, 2))
	g.run(t, "m", "z")
	says(t, g.run(t, "a", "b", "m", "z"), "too many found 4 missing 0: 2 rows are left out: at most 2 become instances, which most in  may raise")
	g.is(t, "m z")
}

func TestOddRowsAreLeftOut(t *testing.T) {
	g := begin(t, nil, plan(time.Hour, 9))
	says(t, g.run(t, "a", "", "a=2", strings.Repeat("x", MaxKey+1)), "ok found 1 missing 0: 3 rows are left out: their address is empty, longer than 1024 bytes, or there twice")
	g.is(t, "a")
}

// TestOnlyWhatCountsIsAChange holds that a column which nobody names loads no files again.
func TestOnlyWhatCountsIsAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := begin(t, nil, plan(time.Hour, 9))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = g.Run(ctx) }()
		step := func(want int, rows ...string) {
			t.Helper()
			g.run(t, rows...)
			time.Sleep(2 * time.Second)
			if got := int(g.changes.Load()); got != want {
				t.Errorf("%d changes after %v, want %d", got, rows, want)
			}
		}
		step(1, "a=1", "b=NaN")
		step(1, "a=1", "b=NaN")
		step(1, "b=NaN") // a is only missing
		step(2, "a=2", "b=NaN")
		step(3, "a=2", "b=NaN", "c")
		cancel()
		<-ended
	})
}

// TestRowsSurviveARestart begins with what was saved, also how long a row is missing.
func TestRowsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &saved{items: map[string]string{"odd": "x", "shop/other": `{"discovery":"shop","key":"k"}`}}
		g := begin(t, s, plan(time.Hour, 9))
		g.run(t, "a=1", "b", "gone")
		g.run(t, "a=1", "b")
		s.err = errors.New("disk full")
		g.save(t.Context())
		s.err = nil
		g.save(t.Context())
		time.Sleep(59 * time.Minute)
		g = begin(t, s, plan(time.Hour, 9))
		g.is(t, "a=1 b gone")
		*g.source = source{err: errors.New("refused")}
		says(t, g.run(t), "failed: refused")
		g.is(t, "a=1 b gone")
		*g.source = source{}
		time.Sleep(time.Minute)
		says(t, g.run(t, "a=1", "b"), "ok found 2 missing 0")
		g.is(t, "a=1 b")
		g.save(t.Context())
		g = begin(t, s, plan(time.Hour, 9))
		g.is(t, "a=1 b")
		g.Forget(func(string) bool { return false })
		g.save(t.Context())
		if diff := cmp.Diff(map[string]string{"odd": "x", "shop/other": `{"discovery":"shop","key":"k"}`}, s.items); diff != "" {
			t.Error(diff)
		}
	})
}

func TestUnreadableBegins(t *testing.T) {
	g := begin(t, &saved{err: errors.New("no database")}, plan(time.Hour, 9))
	g.is(t, "")
}

// TestOtherProbesAreLeftAlone wraps only what discovers.
func TestOtherProbesAreLeftAlone(t *testing.T) {
	h := New(t.Context(), Options{})
	p := &source{}
	for _, i := range []*definition.Instance{{}, {Discovery: "shop", Row: "a"}} {
		if got := h.Wrap(i, p); got != probe.Probe(p) {
			t.Errorf("%+v: %T", i, got)
		}
	}
	w := h.Wrap(&definition.Instance{Discovery: "shop"}, remembers{p})
	if _, ok := w.(probe.Rememberer); !ok {
		t.Error("a probe that remembers does so no more")
	}
	if _, err := w.Run(t.Context()); err == nil {
		t.Error("nobody asked for it, and it ran all the same")
	}
	if len(w.Attributes()) != len(definition.DiscoveryAttributes()) {
		t.Error(w.Attributes())
	}
}

type remembers struct{ *source }

func (remembers) Recall([]byte)  {}
func (remembers) Memory() []byte { return nil }

func FuzzDecode(f *testing.F) {
	f.Add(`{"discovery":"shop","key":"a","missing":1,"cells":{"a":1,"b":"x","c":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		name, r, err := decode(text)
		if err != nil {
			return
		}
		again := encode(name, r)
		other, back, err := decode(again)
		if err != nil || other != name || back.key != r.key || fmt.Sprint(back.cells) != fmt.Sprint(r.cells) {
			t.Errorf("%q became %q: %v", text, again, err)
		}
	})
}
