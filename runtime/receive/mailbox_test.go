package receive

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var byValue = cmp.Options{cmp.Comparer(func(a, b tree.Value) bool { return a == b }), cmpopts.EquateEmpty()}

func testMailbox(boxes *Mailboxes) *Mailbox {
	return NewMailbox(boxes, []Attribute{
		{Name: "active", Type: beans.TypeFloat, Info: beans.AttributeInfo{Unit: "connections"}},
		{Name: "state", Type: beans.TypeString},
		{Name: "ready", Type: beans.TypeBool},
		{Name: "log", Type: beans.TypeStrings, Events: true},
	})
}

func at(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }

func put(t *testing.T, m *Mailbox, items ...Item) {
	t.Helper()
	for _, i := range items {
		if err := m.Put(i); err != nil {
			t.Fatalf("Put %v: %v", i, err)
		}
	}
}

func values(t *testing.T, m *Mailbox) []probe.Value {
	t.Helper()
	r, err := m.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r.Values[2:] // without the counts
}

func TestMailboxGivesEachReadingOnce(t *testing.T) {
	m := testMailbox(new(Mailboxes))
	put(t, m, Item{Attribute: "active", Value: tree.Number(1), Time: at(1)}, Item{Attribute: "active", Value: tree.Number(2), Time: at(2)})
	event := tree.Event{Time: at(3), Status: tree.Red, Text: "disk failed"}
	put(t, m, Item{Attribute: "log", Event: &event, Time: at(3)}, Item{Attribute: "log", Event: &event, Time: at(3)})
	r, err := m.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := probe.Result{Time: at(3), Values: []probe.Value{
		{Attribute: "received", Value: tree.Number(4)},
		{Attribute: "events_dropped", Value: tree.Number(0)},
		{Attribute: "active", Value: tree.Number(2)},
		{Attribute: "log", Value: tree.Text("disk failed"), Events: []tree.Event{event, event}},
	}}
	if diff := cmp.Diff(want, r, byValue); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}
	if again := values(t, m); len(again) != 0 {
		t.Errorf("the second run gives %v again: its node would never grow stale", again)
	}
}

func TestMailboxRefuses(t *testing.T) {
	event := &tree.Event{Text: "x"}
	tests := []struct {
		name string
		item Item
		is   error
		want string
	}{
		{"unknown attribute", Item{Attribute: "actve", Value: tree.Number(1)}, ErrNoMailbox, `nothing takes readings of that name: the probe has no attribute "actve", only [active state ready log]`},
		{"text for a number", Item{Attribute: "active", Value: tree.Text("1")}, ErrMisfit, "the attribute does not take such a value: active is a number"},
		{"number for a text", Item{Attribute: "state", Value: tree.Number(1)}, ErrMisfit, "the attribute does not take such a value: state is a text"},
		{"2 for a truth value", Item{Attribute: "ready", Value: tree.Number(2)}, ErrMisfit, "the attribute does not take such a value: ready is true or false"},
		{"wrong unit", Item{Attribute: "active", Value: tree.Number(1), Unit: "ms"}, ErrMisfit, `the attribute does not take such a value: active is in "connections", not in "ms"`},
		{"event for a text", Item{Attribute: "state", Event: event}, ErrMisfit, "the attribute does not take such a value: state takes no events"},
		{"value for a log", Item{Attribute: "log", Value: tree.Text("x")}, ErrMisfit, "the attribute does not take such a value: log takes events"},
		{"older", Item{Attribute: "active", Value: tree.Number(1), Time: at(5)}, ErrOlder, "not newer than what is there"},
	}
	m := testMailbox(new(Mailboxes))
	put(t, m, Item{Attribute: "active", Value: tree.Number(7), Time: at(5)})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := m.Put(tt.item)
			if !errors.Is(err, tt.is) || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	if got := values(t, m); len(got) != 1 || got[0].Value != tree.Number(7) {
		t.Errorf("what was there is now %v", got)
	}
}

func TestAttachDeliversAtOnceUntilDetach(t *testing.T) {
	boxes := new(Mailboxes)
	m := testMailbox(boxes)
	if _, err := boxes.Find("web1", "metrics"); err == nil || err.Error() != `nothing takes readings of that name: no instance "web1" has a probe that readings are pushed to` {
		t.Errorf("before: %v", err)
	}
	put(t, m, Item{Attribute: "state", Value: tree.Text("running"), Time: at(1)})
	values(t, m)

	var got []probe.Result
	detach, err := m.Attach("web1", "metrics", func(r probe.Result) { got = append(got, r) })
	if err != nil {
		t.Fatal(err)
	}
	if found, err := boxes.Find("web1", "metrics"); found != m || err != nil {
		t.Errorf("Find: %v, %v", found, err)
	}
	if _, err := boxes.Find("web1", "metric"); err == nil || err.Error() != `nothing takes readings of that name: instance "web1" has no probe "metric" that readings are pushed to` {
		t.Errorf("wrong probe: %v", err)
	}
	if _, err := testMailbox(boxes).Attach("web1", "metrics", nil); err == nil || err.Error() != `probe "metrics" of instance "web1": readings are pushed to another probe of these names` {
		t.Errorf("second of the name: %v", err)
	}
	if again := values(t, m); len(again) != 1 {
		t.Errorf("after Attach a run gives %v: new nodes would stay empty", again)
	}
	put(t, m, Item{Attribute: "active", Value: tree.Number(3), Time: at(2)})
	want := []probe.Result{{Time: at(2), Values: []probe.Value{{Attribute: "active", Value: tree.Number(3)}}}}
	if diff := cmp.Diff(want, got, byValue); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	detach()
	detach() // twice is once
	put(t, m, Item{Attribute: "active", Value: tree.Number(4), Time: at(3)})
	if len(got) != 1 {
		t.Error("delivered after detach")
	}
	if _, err := boxes.Find("web1", "metrics"); err == nil {
		t.Error("found after detach")
	}
}

func TestEventsAreBounded(t *testing.T) {
	m := testMailbox(new(Mailboxes))
	for i := range MaxPending + 5 {
		put(t, m, Item{Attribute: "log", Event: &tree.Event{Text: time.Duration(i).String()}, Time: at(1)})
	}
	r, _ := m.Run(context.Background())
	log := r.Values[2]
	if len(log.Events) != MaxPending || log.Events[0].Text != "5ns" || r.Values[1].Value != tree.Number(5) {
		t.Errorf("%d events from %q on, %v dropped", len(log.Events), log.Events[0].Text, r.Values[1].Value)
	}
}

func TestWatchAnnounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testMailbox(new(Mailboxes))
		put(t, m, Item{Attribute: "active", Value: tree.Number(1), Time: at(1)})
		ctx, cancel := context.WithCancel(t.Context())
		announced := 0
		done := make(chan error, 1)
		go func() { done <- m.Watch(ctx, func() { announced++ }) }()
		synctest.Wait()
		if announced != 1 {
			t.Errorf("%d announcements of what was there before", announced)
		}
		put(t, m, Item{Attribute: "active", Value: tree.Number(2), Time: at(2)})
		if announced != 2 {
			t.Errorf("%d announcements", announced)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
		put(t, m, Item{Attribute: "active", Value: tree.Number(3), Time: at(3)})
		if announced != 2 {
			t.Error("announced after Watch ended")
		}
	})
}

func TestAccountAddsUp(t *testing.T) {
	var a Account
	a.Applied(3)
	a.Refused(Older, 2)
	a.Refused(NoNode, 1)
	c := a.Counts()
	if c.Received != 6 || c.Applied != 3 || c.Refused[Older] != 2 || c.Refused[NoNode] != 1 {
		t.Errorf("%+v", c)
	}
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if seen[r.String()] {
			t.Errorf("reason %v is there twice", r)
		}
		seen[r.String()] = true
	}
}
