package maintenance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/maintenance"
	"grove/tree/store"
	"grove/viewer/viewertest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// calendar is a Calendar in memory.
type calendar struct {
	windows []maintenance.Window
	did     []string
	err     error
}

func (c *calendar) List() (list []maintenance.Planned) {
	for _, w := range c.windows {
		p := maintenance.Planned{Window: w}
		if o, ok := w.Now(noon); ok {
			p.Now = &o
		}
		list = append(list, p)
	}
	return list
}

func (c *calendar) Get(id string) (maintenance.Window, error) {
	for _, w := range c.windows {
		if w.ID == id {
			return w, nil
		}
	}
	return maintenance.Window{}, fmt.Errorf("%w: %q", maintenance.ErrNone, id)
}

func (c *calendar) Add(_ context.Context, w maintenance.Window) (maintenance.Window, error) {
	w.ID = "new"
	c.did = append(c.did, fmt.Sprintf("add %s at %v from %s for %s %s %s by %s", w.Name, w.At, w.Start.Format(time.RFC3339), w.For, w.Rule, w.Zone, w.By))
	return w, c.err
}

func (c *calendar) Remove(_ context.Context, id string) error {
	c.did = append(c.did, "remove "+id)
	return c.err
}

func (c *calendar) End(_ context.Context, id string) error {
	c.did = append(c.did, "end "+id)
	return c.err
}

// world is a room with a window of acme's, one of both customers, one above both, and one
// of the file.
type world struct {
	*viewertest.Room
	calendar *calendar
	touched  []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	o, guard := viewertest.Estate(t)
	window := func(id, name, source string, at ...string) maintenance.Window {
		w := maintenance.Window{ID: id, Name: name, Source: source, Start: noon.Add(-time.Hour), For: maintenance.Duration(2 * time.Hour), Comment: "about " + name, By: "eve"}
		for _, p := range at {
			w.At = append(w.At, tree.MustPath(p))
		}
		return w
	}
	w := &world{Room: viewertest.New(t), calendar: &calendar{windows: []maintenance.Window{
		window("one", "dump", "", "/shop/a"), window("two", "SECRET", "", "/shop/a", "/shop/b"), window("all", "SECRET", "", "/"), window("file-night", "night", maintenance.FromFile, "/bank"),
	}}}
	api, err := New(Options{Calendar: w.calendar, Tree: o, Guard: guard, Audit: w.Audit, Now: func() time.Time { return noon }, Touched: func(paths ...tree.Path) {
		for _, p := range paths {
			w.touched = append(w.touched, p.String())
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.Add(api.Register)
	return w
}

func TestWindowsAreListed(t *testing.T) {
	w := newWorld(t)
	for grants, want := range map[string][]string{
		"viewer":            {`"id":"one"`, `"id":"two"`, `"id":"all"`, `"id":"file-night"`},
		"operator":          {`"id":"one"`, `"may":true`, `"source":"file"`, `"now":{"start":"2026-03-02T11:00:00Z","end":"2026-03-02T13:00:00Z"}`},
		"operator /shop/a":  {`"id":"one","name":"dump"`, `"id":"hidden-2","name":"maintenance","at":["/shop/a"]`, `"id":"hidden-3","name":"maintenance","at":["/"]`},
		"viewer customer=x": {`"id":"hidden-1","name":"maintenance","at":["/"]`},
	} {
		status, body := w.Do(grants, "GET", "/api/v1/maintenance", "")
		for _, part := range want {
			if status != 200 || !strings.Contains(body, part) {
				t.Errorf("%s: %d %s\nhas no %s", grants, status, body, part)
			}
		}
		if strings.ContainsAny(grants, "/=") && (strings.Contains(body, "SECRET") || strings.Contains(body, "/shop/b") || strings.Contains(body, "/bank")) {
			t.Errorf("%s tells of what is hidden: %s", grants, body)
		}
	}
}

func TestWindowsAreChanged(t *testing.T) {
	const add = `{"name":"move","at":["/shop/a"],"for":"2h"`
	for _, c := range []struct {
		name, grants, method, target, body string
		status                             int
		answer                             string
		did                                []string
	}{
		{"planned", "operator /shop/a", "POST", "", add + `}`, 201, `"id":"new"`, []string{"add move at [/shop/a] from 2026-03-02T12:00:00Z for 2h   by ada"}},
		{"planned to repeat", "operator", "POST", "", add + `,"start":"2026-03-02T22:00:00+01:00","rule":"weekly on sun","zone":"Europe/Berlin","announce":"1h"}`, 201, `"next":{"start":"2026-03-08T22:00:00+01:00"`,
			[]string{"add move at [/shop/a] from 2026-03-02T22:00:00+01:00 for 2h FREQ=WEEKLY;BYDAY=SU Europe/Berlin by ada"}},
		{"planned by a viewer", "viewer", "POST", "", add + `}`, 403, "needs the role operator on /shop/a", nil},
		{"planned in the dark", "operator /bank", "POST", "", add + `}`, 404, "/shop/a: no such node", nil},
		{"planned in the dark, partly", "operator /shop/a", "POST", "", `{"name":"x","at":["/shop/a","/shop/b"],"for":"1h"}`, 404, "/shop/b: no such node", nil},
		{"planned nowhere", "operator", "POST", "", `{"name":"x","at":["/shop/c"],"for":"1h"}`, 404, `/shop has no \"c\"; did you mean \"b\"?`, nil},
		{"planned too short", "operator", "POST", "", `{"name":"x","at":["/shop"],"for":"1s"}`, 422, "for: 1s is not between 1m and 90d", nil},
		{"planned in no zone", "operator", "POST", "", add + `,"zone":"Mars"}`, 422, `zone: \"Mars\" is no time zone`, nil},
		{"planned by no rule", "operator", "POST", "", add + `,"rule":"now and then"}`, 422, "says not how it repeats", nil},
		{"planned without a name", "operator", "POST", "", `{"name":" ","at":["/shop"],"for":"1h"}`, 422, "name: is missing", nil},
		{"ended", "operator /shop", "POST", "/one/end", "", 200, `"id":"one"`, []string{"end one"}},
		{"ended by a viewer", "viewer /shop", "POST", "/one/end", "", 403, "needs the role operator on /shop/a", nil},
		{"ended of both customers", "operator /shop", "POST", "/two/end", "", 200, `"id":"two"`, []string{"end two"}},
		{"ended in the dark", "operator /bank", "POST", "/one/end", "", 404, `there is no such one: \"one\"`, nil},
		{"ended in the dark, partly", "operator /shop/a", "POST", "/two/end", "", 404, `there is no such one: \"two\"`, nil},
		{"ended that is not there", "operator", "POST", "/none/end", "", 404, `there is no such one: \"none\"`, nil},
		{"removed", "operator", "DELETE", "/one", "", 204, "", []string{"remove one"}},
		{"removed from the file", "operator", "DELETE", "/file-night", "", 409, "stands in the file of alerts", nil},
		{"removed in the dark", "operator /bank", "DELETE", "/one", "", 404, `there is no such one: \"one\"`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			status, body := w.Do(c.grants, c.method, "/api/v1/maintenance"+c.target, c.body)
			if status != c.status || !strings.Contains(body, c.answer) {
				t.Errorf("%d %s", status, body)
			}
			if diff := cmp.Diff(c.did, w.calendar.did); diff != "" {
				t.Error(diff)
			}
			if done := len(c.did) > 0; done != (len(w.Audited) == 1) || done != (len(w.touched) > 0) {
				t.Errorf("audited %q, touched %q", w.Audited, w.touched)
			}
		})
	}
}

func TestWhatIsPlannedIsAudited(t *testing.T) {
	w := newWorld(t)
	w.Do("operator", "POST", "/api/v1/maintenance", `{"name":"move","at":["/shop/a","/bank","/shop/a"],"for":"2h","comment":"c"}`)
	if want := []string{`ada: maintenance add /shop/a and 1 more {"became":{"at":["/shop/a","/bank"],"comment":"c","for":"2h","name":"move","start":"2026-03-02T12:00:00Z"}}: <nil>`}; !slices.Equal(w.Audited, want) {
		t.Errorf("%q", w.Audited)
	}
	w.calendar.err = fmt.Errorf("secret: %w", store.ErrUnavailable)
	if status, body := w.Do("operator", "DELETE", "/api/v1/maintenance/one", ""); status != 503 || strings.Contains(body, "secret") {
		t.Errorf("%d %s", status, body)
	}
	w.Full = errors.New("full")
	w.calendar.did = nil
	if status, _ := w.Do("operator", "DELETE", "/api/v1/maintenance/one", ""); status != 503 || w.calendar.did != nil {
		t.Errorf("done without the audit log: %d", status)
	}
}
