package monitor_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/beans/beanstest"
	"grove/tree"
	"grove/tree/monitor"
)

// world is a tree of two nodes in a bean server.
type world struct {
	tree      *tree.Tree
	server    *beans.Server
	refreshed []tree.Ref
	active    tree.Ref
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	var d *monitor.Directory
	w.tree = tree.New(tree.Options{Statuses: func(cs []tree.StatusChange) { d.Publish(cs) }})
	var err error
	w.active, err = w.tree.Add(tree.MustPath("/shop/Active, all"), &tree.Spec{
		Kind: tree.Performance, Unit: "connections", Description: "open connections",
		Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.tree.Add(tree.MustPath("/shop/State"), &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green}}}); err != nil {
		t.Fatal(err)
	}
	w.server, err = beans.NewServer(beans.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d = monitor.NewDirectory(w.tree, func(_ context.Context, r tree.Ref) error {
		w.refreshed = append(w.refreshed, r)
		return nil
	})
	if _, err := w.server.Mount(monitor.Domain, monitor.Type, d); err != nil {
		t.Fatal(err)
	}
	return w
}

var active = beans.MustName(`grove:type=Node,path="/shop/Active, all"`)

func TestMonitorBeansKeepTheContract(t *testing.T) {
	for _, path := range []string{"/", "/shop", "/shop/Active, all", "/shop/State"} {
		t.Run(path, func(t *testing.T) {
			beanstest.Bean(t, func(t *testing.T) beans.Bean {
				name, err := monitor.Name(tree.MustPath(path))
				if err != nil {
					t.Fatal(err)
				}
				b, err := newWorld(t).server.Bean(name)
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
		})
	}
}

func TestEveryNodeIsABean(t *testing.T) {
	w := newWorld(t)
	pattern := beans.MustName("grove:type=Node,*")
	names, err := w.server.Query(t.Context(), pattern, nil)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, n := range names {
		texts = append(texts, n.Canonical())
	}
	want := []string{`grove:path="/",type=Node`, `grove:path="/shop",type=Node`, `grove:path="/shop/Active, all",type=Node`, `grove:path="/shop/State",type=Node`}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Error(diff)
	}
	w.tree.Apply([]tree.Reading{{Node: w.active, Value: 700}})
	bad, err := w.server.Query(t.Context(), pattern, beans.Eq(beans.Attr("Status"), beans.Const("yellow")))
	if err != nil || len(bad) != 3 { // the node, its group, the root
		t.Errorf("%v, %v", bad, err)
	}
}

func TestThresholdsAreTunedThroughTheBean(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.tree.Apply([]tree.Reading{{Node: w.active, Value: 700}})
	if err := w.server.SetAttribute(ctx, active, "GreenToYellow", int64(800)); err != nil {
		t.Fatal(err)
	}
	// 700 is above the border of leaving, 450, but a changed threshold begins anew.
	if s, err := w.server.Attribute(ctx, active, "Status"); s != "green" || err != nil {
		t.Errorf("%v, %v", s, err)
	}
	err := w.server.SetAttribute(ctx, active, "GreenToYellow", 2000.0)
	if !errors.Is(err, beans.ErrInvalidValue) {
		t.Errorf("yellow after red: %v", err)
	}
	if v, _ := w.server.Attribute(ctx, active, "GreenToYellow"); v != 800.0 {
		t.Errorf("the refused border was taken: %v", v)
	}
	if tuned, _ := w.server.Attribute(ctx, active, "Tuned"); tuned != true {
		t.Error("not shown as tuned")
	}
	if _, err := w.server.Invoke(ctx, active, "reset"); err != nil {
		t.Fatal(err)
	}
	if v, _ := w.server.Attribute(ctx, active, "GreenToYellow"); v != 500.0 {
		t.Errorf("after reset: %v", v)
	}
	if err := w.server.SetAttribute(ctx, active, "Status", "green"); !errors.Is(err, beans.ErrReadOnly) {
		t.Errorf("a status was set: %v", err)
	}
	if err := w.server.SetAttribute(ctx, active, "StaleAfter", time.Minute); err != nil {
		t.Error(err)
	}
}

func TestRefreshAsksTheRuntimeBean(t *testing.T) {
	w := newWorld(t)
	if _, err := w.server.Invoke(t.Context(), active, "refresh"); err != nil {
		t.Fatal(err)
	}
	if len(w.refreshed) != 1 || w.refreshed[0] != w.active {
		t.Errorf("asked %v", w.refreshed)
	}
}

func TestStatusChangesAreNotified(t *testing.T) {
	w := newWorld(t)
	var got []string
	cancel, err := w.server.Subscribe(active, func(n beans.Notification) {
		got = append(got, n.Type+" "+n.Source.String()+": "+n.Message)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.tree.Apply([]tree.Reading{{Node: w.active, Value: 700}})
	w.tree.Flush()
	cancel()
	w.tree.Apply([]tree.Reading{{Node: w.active, Value: 1}})
	w.tree.Flush()
	want := []string{`grove.status.changed grove:type=Node,path="/shop/Active, all": /shop/Active, all went from white to yellow`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBeanOfARemovedNodeIsGone(t *testing.T) {
	w := newWorld(t)
	b, err := w.server.Bean(active)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tree.Change(tree.Remove(tree.MustPath("/shop"))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Attribute(t.Context(), "Status"); !errors.Is(err, beans.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if w.server.IsRegistered(active) {
		t.Error("still registered")
	}
}
