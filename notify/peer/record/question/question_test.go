package question

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree"
	"grove/tree/history"
	"grove/tree/store/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	berlin  peer.ID = "00000000000000be"
	hamburg peer.ID = "00000000000000a4"
	north   peer.ID = "00000000000000aa"
)

var at = time.UnixMilli(1_700_000_000_000)

// past remembers what is asked for.
type past struct {
	id     peer.ID
	points []history.Point
}

func (p *past) Points(_ context.Context, path tree.Path, from, to time.Time, buckets int) ([]history.Point, history.Resolution, error) {
	if buckets > history.MaxBuckets {
		return nil, history.Resolution{}, fmt.Errorf("%w: too many", history.ErrRange)
	}
	if path.Name() == "broken" {
		return nil, history.Resolution{}, errors.New("broken")
	}
	return p.points, history.Resolution{Bucket: to.Sub(from) / time.Duration(buckets), Merged: from, Step: 5 * time.Minute}, nil
}

// Search finds as many entries as asked for, with texts that are long in escapes.
func (p *past) Search(_ context.Context, q journal.Query) (page journal.Page, err error) {
	if q.Text == "bad" {
		return page, fmt.Errorf("%w: bad", journal.ErrQuery)
	}
	first := 0
	if q.After != "" {
		if _, err := fmt.Sscan(q.After, &first); err != nil {
			return page, err
		}
	}
	for i := first; i < 2000; i++ {
		if len(page.Entries) == q.Limit {
			page.Next = fmt.Sprint(i)
			break
		}
		path := q.Under
		if i%10 == 0 {
			path, _ = path.Child("hidden")
		}
		if q.Sees != nil && !q.Sees(path) {
			continue
		}
		page.Entries = append(page.Entries, journal.Entry{ID: journal.FirstID(at) + journal.ID(i), Time: at, Path: path, Kind: journal.Event, Text: fmt.Sprint(i, strings.Repeat("\x01", 400))})
	}
	return page, nil
}

// world is three managers, of which the first joins the second, and that the third.
func world(t *testing.T, test func(t *testing.T, asker *Asker, berlinPast, hamburgPast *past)) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		join := func(id, of peer.ID) (*Asker, *past) {
			p := &past{id: id, points: []history.Point{
				{Time: at, Min: 1, Max: 3, Avg: 2, Last: math.Inf(1), Count: 4},
				{Time: at.Add(time.Minute), Min: math.NaN(), Max: math.NaN(), Avg: math.NaN(), Last: math.NaN()},
				{Time: at.Add(2 * time.Minute), Count: 1},
			}}
			root := tree.MustPath("/Managers/" + string(of))
			a := New(Options{
				Fabric: n.Join(id), History: p, Journal: p,
				Owner: func(local tree.Path) (peer.ID, tree.Path, bool) {
					remote, ok := root.Below(local)
					return of, remote, ok && of != ""
				},
				Place: func(_ peer.ID, remote tree.Path) (tree.Path, bool) {
					local, err := root.Join(remote)
					return local, err == nil
				},
				Shares: func(asker peer.ID, _ []peer.ID) (func(tree.Path) bool, error) {
					return func(p tree.Path) bool { return p.Name() != "hidden" }, nil
				},
			})
			all.Go(func() { a.Answer(ctx) })
			return a, p
		}
		a, _ := join(north, berlin)
		_, b := join(berlin, hamburg)
		_, h := join(hamburg, "")
		synctest.Wait()
		test(t, a, b, h)
	})
}

func TestPoints(t *testing.T) {
	world(t, func(t *testing.T, asker *Asker, b, h *past) {
		h.points = h.points[:2]
		for path, want := range map[string][]history.Point{
			"/Managers/" + string(berlin) + "/shop":                                  b.points,
			"/Managers/" + string(berlin) + "/Managers/" + string(hamburg) + "/shop": h.points,
		} {
			points, res, err := asker.Points(t.Context(), tree.MustPath(path), at, at.Add(time.Hour), 60)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, points, cmpopts.EquateNaNs()); d != "" {
				t.Errorf("%s\n%s", path, d)
			}
			if d := cmp.Diff(history.Resolution{Bucket: time.Minute, Merged: at, Step: 5 * time.Minute}, res); d != "" {
				t.Error(d)
			}
		}
		for path, code := range map[string]peer.Code{"hidden": peer.NotFound, "broken": peer.Failed} {
			if _, _, err := asker.Points(t.Context(), tree.MustPath("/Managers/"+string(berlin)+"/"+path), at, at.Add(time.Hour), 60); !peer.IsRefusal(err, code) {
				t.Errorf("%s: %v", path, err)
			}
		}
		if _, _, err := asker.Points(t.Context(), tree.MustPath("/Managers/"+string(berlin)+"/a"), at, at.Add(time.Hour), 60000); !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("too many: %v", err)
		}
	})
}

// TestMostPoints fit into one answer.
func TestMostPoints(t *testing.T) {
	points := make([]history.Point, history.MaxBuckets)
	for i := range points {
		points[i] = history.Point{Time: at.Add(time.Duration(i) * 24 * time.Hour), Min: 1, Max: 3, Avg: 2, Last: 4, Count: math.MaxInt32}
	}
	body := rangeBytes(points, history.Resolution{})
	if len(body) > peer.MaxBody {
		t.Errorf("%d bytes", len(body))
	}
	got, _, err := parseRangeAnswer(body)
	if d := cmp.Diff(points, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestSearch(t *testing.T) {
	world(t, func(t *testing.T, asker *Asker, _, _ *past) {
		for _, under := range []string{"/Managers/" + string(berlin) + "/shop", "/Managers/" + string(berlin) + "/Managers/" + string(hamburg) + "/shop"} {
			q := journal.Query{Under: tree.MustPath(under), Limit: 700}
			var got []journal.Entry
			for rounds := 0; ; rounds++ {
				page, err := asker.Search(t.Context(), q)
				if err != nil || len(page.Entries) > 700 || rounds > 100 {
					t.Fatal(len(page.Entries), rounds, err)
				}
				got = append(got, page.Entries...)
				if q.After = page.Next; page.Next == "" {
					break
				}
			}
			if len(got) != 1800 {
				t.Errorf("%d entries", len(got))
			}
			for i, e := range got {
				if want := i + i/9 + 1; e.Path != q.Under || !strings.HasPrefix(e.Text, fmt.Sprint(want)+"\x01") || len(e.Text) < 400 {
					t.Fatalf("entry %d is %s %q", i, e.Path, e.Text[:10])
				}
			}
		}
		_, err := asker.Search(t.Context(), journal.Query{Under: tree.MustPath("/Managers/" + string(berlin)), Text: "bad"})
		if !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("bad: %v", err)
		}
	})
}

// FuzzRange reads anything.
func FuzzRange(f *testing.F) {
	f.Add(rangeBytes([]history.Point{{Time: at, Count: 1}, {Time: at}}, history.Resolution{Merged: at}))
	f.Add(binary.AppendUvarint([]byte{1, 0, 0, 0}, 1<<62))
	f.Fuzz(func(t *testing.T, body []byte) {
		points, res, err := parseRangeAnswer(body)
		if err != nil {
			return
		}
		again, back, err := parseRangeAnswer(rangeBytes(points, res))
		if err != nil || len(points) != len(again) || back.Bucket != res.Bucket {
			t.Errorf("%v %v: %v", points, again, err)
		}
	})
}

// FuzzPage reads anything.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"entries":[{"i":"1048576","p":"/a","k":2,"f":"white","s":"green","t":"x"}],"next":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if page, err := parsePage(body, 5); err == nil && len(page.Entries) > 5 {
			t.Errorf("%d entries", len(page.Entries))
		}
	})
}
