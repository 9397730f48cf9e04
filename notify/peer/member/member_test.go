package member

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/notify/peer"
	"grove/notify/peer/authority"
	"grove/notify/peer/branch"
	"grove/notify/peer/duty"
	"grove/notify/peer/meter"
	"grove/notify/peer/peertest"
	"grove/notify/peer/record"
	"grove/notify/peer/remote"
	"grove/notify/peer/settings"
	"grove/notify/peer/twin"
	"grove/tree"
	"grove/tree/store/audit"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	hamburg peer.ID = "00000000000000a4"
	bremen  peer.ID = "00000000000000b4"
)

// idle is a manager that watches nothing.
type idle struct{ duty.Local }

func (idle) Devices() []duty.Device { return nil }

// assemble puts a member together over a network in memory.
func assemble(t *testing.T, net *peertest.Net, d *storetest.Database) *Member {
	t.Helper()
	s := d.OpenAs(t, "berlin")
	none := func() []string { return nil }
	m := &Member{log: slog.New(slog.DiscardHandler), pokes: make(chan struct{}, 1)}
	m.o = Options{
		Name: "berlin", Store: s, Audit: audit.New(s, "berlin", nil), Tree: tree.New(tree.Options{}), URL: func() string { return "" }, Kinds: none, Applications: none,
		Count: func() int { return 0 }, Local: func(*Member) (duty.Local, error) { return idle{}, nil }, Remote: remote.Options{Beans: beansServer(t)},
		Journal: journal.New(journal.Options{Store: s}),
	}
	m.said.Store(&settings.Settings{Ways: []string{"tls://berlin:7443"}})
	var err error
	if m.Authority, err = authority.Open(t.Context(), authority.Options{Dir: filepath.Join(t.TempDir(), "keys"), Store: s, Audit: m.o.Audit, Name: m.o.Name}); err != nil {
		t.Fatal(err)
	}
	m.Meter = meter.New(net.Join(m.ID()), 0)
	if err := m.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func beansServer(t *testing.T) *beans.Server {
	t.Helper()
	s, err := beans.NewServer(beans.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inBackground runs parts until the test is over.
func inBackground(t *testing.T, parts ...func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, part := range parts {
		all.Go(func() {
			if err := part(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { stop(); all.Wait() })
}

// TestWhatTwinsRepeatIsLeftOut holds that what happened to a device that moved is in the
// journal here as both managers tell it, the one that has it now and the one that had it,
// whose nodes do not hang here any more; and that what a second source of a device tells again
// is not.
func TestWhatTwinsRepeatIsLeftOut(t *testing.T) {
	files := []*storetest.Database{storetest.SQLite(t), storetest.SQLite(t), storetest.SQLite(t)}
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(1)
		m := assemble(t, net, files[0])
		inBackground(t, m.o.Journal.Run, m.Branches.Run, m.Receiver.Run)

		// Hamburg's shop is watched by bremen now, and both have the same mast.
		others := []peer.Manager{{ID: hamburg, Name: "hamburg"}, {ID: bremen, Name: "bremen"}}
		shop := twin.Device{Manager: hamburg, Name: "shop", At: tree.MustPath("/shop"), Identity: map[string]string{"serial": "shop"}}
		mast := twin.Device{Name: "mast", At: tree.MustPath("/mast"), Identity: map[string]string{"serial": "mast"}, Watched: true}
		m.Twins.SetRules(twin.Rules{Identity: []string{"serial"}, Prefer: []string{"bremen"}})
		for _, other := range others {
			shop.Watched, mast.Manager, mast.ManagerName = other.ID == bremen, other.ID, other.Name
			m.Twins.Set(other.ID, []twin.Device{shop, mast})
		}
		if !m.Twins.Hidden(hamburg, shop.At) || !m.Twins.Hidden(hamburg, mast.At) {
			t.Fatal("hamburg is the primary")
		}

		for i, other := range others {
			s := files[i+1].OpenAs(t, other.Name)
			sender := record.NewSender(record.SenderOptions{Store: s, Fabric: net.Join(other.ID)})
			told := journal.New(journal.Options{Store: s, Also: sender.Write})
			inBackground(t, told.Run, sender.Run)
			for _, at := range []tree.Path{shop.At, mast.At} {
				if err := told.Append(t.Context(), journal.Entry{Time: time.Now(), Path: at, Kind: journal.Event, To: tree.Yellow, Text: other.Name + " about " + at.Name()}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := m.Branches.Set([]branch.Rule{{From: "*", At: settings.DefaultAt}}, others); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		m.Receiver.Set(hamburg, bremen)
		time.Sleep(10 * time.Second)

		page, err := m.o.Journal.Search(t.Context(), journal.Query{Under: tree.MustPath("/Managers"), Oldest: true, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, e := range page.Entries {
			texts = append(texts, e.Path.String()+": "+e.Text)
		}
		slices.Sort(texts)
		want := []string{"/Managers/bremen/mast: bremen about mast", "/Managers/bremen/shop: bremen about shop", "/Managers/hamburg/shop: hamburg about shop"}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Error(diff)
		}
	})
}
