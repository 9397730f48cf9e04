package tree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSupposeIsWhatWouldHappen makes trees of every rule at random, supposes statuses and
// has them come true: what changes must be what was said.
func TestSupposeIsWhatWouldHappen(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		var happened map[Path]StatusChange
		tr := New(Options{Now: func() time.Time { return time.Unix(1e9, 0) }, Statuses: func(changes []StatusChange) {
			for _, c := range changes {
				if first, ok := happened[c.Path]; ok {
					c.From = first.From
				}
				happened[c.Path] = c
			}
		}})
		happened = map[Path]StatusChange{}
		var groups, leaves []Path
		groups = append(groups, Root)
		rollups := []*Rollup{nil, {Rule: Best}, {Rule: AtLeast, Yellow: 1, Red: 2}, {Rule: Need, Green: 2}, {Rule: Percent, Yellow: 20, Red: 50},
			{Rule: Weighted, Yellow: 30, Red: 60}, {Cap: Yellow}, {White: IgnoreWhite}, {White: RedWhite}, {White: YellowWhite, Rule: Best}}
		edges := []Edge{{}, {}, {Map: OneUp}, {Map: OneDown}, {Map: Ignore}, {Map: FixedStatus, Fixed: Yellow}, {Weight: 5}}
		for i := range 40 {
			parent := groups[r.IntN(len(groups))]
			p, _ := parent.Child(fmt.Sprintf("n/%d", i))
			spec := &Spec{Kind: State, Threshold: &Threshold{States: map[string]Status{"g": Green, "y": Yellow, "r": Red}}, Edge: edges[r.IntN(len(edges))]}
			if r.IntN(3) == 0 {
				spec.Kind, spec.Threshold, spec.Rollup = Group, nil, rollups[r.IntN(len(rollups))]
			}
			if _, err := tr.Add(p, spec); err != nil {
				t.Fatal(err)
			}
			if spec.Kind == Group {
				groups = append(groups, p)
			} else {
				leaves = append(leaves, p)
			}
		}
		give := func(p Path, s Status) {
			ref, _ := tr.Lookup(p)
			report := Report{Node: ref, Reason: "silent"}
			if s != White {
				report = Report{Node: ref, Value: Text(string("wgyr"[s]))}
			}
			tr.Report(report)
		}
		for _, p := range leaves {
			if r.IntN(4) > 0 {
				give(p, Status(r.IntN(4)))
			}
		}
		tr.Flush()
		before := map[Path]Status{}
		_ = tr.Walk(Root, -1, func(n *Node) bool { before[n.Path] = n.Status; return true })

		var set []Supposition
		for range 1 + r.IntN(4) {
			from := leaves
			if r.IntN(2) == 0 {
				from = groups[1:]
			}
			if len(from) > 0 {
				set = append(set, Supposition{from[r.IntN(len(from))], Status(r.IntN(4))})
			}
		}
		got, err := tr.Suppose(set, 1000)
		if err != nil {
			t.Fatal(err)
		}
		// What is said last and nearest counts.
		after := map[Path]Status{}
		for _, p := range leaves {
			depth := -1
			for _, s := range set {
				if s.Path.Contains(p) && s.Path.Depth() >= depth {
					after[p], depth = s.Status, s.Path.Depth()
				}
			}
		}
		happened = map[Path]StatusChange{}
		for p, s := range after {
			give(p, s)
		}
		tr.Flush()
		want, said := map[string]string{}, map[string]string{}
		for p, c := range happened {
			if before[p] != c.To {
				want[p.String()] = before[p].String() + " to " + c.To.String()
			}
		}
		for _, c := range got {
			if _, twice := said[c.Path.String()]; twice {
				t.Errorf("seed %d: %s is told twice", seed, c.Path)
			}
			said[c.Path.String()] = c.From.String() + " to " + c.To.String()
		}
		if d := cmp.Diff(want, said); d != "" {
			t.Fatalf("seed %d: suppose %v: -happened +said\n%s", seed, set, d)
		}
	}
}

func TestSuppose(t *testing.T) {
	told := 0
	tr := New(Options{Statuses: func(c []StatusChange) { told += len(c) }})
	for _, p := range []string{"/shop/a~1b/x", "/shop/a~1b/y", "/shop/c/z"} {
		r, err := tr.Add(MustPath(p), &Spec{Kind: Performance})
		if err != nil {
			t.Fatal(err)
		}
		tr.Apply([]Reading{{Node: r, Value: 7}})
	}
	if _, err := tr.Add(MustPath("/shop/c/name"), &Spec{Kind: TextKind}); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	told = 0
	seq := tr.Seq()
	got, err := tr.Suppose([]Supposition{{MustPath("/shop"), Yellow}, {MustPath("/shop/c/z"), Green}, {MustPath("/shop/a~1b/y"), Red}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range got {
		lines = append(lines, fmt.Sprintf("%s %s: %s to %s at %s", c.Kind, c.Path, c.From, c.To, c.Value))
	}
	want := []string{
		"performance /shop/a~1b/x: green to yellow at 7", "performance /shop/a~1b/y: green to red at 7",
		"group /shop/a~1b: green to red at ", "group /shop: green to red at ", "group /: green to red at ",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	tr.Flush()
	if n, _ := tr.Node(Root); n.Status != Green || told != 0 || tr.Seq() != seq {
		t.Errorf("the tree is changed: %s, %d told, %d -> %d", n.Status, told, seq, tr.Seq())
	}
	for want, s := range map[string]Supposition{
		"/shop/no: no such node":                                  {MustPath("/shop/no"), Red},
		"/shop/c/name: cannot be supposed: a text has no status":  {MustPath("/shop/c/name"), Red},
		"/shop: cannot be supposed: unknown status 9":             {MustPath("/shop"), 9},
		"cannot be supposed: more than 2 attributes would change": {MustPath("/shop"), Red},
	} {
		if _, err := tr.Suppose([]Supposition{s}, 2); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	past, err := Freeze(time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := past.Suppose(nil, 1); !errors.Is(err, ErrFrozen) {
		t.Errorf("the past: %v", err)
	}
}

// BenchmarkSuppose has 100,000 attributes red.
func BenchmarkSuppose(b *testing.B) {
	tr := New(Options{})
	var ops []Op
	for i := range 100_000 {
		ops = append(ops, Add(MustPath(fmt.Sprintf("/shop/rack%02d/host%05d/load", i%100, i)), &Spec{Kind: Performance}))
	}
	if err := tr.Change(slices.Clip(ops)...); err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{"all": "/", "one": "/shop/rack42/host00042/load", "rack": "/shop/rack42"} {
		b.Run(strings.ToLower(name), func(b *testing.B) {
			for b.Loop() {
				if _, err := tr.Suppose([]Supposition{{MustPath(path), Red}}, 1e6); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
