package whatif

import (
	"cmp"
	"fmt"
	"slices"

	"grove/tree/alert"
)

// maxMessages bounds the messages of an answer.
const maxMessages = 1000

// about is what the alerts of one message have in common.
type about struct {
	route, group, channel, to, purpose string
	step                               int
	after                              alert.Duration
}

// messages puts what is told of single alerts together into messages.
type messages struct {
	of    map[about]*SupposedMessage
	order []about
	more  bool
}

// add takes what would become of one alert.
func (m *messages) add(x *alert.Explanation) {
	if m.of == nil {
		m.of = map[about]*SupposedMessage{}
	}
	for _, t := range x.Told {
		group := ""
		if k := slices.IndexFunc(x.Routes, func(r alert.Routing) bool { return r.Route == t.Route }); k >= 0 {
			group = x.Routes[k].Group
		}
		key := about{t.Route, group, t.Channel, t.To, t.Purpose, t.Step, t.After}
		one := m.of[key]
		switch {
		case one != nil:
			one.Alerts++
		case len(m.order) >= maxMessages:
			m.more = true
		default:
			m.of[key] = &SupposedMessage{Route: t.Route, Channel: t.Channel, To: t.To, Title: x.Alert.Message, Group: group, Purpose: t.Purpose, After: t.After, Every: t.Every, Alerts: 1}
			m.order = append(m.order, key)
		}
	}
}

// list returns them in order of time. The title is the message of the gravest alert, and
// says how many there are besides.
func (m *messages) list(out *Supposed) []SupposedMessage {
	out.Truncated = out.Truncated || m.more
	list := make([]SupposedMessage, 0, len(m.order))
	for _, key := range m.order {
		one := *m.of[key]
		if one.Alerts > 1 {
			one.Title = fmt.Sprintf("%d alerts: %s", one.Alerts, one.Title)
		}
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(x, y SupposedMessage) int { return cmp.Compare(x.After, y.After) })
	return list
}
