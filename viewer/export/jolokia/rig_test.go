package jolokia

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/beans/timer"
	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/jolokia/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// then is the time of all that has one.
var then = time.Date(2026, 11, 22, 3, 4, 5, 6_000_000, time.UTC)

// fan is a bean with attributes of every type.
type fan struct {
	Speed   int64                  `bean:",rw" unit:"1/min" doc:"How fast it turns."`
	Load    float64                `bean:",rw" doc:"From 0 to 1."`
	On      bool                   `bean:",rw"`
	Label   string                 `bean:",rw"`
	Since   time.Time              `bean:",rw"`
	Pause   time.Duration          `bean:",rw"`
	Twin    beans.Name             `bean:",rw"`
	Tags    []string               `bean:",rw"`
	Samples []float64              `bean:",rw"`
	Counts  []int64                `bean:",rw"`
	Any     any                    `bean:",rw"`
	Usage   map[string]beans.Value `bean:",rw"`
	Events  beans.Table            `bean:""`
	Big     int64                  `bean:""`

	Add func(a, b int64) int64 `bean:"add,info,params=a;b" doc:"Adds."`
	Nap func() error           `bean:"nap"`
}

// gadget is a bean whose description is its own.
type gadget struct {
	values map[string]func() (beans.Value, error)
	info   beans.Info
}

func (g *gadget) Info() beans.Info { return g.info }

func (g *gadget) Attribute(_ context.Context, name string) (beans.Value, error) {
	if get := g.values[name]; get != nil {
		return get()
	}
	return nil, beans.NoAttribute(name)
}

func (g *gadget) SetAttribute(_ context.Context, name string, _ beans.Value) error {
	if g.values[name] == nil {
		return beans.NoAttribute(name)
	}
	return beans.ReadOnly(name)
}

func (g *gadget) Invoke(_ context.Context, operation string, _ []beans.Value) (beans.Value, error) {
	return nil, beans.NoOperation(operation)
}

func newGadget() *gadget {
	g := &gadget{values: map[string]func() (beans.Value, error){
		"Good":    func() (beans.Value, error) { return int64(1), nil },
		"NaN":     func() (beans.Value, error) { return math.NaN(), nil },
		"Failing": func() (beans.Value, error) { return nil, errors.New("the sensor is gone") },
		"Missing": func() (beans.Value, error) { return nil, errors.ErrUnsupported },
		"Panics":  func() (beans.Value, error) { panic("secret") },
		"Pools": func() (beans.Value, error) {
			return beans.Table{{"name": "eden", "used": int64(3)}, {"name": "old", "used": int64(4)}}, nil
		},
	}}
	g.info = beans.Info{ClassName: "t.Gadget", Description: "Something.", Descriptor: map[string]string{"interfaceClassName": "t.GadgetMBean"}}
	for _, n := range []string{"Good", "NaN", "Failing", "Missing", "Panics"} {
		g.info.Attributes = append(g.info.Attributes, beans.AttributeInfo{Name: n, Type: beans.TypeAny, Readable: true})
	}
	g.info.Attributes = append(g.info.Attributes, beans.AttributeInfo{Name: "Pools", Type: beans.TypeTable, Readable: true, Key: "name",
		Columns: []beans.AttributeInfo{{Name: "name", Type: beans.TypeString}, {Name: "used", Type: beans.TypeInt}}})
	return g
}

// rig is a bean server with an agent in front of it.
type rig struct {
	testing.TB
	beans  *beans.Server
	server *Server
	set    *metrics.Set
	fan    *fan
	bean   *beans.Standard

	asks *grant.Subject // who asks

	mu    sync.Mutex
	audit []string
	deny  error // of the audit
}

const testPolicy = `
grove:type=Fan,*   write  *
grove:type=Fan,*   exec   add,nap
grove:type=Gadget  write  *
grove:type=Timer   exec   @info,addNotification
jolokia:type=History,*  exec  *
`

func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	r := &rig{TB: t, set: metrics.NewSet(), asks: grant.Anonymous}
	var err error
	if r.beans, err = beans.NewServer(beans.ServerOptions{DefaultDomain: "grove", ID: "test", ImplementationVersion: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	r.fan = &fan{
		Speed: 42, Load: 0.5, On: true, Label: "a \"b\" ü", Since: then, Pause: 90 * time.Second, Twin: beans.MustName("grove:type=Fan,name=two"),
		Tags: []string{"x", "y", "z"}, Samples: []float64{1, 2.5}, Counts: []int64{1, 2, 3}, Any: nil,
		Usage:  map[string]beans.Value{"used": int64(123), "max": 1e21, "deep": map[string]beans.Value{"er": "x"}},
		Events: beans.Table{{"time": then, "text": "a"}}, Big: math.MaxInt64,
		Add: func(a, b int64) int64 { return a + b },
		Nap: func() error { return errors.New("no rest") },
	}
	if r.bean, err = beans.NewStandard(r.fan, beans.StandardOptions{ClassName: "t.Fan", Description: "A fan."}); err != nil {
		t.Fatal(err)
	}
	r.register(r.bean, "grove:type=Fan,name=one")
	other, err := beans.NewStandard(&struct {
		Speed int64 `bean:""`
	}{7}, beans.StandardOptions{ClassName: "t.Other"})
	if err != nil {
		t.Fatal(err)
	}
	r.register(other, `grove:type=Fan,name="q/u!o,te\"d"`)
	r.register(newGadget(), "grove:type=Gadget")
	r.register(timer.New(), "grove:type=Timer")
	p, err := policy.Parse(testPolicy, "grove")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Beans: r.beans, Guard: grant.NewGuard(tree.New(tree.Options{})), Version: "1.2.3", ID: "test", Policy: p, Own: r.set, Now: func() time.Time { return then },
		Audit: func(_ context.Context, a Act) (func(error), error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.deny != nil {
				return nil, r.deny
			}
			line := fmt.Sprintf("%s %s %s %s", a.Action, a.Bean, a.Member, a.Detail)
			r.audit = append(r.audit, line)
			return func(failed error) {
				r.mu.Lock()
				defer r.mu.Unlock()
				if failed != nil {
					r.audit = append(r.audit, line+": "+failed.Error())
				}
			}, nil
		},
	}
	if change != nil {
		change(&o)
	}
	if r.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.server.Close)
	return r
}

func (r *rig) register(b beans.Bean, name string) {
	r.Helper()
	if _, err := r.beans.Register(b, beans.MustName(name)); err != nil {
		r.Fatal(err)
	}
}

// ask sends one HTTP request; a body makes it a POST.
func (r *rig) ask(target, body string) *httptest.ResponseRecorder {
	r.Helper()
	req := httptest.NewRequest(http.MethodGet, target, nil)
	if body != "" {
		req = httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	}
	w := httptest.NewRecorder()
	r.server.ServeHTTP(w, req.WithContext(grant.With(req.Context(), r.asks)))
	return w
}

// want asks and compares the whole body.
func (r *rig) want(target, body, want string) {
	r.Helper()
	if got := r.ask(target, body).Body.String(); got != want {
		r.Errorf("%s %s\ngot  %s\nwant %s", target, body, got, want)
	}
}

// parseInto replaces a policy.
func parseInto(p *policy.Policy, text string) error {
	q, err := policy.Parse(text, "grove")
	if err == nil {
		*p = *q
	}
	return err
}

// as lets somebody ask.
func as(h http.Handler, s *grant.Subject) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(grant.With(r.Context(), s)))
	})
}
