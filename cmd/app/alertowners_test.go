package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"grove/tree"
	"grove/tree/alert"
)

// What is wrong at another manager is listed here, with who knows of it, and people say here that
// they do; that manager decides whether they may, and keeps who it was.
func TestAlertsOfAnotherManager(t *testing.T) {
	t.Parallel()
	hub := newSite(t, "hub", listens)
	edge := newSite(t, "edge", "move_loopback: true\n")
	edge.write("alerts.yaml", "alerts: { settle: 10ms }\n")
	shop := newProbed(t)
	edge.write("definitions/shop.yaml", strings.ReplaceAll(shop.definition(), "200ms", "1h")+"---\n"+shop.instance()+
		"---\ngrove: 1\napplication: store\nat: /store\ntree:\n  Load: { kind: performance, mode: push, red: \"> 10\" }\n")
	edge.joins(hub)
	edge.until("the shop is watched", func() bool { n, ok := edge.node("/shop/Load"); return ok && n.Status == tree.Green })
	const here = "/Managers/edge/shop"
	hub.until("the shop hangs here", func() bool { n, ok := hub.node(here + "/Load"); return ok && n.Status == tree.Green })

	// To ask for a reading by the bean of the node asks the manager that has the probe.
	asked := shop.asked.Load()
	var found struct{ Beans []struct{ Name, Path string } }
	hub.must(http.MethodGet, "/api/v1/beans?query="+url.QueryEscape("*:path=\""+here+"/Load\",*"), nil, &found)
	if len(found.Beans) != 1 {
		t.Fatalf("beans of the node: %+v", found)
	}
	bean := url.QueryEscape(found.Beans[0].Name)
	hub.must(http.MethodPost, "/api/v1/bean/operation?name="+bean, map[string]any{"operation": "refresh"}, nil)
	hub.until("the probe asks again", func() bool { return shop.asked.Load() > asked })

	edge.must(http.MethodPut, "/api/v1/thresholds/shop/Load", map[string]string{"red": "> 5"}, nil)
	edge.must(http.MethodPost, "/api/v1/readings", map[string]any{"path": "/store/Load", "value": 50}, nil)
	list := func(s *site, query string) (list []alert.Alert) {
		t.Helper()
		var page alert.Page
		s.must(http.MethodGet, "/api/v1/alerts?"+query, nil, &page)
		return page.Alerts
	}
	edge.until("both are wrong", func() bool { return len(list(edge, "")) == 2 })
	other := list(edge, "under=/store")[0]
	if got := list(hub, "under="+here); len(got) != 0 {
		t.Errorf("alerts of the hub itself: %+v", got)
	}
	got := list(hub, "at=owner&under="+here)
	if len(got) != 1 || got[0].Path.String() != here+"/Load" || got[0].Manager != "edge" || !strings.HasPrefix(got[0].Message, here+"/Load is red: 7") {
		t.Fatalf("alerts of the edge: %+v", got)
	}
	id := got[0].ID.String()
	change := func(action string, body map[string]any) (results []alert.Result, err error) {
		var got struct{ Results []alert.Result }
		err = hub.call(http.MethodPost, "/api/v1/alerts/"+action, body, &got)
		return got.Results, err
	}
	for _, c := range []struct {
		action, comment string
		state           alert.State
	}{{"acknowledge", "on it", alert.Acknowledged}, {"comment", "still", alert.Acknowledged}, {"unacknowledge", "", alert.Open}} {
		results, err := change(c.action, map[string]any{"ids": []string{id}, "at": here + "/Load", "comment": c.comment})
		if err != nil || len(results) != 1 || results[0].Error != "" {
			t.Fatalf("%s: %+v, %v", c.action, results, err)
		}
		x := list(edge, "under=/shop")[0]
		step := x.History[len(x.History)-1]
		if x.State != c.state || !strings.HasSuffix(step.By, "@hub") || step.Text != c.comment {
			t.Errorf("%s: %s, %+v", c.action, x.State, step)
		}
	}
	var audit struct {
		Records []struct{ Who, Action, Target string }
	}
	edge.must(http.MethodGet, "/api/v1/audit", nil, &audit)
	known := false
	for _, r := range audit.Records {
		known = known || strings.HasSuffix(r.Who, "@hub") && r.Action == "alerts acknowledge" && r.Target == "/shop/Load"
	}
	if !known {
		t.Errorf("the audit log of the owner: %+v", audit)
	}

	// What is elsewhere than at the node is not there.
	results, err := change("acknowledge", map[string]any{"ids": []string{other.ID.String()}, "at": here})
	if err != nil || len(results) != 1 || !strings.Contains(results[0].Error, "no such alert") {
		t.Errorf("an alert elsewhere: %+v, %v", results, err)
	}
	if _, err := change("acknowledge", map[string]any{"ids": []string{id}, "at": "/grove"}); err == nil || !strings.Contains(err.Error(), "/grove is of this manager, not of another one") {
		t.Errorf("an own node: %v", err)
	}
	edge.write("peers.yaml", "move_loopback: true\nallow: [ { who: integration, role: viewer, under: / } ]\n")
	edge.until("the hub may only see", func() bool {
		_, err := change("acknowledge", map[string]any{"ids": []string{id}, "at": here})
		return err != nil && strings.Contains(err.Error(), "403")
	})
	if got := list(hub, "at=owner&under="+here); len(got) != 1 {
		t.Errorf("alerts of the edge, to see: %+v", got)
	}
	edge.stop()
	hub.until("the edge is lost", func() bool {
		_, err := change("acknowledge", map[string]any{"ids": []string{id}, "at": here})
		return err != nil && strings.Contains(err.Error(), "503") && strings.Contains(err.Error(), "edge")
	})
	if err := hub.call(http.MethodGet, "/api/v1/alerts?at=owner&under="+here, nil, nil); err == nil || !strings.Contains(err.Error(), "the other manager does not answer: edge") {
		t.Errorf("alerts of who is away: %v", err)
	}
}
