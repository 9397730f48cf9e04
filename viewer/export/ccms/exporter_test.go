package ccms_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/ccms/ccmstest"
	"grove/viewer/export/ccms/name"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestElementByTID(t *testing.T) {
	w := ccmstest.New(t)
	w.Shop()
	rows, err := w.Exporter.Tree(w.Everyone(), tree.MustPath("/shop"), -1, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		el, err := w.Element(w.Everyone(), r.TID)
		if err != nil || el.Path != r.Path || len(r.TID) != 84 {
			t.Errorf("%s by its TID: %s, %v", r.Path, el.Path, err)
		}
		if p, err := w.Resolve(w.Everyone(), r.Full); err != nil || p != r.Path {
			t.Errorf("%s by its name: %s, %v", r.Full, p, err)
		}
	}
}

// summary is what matters of a list of alerts.
func summary(w *ccmstest.World, f alert.Filter) (lines []string) {
	w.Helper()
	alerts, total, err := w.Alerts(w.Everyone(), f)
	if err != nil || f.Limit == 0 && total != len(alerts) {
		w.Fatalf("%d of %d alerts, %v", len(alerts), total, err)
	}
	for _, a := range alerts {
		ended := ""
		if a.Ended != nil {
			ended = " ended"
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %s%s", a.ID, a.Attribute, a.Value, a.State, ended))
	}
	return lines
}

func TestAlertsOpenAndAreAcknowledged(t *testing.T) {
	w := ccmstest.New(t)
	w.Shop() // the yellow line of the log is alert 1
	is := func(f alert.Filter, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, summary(w, f)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	}
	open := alert.Filter{State: alert.Open, Below: tree.MustPath("/shop/web1/Connections")}
	w.Tell("/shop/web1/Connections/Open", tree.Number(600))
	w.Tell("/shop/web1/Connections/Open", tree.Number(700))
	is(open, "2 Open yellow open")
	w.Tell("/shop/web1/Connections/Open", tree.Number(1200))
	is(open, "3 Open red open", "2 Open yellow open ended")
	w.Tell("/shop/web1/Connections/Open", tree.Number(10))
	is(open, "3 Open red open ended", "2 Open yellow open ended")
	w.Tell("/shop/web1/Answer/Up", tree.Text("down"))
	is(alert.Filter{State: alert.Open}, "4 Up red open", "3 Open red open ended", "2 Open yellow open ended", "1 Log yellow open")
	is(alert.Filter{State: alert.Open, Value: tree.Yellow}, "2 Open yellow open ended", "1 Log yellow open")
	is(alert.Filter{Limit: 1}, "4 Up red open")

	// The alert that matters most goes up the tree, whatever the colour is by now.
	rows, err := w.Exporter.Tree(w.Everyone(), tree.MustPath("/shop/web1/Connections"), -1, 10)
	if err != nil || rows[0].Alert == nil || rows[0].Alert.ID != 3 || rows[0].Value != tree.Green {
		t.Errorf("got %+v, %v", rows, err)
	}

	alerts, _, err := w.Alerts(w.Everyone(), alert.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	aid := alerts[0].AID
	foreign := strings.Replace(aid, "GRV", "T10", 1)
	gone := name.Scheme{System: "GRV", Segment: ccms.DefaultSegment}.AID(4711, w.Clock)
	got, err := w.Acknowledge(w.Everyone(), []string{aid, "x", aid, foreign, gone}, "erika", "seen")
	if err != nil {
		t.Fatal(err)
	}
	want := []alert.Result{
		{AID: aid, Acknowledged: true},
		{AID: "x", Reason: "no such alert: an AID has 84 characters and is taken from a list of alerts"},
		{AID: aid, Reason: "it is completed already"},
		{AID: foreign, Reason: "no such alert: an AID has 84 characters and is taken from a list of alerts"},
		{AID: gone, Reason: "no such alert: it is not in the list any more"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	is(alert.Filter{State: alert.Completed}, "4 Up red completed")
	if len(w.Acknowledged) != 1 || w.Acknowledged[0].By != "erika" || w.Acknowledged[0].Alert.ID != 4 || w.Acknowledged[0].Comment != "seen" {
		t.Errorf("the audit was told %+v", w.Acknowledged)
	}
	// Nothing opens anew as long as the attribute stays as it is.
	if err := w.Sample(); err != nil {
		t.Fatal(err)
	}
	w.Grow("/shop/other", &tree.Spec{Kind: tree.Performance})
	w.Tell("/shop/web1/Answer/Up", tree.Text("gone"))
	is(alert.Filter{State: alert.Open, Value: tree.Red}, "3 Open red open ended")
}

// TestAlertsWithoutBeingTold: what was not told is found, once, and told late it does
// not count twice.
func TestAlertsWithoutBeingTold(t *testing.T) {
	w := ccmstest.New(t)
	heard := w.Exporter
	w.Shop()
	w.Exporter = nil // the tree tells nobody
	w.Tell("/shop/web1/Connections/Open", tree.Number(600))
	w.Exporter = heard
	at := w.Clock
	f := alert.Filter{Below: tree.MustPath("/shop/web1/Connections")}
	if d := cmp.Diff([]string{"2 Open yellow open"}, summary(w, f)); d != "" {
		t.Error(d)
	}
	w.Exporter = nil
	w.Tell("/shop/web1/Connections/Open", tree.Number(1200))
	w.Exporter = heard
	if d := cmp.Diff([]string{"3 Open red open", "2 Open yellow open ended"}, summary(w, f)); d != "" {
		t.Error(d)
	}
	ref, _ := w.Lookup(tree.MustPath("/shop/web1/Connections/Open"))
	w.Statuses([]tree.StatusChange{
		{Ref: ref, Path: f.Below, Kind: tree.Performance, From: tree.Green, To: tree.Yellow, Time: at, Value: tree.Number(600)},
		{Ref: ref, Path: f.Below, Kind: tree.Performance, From: tree.Yellow, To: tree.Red, Time: w.Clock, Value: tree.Number(1200)},
	})
	if d := cmp.Diff([]string{"3 Open red open", "2 Open yellow open ended"}, summary(w, f)); d != "" {
		t.Error(d)
	}
}

func TestSilenceEndsNoAlert(t *testing.T) {
	w := ccmstest.New(t)
	w.Shop()
	w.Tell("/shop/web1/Answer/Up", tree.Text("down"))
	ref, _ := w.Lookup(tree.MustPath("/shop/web1/Answer/Up"))
	w.Report(tree.Report{Node: ref, Time: w.Clock.Add(time.Second), Reason: "no answer"})
	w.Flush()
	f := alert.Filter{Below: tree.MustPath("/shop/web1/Answer")}
	if d := cmp.Diff([]string{"2 Up red open"}, summary(w, f)); d != "" {
		t.Error(d)
	}
	w.Tell("/shop/web1/Answer/Up", tree.Text("down"))
	if d := cmp.Diff([]string{"2 Up red open"}, summary(w, f)); d != "" {
		t.Error(d)
	}
	w.Tell("/shop/web1/Answer/Up", tree.Text("up"))
	if d := cmp.Diff([]string{"2 Up red open ended"}, summary(w, f)); d != "" {
		t.Error(d)
	}
}

func TestAlertsAreBounded(t *testing.T) {
	w := ccmstest.New(t, func(o *ccms.Options) { o.Alerts, o.AlertsPerNode = 3, 2 })
	for _, p := range []string{"/a/x", "/a/y"} {
		w.Grow(p, &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(1, 1)}})
	}
	for range 4 {
		w.Tell("/a/x", tree.Number(2))
		w.Tell("/a/x", tree.Number(0))
	}
	if d := cmp.Diff([]string{"4 x red open ended", "3 x red open ended"}, summary(w, alert.Filter{})); d != "" {
		t.Error(d)
	}
	w.Tell("/a/y", tree.Number(2))
	w.Tell("/a/y", tree.Number(0))
	alerts, _, _ := w.Alerts(w.Everyone(), alert.Filter{Below: tree.MustPath("/a/y")})
	if _, err := w.Acknowledge(w.Everyone(), []string{alerts[0].AID}, "", ""); err != nil {
		t.Fatal(err)
	}
	w.Tell("/a/y", tree.Number(2)) // what is completed goes before what is open
	if d := cmp.Diff([]string{"6 y red open", "4 x red open ended", "3 x red open ended"}, summary(w, alert.Filter{})); d != "" {
		t.Error(d)
	}
	if w.Dropped(w.Everyone()) != 3 {
		t.Errorf("%d dropped, want 3", w.Dropped(w.Everyone()))
	}
}

// shelf keeps alerts in a map.
type shelf struct {
	kept map[uint64]alert.Alert
	err  error
}

func (s *shelf) Replaced() int64 { return 0 }

func (s *shelf) Alerts(context.Context) (all []alert.Alert, err error) {
	return slices.Collect(maps.Values(s.kept)), s.err
}

func (s *shelf) Keep(_ context.Context, changed []alert.Alert, gone []uint64) error {
	if s.err != nil {
		return s.err
	}
	for _, a := range changed {
		s.kept[a.ID] = a
	}
	for _, id := range gone {
		delete(s.kept, id)
	}
	return nil
}

func TestAlertsOutliveARestart(t *testing.T) {
	s := &shelf{kept: map[uint64]alert.Alert{}}
	with := func(o *ccms.Options) { o.Shelf, o.AlertsPerNode = s, 2 }
	w := ccmstest.New(t, with)
	w.Shop()
	w.Tell("/shop/web1/Connections/Open", tree.Number(600))
	w.Tell("/shop/web1/Answer/Up", tree.Text("down"))
	alerts, _, _ := w.Alerts(w.Everyone(), alert.Filter{Below: tree.MustPath("/shop/web1/Answer")})
	if _, err := w.Acknowledge(w.Everyone(), []string{alerts[0].AID}, "erika", ""); err != nil {
		t.Fatal(err)
	}
	want := summary(w, alert.Filter{})

	again := ccmstest.New(t, with)
	if d := cmp.Diff(want, summary(again, alert.Filter{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	// What the tree remembers is no news; what is well again meanwhile ends.
	again.Clock = w.Clock.Add(time.Minute)
	again.Grow("/shop/web1/Connections/Open", &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450)}})
	again.Grow("/shop/web1/Answer/Up", &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"*": tree.Red}}})
	again.Grow("/shop/web1/New", &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(0, 0)}})
	again.Restore(
		tree.Memory{Path: tree.MustPath("/shop/web1/Connections/Open"), Value: tree.Number(1), Time: w.Clock, Status: tree.Green, Since: w.Clock},
		tree.Memory{Path: tree.MustPath("/shop/web1/Answer/Up"), Value: tree.Text("down"), Time: w.Clock, Status: tree.Red, Since: w.Clock},
		tree.Memory{Path: tree.MustPath("/shop/web1/New"), Value: tree.Number(1), Time: w.Clock, Status: tree.Red, Since: w.Clock},
	)
	again.Flush()
	if err := again.Sample(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"3 Up red completed", "4 New red open", "2 Open yellow open ended", "1 Log yellow open"}, summary(again, alert.Filter{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if len(s.kept) != 4 {
		t.Errorf("%d alerts are kept, want 4", len(s.kept))
	}

}

// TestAlertsWaitForTheirShelf: a manager starts without its database, and has no alerts
// until that is there; then it has those of before, and those of the colours of now.
func TestAlertsWaitForTheirShelf(t *testing.T) {
	s := &shelf{kept: map[uint64]alert.Alert{}}
	with := func(o *ccms.Options) { o.Shelf = s }
	w := ccmstest.New(t, with)
	w.Shop() // alert 1 is of the log
	w.Tell("/shop/web1/Answer/Up", tree.Text("down"))
	if err := w.Sample(); err != nil {
		t.Fatal(err)
	}

	s.err = errors.New("the disk is full")
	again := ccmstest.New(t, with)
	again.Clock = w.Clock.Add(time.Minute)
	again.Shop()
	again.Tell("/shop/web1/Connections/Open", tree.Number(600))
	if err := again.Sample(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string(nil), summary(again, alert.Filter{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	s.err = nil
	if err := again.Sample(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"2 Up red open ended", "3 Open yellow open", "1 Log yellow open"}, summary(again, alert.Filter{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	tr := tree.New(tree.Options{})
	for want, o := range map[string]ccms.Options{
		"ccms: no tree":                   {},
		"ccms: nobody says who sees what": {Tree: tr},
		`ccms: system "grv": is not three to 8 capital letters and digits that begin with a letter`: {Tree: tr, Guard: grant.NewGuard(tr), System: "grv"},
		`ccms: segment "a b": is not at most 40 ASCII characters without blanks`:                    {Tree: tr, Guard: grant.NewGuard(tr), Segment: "a b"},
		"ccms: a bound of the alerts, or the time between samples, is negative":                     {Tree: tr, Guard: grant.NewGuard(tr), Alerts: -1},
	} {
		if _, err := ccms.New(o); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestRunSamples: an average is there of readings that nobody asked for.
func TestRunSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := tree.New(tree.Options{})
		ref, err := tr.Add(tree.MustPath("/a/b/c"), &tree.Spec{Kind: tree.Performance, Unit: "s"})
		if err != nil {
			t.Fatal(err)
		}
		e, err := ccms.New(ccms.Options{Tree: tr, Guard: grant.NewGuard(tr)})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		for i := range 45 { // less often than it is looked: each counts
			tr.Apply([]tree.Reading{{Node: ref, Value: float64(i)}})
			tr.Flush()
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		el, err := e.Element(grant.With(t.Context(), grant.Anonymous), "/a/b/c")
		if err != nil {
			t.Fatal(err)
		}
		want := &ccms.Averaged{P: 22_000, C: 45, S: 990_000, Value: 22}
		if d := cmp.Diff(want, el.Performance.Average5); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if el.Performance.Max == nil || el.Performance.Max.Stored != 44_000 || el.Performance.Min.Stored != 0 {
			t.Errorf("got %+v, %+v", el.Performance.Min, el.Performance.Max)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestStructureMayChange: averages stay with their nodes, and names follow.
func TestStructureMayChange(t *testing.T) {
	w := ccmstest.New(t)
	w.Shop()
	w.Tell("/shop/web1/Connections/Open", tree.Number(293))
	if err := w.Change(tree.Move(tree.MustPath("/shop/web1"), tree.MustPath("/shop/front/web2"))); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	el, err := w.Element(w.Everyone(), `GRV\shop\...\front/web2/Connections\Open`)
	if err != nil {
		t.Fatal(err)
	}
	if el.Performance.Average15 == nil || el.Performance.Average15.C != 2 || el.Performance.Average15.S != 5840 {
		t.Errorf("got %+v", el.Performance.Average15)
	}
	if _, err := w.Element(w.Everyone(), `GRV\shop\...\web1/Connections\Open`); !errors.Is(err, ccms.ErrNoElement) {
		t.Errorf("got %v", err)
	}
}

// TestQuestionsWhileTheTreeChanges: whoever asks meanwhile gets an answer, or hears that
// the node is gone.
func TestQuestionsWhileTheTreeChanges(t *testing.T) {
	w := ccmstest.New(t)
	w.Shop()
	ada := as(t, "viewer /shop")
	full := `GRV\berlin\...\web/tier\Up`
	var asking sync.WaitGroup
	for _, ctx := range []context.Context{w.Everyone(), ada} {
		asking.Go(func() {
			for range 50 {
				if _, err := w.Exporter.Tree(ctx, tree.Root, -1, 1000); err != nil {
					t.Error(err)
				}
				if _, err := w.Element(ctx, full); err != nil && !errors.Is(err, ccms.ErrNoElement) && !errors.Is(err, tree.ErrNoNode) {
					t.Error(err)
				}
				if _, err := w.Element(ctx, `GRV\shop\...\web1/Connections\Open`); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 40 {
		w.Grow("/berlin/web/tier/Up", &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"*": tree.Red}}})
		ref, _ := w.Lookup(tree.MustPath("/berlin/web/tier/Up"))
		w.Report(tree.Report{Node: ref, Value: tree.Text("down"), Time: w.Clock})
		w.Flush()
		if err := w.Change(tree.Remove(tree.MustPath("/berlin"))); err != nil {
			t.Fatal(err)
		}
	}
	asking.Wait()
	if d := cmp.Diff([]string{"2 Up red open", "1 Log yellow open"}, summary(w, alert.Filter{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
