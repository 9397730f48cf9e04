package twin_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/notify/peer/twin"
	"grove/tree"
	"grove/tree/alert"
)

// tells are the managers, of some that watch the device "d", that tell of alerts about it.
func tells(of map[peer.ID]*manager) (list []string) {
	for id, m := range of {
		if !m.Left(id, "d").Left {
			list = append(list, names[id])
		}
	}
	slices.Sort(list)
	return list
}

// d has a manager watch the device.
func d(id peer.ID) []twin.Device { return []twin.Device{device(id, "d", "serial", "1x")} }

func TestOneTellsOfAlerts(t *testing.T) {
	all := func(peer.ID, tree.Path) bool { return true }
	for _, c := range []struct {
		name string
		// watch has by ID whom a manager asks, whom it trusts and whom it prefers; the others
		// do not watch the device.
		watch, others map[peer.ID]*manager
		want          string
	}{
		{"a manager that knows both decides", map[peer.ID]*manager{
			berlin: {trusts: []peer.ID{self}}, hamburg: {trusts: []peer.ID{self}},
		}, map[peer.ID]*manager{self: {asks: []peer.ID{berlin, hamburg}}}, "berlin"},
		{"as people prefer", map[peer.ID]*manager{
			berlin: {trusts: []peer.ID{self}}, hamburg: {trusts: []peer.ID{self}},
		}, map[peer.ID]*manager{self: {asks: []peer.ID{berlin, hamburg}, prefer: []string{"hamburg"}}}, "hamburg"},
		{"its own goes first", map[peer.ID]*manager{
			berlin: {trusts: []peer.ID{cologne}}, cologne: {asks: []peer.ID{berlin}},
		}, nil, "cologne"},
		{"unless people prefer another", map[peer.ID]*manager{
			berlin: {trusts: []peer.ID{cologne}}, cologne: {asks: []peer.ID{berlin}, prefer: []string{"berlin"}},
		}, nil, "berlin"},
		{"two that know each other", map[peer.ID]*manager{
			berlin:  {asks: []peer.ID{hamburg}, trusts: []peer.ID{hamburg}},
			hamburg: {asks: []peer.ID{berlin}, trusts: []peer.ID{berlin}},
		}, nil, "berlin"},
		{"two that prefer each other", map[peer.ID]*manager{
			berlin:  {asks: []peer.ID{hamburg}, trusts: []peer.ID{hamburg}, prefer: []string{"hamburg"}},
			hamburg: {asks: []peer.ID{berlin}, trusts: []peer.ID{berlin}, prefer: []string{"berlin"}},
		}, nil, "hamburg"},
		{"the one that is joined counts, whatever its ID", map[peer.ID]*manager{
			berlin:  {asks: []peer.ID{hamburg}, trusts: []peer.ID{hamburg}},
			hamburg: {asks: []peer.ID{berlin}},
		}, nil, "hamburg"},
		{"two decide otherwise", map[peer.ID]*manager{
			berlin: {trusts: []peer.ID{self}}, hamburg: {trusts: []peer.ID{cologne}},
		}, map[peer.ID]*manager{
			self:    {asks: []peer.ID{berlin, hamburg}, prefer: []string{"hamburg"}},
			cologne: {asks: []peer.ID{berlin, hamburg}, prefer: []string{"berlin"}},
		}, "hamburg"},
		{"two decide otherwise for both", map[peer.ID]*manager{
			berlin: {trusts: []peer.ID{self, cologne}}, hamburg: {trusts: []peer.ID{self, cologne}},
		}, map[peer.ID]*manager{
			self:    {asks: []peer.ID{berlin, hamburg}, prefer: []string{"hamburg"}},
			cologne: {asks: []peer.ID{berlin, hamburg}, prefer: []string{"berlin"}},
		}, "hamburg"},
		{"by a manager between", map[peer.ID]*manager{
			hamburg: {trusts: []peer.ID{berlin}}, self: {asks: []peer.ID{berlin}},
		}, map[peer.ID]*manager{berlin: {asks: []peer.ID{hamburg}, trusts: []peer.ID{self}}}, "self"},
		{"nobody that is not trusted", map[peer.ID]*manager{
			berlin: {}, hamburg: {},
		}, map[peer.ID]*manager{self: {asks: []peer.ID{berlin, hamburg}}}, "berlin hamburg"},
		{"nobody that sees nothing", map[peer.ID]*manager{
			berlin:  {trusts: []peer.ID{self}, sees: func(peer.ID, tree.Path) bool { return false }},
			hamburg: {trusts: []peer.ID{self}},
		}, map[peer.ID]*manager{self: {asks: []peer.ID{berlin, hamburg}}}, "berlin hamburg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := peertest.New(1)
				for id, m := range c.watch {
					m.own = d(id)
					if m.sees == nil {
						m.sees = all
					}
					start(t, n, id, m)
				}
				for id, m := range c.others {
					start(t, n, id, m)
				}
				time.Sleep(40 * time.Second)
				for range 120 { // Whoever it is, it stays so.
					if got := tells(c.watch); strings.Join(got, " ") != c.want {
						t.Fatalf("%q tell, not %q", strings.Join(got, " "), c.want)
					}
					time.Sleep(time.Second / 2)
				}
			})
		})
	}
}

// The primary dies and comes back, and the manager that knows both is lost: somebody tells
// at each time but for as long as it takes to know, and knows what was told.
func TestWhoTellsIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		watch := map[peer.ID]*manager{
			berlin:  start(t, n, berlin, &manager{own: d(berlin), trusts: []peer.ID{self}}),
			hamburg: start(t, n, hamburg, &manager{own: d(hamburg), trusts: []peer.ID{self}}),
		}
		start(t, n, self, &manager{asks: []peer.ID{berlin, hamburg}})
		is := func(when, want string) {
			t.Helper()
			if got := strings.Join(tells(watch), " "); got != want {
				t.Fatalf("%s: %q tell, not %q", when, got, want)
			}
		}
		time.Sleep(15 * time.Second)
		is("at first", "berlin")
		red := twin.Told{Path: tree.MustPath("/Load"), Kind: alert.Status, Status: tree.Red, At: time.Now().UTC(), Ack: &alert.Ack{By: "ann"}}
		b := watch[berlin]
		b.mu.Lock()
		b.told = []twin.Fact{{Manager: berlin, Device: "d", Told: []twin.Told{red}}}
		b.mu.Unlock()
		time.Sleep(5 * time.Second)
		if w := watch[hamburg].Left(hamburg, "d"); w.To != "berlin" || len(w.Told) != 1 || w.Told[0].Path != red.Path || w.Told[0].Ack.By != "ann" {
			t.Errorf("what berlin has told: %+v", w)
		}
		n.Cut(berlin, self, true)
		n.Cut(self, berlin, true)
		time.Sleep(twin.Hold - time.Second)
		is("berlin was lost a moment ago", "berlin")
		time.Sleep(5 * time.Second)
		// Berlin goes on, and cannot know that hamburg does.
		is("berlin is lost", "berlin hamburg")
		if w := watch[hamburg].Left(hamburg, "d"); w.Left || w.To != "berlin" || len(w.Told) != 1 {
			t.Errorf("what berlin had told: %+v", w)
		}
		n.Cut(berlin, self, false)
		n.Cut(self, berlin, false)
		time.Sleep(8 * time.Second)
		is("berlin is back for a moment", "hamburg")
		time.Sleep(8 * time.Second)
		is("berlin is back", "berlin")
		n.Cut(hamburg, self, true)
		n.Cut(self, hamburg, true)
		time.Sleep(twin.LeftFor - 3*time.Second)
		is("the word of who knows both holds", "berlin")
		time.Sleep(6 * time.Second)
		is("who knows both is lost", "berlin hamburg")
	})
}

// Left is told of whenever something that it says is different.
func TestLeftIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		ts := twin.New(twin.Options{Self: hamburg, Left: func() { calls++ }})
		ts.Set(hamburg, d(hamburg))
		word := twin.Word{Manager: hamburg, Device: "d", By: self, Left: true, To: "berlin"}
		expect := func(what string, n int) {
			t.Helper()
			if calls != n {
				t.Errorf("%s: told %d times, not %d", what, calls, n)
			}
			calls = 0
		}
		ts.Hear(self, false, []twin.Word{word})
		expect("left", 1)
		ts.Hear(self, false, []twin.Word{word})
		expect("the same", 0)
		word.Told = []twin.Told{{Path: tree.MustPath("/Load"), Kind: alert.Status, Status: tree.Red}}
		ts.Hear(self, false, []twin.Word{word, {Manager: hamburg, Device: "d", By: "nobody"}})
		expect("of one more alert", 1)
		time.Sleep(twin.LeftFor + time.Second)
		ts.Tick()
		expect("the word is over", 1)
		if w := ts.Left(hamburg, "d"); w.Left || len(w.Told) != 1 {
			t.Errorf("%+v", w)
		}
		ts.Set(hamburg, nil)
		if w := ts.Left(hamburg, "d"); w.To != "" {
			t.Errorf("of a device that is not watched here: %+v", w)
		}
	})
}
