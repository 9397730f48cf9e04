package peers

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// readings are those of a node within a time, each with when it was.
func (m *manager) readings(path string, from, to time.Time) (list []string, err error) {
	var got struct {
		Points []struct {
			Time  string
			Last  *float64
			Count int
		}
	}
	q := url.Values{"path": {path}, "from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}, "points": {"5000"}}
	err = m.Ask("/api/v1/history?"+q.Encode(), &got)
	for _, p := range got.Points {
		if p.Count > 0 {
			list = append(list, fmt.Sprintf("%s %g", p.Time, *p.Last))
		}
	}
	return list, err
}

// change is one of the status of a node.
type change struct {
	To   string
	Time time.Time
}

// changes are those of a node, oldest first: when it was found to be of another colour. While
// the machine is slow it is white in between, since a reading is late.
func (m *manager) changes(path string) (list []change, err error) {
	var page struct{ Entries []change }
	q := url.Values{"path": {path}, "only": {"true"}, "kind": {"status"}, "order": {"oldest"}}
	err = m.Ask("/api/v1/journal?"+q.Encode(), &page)
	for _, e := range page.Entries {
		if e.To != "white" && (len(list) == 0 || list[len(list)-1].To != e.To) {
			list = append(list, e)
		}
	}
	return list, err
}

// colours are the statuses that changes lead to.
func colours(all []change) string {
	var list []string
	for _, e := range all {
		list = append(list, e.To)
	}
	return strings.Join(list, " ")
}

// TestPast kills the owner of a device with kill -9. What its stand-in sees meanwhile is in
// the journal and in the history of the owner after its return, at the times when it was,
// though the stand-in is killed, too, before it has told.
func TestPast(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	w := newTarget(t, n)
	berlin := newManager(t, n, "berlin", hub, nil)
	hamburg := newManager(t, n, "hamburg", leaf+"stand_in: [\"*\"]\n", map[string]string{"pages.yaml": pages, "one.yaml": page(w, "one")})
	began := time.Now().Truncate(time.Second)
	all := []*manager{berlin, hamburg}
	for _, m := range all {
		m.Start()
	}
	hamburg.joins(berlin)
	hamburg.linked(berlin)
	berlin.linked(hamburg)
	w.watchedBy("one", hamburg, time.Time{})
	agree("one", hamburg, all...)
	const path = "/web/one/Status"
	turns := func(m *manager, down bool, want string) (changes []change) {
		m.Helper()
		w.Fails("one", down)
		m.Eventually(func() (err error) {
			if changes, err = m.changes(path); err == nil && colours(changes) != want {
				err = fmt.Errorf("%s has seen %s, not %s", m.Name, colours(changes), want)
			}
			return err
		})
		return changes
	}
	turns(hamburg, false, "green")
	own := turns(hamburg, true, "green red")
	// Who takes it has the past of it; from then on home has what a stand-in needs, too.
	moved := time.Now()
	hamburg.Must("peer", "give", "one", "berlin")
	w.watchedBy("one", berlin, moved)
	if got := turns(berlin, true, "green red"); !slices.Equal(got, own) {
		t.Errorf("changes at who took it\n%v\nand before\n%v", got, own)
	}
	moved = time.Now()
	hamburg.Must("peer", "return", "one")
	w.watchedBy("one", hamburg, moved)
	agree("one", hamburg, all...)
	hamburg.Kill()
	agree("one", berlin, berlin)
	w.watchedBy("one", berlin, time.Now())
	// It may know that the page is down, or find it out.
	base := ""
	berlin.Eventually(func() error {
		n, err := berlin.Node(path)
		if err == nil && n.Status != "red" {
			err = fmt.Errorf("%s is %s", path, n.Status)
		}
		return err
	})
	if known, err := berlin.changes(path); err != nil {
		t.Fatal(err)
	} else if base = colours(known); base != "" {
		base += " "
	}
	turns(berlin, false, base+"green")
	seen := turns(berlin, true, base+"green red")
	seen = seen[len(seen)-2:]
	away, err := berlin.readings(path, began, began.Add(10*time.Minute))
	if err != nil || len(away) == 0 {
		t.Fatalf("readings of the stand-in: %q, %v", away, err)
	}
	hamburg.Start()
	w.watchedBy("one", hamburg, time.Now())
	berlin.Kill()
	berlin.Start()
	agree("one", hamburg, all...)
	got := turns(hamburg, true, "green red green red")
	if !slices.Equal(got[:2], own) || !slices.Equal(got[2:], seen) {
		t.Errorf("changes at the owner\n%v\nbefore\n%v\nand at the stand-in\n%v", got, own, seen)
	}
	hamburg.Eventually(func() error {
		has, err := hamburg.readings(path, began, began.Add(10*time.Minute))
		for _, r := range away {
			if err == nil && !slices.Contains(has, r) {
				err = fmt.Errorf("the owner has no reading %s", r)
			}
		}
		return err
	})
	turns(hamburg, false, "green red green red green")
}
