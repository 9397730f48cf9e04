package route

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/viewer/viewertest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// routes takes every alert, and says so.
type routes struct {
	asked []string
	live  []alert.Alert
	open  map[string]tree.Status // what would open instead of what is set
}

func (r *routes) Configured() Configuration {
	return Configuration{File: "alerts.yaml", Channels: []NamedChannel{{Name: "ops", Kind: "mail"}}}
}

func (r *routes) Explain(a alert.Alert, at time.Time) alert.Explanation {
	r.asked = append(r.asked, fmt.Sprintf("%s %s at %s", a.Path, a.Status, at.Format(time.RFC3339)))
	return alert.Explanation{Alert: a, Routes: []alert.Routing{{Route: "all", Takes: true}, {Route: "SECRET"}}}
}

func (r *routes) Suppose(_ context.Context, set map[tree.Path]tree.Status) (changes []tree.StatusChange, alerts []alert.Alert, err error) {
	for p, status := range set {
		if r.open != nil {
			continue
		}
		alerts = append(alerts, alert.Alert{Path: p, Status: status, Kind: alert.Status, State: alert.Open})
	}
	for p, status := range r.open {
		alerts = append(alerts, alert.Alert{Path: tree.MustPath(p), Status: status, Kind: alert.Status, State: alert.Open})
	}
	return nil, alerts, nil
}

func newWorld(t *testing.T) (*viewertest.Room, *routes) {
	t.Helper()
	o, guard := viewertest.Estate(t)
	r := &routes{live: []alert.Alert{{ID: 7, Path: tree.MustPath("/shop/b/up"), Status: tree.Yellow}}}
	api, err := New(Options{Routes: r, Supposing: r, Tree: o, Guard: guard, Now: func() time.Time { return noon }, Live: func(yield func(*alert.Alert) bool) {
		for i := range r.live {
			if !yield(&r.live[i]) {
				return
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := viewertest.New(t)
	w.Add(api.Register)
	return w, r
}

func TestRoutesAreListed(t *testing.T) {
	w, _ := newWorld(t)
	if status, body := w.Do("viewer", "GET", "/api/v1/routes", ""); status != 200 || !strings.Contains(body, `"file":"alerts.yaml","routes":[],"channels":[{"name":"ops","kind":"mail"}]`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := w.Do("admin /shop", "GET", "/api/v1/routes", ""); status != 403 {
		t.Errorf("who sees a part is told of all routes: %d", status)
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		name, grants, body string
		open               map[string]tree.Status
		status             int
		asked              string // or a part of the answer
	}{
		{"a node that is well", "viewer", `{"path":"/shop/a/up"}`, nil, 200, "/shop/a/up red at 2026-03-02T12:00:00Z"},
		{"at another time", "viewer /shop/a", `{"path":"/shop/a/up","status":"yellow","at":"2026-03-01T02:00:00Z"}`, nil, 200, "/shop/a/up yellow at 2026-03-01T02:00:00Z"},
		{"one that stands", "viewer", `{"path":"/shop/b/up","status":"yellow"}`, nil, 200, "/shop/b/up yellow at 2026-03-02T12:00:00Z"},
		{"a group above opens", "viewer", `{"path":"/shop/a/up"}`, map[string]tree.Status{"/bank/up": tree.Red, "/shop/a": tree.Red}, 200, "/shop/a red at 2026-03-02T12:00:00Z"},
		{"a hidden group above opens", "viewer /shop/a", `{"path":"/shop/a/up"}`, map[string]tree.Status{"/shop": tree.Red}, 409, "no alert would open when /shop/a/up is red"},
		{"nothing opens", "viewer", `{"path":"/shop/a/up"}`, map[string]tree.Status{}, 409, "no alert would open when /shop/a/up is red"},
		{"hidden", "viewer /shop/a", `{"path":"/shop/b/up"}`, nil, 404, "/shop/b/up: no such node"},
		{"not there", "viewer /shop/a", `{"path":"/shop/a/cpu"}`, nil, 404, "/shop/a/cpu: no such node"},
		{"no path", "viewer", `{"path":"/a~9"}`, nil, 400, "malformed path"},
		{"no status", "viewer", `{"path":"/shop/a/up","status":"green"}`, nil, 422, "body.status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r := newWorld(t)
			r.open = c.open
			status, body := w.Do(c.grants, "POST", "/api/v1/routes/explain", c.body)
			if got := strings.Join(r.asked, ", "); status != c.status || got != c.asked && !strings.Contains(body, c.asked) {
				t.Errorf("%d %s, asked %s", status, body, got)
			}
			if c.grants != "viewer" && strings.Contains(body, "SECRET") {
				t.Errorf("tells of other routes: %s", body)
			}
		})
	}
}
