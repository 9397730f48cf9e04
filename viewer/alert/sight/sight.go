// Package sight says what somebody sees of alerts. An alert is seen by who sees its node;
// what it tells of other nodes, which he does not see, is taken out of it: the path and the
// words of what it is a consequence of, how many consequences it has, which routes would
// have taken others.
package sight

import (
	"fmt"
	"iter"
	"slices"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
)

// Eye is what one subject sees of alerts. It holds for one request: nodes that come later
// are seen as those that were there.
type Eye struct {
	guard *grant.Guard
	who   *grant.Subject
	sees  func(tree.Path) bool // nil: everything
	// missing are those that sees takes for seen though nothing is there.
	missing map[tree.Path]bool
}

// New opens the eye of a subject.
func New(g *grant.Guard, s *grant.Subject) *Eye {
	return &Eye{guard: g, who: s, sees: g.Remembering(s)}
}

// Expecting lets the eye see alerts of children that are missing, where it sees the group
// that expects them: whose they would be nobody can say, since they are not there. All are
// the alerts that are not resolved.
func (e *Eye) Expecting(all iter.Seq[*alert.Alert]) *Eye {
	// A grant without a customer is about what is not there, too.
	if e.Whole() || !slices.ContainsFunc(e.who.Grants, func(g grant.Grant) bool { return g.Customer != "" }) {
		return e
	}
	sees := e.sees
	missing := map[tree.Path]bool{}
	for a := range all {
		if a.Kind == alert.Missing && !sees(a.Path) && sees(a.Path.Parent()) {
			missing[a.Path] = true
		}
	}
	if len(missing) > 0 {
		e.missing = missing
		e.sees = func(p tree.Path) bool { return missing[p] || sees(p) }
	}
	return e
}

// Whole says whether everything is seen.
func (e *Eye) Whole() bool { return e.sees == nil }

// Sees says whether the alerts of a node are seen.
func (e *Eye) Sees(p tree.Path) bool { return e.sees == nil || e.sees(p) }

// Filter is Sees for alert.Query: nil when everything is seen.
func (e *Eye) Filter() func(tree.Path) bool { return e.sees }

// partial says whether something is hidden of what the node's status follows from.
func (e *Eye) partial(p tree.Path) bool { return !e.Whole() && e.guard.Partial(e.who, p) }

// Alert returns what is seen of an alert whose node is seen, but for the count of its
// consequences, which is left out unless everything is seen.
func (e *Eye) Alert(a alert.Alert) alert.Alert {
	if e.Whole() {
		return a
	}
	a.Consequences = 0
	partial := e.partial(a.Path) && !e.missing[a.Path] // What is said of that is about its group.
	if partial {
		a.Message, a.Value, a.Unit, a.Threshold = bare(&a), "", "", ""
	}
	said := ""
	if s := a.Suppression; s != nil {
		a.Suppression = e.suppression(&a)
		if a.Suppression == s {
			said = s.Text
		}
	}
	a.History = slices.Clone(a.History)
	for i := range a.History {
		switch step := &a.History[i]; {
		case step.By != "":
			// A person said it to all who see the alert.
		case partial, (step.What == alert.DidSuppress || step.What == alert.Released) && step.Text != said:
			step.Text = ""
		}
	}
	return a
}

// bare says what is wrong with a node, and nothing of what it follows from.
func bare(a *alert.Alert) string {
	switch a.Kind {
	case alert.Silence:
		return fmt.Sprintf("%s is silent", a.Path)
	case alert.Missing:
		return fmt.Sprintf("something that %s needs is missing", a.Path)
	}
	return fmt.Sprintf("%s is %s", a.Path, a.Status)
}

// suppression is what is seen of an alert's suppression: the same when that is all.
func (e *Eye) suppression(a *alert.Alert) *alert.Suppression {
	s := *a.Suppression
	switch {
	case e.Sees(s.At) && !e.partial(s.At):
		return a.Suppression
	case s.Reason == alert.ByMaintenance:
		s.Text = "maintenance"
		if s.Until != nil {
			s.Text += " until " + s.Until.UTC().Format("Mon 2 Jan 15:04 MST")
		}
	case s.Reason == alert.ByTwin:
		s.Text = "another manager watches it, too, and tells of it"
	case s.Reason == alert.ByWhole:
		s.Text = "a group above, which you may not see, alerts as a whole"
	default:
		s.Text = "something that you may not see has failed"
	}
	s.Cause, s.At, s.Hidden = 0, a.Path, true
	return &s
}

// Alerts returns what is seen of those alerts whose node is seen. The consequences of each
// are counted among all, unless everything is seen, which are many: they are walked through
// once, and only when one of the alerts has some.
func (e *Eye) Alerts(list []alert.Alert, all iter.Seq[*alert.Alert]) []alert.Alert {
	if e.Whole() {
		return list
	}
	out := make([]alert.Alert, 0, len(list))
	has := map[alert.ID]int{}
	for i := range list {
		if !e.Sees(list[i].Path) {
			continue
		}
		if list[i].Consequences > 0 {
			has[list[i].ID] = 0
		}
		out = append(out, e.Alert(list[i]))
	}
	if len(has) == 0 || all == nil {
		return out
	}
	for a := range all {
		if s := a.Suppression; s != nil && s.Cause != 0 {
			if n, ok := has[s.Cause]; ok && e.Sees(a.Path) {
				has[s.Cause] = n + 1
			}
		}
	}
	for i := range out {
		out[i].Consequences = has[out[i].ID]
	}
	return out
}

// plain are the conditions of routes that name no nodes and nobody.
var plain = []string{"status", "severity", "kind", "during", "not_during"}

// Explanation returns what is seen of an explanation of an alert whose node is seen: not
// the routes that do not take it, since those tell of other nodes and customers, and of the
// conditions of the others what the alert has.
func (e *Eye) Explanation(x alert.Explanation) alert.Explanation {
	if e.Whole() {
		return x
	}
	x.Alert = e.Alert(x.Alert)
	x.Routes = slices.DeleteFunc(slices.Clone(x.Routes), func(r alert.Routing) bool { return !r.Takes })
	for i := range x.Routes {
		r := &x.Routes[i]
		r.Text, r.Conditions = "", slices.Clone(r.Conditions)
		for k := range r.Conditions {
			switch c := &r.Conditions[k]; {
			case c.Name == "text":
				c.Want, c.Have = "", x.Alert.Message
			case !slices.Contains(plain, c.Name):
				c.Want = c.Have
			}
		}
	}
	return x
}
