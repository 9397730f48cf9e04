package book

import (
	"errors"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/journal"
)

func TestOpensAndEnds(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/shop/web/Up", nil)
		w.set("green", "/shop/web/Up")
		w.begin()
		w.set("red", "/shop/web/Up")
		w.wait(DefaultSettle / 2)
		w.wants("before it has settled", w.live())
		w.settled()
		w.wants("live", w.live(), "/shop/web/Up open red")
		w.wants("told", w.since(), "opened /shop/web/Up open red")
		w.set("yellow", "/shop/web/Up")
		w.settled()
		w.wants("told", w.since(), "eased /shop/web/Up open yellow")
		w.set("red", "/shop/web/Up")
		w.settled()
		w.wants("told", w.since(), "worsened /shop/web/Up open red")
		w.set("white", "/shop/web/Up")
		w.wait(time.Hour)
		w.wants("nothing is known", w.since())
		w.set("green", "/shop/web/Up")
		w.settled()
		w.wants("live", w.live())
		w.wants("told", w.since(), "resolved /shop/web/Up resolved green")
		page, err := w.lines.Search(w.t.Context(), journal.Query{Kinds: []journal.Kind{journal.Alert}, Oldest: true})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, e := range page.Entries {
			lines = append(lines, e.Path.String()+" "+e.From.String()+" "+e.To.String()+" "+e.Text)
		}
		if got, want := strings.Join(lines, "\n"), `/shop/web/Up green red opened: /shop/web/Up is red: red
/shop/web/Up red yellow eased: /shop/web/Up is yellow: yellow
/shop/web/Up yellow red worsened: /shop/web/Up is red: red
/shop/web/Up red green resolved: it is green`; got != want {
			t.Errorf("the journal has\n%s\nwant\n%s", got, want)
		}
	})
}

// TestWhatAnAlertSays looks at all that an alert takes from the tree.
func TestWhatAnAlertSays(t *testing.T) {
	bubble(t, func(w *world) {
		w.add("/shop", &tree.Spec{Kind: tree.Group, Owner: "shop", Properties: map[string]string{"customer": "acme", "location": "Bremen"},
			Alerting: &tree.Alerting{Red: tree.Critical, EventType: "qualityOfServiceAlarm", ProbableCause: "congestion", Repair: "add a server"}})
		w.add("/shop/Active", &tree.Spec{Kind: tree.Performance, Unit: "connections", Owner: "shop", Labels: map[string]string{"port": "80"},
			Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 500), Red: tree.AboveLevel(1000, 1000)}})
		w.begin()
		ref, _ := w.tree.Lookup(tree.MustPath("/shop/Active"))
		w.tree.Apply([]tree.Reading{{Node: ref, Value: 1200}})
		w.settled()
		a := *w.one("/shop/Active")
		for what, pair := range map[string][2]any{
			"message": {a.Message, "/shop/Active is red: 1200 connections, which is > 1000"}, "value": {a.Value, "1200"}, "unit": {a.Unit, "connections"},
			"threshold": {a.Threshold, "> 1000"}, "severity": {a.Severity, tree.Critical}, "instance": {a.Instance, "shop"}, "label": {a.Labels["port"], "80"},
			"property": {a.Properties["location"], "Bremen"}, "customer": {strings.Join(a.Customers, ","), "acme"}, "event type": {a.EventType, "qualityOfServiceAlarm"},
			"cause": {a.ProbableCause, "congestion"}, "repair": {a.Repair, "add a server"}, "manager": {a.Manager, "test"}, "key": {len(a.Key), 32},
			"revision": {a.Revision, int64(1)}, "count": {a.Count, 1}, "worst": {a.Worst, tree.Red}, "id": {int64(a.ID) >> idBits, a.Opened.UnixMilli()},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
			}
		}
		w.tree.Apply([]tree.Reading{{Node: ref, Value: 10, Time: time.Now().Add(time.Second).UnixNano()}})
		w.settled()
		over, err := w.book.Get(w.t.Context(), a.ID)
		if err != nil || over.State != alert.Resolved || over.Severity != tree.Critical || over.Worst != tree.Red || over.Status != tree.Green || over.Key != a.Key {
			t.Errorf("%+v, %v", over, err)
		}
		if _, err := w.book.Get(w.t.Context(), 5); !errors.Is(err, alert.ErrNone) {
			t.Error(err)
		}
	})
}

func TestReopens(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.begin()
		w.set("red", "/a/x")
		w.settled()
		first := w.one("/a/x").ID
		w.set("green", "/a/x")
		w.wait(DefaultReopen - time.Minute)
		w.set("yellow", "/a/x")
		w.settled()
		w.wants("live", w.live(), "/a/x open yellow x2")
		if again := w.one("/a/x"); again.ID != first || again.Resolved != nil || again.Worst != tree.Red {
			t.Errorf("%+v", again)
		}
		w.set("green", "/a/x")
		w.wait(DefaultReopen + time.Minute)
		w.set("red", "/a/x")
		w.settled()
		w.wants("live", w.live(), "/a/x open red")
		if later := w.one("/a/x"); later.ID == first {
			t.Error("it is the same alert after long")
		}
		w.wants("told", w.since(), "opened /a/x open red", "resolved /a/x resolved green", "reopened /a/x open yellow x2", "resolved /a/x resolved green x2", "opened /a/x open red")
	})
}

func TestFlapping(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.begin()
		for range FlapTimes + 1 {
			w.set("red", "/a/x")
			w.wait(time.Minute)
			w.set("green", "/a/x")
			w.wait(time.Minute)
		}
		w.wants("held back", w.live(), "/a/x open red x4 flapping")
		w.since()
		for range 5 {
			w.set("red", "/a/x")
			w.wait(time.Minute)
			w.set("green", "/a/x")
			w.wait(time.Minute)
		}
		w.wants("all of it is one alert", w.since())
		w.wants("count", w.live(), "/a/x open red x9 flapping")
		w.restart()
		w.wait(Calm - 2*time.Minute)
		w.wants("not calm yet", w.live(), "/a/x open red x9 flapping")
		w.wait(Calm)
		w.wants("calm", w.live())
		w.wants("told", w.since(), "resolved /a/x resolved green x9")
	})
}

// TestFlappingThatStays turns calm by being red.
func TestFlappingThatStays(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.begin()
		for range FlapTimes + 1 {
			w.set("green", "/a/x")
			w.wait(time.Minute)
			w.set("red", "/a/x")
			w.wait(time.Minute)
		}
		w.wants("flaps", w.live(), "/a/x open red x4 flapping")
		w.since()
		w.wait(Calm)
		w.wants("told", w.since(), "calm /a/x open red x4")
		w.set("green", "/a/x")
		w.settled()
		w.wants("told", w.since(), "resolved /a/x resolved green x4")
	})
}

// TestTheTreesFlapping takes the flag of a node.
func TestTheTreesFlapping(t *testing.T) {
	bubble(t, func(w *world) {
		w.add("/a/x", &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{Flap: tree.Flap{Changes: 4, Window: 10 * time.Minute}}})
		w.set("green", "/a/x")
		w.begin()
		for range 3 {
			w.set("red", "/a/x")
			w.wait(20 * time.Second)
			w.set("green", "/a/x")
			w.wait(20 * time.Second)
		}
		w.wait(sweepEvery)
		w.wants("flaps", w.live(), "/a/x open red x2 flapping")
		w.wait(20 * time.Minute)
		w.wants("is over", w.live())
	})
}

func TestAcknowledge(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.begin()
		w.set("yellow", "/a/x")
		w.settled()
		w.since()
		id := w.one("/a/x").ID
		act := func(what string, results []alert.Result, want string) {
			t.Helper()
			if len(results) != 1 || results[0].ID != id || !strings.Contains(results[0].Error, want) || (want == "") != (results[0].Error == "") {
				t.Errorf("%s: %+v, want %q", what, results, want)
			}
		}
		ids, ctx := []alert.ID{id}, w.t.Context()
		act("acknowledge", w.book.Acknowledge(ctx, ids, alert.Ack{By: "ada", Comment: "I look"}, nil), "")
		w.wants("told", w.since(), "acknowledged /a/x acknowledged yellow by ada")
		w.set("red", "/a/x")
		w.settled()
		w.wants("worse ends it", w.since(), "unacknowledged /a/x open red")
		act("sticky", w.book.Acknowledge(ctx, ids, alert.Ack{By: "bob", Sticky: true}, nil), "")
		w.set("yellow", "/a/x")
		w.settled()
		w.set("red", "/a/x")
		w.settled()
		w.wants("sticky stays", w.live(), "/a/x acknowledged red by bob")
		act("unacknowledge", w.book.Unacknowledge(ctx, ids, "ada", "no", nil), "")
		act("once more", w.book.Unacknowledge(ctx, ids, "ada", "", nil), "nobody has acknowledged")
		until := time.Now().Add(time.Hour)
		act("for an hour", w.book.Acknowledge(ctx, ids, alert.Ack{By: "ada", Sticky: true, Until: &until}, nil), "")
		w.since()
		w.restart()
		w.wait(59 * time.Minute)
		w.wants("after a restart", w.live(), "/a/x acknowledged red by ada")
		w.wait(2 * time.Minute)
		w.wants("its time is over", w.since(), "unacknowledged /a/x open red")
		past := time.Now().Add(-time.Hour)
		act("in the past", w.book.Acknowledge(ctx, ids, alert.Ack{By: "ada", Until: &past}, nil), "which is over")
		act("nobody", w.book.Acknowledge(ctx, ids, alert.Ack{}, nil), "has a name")
		act("a long comment", w.book.Comment(ctx, ids, "ada", strings.Repeat("x", alert.MaxCommentBytes+1), nil), "longer than the bound of 1024")
		act("no comment", w.book.Comment(ctx, ids, "ada", " ", nil), "empty")
		act("not UTF-8", w.book.Comment(ctx, ids, "ada", "\xff", nil), "UTF-8")
		act("not allowed", w.book.Comment(ctx, ids, "eve", "mine", func(p tree.Path) error { return errors.New("not " + p.String()) }), "not /a/x")
		act("comment", w.book.Comment(ctx, ids, "ada", "the fan", nil), "")
		w.wants("told", w.since(), "commented /a/x open red")
		act("resolve", w.book.Resolve(ctx, ids, "ada", "enough", nil), "")
		w.wants("told", w.since(), "resolved /a/x resolved red")
		act("what is resolved", w.book.Acknowledge(ctx, ids, alert.Ack{By: "ada"}, nil), "is resolved since")
		id = 77
		act("what is not there", w.book.Acknowledge(ctx, []alert.ID{77}, alert.Ack{By: "ada"}, nil), "no such alert")
	})
}

// TestResolvedByHand stays so until the node was well, or gets worse.
func TestResolvedByHand(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.state("/a/y", nil)
		w.begin()
		w.set("yellow", "/a/x", "/a/y")
		w.settled()
		w.book.Resolve(w.t.Context(), []alert.ID{w.one("/a/x").ID, w.one("/a/y").ID}, "ada", "", nil)
		w.since()
		w.wait(DefaultReopen * 2)
		w.restart()
		w.wait(DefaultReopen * 2)
		w.wants("it stays", w.live())
		w.set("red", "/a/x")
		w.set("green", "/a/y")
		w.settled()
		w.wants("worse", w.since(), "reopened /a/x open red x2")
		w.set("yellow", "/a/y")
		w.settled()
		w.wants("another", w.since(), "opened /a/y open yellow")
	})
}

func TestSilence(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.state("/a/never", &tree.Alerting{Silence: -1})
		w.state("/a/soon", &tree.Alerting{Silence: 10 * time.Second, Yellow: tree.Minor})
		w.state("/a/fresh", nil)
		w.state("/a/ill", nil)
		w.add("/a/request", &tree.Spec{Kind: tree.State, Mode: tree.Request})
		w.add("/a/text", &tree.Spec{Kind: tree.TextKind})
		w.begin()
		w.set("green", "/a/x", "/a/never", "/a/soon", "/a/request", "/a/text")
		w.set("red", "/a/ill")
		w.settled()
		w.since()
		w.set("white", "/a/x", "/a/never", "/a/soon", "/a/fresh", "/a/request", "/a/text", "/a/ill")
		w.wait(11 * time.Second)
		w.wants("soon", w.since(), "opened /a/soon open silence")
		if a := w.one("/a/soon"); a.Message != "/a/soon is silent: no answer" || a.Severity != tree.Minor || a.Status != tree.White {
			t.Errorf("%+v", a)
		}
		w.wait(time.Minute)
		w.wants("told", w.since(), "opened /a/x open silence")
		w.set("green", "/a/x")
		w.set("red", "/a/soon")
		w.settled()
		w.wants("told", w.since(), "resolved /a/x resolved silence", "resolved /a/soon resolved silence", "opened /a/soon open red")
		w.set("white", "/a/x")
		w.wait(30 * time.Second)
		w.set("green", "/a/x")
		w.wait(time.Hour)
		w.wants("a short silence", w.since())
		w.set("white", "/a/x")
		w.wait(2 * time.Minute)
		w.since()
		w.restart()
		w.wait(time.Hour)
		w.wants("after a restart", w.live(), "/a/ill open red", "/a/soon open red", "/a/x open silence")
		w.wants("told", w.since())
	})
}

func TestMissing(t *testing.T) {
	bubble(t, func(w *world) {
		w.group("/barn", &tree.Alerting{Expect: []string{"a", "b"}, AtLeast: 3})
		w.state("/barn/a/Up", nil)
		w.state("/barn/c/Up", nil)
		w.begin()
		w.wait(MissingAfter / 2)
		w.wants("it may still come", w.live())
		w.wait(MissingAfter)
		w.wants("told", w.since(), "opened /barn open missing", "opened /barn/b open missing")
		if a := w.one("/barn/b"); a.Message != "/barn/b is missing: /barn should have it" || a.Severity != tree.Major {
			t.Errorf("%+v", a)
		}
		w.restart()
		w.wait(2 * MissingAfter)
		w.wants("after a restart", w.since())
		w.state("/barn/b/Up", nil)
		w.wait(time.Second)
		w.wants("told", w.since(), "resolved /barn resolved missing", "resolved /barn/b resolved missing")
		if err := w.tree.Change(tree.Remove(tree.MustPath("/barn/a"))); err != nil {
			t.Fatal(err)
		}
		w.wait(2 * MissingAfter)
		w.wants("told", w.since(), "opened /barn/a open missing", "reopened /barn open missing x2")
		if err := w.tree.Change(tree.Remove(tree.MustPath("/barn"))); err != nil {
			t.Fatal(err)
		}
		w.wait(2 * MissingAfter)
		w.wants("told", w.since(), "resolved /barn resolved missing x2", "resolved /barn/a resolved missing")
	})
}

func TestGone(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.state("/a/y", nil)
		w.begin()
		w.set("red", "/a/x", "/a/y")
		w.settled()
		w.since()
		if err := w.tree.Change(tree.Remove(tree.MustPath("/a/x"))); err != nil {
			t.Fatal(err)
		}
		w.wait(time.Second)
		w.wants("told", w.since(), "resolved /a/x resolved white")
		w.end()
		if err := w.tree.Change(tree.Remove(tree.MustPath("/a/y"))); err != nil {
			t.Fatal(err)
		}
		w.begin()
		w.wait(GoneAtStart - time.Minute)
		w.wants("it may still come", w.live(), "/a/y open red")
		w.wait(2 * time.Minute)
		w.wants("told", w.since(), "resolved /a/y resolved white")
	})
}

// TestTheClockIsSetBack while a node settles, and while the database is away: alerts go on.
func TestTheClockIsSetBack(t *testing.T) {
	bubble(t, func(w *world) {
		for _, p := range []string{"/a/x", "/a/y", "/a/z"} {
			w.state(p, nil)
			w.set("green", p)
		}
		w.begin()
		w.set("red", "/a/x")
		w.wait(DefaultSettle / 2)
		w.back.Store(int64(time.Hour))
		w.set("red", "/a/y")
		w.wait(2 * time.Second)
		w.wants("told", w.since(), "opened /a/x open red", "opened /a/y open red")
		w.away.Store(true)
		w.set("red", "/a/z")
		w.wait(10 * time.Second)
		w.back.Store(int64(2 * time.Hour))
		w.away.Store(false)
		w.wait(5 * time.Second)
		w.wants("told", w.since(), "opened /a/z open red")
	})
}

// TestStart compares what was kept with what is.
func TestStart(t *testing.T) {
	bubble(t, func(w *world) {
		for _, p := range []string{"/a/still", "/a/well", "/a/new", "/a/worse", "/a/unknown"} {
			w.state(p, nil)
			w.set("green", p)
		}
		w.begin()
		w.set("yellow", "/a/still", "/a/well", "/a/worse", "/a/unknown")
		w.settled()
		keys := map[tree.Path]string{}
		for a := range w.book.Live {
			keys[a.Path] = a.Key
		}
		w.end()
		w.set("green", "/a/well")
		w.set("red", "/a/new", "/a/worse")
		w.set("white", "/a/unknown")
		w.since()
		w.begin()
		w.settled()
		w.wait(time.Second)
		w.wants("told", w.since(), "resolved /a/well resolved green", "opened /a/new open red", "worsened /a/worse open red")
		for a := range w.book.Live {
			if k := keys[a.Path]; k != "" && k != a.Key {
				t.Errorf("the key of %s is %s, and was %s", a.Path, a.Key, k)
			}
		}
		w.book.Reloaded()
		w.wait(time.Minute)
		w.wants("a reload", w.since())
	})
}

// TestRuleOfADefinitionChanges: specs may change with a reload.
func TestRuleOfADefinitionChanges(t *testing.T) {
	bubble(t, func(w *world) {
		w.group("/a", nil)
		w.state("/a/x", nil)
		w.begin()
		w.set("red", "/a/x")
		w.settled()
		w.since()
		update := func(rule tree.AlertRule) {
			t.Helper()
			if err := w.tree.Change(tree.Update(tree.MustPath("/a"), &tree.Spec{Kind: tree.Group, Alerting: &tree.Alerting{Rule: rule}})); err != nil {
				t.Fatal(err)
			}
			w.book.Reloaded()
			w.wait(3 * time.Second)
		}
		update(tree.AlertNever)
		w.wants("told", w.since(), "resolved /a/x resolved red")
		update(tree.AlertWhole)
		w.wants("told", w.since(), "opened /a open red +1", "suppressed /a/x suppressed red x2 whole /a")
		update(tree.AlertEach)
		w.wants("told", w.since(), "resolved /a resolved red", "released /a/x open red x2")
	})
}
