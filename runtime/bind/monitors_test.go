package bind

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/tree"
)

const watched = `
grove: 1
application: shop
at: /shop
probes:
  a: { kind: actor, id: a, every: 10s }
  b: { kind: actor, id: b, every: 10s }
tree:
  Value: { from: a.value, red: "> 100" }
  State: { from: b.state, states: { ok: green, "*": red } }
  Disks: { "${row.name}": { each: b.disks, Used: { from: row.used } } }
monitors:
  High: { kind: gauge, node: Value, high: 10, low: 5 }
  Count: { kind: counter, node: Value, threshold: 10, offset: 10 }
  Bad: { kind: string, node: State, match: ok }
  Runs: { kind: gauge, observe: 'grove:type=RuntimeBean,instance="shop",name=a,*', attribute: Runs, high: 4 }
  Disks: { kind: gauge, node: "Disks/*/Used", high: 90 }
`

const highName = "grove.monitor:type=GaugeMonitor,instance=shop,name=High"

// TestMonitorsWatchNodes lets readings cross the thresholds of all kinds of monitors.
func TestMonitorsWatchNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 7)
		w.set("b", states("ok", disk("sda", 50, "ssd")))
		w.apply("shop.yaml", watched)
		w.pass(15 * time.Second) // runs at up to 10 s, looks at 10 s
		w.pass(10 * time.Second)
		w.tells("Bad: string.matches /shop/State ok by ok")
		for name, want := range map[string]beans.Value{"Active": true, "HighThreshold": int64(10), "LowThreshold": int64(5), "NotifyHigh": true, "ObservedAttribute": "Value", "GranularityPeriod": int64(10_000)} {
			if got := w.attribute(highName, name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		w.value("a", "value", 25)
		w.pass(20 * time.Second)
		w.sorted("Count: counter.threshold /shop/Value 25 by 10", "High: gauge.high /shop/Value 25 by 10",
			`Runs: gauge.high grove:type=RuntimeBean,instance="shop",name=a,kind=actor 4 by 4`)
		w.set("b", states("broken", disk("sda", 50, "ssd"), disk("sdb", 95, "hdd")))
		w.value("a", "value", 3)
		w.pass(20 * time.Second)
		w.sorted("Bad: string.differs /shop/State broken by ok", "Disks: gauge.high /shop/Disks/sdb/Used 95 by 90", "High: gauge.low /shop/Value 3 by 5")
		w.set("b", states("broken", disk("sda", 91, "ssd")))
		w.pass(20 * time.Second)
		w.tells("Disks: gauge.high /shop/Disks/sda/Used 91 by 90") // and nothing of sdb, which is gone
		if got := w.attribute("grove:type=Instance,name=shop", "monitors"); strings.Join(got.([]string), " ") != "High Count Bad Runs Disks" {
			t.Errorf("the instance has the monitors %v", got)
		}
	})
}

// TestMonitorsOnReload holds which monitors keep their state.
func TestMonitorsOnReload(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 25)
		w.set("b", states("ok"))
		w.apply("shop.yaml", watched)
		w.pass(25 * time.Second)
		w.sorted("Bad: string.matches /shop/State ok by ok", "Count: counter.threshold /shop/Value 25 by 10", "High: gauge.high /shop/Value 25 by 10")
		// A client tunes one; the definition changes another, drops one, and adds one.
		if err := w.beans.SetAttribute(w.Context(), beans.MustName(highName), "NotifyLow", false); err != nil {
			t.Fatal(err)
		}
		next := strings.NewReplacer("offset: 10", "offset: 7", "  Bad:", "  Worse:", "  Runs: {", "  # Runs: {").Replace(watched)
		w.apply("shop.yaml", next)
		w.pass(15 * time.Second)
		w.sorted("Count: counter.threshold /shop/Value 25 by 10", "Worse: string.matches /shop/State ok by ok")
		if got := w.attribute(highName, "NotifyLow"); got != false {
			t.Error("a monitor that did not change was made anew")
		}
		for _, gone := range []string{"type=StringMonitor,instance=shop,name=Bad", "type=GaugeMonitor,instance=shop,name=Runs"} {
			if w.beans.IsRegistered(beans.MustName("grove.monitor:" + gone)) {
				t.Errorf("%s is registered", gone)
			}
		}
		w.apply("shop.yaml", strings.Replace(next, "at: /shop", "at: /store", 1))
		w.pass(25 * time.Second)
		w.sorted("Count: counter.threshold /store/Value 25 by 10", "High: gauge.high /store/Value 25 by 10", "Worse: string.matches /store/State ok by ok")
		w.apply("other.yaml", "grove: 1\napplication: other\nat: /other\ntree: { A: { kind: status } }\n")
		w.pass(time.Minute)
		w.tells()
		if names, err := w.beans.Query(w.Context(), beans.MustName("grove.monitor:*"), nil); err != nil || len(names) > 0 {
			t.Errorf("left: %v %v", names, err)
		}
	})
}

// TestMonitorThatCannotBe says so in the status of its instance, and others go on.
func TestMonitorThatCannotBe(t *testing.T) {
	inWorld(t, func(w *world) {
		w.value("a", "value", 25)
		w.set("b", states("ok"))
		if _, err := w.beans.Register(instanceBean{}, beans.MustName(highName)); err != nil {
			t.Fatal(err)
		}
		w.apply("shop.yaml", watched)
		w.pass(15 * time.Second)
		w.sorted("Bad: string.matches /shop/State ok by ok", "Count: counter.threshold /shop/Value 25 by 10")
		w.is("/grove/Definitions/shop", "monitor High: register "+beans.MustName(highName).Canonical()+": bean exists already", tree.Red)
		if err := w.beans.Unregister(beans.MustName(highName)); err != nil {
			t.Fatal(err)
		}
		w.apply("shop.yaml", watched)
		w.pass(15 * time.Second)
		w.sorted("High: gauge.high /shop/Value 25 by 10", `Runs: gauge.high grove:type=RuntimeBean,instance="shop",name=a,kind=actor 4 by 4`)
		w.is("/grove/Definitions/shop", "loaded", tree.Green)
	})
}

// TestMonitorsFillLogs compares the lines and what they make of the status of the log.
func TestMonitorsFillLogs(t *testing.T) {
	const definition = `
grove: 1
application: shop
at: /shop
probes:
  a: { kind: actor, id: a, every: 10s }
  b: { kind: actor, id: b, every: 10s }
tree:
  Value: { from: a.value }
  State: { from: b.state, states: { "*": green } }
  Alarms: { kind: log }
monitors:
  High: { kind: gauge, node: Value, high: 10, low: 5, log: Alarms, status: { high: red, low: green } }
  Rise: { kind: counter, node: Value, threshold: 10, difference: true, log: Alarms }
  Word: { kind: string, node: State, match: ok, log: Alarms }
  None: { kind: gauge, observe: "a:b=c", attribute: V, high: 1, log: Alarms, status: { error: yellow } }
`
	inWorld(t, func(w *world) {
		w.value("a", "value", 7)
		w.set("b", states("ok"))
		w.apply("shop.yaml", definition)
		see := func(status tree.Status, want ...string) {
			t.Helper()
			events, err := w.tree.Events(tree.MustPath("/shop/Alarms"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, e.Status.String()+" "+e.Text)
			}
			slices.Sort(got)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("the log (-want +got):\n%s", d)
			}
			if n := w.node("/shop/Alarms"); n.Status != status {
				t.Errorf("the log is %s, want %s", n.Status, status)
			}
			if err := w.tree.Reset(tree.MustPath("/shop/Alarms")); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(25 * time.Second)
		see(tree.Yellow, `white Word: Value of /shop/State is "ok"`, "yellow None: V of a:b=c cannot be told: The observed object must be accessible in the MBeanServerConnection")
		w.value("a", "value", 25)
		w.set("b", states("lost"))
		w.pass(20 * time.Second)
		see(tree.Red, "red High: Value of /shop/Value rose to 25, the high threshold is 10",
			"white Rise: the change of Value of /shop/Value reached 18, the threshold is 10", `white Word: Value of /shop/State is "lost", not "ok"`)
		w.value("a", "value", 5)
		w.pass(20 * time.Second)
		see(tree.Green, "green High: Value of /shop/Value fell to 5, the low threshold is 5")
	})
}
