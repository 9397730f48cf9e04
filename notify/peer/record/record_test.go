package record

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

// longer is how many entries one misses who then begins with the present: they are more
// than come with the first answer and can be caught up with.
const longer = MaxBatch + jump + 100

// TestEntriesComeOnceAndInOrder takes the past, what is told live, what comes late, and what
// was told while nobody listened, on both engines.
func TestEntriesComeOnceAndInOrder(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		n := peertest.New(1)
		mine := storetest.SQLite(t)
		one := start(t, n, d, berlin, options{})
		at := time.Now().Add(-time.Hour)
		one.tell(t, lines(0, 100, at)...)
		two := start(t, n, mine, north, options{}, berlin)
		same(t, one, two)
		one.tell(t, lines(100, 800, at.Add(time.Minute))...)
		one.tell(t, lines(800, 820, at.Add(30*time.Second))...) // late
		same(t, one, two)
		two.stop()
		one.tell(t, lines(4000, 4000+longer, at.Add(2*time.Minute))...)
		one.stop()
		one = start(t, n, d, berlin, options{})
		one.tell(t, lines(9000, 9010, at.Add(3*time.Minute))...)
		two = start(t, n, mine, north, options{}, berlin)
		same(t, one, two)
		if got := two.receiver.Sources()[0]; got.Taken != longer+10 || got.Error != "" {
			t.Errorf("%+v", got)
		}
		// What everybody has is forgotten.
		until(t, "nothing waits", func() bool {
			followers, err := one.sender.Followers(t.Context())
			return err == nil && len(followers) == 1 && followers[0].Behind == 0 && one.rows(t) == 0
		})
	})
}

// rows counts what waits to be told.
func (m *manager) rows(t testing.TB) (n int64) {
	t.Helper()
	err := m.store.Read(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Row("SELECT COUNT(*) FROM peer_record", nil, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// bubble runs a test of two managers in a bubble of time.
func bubble(t *testing.T, test func(t *testing.T, n *peertest.Net, d, e *storetest.Database)) {
	d, e := storetest.SQLite(t), storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) { test(t, peertest.New(7), d, e) })
}

// TestNobodyFollows writes nothing for nobody.
func TestNobodyFollows(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, _ *storetest.Database) {
		one := start(t, n, d, berlin, options{})
		one.tell(t, lines(0, 100, time.Now())...)
		if got := one.rows(t); got != 0 {
			t.Errorf("%d entries wait for nobody", got)
		}
	})
}

// TestNewOnesDoNotWait lets much be missed: what is new afterwards is there before that is,
// and in the end everything is, in order.
func TestNewOnesDoNotWait(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		one, two := start(t, n, d, berlin, options{}), start(t, n, e, north, options{}, berlin)
		one.tell(t, lines(0, 10, time.Now())...)
		same(t, one, two)
		n.Cut(berlin, north, true)
		time.Sleep(time.Second)
		one.tell(t, lines(10, 3110, time.Now())...)
		time.Sleep(30 * time.Second)
		// The hole is not filled before the present is there: seven answers of four seconds each.
		n.Cut(berlin, north, false)
		n.Slow(2*time.Second, 0)
		time.Sleep(10 * time.Second)
		one.tell(t, lines(9000, 9001, time.Now())...)
		time.Sleep(11 * time.Second) // a question and its answer on their way, news, question, answer
		said := two.said(t, "/Managers/"+string(berlin))
		if len(said) >= 3111 || !strings.HasSuffix(said[len(said)-1], "9000.5 ") {
			t.Errorf("%d are there, the last is %q", len(said), said[len(said)-1])
		}
		if got := two.receiver.Sources()[0]; got.Behind == 0 {
			t.Errorf("%+v", got)
		}
		same(t, one, two)
		if got := two.receiver.Sources()[0]; got.Behind != 0 || got.Taken != 3111 {
			t.Errorf("%+v", got)
		}
	})
}

// TestRestartsInTheMiddle stops one side or the other while a hole is being filled, and loses
// messages.
func TestRestartsInTheMiddle(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		one, two := start(t, n, d, berlin, options{}), start(t, n, e, north, options{}, berlin)
		one.tell(t, lines(0, 10, time.Now())...)
		same(t, one, two)
		n.Slow(80*time.Millisecond, 0.2)
		for round := range 3 {
			two.stop()
			one.tell(t, lines(10000*(round+1), 10000*(round+1)+longer, time.Now())...)
			two = start(t, n, e, north, options{}, berlin)
			time.Sleep(time.Duration(300+200*round) * time.Millisecond)
			if round%2 == 0 {
				one.stop()
				time.Sleep(time.Second)
				one = start(t, n, d, berlin, options{})
			}
			one.tell(t, lines(10000*(round+1)+longer, 10000*(round+1)+longer+10, time.Now())...)
		}
		n.Slow(0, 0)
		same(t, one, two)
	})
}

// TestWhatIsMissedIsSaid bounds what waits: what was forgotten is told as a count.
func TestWhatIsMissedIsSaid(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		few := options{sender: SenderOptions{Rows: 1000, Past: 50}}
		one := start(t, n, d, berlin, few)
		one.tell(t, lines(0, 80, time.Now())...)
		two := start(t, n, e, north, options{}, berlin)
		told := func() string {
			page, err := two.journal.Search(t.Context(), journal.Query{Kinds: []journal.Kind{journal.Link}})
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, e := range page.Entries {
				all = append(all, e.Path.String()+" "+e.Text)
			}
			return strings.Join(all, "; ")
		}
		root := "/Managers/" + string(berlin)
		time.Sleep(time.Second)
		if got, want := told(), root+" 30 entries of its journal are missing here: it did not keep them until they were asked for"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		two.stop()
		one.tell(t, lines(100, 2000, time.Now())...)
		one.sender.note(north, asked{token: "another", at: time.Now(), dirty: true}) // so that there is something to tidy up
		time.Sleep(3 * time.Second)
		two = start(t, n, e, north, options{}, berlin)
		time.Sleep(10 * time.Second)
		if got := told(); !strings.HasPrefix(got, root+" 900 entries of its journal are missing here") {
			t.Errorf("told %q", got)
		}
		if got := two.receiver.Sources()[0]; got.Missed != 900 || got.Taken != 1000 || got.Behind != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestAwayForTooLong begins anew after the newest entry that is there.
func TestAwayForTooLong(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		one, two := start(t, n, d, berlin, options{sender: SenderOptions{Age: 2 * time.Minute}}), start(t, n, e, north, options{}, berlin)
		one.tell(t, lines(0, 10, time.Now())...)
		same(t, one, two)
		two.stop()
		time.Sleep(4 * time.Minute)
		one.tell(t, lines(10, 20, time.Now())...)
		time.Sleep(time.Minute)
		if got := one.rows(t); got != 0 {
			t.Errorf("%d entries wait for nobody", got)
		}
		two = start(t, n, e, north, options{}, berlin)
		same(t, one, two)
	})
}

// TestBackups restores one side, then the other: nothing comes twice.
func TestBackups(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		one, two := start(t, n, d, berlin, options{}), start(t, n, e, north, options{}, berlin)
		one.tell(t, lines(0, 10, time.Now())...)
		same(t, one, two)
		var backup, own bytes.Buffer
		if err := one.store.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		if err := one.store.Load(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		one.tell(t, lines(20, 30, time.Now())...)
		same(t, one, two)
		if err := two.store.Dump(t.Context(), &own); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		one.tell(t, lines(30, 40, time.Now())...)
		same(t, one, two)
		time.Sleep(10 * time.Second)
		two.stop()
		two = start(t, n, e, north, options{})
		if err := two.store.Load(t.Context(), &own); err != nil {
			t.Fatal(err)
		}
		two.stop()
		two = start(t, n, e, north, options{}, berlin)
		time.Sleep(time.Minute)
		one.tell(t, lines(40, 50, time.Now())...)
		time.Sleep(time.Minute)
		// What was acknowledged and lost with the database is said to be missing.
		if got := two.receiver.Sources()[0]; got.Missed != 10 || got.Taken != 10 {
			t.Errorf("%+v", got)
		}
	})
}

// TestWhatIsNotTaken leaves out what is hidden, has no place, is judged here, or may not be
// seen by the asker.
func TestWhatIsNotTaken(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		secret, twice, lost, own := tree.MustPath("/secret"), tree.MustPath("/twice"), tree.MustPath("/lost"), tree.MustPath("/own")
		one := start(t, n, d, berlin, options{sender: SenderOptions{Shares: func(asker peer.ID, chain []peer.ID) (func(tree.Path) bool, error) {
			if asker != north || !slices.Equal(chain, []peer.ID{hamburg}) {
				return nil, peer.Refuse(peer.Refused, "no")
			}
			return func(p tree.Path) bool { return p != secret }, nil
		}}})
		two := start(t, n, e, north, options{receiver: ReceiverOptions{
			Chain:  func() []peer.ID { return []peer.ID{hamburg} },
			Hidden: func(_ peer.ID, p tree.Path) bool { return p == twice },
			Place: func(of peer.ID, p tree.Path) (tree.Path, bool) {
				local, _ := place(of, p)
				return local, p != lost
			},
			Own: func(p tree.Path) bool { return p == tree.MustPath("/Managers/"+string(berlin)+"/own") },
		}}, berlin)
		at := time.Now()
		one.tell(t,
			journal.Entry{Time: at, Path: secret, Kind: journal.Event, Text: "1"},
			journal.Entry{Time: at, Path: twice, Kind: journal.Event, Text: "2"},
			journal.Entry{Time: at, Path: lost, Kind: journal.Event, Text: "3"},
			journal.Entry{Time: at, Path: own, Kind: journal.Status, To: tree.Red},
			journal.Entry{Time: at, Path: own, Kind: journal.Tuning, Text: "4"},
			journal.Entry{Time: at.Add(time.Minute * 4), Path: own, Kind: journal.Alert, Text: "5"},
			journal.Entry{Time: at.Add(time.Hour), Path: own, Kind: journal.Alert, Text: "6"},
		)
		time.Sleep(time.Second)
		got := two.said(t, "/Managers")
		for i := range got {
			got[i] = got[i][strings.Index(got[i], "/"):]
		}
		path := "/" + string(berlin) + "/own "
		want := []string{path + "tuning white white  4", path + "alert white white  6", path + "alert white white  5"} // one from the future is of now
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		s := two.receiver.Sources()[0]
		s.Known = time.Time{}
		if d := cmp.Diff(Source{Peer: berlin, Taken: 3, Left: 2, Hidden: 1}, s); d != "" {
			t.Error(d)
		}
	})
}

// TestChainOfThree tells what was told.
func TestChainOfThree(t *testing.T) {
	f := storetest.SQLite(t)
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		one, two, three := start(t, n, d, berlin, options{}), start(t, n, e, hamburg, options{}, berlin), start(t, n, f, north, options{}, hamburg)
		one.tell(t, lines(0, 600, time.Now())...)
		two.tell(t, lines(0, 20, time.Now())...)
		same(t, one, two)
		same(t, two, three)
		if got := three.said(t, "/Managers/"+string(hamburg)+"/Managers/"+string(berlin)); len(got) != 600 {
			t.Errorf("%d came through", len(got))
		}
	})
}

// TestUnknown says what is not known while the link is lost, and what was when it is known.
func TestUnknown(t *testing.T) {
	bubble(t, func(t *testing.T, n *peertest.Net, d, e *storetest.Database) {
		one, two := start(t, n, d, berlin, options{}), start(t, n, e, north, options{}, berlin)
		local := tree.MustPath("/Managers/" + string(berlin) + "/shop/load")
		status := func(from, to tree.Status) journal.Entry {
			return journal.Entry{Time: time.Now(), Path: tree.MustPath("/shop/load"), Kind: journal.Status, From: from, To: to}
		}
		began := time.Now()
		intervals := func() (all []string) {
			found, err := two.journal.Intervals(t.Context(), local, began, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range found {
				all = append(all, i.To.Sub(i.From).Round(10*time.Second).String()+" "+i.Status.String()+" "+i.Text)
			}
			return all
		}
		time.Sleep(time.Minute)
		one.tell(t, status(tree.White, tree.Green))
		time.Sleep(time.Minute)
		if d := cmp.Diff([]string{"1m0s white ", "1m0s green "}, intervals()); d != "" {
			t.Error(d)
		}
		n.Cut(berlin, north, true)
		time.Sleep(time.Minute)
		one.tell(t, status(tree.Green, tree.Red))
		time.Sleep(time.Minute)
		one.tell(t, status(tree.Red, tree.Green))
		time.Sleep(time.Minute)
		const why = "its manager has not told yet what it did"
		if d := cmp.Diff([]string{"1m0s white ", "1m0s green ", "3m0s white " + why}, intervals()); d != "" {
			t.Error(d)
		}
		totals, err := two.journal.Totals(t.Context(), local, began, time.Now())
		if err != nil || len(totals) != 1 || totals[0].For[tree.White].Round(10*time.Second) != 4*time.Minute || totals[0].For[tree.Green].Round(10*time.Second) != time.Minute {
			t.Errorf("%v, %v", totals, err)
		}
		two.stop() // It knows after a restart, too.
		two = start(t, n, e, north, options{}, berlin)
		time.Sleep(time.Minute)
		if d := cmp.Diff([]string{"1m0s white ", "1m0s green ", "4m0s white " + why}, intervals()); d != "" {
			t.Error(d)
		}
		n.Cut(berlin, north, false)
		time.Sleep(time.Minute)
		if d := cmp.Diff([]string{"1m0s white ", "2m0s green ", "1m0s red ", "3m0s green "}, intervals()); d != "" {
			t.Error(d)
		}
	})
}
