package sight_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/viewer/alert/sight"
	"grove/viewer/viewertest"
)

// cause is an alert of zenith's, consequence one of acme's that follows from it.
func cause() alert.Alert {
	return alert.Alert{ID: 1, Path: tree.MustPath("/shop/b/up"), State: alert.Open, Status: tree.Red, Kind: alert.Status, Message: "/shop/b/up is red: SECRET", Value: "0", Consequences: 2}
}

func consequence() alert.Alert {
	until := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	return alert.Alert{
		ID: 2, Path: tree.MustPath("/shop/a/up"), State: alert.Suppressed, Status: tree.Red, Kind: alert.Status, Message: "/shop/a/up is red: 0", Value: "0",
		Suppression: &alert.Suppression{Reason: alert.ByDependency, Cause: 1, At: tree.MustPath("/shop/b/up"), Text: "/shop/b/up is red: SECRET", Until: &until},
		History: []alert.Step{
			{What: alert.Opened, Text: "0"},
			{What: alert.DidSuppress, Text: "/shop/b/up is red: SECRET"},
			{What: alert.Commented, By: "ada", Text: "mine"},
			{What: alert.Released, Text: "/shop/b/up is well: SECRET"},
		},
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	all, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// TestWhatIsHiddenOfAnAlert looks at the same alerts as different people.
func TestWhatIsHiddenOfAnAlert(t *testing.T) {
	_, guard := viewertest.Estate(t)
	group := cause()
	group.Path, group.Message, group.Kind, group.History = tree.MustPath("/shop"), "/shop is red: /shop/b/up is red: SECRET", alert.Status, []alert.Step{{What: alert.Opened, Text: "SECRET"}}
	maintained := consequence()
	maintained.Suppression = &alert.Suppression{Reason: alert.ByMaintenance, At: tree.MustPath("/shop"), Text: `maintenance "SECRET" until 04:00`, Until: consequence().Suppression.Until}
	whole := consequence()
	whole.Suppression = &alert.Suppression{Reason: alert.ByWhole, Cause: 1, At: tree.MustPath("/shop"), Text: "/shop alerts as a whole: SECRET"}
	for name, c := range map[string]struct {
		grants string
		alert  alert.Alert
		hidden bool   // nothing that is secret is told
		want   string // is told
	}{
		"everything":                        {"viewer", consequence(), false, `"text":"/shop/b/up is red: SECRET"`},
		"the subtree of both":               {"viewer /shop", consequence(), false, `"cause":"1"`},
		"the consequence alone":             {"viewer /shop/a", consequence(), true, `"reason":"dependency","at":"/shop/a/up","text":"something that you may not see has failed"`},
		"one customer":                      {"operator customer=acme", consequence(), true, `"hidden":true`},
		"a comment stays":                   {"viewer /shop/a", consequence(), true, `"text":"mine"`},
		"the group and all below":           {"viewer /shop", group, false, "SECRET"},
		"the group, and not all below":      {"viewer customer=acme", group, true, `"message":"/shop is red"`},
		"a maintenance above":               {"viewer /shop/a", maintained, true, `"text":"maintenance until Mon 2 Mar 04:00 UTC"`},
		"a maintenance that is seen":        {"viewer /shop", maintained, false, `maintenance \"SECRET\" until 04:00`},
		"a maintenance of both customers":   {"viewer customer=acme", maintained, true, `"hidden":true`},
		"a group above alerts as a whole":   {"viewer /shop/a", whole, true, `"text":"a group above, which you may not see, alerts as a whole"`},
		"a group above, both of them known": {"viewer /shop", whole, false, "as a whole: SECRET"},
	} {
		t.Run(name, func(t *testing.T) {
			before := text(t, c.alert)
			eye := sight.New(guard, viewertest.Subject(t, c.grants))
			seen := text(t, eye.Alert(c.alert))
			if strings.Contains(seen, "SECRET") == c.hidden || !strings.Contains(seen, c.want) {
				t.Errorf("told: %s", seen)
			}
			if c.hidden && strings.Contains(seen, "/shop/b") {
				t.Errorf("the path is told: %s", seen)
			}
			if text(t, c.alert) != before {
				t.Error("the alert itself was changed")
			}
		})
	}
}

// TestConsequencesAreCounted counts those that somebody sees.
func TestConsequencesAreCounted(t *testing.T) {
	_, guard := viewertest.Estate(t)
	other := consequence()
	other.ID, other.Path = 3, tree.MustPath("/bank/up")
	all := []alert.Alert{cause(), consequence(), other}
	live := func(yield func(*alert.Alert) bool) {
		for i := range all {
			if !yield(&all[i]) {
				return
			}
		}
	}
	for grants, want := range map[string][]int{
		"viewer": {2, 0, 0}, "viewer /shop": {1, 0}, "viewer /shop/b": {0}, "viewer /shop/b; viewer /bank": {1, 0}, "viewer /shop/a": {0},
	} {
		var got []int
		for _, a := range sight.New(guard, viewertest.Subject(t, grants)).Alerts(all, live) {
			got = append(got, a.Consequences)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", grants, got, want)
		}
	}
}

// TestExplanationTellsOfNoOtherRoutes since those name other nodes and customers.
func TestExplanationTellsOfNoOtherRoutes(t *testing.T) {
	_, guard := viewertest.Estate(t)
	x := alert.Explanation{Alert: consequence(), Routes: []alert.Routing{
		{Route: "SECRET", Conditions: []alert.Condition{{Name: "under", Want: "/shop/b"}}},
		{Route: "all", Takes: true, Text: "after route SECRET", Conditions: []alert.Condition{
			{Name: "under", Want: "/shop/a, /shop/SECRET", Have: "/shop/a/up", OK: true}, {Name: "text", Want: "SECRET", Have: "SECRET", OK: true}, {Name: "status", Want: "red, yellow", Have: "red", OK: true}}},
	}}
	if seen := text(t, sight.New(guard, viewertest.Subject(t, "viewer /shop/a")).Explanation(x)); strings.Contains(seen, "SECRET") || !strings.Contains(seen, `"route":"all"`) || !strings.Contains(seen, `"want":"red, yellow"`) || !strings.Contains(seen, `"want":"/shop/a/up"`) {
		t.Error(seen)
	}
	if seen := text(t, sight.New(guard, viewertest.Subject(t, "viewer")).Explanation(x)); !strings.Contains(seen, `"route":"SECRET"`) {
		t.Error(seen)
	}
}

// TestMissingChildrenAreSeen by who sees the group that expects them.
func TestMissingChildrenAreSeen(t *testing.T) {
	_, guard := viewertest.Estate(t)
	var all []alert.Alert
	for i, path := range []string{"/shop/a/disk", "/shop/b/disk", "/bank/disk", "/shop/gone/disk"} {
		all = append(all, alert.Alert{ID: alert.ID(i + 1), Path: tree.MustPath(path), Kind: alert.Missing, Message: path + " is missing"})
	}
	gone := alert.Alert{ID: 9, Path: tree.MustPath("/shop/c"), Kind: alert.Status, Message: "/shop/c was red"}
	live := func(yield func(*alert.Alert) bool) {
		for i := range all {
			if !yield(&all[i]) {
				return
			}
		}
	}
	for grants, want := range map[string]string{
		"viewer":                 "/shop/a/disk is missing, /shop/b/disk is missing, /bank/disk is missing, /shop/gone/disk is missing, /shop/c was red",
		"viewer /shop":           "/shop/a/disk is missing, /shop/b/disk is missing, /shop/gone/disk is missing, /shop/c was red",
		"viewer customer=acme":   "/shop/a/disk is missing",
		"viewer customer=zenith": "/shop/b/disk is missing",
		"viewer /bank":           "/bank/disk is missing",
	} {
		eye := sight.New(guard, viewertest.Subject(t, grants)).Expecting(live)
		var got []string
		for _, a := range eye.Alerts(append(slices.Clone(all), gone), live) {
			got = append(got, a.Message)
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: %s", grants, text)
		}
	}
}
