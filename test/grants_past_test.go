package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
)

// tripOf is a definition of nodes that are one customer's, the other's, or both's, and tripNow what
// becomes of them: some are gone, some are the other's.
const (
	tripOf = `grove: 1
application: trip
at: /trip
properties: { customer: acme }
tree:
  Kept: { nodes: { KEPT: { kind: performance, red: "> 90", metric: m_KEPT, description: of KEPT }, KEPTlog: { kind: log } } }
  Gone: { properties: { customer: zenith }, nodes: { GONE: { kind: performance, red: "> 90", metric: m_GONE, description: of GONE }, GONElog: { kind: log } } }
  Sold: { properties: { customer: zenith }, nodes: { SOLD: { kind: performance, red: "> 90", metric: m_SOLD, description: of SOLD }, SOLDlog: { kind: log } } }
  Lost: { nodes: { LOST: { kind: performance, red: "> 90", metric: m_LOST, description: of LOST }, LOSTlog: { kind: log } } }
  Both: { properties: { customer: "ACME, zenith" }, nodes: { BOTH: { kind: performance, red: "> 90", metric: m_BOTH, description: of BOTH }, BOTHlog: { kind: log } } }
`
	tripNow = `grove: 1
application: trip
at: /trip
properties: { customer: acme }
tree:
  Kept: { nodes: { KEPT: { kind: performance, red: "> 90", metric: m_KEPT, description: of KEPT }, KEPTlog: { kind: log } } }
  Sold: { nodes: { SOLD: { kind: performance, red: "> 90", metric: m_SOLD, description: of SOLD }, SOLDlog: { kind: log } } }
  Lost: { properties: { customer: zenith }, nodes: { LOST: { kind: performance, red: "> 90", metric: m_LOST, description: of LOST }, LOSTlog: { kind: log } } }
  Both: { properties: { customer: "ACME, zenith" }, nodes: { BOTH: { kind: performance, red: "> 90", metric: m_BOTH, description: of BOTH }, BOTHlog: { kind: log } } }
`
)

// trip is a manager of which some nodes are gone, and others have another customer, since
// a moment that can be looked at.
type trip struct {
	*estate
	at, end time.Time         // the moment, and when everything had changed
	names   map[string]string // by what became of a node
	askers  []*asker          // sees has keys of names
	whole   *asker
}

var fates = []string{"Kept", "Gone", "Sold", "Lost", "Both"}

func (o *trip) path(fate string) string { return "/trip/" + fate + "/" + o.names[fate] }

func newTrip(t *testing.T) *trip {
	t.Helper()
	o := &trip{estate: newEstate(t), names: map[string]string{}}
	var pairs []string
	for _, fate := range fates {
		o.names[fate] = word("xt")
		pairs = append(pairs, strings.ToUpper(fate), o.names[fate])
	}
	token := func(name string, sees []string, grants ...any) *asker {
		var made struct{ Token string }
		o.send(nil, http.MethodPost, "/api/v1/tokens", map[string]any{"name": name, "grants": grants}, http.StatusCreated, &made)
		a := &asker{name: name, token: made.Token, sees: sees}
		o.askers = append(o.askers, a)
		return a
	}
	of := func(path, customer string) map[string]any {
		return map[string]any{"role": "viewer", "path": path, "customer": customer}
	}
	o.whole = token("everything", fates, of("/", ""))
	token("a subtree", fates, of("/trip", ""))
	token("acme's", []string{"Kept", "Sold", "Both"}, of("/", "acme"))
	token("zenith's", []string{"Lost", "Both"}, of("/", "Zenith"))
	token("both customers'", []string{"Kept", "Sold", "Lost", "Both"}, of("/", "acme"), of("/trip", "zenith"))
	token("a part", []string{"Kept"}, of("/trip/Kept", ""))
	token("a part that is gone", []string{"Gone"}, of("/trip/Gone", ""))
	token("a node that is gone", []string{"Gone"}, of(o.path("Gone"), ""), of(o.path("Gone")+"log", ""))
	token("elsewhere", nil, of("/plant", ""))

	names := strings.NewReplacer(pairs...)
	o.write("trip.yaml", names.Replace(strings.ReplaceAll(tripOf, `"ACME,`, `"acme ,`)))
	o.until(func() error { return o.says("/api/v1/nodes"+o.path("Both"), http.StatusOK, "") })
	for _, value := range []int{5, 95} {
		for _, fate := range fates {
			var out map[string]any
			o.send(nil, http.MethodPost, "/api/v1/readings", reading{"path": o.path(fate), "value": value}, http.StatusOK, &out)
			o.send(nil, http.MethodPost, "/api/v1/readings", reading{"path": o.path(fate) + "log", "event": map[string]any{"text": "it says " + o.names[fate], "status": "red"}}, http.StatusOK, &out)
		}
	}
	o.until(func() error { return o.says("/api/v1/nodes"+o.path("Both")+"log", http.StatusOK, `"red"`) })
	o.at = time.Now()
	o.write("trip.yaml", names.Replace(strings.ReplaceAll(tripNow, `"ACME,`, `"acme ,`)))
	o.until(func() error { return o.says("/api/v1/nodes"+o.path("Gone"), http.StatusNotFound, "") })
	o.until(func() error { return o.says("/api/v1/nodes"+o.path("Lost"), http.StatusOK, "zenith") })
	o.end = time.Now()
	return o
}

func (o *trip) until(check func() error) { o.Helper(); o.eventually(check) }

// says looks at an answer to who sees everything.
func (o *trip) says(target string, status int, text string) error {
	got := o.tryAs(o.whole, &use{method: "GET", target: target}, "identity")
	if got.status != status || !strings.Contains(got.text, text) {
		return fmt.Errorf("%s: %d %.300s", target, got.status, got.text)
	}
	return nil
}

// told holds what somebody was told against what he sees.
func (o *trip) told(t *testing.T, a *asker, what, text string, lists []string) {
	t.Helper()
	for _, fate := range fates {
		there := strings.Contains(text, o.names[fate])
		switch {
		case there && !slices.Contains(a.sees, fate):
			t.Errorf("%s, %s: it tells of what is %s:\n%s", a.name, what, fate, around(text, o.names[fate]))
		case !there && slices.Contains(a.sees, fate) && slices.Contains(lists, fate):
			t.Errorf("%s, %s: it does not tell of what is %s:\n%.1500s", a.name, what, fate, text)
		}
	}
}

// TestThePastIsGuarded asks for everything that tells of the past, as customers and others, when
// nodes have gone and have changed hands since.
func TestThePastIsGuarded(t *testing.T) {
	t.Parallel()
	o := newTrip(t)
	at := "at=" + o.at.UTC().Format("2006-01-02T15:04:05.000Z")
	from, to := o.at.Add(-time.Hour).UTC().Format(time.RFC3339), o.end.Add(time.Minute).UTC().Format(time.RFC3339)
	span := "from=" + from + "&to=" + to
	unix := fmt.Sprintf("&start=%d&end=%d", o.at.Unix()-600, o.end.Unix()+1)
	query := func(expr string) string { return "query=" + url.QueryEscape(expr) }
	uses := []use{
		{target: "/api/v1/tree?" + at, lists: fates},
		{target: "/api/v1/tree?path=/trip&depth=2&" + at, lists: fates},
		{target: "/api/v1/tree?status=red&" + at, lists: fates},
		{target: "/api/v1/tree?text=xt&" + at, lists: fates},
		{target: "/api/v1/nodes/?" + at},
		{target: "/api/v1/nodes/trip?" + at},
		{target: "/api/v1/nodes/trip/Gone?" + at},
		{target: "/api/v1/moments?" + span},
		{target: "/api/v1/moments?path=/trip&" + span},
		{target: "/api/v1/moments?path=/trip/Gone&" + span},
		{target: "/api/v1/journal?limit=10000&" + span, lists: fates},
		{target: "/api/v1/journal?path=/trip&order=oldest&" + span, lists: fates},
		{target: "/api/v1/journal?path=/trip/Gone&" + span},
		{target: "/api/v1/history?path=/trip&" + span},
		{target: "/api/v1/history?path=/trip/Gone&" + span},
		{target: "/prometheus/api/v1/series?match[]=" + url.QueryEscape(`{__name__=~".+"}`) + unix, lists: fates},
		{target: "/prometheus/api/v1/labels?" + unix[1:]},
		{target: "/prometheus/api/v1/label/path/values?" + unix[1:], lists: fates},
		{target: "/prometheus/api/v1/label/__name__/values?" + unix[1:], lists: fates},
		{target: "/prometheus/api/v1/query_range?step=1&" + query(`count by (path) ({__name__=~".+"})`) + unix},
		{target: "/prometheus/api/v1/query?" + query(`max by (path) (max_over_time({__name__=~".+"}[10m]))`) + fmt.Sprintf("&time=%d", o.end.Unix()+1)},
		{target: "/prometheus/api/v1/metadata"},
		{target: "/reports/tree.json?" + span},
		{target: "/reports/tree.html?path=/trip&" + span},
		{target: "/reports/customers/acme.json?" + span}, {target: "/reports/customers/zenith.csv?" + span},
		{target: "/documents/customers/acme.json"}, {target: "/documents/customers/zenith.html"},
		{target: "/documents/tree.xml"},
		{target: "/ccms/v1/alerts?state=all"}, {target: "/ccms/v1/alerts?state=all&path=/trip"},
		{target: "/jolokia/search/*:*"}, {target: "/metrics"},
	}
	for _, a := range o.askers {
		t.Run(a.name, func(t *testing.T) {
			for i := range uses {
				u := uses[i]
				u.method = "GET"
				got := o.tryAs(a, &u, "identity")
				if got.status >= 500 {
					t.Errorf("%s: %d %s", u.target, got.status, got.text)
				}
				lists := u.lists
				if got.status != http.StatusOK {
					lists = nil
				}
				if a != o.whole && got.status == http.StatusNotFound {
					if !strings.Contains(got.text, "no such") {
						t.Errorf("%s: %s", u.target, got.text)
					}
				}
				o.told(t, a, u.target, got.text+fmt.Sprint(got.header), lists)
			}
			for _, fate := range fates {
				for _, part := range []string{o.path(fate), o.path(fate) + "log"} {
					for _, target := range []string{
						"/api/v1/nodes" + part + "?" + at, "/api/v1/tree?path=" + part + "&" + at, "/api/v1/history?path=" + part + "&" + span,
						"/api/v1/journal?path=" + part + "&" + span, "/api/v1/moments?path=" + part + "&" + span,
						"/prometheus/api/v1/query_range?step=1&" + query(`max_over_time({path="`+part+`"}[10m])`) + unix,
						"/reports/tree.json?path=" + part + "&" + span,
					} {
						if slices.Contains(a.sees, fate) {
							continue
						}
						// Nobody can tell it from what never was.
						absent := strings.Repeat("q", len(o.names[fate]))
						never := strings.NewReplacer(o.names[fate], absent)
						of, none := o.tryAs(a, &use{method: "GET", target: target}, "identity"), o.tryAs(a, &use{method: "GET", target: never.Replace(target)}, "identity")
						show := func(got answered) string {
							return fmt.Sprintf("%d %s", got.status, moments.ReplaceAllString(never.Replace(got.text), ""))
						}
						if d := diff.Diff(show(none), show(of)); d != "" {
							t.Errorf("%s (-absent +hidden):\n%s", target, d)
						}
					}
				}
				if !slices.Contains(a.sees, fate) {
					continue
				}
				for _, target := range []string{"/api/v1/nodes" + o.path(fate) + "?" + at, "/api/v1/tree?path=" + o.path(fate) + "&" + at} {
					if got := o.tryAs(a, &use{method: "GET", target: target}, "identity"); got.status != http.StatusOK || !strings.Contains(got.text, `95`) {
						t.Errorf("%s: %d %s", target, got.status, got.text)
					}
				}
			}
		})
	}
}

// TestTheLivePastIsGuarded subscribes to the past in every shape.
func TestTheLivePastIsGuarded(t *testing.T) {
	t.Parallel()
	o := newTrip(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	one := func(more map[string]any) map[string]any {
		all := map[string]any{"type": "subscribe", "id": 1, "path": "/", "at": o.at.UnixMilli()}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	open := func(more map[string]any) map[string]any {
		more["type"], more["id"] = "open", 1
		return more
	}
	last := map[string]any{"type": "subscribe", "id": 9, "path": "/", "depth": 0}
	for name, requests := range map[string][]map[string]any{
		"whole":              {one(nil)},
		"a subtree":          {one(map[string]any{"path": "/trip"})},
		"what is gone":       {one(map[string]any{"path": "/trip/Gone"})},
		"some":               {one(map[string]any{"some": 1000})},
		"a few":              {one(map[string]any{"some": 3}), open(map[string]any{"all": true})},
		"a depth":            {one(map[string]any{"depth": 1}), open(map[string]any{"all": true})},
		"what matches":       {one(map[string]any{"filter": map[string]any{"text": "xt"}})},
		"what is red":        {one(map[string]any{"filter": map[string]any{"statuses": []string{"red"}}}), open(map[string]any{"all": true})},
		"the problems":       {one(map[string]any{"some": 3}), open(map[string]any{"problems": true})},
		"a node that is so":  {one(map[string]any{"depth": 1}), open(map[string]any{"path": o.path("Gone")})},
		"a node of another":  {one(map[string]any{"depth": 1}), open(map[string]any{"path": o.path("Lost")})},
		"groups by name":     {one(map[string]any{"open": []string{"/trip/Gone", "/trip/Sold", "/trip/Lost"}, "depth": 1})},
		"a node by its path": {one(map[string]any{"path": o.path("Gone")})},
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range o.askers {
				h := o.feed(ctx, a, append(requests, last)...)
				if err := h.until(`"id":9`); err != nil {
					t.Fatalf("%s: %v\n%s", a.name, err, h.text.String())
				}
				text := h.text.String()
				for _, asked := range requests { // What was asked for may be repeated.
					for _, key := range []string{"path"} {
						if path, ok := asked[key].(string); ok {
							text = strings.ReplaceAll(text, `"`+path+`: no such node`, `"`)
						}
					}
				}
				var lists []string
				if name == "whole" || name == "some" || name == "what matches" {
					lists = fates
				}
				o.told(t, a, name, text, lists)
			}
		})
	}
}
