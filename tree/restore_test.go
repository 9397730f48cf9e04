package tree_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// TestRestore gives a fresh tree what another knew.
func TestRestore(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var told []tree.StatusChange
	tr := tree.New(tree.Options{
		Now:      func() time.Time { return now },
		Statuses: func(c []tree.StatusChange) { told = append(told, c...) },
	})
	above := &tree.Threshold{Yellow: tree.Level{Form: tree.Above, High: 10, OffHigh: 5}, StaleAfter: time.Minute}
	specs := map[string]*tree.Spec{
		"/a/held":  {Kind: tree.Performance, Threshold: above},
		"/a/stale": {Kind: tree.Performance, Threshold: above},
		"/a/fresh": {Kind: tree.Performance, Threshold: above},
		"/a/state": {Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}}},
		"/a/log":   {Kind: tree.Log},
		"/a/new":   {Kind: tree.Performance},
	}
	for path, s := range specs {
		if _, err := tr.Add(tree.MustPath(path), s); err != nil {
			t.Fatal(err)
		}
	}
	fresh, _ := tr.Lookup(tree.MustPath("/a/fresh"))
	tr.Apply([]tree.Reading{{Node: fresh, Value: 1}})
	tr.Flush()
	told = nil

	hour, second := now.Add(-time.Hour), now.Add(-time.Second)
	restored := tr.Restore(
		tree.Memory{Path: tree.MustPath("/a"), Status: tree.Red, Since: hour},
		tree.Memory{Path: tree.MustPath("/a/held"), Value: tree.Number(7), Time: second, Status: tree.Yellow, Since: hour},
		tree.Memory{Path: tree.MustPath("/a/stale"), Value: tree.Number(20), Time: hour, Status: tree.Yellow, Since: hour},
		tree.Memory{Path: tree.MustPath("/a/fresh"), Value: tree.Number(20), Time: second, Status: tree.Yellow, Since: hour},
		tree.Memory{Path: tree.MustPath("/a/state"), Value: tree.Text("down"), Time: second, Status: tree.Red, Since: hour},
		tree.Memory{Path: tree.MustPath("/a/log"), Time: second, Status: tree.Yellow, Since: second, Events: []tree.Event{{Time: second, Status: tree.Yellow, Text: "oh"}}},
		tree.Memory{Path: tree.MustPath("/a/gone"), Value: tree.Number(1)},
	)
	if restored != 5 {
		t.Errorf("%d nodes took what was remembered, want 5", restored)
	}
	tr.Flush()
	if len(told) != 0 {
		t.Errorf("what is restored is no news, but was told: %v", told)
	}
	want := map[string]string{
		"/a":       "red since 1h0m0s",
		"/a/held":  "yellow since 1h0m0s 7",
		"/a/stale": "white since 0s 20: no reading for 1m",
		"/a/fresh": "green since 0s 1",
		"/a/state": "red since 1h0m0s down",
		"/a/log":   "yellow since 1s oh",
		"/a/new":   "white since 0s : no reading yet",
	}
	got := map[string]string{}
	for path := range want {
		n, err := tr.Node(tree.MustPath(path))
		if err != nil {
			t.Fatal(err)
		}
		got[path] = n.Status.String() + " since " + now.Sub(n.Since).String()
		if n.Kind != tree.Group {
			got[path] += " " + n.Value.String()
		}
		if n.Reason != "" {
			got[path] += ": " + n.Reason
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// TestRecorded sees that a history is given all that a tree is.
func TestRecorded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var readings []tree.Reading
	var reports []tree.Report
	tr := tree.New(tree.Options{
		Now:      func() time.Time { return now },
		Readings: func(at time.Time, b []tree.Reading) { readings = append(readings, b...) },
		Reports:  func(at time.Time, r []tree.Report) { reports = append(reports, r...) },
	})
	r, err := tr.Add(tree.MustPath("/a"), &tree.Spec{Kind: tree.Performance})
	if err != nil {
		t.Fatal(err)
	}
	late := now.Add(-time.Hour).UnixNano()
	tr.Apply([]tree.Reading{{Node: r, Value: 1}, {Node: r, Value: 2, Time: late}})
	tr.Report(tree.Report{Node: r, Value: tree.Number(3), Time: now.Add(time.Second)})
	if len(readings) != 2 || readings[1].Time != late || len(reports) != 1 {
		t.Errorf("recorded %v and %v", readings, reports)
	}
}

// TestTuned sees that every change of a tuned threshold is told, and its error reaches
// the one who tunes.
func TestTuned(t *testing.T) {
	var told []string
	full := errors.New("disk full")
	tr := tree.New(tree.Options{Tuned: func(u tree.Tuning) error {
		if u.Threshold == nil {
			told = append(told, u.Path.String()+" as defined")
			return nil
		}
		told = append(told, u.Path.String()+" tuned")
		return full
	}})
	p := tree.MustPath("/a")
	r, err := tr.Add(p, &tree.Spec{Kind: tree.Performance})
	if err != nil {
		t.Fatal(err)
	}
	th := &tree.Threshold{Red: tree.Level{Form: tree.Above, High: 1, OffHigh: 1}}
	if err := tr.SetThreshold(p, th); !errors.Is(err, full) {
		t.Errorf("the error of the one who was told is lost: %v", err)
	}
	if err := tr.Tune(r, func(th *tree.Threshold) { th.StaleAfter = time.Minute }); !errors.Is(err, full) {
		t.Errorf("the error of the one who was told is lost: %v", err)
	}
	if err := tr.Untune(r); err != nil {
		t.Fatal(err)
	}
	_ = tr.SetThreshold(p, th)
	if err := tr.Reset(p); err != nil {
		t.Fatal(err)
	}
	if err := tr.Reset(p); err != nil { // no longer tuned: nothing to tell
		t.Fatal(err)
	}
	_ = tr.SetThreshold(p, th)
	if err := tr.Change(tree.Update(p, &tree.Spec{Kind: tree.Performance, Threshold: th})); err != nil {
		t.Fatal(err)
	}
	want := []string{"/a tuned", "/a tuned", "/a as defined", "/a tuned", "/a as defined", "/a tuned", "/a as defined"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
