package app

import (
	"time"

	"grove/notify/book"
	"grove/notify/center"
	"grove/notify/outbox"
	"grove/notify/route"
	"grove/tree"
	"grove/tree/alert"
)

// alertCondition is how the alerts of the manager fare.
type alertCondition struct {
	counts map[alert.State]int
	book   book.Stats
	file   center.State
	routes route.Stats
	outbox outbox.Stats
}

func (a *App) alertCondition() alertCondition {
	c := a.alerts.center
	return alertCondition{counts: c.Book.Counts(nil), book: c.Book.Stats(), file: c.State(), routes: c.Router.Stats(), outbox: c.Outbox.Stats()}
}

// What nodes of the alerts say. Everything else is red.
const (
	noAlertsFile = "there is none: nobody is told"
	stoppedState = "stopped by somebody"
)

// fileState says how the file of alerts was read.
func (c *alertCondition) fileState() string {
	switch {
	case len(c.file.Errors) > 0:
		return c.file.Errors.Sorted()[0].Error()
	case c.file.Loaded.IsZero():
		return "opening"
	case !c.file.There:
		return noAlertsFile
	}
	return "working"
}

// outboxState says whether messages leave.
func (c *alertCondition) outboxState() string {
	switch {
	case c.outbox.Away != "":
		return c.outbox.Away
	case !c.outbox.Stopped.IsZero():
		return stoppedState
	}
	return "working"
}

// states is working with what else is not red.
func states(more map[string]tree.Status) *tree.Threshold {
	all := map[string]tree.Status{}
	for text, s := range working.States {
		all[text] = s
	}
	for text, s := range more {
		all[text] = s
	}
	return &tree.Threshold{States: all}
}

// alertShows are the nodes about alerts that every manager has.
var alertShows = []show{
	{"/grove/Alerts/State", tree.Spec{Kind: tree.State, Threshold: working, Description: "whether changes of status become alerts"}, func(c *condition) tree.Value {
		switch {
		case c.alerts.book.Err != nil:
			return tree.Text(c.alerts.book.Err.Error())
		case !c.alerts.book.Begun:
			return tree.Text("opening")
		}
		return tree.Text("working")
	}},
	{"/grove/Alerts/File", tree.Spec{Kind: tree.State, Threshold: states(map[string]tree.Status{noAlertsFile: tree.Green}), Description: "the file that says who hears of alerts; what it said before goes on while it is wrong"},
		func(c *condition) tree.Value { return tree.Text(c.alerts.fileState()) }},
	{"/grove/Alerts/Routes", tree.Spec{Kind: tree.State, Threshold: working, Description: "whether all is told that is to be told"}, func(c *condition) tree.Value {
		if c.alerts.routes.Err != nil {
			return tree.Text(c.alerts.routes.Err.Error())
		}
		return tree.Text("working")
	}},
	{"/grove/Alerts/Open", tree.Spec{Metric: "grove_alerts_open", Unit: "alerts", Description: "alerts that nobody has acknowledged"}, func(c *condition) tree.Value {
		return tree.Number(float64(c.alerts.counts[alert.Open]))
	}},
	{"/grove/Alerts/Acknowledged", tree.Spec{Metric: "grove_alerts_acknowledged", Unit: "alerts", Description: "alerts that somebody knows of"}, func(c *condition) tree.Value {
		return tree.Number(float64(c.alerts.counts[alert.Acknowledged]))
	}},
	{"/grove/Alerts/Suppressed", tree.Spec{Metric: "grove_alerts_suppressed", Unit: "alerts", Description: "alerts that follow from others, or lie in a maintenance"}, func(c *condition) tree.Value {
		return tree.Number(float64(c.alerts.counts[alert.Suppressed]))
	}},
	{"/grove/Alerts/Given up", tree.Spec{Metric: "grove_alerts_given_up_total", Unit: "alerts", Threshold: above(0, 1e6), Description: "alerts since the start that there was no room for"}, func(c *condition) tree.Value {
		return tree.Number(float64(c.alerts.book.GivenUp))
	}},
	{"/grove/Outbox/State", tree.Spec{Kind: tree.State, Threshold: states(map[string]tree.Status{stoppedState: tree.Yellow}), Description: "whether messages leave"}, ofOutbox(func(c *alertCondition) tree.Value {
		return tree.Text(c.outboxState())
	})},
	{"/grove/Outbox/Waiting", tree.Spec{Metric: "grove_outbox_waiting", Unit: "messages", Description: "messages that wait to be sent"}, ofOutbox(func(c *alertCondition) tree.Value {
		return tree.Number(float64(c.outbox.Total.Waiting))
	})},
	{"/grove/Outbox/Oldest", tree.Spec{Metric: "grove_outbox_oldest_seconds", Unit: "s", Threshold: above(300, 3600), Description: "age of the oldest message that waits to be sent"}, ofOutbox(func(c *alertCondition) tree.Value {
		return age(c.outbox.Total.Oldest)
	})},
	{"/grove/Outbox/Dead letters", tree.Spec{Metric: "grove_outbox_dead_letters", Unit: "messages", Threshold: above(0, 1e6), Description: "messages that could not be delivered: look at them, send them again or drop them"}, ofOutbox(func(c *alertCondition) tree.Value {
		return tree.Number(float64(c.outbox.Dead))
	})},
	{"/grove/Outbox/Refused", tree.Spec{Metric: "grove_outbox_refused_total", Unit: "messages", Threshold: above(0, 1e6), Description: "messages since the start for which the outbox had no room"}, ofOutbox(func(c *alertCondition) tree.Value {
		return total(c.outbox.Total.Refused)
	})},
	{"/grove/Outbox/Dropped", tree.Spec{Metric: "grove_outbox_dropped_total", Unit: "messages", Threshold: above(0, 1e6), Description: "messages since the start that made room for others"}, ofOutbox(func(c *alertCondition) tree.Value {
		return tree.Number(float64(c.outbox.Total.Dropped[outbox.DroppedForRoom]))
	})},
}

// ofOutbox says nothing before the outbox is read: that there are no dead letters yet, and
// then some, would be told to people at each start.
func ofOutbox(value func(c *alertCondition) tree.Value) func(*condition) tree.Value {
	return func(c *condition) tree.Value {
		if !c.alerts.book.Begun {
			return tree.Value{}
		}
		return value(&c.alerts)
	}
}

// age is how long ago something was; zero when there is nothing.
func age(at time.Time) tree.Value {
	if at.IsZero() {
		return tree.Number(0)
	}
	return tree.Number(max(0, time.Since(at).Seconds()))
}

func total[K comparable](counts map[K]uint64) tree.Value {
	var n uint64
	for _, k := range counts {
		n += k
	}
	return tree.Number(float64(n))
}

// channelsPath is below which each channel has a group.
var channelsPath = tree.MustPath("/grove/Outbox/Channels")

// channelShows are the nodes of one channel.
var channelShows = []struct {
	name  string
	spec  tree.Spec
	value func(s *outbox.ChannelStats) tree.Value
}{
	{"State", tree.Spec{Kind: tree.State, Threshold: states(map[string]tree.Status{stoppedState: tree.Yellow, throttledState: tree.Yellow}), Description: "whether messages arrive by this channel"}, func(s *outbox.ChannelStats) tree.Value {
		switch {
		case !s.Stopped.IsZero():
			return tree.Text(stoppedState)
		case s.LastErrorAt.After(s.LastSent):
			return tree.Text(s.LastError)
		case !s.Throttled.IsZero():
			return tree.Text(throttledState)
		}
		return tree.Text("working")
	}},
	{"Waiting", tree.Spec{Kind: tree.Performance, Unit: "messages", Description: "messages that wait to be sent"}, func(s *outbox.ChannelStats) tree.Value {
		return tree.Number(float64(s.Urgent.Waiting + s.Normal.Waiting + s.Bulk.Waiting))
	}},
	{"Sent", tree.Spec{Kind: tree.Performance, Unit: "messages", Description: "messages that were sent since the start"}, func(s *outbox.ChannelStats) tree.Value {
		return tree.Number(float64(s.Urgent.Sent + s.Normal.Sent + s.Bulk.Sent))
	}},
}

const throttledState = "throttled"

// showChannels makes the groups of channels that came, takes away those of channels that
// went, and returns the reports of all.
func (a *App) showChannels(c *condition) (reports []tree.Report) {
	said := map[string]*outbox.ChannelStats{}
	for _, s := range a.alerts.center.Settings().Channels {
		said[s.Name] = &outbox.ChannelStats{Channel: s.Name}
	}
	for i := range c.alerts.outbox.Channels {
		s := &c.alerts.outbox.Channels[i]
		if said[s.Channel] != nil {
			said[s.Channel] = s
		}
	}
	var ops []tree.Op
	type value struct {
		at tree.Path
		v  tree.Value
	}
	var values []value
	for name := range a.alerts.shown {
		if said[name] == nil {
			if p, err := channelsPath.Child(name); err == nil {
				ops = append(ops, tree.Remove(p))
			}
			delete(a.alerts.shown, name)
		}
	}
	for name, s := range said {
		p, err := channelsPath.Child(name)
		if err != nil {
			continue // Names of channels are checked when the file is read.
		}
		for _, n := range channelShows {
			at, err := p.Child(n.name)
			if err != nil {
				continue
			}
			if !a.alerts.shown[name] {
				spec := n.spec
				spec.Mode, spec.Source = tree.Push, "grove"
				ops = append(ops, tree.Add(at, &spec))
			}
			values = append(values, value{at, n.value(s)})
		}
		a.alerts.shown[name] = true
	}
	if len(ops) > 0 {
		if err := a.Tree.Change(ops...); err != nil {
			a.log.Error("the channels cannot be shown", "error", err)
		}
	}
	for _, v := range values {
		if r, ok := a.Tree.Lookup(v.at); ok {
			reports = append(reports, tree.Report{Node: r, Value: v.v})
		}
	}
	return reports
}
