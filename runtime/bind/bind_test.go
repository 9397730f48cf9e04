package bind

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/receive"
	"grove/tree"
)

const shop = `
grove: 1
application: shop
at: /shop
probes:
  a: { kind: actor, id: a, every: 10s }
  b: { kind: actor, id: b, every: 10s }
tree:
  Value: { from: a.value, red: "> 100" }
  Twice: { value: a.value * 2 }
  Both: { value: a.value + b.other }
  Rate: { from: a.count, change: rate }
  Thousandth: { from: a.value, scale: 0.001 }
  Slow: { from: a.value, every: 60s }
  State: { from: b.state, states: { ok: green, "*": red } }
  Log: { from: b.lines }
`

func TestReadingsReachTheirNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		count := 100.0
		w.set("a", func(context.Context) (probe.Result, error) {
			var r probe.Result
			r.Number("value", 101)
			r.Number("count", count)
			count += 50
			return r, nil
		})
		w.set("b", func(context.Context) (probe.Result, error) {
			var r probe.Result
			r.Number("other", 1)
			r.Text("state", "ok")
			r.Values = append(r.Values, probe.Value{Attribute: "lines", Events: []tree.Event{{Time: time.Now(), Status: tree.Yellow, Text: "odd"}}})
			return r, nil
		})
		w.apply("shop.yaml", shop)
		w.pass(31 * time.Second)
		w.is("/shop/Value", "101", tree.Red)
		w.is("/shop/Twice", "202", tree.Green)
		w.is("/shop/Both", "102", tree.Green)
		w.is("/shop/Rate", "5", tree.Green)
		w.is("/shop/Thousandth", "0.101", tree.Green)
		w.is("/shop/State", "ok", tree.Green)
		if n := w.node("/shop/Log"); n.Status != tree.Yellow {
			t.Errorf("the log is %s", n.Status)
		}
		if n := w.node("/shop"); n.Status != tree.Red {
			t.Errorf("the group is %s", n.Status)
		}
		w.is("/grove/Definitions/shop", "loaded", tree.Green)
		if n := w.node("/shop/Slow"); time.Since(n.Time) < 15*time.Second {
			t.Errorf("a node that asks every minute had a reading %v ago", time.Since(n.Time))
		}
		count = 0 // the counter begins anew: no reading, not a negative one
		before := w.node("/shop/Rate").Time
		w.pass(10 * time.Second)
		if n := w.node("/shop/Rate"); n.Value.String() != "5" || !n.Time.Equal(before) {
			t.Errorf("after a reset the rate is %v of %v, want that of %v", n.Value, n.Time, before)
		}
		w.pass(10 * time.Second)
		w.is("/shop/Rate", "5", tree.Green)
	})
}

func TestFailureIsShownWhereNothingWasRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.fail("a", "connection refused")
		w.value("b", "other", 1)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		w.white("/shop/Value", "probe a: connection refused")
		w.white("/shop/Both", "no value of a.value")
		w.value("a", "value", 3)
		w.pass(25 * time.Second)
		w.is("/shop/Value", "3", tree.Green)
		w.fail("a", "connection refused")
		w.pass(11 * time.Second)
		w.is("/shop/Value", "3", tree.Green) // keeps its value until it is stale
		w.pass(2 * time.Minute)
		if n := w.node("/shop/Value"); n.Status != tree.White || strings.Contains(n.Reason, "refused") {
			t.Errorf("%s: %s", n.Status, n.Reason)
		}
		w.white("/shop/Both", "no value of a.value") // b goes on, but a is too old
		bean := `grove:type=RuntimeBean,instance="shop",name=a,kind=actor`
		if got := w.attribute(bean, "LastError"); got != "connection refused" {
			t.Errorf("LastError is %q", got)
		}
	})
}

// TestLackIsShownWhereNothingWasRead has a probe that runs well but brings nothing for a
// node, as a device does that lacks what a definition asks for.
func TestLackIsShownWhereNothingWasRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "count", 7)
		w.value("b", "other", 1)
		w.apply("shop.yaml", shop)
		w.pass(time.Second)
		w.white("/shop/Value", "no reading yet: probe a ran without one")
		w.fail("a", "connection refused")
		w.pass(11 * time.Second)
		w.white("/shop/Value", "probe a: connection refused")
		w.value("a", "count", 8)
		w.pass(11 * time.Second)
		w.white("/shop/Value", "no reading yet: probe a ran without one")
		w.value("a", "value", 3)
		w.pass(11 * time.Second)
		w.is("/shop/Value", "3", tree.Green)
	})
}

func TestPanicIsShown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.set("a", func(context.Context) (probe.Result, error) { panic("out of cheese") })
		w.apply("shop.yaml", shop)
		w.pass(time.Second)
		w.white("/shop/Value", "probe a: panic: out of cheese")
	})
}

func TestReloadLeavesAloneWhatDidNotChange(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 50)
		w.value("b", "other", 1)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		ref, _ := w.tree.Lookup(tree.MustPath("/shop/Value"))
		before := w.node("/shop/Value")
		if err := w.tree.SetThreshold(tree.MustPath("/shop/Twice"), &tree.Threshold{Yellow: tree.Level{Form: tree.Above, High: 10, OffHigh: 10}}); err != nil {
			t.Fatal(err)
		}
		w.apply("shop.yaml", strings.Replace(shop, "  State:", "  New: { from: b.other }\n  State:", 1))
		after, _ := w.tree.Lookup(tree.MustPath("/shop/Value"))
		n := w.node("/shop/Value")
		if ref != after || n.Value != before.Value || !n.Time.Equal(before.Time) || n.Spec != before.Spec {
			t.Errorf("an unchanged node was touched: %+v, before %+v", n, before)
		}
		if w.node("/shop/Twice").Status != tree.Yellow {
			t.Error("a tuned threshold did not outlive the reload")
		}
		// The loader makes and closes some to look at them; one must live on, and be the same.
		if made, closed := w.count(w.made, "a"), w.count(w.closed, "a"); made != closed+1 {
			t.Errorf("probe a was made %d times and closed %d times", made, closed)
		}
		if got := w.attribute(`grove:type=RuntimeBean,instance="shop",name=a,kind=actor`, "Runs"); got.(int64) < 2 {
			t.Errorf("the probe began anew: %v runs", got)
		}
		w.pass(11 * time.Second)
		w.is("/shop/New", "1", tree.Green)

		// Another threshold: the node keeps its value, and the new one holds at once.
		w.apply("shop.yaml", strings.Replace(shop, "> 100", "> 10", 1))
		w.is("/shop/Value", "50", tree.Red)
		w.absent("/shop/New")

		// Another kind of node is another node.
		w.apply("shop.yaml", strings.Replace(shop, `Value: { from: a.value, red: "> 100" }`, `Value: { Inner: { from: a.value } }`, 1))
		w.pass(11 * time.Second)
		w.is("/shop/Value/Inner", "50", tree.Green)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		w.is("/shop/Value", "50", tree.Green)

		// Nothing at all: all leaves, but what a program hung there.
		if _, err := w.tree.Add(tree.MustPath("/shop/mine"), &tree.Spec{Kind: tree.Performance}); err != nil {
			t.Fatal(err)
		}
		w.apply()
		w.absent("/shop/Value")
		w.absent("/grove/Definitions/shop")
		w.node("/shop/mine")
		runs := w.count(w.runs, "a")
		w.pass(time.Minute)
		if got := w.count(w.runs, "a"); got != runs {
			t.Errorf("%d runs after the instance left", got-runs)
		}
	})
}

func TestChangedProbeIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 1)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		w.apply("shop.yaml", strings.Replace(shop, "id: a, every: 10s", "id: a, rev: 2, every: 1s", 1))
		w.is("/shop/Value", "1", tree.Green)
		w.value("a", "value", 2)
		w.pass(3 * time.Second)
		w.is("/shop/Value", "2", tree.Green)
		if made, closed := w.count(w.made, "a"), w.count(w.closed, "a"); made != closed+1 {
			t.Errorf("%d made, %d closed: one is left", made, closed)
		}
	})
}

func TestMovedInstanceKeepsItsValues(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 7)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		ref, _ := w.tree.Lookup(tree.MustPath("/shop/Value"))
		w.apply("shop.yaml", strings.Replace(shop, "at: /shop", "at: /market/hall", 1))
		if moved, _ := w.tree.Lookup(tree.MustPath("/market/hall/Value")); moved != ref {
			t.Error("the node has another handle")
		}
		w.is("/market/hall/Value", "7", tree.Green)
		w.absent("/shop")
		w.value("a", "value", 8)
		w.pass(11 * time.Second)
		w.is("/market/hall/Value", "8", tree.Green)
	})
}

const other = `
grove: 1
application: other
at: /other
probes: { c: { kind: actor, id: c, every: 10s } }
tree: { Value: { from: c.value } }
`

func TestFailingConstructorKeepsTheOld(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 1)
		w.value("c", "value", 1)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		plan := w.load("shop.yaml", strings.ReplaceAll(shop, "every: 10s", "every: 1s"), "other.yaml", other)
		w.stage.mu.Lock()
		w.refuse["b"] = errors.New("no such device")
		w.stage.mu.Unlock()
		runs := w.count(w.runs, "a")
		err := w.binder.Apply(plan)
		want := "instance shop: shop.yaml:7:3: probe b: no such device"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		w.is("/grove/Definitions/shop", want, tree.Red)
		w.is("/grove/Definitions/other", "loaded", tree.Green)
		w.is("/shop/Value", "1", tree.Green)
		w.pass(20 * time.Second)
		if got := w.count(w.runs, "a") - runs; got != 2 {
			t.Errorf("%d runs in two old intervals", got)
		}
		w.is("/other/Value", "1", tree.Green)
		if made, closed := w.count(w.made, "a"), w.count(w.closed, "a"); made != closed+1 {
			t.Errorf("%d made, %d closed: one is left", made, closed)
		}
		s := w.binder.Stats()
		if s.Reload.OK || s.Reload.Errors != 1 || s.Reload.Error != want || s.Kept != 1 || s.Instances != 2 || s.Probes != 3 {
			t.Errorf("%+v", s)
		}
		if got := w.attribute("grove:type=Instance,name=shop", "state"); got != "kept" {
			t.Errorf("the instance is %v", got)
		}
		w.stage.mu.Lock()
		delete(w.refuse, "b")
		w.stage.mu.Unlock()
		if err := w.binder.Apply(plan); err != nil {
			t.Fatal(err)
		}
		w.is("/grove/Definitions/shop", "loaded", tree.Green)
		if s := w.binder.Stats(); !s.Reload.OK || s.Kept != 0 || s.Reload.Failures != 1 || s.Reload.Reloads != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestBadFileKeepsTheOldAndShowsItself(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 1)
		w.apply("shop.yaml", shop)
		w.pass(11 * time.Second)
		plan := w.load("shop.yaml", strings.Replace(shop, "from: a.value,", "from: a.velue,", 1), "x.yaml", "grove: 1\nuse: nothing\nat: /x\n")
		if err := w.binder.Apply(plan); err != nil {
			t.Fatal(err)
		}
		w.is("/shop/Value", "1", tree.Green)
		n := w.node("/grove/Definitions/shop")
		if n.Status != tree.Red || !strings.HasPrefix(n.Value.String(), `shop.yaml:9:18: probe "a" (actor) has no attribute "velue"`) {
			t.Errorf("%s: %s", n.Status, n.Value)
		}
		if n := w.node("/grove/Definitions/x"); n.Status != tree.Red || !strings.Contains(n.Value.String(), `"nothing"`) {
			t.Errorf("%s: %s", n.Status, n.Value)
		}
		w.value("a", "value", 2)
		w.pass(11 * time.Second)
		w.is("/shop/Value", "2", tree.Green)
		w.apply("shop.yaml", shop)
		w.is("/grove/Definitions/shop", "loaded", tree.Green)
		w.absent("/grove/Definitions/x")
	})
}

func TestConflictsNameBoth(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("c", "value", 1)
		w.apply("other.yaml", other)
		// Put together of plans that are right by themselves, since a loader would say it first.
		plan := w.load("other.yaml", other)
		plan.Instances = append(plan.Instances, w.load("shop.yaml", strings.Replace(shop, "at: /shop", "at: /other", 1)).Instances...)
		err := w.binder.Apply(plan)
		want := "instance shop: shop.yaml:2:1: node /other is there already: instance other makes it at other.yaml:2:1"
		if err == nil || !strings.Contains(err.Error(), "instance shop: ") || !strings.Contains(err.Error(), "node /other is there already: instance other makes it at other.yaml:") {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		w.pass(11 * time.Second)
		w.is("/other/Value", "1", tree.Green)

		// A node that a program made.
		if _, err := w.tree.Add(tree.MustPath("/shop/Twice"), &tree.Spec{Kind: tree.State}); err != nil {
			t.Fatal(err)
		}
		err = w.binder.Apply(w.load("other.yaml", other, "shop.yaml", shop))
		if err == nil || !strings.HasSuffix(err.Error(), ": add /shop/Twice: node exists already: a program made it") {
			t.Errorf("got %v", err)
		}
		w.absent("/shop/Value")
		w.is("/other/Value", "1", tree.Green)
	})
}

const disks = `
grove: 1
application: disks
at: /disks
probes: { d: { kind: actor, id: d, every: 10s }, a: { kind: actor, id: a, every: 10s } }
tree:
  First: { from: "d.disks[sda].used" }
  Each:
    "${row.name}":
      each: d.disks
      where: row.kind != "cdrom"
      Used: { from: row.used, red: "> 90" }
      Share: { value: row.used / 2 }
`

func TestRowsComeAndGo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rows("d", disk("sda", 10, "ssd"), disk("sr0", 1, "cdrom"))
		w.apply("disks.yaml", disks)
		w.pass(11 * time.Second)
		w.is("/disks/First", "10", tree.Green)
		w.is("/disks/Each/sda/Used", "10", tree.Green)
		w.is("/disks/Each/sda/Share", "5", tree.Green)
		w.absent("/disks/Each/sr0")
		ref, _ := w.tree.Lookup(tree.MustPath("/disks/Each/sda/Used"))

		w.rows("d", disk("sdb", 95, "ssd"), disk("sda", 20, "ssd"), disk("sr0", 1, "ssd"))
		w.pass(10 * time.Second)
		w.is("/disks/Each/sda/Used", "20", tree.Green)
		w.is("/disks/Each/sdb/Used", "95", tree.Red)
		w.is("/disks/Each/sr0/Used", "1", tree.Green)
		if now, _ := w.tree.Lookup(tree.MustPath("/disks/Each/sda/Used")); now != ref {
			t.Error("a row that stayed has another node")
		}

		// A reload keeps the rows, and gives them what is new.
		w.apply("disks.yaml", strings.Replace(disks, "> 90", "> 15", 1))
		w.is("/disks/Each/sda/Used", "20", tree.Red)
		if now, _ := w.tree.Lookup(tree.MustPath("/disks/Each/sda/Used")); now != ref {
			t.Error("the reload made another node")
		}

		w.fail("d", "busy") // a failed run removes nothing
		w.pass(10 * time.Second)
		w.is("/disks/Each/sdb/Used", "95", tree.Red)

		w.rows("d", disk("sda", 30, "ssd"))
		w.pass(30 * time.Second)
		w.is("/disks/Each/sda/Used", "30", tree.Red)
		w.is("/disks/Each/sda/Share", "15", tree.Green)
		w.absent("/disks/Each/sdb")
		w.absent("/disks/Each/sr0")

		w.rows("d")
		w.pass(11 * time.Second)
		w.absent("/disks/Each/sda")
		w.node("/disks/Each")
		if got := w.attribute("grove:type=Instance,name=disks", "nodes"); got != int64(3) {
			t.Errorf("%v nodes", got)
		}
	})
}

func TestRowsAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		rows := make([][]tree.Value, MaxRows+5)
		for k := range rows {
			rows[k] = disk(fmt.Sprint("d", k), 1, "ssd")
		}
		w.rows("d", rows...)
		w.apply("disks.yaml", disks)
		w.pass(2 * time.Second)
		w.is("/grove/Definitions/disks", "d.disks has 5 rows too many: more than 10000 are not shown", tree.Red)
		w.node("/disks/Each/d9999/Used")
		w.absent("/disks/Each/d10000")
		w.rows("d", disk("sda", 1, "ssd"), disk("sda", 2, "ssd"))
		w.pass(10 * time.Second)
		w.is("/grove/Definitions/disks", `d.disks has two rows with name "sda": the first is shown`, tree.Red)
		w.rows("d", disk("sda", 1, "ssd"))
		w.pass(10 * time.Second)
		w.is("/grove/Definitions/disks", "loaded", tree.Green)
	})
}

func TestRowInTheWaySpoilsNoOther(t *testing.T) {
	inWorld(t, func(w *world) {
		w.apply("disks.yaml", disks)
		if _, err := w.tree.Add(tree.MustPath("/disks/Each/sda"), &tree.Spec{Kind: tree.State}); err != nil {
			t.Fatal(err)
		}
		w.rows("d", disk("sda", 1, "ssd"), disk("sdb", 2, "ssd"))
		w.pass(11 * time.Second)
		w.is("/disks/Each/sdb/Used", "2", tree.Green)
		w.is("/grove/Definitions/disks", `row "sda" of d.disks: add /disks/Each/sda: node exists already: a program made it`, tree.Red)
	})
}

func TestRequestModeAsksAtMostOnceASecond(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 1)
		w.apply("r.yaml", `
grove: 1
application: r
at: /r
probes: { a: { kind: actor, id: a, mode: request } }
tree: { Value: { from: a.value }, Twice: { value: a.value * 2 } }
`)
		w.pass(time.Minute)
		if n := w.count(w.runs, "a"); n != 0 {
			t.Fatalf("%d runs though nobody looks", n)
		}
		for range 20 {
			w.tree.Look(tree.Root)
			w.pass(100 * time.Millisecond)
		}
		if n := w.count(w.runs, "a"); n < 1 || n > 2 {
			t.Errorf("%d runs in two seconds of looking", n)
		}
		w.is("/r/Value", "1", tree.Green)
		w.is("/r/Twice", "2", tree.Green)
		w.apply()
		w.tree.Look(tree.Root)
		if len(w.binder.asks) != 0 {
			t.Errorf("%d nodes that left are asked for", len(w.binder.asks))
		}
	})
}

func TestNotificationModeRunsWhenAnnounced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 1)
		w.apply("n.yaml", `
grove: 1
application: n
at: /n
probes: { a: { kind: actor, id: a, mode: notification } }
tree: { Value: { from: a.value } }
`)
		w.pass(time.Minute)
		w.is("/n/Value", "1", tree.Green) // what was there at the start
		var heard []string
		bean := beans.MustName(`grove:type=RuntimeBean,instance="n",name=a,kind=actor`)
		cancel, err := w.beans.Subscribe(bean, func(n beans.Notification) { heard = append(heard, n.Type) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		w.value("a", "value", 2)
		w.stage.mu.Lock()
		announce := w.announce["a"]
		w.stage.mu.Unlock()
		announce()
		w.pass(time.Second)
		w.is("/n/Value", "2", tree.Green)
		w.value("a", "value", 3)
		if _, err := w.beans.Invoke(w.Context(), bean, "announce"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.is("/n/Value", "3", tree.Green)
		w.fail("a", "gone")
		announce()
		w.pass(time.Second)
		announce()
		w.pass(time.Second)
		want := "grove.runtime.available grove.runtime.available grove.runtime.available grove.runtime.failed grove.runtime.available"
		if got := strings.Join(heard, " "); got != want {
			t.Errorf("heard %s\nwant  %s", got, want)
		}
	})
}

func TestPushedReadingsReachTheirNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		files := `
grove: 1
application: p
at: /p
probes: { box: { kind: push, attributes: { temperature: { type: number }, door: { type: text } } } }
tree:
  Temperature: { from: box.temperature, red: "> 30" }
  Fahrenheit: { value: box.temperature * 9 / 5 + 32 }
  Door: { from: box.door, states: { closed: green, open: yellow } }
`
		w.apply("p.yaml", files)
		box, err := w.boxes.Find("p", "box")
		if err != nil {
			t.Fatal(err)
		}
		put := func(attribute string, v tree.Value) {
			t.Helper()
			if err := box.Put(receive.Item{Attribute: attribute, Value: v, Time: time.Now()}); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Second)
		}
		put("temperature", tree.Number(40))
		put("door", tree.Text("open"))
		w.is("/p/Temperature", "40", tree.Red)
		w.is("/p/Fahrenheit", "104", tree.Green)
		w.is("/p/Door", "open", tree.Yellow)
		w.apply("p.yaml", strings.Replace(files, "application: p", "application: p\ntitle: P", 1))
		put("temperature", tree.Number(20))
		w.is("/p/Temperature", "20", tree.Green)
		w.apply()
		if _, err := w.boxes.Find("p", "box"); err == nil {
			t.Error("the mailbox is still there")
		}
	})
}

func TestStopWaitsForRunningProbes(t *testing.T) {
	inWorld(t, func(w *world) {
		ended := false
		w.set("a", func(ctx context.Context) (probe.Result, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return probe.Result{}, ctx.Err()
		})
		w.apply("shop.yaml", shop)
		w.pass(time.Second)
		if err := w.binder.Stop(w.Context()); err != nil {
			t.Fatal(err)
		}
		if !ended {
			t.Error("a run is under way after Stop")
		}
		if err := w.binder.Apply(w.load("shop.yaml", shop)); !errors.Is(err, ErrStopped) {
			t.Errorf("Apply after Stop: %v", err)
		}
	})
}

func TestRefreshRunsTheProbeBehindANodeWhateverItsMode(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 1)
		w.apply("r.yaml", `
grove: 1
application: r
at: /r
probes: { a: { kind: actor, id: a, every: 1h } }
tree: { Value: { from: a.value } }
`)
		w.pass(time.Minute)
		w.value("a", "value", 2)
		before := w.count(w.runs, "a")
		if err := w.binder.Refresh(w.node("/r/Value").Ref); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if n := w.count(w.runs, "a") - before; n != 1 {
			t.Errorf("%d runs", n)
		}
		w.is("/r/Value", "2", tree.Green)
		if err := w.binder.Refresh(w.node("/r").Ref); !errors.Is(err, ErrNoSource) {
			t.Errorf("a group: %v", err)
		}
	})
}

func TestTextFeedsALogLineByLine(t *testing.T) {
	inWorld(t, func(w *world) {
		texts := []string{"started", "started", "", "stopped"}
		w.set("a", func(context.Context) (r probe.Result, _ error) {
			r.Text("state", texts[min(w.count(w.runs, "a"), len(texts))-1])
			return r, nil
		})
		w.apply("l.yaml", `
grove: 1
application: l
at: /l
probes: { a: { kind: actor, id: a, every: 10s } }
tree: { Said: { from: a.state, kind: log } }
`)
		w.pass(time.Minute)
		events, err := w.tree.Events(tree.MustPath("/l/Said"))
		var lines []string
		for _, e := range events {
			lines = append(lines, e.Text)
		}
		if !slices.Equal(lines, []string{"started", "stopped"}) || err != nil {
			t.Error(lines, err)
		}
	})
}
