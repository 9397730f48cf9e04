package cloudevent

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/probetest"
	"grove/runtime/receive"
	"grove/runtime/receive/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type got struct {
	mu     sync.Mutex
	values map[string]string
	events []string
}

func attach(t testing.TB, h *Hub, instance string, o record.Options) *got {
	t.Helper()
	p, err := Kind(h).New(&o)
	if err != nil {
		t.Fatal(err)
	}
	g := &got{values: map[string]string{}}
	detach, err := p.(receive.Attacher).Attach(instance, "it", func(r probe.Result) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, v := range r.Values {
			g.values[v.Attribute] = v.Value.String()
			for _, e := range v.Events {
				g.events = append(g.events, e.Status.String()+" "+e.Text)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(detach)
	return g
}

func made(t testing.TB, id, typ, data string) event.Event {
	t.Helper()
	e := event.New()
	e.SetID(id)
	e.SetSource("/shop/eu")
	e.SetType(typ)
	e.SetSubject("4711")
	e.SetTime(time.Now())
	if data != "" {
		if err := e.SetData("application/json", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// TestSDK sends what the SDK of CloudEvents for Go sends, in all three modes.
func TestSDK(t *testing.T) {
	hub := NewHub(Options{})
	web := httptest.NewServer(hub.Handler())
	defer web.Close()
	failed := made(t, "1", "order.failed", `{"reason":"no stock","items":[{"sku":"x"}],"price":12.5}`)
	failed.SetExtension("severity", "error")
	done := made(t, "2", "order.done", "")
	for _, tt := range []struct {
		name string
		send func() (*http.Request, error)
		want []string
	}{
		{"binary", func() (*http.Request, error) { return cehttp.NewHTTPRequestFromEvent(t.Context(), web.URL, failed) }, []string{"yellow 4711: no stock x"}},
		{"structured", func() (*http.Request, error) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL, http.NoBody)
			if err != nil {
				return nil, err
			}
			return req, cehttp.WriteRequest(binding.WithForceStructured(t.Context()), binding.ToMessage(&failed), req)
		}, []string{"yellow 4711: no stock x"}},
		{"batch", func() (*http.Request, error) {
			return cehttp.NewHTTPRequestFromEvents(t.Context(), web.URL, []event.Event{failed, done})
		}, []string{"yellow 4711: no stock x", "green order.done order.done"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := attach(t, hub, "shop", record.Options{
				Match: map[string]string{"source": "/shop/.*"}, Fields: []string{"data.reason", "data.items.0.sku"},
				Options: pattern.Options{Rules: []pattern.Rule{
					{Match: `"price": *(?P<price>[0-9.]+)`, Status: "yellow", Count: "failed", Text: "{subject}: {data_reason} {data_items_0_sku}", Values: map[string]pattern.Value{"price": {Unit: "EUR"}}},
					{Match: ".", Text: "{type} {line}"},
				}},
			})
			req, err := tt.send()
			if err != nil {
				t.Fatal(err)
			}
			res, err := web.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusNoContent {
				t.Errorf("answer %d", res.StatusCode)
			}
			if diff := cmp.Diff(tt.want, g.events); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if g.values["price"] != "12.5" || g.values["failed"] != "1" {
				t.Errorf("%v", g.values)
			}
		})
	}
	bySeverity := attach(t, hub, "plain", record.Options{})
	req, err := cehttp.NewHTTPRequestFromEvent(t.Context(), web.URL, failed)
	if err != nil {
		t.Fatal(err)
	}
	res, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(bySeverity.events) != 1 || !strings.HasPrefix(bySeverity.events[0], "red ") {
		t.Errorf("an event of the severity error is %v", bySeverity.events)
	}
}

func TestRefusals(t *testing.T) {
	hub := NewHub(Options{MaxBody: 500, May: func(context.Context, string) error { return errors.New("not yours") }})
	attach(t, hub, "foreign", record.Options{Match: map[string]string{"type": "secret"}})
	structured := func(typ string) string {
		return `{"specversion":"1.0","id":"1","source":"/s","type":"` + typ + `"}`
	}
	for _, tt := range []struct {
		name, method, kind, body string
		status                   int
		want                     string
	}{
		{"nobody's", "POST", "application/cloudevents+json", structured("x"), 204, ""},
		{"somebody else's", "POST", "application/cloudevents+json", structured("secret"), 403, "not yours"},
		{"without a type", "POST", "application/cloudevents+json", structured(""), 400, "event 0 is none of CloudEvents 1.0"},
		{"no event", "POST", "application/json", "{}", 400, "the request is no CloudEvent"},
		{"broken", "POST", "application/cloudevents+json", "{", 400, "the request is no CloudEvent"},
		{"a broken batch", "POST", "application/cloudevents-batch+json", "{", 400, "no batch of CloudEvents"},
		{"too long", "POST", "application/cloudevents+json", strings.Repeat(" ", 501) + structured("x"), 413, "more than 500 bytes"},
		{"read", "GET", "", "", 405, "by POST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, Path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			w := httptest.NewRecorder()
			hub.Handler().ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %q, want %d with %q", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
	if s := hub.Stats(); s.Refused[receive.NoNode] != 1 || s.Refused[receive.Denied] != 1 || s.Refused[receive.Malformed] != 4 {
		t.Errorf("%+v", s)
	}
}

func TestContract(t *testing.T) {
	probetest.Run(t, Kind(NewHub(Options{})), &record.Options{Match: map[string]string{"type": "x"}, Fields: []string{"data.a"}})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":[1]}}`), "application/cloudevents+json")
	f.Add([]byte(`[]`), "application/cloudevents-batch+json")
	hub := NewHub(Options{})
	attach(f, hub, "a", record.Options{Fields: []string{"data.a.0"}, Options: pattern.Options{Rules: []pattern.Rule{{Match: ".", Text: "{data_a_0}"}}}})
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		hub.Handler().ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
