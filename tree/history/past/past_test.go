package past

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// bad is a threshold of the tests: yellow over 10, red over 100.
var bad = &tree.Threshold{Yellow: tree.AboveLevel(10, 10), Red: tree.AboveLevel(100, 100), StaleAfter: 3 * time.Minute}

func TestAt(t *testing.T) {
	w := grow(t)
	w.add("/shop", tree.Spec{Kind: tree.Group, Rollup: &tree.Rollup{Rule: tree.Best}})
	w.add("/shop/load", tree.Spec{Kind: tree.Performance, Threshold: bad, Unit: "MB"})
	w.add("/shop/time", tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds"})
	w.add("/shop/state", tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}}})
	w.add("/shop/log", tree.Spec{Kind: tree.Log, Keep: 2})
	w.add("/old/gone", tree.Spec{Kind: tree.Performance, Unit: "s", Threshold: bad})
	w.add("/old/words", tree.Spec{Kind: tree.TextKind})
	w.add("/old/lines", tree.Spec{Kind: tree.Log})
	w.add("/quiet", tree.Spec{Kind: tree.Performance, History: &tree.History{Off: true}})
	w.pass(time.Second)
	begin := w.now()
	w.report("/shop/load", 50.0)
	w.report("/shop/time", 250.0)
	w.report("/shop/state", "up")
	w.report("/shop/log", tree.Event{Status: tree.Yellow, Text: "one"})
	w.report("/shop/log", tree.Event{Status: tree.Green, Text: "two"})
	w.report("/old/gone", 5000.0)
	w.report("/old/words", "version 1")
	w.report("/old/lines", tree.Event{Status: tree.Red, Text: "smoke"})
	w.report("/quiet", 7.0)
	w.pass(time.Minute)
	first := shown(t, w.tree)
	firstAt := w.now()
	w.pass(time.Second)

	// Later nearly everything is another.
	w.report("/shop/state", "down")
	w.report("/shop/log", tree.Event{Status: tree.Red, Text: "three"})
	w.report("/quiet", 8.0)
	w.pass(4 * time.Minute) // load is silent
	second := shown(t, w.tree)
	secondAt := w.now()
	w.pass(time.Second)
	w.change(
		tree.Update(tree.MustPath("/shop"), &tree.Spec{Kind: tree.Group, Rollup: &tree.Rollup{Cap: tree.Green}}),
		tree.Update(tree.MustPath("/shop/load"), &tree.Spec{Kind: tree.Performance, Unit: "GB"}),
		tree.Move(tree.MustPath("/shop/time"), tree.MustPath("/shop/answer")),
		tree.Remove(tree.MustPath("/old")),
		tree.Add(tree.MustPath("/young/one"), &tree.Spec{Kind: tree.Performance}),
	)
	w.report("/young/one", 1.0)
	w.pass(20 * time.Minute)
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}

	want := first
	delete(want, "/shop/time")
	want["/quiet"] = "performance green (" + noNumber + ")"
	// What is gone has what its records tell: the unit is kept with the number.
	want["/shop/time"] = "performance green 0.25 s"
	want["/old/words"] = "status green version 1"
	if diff := cmp.Diff(want, w.at(firstAt)); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	want = second
	want["/shop/time"] = "performance green 0.25 s"
	want["/old/words"] = "status green version 1"
	if diff := cmp.Diff(want, w.at(secondAt)); diff != "" {
		t.Errorf("second (-want +got):\n%s", diff)
	}
	past, release, err := w.past.At(t.Context(), secondAt)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	load, err := past.Node(tree.MustPath("/shop/load"))
	if err != nil || !load.Time.Equal(begin) || !load.Since.After(begin) || load.Last != tree.Yellow || load.Spec.Threshold != nil {
		t.Errorf("%+v, %v", load, err)
	}
	events, err := past.Events(tree.MustPath("/shop/log"))
	if err != nil || len(events) != 2 || events[0].Text != "two" || events[1].Text != "three" {
		t.Errorf("events %v, %v", events, err)
	}
	cause, err := past.Cause(tree.Root)
	if err != nil || len(cause) == 0 {
		t.Errorf("cause %v, %v", cause, err)
	}
	if diff := cmp.Diff(shown(t, w.tree), w.at(w.now())); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
}

// TestAtOverRestarts looks at moments around a restart that changes the tree.
func TestAtOverRestarts(t *testing.T) {
	w := grow(t)
	w.add("/a/stays", tree.Spec{Kind: tree.Performance})
	w.add("/a/goes", tree.Spec{Kind: tree.Performance})
	w.report("/a/stays", 1.0)
	w.report("/a/goes", 2.0)
	w.pass(10 * time.Minute)
	before, beforeAt := shown(t, w.tree), w.now()
	w.stop()
	w.clock.Add((2 * time.Minute).Milliseconds())
	w.start()
	w.add("/a/stays", tree.Spec{Kind: tree.Performance})
	w.add("/a/new", tree.Spec{Kind: tree.Performance})
	w.pass(time.Second)
	soon, soonAt := shown(t, w.tree), w.now()
	w.pass(time.Minute)
	w.report("/a/stays", 3.0)
	w.pass(time.Minute)
	after, afterAt := shown(t, w.tree), w.now()
	w.stop()
	w.clock.Add(time.Hour.Milliseconds())
	stopped := afterAt.Add(30 * time.Minute)
	w.start()
	w.add("/b", tree.Spec{Kind: tree.Performance})
	w.pass(time.Minute)
	for name, c := range map[string]struct {
		at   time.Time
		want map[string]string
	}{
		"before":           {beforeAt, before},
		"while it stopped": {beforeAt.Add(time.Minute), before},
		"after":            {afterAt, after},
		// The tree was restored no number here, and what it was before is nobody else's.
		"soon after": {soonAt, soon},
	} {
		got := w.at(c.at)
		if _, ok := c.want["/a/new"]; ok {
			c.want["/a/new"] = "status white (no reading is recorded)" // It never said what it is.
		}
		if name == "soon after" {
			c.want["/a/stays"] = got["/a/stays"] // white, with the value of before
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	_, _, err := w.past.At(t.Context(), stopped)
	want := "no such moment: nothing was recorded at 2026-03-02T12:44:01.000Z; grove ran until 2026-03-02T12:14:01.000Z; grove ran again from 2026-03-02T13:14:01.000Z on; " +
		"the history goes from 2026-03-02T12:00:00.000Z to 2026-03-02T13:15:01.000Z"
	if !errors.Is(err, ErrRange) || err.Error() != want {
		t.Errorf("while it was stopped: %v\nwant %s", err, want)
	}
}

func TestAtRefuses(t *testing.T) {
	w := grow(t)
	w.add("/a", tree.Spec{Kind: tree.Performance})
	if _, _, err := w.past.At(t.Context(), w.now()); !errors.Is(err, ErrRange) {
		t.Errorf("of an empty history: %v", err)
	}
	w.pass(time.Minute)
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]string{
		noon.Add(-time.Hour): "no such moment: 2026-03-02T11:00:00.000Z is outside of what the history holds, from 2026-03-02T12:00:00.000Z to 2026-03-02T12:01:00.000Z",
		noon.Add(time.Hour):  "no such moment: 2026-03-02T13:00:00.000Z is outside of what the history holds, from 2026-03-02T12:00:00.000Z to 2026-03-02T12:01:00.000Z",
	} {
		if _, _, err := w.past.At(t.Context(), at); !errors.Is(err, ErrRange) || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// TestAtWhereSamplesAreMerged looks at a moment of which the history has steps of five
// minutes, and the journal the changes within.
func TestAtWhereSamplesAreMerged(t *testing.T) {
	w := grow(t)
	w.add("/a/load", tree.Spec{Kind: tree.Performance, Threshold: bad})
	w.add("/a/gone", tree.Spec{Kind: tree.Performance})
	moments := map[time.Time]map[string]string{}
	for i := range 14 * 60 {
		v := 5.0
		if i >= 33 && i < 63 {
			v = 50
		}
		w.report("/a/load", v)
		if i < 48 {
			w.report("/a/gone", 1.0)
		}
		if i == 48 {
			w.change(tree.Remove(tree.MustPath("/a/gone")))
		}
		w.look()
		if i == 31 || i == 34 || i == 40 || i == 56 || i == 64 {
			moments[w.now().Add(30*time.Second)] = shown(t, w.tree)
		}
		w.clock.Add(time.Minute.Milliseconds())
		if i%120 == 119 {
			if err := errors.Join(w.settle(t.Context()), w.samples.Maintain(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
	}
	if until := w.past.Merged(); !until.After(noon.Add(2 * time.Hour)) {
		t.Fatalf("merged until %v", until)
	}
	for at, want := range moments {
		got := w.at(at)
		// A number is the mean of its step, and so is not compared.
		got["/a/load"], want["/a/load"] = got["/a/load"][:len("performance green")], want["/a/load"][:len("performance green")]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", at.Sub(noon), diff)
		}
	}
}
