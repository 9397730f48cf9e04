package route

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

const simple = `[{name: all, to: [mail], group: {by: path:1, wait: 10s, interval: 5m}, repeat: 1h, escalate: [{after: 15m, to: boss}, {after: 30m, to: [cto]}]}]`

func TestTheLifeOfAGroup(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db.Open(t), simple)
		w.pass(0)
		first := w.open("/shop/web1/Up")
		w.pass(9 * time.Second)
		w.is()
		second := w.open("/shop/web2/Up", yellow)
		w.pass(time.Second)
		w.is("10s mail firing: RED /shop: 2 alerts — /shop/web1/Up is red: connection refused")
		// What joins waits for the interval, and what gets worse as well.
		third := w.open("/shop/web3/Up", yellow)
		w.worsen(second)
		w.pass(4 * time.Minute)
		w.is()
		w.pass(time.Minute)
		w.is("5m10s mail firing: RED /shop: 3 alerts — /shop/web1/Up is red: connection refused")
		w.pass(9*time.Minute + 50*time.Second)
		w.is("15m boss escalation: nobody has acknowledged for 15m: RED /shop: 3 alerts — /shop/web1/Up is red: connection refused")
		w.acknowledge(first)
		w.pass(10 * time.Minute)
		w.is()
		// Two are not acknowledged; the escalation counts from the older of them.
		w.pass(10 * time.Minute)
		w.is("30m9s cto escalation: nobody has acknowledged for 30m: RED /shop: 3 alerts — /shop/web2/Up is yellow: slow")
		w.pass(30*time.Minute + 10*time.Second)
		w.is("1h5m10s mail reminder: still RED /shop: 3 alerts — /shop/web2/Up is yellow: slow",
			"1h5m10s boss reminder: still RED /shop: 3 alerts — /shop/web2/Up is yellow: slow",
			"1h5m10s cto reminder: still RED /shop: 3 alerts — /shop/web2/Up is yellow: slow")
		// That somebody knows of all of it is told once, and then there is nothing to say.
		w.pass(time.Second)
		w.acknowledge(second)
		w.acknowledge(third)
		w.pass(time.Minute)
		w.is("1h5m21s mail firing: RED /shop, acknowledged by ada: 3 alerts — /shop/web1/Up is red: connection refused",
			"1h5m21s boss firing: RED /shop, acknowledged by ada: 3 alerts — /shop/web1/Up is red: connection refused",
			"1h5m21s cto firing: RED /shop, acknowledged by ada: 3 alerts — /shop/web1/Up is red: connection refused")
		w.pass(24 * time.Hour)
		w.resolve(first, second)
		w.pass(time.Minute)
		w.is()
		w.resolve(third)
		w.pass(time.Minute)
		w.is("25h7m21s boss resolved: RESOLVED /shop: 3 alerts, all over — /shop/web1/Up is red: connection refused, over after 25h6m",
			"25h7m21s cto resolved: RESOLVED /shop: 3 alerts, all over — /shop/web1/Up is red: connection refused, over after 25h6m",
			"25h7m21s mail resolved: RESOLVED /shop: 3 alerts, all over — /shop/web1/Up is red: connection refused, over after 25h6m")
		w.pass(24 * time.Hour)
		w.is()
		if s := w.router.Stats(); s.Groups != 0 || s.Messages[channel.Reminder] != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAMessage(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), `[{name: db, when: {under: /shop}, to: [ops, mail], precedence: urgent, ttl: 1h}]`)
	w.targets["ops"] = []string{"mail", "push"}
	id := w.open("/shop/db1/Up", func(a *alert.Alert) { a.Consequences = 2 })
	w.alerts[id].Consequences = 212 // The book does not tell of that.
	w.pass(time.Second)
	w.resolve(id)
	w.pass(time.Second)
	if len(w.sent) != 4 {
		t.Fatalf("%d messages: %s", len(w.sent), w.told())
	}
	mail, push, over := w.sent[0], w.sent[1], w.sent[2]
	if got := mail.Said.Title; got != "RED: /shop/db1/Up is red: connection refused (and 212 consequences)" {
		t.Errorf("title %q", got)
	}
	if mail.Precedence != outbox.Urgent || !mail.Persistent || !mail.Made.Equal(began.Add(time.Second)) || !mail.Ends.Equal(began.Add(time.Hour+time.Second)) || mail.At.String() != "/shop/db1/Up" || mail.Purpose != "firing" || mail.Message.Title != mail.Said.Title {
		t.Errorf("%+v", mail.Message)
	}
	m := mail.Said
	if m.Key != mail.Key || m.Sequence != 1 || m.Manager != "grove1" || m.Route != "db" || m.By["instance"] != "shop" || m.Status != tree.Red || m.Severity != tree.Major || m.Firing != 1 || m.Resolved != 0 ||
		m.URL != "https://grove.example/#/alerts?alert=1" || len(m.Alerts) != 1 || m.Alerts[0].ID != id || m.Alerts[0].Consequences != 212 {
		t.Errorf("%+v", m)
	}
	if m.Group != push.Said.Group || m.Key == push.Key || push.Channel != "push" || mail.Channel != "mail" {
		t.Errorf("%s and %s", m.Group, push.Said.Group)
	}
	if o := over.Said; o.Purpose != channel.Resolution || o.Sequence != 2 || o.Group != m.Group || o.Key == m.Key || o.Status != tree.Green || o.Severity != tree.Cleared || o.Resolved != 1 || o.Firing != 0 || !over.Ends.IsZero() || over.Precedence != outbox.Urgent {
		t.Errorf("%+v", o)
	}
	// The same alert again is another matter.
	w.sent = nil
	w.reopen(id)
	w.pass(time.Second)
	if len(w.sent) != 2 || w.sent[0].Said.Group == m.Group || w.sent[0].Said.Sequence != 1 {
		t.Errorf("%s", w.told())
	}
}

const two = `[{name: red, when: {status: red}, to: [pager], repeat: never}, {name: audit, to: [log], continue: true, repeat: never, group: {by: alert}},
	{name: rest, to: [mail], repeat: never}, {name: never, to: [nobody]}]`

func TestWhichRoute(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), two)
	red, slow := w.open("/a/Up"), w.open("/b/Slow", yellow)
	w.pass(time.Minute)
	w.is("1s pager firing: RED: /a/Up is red: connection refused", "1s log firing: YELLOW: /b/Slow is yellow: slow", "1s mail firing: YELLOW: /b/Slow is yellow: slow")
	// What gets worse goes to the route that takes it now, and those who know of it hear it, too.
	w.worsen(slow)
	w.pass(time.Minute)
	w.is("1m1s pager firing: RED: /b/Slow is yellow: slow", "1m1s log firing: RED: /b/Slow is yellow: slow", "1m1s mail firing: RED: /b/Slow is yellow: slow")
	// What eases goes nowhere.
	w.ease(red)
	w.pass(time.Hour)
	w.is()
	w.resolve(red, slow)
	w.pass(time.Minute)
	if got := w.told(); len(got) != 4 {
		t.Errorf("%q", got)
	}
}

func TestWhatIsSuppressed(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), `[{name: all, to: [mail], group: {by: alert}, repeat: 1h, escalate: [{after: 10m, to: boss}]}]`)
	// Before it was told: not told, and not that it is over.
	id := w.open("/a/Up")
	w.step()
	w.suppress(id)
	w.pass(time.Hour)
	w.resolve(id)
	w.pass(time.Hour)
	w.is()
	// After it was told: quiet, but that it is over is told.
	id = w.open("/b/Up")
	w.pass(time.Second)
	w.is("2h0m1s mail firing: RED: /b/Up is red: connection refused")
	w.suppress(id)
	w.pass(5 * time.Hour)
	w.is()
	w.resolve(id)
	w.pass(time.Second)
	w.is("7h0m2s mail resolved: RESOLVED: /b/Up is red: connection refused, over after 5h")
	// Released: as new.
	id = w.open("/c/Up")
	w.suppress(id)
	w.pass(time.Hour)
	w.release(id)
	w.pass(time.Second)
	w.is("8h0m3s mail firing: RED: /c/Up is red: connection refused")
	// Told, suppressed and released: as new, also with its escalation.
	w.suppress(id)
	w.pass(time.Hour)
	w.release(id)
	w.pass(10 * time.Minute)
	w.is("9h0m4s mail firing: RED: /c/Up is red: connection refused", "9h10m3s boss escalation: nobody has acknowledged for 10m: RED: /c/Up is red: connection refused")
	// Both between two looks, or while nobody looked.
	w.suppress(id)
	w.now = w.now.Add(time.Minute)
	w.release(id)
	w.pass(2 * time.Second)
	w.is("9h11m4s mail firing: RED: /c/Up is red: connection refused", "9h11m4s boss firing: RED: /c/Up is red: connection refused")
	w.suppress(id)
	w.now = w.now.Add(time.Minute)
	w.release(id)
	w.restart()
	w.pass(2 * time.Second)
	w.is("9h12m6s mail firing: RED: /c/Up is red: connection refused", "9h12m6s boss firing: RED: /c/Up is red: connection refused")
}

// While the book is behind nobody is told what may be a consequence in a moment, but not for
// ever.
func TestTheBookIsBehind(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), `[{name: all, to: [mail], group: {by: alert}}]`)
	told := w.open("/z/Up")
	w.pass(time.Second)
	w.is("1s mail firing: RED: /z/Up is red: connection refused")
	w.behind = true
	id := w.open("/a/Up")
	w.resolve(told)
	w.pass(3 * time.Second)
	w.is("2s mail resolved: RESOLVED: /z/Up is red: connection refused, over after 1s")
	w.suppress(id) // its cause came
	w.behind = false
	w.pass(time.Minute)
	w.is()
	w.behind = true
	w.open("/b/Up")
	w.pass(10 * time.Second)
	w.is("1m10s mail firing: RED: /b/Up is red: connection refused")
}

func TestAcknowledged(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), `[{name: all, to: [mail], repeat: 1h, tell_acknowledged: false, escalate: [{after: 10m, to: boss}]}]`)
	// Somebody knew before anybody was told.
	id := w.open("/a/Up")
	w.acknowledge(id)
	w.pass(3 * time.Hour)
	w.is()
	// When the acknowledgement ends it is told; escalation counts from then on.
	w.unacknowledge(id)
	w.pass(5 * time.Minute)
	w.is("3h0m1s mail firing: RED: /a/Up is red: connection refused")
	w.acknowledge(id)
	w.pass(2 * time.Hour)
	w.is()
	w.unacknowledge(id)
	w.pass(11 * time.Minute)
	w.is("5h5m mail reminder: still RED: /a/Up is red: connection refused", "5h15m boss escalation: nobody has acknowledged for 10m: RED: /a/Up is red: connection refused")
	w.acknowledge(id)
	w.resolve(id)
	w.pass(time.Minute)
	w.is("5h16m1s boss resolved: RESOLVED: /a/Up is red: connection refused, over after 5h16m", "5h16m1s mail resolved: RESOLVED: /a/Up is red: connection refused, over after 5h16m")
}

func TestThatItIsOver(t *testing.T) {
	for resolved, want := range map[string][]string{
		"true":  {"1s mail firing: RED a: 2 alerts — /a/1 is red: connection refused", "2m1s mail resolved: RESOLVED a: 2 alerts, all over — /a/1 is red: connection refused, over after 1m"},
		"false": {"1s mail firing: RED a: 2 alerts — /a/1 is red: connection refused"},
		"each": {"1s mail firing: RED a: 2 alerts — /a/1 is red: connection refused", "1m1s mail firing: RED a: 1 alert (1 over) — /a/2 is red: connection refused",
			"2m1s mail resolved: RESOLVED: /a/2 is red: connection refused, over after 2m"},
	} {
		w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: mail, resolved: "+resolved+"}]")
		first, second := w.open("/a/1"), w.open("/a/2")
		w.pass(time.Minute)
		w.resolve(first)
		w.pass(time.Minute)
		w.resolve(second)
		w.pass(time.Minute)
		got := w.told()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n\t%s", resolved, strings.Join(got, "\n\t"))
		}
		if s := w.router.Stats(); s.Groups != 0 {
			t.Errorf("%s: %d groups stay", resolved, s.Groups)
		}
	}
}

// TestThoseWhoWereTold: that it is over goes to exactly those who were told that it began,
// whatever has happened since.
func TestThoseWhoWereTold(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	for name, change := range map[string]func(w *world, id alert.ID){
		"somebody else is on call": func(w *world, _ alert.ID) { w.targets["dba"] = []string{"bob"} },
		"nobody is on call":        func(w *world, _ alert.ID) { w.targets["dba"] = nil },
		"the route is gone":        func(w *world, _ alert.ID) { w.rules = nil; w.router.Replace(nil) },
		"the route is another": func(w *world, _ alert.ID) {
			w.rules = readRules(w.t, "[{name: all, when: {under: /b}, to: [x], resolved: true, group: {by: all}, precedence: bulk}]")
			w.router.Replace(w.rules)
		},
		"it is suppressed": func(w *world, id alert.ID) { w.suppress(id) },
		"it is eased":      func(w *world, id alert.ID) { w.ease(id) },
	} {
		for _, restart := range []bool{false, true} {
			forgetAll(t, s)
			w := newWorld(t, s, "[{name: all, to: [dba], precedence: urgent}]")
			w.targets["dba"] = []string{"ada", "push"}
			id := w.open("/a/Up")
			w.pass(time.Minute)
			w.is("1s ada firing: RED: /a/Up is red: connection refused", "1s push firing: RED: /a/Up is red: connection refused")
			change(w, id)
			w.pass(time.Minute)
			if restart {
				w.restart()
				w.pass(time.Minute)
			}
			w.is()
			w.resolve(id)
			if restart {
				w.restart()
			}
			w.pass(time.Minute)
			if len(w.sent) != 2 || w.sent[0].Channel != "ada" || w.sent[1].Channel != "push" || w.sent[0].Said.Purpose != channel.Resolution || w.sent[1].Precedence != outbox.Urgent {
				t.Errorf("%s, %t: %q", name, restart, w.told())
			}
		}
	}
}

// TestRoutesAreReplaced: what stands and was told by a route of the same name stays there,
// what no route that is left has told of goes to the one that takes it.
func TestRoutesAreReplaced(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: a, when: {under: /a}, to: [mail]}, {name: b, when: {under: /b}, to: [mail]}]")
	w.open("/a/Up")
	w.open("/b/Up")
	w.open("/c/Up")
	w.pass(time.Minute)
	w.is("1s mail firing: RED: /a/Up is red: connection refused", "1s mail firing: RED: /b/Up is red: connection refused")
	w.open("/a/Down")
	w.rules = readRules(t, "[{name: new, when: {under: [/b, /c]}, to: [push]}, {name: a, to: [mail]}]")
	w.router.Replace(w.rules)
	w.pass(time.Minute)
	w.is("1m push firing: RED: /b/Up is red: connection refused", "1m push firing: RED: /c/Up is red: connection refused", "1m1s mail firing: RED a: 2 alerts — /a/Up is red: connection refused")
	if got := w.router.Rules(); len(got) != 2 || got[0].Name != "new" {
		t.Errorf("%+v", got)
	}
}

// TestARouteThatWaitsWhileAnotherTells is not forgotten when the router dies, and the file
// with the routes is broken at the next start.
func TestARouteThatWaitsWhileAnotherTells(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: slow, to: [mail], group: {wait: 1h}, continue: true}, {name: fast, to: [push]}]")
	w.open("/a/Up")
	w.pass(time.Minute)
	w.is("1s push firing: RED: /a/Up is red: connection refused")
	rules := w.rules
	w.rules = nil
	w.restart()
	w.pass(2 * time.Hour)
	w.is()
	w.router.Replace(rules)
	w.pass(time.Minute)
	w.is("2h1m mail firing: RED: /a/Up is red: connection refused")
}

// TestTooManyGroups: beyond the bound there is one message about the rest, and later that
// all of it is over.
func TestTooManyGroups(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail], group: {by: alert}, most: 5, repeat: 2h}]")
	var ids []alert.ID
	for i := range 1000 {
		ids = append(ids, w.open(fmt.Sprintf("/host%d/Up", i)))
	}
	w.pass(10 * time.Second)
	if len(w.sent) != 5 {
		t.Fatalf("%d messages: %q", len(w.sent), w.told())
	}
	rest := w.sent[4].Said
	if rest.Title != "RED grove1: 996 alerts in 996 groups — /host4/Up is red: connection refused" || rest.Firing != 996 || len(rest.Alerts) != channel.MaxAlerts || len(rest.By) != 0 {
		t.Errorf("%s of %d and %d alerts", rest.Title, rest.Firing, len(rest.Alerts))
	}
	if s := w.router.Stats(); s.Merged != 996 || s.Groups != 5 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	// More within the same minute waits for the next, and is told then.
	ids = append(ids, w.open("/more/Up"))
	w.sent = nil
	w.pass(40 * time.Second)
	w.is()
	w.restart()
	w.pass(30 * time.Second)
	if got := w.told(); len(got) != 1 || !strings.Contains(got[0], "/more/Up") {
		t.Errorf("%q", got)
	}
	// As many messages end it as began it.
	w.resolve(ids...)
	w.restart()
	w.pass(10 * time.Second)
	over := 0
	for _, d := range w.sent {
		if d.Said.Purpose != channel.Resolution {
			t.Errorf("%s", d.Said.Title)
		}
		over += d.Said.Resolved
	}
	if len(w.sent) != 6 || over != 1001 {
		t.Errorf("%d messages end %d alerts", len(w.sent), over)
	}
}

// TestTimesOfTheWeek: an alert that no route takes at night is told in the morning, when it
// still stands.
func TestTimesOfTheWeek(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: day, when: {during: '08:00-18:00 Europe/Berlin'}, to: [mail]}, {name: grave, when: {not_during: '08:00-18:00 Europe/Berlin', status: red}, to: [pager]}]")
	w.pass(9 * time.Hour) // seven in the evening
	slow, gone := w.open("/a/Slow", yellow), w.open("/b/Slow", yellow)
	red := w.open("/c/Up")
	w.pass(time.Minute)
	w.is("9h0m1s pager firing: RED: /c/Up is red: connection refused")
	w.pass(time.Hour)
	w.resolve(gone)
	w.pass(12 * time.Hour)
	w.is("13h0m1s pager reminder: still RED: /c/Up is red: connection refused", "17h0m1s pager reminder: still RED: /c/Up is red: connection refused", "21h0m1s pager reminder: still RED: /c/Up is red: connection refused",
		"22h mail firing: YELLOW: /a/Slow is yellow: slow")
	w.resolve(slow, red)
}

// TestTheClockIsSetBack: what waits does not wait for the clock to come there again, and
// nothing is told twice; nor by the days on which clocks jump.
func TestTheClockIsSetBack(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour, -24 * time.Hour} {
		w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail], group: {wait: 10s, interval: 1m}, repeat: 9h}]")
		w.pass(time.Minute)
		first := w.open("/a/Up")
		w.pass(5 * time.Second)
		w.now = w.now.Add(jump)
		w.pass(10 * time.Second)
		if n := len(w.sent); n != 1 {
			t.Errorf("%s: %d messages: %q", jump, n, w.told())
		}
		w.sent = nil
		w.now = w.now.Add(jump)
		w.open("/a/Down")
		w.pass(time.Minute + 10*time.Second)
		if n := len(w.sent); n != 1 && jump < 0 {
			t.Errorf("%s: %d messages: %q", jump, n, w.told())
		}
		w.sent = nil
		w.now = w.now.Add(jump)
		w.resolve(first, first+1)
		w.pass(time.Minute)
		if n := len(w.sent); n == 0 || w.sent[n-1].Said.Purpose != channel.Resolution {
			t.Errorf("%s: %d messages: %q", jump, n, w.told())
		}
	}
}

// TestTheOutboxRefuses: what it does not take is tried again, and takes nothing else with it.
func TestTheOutboxRefuses(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: a, when: {under: /a}, to: [mail]}, {name: b, to: [push]}]")
	w.refuse = func(m outbox.Message) error {
		if m.Channel == "mail" {
			return errors.New("the outbox is full")
		}
		return nil
	}
	w.open("/a/Up")
	w.open("/b/Up")
	w.pass(10 * time.Minute)
	w.is("1s push firing: RED: /b/Up is red: connection refused")
	if s := w.router.Stats(); s.Refused < 5 || s.Refused > 30 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
	if err := w.router.trouble(); err == nil || err.Error() != `route "a", group instance=a: the outbox is full` {
		t.Errorf("the trouble is %v", err)
	}
	w.refuse = nil
	w.pass(time.Minute)
	if got := w.told(); len(got) != 1 || w.router.trouble() != nil {
		t.Errorf("%q, and %v", got, w.router.trouble())
	}
}

// TestADatabaseThatDoesNotAnswer is seen in the statistics, and told of again when it does.
func TestADatabaseThatDoesNotAnswer(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	w := newWorld(t, s, "[{name: all, to: [mail]}]")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.router.Run(ctx) }()
	for w.router.Stats().Err == nil {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != nil || !errors.Is(w.router.Stats().Err, store.ErrClosed) {
		t.Errorf("%v, and %v", err, w.router.Stats().Err)
	}
}

func TestNobodyCanBeTold(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [dba]}]")
	w.targets["dba"] = nil
	w.open("/a/Up")
	w.pass(10 * time.Minute)
	w.is()
	if s := w.router.Stats(); s.Unreached != 10 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
	w.targets["dba"] = []string{"ada"}
	w.pass(time.Minute)
	if got := w.told(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// TestWhatTheBookHasForgotten is over, and those who were told hear it.
func TestWhatTheBookHasForgotten(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail]}]")
	first := w.open("/a/Up")
	w.open("/a/Down")
	w.pass(time.Minute)
	w.sent = nil
	delete(w.alerts, first)
	w.restart()
	w.pass(time.Minute)
	w.is()
	w.resolve(2)
	delete(w.alerts, 2)
	w.restart()
	w.pass(time.Minute)
	w.is("2m1s mail resolved: RESOLVED a: 2 alerts over")
}

// TestABackupIsLoaded: what was told is as the backup has it.
func TestABackupIsLoaded(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail]}]")
	var backup bytes.Buffer
	if err := w.store.Dump(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	id := w.open("/a/Up")
	w.pass(time.Minute)
	if err := w.store.Load(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	w.sent = nil
	w.pass(2 * time.Minute)
	if got := w.told(); len(got) != 1 || !strings.Contains(got[0], "firing") { // Nobody knows that it was told.
		t.Errorf("%q", got)
	}
	w.resolve(id)
	w.pass(time.Minute)
	if got := w.told(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestAnnounce(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), `[{name: red, when: {under: /shop/db, status: red}, to: [pager, mail]}, {name: bank, when: {under: /bank}, to: [bank]},
		{name: shop, when: {under: /shop}, to: [mail, desk], precedence: bulk}, {name: rest, to: [rest]}]`)
	announce := func() []string {
		if err := w.router.Announce(t.Context(), tree.MustPath("/shop"), "maintenance of /shop at 20:00", "until 22:00", began); err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, d := range w.sent {
			keys = append(keys, d.Key)
			if d.Said.Purpose != channel.Announcement || d.Said.Text != "until 22:00" || d.At.String() != "/shop" || d.Said.Key != d.Key || d.Said.URL != "https://grove.example/#/maintenance" {
				t.Errorf("%+v", d)
			}
		}
		return keys
	}
	keys := announce()
	w.is("0s pager announcement: maintenance of /shop at 20:00", "0s mail announcement: maintenance of /shop at 20:00", "0s desk announcement: maintenance of /shop at 20:00")
	if again := announce(); !slices.Equal(again, keys) {
		t.Errorf("%q, and again %q", keys, again)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail], group: {wait: 0s}}]")
	told := make(chan struct{}, 1)
	o := w.router.o
	o.Now = time.Now
	o.Outbox = wakes{w, told}
	r := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	a := alert.Alert{ID: 1, Path: tree.MustPath("/a"), State: alert.Open, Status: tree.Red, Opened: time.Now(), Changed: time.Now(), Revision: 1}
	r.Changed([]alert.Alert{a})
	<-told
	r.Replace(nil)
	cancel()
	if err := <-done; err != nil || len(w.sent) != 1 {
		t.Errorf("%v, and %d messages", err, len(w.sent))
	}
}

// TestTheOutboxSendsWhatWasDecided: router and outbox as they run, on one database.
func TestTheOutboxSendsWhatWasDecided(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail], precedence: urgent, group: {wait: 0s}}]")
	sent := make(chan channel.Message, 10)
	box := outbox.New(outbox.Options{Store: w.store, Send: func(_ context.Context, m *outbox.Message) error {
		var said channel.Message
		if err := json.Unmarshal(m.Body, &said); err != nil {
			return err
		}
		sent <- said
		return nil
	}})
	o := w.router.o
	o.Now, o.Outbox = time.Now, box
	r := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := box.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	all.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer all.Wait()
	defer cancel()
	a := alert.Alert{ID: 1, Path: tree.MustPath("/a"), State: alert.Open, Status: tree.Red, Severity: tree.Major, Opened: time.Now(), Changed: time.Now(), Revision: 1, Message: "/a is red"}
	r.Changed([]alert.Alert{a})
	first := <-sent
	at := time.Now()
	a.State, a.Revision, a.Resolved, a.Changed = alert.Resolved, 2, &at, at
	r.Changed([]alert.Alert{a})
	second := <-sent
	if first.Purpose != channel.Firing || second.Purpose != channel.Resolution || first.Group != second.Group || second.Sequence != 2 || first.Title != "RED: /a is red" {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// wakes is an outbox that says when it is woken.
type wakes struct {
	Outbox
	told chan struct{}
}

func (o wakes) Wake() { o.told <- struct{}{} }

func TestNoRoutes(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "")
	w.open("/a/Up")
	w.pass(time.Hour)
	w.is()
	e := w.router.Explain(*w.alerts[1], w.now)
	text, err := json.Marshal(e)
	if err != nil || len(e.Told) != 0 || !strings.Contains(string(text), "there are no routes, so nobody is told of any alert") {
		t.Errorf("%s, %v", text, err)
	}
}
