// Package compose makes the message that tells of a group of alerts: its title in one
// line, its text, and as many of the alerts as there is room for.
package compose

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"grove/notify/channel"
	"grove/notify/route/grouping"
	"grove/tree"
	"grove/tree/alert"
)

// Content is what a message is to say.
type Content struct {
	Manager, URL, Route string
	Group               string // its identity
	Common              grouping.Common
	Purpose             channel.Purpose
	Time                time.Time
	// Standing are the alerts that are not over, Over those that are and were not told to
	// be; both are put in order. Others counts more that are over, of which no more is known.
	Standing, Over []*alert.Alert
	Others         int
	// Groups, unless zero, is how many groups there would be, had they not been too many.
	Groups int
	// Latest, unless nil, returns how an alert that the message shows is now.
	Latest func(*alert.Alert) *alert.Alert
	// After is for how long nobody has acknowledged, or for how long it stands.
	After time.Duration
}

// maxSteps is how much of the history of an alert is in a message.
const maxSteps = 4

// Message makes the message. Key and Sequence are for who counts.
func (c *Content) Message() *channel.Message {
	gravestFirst(c.Standing)
	gravestFirst(c.Over)
	if c.Latest != nil {
		shown := c.Standing[:min(len(c.Standing), channel.MaxAlerts)]
		for i, a := range shown {
			shown[i] = c.Latest(a)
		}
		gravestFirst(shown)
		c.Latest = nil // Another message of the same content shows the same.
	}
	m := &channel.Message{Group: c.Group, Purpose: c.Purpose, Time: c.Time.UTC(), Manager: c.Manager, Route: c.Route, By: c.Common,
		Status: tree.Green, Severity: tree.Cleared, Firing: len(c.Standing), Resolved: len(c.Over) + c.Others}
	if len(c.Standing) > 0 {
		m.Status = tree.White
		for _, a := range c.Standing {
			m.Status, m.Severity = max(m.Status, a.Status), max(m.Severity, a.Severity)
		}
	}
	m.Title, m.Text = c.title(m), c.text()
	if first := c.First(); first != nil && c.URL != "" {
		m.URL = c.URL + "/#/alerts?alert=" + first.ID.String()
	}
	base, err := json.Marshal(m)
	if err != nil {
		return m
	}
	size := len(base) + 1024 // There is room for what is filled in later.
	for _, list := range [][]*alert.Alert{c.Standing, c.Over} {
		for _, a := range list {
			if len(m.Alerts) == channel.MaxAlerts {
				return m
			}
			short := *a
			short.History = short.History[max(0, len(short.History)-maxSteps):]
			text, err := json.Marshal(&short)
			if size += len(text) + 1; err != nil || size > channel.MaxBytes {
				return m
			}
			m.Alerts = append(m.Alerts, short)
		}
	}
	return m
}

// First is the gravest alert, once the message is made; nil when none is known.
func (c *Content) First() *alert.Alert {
	switch {
	case len(c.Standing) > 0:
		return c.Standing[0]
	case len(c.Over) > 0:
		return c.Over[0]
	}
	return nil
}

// Place is the deepest node at and below which all alerts of the message lie; the root
// when there is none.
func (c *Content) Place() tree.Path {
	var common tree.Path
	first := true
	for _, list := range [...][]*alert.Alert{c.Standing, c.Over} {
		for _, a := range list {
			if first {
				common, first = a.Path, false
			}
			for !common.Contains(a.Path) {
				common = common.Parent()
			}
		}
	}
	return common
}

// gravestFirst puts alerts in order: those that nobody knows of before the others, then the
// gravest, then the oldest.
func gravestFirst(list []*alert.Alert) {
	rank := func(a *alert.Alert) int {
		switch a.State {
		case alert.Open:
			return 0
		case alert.Acknowledged:
			return 1
		}
		return 2
	}
	slices.SortFunc(list, func(a, b *alert.Alert) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), -cmp.Compare(a.Severity, b.Severity), -cmp.Compare(a.Status, b.Status),
			-cmp.Compare(a.Consequences, b.Consequences), cmp.Compare(a.ID, b.ID))
	})
}
