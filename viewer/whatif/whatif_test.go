package whatif

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/alert"
	"grove/viewer/viewertest"
)

// world supposes that what is set follows at /shop, and that an alert opens for each node
// that is set; what is not the cause is suppressed by it.
type world struct {
	cause  string
	routes int
	err    error
}

func (w *world) Suppose(_ context.Context, set map[tree.Path]tree.Status) (changes []tree.StatusChange, alerts []alert.Alert, err error) {
	changes = append(changes, tree.StatusChange{Path: tree.MustPath("/shop"), Kind: tree.Group, From: tree.White, To: tree.Red})
	for p, status := range set {
		changes = append(changes, tree.StatusChange{Path: p, Kind: tree.State, From: tree.White, To: status})
	}
	for _, path := range []string{"/shop/a/up", "/shop/b/up", "/bank/up"} {
		a := alert.Alert{ID: alert.ID(len(alerts) + 1), Path: tree.MustPath(path), Status: tree.Red, Severity: tree.Major, Kind: alert.Status, State: alert.Open, Message: path + " is red"}
		if path != w.cause && w.cause != "" {
			a.State, a.Suppression = alert.Suppressed, &alert.Suppression{Reason: alert.ByParent, Cause: 99, At: tree.MustPath(w.cause), Text: w.cause + " is red"}
		}
		alerts = append(alerts, a)
	}
	return changes, alerts, w.err
}

func (w *world) Explain(a alert.Alert, _ time.Time) alert.Explanation {
	x := alert.Explanation{Alert: a}
	for i := range w.routes {
		name := fmt.Sprint("r", i)
		x.Routes = append(x.Routes, alert.Routing{Route: name, Takes: true, Group: "all"})
		if a.Suppression == nil {
			x.Told = append(x.Told, alert.Telling{Route: name, Channel: "boss", Purpose: "escalation", After: alert.Duration(time.Minute), Step: 1}, alert.Telling{Route: name, Channel: "ops", Purpose: "firing"})
		}
	}
	return x
}

func ask(t *testing.T, w *world, grants, body string) (int, string, Supposed) {
	t.Helper()
	o, guard := viewertest.Estate(t)
	api, err := New(Options{Supposing: w, Tree: o, Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	room := viewertest.New(t)
	room.Add(api.Register)
	status, text := room.Do(grants, "POST", "/api/v1/what-if", body)
	var s Supposed
	_ = json.Unmarshal([]byte(text), &s)
	return status, text, s
}

func TestWhatIf(t *testing.T) {
	const both = `{"set":{"/shop/a/up":"red","/shop/b/up":"red"}}`
	for _, c := range []struct {
		name, grants, body string
		w                  world
		changes, alerts    []string
		messages           []string
	}{
		{"everything", "viewer", both, world{routes: 1},
			[]string{"/shop red false", "/shop/a/up red true", "/shop/b/up red true"}, []string{"/bank/up", "/shop/a/up", "/shop/b/up"},
			[]string{"ops 0s 3: 3 alerts: /bank/up is red", "boss 1m 3: 3 alerts: /bank/up is red"}},
		{"a part", "viewer /shop/a", `{"set":{"/shop/a/up":"red"}}`, world{routes: 1},
			[]string{"/shop red false", "/shop/a/up red true"}, []string{"/shop/a/up"}, []string{"ops 0s 1: /shop/a/up is red", "boss 1m 1: /shop/a/up is red"}},
		{"the cause first", "viewer", both, world{routes: 1, cause: "/shop/b/up"},
			[]string{"/shop red false", "/shop/a/up red true", "/shop/b/up red true"}, []string{"/shop/b/up", "/bank/up held back: /shop/b/up is red", "/shop/a/up held back: /shop/b/up is red"},
			[]string{"ops 0s 1: /shop/b/up is red", "boss 1m 1: /shop/b/up is red"}},
		{"a cause that is hidden", "viewer /shop/a", `{"set":{"/shop/a/up":"red"}}`, world{routes: 1, cause: "/shop/b/up"},
			[]string{"/shop red false", "/shop/a/up red true"}, []string{"/shop/a/up held back: something that you may not see has failed"}, nil},
		{"no routes", "viewer customer=zenith", `{"set":{"/shop/b/up":"red"}}`, world{},
			[]string{"/shop red false", "/shop/b/up red true"}, []string{"/shop/b/up"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text, s := ask(t, &c.w, c.grants, c.body)
			if status != 200 || s.Truncated {
				t.Fatalf("%d %s", status, text)
			}
			var changes, alerts, messages []string
			for _, x := range s.Changes {
				changes = append(changes, fmt.Sprintf("%s %s %t", x.Path, x.To, x.Set))
			}
			for _, x := range s.Alerts {
				line := x.Alert.Path.String()
				if x.Alert.Suppression != nil {
					line += " held back: " + x.Alert.Suppression.Text
				}
				alerts = append(alerts, line)
			}
			for _, x := range s.Messages {
				messages = append(messages, fmt.Sprintf("%s %s %d: %s", x.Channel, tree.FormatDuration(time.Duration(x.After)), x.Alerts, x.Title))
			}
			if diff := cmp.Diff([][]string{c.changes, c.alerts, c.messages}, [][]string{changes, alerts, messages}); diff != "" {
				t.Error(diff)
			}
			for _, hidden := range []string{"/shop/b", "/bank"} {
				if strings.Contains(c.grants, "/shop/a") && strings.Contains(text, hidden) {
					t.Errorf("tells of %s: %s", hidden, text)
				}
			}
		})
	}
}

func TestWhatIfIsRefused(t *testing.T) {
	for _, c := range []struct {
		grants, body string
		err          error
		status       int
		answer       string
	}{
		{"viewer", `{"set":{}}`, nil, 422, "validation failed"},
		{"viewer", `{"set":{"/shop":"blue"}}`, nil, 422, `/shop: unknown status \"blue\"`},
		{"viewer", `{"set":{"/a~9":"red"}}`, nil, 400, "malformed path"},
		{"viewer", `{"set":{"/shop/c":"red"}}`, nil, 404, `/shop has no \"c\"; did you mean \"b\"?`},
		{"viewer /shop/a", `{"set":{"/shop/b/up":"red"}}`, nil, 404, `"detail":"/shop/b/up: no such node"`},
		{"viewer /shop/a", `{"set":{"/shop/a/zz":"red"}}`, nil, 404, `"detail":"/shop/a/zz: no such node"`},
		{"viewer /shop/a", `{"set":{"/shop":"red"}}`, nil, 403, "needs the role viewer on /shop"},
		{"viewer", `{"set":{"/shop":"red"}}`, fmt.Errorf("/shop: %w: a text has no status", tree.ErrSuppose), 422, "a text has no status"},
	} {
		status, text, _ := ask(t, &world{err: c.err}, c.grants, c.body)
		if status != c.status || !strings.Contains(text, c.answer) {
			t.Errorf("%s %s: %d %s", c.grants, c.body, status, text)
		}
	}
}

// TestMessagesAreBounded has more routes than messages are told.
func TestMessagesAreBounded(t *testing.T) {
	status, _, s := ask(t, &world{routes: maxMessages}, "viewer", `{"set":{"/shop/a/up":"red"}}`)
	if status != 200 || !s.Truncated || len(s.Messages) != maxMessages {
		t.Errorf("%d, %d messages, truncated %t", status, len(s.Messages), s.Truncated)
	}
}
