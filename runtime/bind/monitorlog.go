package bind

import (
	"fmt"
	"strings"

	"grove/beans"
	"grove/beans/monitor"
	"grove/tree"
	"grove/tree/definition"
)

// line makes a line of a log of what a monitor told.
func line(m *definition.Monitor, n beans.Notification) (tree.Event, bool) {
	a, ok := n.Data.(monitor.Alarm)
	if !ok {
		return tree.Event{}, false
	}
	object, ok := a.ObservedObject.Text("path")
	if !ok {
		object = a.ObservedObject.String()
	}
	subject := a.ObservedAttribute + " of " + object
	if m.Difference {
		subject = "the change of " + subject
	}
	word, what := "", ""
	switch n.Type {
	case monitor.TypeGaugeHigh:
		word, what = "high", fmt.Sprintf("rose to %v, the high threshold is %v", a.DerivedGauge, a.Trigger)
	case monitor.TypeGaugeLow:
		word, what = "low", fmt.Sprintf("fell to %v, the low threshold is %v", a.DerivedGauge, a.Trigger)
	case monitor.TypeCounter:
		word, what = "threshold", fmt.Sprintf("reached %v, the threshold is %v", a.DerivedGauge, a.Trigger)
	case monitor.TypeTextMatches:
		word, what = "match", fmt.Sprintf("is %q", a.DerivedGauge)
	case monitor.TypeTextDiffers:
		word, what = "differ", fmt.Sprintf("is %q, not %q", a.DerivedGauge, a.Trigger)
	default:
		word, what = "error", "cannot be told: "+strings.TrimSuffix(n.Message, ".")
	}
	// Where nothing is said of the status the line is white.
	return tree.Event{Time: n.Time, Status: m.Status[word], Text: m.Name + ": " + subject + " " + what}, true
}

// fill writes what the monitor tells into the log that its definition names.
func (w *watcher) fill(t *tree.Tree) {
	if w.plan.Log.IsRoot() {
		return
	}
	w.bean.Subscribe(func(n beans.Notification) {
		e, ok := line(&w.plan, n)
		if !ok {
			return
		}
		if ref, there := t.Lookup(w.plan.Log); there {
			t.Report(tree.Report{Node: ref, Time: n.Time, Events: []tree.Event{e}})
		}
	}, nil)
}
