package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestLast(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		if err := j.Append(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			at   time.Duration
			want map[string]string
		}{
			{0, map[string]string{}},
			{time.Second, map[string]string{"/a/x": "1s green"}},
			{4999 * time.Millisecond, map[string]string{"/a/x": "1s green", "/ab/x": "2s green", "/a": "3s green"}},
			{5 * time.Second, map[string]string{"/a/x": "5s red", "/ab/x": "2s green", "/a": "5s red"}},
			{time.Hour, map[string]string{"/a/x": "9s white: no answer", "/ab/x": "2s green", "/a": "5s red", "/a/~1x": "7s yellow"}},
		} {
			last, err := j.Last(t.Context(), start.Add(c.at))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for i := range some {
				p := some[i].Path
				if e, ok := last[store.NodeNumber(p)]; ok {
					text := e.Time.Sub(start).String() + " " + e.To.String()
					if e.Text != "" {
						text += ": " + e.Text
					}
					got[p.String()] = text
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || len(last) != len(c.want) {
				t.Errorf("at %s: %d nodes (-want +got):\n%s", c.at, len(last), diff)
			}
		}
	})
}

func TestEventsBefore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		if err := j.Append(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
		log, other := tree.MustPath("/a/log"), tree.MustPath("/a/x")
		memory := tree.Event{Time: start.Add(4 * time.Second), Status: tree.Red, Text: "Out of MEMORY in Zürich"}
		percent := tree.Event{Time: start.Add(6 * time.Second), Status: tree.Green, Text: "100% of a_b, c\\d"}
		for _, c := range []struct {
			at   time.Duration
			n    int
			want []tree.Event
		}{
			{3 * time.Second, 10, nil},
			{4 * time.Second, 10, []tree.Event{memory}},
			{time.Hour, 10, []tree.Event{memory, percent}},
			{time.Hour, 1, []tree.Event{percent}},
		} {
			got, err := j.EventsBefore(t.Context(), start.Add(c.at), c.n, other, log)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got[log], comparable); diff != "" || got[other] != nil {
				t.Errorf("at %s: %v (-want +got):\n%s", c.at, got[other], diff)
			}
		}
	})
}

// BenchmarkLast asks for the last change of 100,000 nodes with ten changes each.
func BenchmarkLast(b *testing.B) {
	engines(b, func(b *testing.B, d *storetest.Database) {
		j := running(b, d, Options{Now: func() time.Time { return start.Add(time.Hour) }})
		for round := range 10 {
			j.Statuses(changesAt(100_000, start.Add(time.Duration(round)*time.Minute), tree.Status(1+round%2)))
			if err := j.Sync(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			last, err := j.Last(b.Context(), start.Add(5*time.Minute))
			if err != nil || len(last) != 100_000 {
				b.Fatal(len(last), err)
			}
		}
	})
}
