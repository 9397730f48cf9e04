package jolokia

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
)

// agentOf8 stands in for an agent of protocol 8 that keeps notifications: it answers in the
// form that the protocol has. Grove's own agent is asked in the tests of the whole system.
type agentOf8 struct {
	*httptest.Server
	mu      sync.Mutex
	clients map[string]bool
	waiting []string // JSON of notifications
	dropped int
	said    []string // commands in their order
}

func newAgentOf8(t *testing.T) *agentOf8 {
	a := &agentOf8{clients: map[string]bool{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *agentOf8) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var requests []request
	if err := json.NewDecoder(r.Body).Decode(&requests); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answers := make([]map[string]any, 0, len(requests))
	for _, q := range requests {
		answers = append(answers, a.answer(q))
	}
	_ = json.NewEncoder(w).Encode(answers)
}

func (a *agentOf8) answer(q request) map[string]any {
	ok := func(v any) map[string]any { return map[string]any{"status": 200, "value": v} }
	unknown := map[string]any{"status": 500, ".error": true, "error_type": "java.lang.IllegalArgumentException", "error": "No client registered"}
	if q.Type != "version" {
		a.said = append(a.said, q.Type+" "+q.Command+q.Operation)
	}
	switch {
	case q.Type == "version":
		return ok(map[string]any{"agent": "2.2.9", "protocol": "8.0"})
	case q.Command == "register":
		id := string(rune('a' + len(a.clients)))
		a.clients[id] = true
		return ok(map[string]any{"id": id, "backend": map[string]any{"pull": map[string]any{"store": "jolokia:type=NotificationStore,agent=x"}}})
	case q.Type == "exec" && !a.clients[q.Arguments[0]], q.Type == "notification" && !a.clients[q.Client]:
		return unknown
	case q.Command == "add":
		return ok("1")
	case q.Command == "unregister":
		delete(a.clients, q.Client)
		return ok(nil)
	case q.Type == "exec":
		if a.waiting == nil {
			return ok(nil)
		}
		list := []json.RawMessage{}
		for _, n := range a.waiting {
			list = append(list, json.RawMessage(n))
		}
		dropped := a.dropped
		a.waiting, a.dropped = []string{}, 0
		return ok(map[string]any{"dropped": dropped, "handle": "1", "notifications": list})
	}
	return unknown
}

func (a *agentOf8) emit(dropped int, notifications ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting, a.dropped = append(a.waiting, notifications...), dropped
}

// forget is what a new start of the server does.
func (a *agentOf8) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.clients)
}

// events are the events of a result as text.
func events(r probe.Result, name string) (lines []string) {
	for _, v := range r.Values {
		if v.Attribute == name {
			for _, e := range v.Events {
				lines = append(lines, e.Status.String()+" "+e.Time.UTC().Format("2006-01-02 15:04:05.000")+" "+e.Text)
			}
		}
	}
	return lines
}

func TestNotificationsOfStandIn(t *testing.T) {
	a := newAgentOf8(t)
	p, err := Kind(nil).New(options(a.URL, func(o *Options) {
		o.Notifications = map[string]Notification{"alarms": {
			MBean: "shop:type=GaugeMonitor", Types: []string{"jmx.monitor"},
			Status: map[string]string{"jmx.monitor": "yellow", "jmx.monitor.gauge.high": "red"},
		}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, p)
	if got := values(r); got["agent"] != "2.2.9" || got["problems"] != "" || events(r, "alarms") != nil {
		t.Errorf("%v, events %v", got, events(r, "alarms"))
	}
	a.emit(3,
		`{"type":"jmx.monitor.gauge.high","timeStamp":1700000000500,"message":"too many","source":{"objectName":"x:y=z"}}`,
		`{"type":"jmx.monitor.error.type","timeStamp":1700000001000,"message":""}`,
		`{"type":"other","timeStamp":1700000002000,"message":"so it is"}`)
	r = run(t, p)
	want := []string{
		"red 2023-11-14 22:13:20.500 jmx.monitor.gauge.high: too many",
		"yellow 2023-11-14 22:13:21.000 jmx.monitor.error.type",
		"white 2023-11-14 22:13:22.000 other: so it is",
	}
	if d := cmp.Diff(want, events(r, "alarms")); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"alarms|3 notifications were lost: the agent keeps few between two runs"}, rows(r, "errors")); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
	}
	if again := events(run(t, p), "alarms"); again != nil {
		t.Errorf("events come twice: %v", again)
	}

	a.forget()
	if r := run(t, p); values(r)["failed"] != "1" {
		t.Errorf("nothing is said of an agent that forgot the probe: %v", values(r))
	}
	a.emit(0, `{"type":"jmx.monitor.gauge.high","timeStamp":1700000000500,"message":"again"}`)
	if got := events(run(t, p), "alarms"); len(got) != 1 {
		t.Errorf("after a new start: %v", got)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if len(a.clients) != 0 {
		t.Errorf("the agent still keeps %v", a.clients)
	}
	wantSaid := []string{
		"notification register", "notification add", "exec pull(java.lang.String,java.lang.String)", "exec pull(java.lang.String,java.lang.String)",
		"exec pull(java.lang.String,java.lang.String)", "exec pull(java.lang.String,java.lang.String)",
		"notification register", "notification add", "exec pull(java.lang.String,java.lang.String)", "notification unregister",
	}
	if d := cmp.Diff(wantSaid, a.said); d != "" {
		t.Errorf("the agent was told (-want +got):\n%s", d)
	}
}

// TestNoNotifications has Jolokia 1.7.1, which does not know them.
func TestNoNotifications(t *testing.T) {
	a := startAgent(t)
	r := run(t, newProbe(t, nil, options(a.URL+"/jolokia", func(o *Options) {
		o.Notifications = map[string]Notification{"gc": {MBean: "java.lang:type=Memory"}}
	})))
	if d := cmp.Diff([]string{"gc|the agent offers no notifications: No type with name 'notification' exists"}, rows(r, "errors")); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
	}
	if got := values(r); got["up"] != "1" {
		t.Errorf("%v", got)
	}
}
