package rule

import (
	"math"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition/source"
)

// Bounds of what is said of alerts.
const (
	minSilence     = time.Second
	maxSilence     = 400 * 24 * time.Hour
	maxAlertText   = 1024
	maxAtLeast     = math.MaxInt32
	alertForms     = "never, each, whole, or a map of rule, yellow, red, silence, event_type, probable_cause and repair"
	expectForms    = "a list of names of children, or { children: [a, b], at_least: 2 }"
	severityWords  = "indeterminate, warning, minor, major or critical"
	neverIsWritten = "never"
)

// AlertKeys are those of the map that says how a node alerts.
var AlertKeys = []string{"rule", "yellow", "red", "silence", "event_type", "probable_cause", "repair"}

// AlertRules are the words for which nodes alert.
var AlertRules = []string{tree.AlertNever.String(), tree.AlertEach.String(), tree.AlertWhole.String()}

// SeverityNames are the words for how grave an alert is.
var SeverityNames = func() (names []string) {
	for _, s := range tree.Severities {
		names = append(names, s.String())
	}
	return names
}()

// ParseAlert reads how a node alerts, and all below it: which nodes do, "never", "each" or
// "whole", or a map that says more.
func ParseAlert(v *source.Value, group bool, a *tree.Alerting) (errs source.Errors) {
	switch v.Kind {
	case source.List:
		errs.Add(v.Pos, "alert is %s, not a list", alertForms)
		return errs
	case source.Scalar:
		alertRule(v, group, a, &errs)
		return errs
	}
	for i := range v.Fields {
		f := &v.Fields[i]
		if f.Value.Null {
			continue
		}
		switch f.Key {
		case "rule":
			alertRule(&f.Value, group, a, &errs)
		case "yellow":
			a.Yellow = severity(&f.Value, &errs)
		case "red":
			a.Red = severity(&f.Value, &errs)
		case "silence":
			a.Silence = silence(&f.Value, &errs)
		case "event_type":
			a.EventType = eventType(&f.Value, &errs)
		case "probable_cause":
			a.ProbableCause = alertText(f, &errs)
		case "repair":
			a.Repair = alertText(f, &errs)
		default:
			e := errs.Add(f.Pos, "unknown key %q in alert", f.Key)
			if e.Hint = source.DidYouMean(f.Key, AlertKeys); e.Hint == "" {
				e.Hint = strings.Join(AlertKeys, ", ")
			}
		}
	}
	return errs
}

func alertRule(v *source.Value, group bool, a *tree.Alerting, errs *source.Errors) {
	text, bad := v.Str()
	if bad != nil {
		errs.Append(bad)
		return
	}
	rule, err := tree.ParseAlertRule(text)
	switch {
	case err != nil:
		e := errs.Add(v.Pos, "unknown rule of alerts %q", text)
		if e.Hint = source.DidYouMean(text, AlertRules); e.Hint == "" {
			e.Hint = alertForms
		}
	case rule == tree.AlertWhole && !group:
		errs.Add(v.Pos, "alert: only a group alerts as a whole").WithHint("an attribute alerts for itself: each, or never")
	default:
		a.Rule = rule
	}
}

func severity(v *source.Value, errs *source.Errors) tree.Severity {
	text, bad := v.Str()
	if bad != nil {
		errs.Append(bad)
		return tree.Cleared
	}
	s, err := tree.ParseSeverity(text)
	if err != nil || s == tree.Cleared {
		e := errs.Add(v.Pos, "unknown severity %q", text)
		if e.Hint = source.DidYouMean(text, SeverityNames); e.Hint == "" {
			e.Hint = severityWords
		}
		return tree.Cleared
	}
	return s
}

func silence(v *source.Value, errs *source.Errors) time.Duration {
	if text, bad := v.Str(); bad == nil && text == neverIsWritten {
		return -1
	}
	d, bad := v.Duration()
	if bad != nil {
		errs.Add(v.Pos, "silence is for how long a node may be white before that is alerted, such as 5m, or never; not %s", v.Describe())
		return 0
	}
	if d < minSilence || d > maxSilence {
		errs.Add(v.Pos, "silence is %s to %s, not %s", tree.FormatDuration(minSilence), tree.FormatDuration(maxSilence), tree.FormatDuration(d)).
			WithHint("silence: never alerts of none")
		return 0
	}
	return d
}

func eventType(v *source.Value, errs *source.Errors) string {
	text, bad := v.Str()
	if bad != nil {
		errs.Append(bad)
		return ""
	}
	if !tree.IsEventType(text) {
		e := errs.Add(v.Pos, "unknown event type %q of X.733", text)
		if e.Hint = source.DidYouMean(text, tree.EventTypes[:]); e.Hint == "" {
			e.Hint = strings.Join(tree.EventTypes[:], ", ")
		}
		return ""
	}
	return text
}

func alertText(f *source.Field, errs *source.Errors) string {
	text, bad := f.Value.Str()
	errs.Append(bad)
	switch {
	case len(text) > maxAlertText:
		errs.Add(f.Value.Pos, "%s is longer than %d bytes", f.Key, maxAlertText)
	case hasControl(text):
		errs.Add(f.Value.Pos, "%s holds a control character", f.Key)
	}
	return text
}

// ParseExpect reads which children a group must have: a name, a list of names, or a map
// of children and at_least.
func ParseExpect(v *source.Value, a *tree.Alerting) (errs source.Errors) {
	if v.Kind != source.Map {
		expectChildren(v, a, &errs)
		return errs
	}
	for i := range v.Fields {
		switch f := &v.Fields[i]; f.Key {
		case "children":
			expectChildren(&f.Value, a, &errs)
		case "at_least":
			n, bad := f.Value.Int()
			errs.Append(bad)
			if bad == nil && (n < 0 || n > maxAtLeast) {
				errs.Add(f.Value.Pos, "at_least is how many children a group has, not %d", n)
				continue
			}
			a.AtLeast = int(n)
		default:
			errs.Add(f.Pos, "unknown key %q in expect", f.Key).WithHint("children and at_least")
		}
	}
	return errs
}

func expectChildren(v *source.Value, a *tree.Alerting, errs *source.Errors) {
	items := v.Items
	switch {
	case v.Null:
		return
	case v.Kind == source.Scalar:
		items = []source.Value{*v}
	case v.Kind == source.Map:
		errs.Add(v.Pos, "expect is %s", expectForms)
		return
	}
	if len(items) > tree.MaxAlerting {
		errs.Add(v.Pos, "more than %d children that are expected", tree.MaxAlerting).WithHint("say how many there are: at_least")
		return
	}
	for i := range items {
		name, bad := items[i].Str()
		if bad != nil {
			errs.Append(bad)
			continue
		}
		if name == "" {
			continue // A variable that says nothing.
		}
		if err := tree.CheckName(name); err != nil {
			errs.Add(items[i].Pos, "expect: %w", err)
			continue
		}
		a.Expect = append(a.Expect, name)
	}
}
