package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/cmd/app"
	"grove/tree"
	"grove/tree/monitor"
	"grove/viewer"
	"grove/viewer/live/client"
)

// shop is a definition that is fed by programs alone, so that a test says what
// happens when.
const shop = `grove: 1
application: shop
title: The shop
at: /shop
probes:
  metrics:
    kind: push
    attributes:
      active: { type: number, unit: connections }
      state: { type: text }
      log: { type: events }
tree:
  Connections:
    Active:
      from: metrics.active
      yellow: "> 500"
      red: "> 1000"
      back: 10%
      metric: shop_connections_active
  State:
    from: metrics.state
    states: { running: green, draining: yellow, "*": red }
  Log:
    from: metrics.log
`

// other is a second instance, which nobody here ever changes.
const other = `grove: 1
application: other
at: /other
tree:
  Level: { kind: performance, red: "> 10" }
  Word: { kind: text }
`

// TestDefaultTreeIsHonest starts grove as a new user does. What it shows depends on the
// machine, but nothing is red for a reason of grove's own, and every white node says why.
func TestDefaultTreeIsHonest(t *testing.T) {
	m := serve(t, func(c *app.Config) { c.NoHost = false })
	m.is("/grove/Answers/Ready", "1", "green")
	m.is("/grove/Answers/Healthy", "1", "green")
	m.is("/grove/Definitions/host", "loaded", "green")
	m.is("/grove/Definitions/grove", "loaded", "green")
	m.is("/grove/Access", "everybody on this machine, without a login", "green")
	host := m.instance("host")
	m.eventually(func() error {
		n, err := m.find(host.At + "/Memory/Used")
		if err != nil {
			return err
		}
		if n.Value == nil {
			return fmt.Errorf("%s has no value yet", n.Path)
		}
		used, ok := n.Value.Number()
		if !ok || used <= 0 || used > 100 || n.Unit != "%" {
			return fmt.Errorf("memory in use is %v %s", n.Value, n.Unit)
		}
		return nil
	})
	var answer viewer.Tree
	m.ask("/api/v1/tree", &answer)
	leaves := 0
	every(answer.Root, func(n *viewer.Branch) {
		if n.Status == "white" && n.Reason == "" {
			t.Errorf("%s is white and does not say why", n.Path)
		}
		if n.Kind == "performance" && n.Unit == "" && !strings.Contains(n.Path, "/Load/") {
			t.Errorf("%s shows a number without a unit", n.Path)
		}
		if n.Kind != "group" {
			leaves++
		}
		if n.Kind != "group" && n.Description == "" {
			t.Errorf("%s has no description", n.Path)
		}
	})
	if leaves < 30 {
		t.Errorf("the default tree has %d attributes", leaves)
	}
	if code, metrics := m.get("/metrics"); code != http.StatusOK || !strings.Contains(string(metrics), "grove_self_healthy") {
		t.Errorf("/metrics answers %d without the tree", code)
	}
}

// TestDefinitionFilesGrowTheTree follows one file from its arrival to its end, while
// nothing else is touched.
func TestDefinitionFilesGrowTheTree(t *testing.T) {
	m := serve(t)
	m.write("other.yaml", other)
	m.loaded("other")
	m.push(reading{"path": "/other/Level", "value": 11}, reading{"path": "/other/Word", "value": "kept"})
	m.is("/other/Level", "11", "red")
	rest := m.subtree("/other")
	untouched := func(step string) {
		t.Helper()
		if diff := cmp.Diff(rest, m.subtree("/other")); diff != "" {
			t.Errorf("%s touched another instance:\n%s", step, diff)
		}
	}

	m.write("shop.yaml", shop)
	m.loaded("shop")
	untouched("a new file")
	m.push(reading{"instance": "shop", "probe": "metrics", "attribute": "active", "value": 501},
		reading{"instance": "shop", "probe": "metrics", "attribute": "state", "value": "running"})
	m.is("/shop/Connections/Active", "501", "yellow")
	m.is("/shop/State", "running", "green")
	active, err := m.find("/shop/Connections/Active")
	if err != nil {
		t.Fatal(err)
	}
	before := m.subtree("/shop")

	// A broken edit keeps the old tree, and says where it is wrong, in the tree too.
	m.write("shop.yaml", strings.Replace(shop, `yellow: "> 500"`, `yelow: "> 500"`, 1))
	if got := m.refused("shop"); !strings.Contains(got, `shop.yaml:16:7: unknown setting "yelow"`) {
		t.Errorf("the tree says %q", got)
	}
	if diff := cmp.Diff(before, m.subtree("/shop")); diff != "" {
		t.Errorf("a broken edit changed the tree:\n%s", diff)
	}
	untouched("a broken edit")
	m.eventually(func() error {
		i := m.instance("shop")
		if i.State != "kept" || len(i.Errors) != 1 || i.Errors[0].Line != 16 || i.Errors[0].Column != 7 || filepath.Base(i.Errors[0].File) != "shop.yaml" {
			return fmt.Errorf("the interface says %+v", i)
		}
		return nil
	})
	m.push(reading{"path": "/shop/Connections/Active", "value": 502})
	m.is("/shop/Connections/Active", "502", "yellow")

	// Mended with another threshold: that node alone has a new spec, and even it keeps
	// its value and its handle.
	m.write("shop.yaml", strings.Replace(shop, `yellow: "> 500"`, `yellow: "> 600"`, 1))
	m.loaded("shop")
	m.eventually(func() error {
		n, err := m.find("/shop/Connections/Active")
		switch {
		case err != nil:
			return err
		case n.Thresholds.Yellow != "> 600":
			return fmt.Errorf("the threshold is %q", n.Thresholds.Yellow)
		case n.Status != "green" || n.Value.String() != "502" || n.Index != active.Index || n.Created != active.Created:
			t.Fatalf("the node is %+v, before %+v", n, active)
		}
		return nil
	})
	m.is("/shop/State", "running", "green")
	untouched("mending")
	m.eventually(func() error {
		if i := m.instance("shop"); i.State != "running" || len(i.Errors) != 0 {
			return fmt.Errorf("the interface says %+v", i)
		}
		return nil
	})

	// Gone, with everything that was its own.
	m.remove("shop.yaml")
	m.gone("/shop")
	m.gone("/grove/Definitions/shop")
	untouched("removing a file")
	code, body := m.post(reading{"instance": "shop", "probe": "metrics", "attribute": "active", "value": 1})
	if code != http.StatusUnprocessableEntity || !strings.Contains(string(body), "shop") {
		t.Errorf("a reading for what is gone: %d %s", code, body)
	}
}

// TestPushedReadings reach their nodes by path and by the names of a definition, and
// each that cannot be taken is refused with its reason.
func TestPushedReadings(t *testing.T) {
	m := serve(t)
	m.write("shop.yaml", shop)
	m.loaded("shop")
	when := time.Now().Add(-time.Second).UTC()
	m.push(reading{"path": "/shop/Connections/Active", "value": 1001, "time": when.Format(time.RFC3339Nano), "unit": "connections"})
	m.is("/shop/Connections/Active", "1001", "red")
	m.is("/shop", "", "red")
	m.push(reading{"instance": "shop", "probe": "metrics", "attribute": "active", "value": 3})
	m.is("/shop/Connections/Active", "3", "green")
	m.push(reading{"instance": "shop", "probe": "metrics", "attribute": "log", "event": map[string]any{"status": "yellow", "text": "late"}})
	m.eventually(func() error {
		n, err := m.find("/shop/Log")
		if err != nil || len(n.Events) != 1 || n.Events[0].Text != "late" || n.Status != "yellow" {
			return fmt.Errorf("the log is %+v: %w", n, err)
		}
		return nil
	})
	for _, refused := range []struct {
		name   string
		push   reading
		reason string
		says   string
	}{
		{"no node", reading{"path": "/shop/Connections/Activ", "value": 1}, "no_node", `did you mean "Active"?`},
		{"a group", reading{"path": "/shop/Connections", "value": 1}, "misfit", "group"},
		{"a text for a number", reading{"path": "/shop/Connections/Active", "value": "many"}, "misfit", "number"},
		{"another unit", reading{"path": "/shop/Connections/Active", "value": 1, "unit": "s"}, "misfit", "connections"},
		{"older than the state there", reading{"path": "/shop/State", "value": "stopped", "time": when.Add(-time.Hour).Format(time.RFC3339)}, "older", ""},
		{"far in the future", reading{"path": "/shop/Connections/Active", "value": 1, "time": when.Add(time.Hour).Format(time.RFC3339)}, "wrong_time", ""},
		{"no attribute", reading{"instance": "shop", "probe": "metrics", "attribute": "activ", "value": 1}, "no_node", "active"},
		{"no probe", reading{"instance": "shop", "probe": "metric", "attribute": "active", "value": 1}, "no_node", "metric"},
		{"no instance", reading{"instance": "shops", "probe": "metrics", "attribute": "active", "value": 1}, "no_node", "shop"},
	} {
		t.Run(refused.name, func(t *testing.T) {
			// A good reading beside it, so that the answer lists and does not fail.
			code, body := m.post([]reading{{"path": "/shop/State", "value": "running"}, refused.push})
			var out struct {
				Accepted int
				Refused  []struct {
					Index         int
					Reason, Error string
				}
			}
			if err := json.Unmarshal(body, &out); code != http.StatusOK || err != nil {
				t.Fatalf("%d %s", code, body)
			}
			if out.Accepted != 1 || len(out.Refused) != 1 || out.Refused[0].Index != 1 || out.Refused[0].Reason != refused.reason || !strings.Contains(out.Refused[0].Error, refused.says) {
				t.Errorf("%s", body)
			}
		})
	}
	// A late number is taken, for the history alone.
	if code, body := m.post([]reading{{"path": "/shop/Connections/Active", "value": 1, "time": when.Add(-time.Hour).Format(time.RFC3339)}}); code != http.StatusOK || !strings.Contains(string(body), `"late":1`) {
		t.Errorf("a late reading: %d %s", code, body)
	}
	m.is("/shop/Connections/Active", "3", "green")
}

// source is a web server whose answer is one number, and which counts who asks.
type source struct {
	*httptest.Server
	value, asked chan int // each holds one number
}

func newSource(t *testing.T) *source {
	s := &source{value: make(chan int, 1), asked: make(chan int, 1)}
	s.value <- 1
	s.asked <- 0
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked <- 1 + <-s.asked
		v := <-s.value
		s.value <- v
		fmt.Fprintf(w, "level %d\n", v)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *source) set(v int) { <-s.value; s.value <- v }

func (s *source) count() int {
	n := <-s.asked
	s.asked <- n
	return n
}

// TestFourModes feeds four nodes in the four ways, from the resource to REST.
func TestFourModes(t *testing.T) {
	timer, request, announced := newSource(t), newSource(t), newSource(t)
	m := serve(t)
	m.write("modes.yaml", fmt.Sprintf(`grove: 1
application: modes
at: /modes
probes:
  timer: { kind: http, url: %q, every: 100ms, extract: { regex: 'level (?P<level>\d+)' } }
  request: { kind: http, url: %q, mode: request, extract: { regex: 'level (?P<level>\d+)' } }
  announced: { kind: http, url: %q, mode: notification, extract: { regex: 'level (?P<level>\d+)' } }
  box: { kind: push, attributes: { level: { type: number } } }
tree:
  Timer: { from: timer.level }
  Request: { from: request.level }
  Announced: { from: announced.level }
  Pushed: { from: box.level, mode: push }
  Fetched: { from: box.level, mode: notification }
`, timer.URL, request.URL, announced.URL))
	m.loaded("modes")

	m.is("/modes/Timer", "1", "green")
	timer.set(2)
	m.is("/modes/Timer", "2", "green")

	// Nobody looked yet. Whoever looks first sees the value soon after.
	if n := request.count(); n != 0 {
		t.Errorf("the resource in mode request was asked %d times before somebody looked", n)
	}
	m.is("/modes/Request", "1", "green")
	seen := request.count()
	request.set(2)
	m.is("/modes/Request", "2", "green") // looks, and looks again
	if n := request.count(); n == seen {
		t.Errorf("the resource in mode request was not asked again")
	}

	// It is read when it begins, and then whenever it says that something is there.
	m.is("/modes/Announced", "1", "green")
	seen = announced.count()
	announced.set(2)
	bean := beans.MustName(`grove:type=RuntimeBean,instance="modes",name=announced,kind=http`)
	if _, err := m.Beans.Invoke(t.Context(), bean, "announce"); err != nil {
		t.Fatal(err)
	}
	m.is("/modes/Announced", "2", "green")
	if n := announced.count(); n != seen+1 {
		t.Errorf("the resource in mode notification was asked %d times for one announcement", n-seen)
	}

	m.push(reading{"instance": "modes", "probe": "box", "attribute": "level", "value": 7})
	m.is("/modes/Pushed", "7", "green")
	m.is("/modes/Fetched", "7", "green")
	for path, mode := range map[string]string{"Timer": "timer", "Request": "request", "Announced": "notification", "Pushed": "push", "Fetched": "notification"} {
		if n, err := m.find("/modes/" + path); err != nil || n.Mode != mode {
			t.Errorf("%s is in mode %q: %v", path, n.Mode, err)
		}
	}
}

// TestTunedThreshold is set in the bean server and shows everywhere else.
func TestTunedThreshold(t *testing.T) {
	m := serve(t)
	m.write("shop.yaml", shop)
	m.loaded("shop")
	m.push(reading{"path": "/shop/Connections/Active", "value": 400})
	m.is("/shop/Connections/Active", "400", "green")
	feed := follow(t, m, "/shop")
	feed.is("Connections/Active", "green")

	name, err := monitor.Name(tree.MustPath("/shop/Connections/Active"))
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan beans.Notification, 16)
	cancel, err := m.Beans.Subscribe(name, func(n beans.Notification) { heard <- n }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	if err := m.Beans.SetAttribute(t.Context(), name, "YellowToRed", 350.0); !errors.Is(err, beans.ErrInvalidValue) {
		t.Errorf("red below yellow: %v", err)
	}
	for _, set := range []beans.AttributeValue{{Name: "YellowToGreen", Value: 280.0}, {Name: "GreenToYellow", Value: 300.0}} {
		if err := m.Beans.SetAttribute(t.Context(), name, set.Name, set.Value); err != nil {
			t.Fatal(err)
		}
	}
	m.is("/shop/Connections/Active", "400", "yellow")
	feed.is("Connections/Active", "yellow")
	n, err := m.find("/shop/Connections/Active")
	if err != nil || !n.Thresholds.Tuned || n.Thresholds.Yellow != "> 300" || len(n.Thresholds.Back.Yellow) != 1 || n.Thresholds.Back.Yellow[0] != 280 {
		t.Errorf("REST says %+v: %v", n.Thresholds, err)
	}
	got := <-heard
	if strings.HasSuffix(got.Message, "from white to green") {
		got = <-heard // the first reading may be published after the subscription began
	}
	if got.Type != monitor.TypeStatusChanged || !strings.Contains(got.Message, "from green to yellow") {
		t.Errorf("the bean told %+v", got)
	}
	if status, err := m.Beans.Attribute(t.Context(), name, "Status"); err != nil || status != "yellow" {
		t.Errorf("the bean is %v: %v", status, err)
	}

	// The definition is loaded again with another node: what was tuned stays tuned.
	m.write("shop.yaml", shop+"  More: { kind: text }\n")
	m.eventually(func() error { _, err := m.find("/shop/More"); return err })
	m.is("/shop/Connections/Active", "400", "yellow")
	if _, err := m.Beans.Invoke(t.Context(), name, "reset"); err != nil {
		t.Fatal(err)
	}
	if n, err := m.find("/shop/Connections/Active"); err != nil || n.Thresholds.Tuned || n.Thresholds.Yellow != "> 500" || n.Status != "white" {
		t.Errorf("after the reset REST says %+v %+v: %v", n, n.Thresholds, err)
	}
}

// TestTwoManagersNeverShareADirectory: the second says what to do.
func TestTwoManagersNeverShareADirectory(t *testing.T) {
	data := t.TempDir()
	m := serve(t, func(c *app.Config) { c.Data = data })
	_, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: data})
	if err == nil || !strings.Contains(err.Error(), "another grove uses it") || !strings.Contains(err.Error(), "--data") {
		t.Errorf("a second manager: %v", err)
	}
	if code, _ := m.get("/healthz"); code != http.StatusOK {
		t.Errorf("the first answers %d afterwards", code)
	}
	// The same for the address, and its directory is free again afterwards.
	for range 2 {
		if _, err := app.New(app.Config{Listen: m.Addr().String(), Data: filepath.Join(data, "second")}); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("the same address: %v", err)
		}
	}
}

// TestStopIsQuick stops a manager whose probe hangs and which has viewers that read
// and viewers that do not.
func TestStopIsQuick(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	m := serve(t)
	m.write("silent.yaml", fmt.Sprintf(`grove: 1
application: silent
at: /silent
probes: { page: { kind: http, url: "http://%s/", every: 1m, timeout: 50s } }
tree: { Status: { from: page.status } }
`, silent.Addr()))
	m.loaded("silent")
	asked, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	reading := follow(t, m, "/")
	reading.next()
	idle, err := client.Dial(t.Context(), m.url, tree.MustPath("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()

	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for err == nil { // what was under way may still arrive
		_, err = reading.Next()
	}
	if conn, err := net.Dial("tcp", m.Addr().String()); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}
