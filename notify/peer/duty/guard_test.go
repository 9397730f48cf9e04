package duty

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
	"grove/tree"
)

// forge sends a home whatever a manager likes to say of itself.
func forge(t *testing.T, l *life, to peer.ID, r report, list ...said) error {
	t.Helper()
	blob, err := squeeze(list)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.duty.ask(t.Context(), to, kindLive, r, blob, nil)
	return err
}

// row returns what a manager has in its book about a device.
func (m *manager) row(k Key) book.Row {
	d := m.life.duty
	d.mu.must()
	defer d.mu.free()
	if r := d.rows[k]; r != nil {
		return *r
	}
	return book.Row{}
}

// TestForgedReport: what a manager says of a device of another one moves nothing unless it
// may have it, and wears out no epochs whoever says it.
func TestForgedReport(t *testing.T) {
	k := Key{Owner: id("a"), Name: "sw1"}
	for name, c := range map[string]struct {
		standIns []string // of the owner
		list     []said
		refused  bool // the whole report is
		raised   bool // the device is told again to who has it
	}{
		"highest epoch":             {[]string{"c"}, []said{{Key: k, Step: book.Watching, Epoch: maxEpoch}}, false, false},
		"epoch beyond":              {[]string{"c"}, []said{{Key: k, Step: book.Watching, Epoch: maxEpoch + 1}}, true, false},
		"no stand-in":               {[]string{"c"}, []said{{Key: k, Step: book.Watching, Epoch: 100}}, false, false},
		"promised beyond":           {[]string{"c"}, []said{{Key: k, Step: book.Gone, Epoch: 1, Next: maxEpoch, Heir: id("b")}}, false, false},
		"highest epoch, a stand-in": {[]string{"*"}, []said{{Key: k, Step: book.Watching, Epoch: maxEpoch}}, false, false},
		"a stand-in":                {[]string{"b"}, []said{{Key: k, Step: book.Watching, Epoch: homeEpoch}}, false, true},
		"negative epoch":            {[]string{"*"}, []said{{Key: k, Step: book.Watching, Epoch: -1}}, true, false},
		"unknown step":              {[]string{"*"}, []said{{Key: k, Step: "stolen", Epoch: 9}}, true, false},
		"heir is no manager":        {[]string{"*"}, []said{{Key: k, Step: book.Gone, Heir: "h"}}, true, false},
		"twice":                     {[]string{"*"}, []said{{Key: k, Step: book.Watching, Epoch: 9}, {Key: k, Step: book.Gone, Epoch: 9}}, true, false},
		"a device that is not its own": {[]string{"*"}, []said{{Key: k, Device: &Device{Name: "sw1", Application: "trojan"}, Step: book.Ready, Epoch: 1}},
			false, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
				t := w.t
				w.own("a", "sw1")
				w.m("a").standIns = c.standIns
				w.startAll()
				before := w.m("h").row(k)
				if err := forge(t, w.m("b").life, id("h"), report{StandIns: []string{"*"}}, c.list...); peer.IsRefusal(err, peer.Invalid) != c.refused || err != nil && !c.refused {
					t.Error(err)
				}
				after := w.m("h").row(k)
				if after.Watcher != id("a") || after.Application != "switch" || (after.Epoch != before.Epoch) != c.raised {
					t.Errorf("before %+v\nafter  %+v", before, after)
				}
				pass(3 * time.Second)
				w.is("a", "sw1", "a")
				for _, to := range []string{"c", "b", "c"} { // It can still be moved.
					if err := w.m("a").life.duty.Give(t.Context(), "sw1", Wish{To: to}); err != nil {
						t.Fatal(err)
					}
					pass(3 * time.Second)
					w.is("a", "sw1", to)
				}
				w.quiet()
			})
		})
	}
}

// TestSeizedAtStart: while a home has just begun nobody gets a device by saying that it has
// it, unless its owner has named that one as a stand-in, and a home that knows its book
// believes that rather than anybody.
func TestSeizedAtStart(t *testing.T) {
	k := Key{Owner: id("a"), Name: "sw1"}
	for name, c := range map[string]struct {
		standIn string
		term    int64 // the home is another one than before
		want    peer.ID
	}{
		"a home that was started again":  {"b", 0, id("a")},
		"a new home, a stranger":         {"c", 2, id("a")},
		"a new home, a stand-in of that": {"b", 2, id("b")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
				t := w.t
				w.own("a", "sw1")
				w.m("a").standIns = []string{c.standIn}
				w.startAll()
				w.m("h").kill()
				pass(time.Second)
				w.mu.Lock()
				w.term += c.term
				w.mu.Unlock()
				w.m("h").start()
				pass(700 * time.Millisecond)
				err := forge(t, w.m("b").life, id("h"), report{}, said{Key: k, Step: book.Watching, Epoch: w.m("h").row(k).Next + 3})
				if err != nil && !peer.IsRefusal(err, peer.Busy) { // Busy: it has heard it, and goes on listening.
					t.Error(err)
				}
				if r := w.m("h").row(k); r.Watcher != c.want {
					t.Errorf("watched by %s: %+v", r.Watcher, r)
				}
				pass(time.Minute)
				w.is("a", "sw1", "a")
				w.quiet()
			})
		})
	}
}

// TestStrangers: a manager that is linked and not registered learns nothing of devices, and
// writes nothing.
func TestStrangers(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "x"}, func(w *world) {
		t := w.t
		w.strangers = map[peer.ID]bool{id("x"): true}
		w.own("a", "sw1")
		w.m("h").start()
		w.m("a").start()
		pass(10 * time.Second)
		x := &life{m: w.m("x"), watches: map[Key]int{}}
		member := w.net.Join(id("x"))
		d, err := New(options(x, member))
		if err != nil {
			t.Fatal(err)
		}
		x.duty = d
		k := Key{Owner: id("a"), Name: "sw1"}
		before := w.m("h").row(k)
		for kind, body := range map[string]any{
			kindLive: report{StandIns: []string{"x"}}, kindAway: goodbye{}, kindDevices: struct{}{}, kindMoves: book.Query{Limit: 10}, kindWho: struct{}{},
			kindPlace: wish{Key: k, Wish: Wish{To: "x"}}, kindOffer: order{Key: k, Epoch: 9}, kindTake: order{Key: k, Epoch: 9}, kindRelease: order{Key: k, Epoch: 1, Next: 9},
		} {
			for _, to := range []string{"h", "a"} {
				blob, err := squeeze([]said{{Key: k, Step: book.Watching, Epoch: 50}})
				if err != nil {
					t.Fatal(err)
				}
				_, err = d.ask(t.Context(), id(to), kind, body, blob, nil)
				if !peer.IsRefusal(err, peer.Busy) && !peer.IsRefusal(err, peer.Refused) {
					t.Errorf("%s to %s: %v", kind, to, err)
				}
			}
		}
		if after := w.m("h").row(k); after.Epoch != before.Epoch || after.Place != before.Place || w.m("h").life.duty.members[id("x")] != nil {
			t.Errorf("%+v", after)
		}
		w.is("a", "sw1", "a")
	})
}

// TestOrdersOfWhoHadIt: a manager that has given a device away does not decide about it.
func TestOrdersOfWhoHadIt(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1")
		w.startAll()
		a, k := w.m("a").life, Key{Owner: id("a"), Name: "sw1"}
		if err := a.duty.Give(t.Context(), "sw1", Wish{To: "b"}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		w.is("a", "sw1", "b")
		epoch := w.m("h").row(k).Epoch
		p := a.packed(k, 1)
		p.By = id("a")
		blob, err := parcel.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		for kind, o := range map[string]order{
			kindOffer: {Key: k, Epoch: epoch + 1, From: id("b")}, kindRelease: {Key: k, Epoch: epoch, Next: epoch + 1, Heir: id("a")}, kindTake: {Key: k, Epoch: epoch + 1, From: id("a")},
		} {
			if _, err := a.duty.ask(t.Context(), id("b"), kind, o, blob, nil); !peer.IsRefusal(err, peer.Refused) {
				t.Errorf("%s: %v", kind, err)
			}
		}
		w.is("a", "sw1", "b")
		w.quiet()
	})
}

// TestBrokenWatcher: what a manager answers that errs does no harm to the device.
func TestBrokenWatcher(t *testing.T) {
	k := Key{Owner: id("a"), Name: "sw1"}
	answer := func(d *Duty, o obeyed, blob []byte, err error) peer.Handler {
		return func(context.Context, peer.ID, []byte) ([]byte, error) {
			if err != nil {
				return nil, err
			}
			return d.pack(o, blob)
		}
	}
	t.Run("it lets go and leaves rubbish", func(t *testing.T) {
		bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
			t := w.t
			w.own("a", "sw1")
			w.startAll()
			a := w.m("a").life.duty
			a.o.Fabric.Handle(kindRelease, answer(a, obeyed{}, []byte("rubbish"), nil))
			if err := a.Give(t.Context(), "sw1", Wish{To: "b"}); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Second)
			if r := w.m("h").row(k); r.Watcher != id("b") || r.State != book.Watched {
				t.Errorf("%+v", r)
			}
		})
	})
	t.Run("it knows of an epoch that no home has given", func(t *testing.T) {
		bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
			t := w.t
			w.own("a", "sw1")
			w.startAll()
			b := w.m("b").life.duty
			for _, kind := range []string{kindOffer, kindTake} {
				b.o.Fabric.Handle(kind, answer(b, obeyed{Newer: maxEpoch - 1}, nil, nil))
			}
			if err := w.m("a").life.duty.Give(t.Context(), "sw1", Wish{To: "b"}); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Second)
			if r := w.m("h").row(k); r.Watcher != id("a") || r.Next > 100 {
				t.Errorf("%+v", r)
			}
			w.m("a").kill()
			pass(15 * time.Second)
			if r := w.m("h").row(k); r.Watcher == id("b") || r.State != book.Watched || r.Next > 100 {
				t.Errorf("%+v", r)
			}
		})
	})
	t.Run("it does not let go", func(t *testing.T) {
		bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
			t := w.t
			w.own("a", "sw1")
			w.startAll()
			a := w.m("a").life.duty
			a.o.Fabric.Handle(kindRelease, answer(a, obeyed{}, nil, peer.Refuse(peer.Failed, "it is stuck")))
			if err := a.Give(t.Context(), "sw1", Wish{To: "b"}); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Second)
			if list, err := a.Devices(t.Context()); err != nil || len(list) != 1 || list[0].Reason != "it is stuck" {
				t.Errorf("%+v, %v", list, err)
			}
			w.is("a", "sw1", "a")
		})
	})
}

// TestLeftBySomebodyElse: a second home keeps nothing of who is no stand-in, and such a one
// does not keep the owner from leaving its device there.
func TestLeftBySomebodyElse(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
		t := w.t
		w.others = []peer.ID{id("c")}
		w.own("a", "sw1")
		w.m("a").standIns = []string{"h"}
		for _, n := range []string{"h", "b", "c"} {
			w.m(n).start()
		}
		pass(5 * time.Second)
		k := Key{Owner: id("a"), Name: "sw1"}
		leave := func() error {
			p := w.m("b").life.packed(k, 1)
			p.By = id("b")
			blob, err := parcel.Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.m("b").life.duty.ask(t.Context(), id("c"), kindLeave, left{Key: k, Epoch: homeEpoch}, blob, nil)
			return err
		}
		if err := leave(); err != nil { // Nobody has heard of a yet.
			t.Fatal(err)
		}
		w.m("a").start()
		if err := w.m("a").life.duty.Give(t.Context(), "sw1", Wish{To: "a"}); err != nil { // It has a hold then, and leaves it.
			t.Log(err)
		}
		pass(10 * time.Second)
		if r := w.m("c").row(k); r.Watcher != id("a") || !r.Left {
			t.Errorf("%+v", r)
		}
		if err := leave(); !peer.IsRefusal(err, peer.Refused) {
			t.Error(err)
		}
	})
}

// TestBoundsOfReports: each bound of what is said is held, and the error names it.
func TestBoundsOfReports(t *testing.T) {
	long := strings.Repeat("x", maxWordBytes+1)
	bubble(t, 1, []string{"h", "a"}, func(w *world) {
		t := w.t
		w.startAll()
		a := w.m("a").life
		own := func(change func(*Device)) said {
			d := Device{Name: "sw1", Application: "switch", At: tree.MustPath("/sw1")}
			change(&d)
			return said{Key: Key{Owner: id("a"), Name: "sw1"}, Device: &d}
		}
		for name, c := range map[string]struct {
			r    report
			list []said
			want string
		}{
			"many stand-ins": {report{StandIns: slices.Repeat([]string{"b"}, maxStandIns+1)}, nil, fmt.Sprint(maxStandIns)},
			"long stand-in":  {report{StandIns: []string{long}}, nil, fmt.Sprint(maxWordBytes)},
			"another name":   {report{}, []said{own(func(d *Device) { d.Name = "sw2" })}, "sw2"},
			"long place":     {report{}, []said{own(func(d *Device) { d.Fixed = strings.Repeat("x", 5000) })}, "4096"},
			"many kinds":     {report{}, []said{own(func(d *Device) { d.Kinds = slices.Repeat([]string{"snmp"}, maxKinds+1) })}, fmt.Sprint(maxKinds)},
			"long kind":      {report{}, []said{own(func(d *Device) { d.Kinds = []string{long} })}, fmt.Sprint(maxWordBytes)},
			"long mark":      {report{}, []said{own(func(d *Device) { d.Identity = map[string]string{"serial": strings.Repeat("x", 5000)} })}, "4096"},
		} {
			if err := forge(t, a, id("h"), c.r, c.list...); !peer.IsRefusal(err, peer.Invalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := a.duty.Give(t.Context(), "sw1", Wish{To: long}); !errors.Is(err, ErrNone) {
			t.Error(err)
		}
		if _, err := a.duty.ask(t.Context(), id("h"), kindPlace, wish{Wish: Wish{To: long}}, nil, nil); !peer.IsRefusal(err, peer.Invalid) {
			t.Error(err)
		}
		if _, err := a.duty.ask(t.Context(), id("h"), kindAway, goodbye{By: long}, nil, nil); !peer.IsRefusal(err, peer.Invalid) {
			t.Error(err)
		}
		if w.m("h").row(Key{Owner: id("a"), Name: "sw1"}).Name != "" {
			t.Error("what was refused is in the book")
		}
	})
}

// TestClocksApart: for how long a device is given does not depend on the clock of who asks.
func TestClocksApart(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1")
		w.startAll()
		k := Key{Owner: id("a"), Name: "sw1"}
		ask := wish{Key: k, Within: (30 * time.Minute).Milliseconds(), Wish: Wish{To: "b", Until: time.Now().Add(-30 * time.Minute)}} // an hour behind
		if _, err := w.m("a").life.duty.ask(t.Context(), id("h"), kindPlace, ask, nil, nil); err != nil {
			t.Fatal(err)
		}
		pass(29 * time.Minute)
		w.is("a", "sw1", "b")
		pass(2 * time.Minute)
		w.is("a", "sw1", "a")
		w.quiet()
	})
}
