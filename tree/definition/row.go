package definition

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"sync"

	"grove/tree"
	"grove/tree/definition/expression"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// rowGrower grows the nodes of the rows of one loop. It is safe for concurrent use.
type rowGrower struct {
	shape *shape
	place place
	row   *rowInfo
	base  *expansion

	mu         sync.Mutex // guards what follows
	built      map[builtKey]*built
	conditions map[conditionKey]*expression.Program
}

func (g *rowGrower) expand(row map[string]tree.Value) ([]Node, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.built) > maxCached || g.built == nil {
		g.built = map[builtKey]*built{}
		g.conditions = map[conditionKey]*expression.Program{}
	}
	x := &expansion{
		def: g.base.def, owner: g.base.owner, at: g.base.at, scope: g.base.scope, limit: MaxNodes,
		probes: g.base.probes, probeNames: g.base.probeNames, probeList: g.base.probeList,
		built: g.built, conditions: g.conditions,
	}
	p := g.place
	p.rowKey = row[g.row.key].String()
	value := variable.OfRow(row)
	if fields, ok := value.Any.(map[string]variable.Value); ok {
		for _, c := range g.row.table.Columns { // a cell that this row lacks is empty
			if _, ok := fields[c.Name]; !ok {
				fields[c.Name] = variable.Value{}
			}
		}
	}
	p.scope = p.scope.With("row", value)
	x.one(g.shape, p)
	if err := x.errs.Err(); err != nil {
		return nil, err
	}
	return x.nodes, nil
}

// Equal says whether two loops of instances at two places grow the same of the same
// rows.
func (l *Loop) Equal(o *Loop, at, otherAt tree.Path) bool {
	a, _ := at.Below(l.Parent)
	b, _ := otherAt.Below(o.Parent)
	return l.Probe == o.Probe && l.Table == o.Table && l.Key == o.Key && a == b && l.made == o.made
}

// makeup is equal for loops that grow the same: what is written below them, with the
// values of all that it can name and what is known of the probes.
func (x *expansion) makeup(s *shape, p place) string {
	h := sha256.New()
	var text strings.Builder
	s.write(&text)
	x.loopTexts = append(x.loopTexts, text.String())
	h.Write([]byte(text.String()))
	fmt.Fprintf(h, "%+v\x00", p.history)
	if strings.Contains(text.String(), `"depends_on":`) {
		fmt.Fprintf(h, "%s\x00", x.at) // Paths below the top are other ones elsewhere.
	}
	seen := map[string]bool{}
	for _, name := range p.scope.Names() {
		if v, ok := p.scope.Get(name); ok && !seen[name] {
			seen[name] = true
			fmt.Fprintf(h, "%s=%#v\x00", name, v.Plain())
		}
	}
	for _, probe := range x.probeList {
		fmt.Fprintf(h, "%s %s %d %d %d %+v\x00", probe.Name, probe.Kind, probe.Every, probe.Timeout, probe.Mode, probe.attributes)
	}
	return string(h.Sum(nil))
}

// write writes all that a shape is, without where it stands.
func (s *shape) write(w io.Writer) {
	fmt.Fprintf(w, "node %q where %q each %q {", s.name.String(), s.whereTxt.String(), s.eachText.String())
	if s.each != nil {
		writeValue(w, s.each)
	}
	for i := range s.settings {
		fmt.Fprintf(w, "%q:", s.settings[i].Key)
		writeValue(w, &s.settings[i].Value)
	}
	for _, f := range s.frames {
		fmt.Fprintf(w, "use %q", f.template.name)
		if f.with != nil {
			writeValue(w, f.with)
		}
		for _, p := range f.template.params {
			fmt.Fprintf(w, "%q %q", p.Name, p.Type)
			if p.Default != nil {
				fmt.Fprintf(w, "%#v", p.Default.Plain())
			}
		}
	}
	for _, c := range s.children {
		c.write(w)
	}
	fmt.Fprint(w, "}")
}

func writeValue(w io.Writer, v *source.Value) {
	switch v.Kind {
	case source.Scalar:
		fmt.Fprintf(w, "%q", v.Text)
	case source.List:
		fmt.Fprint(w, "[")
		for i := range v.Items {
			writeValue(w, &v.Items[i])
		}
		fmt.Fprint(w, "]")
	default:
		fmt.Fprint(w, "{")
		for i := range v.Fields {
			fmt.Fprintf(w, "%q:", v.Fields[i].Key)
			writeValue(w, &v.Fields[i].Value)
		}
		fmt.Fprint(w, "}")
	}
}

// used says which probes the instance needs: those that its nodes and loops read. Of a
// loop over rows that are not known yet, every probe counts that its text could name.
func (x *expansion) used() map[string]bool {
	used := map[string]bool{}
	for i := range x.nodes {
		switch s := x.nodes[i].Source; {
		case s == nil:
		case s.Value == nil:
			used[s.Probe] = true
		default:
			for _, ref := range s.Value.Refs() {
				used[ref.Probe] = true
			}
		}
	}
	for _, l := range x.loops {
		used[l.Probe] = true
	}
	for _, p := range x.probeList {
		for _, text := range x.loopTexts {
			used[p.Name] = used[p.Name] || mentions(text, p.Name)
		}
	}
	return used
}

// mentions says whether a text could name something of a probe: its name and a dot, not
// as the end of a longer name.
func mentions(text, probe string) bool {
	for rest := text; ; {
		i := strings.Index(rest, probe+".")
		if i < 0 {
			return false
		}
		if i == 0 || !variable.ValidName("a"+rest[i-1:i]) {
			return true
		}
		rest = rest[i+1:]
	}
}
