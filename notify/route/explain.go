package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
)

// Explain says what would become of an alert that opens at a time: which routes take it and
// why the others do not, and who would be told when. It sends nothing.
func (r *Router) Explain(a alert.Alert, at time.Time) alert.Explanation {
	e := alert.Explanation{Alert: a, Routes: []alert.Routing{}, Told: []alert.Telling{}}
	routes := *r.routes.Load()
	if len(routes) == 0 {
		e.Routes = append(e.Routes, alert.Routing{Conditions: []alert.Condition{}, Text: "there are no routes, so nobody is told of any alert: write some into the file of alerts"})
		return e
	}
	quiet := silence(&a)
	by := "" // the route after which none is reached
	for _, rt := range routes {
		one := alert.Routing{Route: rt.Name, Conditions: rt.when.Explain(&a, at), Takes: rt.when.Match(&a, at)}
		var text []string
		switch {
		case by != "":
			one.Takes = false
			text = append(text, fmt.Sprintf("not reached, since route %q took it", by))
		case one.Takes:
			one.Group = rt.by.Of(&a).String()
			if quiet != "" {
				text = append(text, quiet)
			} else {
				var problems []string
				e.Told, problems = r.tellings(e.Told, rt, at)
				text = append(text, problems...)
			}
			if !rt.Continue {
				by = rt.Name
			}
		default:
			text = append(text, missing(one.Conditions))
		}
		one.Text = strings.Join(text, "; ")
		e.Routes = append(e.Routes, one)
	}
	slices.SortStableFunc(e.Told, func(a, b alert.Telling) int { return cmp.Compare(a.After, b.After) })
	return e
}

// silence is why nobody is told of an alert as it stands; empty: somebody is.
func silence(a *alert.Alert) string {
	switch {
	case a.State == alert.Suppressed && a.Suppression != nil:
		return "nobody is told while it is held back: " + a.Suppression.Text
	case a.State == alert.Suppressed:
		return "nobody is told while it is held back"
	case a.State == alert.Acknowledged && a.Ack != nil:
		return "nobody is told while it is acknowledged, by " + a.Ack.By
	case a.State == alert.Acknowledged:
		return "nobody is told while it is acknowledged"
	case a.State == alert.Resolved:
		return "it is over: who was told that it opened is told so"
	}
	return ""
}

// missing names the conditions that an alert does not meet.
func missing(conditions []alert.Condition) string {
	var names []string
	for _, c := range conditions {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return "it does not meet: " + strings.Join(names, ", ")
}

// tellings adds what a route would send, and returns what is wrong with its targets.
func (r *Router) tellings(list []alert.Telling, rt *route, at time.Time) (all []alert.Telling, problems []string) {
	tell := func(targets []string, after time.Duration, step int, purpose channel.Purpose, every time.Duration) {
		var done []string
		for _, target := range targets {
			channels, err := r.o.Resolve(target, at.Add(after))
			switch {
			case err != nil:
				problems = append(problems, fmt.Sprintf("%s: %v", target, err))
			case len(channels) == 0:
				problems = append(problems, fmt.Sprintf("%s has no channel %s after the opening", target, tree.FormatDuration(after)))
			}
			for _, name := range channels {
				if slices.Contains(done, name) {
					continue
				}
				done = append(done, name)
				to := target
				if to == name {
					to = ""
				}
				list = append(list, alert.Telling{Route: rt.Name, Channel: name, To: to, After: alert.Duration(after), Step: step, Purpose: string(purpose), Every: alert.Duration(every)})
			}
		}
	}
	tell(rt.To, rt.wait, 0, channel.Firing, rt.repeat)
	for i, s := range rt.Escalate {
		tell(s.To, max(time.Duration(s.After), rt.wait), i+1, channel.Escalation, 0)
	}
	return list, problems
}
