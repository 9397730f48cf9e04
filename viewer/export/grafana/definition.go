package grafana

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/outline"
	"grove/tree/metric"
)

// MaxPanels bounds the panels of a dashboard: nobody looks at more, and a browser could
// not show them.
const MaxPanels = 500

// maxAlternatives bounds the patterns in one query; beyond it the query asks for
// everything below.
const maxAlternatives = 100

// ErrTooLarge is wrapped by the error about a definition that needs more panels than
// MaxPanels.
var ErrTooLarge = errors.New("too many attributes for a dashboard")

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// UID is the stable identity of a definition's dashboard. Grafana takes 40 characters of
// letters, digits, - and _.
func UID(application string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '.' {
			return '-'
		}
		return r
	}, strings.ToLower(application))
	return "grove-app-" + clean[:min(len(clean), 30)]
}

// Dashboard makes the dashboard of a definition: rows for its groups, a chart for each
// performance attribute, state timelines for what has a status.
func Dashboard(d *definition.Definition) ([]byte, error) {
	top, err := outline.Of(d)
	if err != nil {
		return nil, fmt.Errorf("grafana: %w", err)
	}
	all := top.All()
	charts := 0
	for _, n := range all {
		if n.Spec.Kind == tree.Performance {
			charts++
		}
	}
	if charts > MaxPanels {
		return nil, fmt.Errorf("grafana: %w: definition %s has %d numbers, and a dashboard at most %d panels; nodes that are alike share one when a loop writes them", ErrTooLarge, d.Application, charts, MaxPanels)
	}
	title := cmp.Or(d.Title, d.Application)
	b := newBoard(UID(d.Application), title, cmp.Or(d.Description, "Instances of the definition "+d.Application+"."), d.Application)
	landmark, regex := instances(all)
	b.paths("instance", "Instance", "Where the instances hang in the tree.", landmark, regex, "")
	b.page()

	b.timeline("Status", "Status of each instance and of its parts.", selector(metric.Status, "(/[^/]+)?"), "", 8)
	var patterns, texts []string
	for _, n := range all {
		switch {
		case n.Colours():
			patterns = append(patterns, n.Pattern)
		case n.Spec.Kind == tree.TextKind:
			texts = append(texts, n.Title)
		}
	}
	if len(patterns) > 0 {
		b.list("Problems", "Nodes that are yellow or red now. A click on a path shows the node in grove.",
			selector(metric.Status, alternatives(patterns))+" >= 2", "Status", "No problem", true, gridWidth, 6)
	}
	b.section(title, slices.Collect(func(yield func(*outline.Node) bool) {
		for _, c := range top.Children {
			if c.Attribute() && !yield(c) {
				return
			}
		}
	}))
	for _, c := range top.Children {
		if !c.Attribute() {
			b.section(c.Title, c.All())
		}
	}
	b.row("About")
	b.words("About", about(d, texts), 4)
	return b.json()
}

// about is what people read about a dashboard.
func about(d *definition.Definition, texts []string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n\nMade by grove from the definition `%s`. Dashed lines are the definition's borders between green, yellow and red; an instance may have others, and hold times and hysteresis are not shown.", d.Description, d.Application)
	if len(texts) > 0 {
		fmt.Fprintf(&s, " Texts are on [grove's page](${grove}/): %s.", strings.Join(texts, ", "))
	}
	return strings.TrimSpace(s.String()) + "\n"
}

// section shows the attributes among nodes in a row of their own.
func (b *board) section(title string, nodes []*outline.Node) {
	var states []string
	var numbers []*outline.Node
	always := true
	for _, n := range nodes {
		switch n.Spec.Kind {
		case tree.State, tree.Log:
			states = append(states, n.Pattern)
			always = always && n.Always
		case tree.Performance:
			numbers = append(numbers, n)
		}
	}
	if len(states)+len(numbers) == 0 {
		return
	}
	b.row(title)
	if len(states) > 0 {
		b.timeline("States of "+title, "Status over time of what has a state or keeps a log.",
			selector(metric.Status, alternatives(states)), notHere(always), uint32(min(4+len(states), 12)))
	}
	for _, n := range numbers {
		b.chart(number(n, title))
	}
}

func notHere(always bool) string {
	if always {
		return ""
	}
	return "Not in these instances"
}

// number is the chart of a performance attribute.
func number(n *outline.Node, section string) chart {
	c := chart{
		title: shortTitle(n, section), legend: "{{path}}", width: 8,
		empty: notHere(n.Always), rename: shorten(n),
	}
	var seriesNames []string
	counters := true
	for _, m := range n.Metrics {
		spec := *n.Spec
		spec.Metric = m
		s := metric.SeriesOf(tree.Root, &spec)
		seriesNames = append(seriesNames, s.Name)
		counters = counters && strings.HasSuffix(s.Name, "_total")
	}
	slices.Sort(seriesNames)
	seriesNames = slices.Compact(seriesNames)
	first := metric.SeriesOf(tree.Root, n.Spec)
	unit := first.Unit
	c.expr = selector(seriesNames[0], n.Pattern)
	if len(seriesNames) > 1 {
		c.expr = fmt.Sprintf(`{__name__=~%s,path=~%s}`, quote(strings.Join(seriesNames, "|")), quote("$instance"+n.Pattern))
	}
	if counters {
		c.expr = "rate(" + c.expr + "[$__rate_interval])"
		unit = strings.TrimSuffix(unit, "/s") + "/s"
		if first.Unit == "bytes" || first.Unit == "seconds" {
			unit = map[string]string{"bytes": "bytes_per_second", "seconds": "ratio"}[first.Unit]
		}
		if first.Unit == "" {
			unit = "/s"
		}
	} else if !n.Varies {
		c.steps = steps(n.Spec.Threshold, first.Scale)
	}
	if len(n.Units) > 1 && unit == n.Spec.Unit {
		unit = "" // Each copy has another, and the series says which.
	}
	c.unit = unitName(unit)
	c.ratio = unit == "ratio"
	c.positive = c.ratio || unit == "%"
	c.description = describe(n, seriesNames)
	return c
}

// shortTitle is what a node is called in its section: without the names that differ
// between its copies, which stand in the legend.
func shortTitle(n *outline.Node, section string) string {
	var parts []string
	for part := range strings.SplitSeq(strings.TrimPrefix(n.Title, section+" / "), " / ") {
		if part != "*" {
			parts = append(parts, part)
		}
	}
	return cmp.Or(strings.Join(parts, " / "), section)
}

// describe says what a node is, in its own unit as the definition does.
func describe(n *outline.Node, series []string) string {
	var parts []string
	if n.Spec.Description != "" && !strings.Contains(n.Spec.Description, "${") {
		parts = append(parts, n.Spec.Description)
	}
	if t := n.Spec.Threshold; t != nil && !n.Varies {
		for _, l := range []struct {
			name  string
			level tree.Level
		}{{"Yellow", t.Yellow}, {"Red", t.Red}} {
			if text := l.level.String(); text != "" {
				parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s", l.name, withUnit(text, n.Spec.Unit)))+".")
			}
		}
	}
	return strings.Join(append(parts, "Series "+strings.Join(series, ", ")+"."), " ")
}

// withUnit puts the unit behind the number of a level, such as "> 90 for 5m".
func withUnit(level, unit string) string {
	if unit == "" {
		return level
	}
	number, rest, held := strings.Cut(level, " for ")
	if held {
		return number + " " + unit + " for " + rest
	}
	return number + " " + unit
}

// shorten makes of the path of a series where its instance is and what tells it apart
// from the others of the chart.
func shorten(n *outline.Node) [2]string {
	to := "$1"
	for i := range strings.Count(n.Pattern, outline.AnyName) {
		to += fmt.Sprintf(" $%d", i+2)
	}
	return [2]string{"^(.*)" + strings.ReplaceAll(n.Pattern, outline.AnyName, "("+outline.AnyName+")") + "$", to}
}

// selector asks for the series of a name below the chosen instances.
func selector(name, pattern string) string {
	return name + "{path=~" + quote("$instance"+pattern) + "}"
}

// alternatives is a pattern of any of some patterns.
func alternatives(patterns []string) string {
	if len(patterns) > maxAlternatives {
		return "/.*"
	}
	if len(patterns) == 1 {
		return patterns[0]
	}
	return "(" + strings.Join(patterns, "|") + ")"
}

// instances returns how the instances of a definition are found: by a series that each of
// them has, and what is to be cut from its path. A metric of the definition's own is the
// best landmark, since no other definition has it.
func instances(all []*outline.Node) (query, regex string) {
	var mark *outline.Node
	for _, n := range all {
		if !n.Always || !n.Attribute() {
			continue
		}
		if mark == nil {
			mark = n
		}
		if s := metric.SeriesOf(tree.Root, n.Spec); s.Name != metric.Value && n.Spec.Kind != tree.TextKind {
			return "label_values(" + s.Name + ", path)", cut(n)
		}
	}
	if mark == nil {
		mark = all[0]
	}
	return "label_values(" + metric.Status + "{path=~" + quote(".+"+mark.Pattern) + "}, path)", cut(mark)
}

// cut is the regular expression of JavaScript whose group is the path of the instance.
func cut(n *outline.Node) string {
	return "/^(.+)" + strings.ReplaceAll(n.Pattern, "/", `\/`) + "$/"
}
