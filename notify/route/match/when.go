// Package match says which alerts a route is for: the conditions of a route as the file
// has them, whether an alert meets them at a time, and which it does not meet.
package match

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/definition/source"
	"grove/tree/week"
)

// Bounds of conditions.
const (
	MaxItems        = 256  // of one list, or map
	MaxPatternBytes = 1024 // of one item, and of a regular expression
)

// Texts is a list of texts, of which one alone may be written without brackets.
type Texts []string

// UnmarshalSource implements source.Unmarshaler.
func (t *Texts) UnmarshalSource(v *source.Value) error {
	list, bad := v.Strings()
	if bad != nil {
		return bad
	}
	*t = list
	return nil
}

// When are the conditions of a route. An alert has to meet all that are there, and of a
// list one.
type When struct {
	Under      Texts             `yaml:"under,omitempty" json:"under,omitempty" jsonschema:"description=The node of this path and all below it; * stands for a name or a part of one."`
	Status     Texts             `yaml:"status,omitempty" json:"status,omitempty" jsonschema:"description=yellow or red; white for silence and what is missing."`
	Severity   Texts             `yaml:"severity,omitempty" json:"severity,omitempty" jsonschema:"description=indeterminate\\, warning\\, minor\\, major or critical; major.. is major and graver."`
	Kind       Texts             `yaml:"kind,omitempty" json:"kind,omitempty" jsonschema:"description=status\\, silence or missing."`
	Labels     map[string]string `yaml:"labels,omitempty" json:"labels,omitempty" jsonschema:"description=Labels of the metric of the node; * in a value stands for anything\\, and the empty value for none."`
	Properties map[string]string `yaml:"properties,omitempty" json:"properties,omitempty" jsonschema:"description=Properties that hold at the node; * in a value stands for anything\\, and the empty value for none."`
	Customer   Texts             `yaml:"customer,omitempty" json:"customer,omitempty" jsonschema:"description=Whose the node is; * stands for anything."`
	Instance   Texts             `yaml:"instance,omitempty" json:"instance,omitempty" jsonschema:"description=Name of the instance that grew the node; * stands for anything."`
	Text       string            `yaml:"text,omitempty" json:"text,omitempty" jsonschema:"description=Regular expression (RE2) that is found in the message of the alert."`
	During     Texts             `yaml:"during,omitempty" json:"during,omitempty" jsonschema:"description=Times of the week\\, such as Mon-Fri 08:00-18:00 Europe/Berlin."`
	NotDuring  Texts             `yaml:"not_during,omitempty" json:"notDuring,omitempty" jsonschema:"description=Times of the week in which the route is not for any alert."`
}

// test is one condition.
type test struct {
	name, want string
	have       func(a *alert.Alert, at time.Time) string
	ok         func(a *alert.Alert, at time.Time) bool
}

// Conditions are those of a When, ready for use from many goroutines.
type Conditions struct {
	tests      []test
	places     []place
	during     []week.Week
	notDuring  []week.Week
	onlyPlaces bool
}

// Compile makes the conditions ready. The errors are of package channel and say which
// option is wrong, "under[1]".
func (w *When) Compile() (*Conditions, error) {
	c := &Conditions{}
	m := maker{c: c}
	m.under(w.Under)
	c.onlyPlaces = true
	m.statuses(w.Status)
	m.severities(w.Severity)
	m.kinds(w.Kind)
	m.pairs("labels", w.Labels, func(a *alert.Alert) map[string]string { return a.Labels })
	m.pairs("properties", w.Properties, func(a *alert.Alert) map[string]string { return a.Properties })
	m.globs("customer", w.Customer, true, func(a *alert.Alert) []string { return a.Customers })
	m.globs("instance", w.Instance, false, func(a *alert.Alert) []string {
		if a.Instance == "" {
			return nil
		}
		return []string{a.Instance}
	})
	m.text(w.Text)
	c.during = m.weeks("during", w.During, false)
	c.notDuring = m.weeks("not_during", w.NotDuring, true)
	if m.err != nil {
		return nil, m.err
	}
	return c, nil
}

// Match says whether an alert meets all conditions at a time.
func (c *Conditions) Match(a *alert.Alert, at time.Time) bool {
	for i := range c.tests {
		if !c.tests[i].ok(a, at) {
			return false
		}
	}
	return true
}

// Explain says of each condition what it wants, what the alert has, and whether that is
// enough.
func (c *Conditions) Explain(a *alert.Alert, at time.Time) []alert.Condition {
	list := make([]alert.Condition, 0, len(c.tests))
	for i := range c.tests {
		t := &c.tests[i]
		list = append(list, alert.Condition{Name: t.name, Want: t.want, Have: t.have(a, at), OK: t.ok(a, at)})
	}
	return list
}

// Timed says whether it depends on the time whether an alert meets the conditions.
func (c *Conditions) Timed() bool { return len(c.during)+len(c.notDuring) > 0 }

// Open says whether the times of the week allow it at a time.
func (c *Conditions) Open(at time.Time) bool {
	return (len(c.during) == 0 || within(c.during, at)) && !within(c.notDuring, at)
}

// Concerns says whether the conditions may be met by an alert of a node, or of one below
// it; and whether every alert there meets them.
func (c *Conditions) Concerns(p tree.Path) (some, all bool) {
	if len(c.places) == 0 {
		return true, c.onlyPlaces
	}
	names := p.Names()
	for i := range c.places {
		switch {
		case c.places[i].contains(names):
			return true, c.onlyPlaces
		case c.places[i].below(names):
			some = true
		}
	}
	return some, false
}

// maker compiles; err is the first complaint.
type maker struct {
	c   *Conditions
	err error
}

func (m *maker) bad(option, format string, args ...any) {
	if m.err == nil {
		m.err = channel.BadOption(option, format, args...)
	}
}

func (m *maker) add(t test) {
	m.c.tests = append(m.c.tests, t)
	m.c.onlyPlaces = m.c.onlyPlaces && t.name == "under"
}

// item is the name of an option with the place in its list, which one item alone has not.
func item(option string, list Texts, i int) string {
	if len(list) == 1 {
		return option
	}
	return fmt.Sprintf("%s[%d]", option, i)
}

// bounds complains of a list that is too long, or of an item.
func (m *maker) bounds(option string, list Texts) bool {
	if len(list) > MaxItems {
		m.bad(option, "%d are more than the bound of %d", len(list), MaxItems)
		return false
	}
	for i, text := range list {
		if len(text) > MaxPatternBytes {
			m.bad(item(option, list, i), "%d bytes are more than the bound of %d", len(text), MaxPatternBytes)
			return false
		}
	}
	return len(list) > 0
}

func (m *maker) under(list Texts) {
	if !m.bounds("under", list) {
		return
	}
	for i, text := range list {
		p, err := tree.ParsePath(text)
		if err != nil {
			m.bad(item("under", list, i), "%w", err)
			return
		}
		m.c.places = append(m.c.places, newPlace(p))
	}
	m.add(test{"under", strings.Join(list, ", "),
		func(a *alert.Alert, _ time.Time) string { return a.Path.String() },
		func(a *alert.Alert, _ time.Time) bool {
			names := a.Path.Names()
			return slices.ContainsFunc(m.c.places, func(p place) bool { return p.contains(names) })
		}})
}

func (m *maker) statuses(list Texts) {
	if !m.bounds("status", list) {
		return
	}
	var wanted [len(tree.Statuses)]bool
	for i, text := range list {
		s, err := tree.ParseStatus(text)
		switch {
		case err != nil:
			m.bad(item("status", list, i), "%w", err)
			return
		case s == tree.Green:
			m.bad(item("status", list, i), "nobody is alerted of green: yellow, red, or white")
			return
		}
		wanted[s] = true
	}
	m.add(test{"status", strings.Join(list, ", "),
		func(a *alert.Alert, _ time.Time) string { return a.Status.String() },
		func(a *alert.Alert, _ time.Time) bool { return int(a.Status) < len(wanted) && wanted[a.Status] }})
}

// severities reads "major", "major..", "..minor" and "warning..minor".
func (m *maker) severities(list Texts) {
	if !m.bounds("severity", list) {
		return
	}
	var wanted [tree.Critical + 1]bool
	for i, text := range list {
		first, last, isRange := strings.Cut(text, "..")
		from, to := tree.Indeterminate, tree.Critical
		var err error
		if first != "" || !isRange {
			from, err = tree.ParseSeverity(first)
		}
		switch {
		case !isRange:
			to = from
		case last != "" && err == nil:
			to, err = tree.ParseSeverity(last)
		}
		switch {
		case err != nil:
			m.bad(item("severity", list, i), "%w; or a range, such as major..", err)
			return
		case from == tree.Cleared || to < from:
			m.bad(item("severity", list, i), "%q is no severity of an alert: the lesser stands first, as in warning..major", text)
			return
		}
		for s := from; s <= to; s++ {
			wanted[s] = true
		}
	}
	m.add(test{"severity", strings.Join(list, ", "),
		func(a *alert.Alert, _ time.Time) string { return a.Severity.String() },
		func(a *alert.Alert, _ time.Time) bool { return int(a.Severity) < len(wanted) && wanted[a.Severity] }})
}

func (m *maker) kinds(list Texts) {
	if !m.bounds("kind", list) {
		return
	}
	for i, text := range list {
		switch alert.Kind(text) {
		case alert.Status, alert.Silence, alert.Missing:
		default:
			m.bad(item("kind", list, i), "unknown kind of alerts %q: status, silence or missing", text)
			return
		}
	}
	m.add(test{"kind", strings.Join(list, ", "),
		func(a *alert.Alert, _ time.Time) string { return string(a.Kind) },
		func(a *alert.Alert, _ time.Time) bool { return slices.Contains(list, string(a.Kind)) }})
}

// pairs is a condition for each label or property, in the order of their names.
func (m *maker) pairs(option string, pairs map[string]string, of func(*alert.Alert) map[string]string) {
	if len(pairs) > MaxItems {
		m.bad(option, "%d are more than the bound of %d", len(pairs), MaxItems)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		text := pairs[name]
		if len(text) > MaxPatternBytes {
			m.bad(option+"."+name, "%d bytes are more than the bound of %d", len(text), MaxPatternBytes)
			return
		}
		glob := newGlob(text, false)
		want := text
		if want == "" {
			want = "none"
		}
		m.add(test{option + "." + name, want,
			func(a *alert.Alert, _ time.Time) string { return of(a)[name] },
			func(a *alert.Alert, _ time.Time) bool { return glob.matches(of(a)[name]) }})
	}
}

// globs wants one of the texts of an alert to look like one of a list.
func (m *maker) globs(option string, list Texts, fold bool, of func(*alert.Alert) []string) {
	if !m.bounds(option, list) {
		return
	}
	globs := make([]glob, len(list))
	for i, text := range list {
		if text = strings.TrimSpace(text); text == "" {
			m.bad(item(option, list, i), "it is empty")
			return
		}
		globs[i] = newGlob(text, fold)
	}
	m.add(test{option, strings.Join(list, ", "),
		func(a *alert.Alert, _ time.Time) string { return strings.Join(of(a), ", ") },
		func(a *alert.Alert, _ time.Time) bool {
			return slices.ContainsFunc(of(a), func(have string) bool {
				have = strings.TrimSpace(have)
				return slices.ContainsFunc(globs, func(g glob) bool { return g.matches(have) })
			})
		}})
}

func (m *maker) text(text string) {
	if text == "" {
		return
	}
	if len(text) > MaxPatternBytes {
		m.bad("text", "%d bytes are more than the bound of %d", len(text), MaxPatternBytes)
		return
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		m.bad("text", "%w", err)
		return
	}
	m.add(test{"text", text,
		func(a *alert.Alert, _ time.Time) string { return a.Message },
		func(a *alert.Alert, _ time.Time) bool { return pattern.MatchString(a.Message) }})
}

// weeks is the condition that the time is one of the list, or none of it.
func (m *maker) weeks(option string, list Texts, not bool) []week.Week {
	if !m.bounds(option, list) {
		return nil
	}
	weeks := make([]week.Week, len(list))
	for i, text := range list {
		var err error
		if weeks[i], err = week.Parse(text); err != nil {
			m.bad(item(option, list, i), "%w", err)
			return nil
		}
	}
	m.add(test{option, strings.Join(list, ", "),
		func(_ *alert.Alert, at time.Time) string { return weeks[0].In(at).Format("Mon 2006-01-02 15:04 MST") },
		func(_ *alert.Alert, at time.Time) bool { return within(weeks, at) != not }})
	return weeks
}

func within(weeks []week.Week, at time.Time) bool {
	for i := range weeks {
		if weeks[i].Contains(at) {
			return true
		}
	}
	return false
}
