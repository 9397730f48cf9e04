package otlp

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector takes OTLP with the decoder of OpenTelemetry's own Collector; it stands in
// for one, since Debian has none.
type collector struct {
	mu      sync.Mutex
	down    bool
	headers http.Header
	points  []string
	records []string
	news    chan struct{}
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		c.signal()
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err == nil {
		err = c.take(r.URL.Path, text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.headers = r.Header
	w.Header().Set("Content-Type", "application/x-protobuf")
	c.signal()
}

func (c *collector) signal() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *collector) take(path string, text []byte) error {
	switch path {
	case "/v1/metrics":
		r := pmetricotlp.NewExportRequest()
		if err := r.UnmarshalProto(text); err != nil {
			return err
		}
		for _, rm := range r.Metrics().ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					c.points = append(c.points, lines(rm.Resource().Attributes().AsRaw()["service.instance.id"], m)...)
				}
			}
		}
	case "/v1/logs":
		r := plogotlp.NewExportRequest()
		if err := r.UnmarshalProto(text); err != nil {
			return err
		}
		for _, rl := range r.Logs().ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, l := range sl.LogRecords().All() {
					c.records = append(c.records, line(l))
				}
			}
		}
	default:
		return fmt.Errorf("nothing is taken at %s", path)
	}
	return nil
}

func lines(instance any, m pmetric.Metric) (all []string) {
	one := func(p pmetric.NumberDataPoint) {
		v := fmt.Sprint(p.DoubleValue())
		if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
			v = fmt.Sprint(p.IntValue())
		}
		all = append(all, fmt.Sprintf("%s %s %s unit=%q %v %s", instance, m.Name(), m.Type(), m.Unit(), p.Attributes().AsRaw(), v))
	}
	if m.Type() == pmetric.MetricTypeSum {
		for _, p := range m.Sum().DataPoints().All() {
			one(p)
		}
		return all
	}
	for _, p := range m.Gauge().DataPoints().All() {
		one(p)
	}
	return all
}

func line(l plog.LogRecord) string {
	return fmt.Sprintf("%s %d %s %s: %s %v", l.Timestamp().AsTime().Format(time.RFC3339), l.SeverityNumber(), l.SeverityText(), l.EventName(), l.Body().AsString(), l.Attributes().AsRaw())
}

func grown(t *testing.T) *tree.Tree {
	t.Helper()
	tr := tree.New(tree.Options{})
	for path, s := range map[string]*tree.Spec{
		"/shop/answer":  {Kind: tree.Performance, Unit: "ms", Metric: "shop_answer_seconds", Labels: map[string]string{"zone": "b"}},
		"/shop/orders":  {Kind: tree.Performance, Unit: "orders", Metric: "shop_orders_total"},
		"/shop/queue":   {Kind: tree.Performance, Unit: "jobs"},
		"/shop/unknown": {Kind: tree.Performance},
		"/other":        {Kind: tree.Performance},
	} {
		r, err := tr.Add(tree.MustPath(path), s)
		if err != nil {
			t.Fatal(err)
		}
		if path != "/shop/unknown" {
			tr.Apply([]tree.Reading{{Node: r, Value: 1500}})
		}
	}
	tr.Flush()
	return tr
}

func start(t *testing.T, o Options, targets ...Target) (*Exporter, func()) {
	t.Helper()
	o.Manager, o.Version, o.Secret = "web1", "1.2.3", func(ref string) (string, error) {
		if ref != "file:/token" {
			return "", errors.New("no such secret")
		}
		return "Bearer secret", nil
	}
	e, err := New(o, targets)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return e, stop
}

func TestExport(t *testing.T) {
	c := &collector{news: make(chan struct{}, 1)}
	server := httptest.NewServer(c)
	defer server.Close()
	e, stop := start(t, Options{Tree: grown(t)}, Target{Name: "col", URL: server.URL + "/", Path: "/shop", Every: time.Second, Headers: map[string]string{"Authorization": "file:/token"}})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e.Publish(beans.Notification{Type: "grove.status.changed", Source: beans.MustName("grove:type=Tree"), Sequence: 7, Time: at, Message: "/shop/queue went from green to red",
		Data: map[string]beans.Value{"path": "/shop/queue", "from": "green", "to": "red", "value": 3.5, "reason": ""}})
	e.Publish(beans.Notification{Type: "grove.status.changed", Source: beans.MustName("grove:type=Tree"), Time: at, Data: map[string]beans.Value{"path": "/shopping"}})
	e.Publish(beans.Notification{Type: "timer", Source: beans.MustName("grove:type=Timer"), Time: at})
	for done := false; !done; {
		<-c.news
		c.mu.Lock()
		done = len(c.points) > 8 && len(c.records) > 0 // the second picture, so the first was answered
		c.mu.Unlock()
	}
	stop()
	if c.headers.Get("Authorization") != "Bearer secret" {
		t.Errorf("headers %v", c.headers)
	}
	slices.Sort(c.points)
	want := []string{
		`web1 grove_node_status Gauge unit="" map[path:/shop/answer] 1`,
		`web1 grove_node_status Gauge unit="" map[path:/shop/orders] 1`,
		`web1 grove_node_status Gauge unit="" map[path:/shop/queue] 1`,
		`web1 grove_node_status Gauge unit="" map[path:/shop/unknown] 0`,
		`web1 grove_node_status Gauge unit="" map[path:/shop] 1`,
		`web1 grove_node_value Gauge unit="" map[path:/shop/queue unit:jobs] 1500`,
		`web1 shop_answer_seconds Gauge unit="s" map[path:/shop/answer zone:b] 1.5`,
		`web1 shop_orders_total Sum unit="{orders}" map[path:/shop/orders] 1500`,
	}
	if diff := cmp.Diff(want, slices.Compact(c.points)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	want = []string{"2026-03-01T12:00:00Z 17 ERROR grove.status.changed: /shop/queue went from green to red " +
		"map[grove.from:green grove.sequence:7 grove.source:grove:type=Tree grove.to:red grove.value:3.5 path:/shop/queue]"}
	if diff := cmp.Diff(want, c.records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if s := e.Stats()[0]; s.Points == 0 || s.Records != 1 || s.LastError != "" {
		t.Errorf("stats %+v", s)
	}
}

// TestCollectorAway sees that log records wait for a collector, as many as there is room
// for.
func TestCollectorAway(t *testing.T) {
	c := &collector{news: make(chan struct{}, 1), down: true}
	server := httptest.NewServer(c)
	defer server.Close()
	e, stop := start(t, Options{Tree: grown(t)}, Target{Name: "col", URL: server.URL, Types: []string{"a"}, NoMetrics: true})
	n := beans.Notification{Type: "a", Source: beans.MustName("grove:type=X"), Message: "first"}
	e.Publish(n)
	<-c.news // It was refused.
	const more = maxQueue + 100
	for k := range more {
		n.Sequence = int64(k)
		e.Publish(n)
	}
	c.mu.Lock()
	c.down = false
	c.mu.Unlock()
	stop() // sends what waits
	s := e.Stats()[0]
	if got := uint64(len(c.records)); s.Records != got || s.Records+s.DroppedRecords+s.WaitingNow != more+1 || got < maxQueue-2*maxBatch {
		t.Errorf("%d arrived, stats %+v: they do not add up to %d", got, s, more+1)
	}
}

func TestTargetsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		target Target
		want   string
	}{
		"no name":           {Target{}, "otlp: name: a target has a name of its own"},
		"no URL":            {Target{Name: "a"}, "otlp: a: url: http://HOST:PORT or https://HOST is wanted"},
		"another scheme":    {Target{Name: "a", URL: "file:///etc/passwd"}, "otlp: a: url: http://HOST:PORT or https://HOST is wanted"},
		"no URL at all":     {Target{Name: "a", URL: "http://pass\x01word@x"}, "otlp: a: url: it is not a URL"},
		"a password":        {Target{Name: "a", URL: "http://u:p@x"}, "otlp: a: url: no name or password belongs into it: give a header with a secret reference"},
		"a query":           {Target{Name: "a", URL: "http://x?token=1"}, "otlp: a: url: it has no query and no fragment"},
		"a bad path":        {Target{Name: "a", URL: "http://x", Path: "/a//b"}, `otlp: a: path: malformed path "/a//b": empty name`},
		"too often":         {Target{Name: "a", URL: "http://x", Every: time.Millisecond}, "otlp: a: every: 1ms is less than 1s"},
		"a secret itself":   {Target{Name: "a", URL: "http://x", Headers: map[string]string{"A": "hunter2"}}, "otlp: a: headers: A: a secret is given by reference: file:/path, env:NAME or credential:NAME"},
		"an unknown secret": {Target{Name: "a", URL: "http://x", Headers: map[string]string{"A": "file:/b"}}, "otlp: a: headers: A: no such secret"},
	} {
		_, err := New(Options{Secret: func(string) (string, error) { return "", errors.New("no such secret") }}, []Target{c.target})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	two := Target{Name: "a", URL: "http://x"}
	if _, err := New(Options{}, []Target{two, two}); err == nil || !strings.Contains(err.Error(), "two targets have the name a") {
		t.Errorf("two of a name: %v", err)
	}
}

func TestUCUM(t *testing.T) {
	for unit, want := range map[string]string{"": "", "bytes": "By", "bytes_per_second": "By/s", "connections": "{connections}", "a{b}°": "{a_b__}"} {
		if got := ucum(unit); got != want {
			t.Errorf("%q is %q, want %q", unit, got, want)
		}
	}
}

func TestPictureIsCut(t *testing.T) {
	tr := tree.New(tree.Options{})
	ops := make([]tree.Op, maxPoints+10)
	for k := range ops {
		ops[k] = tree.Add(tree.MustPath(fmt.Sprintf("/n%d", k)), &tree.Spec{Kind: tree.Performance})
	}
	if err := tr.Change(ops...); err != nil {
		t.Fatal(err)
	}
	e := &Exporter{}
	requests, err := picture(tr, tree.Root, time.Now(), e.resource(), scopeOf(""))
	if err != nil || len(requests) != 2 {
		t.Errorf("%d requests, %v; want 2", len(requests), err)
	}
}
