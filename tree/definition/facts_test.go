package definition_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/definition"
)

// TestHistoryIsInherited lists what each node of a definition keeps.
func TestHistoryIsInherited(t *testing.T) {
	i := good(t, `grove: 1
application: app
at: /app
history: { every: "${resolution}", keep: 30d }
parameters: { resolution: { type: duration, default: 10s } }
probes: { h: { kind: host }, disks: { kind: table } }
templates:
  quiet: { history: off, T: { from: h.load } }
tree:
  A: { from: h.cpu }
  Group:
    history: 1m
    B: { from: h.cpu }
    C: { from: h.cpu, history: on }
    Inner: { history: { keep: 1w }, D: { from: h.cpu } }
  Quiet: { use: quiet }
  Loud: { use: quiet, history: on }
  Loop:
    "${item}": { each: [10s, 20s], history: "${item}", E: { from: h.cpu } }
  Disks:
    history: off
    "${row.mount}": { each: disks.filesystems, F: { from: row.used }, G: { from: row.size, history: on } }
`)
	got := map[string]string{}
	note := func(nodes []definition.Node) {
		for _, n := range nodes {
			text := "everything"
			if h := n.Spec.History; h != nil {
				text = fmt.Sprintf("off %v every %s keep %s", h.Off, h.Every, h.Keep)
			}
			got[n.Path.String()] = text
		}
	}
	note(i.Nodes)
	rows, err := i.Loops[0].Expand(map[string]tree.Value{"mount": tree.Text("var"), "used": tree.Number(1), "size": tree.Number(2)})
	if err != nil {
		t.Fatal(err)
	}
	note(rows)
	const above, minute, off, week = "off false every 10s keep 720h0m0s", "off false every 1m0s keep 0s", "off true every 0s keep 0s", "off false every 0s keep 168h0m0s"
	want := map[string]string{
		"/app": above, "/app/A": above,
		"/app/Group": minute, "/app/Group/B": minute, "/app/Group/C": "everything",
		"/app/Group/Inner": week, "/app/Group/Inner/D": week,
		"/app/Quiet": off, "/app/Quiet/T": off, "/app/Loud": "everything", "/app/Loud/T": "everything",
		"/app/Loop": above, "/app/Loop/10s": "off false every 10s keep 0s", "/app/Loop/10s/E": "off false every 10s keep 0s",
		"/app/Loop/20s": "off false every 20s keep 0s", "/app/Loop/20s/E": "off false every 20s keep 0s",
		"/app/Disks": off, "/app/Disks/var": off, "/app/Disks/var/F": off, "/app/Disks/var/G": "everything",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestPropertiesStandWhereTheyAreSaid holds which goes before which on the top node.
func TestPropertiesStandWhereTheyAreSaid(t *testing.T) {
	plan, errs := load(t, "app.yaml", `grove: 1
application: app
properties: { a: definition, b: definition, c: definition, empty: "${nothing}" }
parameters: { nothing: { default: "" }, floor: { type: int, default: 3 } }
probes: { h: { kind: host }, disks: { kind: table } }
tree:
  properties: { b: tree, c: tree }
  Room: { properties: { floor: "${floor}", host: "${hostname}" }, CPU: { from: h.cpu } }
  "${row.mount}": { each: disks.filesystems, from: row.used, properties: { disk: "${row.mount}" } }
`, "one.yaml", "use: app\nat: /one\nwith: { floor: 4 }\nproperties: { c: \"${instance} on ${floor}\", d: instance }\n", "two.yaml", "use: app\nat: /two\n")
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	got := map[string]map[string]string{}
	for _, i := range plan.Instances {
		rows, err := i.Loops[0].Expand(map[string]tree.Value{"mount": tree.Text("var"), "used": tree.Number(1)})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range append(i.Nodes, rows...) {
			if len(n.Spec.Properties) > 0 {
				got[n.Path.String()] = n.Spec.Properties
			}
		}
	}
	want := map[string]map[string]string{
		"/one":      {"a": "definition", "b": "tree", "c": "one on 4", "d": "instance"},
		"/one/Room": {"floor": "4", "host": "alpha"},
		"/one/var":  {"disk": "var"},
		"/two":      {"a": "definition", "b": "tree", "c": "tree"},
		"/two/Room": {"floor": "3", "host": "alpha"},
		"/two/var":  {"disk": "var"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestFactsInXML says the same in both forms.
func TestFactsInXML(t *testing.T) {
	plan, errs := load(t, "app.xml", `<grove version="1" application="app" at="/app">
  <history every="10s" keep="30d"/>
  <properties><property name="location" value="Berlin"/></properties>
  <probes><probe name="h" kind="host"/></probes>
  <tree><node name="A" from="h.cpu" history="off"><properties><property name="floor" value="3"/></properties></node></tree>
</grove>`)
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	nodes := plan.Instances[0].Nodes
	if d := cmp.Diff(&tree.History{Every: 10 * time.Second, Keep: 30 * 24 * time.Hour}, nodes[0].Spec.History); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(&tree.History{Off: true}, nodes[1].Spec.History); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]map[string]string{{"location": "Berlin"}, {"floor": "3"}}, []map[string]string{nodes[0].Spec.Properties, nodes[1].Spec.Properties}); d != "" {
		t.Error(d)
	}
}
