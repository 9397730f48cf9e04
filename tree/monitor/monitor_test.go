package monitor_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
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
	directory *monitor.Directory
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
	w.directory = d
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

func TestBeansThatComeAndGoAreAnnounced(t *testing.T) {
	server, err := beans.NewServer(beans.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tr := tree.New(tree.Options{Names: func(changes []tree.NameChange) { monitor.Announce(server, changes) }})
	if _, err := server.Mount(monitor.Domain, monitor.Type, monitor.NewDirectory(tr, nil)); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	var got []string
	cancel, err := server.Subscribe(beans.DelegateName, func(n beans.Notification) {
		got = append(got, n.Type+" "+n.Data.(beans.Registration).Name.Canonical())
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	if _, err := tr.Add(tree.MustPath("/x"), &tree.Spec{Kind: tree.Performance}); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	if err := tr.Change(tree.Remove(tree.MustPath("/x"))); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	want := []string{`JMX.mbean.registered grove:path="/x",type=Node`, `JMX.mbean.unregistered grove:path="/x",type=Node`}
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

// TestBordersByTheNamesOfCCMS sets one border after the other: the node follows each
// at once, and a step that does not fit those before is refused with its reason.
func TestBordersByTheNamesOfCCMS(t *testing.T) {
	above := tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900)}
	below := tree.Threshold{Yellow: tree.BelowLevel(20, 25), Red: tree.BelowLevel(10, 12)}
	outside := tree.Threshold{Red: tree.Level{Form: tree.Outside, Low: 10, High: 20, OffLow: 12, OffHigh: 18}}
	states := tree.Threshold{States: map[string]tree.Status{"up": tree.Green}}
	for _, tc := range []struct {
		name string
		th   tree.Threshold
		kind tree.Kind
		// what can be written, in the order of the bean
		writable []string
		steps    []string // "attribute value: status", or the error
	}{
		{"above", above, tree.Performance,
			[]string{"ClearAfter", "StaleAfter", "GreenToYellow", "YellowToGreen", "GreenToYellowAfter", "YellowToRed", "RedToYellow", "YellowToRedAfter"},
			[]string{
				"YellowToRed 700: invalid value: YellowToRed: invalid threshold: red: is left at 900, above where it is entered, 700",
				"RedToYellow 700: yellow", "YellowToRed 700: red",
				"RedToYellow 701: invalid value: RedToYellow: invalid threshold: red: is left at 701, above where it is entered, 700",
				"GreenToYellow 400: invalid value: GreenToYellow: invalid threshold: yellow: is left at 450, above where it is entered, 400",
				"YellowToGreen 300: red", "GreenToYellow 400: red",
				"YellowToRed 2000: yellow", "GreenToYellow 1900: green",
				"GreenToYellow NaN: invalid value: GreenToYellow: invalid threshold: yellow: a border is not a finite number",
				"GreenToYellowAfter -1: invalid value: GreenToYellowAfter: invalid threshold: yellow: negative duration",
				"GreenToYellow high: invalid value: GreenToYellow: invalid value: \"high\" is no float64",
			}},
		{"below", below, tree.Performance,
			[]string{"ClearAfter", "StaleAfter", "GreenToYellow", "YellowToGreen", "GreenToYellowAfter", "YellowToRed", "RedToYellow", "YellowToRedAfter"},
			[]string{"YellowToGreen 900: green", "GreenToYellow 850: yellow", "RedToYellow 810: yellow", "YellowToRed 805: red",
				"YellowToRed 900: invalid value: YellowToRed: invalid threshold: red: is left at 810, below where it is entered, 900"}},
		{"outside", outside, tree.Performance,
			[]string{"ClearAfter", "StaleAfter", "YellowToRedLow", "YellowToRedHigh", "RedToYellowLow", "RedToYellowHigh", "YellowToRedAfter"},
			[]string{"YellowToRedHigh 900: green", "YellowToRedLow 850: invalid value: YellowToRedLow: invalid threshold: red: is left at 12 and 18, which is not within 850 and 900",
				"RedToYellowHigh 890: green", "RedToYellowLow 880: green", "YellowToRedLow 850: red"}},
		{"states", states, tree.State, []string{"ClearAfter", "StaleAfter"}, []string{"GreenToYellow 5: no such attribute: \"GreenToYellow\""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			path := tree.MustPath("/node")
			r, err := w.tree.Add(path, &tree.Spec{Kind: tc.kind, Threshold: &tc.th})
			if err != nil {
				t.Fatal(err)
			}
			w.tree.Apply([]tree.Reading{{Node: r, Value: 800}})
			name, err := monitor.Name(path)
			if err != nil {
				t.Fatal(err)
			}
			info, err := w.server.Info(name)
			if err != nil {
				t.Fatal(err)
			}
			var writable []string
			for _, a := range info.Attributes {
				if a.Writable {
					writable = append(writable, a.Name)
				}
			}
			if diff := cmp.Diff(tc.writable, writable); diff != "" {
				t.Error(diff)
			}
			var got []string
			for _, step := range tc.steps {
				what, _, _ := strings.Cut(step, ":")
				attribute, text, _ := strings.Cut(what, " ")
				var value beans.Value = text
				if f, err := strconv.ParseFloat(text, 64); err == nil {
					value = f
				}
				if err := w.server.SetAttribute(t.Context(), name, attribute, value); err != nil {
					got = append(got, what+": "+strings.TrimPrefix(err.Error(), "set "+name.Canonical()+": "))
					continue
				}
				n, _ := w.tree.NodeAt(r)
				got = append(got, what+": "+n.Status.String())
			}
			if diff := cmp.Diff(tc.steps, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAttributesAreReadAsTheyAreListed reads every attribute that any node lists from
// every node: those that list it have it, the others do not. Reading a fixed one makes
// no list of them all, which would take most of the time of whoever reads one
// attribute of many nodes.
func TestAttributesAreReadAsTheyAreListed(t *testing.T) {
	w := newWorld(t)
	for path, th := range map[string]tree.Threshold{
		"/below":   {Yellow: tree.BelowLevel(20, 25), Red: tree.BelowLevel(10, 12)},
		"/outside": {Yellow: tree.Level{Form: tree.Outside, Low: 12, High: 18, OffLow: 13, OffHigh: 17}},
		"/red":     {Red: tree.AboveLevel(1, 1)},
	} {
		if _, err := w.tree.Add(tree.MustPath(path), &tree.Spec{Kind: tree.Performance, Threshold: &th}); err != nil {
			t.Fatal(err)
		}
	}
	names, err := w.server.Query(t.Context(), beans.MustName("grove:type=Node,*"), nil)
	if err != nil {
		t.Fatal(err)
	}
	listed, all := map[string]map[string]bool{}, map[string]bool{"GreenToYellowish": true, "YellowToRedLowest": true, "": true}
	for _, name := range names {
		info, err := w.server.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		listed[name.Canonical()] = map[string]bool{}
		for _, a := range info.Attributes {
			listed[name.Canonical()][a.Name], all[a.Name] = true, true
		}
	}
	for _, name := range names {
		for attribute := range all {
			_, err := w.server.Attribute(t.Context(), name, attribute)
			switch {
			case listed[name.Canonical()][attribute] && err != nil:
				t.Errorf("%s lists %s, but: %v", name, attribute, err)
			case !listed[name.Canonical()][attribute] && !errors.Is(err, beans.ErrAttributeNotFound):
				t.Errorf("%s does not list %q, which is read: %v", name, attribute, err)
			}
		}
	}
	b, err := w.server.Bean(active)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := b.Attribute(t.Context(), "Flapping"); err != nil {
			t.Error(err)
		}
	}); n > 10 {
		t.Errorf("reading one attribute allocates %v times", n)
	}
}

func BenchmarkAttribute(b *testing.B) {
	t := tree.New(tree.Options{})
	path := tree.MustPath("/shop/Active")
	if _, err := t.Add(path, &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900)}}); err != nil {
		b.Fatal(err)
	}
	name, err := monitor.Name(path)
	if err != nil {
		b.Fatal(err)
	}
	bean, ok := monitor.NewDirectory(t, nil).Bean(name)
	if !ok {
		b.Fatal("no bean")
	}
	for _, attribute := range []string{"Status", "YellowToRed"} {
		b.Run(attribute, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bean.Attribute(b.Context(), attribute); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestBordersSetAtOnceAreAllKept: two clients that set two borders at the same time
// do not undo each other.
func TestBordersSetAtOnceAreAllKept(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		var wg sync.WaitGroup
		for attribute, value := range map[string]float64{"GreenToYellow": 500 + float64(i), "YellowToRed": 1000 + float64(i)} {
			wg.Go(func() {
				if err := w.server.SetAttribute(t.Context(), active, attribute, value); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n, _ := w.tree.NodeAt(w.active)
		if n.Threshold.Yellow.High != 500+float64(i) || n.Threshold.Red.High != 1000+float64(i) {
			t.Fatalf("round %d: %+v", i, n.Threshold)
		}
	}
}

// TestSubscriptionsComeAndGo: who subscribes while others leave is told, and nothing
// is kept for nobody.
func TestSubscriptionsComeAndGo(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			w.tree.Apply([]tree.Reading{{Node: w.active, Value: float64(i % 2 * 700)}})
			w.tree.Flush()
		}
	})
	for range 2 {
		wg.Go(func() {
			for range 2000 {
				end, err := w.server.Subscribe(active, func(beans.Notification) {}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				end()
			}
		})
	}
	for range 200 {
		told := make(chan struct{}, 1)
		end, err := w.server.Subscribe(active, func(beans.Notification) {
			select {
			case told <- struct{}{}:
			default:
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-told:
		case <-time.After(2 * time.Minute):
			t.Fatal("a subscriber hears nothing")
		}
		end()
	}
	cancel()
	wg.Wait()
	if n := w.directory.Listening(); n != 0 {
		t.Errorf("the notifications of %d nodes are kept ready for nobody", n)
	}
}

func TestOperations(t *testing.T) {
	w := newWorld(t)
	log, err := w.tree.Add(tree.MustPath("/log"), &tree.Spec{Kind: tree.Log})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	w.tree.Report(tree.Report{Node: log, Events: []tree.Event{{Time: at, Status: tree.Red, Text: "disk failed"}}})
	for _, tc := range []struct {
		path, operation string
		args            []beans.Value
		want            beans.Value
		err             error
	}{
		{"/log", "events", nil, beans.Table{{"time": at, "status": "red", "text": "disk failed"}}, nil},
		{"/", "causes", nil, []string{"/log"}, nil},
		{"/shop", "causes", nil, []string{}, nil},
		{"/log", "events", []beans.Value{int64(1)}, nil, beans.ErrOperationNotFound},
		{"/log", "explode", nil, nil, beans.ErrOperationNotFound},
		{"/log", "reset", nil, nil, nil},
		{"/log", "events", nil, beans.Table{}, nil},
	} {
		name, err := monitor.Name(tree.MustPath(tc.path))
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.server.Invoke(t.Context(), name, tc.operation, tc.args...)
		if !errors.Is(err, tc.err) {
			t.Errorf("%s of %s: %v", tc.operation, tc.path, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s of %s: %s", tc.operation, tc.path, diff)
		}
	}
}
