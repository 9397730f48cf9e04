package bean_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/viewer/bean"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// treeName is the source of the changes of nodes on the bus.
var treeName = beans.MustName("grove:type=Tree")

// world is a bean server with a tree of two shops on it, and REST in front of it.
type world struct {
	tree  *tree.Tree
	beans *beans.Server
	nodes *monitor.Directory
	fan   *fan
	bus   *bus
	url   string

	mu      sync.Mutex // guards all below
	asks    *grant.Subject
	audited []string
	refuses error // of the audit log
}

// grow builds a world; the one who asks may do everything until as says otherwise.
func grow(t testing.TB, change ...func(*bean.Options)) *world {
	t.Helper()
	w := &world{asks: grant.Anonymous, bus: &bus{}}
	w.tree = tree.New(tree.Options{})
	for _, n := range []struct{ path, customer string }{{"/shop/a/cpu", "acme"}, {"/shop/b/cpu", "zenith"}, {"/bank/cpu", ""}} {
		spec := &tree.Spec{
			Kind: tree.Performance, Mode: tree.Push, Unit: "%", Description: "busy",
			Threshold: &tree.Threshold{Yellow: tree.Level{Form: tree.Above, High: 80, OffHigh: 80}, Red: tree.Level{Form: tree.Above, High: 90, OffHigh: 90}},
		}
		if n.customer != "" {
			spec.Properties = map[string]string{grant.CustomerProperty: n.customer}
		}
		if _, err := w.tree.Add(tree.MustPath(n.path), spec); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.beans, err = beans.NewServer(beans.ServerOptions{DefaultDomain: monitor.Domain}); err != nil {
		t.Fatal(err)
	}
	w.nodes = monitor.NewDirectory(w.tree, nil)
	if _, err := w.beans.Mount(monitor.Domain, monitor.Type, w.nodes); err != nil {
		t.Fatal(err)
	}
	w.fan = &fan{speed: 3}
	if _, err := w.beans.Register(w.fan, beans.MustName("test:type=Fan")); err != nil {
		t.Fatal(err)
	}
	o := bean.Options{Beans: w.beans, Tree: w.tree, Guard: grant.NewGuard(w.tree), Audit: w.audit, Bus: w.bus.queue, Changes: treeName,
		Place: func(n beans.Name) (tree.Path, bool) {
			at, ok := n.Get("at")
			return tree.MustPath("/shop/" + at), ok
		},
	}
	for _, c := range change {
		c(&o)
	}
	api := bean.New(o)
	mux := http.NewServeMux()
	config := huma.DefaultConfig("grove", "1")
	config.RejectUnknownQueryParameters = true
	config.CreateHooks = nil // No $schema in answers, as the server has it.
	api.Register(humago.New(mux, config))
	streams := api.NewNotifications()
	mux.Handle(bean.NotificationsPath, streams)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		s := w.asks
		w.mu.Unlock()
		mux.ServeHTTP(rw, r.WithContext(grant.With(r.Context(), s)))
	}))
	t.Cleanup(func() {
		if err := streams.Close(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	w.url = server.URL
	return w
}

// as has somebody with these grants ask from now on; no grants: everything.
func (w *world) as(t testing.TB, texts ...string) {
	t.Helper()
	s := grant.Anonymous
	if len(texts) > 0 {
		s = &grant.Subject{Name: "ada"}
		for _, text := range texts {
			g, err := grant.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			s.Grants = append(s.Grants, g)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asks = s
}

func (w *world) audit(ctx context.Context, action, target string, detail any) (func(error), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses != nil {
		return nil, w.refuses
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return nil, err
	}
	w.audited = append(w.audited, fmt.Sprintf("%s begins: %s %s %s", grant.Of(ctx).Name, action, target, text))
	return func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		outcome := "ok"
		if err != nil {
			outcome = err.Error()
		}
		w.audited = append(w.audited, outcome)
	}, nil
}

// records returns what was audited since it was asked last.
func (w *world) records() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := w.audited
	w.audited = nil
	return records
}

// ask sends a request and returns the status and the body, decoded into v when it is
// not an error.
func (w *world) ask(t testing.TB, method, address string, body, v any) (status int, text string) {
	t.Helper()
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = bytes.NewBufferString(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+address, sent)
	if err != nil {
		t.Fatal(err)
	}
	if sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if v != nil && answer.StatusCode < 300 {
		if err := json.Unmarshal(raw, v); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	return answer.StatusCode, string(raw)
}

// about is an address about one bean.
func about(path, name string) string { return path + "?name=" + url.QueryEscape(name) }

// nodeName is the name of the bean of a node.
func nodeName(path string) string { return `grove:type=Node,path="` + path + `"` }

// fan is a bean with everything that a bean can have.
type fan struct {
	beans.Broadcaster
	mu    sync.Mutex
	speed int64
	said  []any
}

func (f *fan) Info() beans.Info {
	return beans.Info{
		ClassName: "test.Fan", Description: "turns",
		Attributes: []beans.AttributeInfo{
			{Name: "Speed", Type: beans.TypeInt, Unit: "1/s", Readable: true, Writable: true},
			{Name: "Big", Type: beans.TypeInt, Readable: true},
			{Name: "Broken", Type: beans.TypeString, Readable: true},
			{Name: "Since", Type: beans.TypeTime, Readable: true},
			{Name: "Blades", Type: beans.TypeTable, Readable: true, Key: "n", Columns: []beans.AttributeInfo{{Name: "n", Type: beans.TypeInt}}},
			{Name: "Secret", Type: beans.TypeString, Writable: true},
		},
		Operations: []beans.OperationInfo{
			{Name: "look", Impact: beans.ImpactInfo, Returns: beans.TypeString},
			{Name: "fail", Impact: beans.ImpactAction, Returns: beans.TypeVoid},
			{Name: "say", Impact: beans.ImpactAction, Returns: beans.TypeAny, Parameters: []beans.ParameterInfo{{Name: "text", Type: beans.TypeString}}},
			{Name: "say", Impact: beans.ImpactAction, Returns: beans.TypeAny, Parameters: []beans.ParameterInfo{{Name: "for", Type: beans.TypeDuration}, {Name: "times", Type: beans.TypeInt}}},
			{Name: "say", Impact: beans.ImpactAction, Returns: beans.TypeAny, Parameters: []beans.ParameterInfo{{Name: "parts", Type: beans.TypeStrings}}},
		},
		Notifications: []beans.NotificationInfo{{Types: []string{"test.turned"}, Name: "test.Turn"}},
	}
}

func (f *fan) Attribute(_ context.Context, name string) (beans.Value, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch name {
	case "Speed":
		return f.speed, nil
	case "Big":
		return int64(1<<53 + 1), nil
	case "Broken":
		return nil, errors.New("the wire is cut")
	case "Since":
		return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), nil
	case "Blades":
		return beans.Table{{"n": int64(1)}, {"n": int64(2)}}, nil
	}
	return nil, beans.NoAttribute(name)
}

func (f *fan) SetAttribute(_ context.Context, name string, v beans.Value) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != "Speed" {
		return nil
	}
	if v.(int64) > 100 {
		return beans.Invalid(name, errors.New("it would take off"))
	}
	f.speed = v.(int64)
	return nil
}

func (f *fan) Invoke(_ context.Context, operation string, args []beans.Value) (beans.Value, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if operation == "fail" {
		return nil, errors.New("the bearing is stuck")
	}
	f.said = append(f.said, append([]any{operation}, args...))
	if operation == "look" {
		return "round", nil
	}
	return args, nil
}

// bus is a stand-in for the manager's bus: a queue for each that listens.
type bus struct {
	mu   sync.Mutex
	open map[*busQueue]struct{}
}

type busQueue struct {
	bus   *bus
	wants func(beans.Name) bool
	ready chan struct{}

	list []beans.Notification // guarded by bus.mu, as the rest
	lost uint64
}

func (b *bus) queue(wants func(beans.Name) bool) (bean.Queue, error) {
	q := &busQueue{bus: b, wants: wants, ready: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.open = map[*busQueue]struct{}{}
	}
	b.open[q] = struct{}{}
	return q, nil
}

// publish queues a notification for those who want it, with a count of lost ones.
func (b *bus) publish(n beans.Notification, lost uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for q := range b.open {
		if q.wants(n.Source) {
			q.list, q.lost = append(q.list, n), q.lost+lost
			select {
			case q.ready <- struct{}{}:
			default:
			}
		}
	}
}

func (q *busQueue) TryNext() (n beans.Notification, lost uint64, ok bool, err error) {
	q.bus.mu.Lock()
	defer q.bus.mu.Unlock()
	if len(q.list) == 0 {
		return n, 0, false, nil
	}
	n, q.list = q.list[0], q.list[1:]
	lost, q.lost = q.lost, 0
	return n, lost, true, nil
}

func (q *busQueue) Ready() <-chan struct{} { return q.ready }

func (q *busQueue) Close() {
	q.bus.mu.Lock()
	defer q.bus.mu.Unlock()
	delete(q.bus.open, q)
}
