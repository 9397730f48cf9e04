package template

import (
	"maps"
	"slices"

	"grove/notify/channel"
	"grove/tree/alert"
)

// Cleaned returns a copy of a message of which every text is Plain, and every text that is
// no prose OneLine: what goes to programs that may show it to people.
func Cleaned(m *channel.Message) *channel.Message {
	c := *m
	clean(OneLine, &c.Key, &c.Group, &c.Manager, &c.Route, &c.Title, &c.URL)
	clean(Plain, &c.Text)
	c.Purpose = channel.Purpose(OneLine(string(c.Purpose)))
	c.By = cleanMap(m.By)
	c.Alerts = slices.Clone(m.Alerts)
	for i := range c.Alerts {
		cleanAlert(&c.Alerts[i])
	}
	return &c
}

func cleanAlert(a *alert.Alert) {
	clean(OneLine, &a.Key, &a.Manager, &a.Message, &a.Value, &a.Unit, &a.Threshold, &a.Instance, &a.EventType, &a.ProbableCause, &a.Repair)
	a.Labels, a.Properties = cleanMap(a.Labels), cleanMap(a.Properties)
	a.Customers = slices.Clone(a.Customers)
	for i := range a.Customers {
		clean(OneLine, &a.Customers[i])
	}
	if a.Ack != nil {
		ack := *a.Ack
		clean(OneLine, &ack.By)
		clean(Plain, &ack.Comment)
		a.Ack = &ack
	}
	if a.Suppression != nil {
		s := *a.Suppression
		clean(Plain, &s.Text)
		a.Suppression = &s
	}
	a.History = slices.Clone(a.History)
	for i := range a.History {
		clean(OneLine, &a.History[i].By)
		clean(Plain, &a.History[i].Text)
	}
}

func clean(how func(string) string, texts ...*string) {
	for _, t := range texts {
		*t = how(*t)
	}
}

func cleanMap(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	c := make(map[string]string, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		c[OneLine(k)] = OneLine(m[k])
	}
	return c
}
