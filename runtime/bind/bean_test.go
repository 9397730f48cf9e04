package bind

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/beans/beanstest"
	"grove/runtime/probe"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
)

func TestRuntimeBean(t *testing.T) {
	inWorld(t, func(w *world) {
		w.set("a", func(context.Context) (probe.Result, error) {
			r := probe.Result{Tables: []probe.Table{{Attribute: "disks", Columns: []string{"name", "used", "kind"}, Rows: [][]tree.Value{disk("sda", 1, "ssd")}}}}
			r.Number("value", 1.5)
			r.Number("count", 3)
			r.Text("state", "ok")
			return r, nil
		})
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		name := `grove:type=RuntimeBean,instance="shop",name=a,kind=actor`
		n := beans.MustName(name)
		bean, err := w.beans.Bean(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range beanstest.Check(w.Context(), bean) {
			t.Error(err)
		}
		for attribute, want := range map[string]beans.Value{"State": "started", "Every": 10 * time.Second, "Timeout": 8 * time.Second, "Failures": int64(0), "value": 1.5, "count": int64(3), "state": "ok", "other": nil, "LastError": ""} {
			if got := w.attribute(name, attribute); got != want {
				t.Errorf("%s is %v (%T), want %v", attribute, got, got, want)
			}
		}
		if rows := w.attribute(name, "disks").(beans.Table); len(rows) != 1 || rows[0]["name"] != "sda" {
			t.Errorf("disks are %v", rows)
		}
		set := func(attribute string, v beans.Value) error {
			return w.beans.SetAttribute(w.Context(), n, attribute, v)
		}
		if err := set("Every", 5*time.Second); !errors.Is(err, beans.ErrInvalidValue) || !strings.HasSuffix(err.Error(), "the timeout 8s is not shorter than the interval 5s") {
			t.Errorf("got %v", err)
		}
		if err := errors.Join(set("Timeout", time.Second), set("Every", 2*time.Second)); err != nil {
			t.Fatal(err)
		}
		runs := w.count(w.runs, "a")
		w.pass(20 * time.Second)
		if got := w.count(w.runs, "a") - runs; got != 10 {
			t.Errorf("%d runs in 20 s at 2 s", got)
		}
		invoke := func(op string) {
			t.Helper()
			if _, err := w.beans.Invoke(w.Context(), n, op); err != nil {
				t.Fatal(err)
			}
		}
		invoke("stop")
		invoke("stop")
		if got := w.attribute(name, "State"); got != "stopped" {
			t.Errorf("State is %v", got)
		}
		runs = w.count(w.runs, "a")
		invoke("run")
		w.pass(time.Minute)
		if got := w.count(w.runs, "a"); got != runs {
			t.Errorf("%d runs of a stopped probe", got-runs)
		}
		invoke("start")
		w.pass(4 * time.Second)
		if got := w.count(w.runs, "a") - runs; got < 2 {
			t.Errorf("%d runs after the start", got)
		}
		instance, err := w.beans.Bean(beans.MustName("grove:type=Instance,name=shop"))
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range beanstest.Check(w.Context(), instance) {
			t.Error(err)
		}
		w.apply()
		if w.beans.IsRegistered(n) || w.beans.IsRegistered(beans.MustName("grove:type=Instance,name=shop")) {
			t.Error("the beans are still there")
		}
	})
}

// TestSources tells of the runtime beans behind nodes, in the order in which a node
// refers to them.
func TestSources(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 1)
		w.fail("b", "no answer")
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		behind := func(path string) (probes []string) {
			for _, s := range w.binder.Sources(w.node(path).Ref) {
				probes = append(probes, s.Probe)
			}
			return probes
		}
		for path, want := range map[string][]string{"/": nil, "/grove/Definitions/shop": nil, "/shop/Twice": {"a"}, "/shop/Both": {"a", "b"}} {
			if diff := cmp.Diff(want, behind(path)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		}
		sources := w.binder.Sources(w.node("/shop/Both").Ref)
		if len(sources) != 2 {
			t.Fatal(sources)
		}
		a, b := sources[0], sources[1]
		if a.Bean.String() != `grove:type=RuntimeBean,instance="shop",name=a,kind=actor` || a.Instance != "shop" || a.At.String() != "/shop" || a.Kind != "actor" || !a.Started {
			t.Errorf("a is %+v", a)
		}
		if a.Every != 10*time.Second || a.Runs < 2 || a.Failures != 0 || a.Error != "" || time.Since(a.Last) > 10*time.Second || !a.Next.After(time.Now()) || time.Until(a.Next) > 10*time.Second {
			t.Errorf("the runs of a are %+v", a)
		}
		if b.Failures != b.Runs || b.Error != "no answer" {
			t.Errorf("the runs of b are %+v", b)
		}
		if _, err := w.beans.Invoke(w.Context(), a.Bean, "stop"); err != nil {
			t.Fatal(err)
		}
		if s := w.binder.Sources(w.node("/shop/Twice").Ref)[0]; s.Started || !s.Next.IsZero() {
			t.Errorf("stopped it is %+v", s)
		}
		if at, ok := w.binder.Place("shop"); !ok || at.String() != "/shop" {
			t.Errorf("the instance is at %s, %t", at, ok)
		}
		if at, ok := w.binder.Place("bank"); ok {
			t.Errorf("an instance that is not there is at %s", at)
		}
		gone := w.node("/shop/Twice").Ref
		w.apply()
		if got := w.binder.Sources(gone); got != nil {
			t.Errorf("a node that is gone has %v", got)
		}
	})
}

// TestRanIsToldOfEachRun holds what a histogram of durations is made of.
func TestRanIsToldOfEachRun(t *testing.T) {
	inWorld(t, func(w *world) {
		var mu sync.Mutex // guards ran
		ran := map[string]int{}
		w.binder.opts.Ran = func(kind string, o schedule.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			ran[fmt.Sprint(kind, " ", o.Duration, " ", o.Err)]++
		}
		w.set("a", func(context.Context) (probe.Result, error) {
			<-time.After(200 * time.Millisecond)
			return probe.Result{}, nil
		})
		w.fail("b", "no")
		w.apply("shop.yaml", shop)
		w.pass(21 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if a, b := ran["actor 200ms <nil>"], ran["actor 0s no"]; a < 2 || b < 2 || len(ran) != 2 {
			t.Errorf("told of %v", ran)
		}
	})
}

// TestDownIsShownAtTheNode says why there is no value where a probe says that its resource
// is down, which is a reading and no failed run.
func TestDownIsShownAtTheNode(t *testing.T) {
	inWorld(t, func(w *world) {
		down := func(context.Context) (probe.Result, error) {
			var r probe.Result
			r.Add("up", tree.Bool(false))
			r.Text("error", "connection refused")
			return r, nil
		}
		w.set("a", down)
		w.value("b", "other", 1)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		w.white("/shop/Value", "probe a: connection refused")
		source := func() Source { return w.binder.Sources(w.node("/shop/Value").Ref)[0] }
		bean := `grove:type=RuntimeBean,instance="shop",name=a,kind=actor`
		if s := source(); s.Error != "connection refused" || s.Failures != 0 || w.attribute(bean, "LastError") != "connection refused" {
			t.Errorf("the source says %+v", s)
		}
		w.set("a", func(context.Context) (probe.Result, error) {
			var r probe.Result
			r.Add("up", tree.Bool(true))
			r.Text("error", "")
			r.Number("value", 3)
			return r, nil
		})
		w.pass(11 * time.Second)
		w.is("/shop/Value", "3", tree.Green)
		if s := source(); s.Error != "" {
			t.Errorf("the source says %+v", s)
		}
		w.set("a", func(context.Context) (probe.Result, error) {
			var r probe.Result
			r.Add("up", tree.Bool(false))
			return r, nil
		})
		w.pass(11 * time.Second)
		if s := source(); s.Error != "what it asks is down" {
			t.Errorf("the source says %+v", s)
		}
	})
}

// TestWrap lets somebody stand between a probe and its nodes.
func TestWrap(t *testing.T) {
	inWorld(t, func(w *world) {
		w.binder.opts.Wrap = func(i *definition.Instance, p probe.Probe) probe.Probe {
			if i.Name != "shop" {
				t.Errorf("instance %s", i.Name)
			}
			return doubled{p}
		}
		w.value("a", "value", 2)
		w.value("b", "other", 1)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		w.is("/shop/Value", "4", tree.Green)
	})
}

type doubled struct{ probe.Probe }

func (d doubled) Run(ctx context.Context) (probe.Result, error) {
	r, err := d.Probe.Run(ctx)
	for k := range r.Values {
		if n, ok := r.Values[k].Value.Number(); ok {
			r.Values[k].Value = tree.Number(2 * n)
		}
	}
	return r, err
}
