package shape

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"grove/tree"
)

func TestSetsAreLikeMaps(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	set, want := Set{}, map[uint32]bool{}
	for range 500 {
		var some []uint32
		for range rnd.IntN(20) {
			some = append(some, uint32(rnd.IntN(300)))
		}
		before, had := set, len(want)
		if rnd.IntN(2) == 0 {
			set = set.With(some...)
			for _, i := range some {
				want[i] = true
			}
		} else {
			set = set.Without(some...)
			for _, i := range some {
				delete(want, i)
			}
		}
		if before.Len() != had {
			t.Fatal("a set was changed after it was made")
		}
		if got := slices.Collect(set.All()); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("got %v, want %v", got, slices.Sorted(maps.Keys(want)))
		}
		again := SetOf(slices.Collect(maps.Keys(want)))
		if !set.Equal(again) || set.hash(1) != again.hash(1) || set.Len() != len(want) || set.IsEmpty() != (len(want) == 0) {
			t.Fatalf("%v and %v are not equal", set, again)
		}
		if i := uint32(rnd.IntN(300)); set.Has(i) != want[i] {
			t.Fatalf("has %d: %v", i, set.Has(i))
		}
	}
}

func TestFilterMatchesByWords(t *testing.T) {
	for _, c := range []struct {
		text, above, name string
		want              bool
	}{
		{"web1 cpu", "web1", "CPU load", true},
		{"web1 cpu", "web2", "CPU load", false},
		{"web1", "web1", "cpu", false}, // not in its own name
		{"ÄPFEL", "", "Rote Äpfel", true},
		{"a/b", "a", "b", true},
		{"b b", "a", "b", true},
		{"", "", "x", false},
	} {
		f, err := NewFilter(c.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		own := f.wordsIn(c.name)
		if got := f.matchesText(own|f.wordsIn(c.above), own); got != c.want {
			t.Errorf("%q below %q by %q: %v", c.name, c.above, c.text, got)
		}
	}
	off, err := NewFilter(" / ", nil)
	if err != nil || off.IsOn() {
		t.Errorf("a filter of nothing is on, %v", err)
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("web cpu", "WEB1", uint8(3))
	f.Add("Ä/ß İ", "straße", uint8(9))
	f.Fuzz(func(t *testing.T, text, name string, status uint8) {
		filter, err := NewFilter(text, []tree.Status{tree.Status(status & 3)})
		if err != nil {
			if filter.IsOn() {
				t.Error("a filter and an error")
			}
			return
		}
		again, err := NewFilter(text, []tree.Status{tree.Status(status & 3)})
		if err != nil || again.String() != filter.String() {
			t.Errorf("%q and %q", filter, again)
		}
		if bits := filter.wordsIn(name); bits >= 1<<len(filter.words) {
			t.Errorf("%b for %d words", bits, len(filter.words))
		}
	})
}

// TestMemoryOfAPictureIsBounded holds what the package says: three sets of 16 bytes for
// each 64 indexes, and constants.
func TestMemoryOfAPictureIsBounded(t *testing.T) {
	const nodes = 20_000
	tr := tree.New(tree.Options{})
	ops := make([]tree.Op, nodes)
	for i := range ops {
		ops[i] = tree.Add(tree.MustPath(fmt.Sprintf("/g%d/n%d", i/100, i)), &tree.Spec{Kind: tree.Performance})
	}
	if err := tr.Change(ops...); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	v, err := tr.View(tree.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	s := NewScene()
	_ = v.Read(func(r *tree.Reader) {
		s.Update(r, nil)
		p, _ := s.Begin(r, &Wish{Depth: 2}, nil)
		if most := 160 + 3*16*(r.Bound()/64+1); p.Bytes() > most {
			t.Errorf("%d bytes, at most %d", p.Bytes(), most)
		}
		p, _ = s.Begin(r, &Wish{Some: 40}, nil)
		few := p.Bytes()
		p, _, _ = s.Next(r, p, []Turn{{Open: true, All: true}})
		if p.Bytes() > 160 || few > 160+16*(2*201) {
			t.Errorf("everything: %d bytes, 200 groups: %d bytes", p.Bytes(), few)
		}
	})
}
