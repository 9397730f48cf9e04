package remote

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

func TestEverythingArrives(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run([]string{"", "version 1", "version 2"}[version], func(t *testing.T) {
			h, r := newHistory(t, nil), newReceiver(t)
			o := h.options(Target{Name: "a", URL: r.URL, Version: version, Batch: 50})
			h.write(20, 10)
			first := h.run(o)
			first.idle(t, 200)
			if d := h.wrote.missing(r.received(t)); d != nil {
				t.Fatalf("at first: %s", said(d))
			}

			// The store goes away, grove restarts meanwhile, and writes before the writer runs.
			r.set(func(r *receiver) { r.down = true })
			h.write(300, 10)
			until(t, "the store is missed", func() bool { return first.Stats()[0].Error != "" })
			if first.Stats()[0].Behind <= 0 || first.Stats()[0].Pending <= 0 {
				t.Errorf("%+v", first.Stats())
			}
			first.stop()
			h.reopen()
			h.write(100, 12)
			second := h.run(o)
			h.write(10, 12)
			until(t, "the store is missed again", func() bool { return second.Stats()[0].Error != "" })
			second.stop()
			h.reopen()
			r.set(func(r *receiver) { r.down = false })
			third := h.run(o)
			h.write(10, 12)
			third.idle(t, h.wrote.len()-200)
			if d := h.wrote.missing(r.received(t)); d != nil {
				t.Errorf("afterwards: %s", said(d))
			}
			if s := third.Stats()[0]; s.Failed != 0 || s.Lost != 0 || s.Pending != 0 || s.Error != "" {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestLateReadingsArrive holds that what is older than the start is sent: a joined
// tree fills a gap long after.
func TestLateReadingsArrive(t *testing.T) {
	h, r := newHistory(t, nil), newReceiver(t)
	h.write(10, 3)
	s := h.run(h.options(Target{Name: "a", URL: r.URL}))
	s.idle(t, 30)
	a := h.Appender(t.Context())
	for i := range 20 {
		h.put(a, 1, h.next-time.Hour.Milliseconds()+int64(i)*1000, float64(i))
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	s.idle(t, 50)
	if d := h.wrote.missing(r.received(t)); d != nil {
		t.Error(said(d))
	}
}

// TestTheLogIsKeptForWhoIsBehind holds that the history may cut its log while a store
// is down: also series that ended arrive with their labels.
func TestTheLogIsKeptForWhoIsBehind(t *testing.T) {
	h, r := newHistory(t, func(o *tsdb.Options) {
		o.MinBlockDuration = (10 * time.Minute).Milliseconds()
		o.MaxBlockDuration = o.MinBlockDuration
	}), newReceiver(t)
	h.next = time.Now().Add(-8 * time.Hour).UnixMilli()
	h.step = 10_000
	r.set(func(r *receiver) { r.down = true })
	o := h.options(Target{Name: "a", URL: r.URL}, Target{Name: "b", URL: r.URL, Metrics: []string{"none"}})
	s := h.run(o)
	cut := func() {
		t.Helper()
		h.EnableCompactions()
		if err := h.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.DisableCompactions()
	}
	h.write(400, 40) // 40 series, of which 20 end
	until(t, "the log is linked", func() bool { return linked(t, &s.targets[0].spool.dir, h) })
	cut()
	h.write(1000, 20)
	until(t, "the log is linked", func() bool { return linked(t, &s.targets[0].spool.dir, h) })
	cut()
	h.write(600, 20)
	until(t, "the log is linked", func() bool { return linked(t, &s.targets[0].spool.dir, h) })
	cut()
	first, err := numbered(filepath.Join(h.dir, "wal"), "")
	if err != nil || first[0] == 0 {
		t.Fatalf("the log was not cut: %v, %v", first, err)
	}
	until(t, "the spool tells what it holds", func() bool { return s.Held() > 0 })
	s.stop()
	h.reopen()
	r.set(func(r *receiver) { r.down = false })
	s = h.run(o)
	until(t, "everything is sent", func() bool { return int(s.Stats()[0].Sent) >= h.wrote.len() && s.Stats()[1].Pending == 0 })
	if d := h.wrote.missing(r.received(t)); d != nil {
		t.Error(said(d))
	}
	until(t, "the spool lets go", func() bool { return s.Held() == 0 })
	if s := s.Stats()[0]; s.Lost != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// linked tells whether the spool has every segment of the log.
func linked(t *testing.T, dir *string, h *history) bool {
	t.Helper()
	there, err := numbered(filepath.Join(h.dir, "wal"), "")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := numbered(*dir, "")
	return err == nil && len(there) > 0 && slices.Contains(kept, there[len(there)-1])
}

func TestABufferThatIsFullSaysWhatIsLost(t *testing.T) {
	h, r := newHistory(t, func(o *tsdb.Options) {
		o.MinBlockDuration = (10 * time.Minute).Milliseconds()
		o.MaxBlockDuration = o.MinBlockDuration
	}), newReceiver(t)
	h.next, h.step = time.Now().Add(-8*time.Hour).UnixMilli(), 10_000
	r.set(func(r *receiver) { r.down = true })
	o := h.options(Target{Name: "a", URL: r.URL})
	o.MaxBuffer = 200 << 10
	s := h.run(o)
	h.write(2800, 40)
	until(t, "the log is linked", func() bool { return linked(t, &s.targets[0].spool.dir, h) })
	h.EnableCompactions()
	if err := h.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	until(t, "the bound holds", func() bool {
		kept, err := numbered(s.spool.dir, "")
		return err == nil && kept[0] > 0 && s.Held() <= o.MaxBuffer
	})
	s.stop()
	r.set(func(r *receiver) { r.down = false })
	s = h.run(o)
	until(t, "the rest is sent", func() bool { return s.Stats()[0].Sent > 0 && s.Stats()[0].Pending == 0 && s.Stats()[0].Behind == 0 })
	got := r.received(t)
	if s := s.Stats()[0]; s.Lost == 0 || int(s.Sent) != got.len() || got.len() >= h.wrote.len() {
		t.Errorf("%+v, %d of %d samples", s, got.len(), h.wrote.len())
	}
	for name, samples := range got {
		for at, v := range samples {
			if h.wrote[name][at] != v {
				t.Fatalf("%s at %d: %v", name, at, v)
			}
		}
	}
}

// TestARefusedSampleStandsAlone holds that a store's refusal of one sample costs no
// other, and that what was sent before a crash does no harm.
func TestARefusedSampleStandsAlone(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run([]string{"", "version 1", "version 2"}[version], func(t *testing.T) {
			h, r := newHistory(t, nil), newReceiver(t)
			// The store has another value at some times of some series.
			clash := map[int]bool{3: true, 7: true}
			a := r.db.Appender(t.Context())
			for i := range clash {
				if _, err := a.Append(0, sent(i), h.next+5*h.step, -1); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Commit(); err != nil {
				t.Fatal(err)
			}
			h.write(20, 10)
			o := h.options(Target{Name: "a", URL: r.URL, Version: version, Parallel: 1})
			s := h.run(o)
			s.idle(t, 200)
			for i := range clash {
				h.wrote[path(i)][h.next-15*h.step] = -1
			}
			if d := h.wrote.missing(r.received(t)); d != nil {
				t.Error(said(d))
			}
			if s := s.Stats()[0]; s.Failed != 2 || s.Sent != 198 {
				t.Errorf("%+v", s)
			}

			// A crash forgets the last position.
			s.stop()
			if err := (progress{}).write(filepath.Join(o.Dir, "a.json")); err != nil {
				t.Fatal(err)
			}
			h.write(1, 10)
			s = h.run(o)
			s.idle(t, 210)
			if d := h.wrote.missing(r.received(t)); d != nil {
				t.Error(said(d))
			}
			if s := s.Stats()[0]; s.Failed != 0 {
				t.Errorf("afterwards: %+v", s)
			}
		})
	}
}

func TestStoresThatRefuseEverythingAreNotStormed(t *testing.T) {
	h, r := newHistory(t, nil), newReceiver(t)
	r.set(func(r *receiver) { r.refuse = func(*http.Request) int { return http.StatusUnprocessableEntity } })
	s := h.run(h.options(Target{Name: "a", URL: r.URL, Batch: 1000, Parallel: 1}))
	h.write(400, 20)
	s.idle(t, 8000)
	if st := s.Stats()[0]; st.Failed != 8000 || st.Requests > 8000 {
		t.Errorf("%+v", st)
	}
}

func TestWhatAnOperatorHasToPutRightWaits(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		want   string
	}{
		"a redirect":  {http.StatusMovedPermanently, `the store answers "301 Moved Permanently not now": redirects are not followed: give the address that it names`},
		"no right":    {http.StatusForbidden, `the store answers "403 Forbidden not now"`},
		"too much":    {http.StatusTooManyRequests, `the store answers "429 Too Many Requests not now"`},
		"no 2.0":      {http.StatusNoContent, `the store does not say what it wrote, so it does not speak remote write 2.0: set version: 1`},
		"not at home": {http.StatusBadGateway, `the store answers "502 Bad Gateway not now"`},
	} {
		t.Run(name, func(t *testing.T) {
			h, r := newHistory(t, nil), newReceiver(t)
			r.set(func(r *receiver) { r.refuse = func(*http.Request) int { return c.status } })
			s := h.run(h.options(Target{Name: "a", URL: r.URL, Version: 2, Parallel: 1}))
			h.write(2, 2)
			until(t, "the refusal is told", func() bool { return s.Stats()[0].Error == c.want })
			if st := s.Stats()[0]; st.Sent != 0 || st.Failed != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestCredentialsAreReadForEachRequestAndStayHome(t *testing.T) {
	h, r := newHistory(t, nil), newReceiver(t)
	elsewhere := newReceiver(t)
	r.set(func(r *receiver) {
		r.refuse = func(req *http.Request) int {
			if req.Header.Get("Authorization") == "Bearer old" {
				return http.StatusUnauthorized
			}
			return 0
		}
	})
	secret := filepath.Join(t.TempDir(), "token")
	reads := 0
	o := h.options(Target{Name: "a", URL: r.URL, Parallel: 1, Headers: map[string]string{"X-Scope-OrgID": "shop"}, Access: Access{Bearer: "file:" + secret}})
	o.Secret = func(ref string) (string, error) {
		reads++
		if ref != "file:"+secret {
			t.Errorf("it reads %q", ref)
		}
		b, err := os.ReadFile(secret)
		return string(b), err
	}
	write := func(s string) {
		if err := os.WriteFile(secret, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("new")
	s := h.run(o)
	h.write(2, 2)
	s.idle(t, 4)
	s.stop()
	r.mu.Lock()
	got := r.asked[0]
	r.mu.Unlock()
	if got.Get("Authorization") != "Bearer new" || got.Get("X-Scope-OrgID") != "shop" || got.Get("User-Agent") != "grove/test" || got.Get(versionHeader) != "0.1.0" {
		t.Errorf("%v", got)
	}
	// A store that sends clients elsewhere does not get them there.
	r.set(func(r *receiver) {
		r.refuse = func(*http.Request) int { return http.StatusTemporaryRedirect }
		r.asked = nil
	})
	s = h.run(o)
	h.write(2, 2)
	until(t, "the redirect is told", func() bool { return s.Stats()[0].Error != "" })
	s.stop()
	if len(elsewhere.asked) != 0 {
		t.Error("a redirect was followed")
	}
}

func TestTargetsGetWhatTheyAskFor(t *testing.T) {
	h, all, some := newHistory(t, nil), newReceiver(t), newReceiver(t)
	s := h.run(h.options(
		Target{Name: "all", URL: all.URL},
		Target{Name: "some", URL: some.URL, Paths: []string{"/shop/n1", "/db"}, Metrics: []string{"x_*", "y"}, NotMetrics: []string{"*_total"}},
	))
	h.write(10, 12) // n1, and also n10 and n11
	until(t, "both are served", func() bool { st := s.Stats(); return st[0].Sent == 120 && st[1].Sent == 10 && st[1].Pending == 0 })
	want := ledger{"/shop/n1": h.wrote["/shop/n1"]}
	if d := want.missing(some.received(t)); d != nil {
		t.Error(said(d))
	}
	if d := h.wrote.missing(all.received(t)); d != nil {
		t.Error(said(d))
	}
}

func TestVersion2SaysWhatAMetricIs(t *testing.T) {
	h, r := newHistory(t, nil), newReceiver(t)
	o := h.options(Target{Name: "a", URL: r.URL, Version: 2})
	asked := make(chan string, 100)
	o.Metadata = func(metric string) (Metadata, bool) {
		asked <- metric
		return Metadata{"gauge", "How long.", "seconds"}, true
	}
	s := h.run(o)
	h.write(1, 1)
	s.idle(t, 1)
	if got := <-asked; got != "x_seconds" {
		t.Errorf("asked for %q", got)
	}
}
