package tree

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChangesOfStatusThatWaitAreBounded: the one who is told of changes gives a
// tree more of them than it can take, without coming back.
func TestChangesOfStatusThatWaitAreBounded(t *testing.T) {
	var tr *Tree
	var refs []Ref
	told, first := 0, true
	tr = New(Options{Statuses: func(cs []StatusChange) {
		told += len(cs)
		if !first {
			return
		}
		first = false
		for round := range 2*maxWaiting/len(refs) + 4 {
			batch := make([]Reading, len(refs))
			for i, r := range refs {
				batch[i] = Reading{Node: r, Value: float64(round % 2)}
			}
			tr.Apply(batch)
		}
		if len(tr.changes) > maxWaiting {
			t.Errorf("%d changes wait", len(tr.changes))
		}
	}})
	for i := range 1000 {
		refs = append(refs, mustAdd(t, tr, fmt.Sprintf("/%d", i), &Spec{Kind: Performance, Threshold: &Threshold{Red: AboveLevel(0.5, 0.5)}}))
	}
	tr.Apply([]Reading{{Node: refs[0], Value: 1}})
	tr.Flush()
	tr.Flush()
	s := tr.Stats()
	if s.Untold == 0 || s.Changes != uint64(told)+s.Untold {
		t.Errorf("%d told and %d not, of %d changes", told, s.Untold, s.Changes)
	}
	if cap(tr.changes) > maxSpare || cap(tr.flushed) > maxSpare {
		t.Errorf("room for %d and %d changes is kept", cap(tr.changes), cap(tr.flushed))
	}
}

func TestAViewNeedsANodeAtItsPath(t *testing.T) {
	tr := newClock().tree()
	p := MustPath("/a")
	if _, err := tr.View(p); !errors.Is(err, ErrNoNode) {
		t.Errorf("before: %v", err)
	}
	mustAdd(t, tr, "/a", &Spec{Kind: Performance})
	v, err := tr.View(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Change(Remove(p)); err != nil {
		t.Fatal(err)
	}
	if w, err := tr.View(p); !errors.Is(err, ErrNoNode) || w != nil {
		t.Errorf("after it went: %v", err)
	}
	mustAdd(t, tr, "/a", &Spec{Kind: Performance})
	w, err := tr.View(p)
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	v.Close()
	if _, err := v.Snapshot(func(*Node) bool { return true }); !errors.Is(err, ErrNoNode) {
		t.Errorf("a closed view: %v", err)
	}
	if _, err := w.Snapshot(func(*Node) bool { return true }); err != nil {
		t.Errorf("the other view: %v", err)
	}
	w.Close()
	if s := tr.Stats(); s.Views != 0 || len(tr.roots) != 0 {
		t.Errorf("%d views and %d roots are left", s.Views, len(tr.roots))
	}
}

func TestViewsAreBounded(t *testing.T) {
	tr := newClock().tree()
	for i := range MaxViews + 1 {
		p := fmt.Sprintf("/%d", i)
		mustAdd(t, tr, p, &Spec{Kind: Performance})
		if _, err := tr.View(MustPath(p)); (err == nil) != (i < MaxViews) {
			t.Fatalf("view %d: %v", i, err)
		}
	}
	if _, err := tr.View(MustPath("/1")); err != nil {
		t.Errorf("a second look at the same subtree: %v", err)
	}
}

func TestCauses(t *testing.T) {
	weighted := &Rollup{Rule: Weighted, Yellow: 10, Red: 50}
	for _, tc := range []struct {
		name   string
		groups map[string]*Rollup
		leaves map[string]string // path -> text
		at     string
		want   []string
	}{
		{"green", nil, map[string]string{"/a/x": "green"}, "/", nil},
		{"the leaf itself", nil, map[string]string{"/a/x": "yellow"}, "/a/x", []string{"/a/x"}},
		{"red before yellow", nil, map[string]string{"/a/x": "yellow", "/a/y": "red"}, "/", []string{"/a/y"}},
		{"capped", map[string]*Rollup{"/a": {Cap: Yellow}}, map[string]string{"/a/x": "yellow", "/a/y": "red"}, "/", []string{"/a/y", "/a/x"}},
		{"two groups that yellow made red", map[string]*Rollup{"/a": weighted, "/b": weighted},
			map[string]string{"/a/x": "yellow", "/b/y": "yellow"}, "/", []string{"/a/x", "/b/y"}},
		{"a hidden fault is no cause", map[string]*Rollup{"/a": {Rule: Best}}, map[string]string{"/a/x": "green", "/a/y": "red", "/b": "yellow"}, "/", []string{"/b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newClock().tree()
			for _, path := range []string{"/a", "/b"} {
				if r, ok := tc.groups[path]; ok {
					if err := tr.Change(Add(MustPath(path), &Spec{Rollup: r})); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, path := range []string{"/a/x", "/a/y", "/b/y", "/b"} {
				if text, ok := tc.leaves[path]; ok {
					tr.Report(Report{Node: mustAdd(t, tr, path, &Spec{Kind: State}), Value: Text(text)})
				}
			}
			causes, err := tr.Cause(MustPath(tc.at))
			if diff := cmp.Diff(tc.want, pathTexts(causes)); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

// TestTuningIsChecked: what SetThreshold refuses leaves the node as it was.
func TestTuningIsChecked(t *testing.T) {
	for _, tc := range []struct {
		name, path string
		th         *Threshold
		want       string
	}{
		{"none", "/g/x", nil, "invalid threshold: none is given"},
		{"a group", "/g", &Threshold{}, "/g: invalid threshold: a group has none"},
		{"nothing there", "/n", &Threshold{}, "/n: no such node"},
		{"a border that is no number", "/g/x", &Threshold{Red: AboveLevel(math.NaN(), 1)}, "invalid threshold: red: a border is not a finite number"},
		{"a log", "/g/log", &Threshold{StaleAfter: 1}, ""},
		{"a text", "/g/text", &Threshold{StaleAfter: 1}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newClock().tree()
			mustAdd(t, tr, "/g/x", &Spec{Kind: Performance})
			mustAdd(t, tr, "/g/log", &Spec{Kind: Log})
			mustAdd(t, tr, "/g/text", &Spec{Kind: TextKind})
			if got := errorText(tr.SetThreshold(MustPath(tc.path), tc.th)); got != tc.want {
				t.Errorf("error %q, want %q", got, tc.want)
			}
			if r, ok := tr.Lookup(MustPath(tc.path)); ok && tc.th != nil {
				if got := errorText(tr.Tune(r, func(th *Threshold) { *th = *tc.th })); got != tc.want {
					t.Errorf("Tune: error %q, want %q", got, tc.want)
				}
			}
			if n, err := tr.Node(MustPath(tc.path)); err == nil && n.Tuned != (tc.want == "") {
				t.Errorf("tuned: %v", n.Tuned)
			}
		})
	}
}

// TestStatesOfNumbers: a state's name may be any number as people write it.
func TestStatesOfNumbers(t *testing.T) {
	for _, tc := range []struct {
		key   string
		value float64
	}{{"1", 1}, {"-1", -1}, {"0.5", 0.5}, {"1000000", 1e6}, {"123456789", 123456789}, {"1e+30", 1e30}} {
		for _, kind := range []Kind{Performance, State} {
			tr := newClock().tree()
			r := mustAdd(t, tr, "/x", &Spec{Kind: kind})
			tr.Apply([]Reading{{Node: r, Value: tc.value}})
			if err := tr.SetThreshold(MustPath("/x"), &Threshold{States: map[string]Status{tc.key: Red}}); err != nil {
				t.Fatal(err)
			}
			if got := statusAt(t, tr, "/x"); got != Red {
				t.Errorf("%s %v with another threshold: %s", kind, tc.value, got)
			}
			tr.Apply([]Reading{{Node: r, Value: tc.value}})
			if got := statusAt(t, tr, "/x"); got != Red {
				t.Errorf("%s %v: %s", kind, tc.value, got)
			}
		}
	}
}
