package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"grove/tree"
)

// newMetered starts a server that says how loaded it is.
func newMetered(t *testing.T) (load *atomic.Int64, address string) {
	load = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"load": %d}`, load.Load())
	}))
	t.Cleanup(s.Close)
	return load, s.URL
}

// changes are the changes of status of a node, oldest first. The status that it has already when
// somebody takes it is none.
func (s *site) changes(path string) (list []string) {
	s.Helper()
	var page struct {
		Entries []struct{ To, Time string }
	}
	if err := s.call(http.MethodGet, "/api/v1/journal?"+url.Values{"path": {path}, "only": {"true"}, "kind": {"status"}, "order": {"oldest"}}.Encode(), nil, &page); err != nil {
		s.Log(err)
		return nil
	}
	last := ""
	for _, e := range page.Entries {
		if e.To != last {
			list = append(list, e.Time+" "+e.To)
		}
		last = e.To
	}
	return list
}

// readings are those of a node within a time, each with when it was.
func (s *site) readings(path string, from, to time.Time) (list []string) {
	s.Helper()
	var got struct {
		Points []struct {
			Time  string
			Last  *float64
			Count int
		}
	}
	q := url.Values{"path": {path}, "from": {from.UTC().Format(time.RFC3339Nano)}, "to": {to.UTC().Format(time.RFC3339Nano)}, "points": {"5000"}}
	if err := s.call(http.MethodGet, "/api/v1/history?"+q.Encode(), nil, &got); err != nil {
		s.Log(err)
		return nil
	}
	for _, p := range got.Points {
		if p.Count > 0 {
			list = append(list, fmt.Sprintf("%s %g", p.Time, *p.Last))
		}
	}
	return list
}

// past are the readings from before this second: another manager may read in the same one, and
// the history keeps the first reading of a second as if it were of its beginning.
func (s *site) past(path string, began time.Time) (list []string) {
	s.Helper()
	s.until("there is a reading from before this second", func() bool {
		ends := time.Now().Truncate(time.Second).Add(-200 * time.Millisecond) // more than the span of a point
		list = slices.DeleteFunc(s.readings(path, began, began.Add(10*time.Minute)), func(r string) bool {
			at, err := time.Parse(time.RFC3339Nano, strings.Fields(r)[0])
			return err != nil || at.After(ends)
		})
		return len(list) > 0
	})
	return list
}

// The past of a device moves with it: who takes it has what was before, and its owner has,
// once it is back, what the other one has seen, at the times when it was.
func TestThePastMovesWithItsDevice(t *testing.T) {
	t.Parallel()
	began := time.Now().Truncate(time.Second)
	hub := newSite(t, "hub", listens)
	edge := newSite(t, "edge", "move_loopback: true\n")
	load, address := newMetered(t)
	edge.write("definitions/shop.yaml", (&probed{}).definition()+"---\n"+(&probed{server: &httptest.Server{URL: address}}).instance())
	edge.joins(hub)
	const path = "/shop/Load"
	is := func(s *site, v int64, status tree.Status) {
		s.Helper()
		load.Store(v)
		s.until(fmt.Sprintf("the load is %d", v), func() bool {
			n, ok := s.node(path)
			return ok && n.Status == status && n.Value.String() == fmt.Sprint(v)
		})
	}
	is(edge, 3, tree.Green)
	is(edge, 20, tree.Red)
	before := edge.past(path, began)
	var move struct{ State, To, Error string }
	edge.until("the shop can be given", func() bool {
		return edge.call(http.MethodPost, "/api/v1/devices/shop/give", map[string]string{"to": "hub"}, &move) == nil
	})
	is(hub, 4, tree.Green)
	has := func(s *site, want []string) func() bool {
		return func() bool {
			got := s.readings(path, began, began.Add(10*time.Minute))
			return !slices.ContainsFunc(want, func(r string) bool { return !slices.Contains(got, r) })
		}
	}
	hub.until("the hub has the readings of before", has(hub, before))
	was := edge.changes(path) // Some more are white where the machine is slow.
	hub.until("the hub has the changes of before", func() bool {
		got := hub.changes(path)
		return len(got) > len(was) && slices.Equal(got[:len(was)], was) && strings.HasSuffix(got[len(got)-1], " green")
	})
	is(hub, 30, tree.Red)
	is(hub, 5, tree.Green)
	away := hub.past(path, began)
	seen := hub.changes(path)
	edge.until("the shop is returned", func() bool { return edge.call(http.MethodPost, "/api/v1/devices/shop/return", nil, &move) == nil })
	is(edge, 6, tree.Green)
	edge.until("the edge has the readings of the hub", has(edge, away))
	is(edge, 40, tree.Red)
	var got []string
	edge.until("the edge has the changes of the hub", func() bool {
		got = edge.changes(path)
		return len(got) > len(seen) && strings.HasSuffix(got[len(got)-1], " red")
	})
	if !slices.Equal(got[:len(seen)], seen) {
		t.Errorf("changes at the edge\n%s\nat the hub before the return\n%s", strings.Join(got, "\n"), strings.Join(seen, "\n"))
	}
	// The hub remembers all of it, although it looks only every second at who watches what.
	const hangs = "/Managers/edge" + path
	hub.until("the hub has what the edge wrote", func() bool { return len(hub.changes(hangs)) >= len(got) })
	if there := hub.changes(hangs); !slices.Equal(there[:len(got)], got) {
		t.Errorf("changes at the edge\n%s\nthe same at the hub\n%s", strings.Join(got, "\n"), strings.Join(there, "\n"))
	}
}
