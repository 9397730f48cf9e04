package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"grove/tree"
)

// The beans of one manager are there in the bean server of the other, and what is done with
// a mirrored node is done by its owner.
func TestBeansAndNodesOfAnotherManager(t *testing.T) {
	t.Parallel()
	hub := newSite(t, "hub", listens)
	edge := newSite(t, "edge", "move_loopback: true\nallow: [ { who: \"*\", role: editor, under: / } ]\n")
	edge.write("definitions/shop.yaml", "grove: 1\napplication: shop\nat: /shop\ntree:\n  Load: { kind: performance, mode: push, unit: requests/s, red: \"> 10\" }\n")
	edge.joins(hub)
	edge.until("the shop grows", func() bool { _, ok := edge.node("/shop/Load"); return ok })
	edge.must(http.MethodPost, "/api/v1/readings", map[string]any{"path": "/shop/Load", "value": 5}, nil)
	const here = "/Managers/edge/shop/Load"
	hub.until("the shop hangs here", func() bool { n, ok := hub.node(here); return ok && n.Status == tree.Green })

	var d struct {
		Path  string
		Value float64
	}
	hub.must(http.MethodGet, "/api/v1/nodes"+here+"?from=owner", nil, &d)
	if d.Path != here || d.Value != 5 {
		t.Errorf("from the owner: %+v", d)
	}
	hub.must(http.MethodPut, "/api/v1/thresholds"+here+"?at=owner", map[string]string{"red": "> 3"}, nil)
	if n, _ := edge.node("/shop/Load"); !n.Tuned || n.Status != tree.Red {
		t.Errorf("at the owner: tuned %v, %v", n.Tuned, n.Status)
	}
	hub.until("what the owner says is here", func() bool { n, _ := hub.node(here); return n.Status == tree.Red && !n.Tuned })
	hub.must(http.MethodDelete, "/api/v1/thresholds"+here+"?at=owner", nil, nil)
	if n, _ := edge.node("/shop/Load"); n.Tuned {
		t.Error("the thresholds of the definition are not in force again")
	}
	if err := hub.call(http.MethodPost, "/api/v1/ask"+here, nil, nil); err == nil || !strings.Contains(err.Error(), "/shop/Load cannot be asked: no probe feeds it") {
		t.Errorf("to ask: %v", err)
	}

	var list struct{ Beans []struct{ Name, Path string } }
	hub.until("the beans are here", func() bool {
		list.Beans = nil
		hub.must(http.MethodGet, "/api/v1/beans?query="+url.QueryEscape("grove:manager=edge,*"), nil, &list)
		return len(list.Beans) > 0
	})
	instance := ""
	for _, b := range list.Beans {
		if b.Path == "/Managers/edge/shop" {
			instance = b.Name
		}
	}
	var bean struct {
		Class      string
		Attributes []struct{ Name, Error string }
	}
	hub.must(http.MethodGet, "/api/v1/bean?name="+url.QueryEscape(instance), nil, &bean)
	if len(bean.Attributes) == 0 || bean.Attributes[0].Error != "" {
		t.Errorf("%s of %v: %+v", instance, list, bean)
	}
	var found struct{ Value []string }
	hub.must(http.MethodGet, "/jolokia/search/*:manager=edge,*", nil, &found)
	if len(found.Value) < len(list.Beans) {
		t.Errorf("a client of JMX finds %q", found.Value)
	}
	var audit struct {
		Records []struct{ Who, Action string }
	}
	edge.must(http.MethodGet, "/api/v1/audit", nil, &audit)
	ok := false
	for _, e := range audit.Records {
		ok = ok || strings.HasSuffix(e.Who, "@hub") && e.Action == "thresholds put"
	}
	if !ok {
		t.Errorf("the audit log of the owner: %+v", audit)
	}
}
