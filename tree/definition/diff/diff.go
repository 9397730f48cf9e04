// Package diff says what a new plan would change in what an old one has grown: for
// people, who look before they reload, and for the binder, which touches only what
// changed.
package diff

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition"
)

// Changes is the difference of two plans, instance by instance, sorted by name.
// Instances that are equal are left out.
type Changes struct {
	Instances []Instance
}

// Instance is what becomes of one instance.
type Instance struct {
	Name string
	// Old is nil for an instance that is new, New for one that goes.
	Old, New *definition.Instance
	Nodes    []Node  // in the order of the new plan, removed ones last
	Probes   []Probe // likewise
	Monitors []Monitor
	Loops    bool // what the loops over rows grow may have changed: expand them again
}

// Moved says whether the instance hangs elsewhere: its nodes move as one.
func (d *Instance) Moved() bool { return d.Old != nil && d.New != nil && d.Old.At != d.New.At }

// Node is a node that comes, changes or goes; an instance that moves moves its nodes
// without listing them.
type Node struct {
	// Old is nil for a node that is new, New for one that goes.
	Old, New *definition.Node
	// Fields says what changed, for people: "yellow: > 500 -> > 600".
	Fields []string
	// Spec and Source say which of the two changed.
	Spec, Source bool
}

// Path is where the node is in the new plan, or was in the old one.
func (n *Node) Path() tree.Path {
	if n.New != nil {
		return n.New.Path
	}
	return n.Old.Path
}

// Probe is a probe that comes, changes or goes. One with the same Fingerprint goes on
// running.
type Probe struct {
	Old, New *definition.Probe
	Fields   []string
}

// Name is the name of the probe.
func (p *Probe) Name() string {
	if p.New != nil {
		return p.New.Name
	}
	return p.Old.Name
}

// Monitor is a monitor that comes, changes or goes.
type Monitor struct {
	Old, New *definition.Monitor
	Fields   []string
}

// Name is the name of the monitor.
func (m *Monitor) Name() string {
	if m.New != nil {
		return m.New.Name
	}
	return m.Old.Name
}

// Empty says whether nothing would change.
func (c *Changes) Empty() bool { return len(c.Instances) == 0 }

// Compare says what becomes of an old plan, which may be nil, by a new one. Instances
// that the new plan lacks only because of an error are left as they are (see
// definition.Plan.Keep).
func Compare(old, next *definition.Plan) Changes {
	var c Changes
	if old == nil {
		old = &definition.Plan{}
	}
	kept := map[string]bool{}
	for _, i := range next.Keep(old) {
		kept[i.Name] = true
	}
	for _, i := range next.Instances {
		before, _ := old.Instance(i.Name)
		d := compareInstance(i.Name, before, i)
		if before == nil || d.Moved() || d.Loops || len(d.Monitors) > 0 || len(d.Nodes) > 0 || len(d.Probes) > 0 {
			c.Instances = append(c.Instances, d)
		}
	}
	for _, i := range old.Instances {
		if _, stays := next.Instance(i.Name); !stays && !kept[i.Name] {
			c.Instances = append(c.Instances, compareInstance(i.Name, i, nil))
		}
	}
	slices.SortStableFunc(c.Instances, func(a, b Instance) int { return cmp.Compare(a.Name, b.Name) })
	return c
}

func compareInstance(name string, old, next *definition.Instance) Instance {
	d := Instance{Name: name, Old: old, New: next}
	before := &definition.Instance{}
	if old != nil {
		before = old
	}
	after := &definition.Instance{}
	if next != nil {
		after = next
	}
	d.nodes(before, after)
	d.probes(before, after)
	d.monitors(before, after)
	d.Loops = old != nil && next != nil && loopsDiffer(before, after)
	return d
}

// below is the path of a node below its instance, so that a moved instance compares.
func below(at tree.Path, n *definition.Node) tree.Path {
	p, _ := at.Below(n.Path)
	return p
}

func (d *Instance) nodes(before, after *definition.Instance) {
	olds := make(map[tree.Path]*definition.Node, len(before.Nodes))
	for i := range before.Nodes {
		olds[below(before.At, &before.Nodes[i])] = &before.Nodes[i]
	}
	for i := range after.Nodes {
		n := &after.Nodes[i]
		key := below(after.At, n)
		o, had := olds[key]
		delete(olds, key)
		if !had {
			d.Nodes = append(d.Nodes, Node{New: n})
			continue
		}
		spec, src := !o.Spec.Equal(n.Spec), !o.Source.Equal(n.Source)
		if spec || src {
			d.Nodes = append(d.Nodes, Node{Old: o, New: n, Spec: spec, Source: src, Fields: fields(o, n)})
		}
	}
	for i := range before.Nodes {
		n := &before.Nodes[i]
		if olds[below(before.At, n)] == n {
			d.Nodes = append(d.Nodes, Node{Old: n})
		}
	}
}

func (d *Instance) probes(before, after *definition.Instance) {
	olds := make(map[string]*definition.Probe, len(before.Probes))
	for i := range before.Probes {
		olds[before.Probes[i].Name] = &before.Probes[i]
	}
	for i := range after.Probes {
		p := &after.Probes[i]
		o, had := olds[p.Name]
		delete(olds, p.Name)
		switch {
		case !had:
			d.Probes = append(d.Probes, Probe{New: p})
		case o.Fingerprint != p.Fingerprint:
			d.Probes = append(d.Probes, Probe{Old: o, New: p, Fields: probeFields(o, p)})
		}
	}
	for i := range before.Probes {
		if p := &before.Probes[i]; olds[p.Name] == p {
			d.Probes = append(d.Probes, Probe{Old: p})
		}
	}
}

func (d *Instance) monitors(before, after *definition.Instance) {
	olds := make(map[string]*definition.Monitor, len(before.Monitors))
	for i := range before.Monitors {
		olds[before.Monitors[i].Name] = &before.Monitors[i]
	}
	for i := range after.Monitors {
		m := &after.Monitors[i]
		o, had := olds[m.Name]
		delete(olds, m.Name)
		switch {
		case !had:
			d.Monitors = append(d.Monitors, Monitor{New: m})
		case !o.Equal(m):
			if fields := monitorFields(o, m, before.At, after.At); len(fields) > 0 { // else it moves with its instance
				d.Monitors = append(d.Monitors, Monitor{Old: o, New: m, Fields: fields})
			}
		}
	}
	for i := range before.Monitors {
		if m := &before.Monitors[i]; olds[m.Name] == m {
			d.Monitors = append(d.Monitors, Monitor{Old: m})
		}
	}
}

// monitorFields says what differs between two monitors of instances at two places.
func monitorFields(o, n *definition.Monitor, at, next tree.Path) []string {
	var out []string
	field(&out, "kind", string(o.Kind), string(n.Kind))
	field(&out, "node", nodesBelow(o, at), nodesBelow(n, next))
	field(&out, "observe", objects(o), objects(n))
	field(&out, "attribute", o.Attribute, n.Attribute)
	field(&out, "every", duration(o.Every), duration(n.Every))
	for _, s := range []struct {
		name      string
		old, next any
	}{{"high", o.High, n.High}, {"low", o.Low, n.Low}, {"threshold", o.Threshold, n.Threshold}, {"offset", o.Offset, n.Offset}, {"modulus", o.Modulus, n.Modulus}} {
		field(&out, s.name, orNothing(s.old), orNothing(s.next))
	}
	field(&out, "difference", strconv.FormatBool(o.Difference), strconv.FormatBool(n.Difference))
	field(&out, "match", strconv.Quote(o.Match), strconv.Quote(n.Match))
	field(&out, "notify", strings.Join(o.Notify, ", "), strings.Join(n.Notify, ", "))
	field(&out, "log", logBelow(o, at), logBelow(n, next))
	field(&out, "status", states(o.Status), states(n.Status))
	return out
}

func nodesBelow(m *definition.Monitor, at tree.Path) string {
	names := make([]string, len(m.Nodes))
	for i, n := range m.Nodes {
		names[i] = strings.TrimPrefix(strings.TrimPrefix(n, at.String()), "/")
	}
	return strings.Join(names, ", ")
}

func logBelow(m *definition.Monitor, at tree.Path) string {
	p, _ := at.Below(m.Log)
	return strings.TrimPrefix(p.String(), "/")
}

func objects(m *definition.Monitor) string {
	names := make([]string, len(m.Objects))
	for i, n := range m.Objects {
		names[i] = n.String()
	}
	return strings.Join(names, ", ")
}

func orNothing(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// loopsDiffer says whether loops may grow other nodes: a loop is code and values, so
// it is compared by what it is made of.
func loopsDiffer(a, b *definition.Instance) bool {
	if len(a.Loops) != len(b.Loops) {
		return true
	}
	for i := range a.Loops {
		if !a.Loops[i].Equal(b.Loops[i], a.At, b.At) {
			return true
		}
	}
	return false
}

// field is one line of a difference.
func field(list *[]string, name, old, next string) {
	if old == next {
		return
	}
	say := func(s string) string {
		if s == "" {
			return "(none)"
		}
		return s
	}
	*list = append(*list, name+": "+say(old)+" -> "+say(next))
}

// fields says what differs between two nodes.
func fields(o, n *definition.Node) []string {
	var out []string
	a, b := o.Spec, n.Spec
	field(&out, "kind", a.Kind.String(), b.Kind.String())
	field(&out, "description", a.Description, b.Description)
	field(&out, "unit", a.Unit, b.Unit)
	thresholdFields(&out, orEmpty(a.Threshold), orEmpty(b.Threshold))
	field(&out, "rollup", rollup(a.Rollup), rollup(b.Rollup))
	field(&out, "as", edge(a.Edge), edge(b.Edge))
	field(&out, "weight", strconv.Itoa(max(1, int(a.Edge.Weight))), strconv.Itoa(max(1, int(b.Edge.Weight))))
	field(&out, "keep", number(float64(a.Keep)), number(float64(b.Keep)))
	field(&out, "mode", a.Mode.String(), b.Mode.String())
	field(&out, "metric", a.Metric, b.Metric)
	field(&out, "labels", labels(a.Labels), labels(b.Labels))
	field(&out, "history", history(a.History), history(b.History))
	field(&out, "properties", labels(a.Properties), labels(b.Properties))
	alertFields(&out, orQuiet(a.Alerting), orQuiet(b.Alerting))
	field(&out, "from", o.Source.String(), n.Source.String())
	x, y := orNone(o.Source), orNone(n.Source)
	field(&out, "every", duration(x.Every), duration(y.Every))
	changes := [...]string{"", "rate", "delta"}
	field(&out, "change", changes[x.Change], changes[y.Change])
	field(&out, "scale", number(x.Scale), number(y.Scale))
	if len(out) == 0 {
		out = append(out, "value: its parameters changed")
	}
	return out
}

func thresholdFields(out *[]string, a, b *tree.Threshold) {
	field(out, "yellow", a.Yellow.String(), b.Yellow.String())
	field(out, "red", a.Red.String(), b.Red.String())
	if a.Yellow.String() == b.Yellow.String() {
		field(out, "back of yellow", off(a.Yellow), off(b.Yellow))
	}
	if a.Red.String() == b.Red.String() {
		field(out, "back of red", off(a.Red), off(b.Red))
	}
	field(out, "states", states(a.States), states(b.States))
	field(out, "clear", duration(a.ClearAfter), duration(b.ClearAfter))
	field(out, "flap", flap(a.Flap), flap(b.Flap))
	field(out, "white", duration(a.StaleAfter), duration(b.StaleAfter))
}

func alertFields(out *[]string, a, b *tree.Alerting) {
	field(out, "alert", alert(a), alert(b))
	field(out, "vital", vital(a), vital(b))
	field(out, "depends_on", paths(a.DependsOn), paths(b.DependsOn))
	field(out, "expect", expect(a), expect(b))
}

func orQuiet(a *tree.Alerting) *tree.Alerting {
	if a == nil {
		return &tree.Alerting{}
	}
	return a
}

func alert(a *tree.Alerting) string {
	var parts []string
	add := func(name, text string) {
		if text != "" {
			parts = append(parts, strings.TrimSpace(name+" "+text))
		}
	}
	if a.Rule != tree.AlertInherit {
		add("", a.Rule.String())
	}
	if a.Yellow != tree.Cleared {
		add("yellow", a.Yellow.String())
	}
	if a.Red != tree.Cleared {
		add("red", a.Red.String())
	}
	switch {
	case a.Silence < 0:
		add("silence", "never")
	case a.Silence > 0:
		add("silence", tree.FormatDuration(a.Silence))
	}
	add("event type", a.EventType)
	for _, p := range [][2]string{{"probable cause", a.ProbableCause}, {"repair", a.Repair}} {
		if p[1] != "" {
			add(p[0], strconv.Quote(p[1]))
		}
	}
	return strings.Join(parts, " ")
}

// vital says how many groups above one fails.
func vital(a *tree.Alerting) string {
	switch a.Vital {
	case 0:
		return ""
	case 1:
		return "its group"
	}
	return fmt.Sprintf("the group %d above", a.Vital)
}

func paths(list []tree.Path) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}

func expect(a *tree.Alerting) string {
	text := strings.Join(a.Expect, ", ")
	if a.AtLeast > 0 {
		text = strings.TrimPrefix(text+"; at least "+strconv.Itoa(a.AtLeast), "; ")
	}
	return text
}

func orEmpty(t *tree.Threshold) *tree.Threshold {
	if t == nil {
		return &tree.Threshold{}
	}
	return t
}

func orNone(s *definition.Source) *definition.Source {
	if s == nil {
		return &definition.Source{}
	}
	return s
}

func off(l tree.Level) string {
	switch l.Form {
	case tree.Above:
		return fmt.Sprintf("at %v", l.OffHigh)
	case tree.Below:
		return fmt.Sprintf("at %v", l.OffLow)
	case tree.Outside, tree.Inside:
		return fmt.Sprintf("at %v and %v", l.OffLow, l.OffHigh)
	}
	return ""
}

func states(m map[string]tree.Status) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+" "+m[k].String())
	}
	return strings.Join(parts, ", ")
}

func labels(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+strconv.Quote(m[k]))
	}
	return strings.Join(parts, " ")
}

func history(h *tree.History) string {
	switch {
	case h == nil:
		return ""
	case h.Off:
		return "off"
	case h.Keep == 0:
		return "every " + tree.FormatDuration(h.Every)
	case h.Every == 0:
		return "keep " + tree.FormatDuration(h.Keep)
	}
	return "every " + tree.FormatDuration(h.Every) + " keep " + tree.FormatDuration(h.Keep)
}

func flap(f tree.Flap) string {
	if f.Changes == 0 {
		return ""
	}
	return fmt.Sprintf("%d changes in %s", f.Changes, f.Window)
}

func rollup(r *tree.Rollup) string {
	if r == nil {
		r = &tree.Rollup{}
	}
	s := r.Rule.String()
	for _, p := range []struct {
		name string
		v    float64
	}{{"green", r.Green}, {"yellow", r.Yellow}, {"red", r.Red}} {
		if p.v != 0 {
			s += fmt.Sprintf(" %s %v", p.name, p.v)
		}
	}
	if r.Cap != tree.White {
		s += " cap " + r.Cap.String()
	}
	if r.White != tree.KeepWhite {
		s += " white " + r.White.String()
	}
	return s
}

func edge(e tree.Edge) string {
	if e.Map == tree.FixedStatus {
		return "fixed " + e.Fixed.String()
	}
	return e.Map.String()
}

func number(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func duration(d time.Duration) string {
	if d != 0 {
		return tree.FormatDuration(d)
	}
	return ""
}

// probeFields says what differs between two probes. Options are named only: they may
// hold what not everybody should read.
func probeFields(o, n *definition.Probe) []string {
	var out []string
	field(&out, "kind", o.Kind, n.Kind)
	field(&out, "every", o.Every.String(), n.Every.String())
	field(&out, "timeout", o.Timeout.String(), n.Timeout.String())
	field(&out, "mode", o.Mode.String(), n.Mode.String())
	if len(out) == 0 {
		out = append(out, "options")
	}
	return out
}

// Print writes the changes for people, one a line: + comes, ~ changes, > moves, - goes.
func (c *Changes) Print(w io.Writer) error {
	p := printer{w: w}
	if c.Empty() {
		p.line("nothing would change")
		return p.err
	}
	var total [4]int
	for i := range c.Instances {
		c.Instances[i].print(&p, &total)
	}
	p.line("%d to add, %d to change, %d to move, %d to remove", total[0], total[1], total[2], total[3])
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// why says which row an instance was made of.
func why(i *definition.Instance) string {
	if i.Why == "" {
		return ""
	}
	return ": " + i.Why
}

func (d *Instance) print(p *printer, total *[4]int) {
	switch {
	case d.Old == nil:
		p.line("+ instance %s (%s) at %s%s", d.Name, d.New.Application, d.New.At, why(d.New))
	case d.New == nil:
		p.line("- instance %s (%s) at %s", d.Name, d.Old.Application, d.Old.At)
	case d.Moved():
		p.line("> instance %s (%s) moves from %s to %s", d.Name, d.New.Application, d.Old.At, d.New.At)
		total[2] += len(d.New.Nodes)
	default:
		p.line("~ instance %s (%s) at %s%s", d.Name, d.New.Application, d.New.At, why(d.New))
	}
	for i := range d.Probes {
		pr := &d.Probes[i]
		switch {
		case pr.Old == nil:
			p.line("  + probe %s (%s every %s)", pr.Name(), pr.New.Kind, pr.New.Every)
		case pr.New == nil:
			p.line("  - probe %s (%s)", pr.Name(), pr.Old.Kind)
		default:
			p.line("  ~ probe %s: %s", pr.Name(), strings.Join(pr.Fields, "; "))
		}
	}
	for i := range d.Monitors {
		m := &d.Monitors[i]
		switch {
		case m.Old == nil:
			p.line("  + monitor %s (%s every %s)", m.Name(), m.New.Kind, m.New.Every)
		case m.New == nil:
			p.line("  - monitor %s (%s)", m.Name(), m.Old.Kind)
		default:
			p.line("  ~ monitor %s: %s", m.Name(), strings.Join(m.Fields, "; "))
		}
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		switch {
		case n.Old == nil:
			total[0]++
			p.line("  + %s", n.Path())
		case n.New == nil:
			total[3]++
			p.line("  - %s", n.Path())
		default:
			total[1]++
			p.line("  ~ %s: %s", n.Path(), strings.Join(n.Fields, "; "))
		}
	}
	if d.Loops {
		p.line("  ~ nodes of discovered rows are looked at again")
	}
}
