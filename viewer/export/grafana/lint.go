package grafana

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Problem is what is wrong with a dashboard.
type Problem struct {
	Rule string // which of the rules of Lint
	Text string
}

// String writes "rule: text".
func (p Problem) String() string { return p.Rule + ": " + p.Text }

// register makes the SDK know the panels and queries that grove uses: it decodes others
// without looking at them.
var register = sync.OnceFunc(func() {
	r := cog.NewRuntime()
	r.RegisterPanelcfgVariant(timeseries.VariantConfig())
	r.RegisterPanelcfgVariant(statetimeline.VariantConfig())
	r.RegisterPanelcfgVariant(stat.VariantConfig())
	r.RegisterPanelcfgVariant(table.VariantConfig())
	r.RegisterPanelcfgVariant(text.VariantConfig())
	r.RegisterDataqueryVariant(prometheus.VariantConfig())
})

// uidForm is the form of identities: those of grove begin with its name, and Grafana
// takes 40 characters.
var uidForm = regexp.MustCompile(`^grove-[a-z0-9_-]{1,34}$`)

// Lint says what is wrong with a dashboard. Parse says whether an expression is PromQL;
// the parser is not this package's.
//
//	schema       it is a dashboard of the classic model, and nothing in it is unknown
//	identity     a stable uid of grove's; no id, no version; the tag grove; a description
//	datasource   every panel, query and variable uses ${datasource}, which is a variable
//	panel        has a title, a description, a unit, an identity of its own; a type that is known
//	layout       panels lie on the grid and not on each other
//	query        has an expression that parses, a letter of its own, a legend or a table
//	variable     every variable that is used is there, and every one that is there is used
func Lint(text []byte, parse func(expr string) error) []Problem {
	var l linter
	l.schema(text)
	if err := json.Unmarshal(text, &l.model); err != nil {
		return append(l.problems, Problem{"schema", err.Error()})
	}
	l.identity()
	l.variables(text)
	for _, p := range l.model.all() {
		l.panel(p)
		for _, t := range p.Targets {
			l.query(p, t, parse)
		}
	}
	l.layout()
	return l.problems
}

type linter struct {
	model    model
	problems []Problem
	ids      map[int]string
}

func (l *linter) add(rule, format string, args ...any) {
	l.problems = append(l.problems, Problem{rule, fmt.Sprintf(format, args...)})
}

// schema decodes strictly, queries and options of panels included.
func (l *linter) schema(text []byte) {
	register()
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict(text); err != nil {
		l.add("schema", "%v", err)
		return
	}
	if err := d.Validate(); err != nil {
		l.add("schema", "%v", err)
	}
}

func (l *linter) identity() {
	m := &l.model
	if !uidForm.MatchString(m.UID) {
		l.add("identity", "uid %q is not grove-… in small letters, digits, - and _, at most 40", m.UID)
	}
	if m.ID != nil || m.Version != nil {
		l.add("identity", "id and version are the business of the Grafana that imports it")
	}
	if !slices.Contains(m.Tags, tag) {
		l.add("identity", "the tag %s is missing", tag)
	}
	if m.Title == "" || m.Text == "" {
		l.add("identity", "it has no title or no description")
	}
}

// own are variables that Grafana itself fills in.
func own(name string) bool { return strings.HasPrefix(name, "__") }

func (l *linter) variables(text []byte) {
	there := map[string]string{}
	for _, v := range l.model.Templating.List {
		there[v.Name] = v.Type
		if v.Type == "query" {
			l.datasource("variable "+v.Name, v.Datasource)
			if q, _ := v.series(); q == "" {
				l.add("variable", "%s asks for nothing", v.Name)
			}
		}
	}
	if there["datasource"] != "datasource" {
		l.add("datasource", "there is no variable datasource that chooses one")
	}
	used := map[string]bool{}
	for _, found := range variable.FindAllStringSubmatch(string(text), -1) {
		name := strings.Join(found[1:], "")
		if !own(name) && !isGroup(name) {
			used[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if _, ok := there[name]; !ok {
			l.add("variable", "$%s is used and not there", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if !used[name] {
			l.add("variable", "%s is there and not used", name)
		}
	}
}

// isGroup holds for $1 in a replacement.
func isGroup(name string) bool { return strings.Trim(name, "0123456789") == "" }

func (l *linter) datasource(what string, r *reference) {
	if r == nil || r.Type != "prometheus" || r.UID != "${datasource}" {
		l.add("datasource", "%s does not use ${datasource}", what)
	}
}

func (l *linter) panel(p panel) {
	name := fmt.Sprintf("panel %q", p.Title)
	if p.ID <= 0 {
		l.add("panel", "%s has no identity", name)
	}
	if l.ids == nil {
		l.ids = map[int]string{}
	}
	if first, taken := l.ids[p.ID]; taken && p.ID > 0 {
		l.add("panel", "%s has the identity of panel %q", name, first)
	}
	l.ids[p.ID] = p.Title
	if p.Title == "" {
		l.add("panel", "panel %d has no title", p.ID)
	}
	switch p.Type {
	case "row":
		return
	case "text":
		if p.Text == "" {
			l.add("panel", "%s has no description", name)
		}
		return
	case "timeseries", "state-timeline", "stat", "table":
	default:
		l.add("panel", "%s is of type %q, which nobody checks", name, p.Type)
	}
	if p.Text == "" {
		l.add("panel", "%s has no description", name)
	}
	if p.FieldConfig.Defaults.Unit == "" {
		l.add("panel", "%s has no unit", name)
	}
	l.datasource(name, p.Datasource)
	letters := map[string]bool{}
	for _, t := range p.Targets {
		if t.RefID == "" || letters[t.RefID] {
			l.add("query", "%s has queries without letters of their own", name)
		}
		letters[t.RefID] = true
	}
	if len(p.Targets) == 0 {
		l.add("query", "%s asks for nothing", name)
	}
}

func (l *linter) query(p panel, t target, parse func(string) error) {
	name := fmt.Sprintf("query %s of panel %q", t.RefID, p.Title)
	l.datasource(name, t.Datasource)
	if t.LegendFormat == "" && t.Format != "table" {
		l.add("query", "%s has no legend", name)
	}
	filled := variable.ReplaceAllStringFunc(t.Expr, func(found string) string {
		if v, ok := ranges[strings.Trim(found, "${}[]")]; ok {
			return v
		}
		return "x"
	})
	if err := parse(filled); err != nil {
		l.add("query", "%s: %v", name, err)
	}
}

func (l *linter) layout() {
	panels := l.model.all()
	for i, p := range panels {
		g := p.GridPos
		if g == nil || g.W <= 0 || g.H <= 0 || g.X < 0 || g.Y < 0 || g.X+g.W > gridWidth {
			l.add("layout", "panel %q does not lie on the grid", p.Title)
			continue
		}
		for _, q := range panels[:i] {
			if o := q.GridPos; o != nil && g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				l.add("layout", "panel %q lies on panel %q", p.Title, q.Title)
			}
		}
	}
}
