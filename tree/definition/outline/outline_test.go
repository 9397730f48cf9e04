package outline

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/tree/definition"
)

// kinds knows one kind of probe: with a number, a truth value and a table.
type kinds struct{}

func (kinds) KindNames() []string           { return []string{"test"} }
func (kinds) NewOptions(string) (any, bool) { return &struct{}{}, true }
func (kinds) Pushes(string) bool            { return false }
func (kinds) Attributes(string, any) ([]beans.AttributeInfo, error) {
	return []beans.AttributeInfo{
		{Name: "n", Type: beans.TypeFloat},
		{Name: "up", Type: beans.TypeBool},
		{Name: "rows", Type: beans.TypeTable, Key: "name", Columns: []beans.AttributeInfo{{Name: "name", Type: beans.TypeString}, {Name: "kind", Type: beans.TypeString}, {Name: "size", Type: beans.TypeInt}}},
	}, nil
}

func outlineOf(t *testing.T, text string) *Node {
	t.Helper()
	l := definition.Loader{Kinds: kinds{}}
	plan, errs := l.FS(fstest.MapFS{"it.yaml": {Data: []byte(text)}}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	top, err := Of(plan.Definitions[0])
	if err != nil {
		t.Fatal(err)
	}
	return top
}

func TestOutline(t *testing.T) {
	top := outlineOf(t, `
grove: 1
application: it
parameters:
  more: { type: bool, default: false }
  limit: { type: float, default: 5 }
  names: { type: list, default: [a] }
  host: { type: string, required: true }
probes: { p: { kind: test } }
templates:
  pair: { Number: { from: p.n }, Up: { from: p.up } }
tree:
  A/B.: { from: p.n, red: "> ${limit}", metric: it_ab }
  Left: { use: pair }
  Right: { use: pair }
  Ports:
    "Port ${item}": { each: "1..3", from: p.n, unit: "u${item}", red: "> ${item}", metric: "it_port${item}" }
  Names:
    "${item}": { each: "${names}", kind: status }
  Only more: { where: more, from: p.n }
  Rows:
    "${row.name}":
      each: p.rows
      where: row.kind == "odd"
      Size: { from: row.size }
    All: { from: p.n }
  Never: { where: "host == 'nobody'", from: p.n }
tests:
  - name: more
    with: { more: true, limit: 9, names: [x, y], host: h }
    rows: { p.rows: [ { name: one, kind: odd, size: 3 } ] }
    expect: { "": white }
`)
	var got strings.Builder
	for _, n := range top.All() {
		fmt.Fprintf(&got, "%s|%s|%v", n.Pattern, n.Title, n.Metrics)
		for _, flag := range []struct {
			is   bool
			name string
		}{{n.Always, "always"}, {n.Varies, "varies"}, {n.Colours(), "colours"}, {n.Number, "number"}, {!n.Attribute(), "group"}} {
			if flag.is {
				got.WriteString(" " + flag.name)
			}
		}
		if len(n.Units) > 1 {
			fmt.Fprintf(&got, " %v", n.Units)
		}
		if th := n.Spec.Threshold; th != nil {
			got.WriteString(" " + th.Red.String())
		}
		got.WriteString("\n")
	}
	want := `||[] always group
/A~1B\.|A/B.|[it_ab] always colours number > 5
/Left|Left|[] always group
/Left/Number|Left / Number|[] always number
/Left/Up|Left / Up|[] always colours number
/Right|Right|[] always group
/Right/Number|Right / Number|[] always number
/Right/Up|Right / Up|[] always colours number
/Ports|Ports|[] always group
/Ports/[^/]+|Ports / *|[it_port1 it_port2 it_port3] varies colours number [u1 u2 u3] > 1
/Names|Names|[] always group
/Names/[^/]+|Names / *|[] colours
/Only more|Only more|[] number
/Rows|Rows|[] always group
/Rows/[^/]+|Rows / *|[] group
/Rows/[^/]+/Size|Rows / * / Size|[] number
/Rows/All|Rows / All|[] always number
`
	if d := cmp.Diff(want, trimLines(got.String())); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
