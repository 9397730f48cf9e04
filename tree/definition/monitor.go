package definition

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
)

// Monitor is a JMX monitor that the plan starts: it looks at an attribute of beans once
// every period and tells when it crosses thresholds.
type Monitor struct {
	Name string // unique in its instance
	Kind MonitorKind
	// Objects are the names of observed beans, or patterns of such.
	Objects []beans.Name
	// Nodes are the paths of observed nodes of the instance; "*" stands for any text.
	Nodes     []string
	Attribute string        // its name, or a dotted path into its value
	Every     time.Duration // the granularity period
	// Settings of a gauge: numbers, int64 or float64.
	High, Low any
	// Settings of a counter, likewise; nil for what is not said.
	Threshold, Offset, Modulus any
	Difference                 bool   // of gauges and counters: the change between two looks counts
	Match                      string // of a string monitor: the text to compare with
	// Notify lists what is told, sorted: of "high" and "low", "threshold", or "match" and
	// "differ".
	Notify []string
	// Log is the node of kind log that gets a line of everything that is told; the root
	// stands for none. Status says how bad the lines are, by the words of Notify and
	// "error"; what is not in it says nothing of the status.
	Log    tree.Path
	Status map[string]tree.Status
	Pos    source.Pos
}

// Equal says whether two monitors do the same.
func (m *Monitor) Equal(o *Monitor) bool {
	if m == o {
		return true
	}
	if m == nil || o == nil {
		return false
	}
	return m.Name == o.Name && m.Kind == o.Kind && slices.EqualFunc(m.Objects, o.Objects, beans.Name.Equal) && slices.Equal(m.Nodes, o.Nodes) &&
		m.Attribute == o.Attribute && m.Every == o.Every && m.High == o.High && m.Low == o.Low &&
		m.Threshold == o.Threshold && m.Offset == o.Offset && m.Modulus == o.Modulus &&
		m.Difference == o.Difference && m.Match == o.Match && slices.Equal(m.Notify, o.Notify) && m.Log == o.Log && maps.Equal(m.Status, o.Status)
}

// MonitorKind is the kind of a monitor.
type MonitorKind string

// The kinds of monitors.
const (
	GaugeMonitor   MonitorKind = "gauge"   // tells when a number rises to high or falls to low
	CounterMonitor MonitorKind = "counter" // tells when a count reaches a threshold, which moves on
	StringMonitor  MonitorKind = "string"  // tells when a text becomes, or ceases to be, another
)

// monitorNotify is what each kind can tell, sorted; monitorKeys the settings that it
// has of its own.
var (
	monitorNotify = map[MonitorKind][]string{GaugeMonitor: {"high", "low"}, CounterMonitor: {"threshold"}, StringMonitor: {"differ", "match"}}
	monitorKeys   = map[MonitorKind][]string{
		GaugeMonitor: {"high", "low", "difference"}, CounterMonitor: {"threshold", "offset", "modulus", "difference"}, StringMonitor: {"match"},
	}
)

// Bounds of monitors.
const (
	MaxMonitors      = 10_000 // of one plan
	maxMonitors      = 1_000  // of one definition
	maxObserved      = 10_000 // names and patterns of one monitor
	maxMonitorBytes  = 1024   // of an attribute, or of a text to compare with
	minMonitorPeriod = 100 * time.Millisecond
	// DefaultMonitorPeriod is how often a monitor looks that says nothing else.
	DefaultMonitorPeriod = 10 * time.Second
)

var monitorForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$`)

// makeMonitors makes the monitors of an instance, whose nodes are known.
func (x *expansion) makeMonitors(at tree.Path) (out []Monitor) {
	said := &x.def.monitors
	switch {
	case !said.Given():
		return nil
	case said.Kind != source.Map:
		x.errs.Add(said.Pos, "monitors is a map by name, not %s", said.Describe())
		return nil
	case len(said.Fields) > maxMonitors:
		x.errs.Add(said.Pos, "more than %d monitors", maxMonitors)
		return nil
	}
	for i := range said.Fields {
		r := monitorReader{expansion: x, field: &said.Fields[i], at: at}
		if m, ok := r.read(); ok {
			out = append(out, m)
		}
	}
	return out
}

// monitorReader reads one monitor.
type monitorReader struct {
	*expansion
	field *source.Field
	at    tree.Path
	vague map[string]bool // keys whose values only stand for others
	m     Monitor
}

// read returns the monitor; ok is false when it is in error, or when nothing that it
// observes is part of the instance.
func (r *monitorReader) read() (m Monitor, ok bool) {
	f := r.field
	if !monitorForm.MatchString(f.Key) {
		r.errs.Add(f.Pos, "monitor name %q: ASCII letters, digits, spaces, dots, - and _, beginning with a letter or a digit, at most 64", f.Key)
		return m, false
	}
	if f.Value.Kind != source.Map {
		r.errs.Add(f.Value.Pos, "monitor %q is a map of settings, not %s", f.Key, f.Value.Describe())
		return m, false
	}
	before := len(r.errs)
	own := source.Value{Kind: source.Map, Pos: f.Value.Pos}
	r.vague = map[string]bool{}
	for _, field := range f.Value.Fields {
		filled, sample, errs := fillValue(&field.Value, r.scope, false)
		r.errs.Append(errs...)
		if sample && r.check || len(errs) > 0 {
			r.vague[field.Key] = true
			continue
		}
		field.Value = filled
		own.Fields = append(own.Fields, field)
	}
	var s file.Monitor
	r.errs.Append(own.Decode(&s, source.DecodeOptions{What: "monitor " + quoted(f.Key)})...)
	r.m = Monitor{Name: f.Key, Every: DefaultMonitorPeriod, Pos: f.Pos}
	if !r.kind(&s) {
		return r.m, false
	}
	r.settings(&own)
	nodes := s.Node.Given() || r.vague["node"]
	r.objects(&s)
	r.nodesOf(&s)
	if !nodes && !s.Observe.Given() && !r.vague["observe"] {
		r.errs.Add(f.Pos, "monitor %q observes nothing", f.Key).WithHint("give it node, the path of a node, or observe, the name of a bean")
	}
	r.attribute(&s, nodes)
	r.fits(&s)
	r.times(&s)
	r.thresholds(&s)
	r.notify(&s)
	r.log(&s)
	return r.m, len(r.errs) == before && len(r.m.Objects)+len(r.m.Nodes) > 0
}

func (r *monitorReader) kind(s *file.Monitor) bool {
	kinds := []string{string(GaugeMonitor), string(CounterMonitor), string(StringMonitor)}
	if !s.Kind.Given() {
		if !r.vague["kind"] {
			r.errs.Add(r.field.Pos, "monitor %q has no kind", r.field.Key).WithHint("one of %s", strings.Join(kinds, ", "))
		}
		return false
	}
	text, bad := s.Kind.Str()
	if bad != nil {
		r.errs.Append(bad)
		return false
	}
	if !slices.Contains(kinds, text) {
		hint := source.DidYouMean(text, kinds)
		if hint == "" {
			hint = "one of " + strings.Join(kinds, ", ")
		}
		r.errs.Add(s.Kind.Pos, "unknown kind %q of monitor %q", text, r.field.Key).WithHint("%s", hint)
		return false
	}
	r.m.Kind = MonitorKind(text)
	return true
}

// settings complains about settings of other kinds.
func (r *monitorReader) settings(own *source.Value) {
	for i := range own.Fields {
		f := &own.Fields[i]
		for _, kind := range []MonitorKind{GaugeMonitor, CounterMonitor, StringMonitor} {
			if slices.Contains(monitorKeys[kind], f.Key) && !slices.Contains(monitorKeys[r.m.Kind], f.Key) {
				r.errs.Add(f.Pos, "%s has no meaning for a monitor of kind %s", f.Key, r.m.Kind).WithHint("it has %s", strings.Join(monitorKeys[r.m.Kind], ", "))
				break
			}
		}
	}
}

// objects reads the names of beans.
func (r *monitorReader) objects(s *file.Monitor) {
	for _, v := range r.texts(&s.Observe.Value, "observe") {
		name, err := beans.ParseName(v.Text)
		if err != nil {
			r.errs.Add(v.Pos, "observe: %w", err).WithHint(`as in "grove:type=Tree" or "java.lang:type=Memory,*"`)
			continue
		}
		if !slices.ContainsFunc(r.m.Objects, name.Equal) {
			r.m.Objects = append(r.m.Objects, name)
		}
	}
}

// nodesOf reads the paths of nodes. One that a condition leaves out is left out.
func (r *monitorReader) nodesOf(s *file.Monitor) {
	for _, v := range r.texts(&s.Node.Value, "node") {
		below, err := tree.ParsePath("/" + strings.TrimPrefix(v.Text, "/"))
		if err != nil {
			r.errs.Add(v.Pos, "node: %w", err)
			continue
		}
		p, err := r.at.Join(below)
		if err != nil {
			r.errs.Add(v.Pos, "node: %w", err)
			continue
		}
		if !strings.Contains(v.Text, "*") && !r.grows(p) {
			if r.check {
				r.noNode(v, r.at, below)
			}
			continue
		}
		if text := p.String(); !slices.Contains(r.m.Nodes, text) {
			r.m.Nodes = append(r.m.Nodes, text)
		}
	}
}

// fits says when the nodes have no value of the type that the monitor compares.
func (r *monitorReader) fits(s *file.Monitor) {
	if r.m.Attribute != "Value" {
		return
	}
	for i := range r.nodes {
		n := &r.nodes[i]
		if !slices.Contains(r.m.Nodes, n.Path.String()) {
			continue
		}
		below, _ := r.at.Below(n.Path)
		name := strings.TrimPrefix(below.String(), "/")
		number := n.Spec.Kind == tree.Performance
		text := n.Spec.Kind == tree.State || n.Spec.Kind == tree.TextKind
		switch {
		case number && r.m.Kind != StringMonitor || text && r.m.Kind == StringMonitor:
		case n.Spec.Kind == tree.Group:
			r.errs.Add(s.Node.Pos, "node %q is a group, which has no value", name).WithHint("name another attribute: attribute: Status")
		default:
			r.errs.Add(s.Node.Pos, "node %q is of kind %s, whose value a monitor of kind %s cannot compare", name, n.Spec.Kind, r.m.Kind)
		}
	}
}

// grows says whether the instance has a node, or may get it with rows.
func (x *expansion) grows(p tree.Path) bool {
	if slices.ContainsFunc(x.nodes, func(n Node) bool { return n.Path == p }) {
		return true
	}
	return slices.ContainsFunc(x.looped, func(parent tree.Path) bool { return parent != p && parent.Contains(p) })
}

func (x *expansion) noNode(v *source.Value, at, below tree.Path) {
	var known []string
	for i := range x.nodes {
		if p, ok := at.Below(x.nodes[i].Path); ok && !p.IsRoot() {
			known = append(known, strings.TrimPrefix(p.String(), "/"))
		}
	}
	text := strings.TrimPrefix(below.String(), "/")
	x.errs.Add(v.Pos, "the definition has no node %q", text).WithHint("%s", source.DidYouMean(text, known))
}

// texts returns a text, or those of a list.
func (r *monitorReader) texts(v *source.Value, what string) (out []*source.Value) {
	switch {
	case v.Pos.Line == 0 || v.Null:
		return nil
	case v.Kind == source.Map:
		r.errs.Add(v.Pos, "%s is a text or a list of texts, not a map", what)
		return nil
	case v.Kind == source.Scalar:
		return []*source.Value{v}
	case len(v.Items) > maxObserved:
		r.errs.Add(v.Pos, "%s names more than %d", what, maxObserved)
		return nil
	}
	for i := range v.Items {
		if _, bad := v.Items[i].Str(); bad != nil {
			r.errs.Append(bad)
			continue
		}
		out = append(out, &v.Items[i])
	}
	return out
}

func (r *monitorReader) attribute(s *file.Monitor, nodes bool) {
	switch {
	case s.Attribute.Given():
		text, bad := s.Attribute.Str()
		r.errs.Append(bad)
		if len(text) > maxMonitorBytes {
			r.errs.Add(s.Attribute.Pos, "attribute is longer than %d bytes", maxMonitorBytes)
		}
		r.m.Attribute = text
	case nodes && !s.Observe.Given():
		r.m.Attribute = "Value"
	case !r.vague["attribute"] && s.Observe.Given():
		r.errs.Add(r.field.Pos, "monitor %q has no attribute", r.field.Key).WithHint("the attribute of the beans that it observes: attribute: Value")
	}
}

func (r *monitorReader) times(s *file.Monitor) {
	if !s.Every.Given() {
		return
	}
	d, bad := s.Every.Duration()
	r.errs.Append(bad)
	if bad == nil && (d < minMonitorPeriod || d > MaxEvery) {
		r.errs.Add(s.Every.Pos, "a monitor looks every %s to %s, not %s", tree.FormatDuration(minMonitorPeriod), tree.FormatDuration(MaxEvery), tree.FormatDuration(d))
	}
	r.m.Every = d
}

// thresholds reads what the monitor compares with.
func (r *monitorReader) thresholds(s *file.Monitor) {
	m := &r.m
	if s.Difference.Given() {
		on, bad := s.Difference.Bool()
		r.errs.Append(bad)
		m.Difference = on
	}
	switch m.Kind {
	case GaugeMonitor:
		m.High, m.Low = r.number(&s.High), r.number(&s.Low)
		switch high, low := float(m.High), float(m.Low); {
		case m.High == nil && m.Low == nil:
			if !s.High.Given() && !s.Low.Given() && !r.vague["high"] && !r.vague["low"] {
				r.errs.Add(r.field.Pos, "monitor %q has no threshold", r.field.Key).WithHint("high, low or both")
			}
		case m.High == nil:
			m.High = m.Low
		case m.Low == nil:
			m.Low = m.High
		case high < low:
			r.errs.Add(s.High.Pos, "high %v is below low %v", m.High, m.Low)
		}
	case CounterMonitor:
		m.Threshold, m.Offset, m.Modulus = r.count(&s.Threshold, "threshold"), r.count(&s.Offset, "offset"), r.count(&s.Modulus, "modulus")
		if !s.Threshold.Given() && !r.vague["threshold"] {
			r.errs.Add(r.field.Pos, "monitor %q has no threshold", r.field.Key)
		}
	case StringMonitor:
		switch {
		case s.Match.Pos.Line > 0 && (s.Match.Given() || s.Match.Quoted):
			text, bad := s.Match.Str()
			r.errs.Append(bad)
			if len(text) > maxMonitorBytes {
				r.errs.Add(s.Match.Pos, "match is longer than %d bytes", maxMonitorBytes)
			}
			m.Match = text
		case !r.vague["match"]:
			r.errs.Add(r.field.Pos, "monitor %q has no match", r.field.Key).WithHint("the text to compare with: match: running")
		}
	}
}

// number reads an int64 or a float64; nil: there is none.
func (r *monitorReader) number(v *file.Text) any {
	if !v.Given() {
		return nil
	}
	if n, bad := v.Int(); bad == nil {
		return n
	}
	f, bad := v.Float()
	if bad != nil {
		r.errs.Append(bad)
		return nil
	}
	return f
}

// count reads a whole number that is not negative.
func (r *monitorReader) count(v *file.Text, what string) any {
	if !v.Given() {
		return nil
	}
	n, bad := v.Int()
	r.errs.Append(bad)
	if bad == nil && n < 0 {
		r.errs.Add(v.Pos, "%s is not negative, but %d is", what, n)
	}
	return n
}

func float(v any) float64 {
	switch n := v.(type) {
	case int64:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

// notify reads what is told: by default everything that the monitor has a threshold for.
func (r *monitorReader) notify(s *file.Monitor) {
	can := monitorNotify[r.m.Kind]
	if s.Notify.Pos.Line == 0 || s.Notify.Null {
		for _, word := range can {
			if r.m.Kind != GaugeMonitor || word == "high" && s.High.Given() || word == "low" && s.Low.Given() {
				r.m.Notify = append(r.m.Notify, word)
			}
		}
		return
	}
	for _, v := range r.texts(&s.Notify.Value, "notify") {
		if !slices.Contains(can, v.Text) {
			hint := source.DidYouMean(v.Text, can)
			if hint == "" {
				hint = "a " + string(r.m.Kind) + " tells " + strings.Join(can, ", ")
			}
			r.errs.Add(v.Pos, "a monitor of kind %s cannot tell %q", r.m.Kind, v.Text).WithHint("%s", hint)
			continue
		}
		if !slices.Contains(r.m.Notify, v.Text) {
			r.m.Notify = append(r.m.Notify, v.Text)
		}
	}
	slices.Sort(r.m.Notify)
}

// monitorError is the word for the errors of a monitor.
const monitorError = "error"

// log reads where the lines of the monitor go, and how bad they are.
func (r *monitorReader) log(s *file.Monitor) {
	r.statuses(s)
	if !s.Log.Given() {
		if s.Status.Given() && !r.vague["log"] {
			r.errs.Add(s.Status.Pos, "status says how bad the lines of a log are, but there is none").WithHint("give it log, the path of a node of kind log")
		}
		return
	}
	text, bad := s.Log.Str()
	if bad != nil {
		r.errs.Append(bad)
		return
	}
	below, err := tree.ParsePath("/" + strings.TrimPrefix(text, "/"))
	if err != nil {
		r.errs.Add(s.Log.Pos, "log: %w", err)
		return
	}
	p, err := r.at.Join(below)
	if err != nil {
		r.errs.Add(s.Log.Pos, "log: %w", err)
		return
	}
	k := slices.IndexFunc(r.nodes, func(n Node) bool { return n.Path == p })
	switch {
	case k < 0 && r.check:
		r.noNode(&s.Log.Value, r.at, below)
	case k < 0: // a condition leaves it out
	case r.nodes[k].Spec.Kind != tree.Log:
		r.errs.Add(s.Log.Pos, "node %q is of kind %s, not log", text, r.nodes[k].Spec.Kind)
	case r.nodes[k].Source != nil:
		r.errs.Add(s.Log.Pos, "log %q has a source already", text).WithHint("a log of its own: { kind: log }")
	default:
		r.m.Log = p
	}
}

// statuses reads how bad each line is.
func (r *monitorReader) statuses(s *file.Monitor) {
	if !s.Status.Given() {
		return
	}
	if s.Status.Kind != source.Map {
		r.errs.Add(s.Status.Pos, "status is a map such as { high: red, low: green }, not %s", s.Status.Describe())
		return
	}
	can := append(slices.Clone(monitorNotify[r.m.Kind]), monitorError)
	r.m.Status = make(map[string]tree.Status, len(s.Status.Fields))
	for i := range s.Status.Fields {
		f := &s.Status.Fields[i]
		if !slices.Contains(can, f.Key) {
			hint := source.DidYouMean(f.Key, can)
			if hint == "" {
				hint = "a " + string(r.m.Kind) + " tells " + strings.Join(can, ", ")
			}
			r.errs.Add(f.Pos, "unknown key %q in status", f.Key).WithHint("%s", hint)
			continue
		}
		status, bad := rule.ParseStatus(&f.Value)
		r.errs.Append(bad)
		r.m.Status[f.Key] = status
	}
}
