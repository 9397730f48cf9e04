package record

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	berlin  peer.ID = "00000000000000be"
	hamburg peer.ID = "00000000000000a4"
	north   peer.ID = "00000000000000aa"
)

// manager is one that remembers, tells and follows.
type manager struct {
	id       peer.ID
	store    *store.Store
	journal  *journal.Journal
	sender   *Sender
	receiver *Receiver
	stop     func()
}

// place hangs the tree of a manager at its ID.
func place(of peer.ID, remote tree.Path) (tree.Path, bool) {
	local, err := tree.MustPath("/Managers/" + string(of)).Join(remote)
	return local, err == nil
}

// owner is the way back.
func owner(local tree.Path) (of peer.ID, remote tree.Path, ok bool) {
	names := local.Names()
	if len(names) < 2 || names[0] != "Managers" {
		return "", remote, false
	}
	root, _ := place(peer.ID(names[1]), tree.Root)
	remote, ok = root.Below(local)
	return peer.ID(names[1]), remote, ok
}

// options are those of a manager of the tests.
type options struct {
	journal  journal.Options
	sender   SenderOptions
	receiver ReceiverOptions
}

// start lets a manager run, until stop is called or the test ends.
func start(t testing.TB, n *peertest.Net, d *storetest.Database, id peer.ID, o options, follows ...peer.ID) *manager {
	t.Helper()
	m := run(t, n.Join(id), d.Address, o, follows...)
	stop := m.stop
	m.stop = func() { n.Leave(id); stop() }
	t.Cleanup(m.stop)
	return m
}

// run is start on any fabric and for whoever calls stop.
func run(t testing.TB, f peer.Fabric, database string, o options, follows ...peer.ID) *manager {
	t.Helper()
	id := f.Self()
	s, err := store.Open(t.Context(), store.Options{Address: database, Manager: string(id)})
	if err != nil {
		t.Fatal(err)
	}
	o.sender.Store, o.sender.Fabric = s, f
	m := &manager{id: id, store: s, sender: NewSender(o.sender)}
	o.journal.Store, o.journal.Also = s, m.sender.Write
	o.journal.Unknown = func(p tree.Path) (time.Time, time.Time, string) { return m.receiver.Unknown(p) }
	m.journal = journal.New(o.journal)
	o.receiver.Store, o.receiver.Journal, o.receiver.Fabric = s, m.journal, f
	if o.receiver.Place == nil {
		o.receiver.Place = place
	}
	o.receiver.Owner = owner
	m.receiver = NewReceiver(o.receiver)
	m.receiver.Set(follows...)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{m.journal.Run, m.sender.Run, m.receiver.Run} {
		all.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	m.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// lines are events with the numbers from first up to before end, some milliseconds apart.
func lines(first, end int, at time.Time) []journal.Entry {
	var all []journal.Entry
	for i := first; i < end; i++ {
		e := journal.Entry{Time: at.Add(time.Duration((i-first)/3) * time.Millisecond), Path: tree.MustPath(fmt.Sprintf("/shop/host%d/log", i%7)), Kind: journal.Event, To: tree.Status(1 + i%3), Text: fmt.Sprint("line ", i)}
		if i%5 == 0 {
			e = journal.Entry{Time: e.Time, Path: tree.MustPath(fmt.Sprintf("/shop/host%d/load", i%7)), Kind: journal.Status, From: tree.Green, To: tree.Red, Value: tree.Number(float64(i) + 0.5)}
		}
		all = append(all, e)
	}
	return all
}

// tell writes entries.
func (m *manager) tell(t testing.TB, entries ...journal.Entry) {
	t.Helper()
	if err := m.journal.Append(context.Background(), entries...); err != nil {
		t.Fatal(err)
	}
}

// said writes entries as texts, of a subtree, without its path, oldest first.
func (m *manager) said(t testing.TB, under string) (all []string) {
	t.Helper()
	q := journal.Query{Under: tree.MustPath(under), Oldest: true, Limit: journal.MaxLimit}
	for {
		page, err := m.journal.Search(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			p, _ := q.Under.Below(e.Path)
			all = append(all, fmt.Sprintf("%s %s %s %s %s %s %s", e.Time.UTC().Format("15:04:05.000"), p, e.Kind, e.From, e.To, e.Value, e.Text))
		}
		if q.After = page.Next; page.Next == "" {
			return all
		}
	}
}

// count counts the entries of a subtree.
func (m *manager) count(t testing.TB, under string) (n int) {
	t.Helper()
	err := m.store.Read(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Row("SELECT COUNT(*) FROM journal j JOIN node n ON n.manager = j.manager AND n.id = j.node WHERE n.path = $1 OR n.path >= $2 AND n.path < $3", []any{under, under + "/", under + "0"}, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// until waits for a condition. It looks ever more rarely, since a look at a long journal
// takes a while.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for wait := 20 * time.Millisecond; !is(); wait = min(wait*3/2, 2*time.Second) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
		<-time.After(wait)
	}
}

// same says that what a manager remembers is in the journal of another one, once and in
// order.
func same(t testing.TB, of, at *manager) {
	t.Helper()
	under := "/Managers/" + string(of.id)
	want := of.said(t, "/")
	until(t, "everything is there", func() bool { return at.count(t, under) >= len(want) })
	if d := cmp.Diff(want, at.said(t, under)); d != "" {
		t.Errorf("-told +taken\n%s", d)
	}
}
