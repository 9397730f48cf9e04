package rules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/outline"
	"grove/tree/metric"
)

// Defaults of Options.
const (
	DefaultPage = "http://127.0.0.1:7440"
	DefaultFor  = time.Minute
)

// silentFor is how long nothing may be known of an instance before that is an alert.
const silentFor = 10 * time.Minute

// Options are what a definition does not say.
type Options struct {
	// Page is where grove's page is, for links; DefaultPage if it is empty.
	Page string
	// For is how long a status must last whose border the definition does not hold
	// itself, in whole seconds; DefaultFor if it is zero, negative for not at all.
	For time.Duration
}

func (o *Options) check() error {
	o.Page = cmp.Or(o.Page, DefaultPage)
	u, err := url.Parse(o.Page)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(o.Page, "{}") {
		return fmt.Errorf("rules: page %.200q is no http or https URL of grove, such as %s, without user, query and fragment", o.Page, DefaultPage)
	}
	o.Page = strings.TrimSuffix(o.Page, "/")
	if o.For == 0 {
		o.For = DefaultFor
	}
	o.For = max(o.For, 0)
	if o.For%time.Second != 0 {
		return fmt.Errorf("rules: %s are no whole seconds", o.For)
	}
	return nil
}

// file, group and rule are those of Prometheus (Configuration, "Alerting rules").
type file struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// The severities of alerts, by the status that they are for.
var severities = []struct {
	name string
	from tree.Status
}{{"warning", tree.Yellow}, {"critical", tree.Red}}

// The scopes of alerts.
const (
	ofInstance = "instance"
	ofGroup    = "group"
	ofNode     = "node"
)

// Prometheus makes the alert rules of a definition, for a file that rule_files names.
func Prometheus(d *definition.Definition, o Options) ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	top, err := outline.Of(d)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	m := maker{options: o, application: d.Application, title: plain(cmp.Or(d.Title, d.Application))}
	all := top.All()
	m.marks = marks(all)
	for _, n := range all {
		if n.Colours() || special(n) && (n.Pattern != "" || len(m.marks) > 0) {
			m.node(n)
		}
	}
	m.silence()
	return write(fmt.Sprintf("Alert rules of the definition %s, made by grove.", d.Application), file{Groups: []group{{Name: "grove-app-" + d.Application, Rules: m.rules}}})
}

// Overview makes the rules of the whole tree: recordings of how many attributes have
// which status, and alerts about grove itself.
func Overview(o Options) ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	own := func(name, severity, expr, wait, summary string) rule {
		return rule{Alert: name, Expr: expr, For: wait,
			Labels:      map[string]string{"severity": severity, "application": "grove", "scope": ofInstance},
			Annotations: map[string]string{"summary": summary, "link": o.Page + "/"},
		}
	}
	return write("Rules of the whole tree, made by grove.", file{Groups: []group{{Name: "grove-tree", Rules: []rule{
		{Record: "grove:attributes:count", Expr: "sum by (status) (" + metric.GroupNodes + `{path="/"})`},
		{Record: "grove:bad_attributes:ratio", Expr: "sum(" + metric.GroupNodes + `{path="/",status=~"yellow|red"}) / sum(` + metric.GroupNodes + `{path="/"})`},
		own("GroveNotScraped", "critical", "absent("+metric.Status+")", "5m", "Grove gives no metrics: nobody looks at anything"),
		own("GroveExportConflicts", "warning", "grove_export_conflicts > 0", "15m", "Metrics of {{ $value }} nodes cannot be exported by their names; grove's log says why"),
	}}}})
}

type maker struct {
	options            Options
	application, title string
	marks              []*outline.Node
	rules              []rule
}

// marks are the first and the last attribute that every instance has. What stands at
// their places below one path is taken for an instance of the definition.
func marks(all []*outline.Node) []*outline.Node {
	var found []*outline.Node
	for _, n := range all {
		if n.Always && n.Attribute() {
			found = append(found, n)
		}
	}
	if len(found) > 2 {
		found = []*outline.Node{found[0], found[len(found)-1]}
	}
	return found
}

// within keeps of the series at a pattern those below an instance, which has the marks
// as well.
func (m *maker) within(expr, pattern string) string {
	at := func(expr, pattern string) string {
		return fmt.Sprintf(`label_replace(%s, "at", "$1", "path", %s)`, expr, quote("(.+)"+pattern))
	}
	out := ""
	for _, mark := range m.marks {
		if mark.Pattern != pattern {
			out += " and on (at, job, instance) " + at(metric.Status+"{path=~"+quote(".+"+mark.Pattern)+"}", mark.Pattern)
		}
	}
	if out == "" {
		return expr
	}
	return at(expr, pattern) + out
}

// special holds for groups whose status says more than that of their worst child.
func special(n *outline.Node) bool {
	r := n.Spec.Rollup
	return n.Spec.Kind == tree.Group && r != nil && r.Rule != tree.Worst && r.Rule != tree.Best
}

// node makes the rules of a node: one for each status that it can have.
func (m *maker) node(n *outline.Node) {
	for _, s := range severities {
		held, can := reaches(n, s.from)
		if !can {
			continue
		}
		r := rule{
			Alert: m.name(n.Title), Expr: m.expr(n, s.from),
			Labels: m.labels(n, s.name),
			Annotations: map[string]string{
				"summary": fmt.Sprintf("%s: %s at {{ $labels.path }} is %s", m.title, plain(last(n)), colour(s.from)),
				"link":    m.link(),
			},
		}
		if text := m.describe(n, s.from); text != "" {
			r.Annotations["description"] = text
		}
		if n.Number {
			r.Annotations["value"] = value(n)
		}
		if !held && m.options.For > 0 {
			r.For = tree.FormatDuration(m.options.For)
		}
		m.rules = append(m.rules, r)
	}
}

func colour(s tree.Status) string {
	if s == tree.Yellow {
		return "yellow or worse"
	}
	return s.String()
}

// last is the name of a node for people; copies have their name in their path.
func last(n *outline.Node) string {
	parts := strings.Split(n.Title, " / ")
	for _, part := range slices.Backward(parts) {
		if part != "*" {
			return part
		}
	}
	return "a node"
}

// reaches says whether a node can have a status by itself, and whether the definition
// holds it until it lasts.
func reaches(n *outline.Node, s tree.Status) (held, can bool) {
	t := n.Spec.Threshold
	if n.Spec.Kind == tree.Group || n.Spec.Kind == tree.Log || t == nil {
		return false, true
	}
	for _, state := range t.States {
		if state == s {
			return false, true
		}
	}
	if n.Spec.Kind == tree.State {
		return false, len(t.States) == 0
	}
	// A node that can be red and never yellow needs no warning.
	level := t.Yellow
	if s == tree.Red {
		level = t.Red
	}
	return level.After > 0, level.Form != tree.Never
}

// expr asks for the nodes with a status. Where the readings are numbers the alert has
// the reading as its value, and the labels of its series.
func (m *maker) expr(n *outline.Node, s tree.Status) string {
	status := fmt.Sprintf("%s{path=~%s} >= %d", metric.Status, quote(".+"+n.Pattern), s)
	if s == tree.Red {
		status = fmt.Sprintf("%s{path=~%s} == %d", metric.Status, quote(".+"+n.Pattern), s)
	}
	if !n.Number {
		return m.within(status, n.Pattern)
	}
	var own []string
	for _, name := range n.Metrics {
		spec := *n.Spec
		spec.Metric = name
		own = append(own, metric.SeriesOf(tree.Root, &spec).Name)
	}
	slices.Sort(own)
	own = slices.Compact(own)
	series := fmt.Sprintf("%s{path=~%s}", own[0], quote(".+"+n.Pattern))
	if len(own) > 1 {
		series = fmt.Sprintf("{__name__=~%s,path=~%s}", quote(strings.Join(own, "|")), quote(".+"+n.Pattern))
	}
	if slices.Contains(own, metric.Value) {
		series = m.within(series, n.Pattern)
	}
	// Job and instance tell the nodes of two managers apart; grove's own interface has
	// neither.
	return series + " and on (path, job, instance) " + status
}

func (m *maker) labels(n *outline.Node, severity string) map[string]string {
	// Any text of a template's own would be cut at the path's end: names of nodes are
	// quoted in the pattern, and the pattern in the template.
	at := fmt.Sprintf("{{ reReplaceAll %s \"\" $labels.path }}", quote(n.Pattern+"$"))
	l := map[string]string{"severity": severity, "application": m.application, "scope": scope(n), "at": at}
	if l["scope"] == ofGroup {
		l["parent"] = "{{ $labels.path }}" // so that it goes before its children
	} else {
		l["parent"] = `{{ reReplaceAll "/[^/]+$" "" $labels.path }}`
	}
	return l
}

// scope says what an alert is about. The attribute "up" of a probe says whether the
// thing can be asked at all.
func scope(n *outline.Node) string {
	switch {
	case n.Spec.Kind == tree.Group:
		return ofGroup
	case n.Source != nil && n.Source.Value == nil && n.Source.Attribute == "up" && n.Source.Column == "" && n.Always:
		return ofInstance
	}
	return ofNode
}

func (m *maker) link() string { return m.options.Page + "/#node={{ $labels.path | urlquery }}" }

// describe says what the node is and where the border is by default.
func (m *maker) describe(n *outline.Node, s tree.Status) string {
	var parts []string
	if text := n.Spec.Description; text != "" && !n.Varies {
		parts = append(parts, plain(text))
	}
	if t := n.Spec.Threshold; t != nil && !n.Varies {
		level := t.Yellow
		if s == tree.Red {
			level = t.Red
		}
		if text := level.String(); text != "" {
			border, held, is := strings.Cut(text, " for ")
			if n.Spec.Unit != "" {
				border += " " + n.Spec.Unit
			}
			if is {
				border += " for " + held
			}
			parts = append(parts, fmt.Sprintf("By default it is %s when %s.", s, plain(border)))
		}
	}
	return strings.Join(parts, " ")
}

// plain keeps a text from being a template.
func plain(s string) string { return strings.NewReplacer("{{", "{ {", "}}", "} }").Replace(s) }

// value writes the reading for people, who know it in the node's own unit.
func value(n *outline.Node) string {
	s := metric.SeriesOf(tree.Root, n.Spec)
	switch s.Unit {
	case "ratio":
		return "{{ $value | humanizePercentage }}"
	case "seconds":
		return "{{ $value | humanizeDuration }}"
	case "bytes":
		return "{{ $value | humanize1024 }}B"
	case "bytes_per_second":
		return "{{ $value | humanize1024 }}B/s"
	case "":
		return `{{ printf "%.4g" $value }}`
	}
	return `{{ printf "%.4g" $value }} ` + plain(s.Unit)
}

// silence makes the rule about instances of which nothing is known: a node that is white
// colours nothing.
func (m *maker) silence() {
	for _, n := range m.marks {
		if n.Spec.Mode != tree.Timer || n.Source == nil {
			continue
		}
		labels := m.labels(n, "warning")
		labels["scope"] = ofInstance
		m.rules = append(m.rules, rule{
			Alert: m.name("silent"), Expr: m.within(fmt.Sprintf("%s{path=~%s} == 0", metric.Status, quote(".+"+n.Pattern)), n.Pattern), For: tree.FormatDuration(silentFor),
			Labels: labels,
			Annotations: map[string]string{
				"summary": fmt.Sprintf("%s: nothing is known of {{ $labels.path }}", m.title),
				"link":    m.link(),
			},
		})
		return
	}
}

// name makes the name of an alert: the application and the node in one word.
func (m *maker) name(title string) string {
	var out strings.Builder
	up := true
	for _, r := range m.application + " " + title {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			up = true
		case up:
			out.WriteRune(unicode.ToUpper(r))
			up = false
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// quote writes a text as a string of PromQL, which is one of templates, too.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func write(about string, content any) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("# " + about + "\n")
	d, err := yaml.NewDumper(&out, yaml.WithIndent(2), yaml.WithLineWidth(-1), yaml.WithCompactSeqIndent(false))
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	if err := errors.Join(d.Dump(content), d.Close()); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return out.Bytes(), nil
}
