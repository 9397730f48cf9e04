package journal

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store/storetest"
)

func TestWorst(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		if err := j.Append(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			under string
			parts int
			sees  func(tree.Path) bool
			want  []string
		}{
			"everything":    {"/", 10, nil, []string{"1s /a/x green 1", "2s /ab/x green 1", "3s /a green 1", "5s /a/x red 2", "7s /a/~1x yellow 1", "9s /a/x white 1"}},
			"in two":        {"/", 2, nil, []string{"1s /a/x green 3", "5s /a/x red 4"}},
			"in one":        {"/", 1, nil, []string{"5s /a/x red 7"}},
			"a subtree":     {"/a", 2, nil, []string{"1s /a/x green 2", "5s /a/x red 4"}},
			"a node":        {"/ab/x", 10, nil, []string{"2s /ab/x green 1"}},
			"nothing":       {"/nowhere", 10, nil, nil},
			"what one sees": {"/", 1, func(p tree.Path) bool { return p.String() != "/a/x" }, []string{"5s /a red 4"}},
			"what is seen":  {"/a", 2, func(p tree.Path) bool { return false }, nil},
		} {
			marks, whole, err := j.Worst(t.Context(), tree.MustPath(c.under), start, start.Add(10*time.Second), c.parts, c.sees)
			if err != nil || !whole {
				t.Fatalf("%s: %t, %v", name, whole, err)
			}
			var got []string
			for _, m := range marks {
				got = append(got, fmt.Sprintf("%s %s %s %d", m.Time.Sub(start), m.Path, m.To, m.Changes))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		for _, parts := range []int{0, MaxMarks + 1} {
			if _, _, err := j.Worst(t.Context(), tree.Root, start, start.Add(time.Second), parts, nil); !errors.Is(err, ErrQuery) {
				t.Errorf("%d parts: %v", parts, err)
			}
		}
	})
}

// TestWorstOfTooMany reads some of each part when there are more changes than are read.
func TestWorstOfTooMany(t *testing.T) {
	d := storetest.SQLite(t)
	j := running(t, d, Options{Now: func() time.Time { return start.Add(24 * time.Hour) }})
	j.maxRead = 60_000
	for round := range 31 {
		j.Statuses(changesAt(2000, start.Add(time.Duration(round)*time.Minute), tree.Status(1+round%3)))
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	marks, whole, err := j.Worst(t.Context(), tree.Root, start, start.Add(31*time.Minute), 31, nil)
	if err != nil || whole || len(marks) != 31 {
		t.Fatalf("%d marks, %t, %v", len(marks), whole, err)
	}
	t.Log(time.Since(begin))
	for i, m := range marks {
		if m.To != tree.Status(1+i%3) || m.Changes != someOfAll || !m.Time.Equal(start.Add(time.Duration(i)*time.Minute)) {
			t.Errorf("%d: %+v", i, m)
		}
	}
	marks, whole, err = j.Worst(t.Context(), tree.MustPath("/shop/rack42"), start, start.Add(31*time.Minute), 31, nil)
	if err != nil || !whole || len(marks) != 31 || marks[0].Changes != 20 {
		t.Errorf("a rack: %d marks, %t, %v", len(marks), whole, err)
	}
}
