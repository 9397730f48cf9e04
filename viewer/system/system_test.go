package system_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
	"grove/viewer/system"
)

// world is a manager with /shop of acme and /bank of zenith.
type world struct {
	now     time.Time
	groups  []system.Group
	handler http.Handler
}

// files are those that the manager knows; the text of each is its name.
type files map[string]system.File

func (f files) File(name string) (system.File, bool) { one, ok := f[name]; return one, ok }

func (f files) Text(name string, _ int) (string, error) {
	switch {
	case strings.Contains(name, "large"):
		return "", system.ErrTooLarge
	case strings.Contains(name, "gone"):
		return "", os.ErrNotExist
	}
	return "text of " + name + "\npassword: hunter2\n", nil
}

func grow(t *testing.T) *world {
	t.Helper()
	o := tree.New(tree.Options{})
	for path, customer := range map[string]string{"/shop": "acme", "/bank": "zenith"} {
		if _, err := o.Add(tree.MustPath(path), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": customer}}); err != nil {
			t.Fatal(err)
		}
	}
	shop, bank := tree.MustPath("/shop"), tree.MustPath("/bank")
	w := &world{now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	config := huma.DefaultConfig("grove", "1")
	config.RejectUnknownQueryParameters = true
	config.CreateHooks = nil // No $schema in answers, as the server has it.
	mux := http.NewServeMux()
	system.New(system.Options{
		Guard:  grant.NewGuard(o),
		Groups: func(context.Context) []system.Group { return w.groups },
		Managers: func(context.Context) []system.Manager {
			return []system.Manager{{Name: "north", Self: true, State: "up", Counts: []system.Figure{system.Number("Nodes", 2, "nodes", "")}}}
		},
		Links: func(context.Context) []system.Link {
			return []system.Link{{Name: "south", Address: "south:1", State: "up"}}
		},
		Sources: files{
			"shop.yaml":     {Instances: []tree.Path{shop}, DropIn: "shop.yaml"},
			"both.yaml":     {Instances: []tree.Path{shop, bank}},
			"web.yaml":      {Users: []tree.Path{bank}, Shared: "web"},
			"broken.yaml":   {Instances: []tree.Path{shop}, Broken: true},
			"builtin:nginx": {Catalogue: true},
			"large.yaml":    {},
			"gone.yaml":     {},
		},
		Now: func() time.Time { return w.now }, Problem: viewer.Problem,
	}).Register(humago.New(mux, config))
	w.handler = mux
	return w
}

// get asks as somebody, and returns status and body.
func (w *world) get(s *grant.Subject, path string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if s != nil {
		r = r.WithContext(grant.With(r.Context(), s))
	}
	a := httptest.NewRecorder()
	w.handler.ServeHTTP(a, r)
	body, _ := io.ReadAll(a.Body)
	return a.Code, string(body)
}

func somebody(t *testing.T, grants ...string) *grant.Subject {
	t.Helper()
	s := &grant.Subject{Name: "ada"}
	for _, text := range grants {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Grants = append(s.Grants, g)
	}
	return s
}

func TestWhoMayAsk(t *testing.T) {
	w := grow(t)
	whole, acme, shop, nobody := somebody(t, "viewer"), somebody(t, "admin / customer=acme"), somebody(t, "viewer /shop"), (*grant.Subject)(nil)
	bank := somebody(t, "viewer /bank")
	source := func(file string) string { return "/api/v1/sources?file=" + url.QueryEscape(file) }
	for name, c := range map[string]struct {
		subject *grant.Subject
		path    string
		status  int
		has     string
		lacks   string
	}{
		"the system":                              {whole, "/api/v1/system", 200, `"status":"green"`, ""},
		"the system, of a customer":               {acme, "/api/v1/system", 403, "ada needs the role viewer on /", "groups"},
		"the system, of nobody":                   {nobody, "/api/v1/system", 403, "not allowed", "groups"},
		"managers":                                {whole, "/api/v1/managers", 200, `"south"`, ""},
		"managers, of a part":                     {shop, "/api/v1/managers", 200, `"links":[]`, "counts"},
		"the file of an instance":                 {shop, source("shop.yaml"), 200, "text of shop.yaml", "hunter2"},
		"the file of an instance, of a customer":  {acme, source("shop.yaml"), 200, `"drop_in":"shop.yaml"`, "hunter2"},
		"the file of an instance that is hidden":  {bank, source("shop.yaml"), 404, "no definition of this manager comes from", "text"},
		"a file with what is hidden":              {shop, source("both.yaml"), 404, "no definition of this manager comes from", "text"},
		"a file with both, of the whole":          {whole, source("both.yaml"), 200, "text of both.yaml", "hunter2"},
		"a definition that is used":               {bank, source("web.yaml"), 200, `"shared":"web"`, "hunter2"},
		"a definition that is used elsewhere":     {shop, source("web.yaml"), 404, "no definition", "text"},
		"a broken file":                           {shop, source("broken.yaml"), 404, "no definition", "text"},
		"a broken file, of the whole":             {whole, source("broken.yaml"), 200, "••••", "hunter2"},
		"the catalogue":                           {bank, source("builtin:nginx"), 200, "text of builtin:nginx", ""},
		"the catalogue, of nobody":                {nobody, source("builtin:nginx"), 404, "no definition", "text"},
		"a file that no definition names":         {whole, source("/etc/passwd"), 404, "/etc/passwd", "root"},
		"a file that is above":                    {whole, source("../shop.yaml"), 404, "no definition", "text of"},
		"a file that is too large":                {whole, source("large.yaml"), 413, "more than 1048576 bytes", ""},
		"a file that is gone":                     {whole, source("gone.yaml"), 404, "cannot be read any more", ""},
		"no file":                                 {whole, "/api/v1/sources", 422, "file", ""},
		"an unknown parameter":                    {whole, source("shop.yaml") + "&raw=1", 422, "raw", ""},
		"a hidden file says the same as no file":  {shop, source("web.yaml"), 404, `comes from the file \"web.yaml\"`, ""},
		"and no file says the same as a hidden 1": {shop, source("wxb.yaml"), 404, `comes from the file \"wxb.yaml\"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := w.get(c.subject, c.path)
			if status != c.status || !strings.Contains(body, c.has) || c.lacks != "" && strings.Contains(body, c.lacks) {
				t.Errorf("%d %s, want %d with %q and without %q", status, body, c.status, c.has, c.lacks)
			}
		})
	}
}

func TestFiguresAndTheirStatus(t *testing.T) {
	w := grow(t)
	state := func(s string) system.Figure { return system.Figure{Name: s, Text: s, Status: s} }
	for name, c := range map[string]struct {
		groups [][]system.Figure
		each   []string
		whole  string
	}{
		"nothing":              {nil, []string{}, "green"},
		"figures only":         {[][]system.Figure{{system.Words("A", "a", "")}}, []string{"green"}, "green"},
		"white beside green":   {[][]system.Figure{{state("white"), state("green")}}, []string{"green"}, "green"},
		"white alone":          {[][]system.Figure{{state("white")}}, []string{"white"}, "white"},
		"red beside yellow":    {[][]system.Figure{{state("yellow"), state("red")}, {state("yellow")}}, []string{"red", "yellow"}, "red"},
		"yellow outweighs all": {[][]system.Figure{{state("green")}, {state("yellow"), state("white")}}, []string{"green", "yellow"}, "yellow"},
	} {
		t.Run(name, func(t *testing.T) {
			w.groups = nil
			for _, f := range c.groups {
				w.groups = append(w.groups, system.Group{Name: "g", Title: "G", Figures: f})
			}
			got := w.system(t)
			each := []string{}
			for _, g := range got.Groups {
				each = append(each, g.Status)
			}
			if diff := cmp.Diff(c.each, each); diff != "" || got.Status != c.whole {
				t.Errorf("%s %s", got.Status, diff)
			}
		})
	}
}

// system asks as somebody who may see everything.
func (w *world) system(t *testing.T) (s system.System) {
	t.Helper()
	status, body := w.get(somebody(t, "viewer"), "/api/v1/system")
	if err := json.Unmarshal([]byte(body), &s); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	return s
}

func TestRates(t *testing.T) {
	w := grow(t)
	begin := w.now
	step := func(after time.Duration, count float64) system.Figure {
		w.now = begin.Add(after)
		w.groups = []system.Group{{Name: "tree", Title: "Tree", Figures: []system.Figure{system.Rate("Readings", count, "readings/s", "")}}}
		return w.system(t).Groups[0].Figures[0]
	}
	number := func(v float64) system.Figure { return system.Number("Readings", v, "readings/s", "") }
	unknown := system.Figure{Name: "Readings", Unit: "readings/s", Text: "measured from now on"}
	for _, c := range []struct {
		after time.Duration
		count float64
		want  system.Figure
	}{
		{0, 1000, unknown},
		{500 * time.Millisecond, 1100, unknown}, // too soon to tell
		{10 * time.Second, 2000, number(100)},
		{20 * time.Second, 2000, number(50)},
		{41 * time.Second, 2000, number(0)}, // over the last while, which the first look is no part of
		{50 * time.Second, 5, unknown},      // it began anew
		{time.Hour, 5 + 3550*2, number(2)},  // nobody looked for long: over all that time
		{time.Hour + 10*time.Second, 7205, number(10)},
	} {
		if diff := cmp.Diff(c.want, step(c.after, c.count), cmpopts.IgnoreFields(system.Figure{}, "Rate")); diff != "" {
			t.Errorf("after %s: %s", c.after, diff)
		}
	}
}
