package route

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/storetest"
)

func TestExplain(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), `
- { name: bank, when: { under: /bank, status: red }, to: [bank] }
- { name: all, to: [log], continue: true, repeat: never, group: { by: alert } }
- { name: shop, when: { under: /shop, during: "08:00-18:00 UTC" }, to: [dba, mail, gone], repeat: 2h, group: { wait: 10s }, escalate: [{ after: 15m, to: [boss, dba] }] }
- { name: rest, to: [mail] }
`)
	w.targets["dba"], w.targets["gone"] = []string{"ada-mail", "mail"}, nil
	w.targets["boss"] = []string{}
	w.open("/shop/web1/Up")
	a := *w.alerts[1]
	told := len(w.sent)
	got := w.router.Explain(a, began)
	want := alert.Explanation{Alert: a,
		Routes: []alert.Routing{
			{Route: "bank", Conditions: []alert.Condition{{Name: "under", Want: "/bank", Have: "/shop/web1/Up"}, {Name: "status", Want: "red", Have: "red", OK: true}}, Text: "it does not meet: under"},
			{Route: "all", Takes: true, Conditions: []alert.Condition{}, Group: "alert=1"},
			{Route: "shop", Takes: true, Group: "instance=shop",
				Conditions: []alert.Condition{{Name: "under", Want: "/shop", Have: "/shop/web1/Up", OK: true}, {Name: "during", Want: "08:00-18:00 UTC", Have: "Mon 2026-03-02 09:00 UTC", OK: true}},
				Text:       "gone: nobody is on call; boss has no channel 15m after the opening"},
			{Route: "rest", Conditions: []alert.Condition{}, Text: `not reached, since route "shop" took it`},
		},
		Told: []alert.Telling{
			{Route: "all", Channel: "log", After: alert.Duration(time.Second), Purpose: "firing"},
			{Route: "shop", Channel: "ada-mail", To: "dba", After: alert.Duration(10 * time.Second), Purpose: "firing", Every: alert.Duration(2 * time.Hour)},
			{Route: "shop", Channel: "mail", To: "dba", After: alert.Duration(10 * time.Second), Purpose: "firing", Every: alert.Duration(2 * time.Hour)},
			{Route: "shop", Channel: "ada-mail", To: "dba", After: alert.Duration(15 * time.Minute), Step: 1, Purpose: "escalation"},
			{Route: "shop", Channel: "mail", To: "dba", After: alert.Duration(15 * time.Minute), Step: 1, Purpose: "escalation"},
		}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(w.sent) != told {
		t.Error("something was sent")
	}
	// At night the other route takes it.
	if got := w.router.Explain(a, began.Add(12*time.Hour)); got.Routes[2].Takes || got.Routes[2].Text != "it does not meet: during" || !got.Routes[3].Takes {
		t.Errorf("%+v", got.Routes)
	}
	// Nobody is told of what is held back, known, or over; and it says why.
	for change, want := range map[string]string{
		"suppress":    "nobody is told while it is held back: its parent has failed",
		"acknowledge": "nobody is told while it is acknowledged, by ada",
		"resolve":     "it is over: who was told that it opened is told so",
	} {
		id := w.open("/shop/" + change)
		switch change {
		case "suppress":
			w.suppress(id)
		case "acknowledge":
			w.acknowledge(id)
		default:
			w.resolve(id)
		}
		got := w.router.Explain(*w.alerts[id], began)
		if len(got.Told) != 0 || !got.Routes[2].Takes || got.Routes[2].Text != want {
			t.Errorf("%s: %+v, %+v", change, got.Routes[2], got.Told)
		}
	}
}
