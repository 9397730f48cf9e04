package definition_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grove/tree"
	"grove/tree/definition"
)

// alertings are what the nodes of an instance say, by their paths below its top.
func alertings(i *definition.Instance) map[string]tree.Alerting {
	out := map[string]tree.Alerting{}
	for _, n := range i.Nodes {
		if n.Spec.Alerting != nil {
			below, _ := i.At.Below(n.Path)
			out[strings.TrimPrefix(below.String(), "/")] = *n.Spec.Alerting
		}
	}
	return out
}

func paths(texts ...string) (list []tree.Path) {
	for _, s := range texts {
		list = append(list, tree.MustPath(s))
	}
	return list
}

var equalPaths = cmp.Options{cmp.Comparer(func(a, b tree.Path) bool { return a == b }), cmpopts.EquateEmpty()}

func TestAlerting(t *testing.T) {
	i := good(t, `grove: 1
application: app
at: /shop/app
depends_on: [/network/switch1, "${uplink}"]
parameters:
  uplink: { default: "" }
  grave: { default: critical }
  links: { type: list, default: [/network/a, Server/Link] }
probes:
  me: { kind: host }
templates:
  quiet:
    alert: never
    Load: { from: me.load }
tree:
  depends_on: /power
  Disks:
    alert: { rule: whole, yellow: minor, red: "${grave}", silence: 5m, event_type: equipmentAlarm, probable_cause: diskProblem, repair: "Delete what nobody needs." }
    expect: { children: [var, "${instance}"], at_least: 2 }
    "${item}":
      each: [var, home]
      from: me.cpu
      depends_on: [Server/Link, "/host/${item}"]
      alert: { silence: never }
  Server:
    expect: Link
    Link: { kind: status, alert: each }
  Quiet: { use: quiet }
  Loud: { use: quiet, alert: each, depends_on: "${links}", expect: { children: "${links}" } }
`)
	want := map[string]tree.Alerting{
		"": {DependsOn: paths("/power", "/network/switch1")},
		"Disks": {Rule: tree.AlertWhole, Yellow: tree.Minor, Red: tree.Critical, Silence: 5 * time.Minute, EventType: "equipmentAlarm", ProbableCause: "diskProblem",
			Repair: "Delete what nobody needs.", Expect: []string{"var", "app"}, AtLeast: 2},
		"Disks/var":   {DependsOn: paths("/shop/app/Server/Link", "/host/var"), Silence: -1},
		"Disks/home":  {DependsOn: paths("/shop/app/Server/Link", "/host/home"), Silence: -1},
		"Server":      {Expect: []string{"Link"}},
		"Server/Link": {Rule: tree.AlertEach},
		"Quiet":       {Rule: tree.AlertNever},
		"Loud":        {Rule: tree.AlertEach, DependsOn: paths("/network/a", "/shop/app/Server/Link"), Expect: []string{"/network/a", "Server/Link"}},
	}
	if d := cmp.Diff(want, alertings(i), equalPaths); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, n := range i.Nodes {
		if err := n.Spec.Check(); err != nil {
			t.Errorf("%s: %v", n.Path, err)
		}
	}
}

// TestListsThatOnlyAnInstanceKnows: a parameter without a default may be a list, too.
func TestListsThatOnlyAnInstanceKnows(t *testing.T) {
	plan, errs := load(t, "app.yaml", `grove: 1
application: app
parameters: { links: { type: list, required: true } }
tree:
  A: { kind: status, depends_on: "${links}" }
---
use: app
name: one
at: /one
with: { links: [/network/a] }
`)
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	if d := cmp.Diff(map[string]tree.Alerting{"A": {DependsOn: paths("/network/a")}}, alertings(plan.Instances[0]), equalPaths); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestVital holds that the smallest group that has all that a probe feeds fails with it.
func TestVital(t *testing.T) {
	const probes = `
probes:
  web: { kind: http, url: "http://127.0.0.1/", every: 10s, extract: { regex: "(?P<hits>x)" } }
  page: { kind: http, url: "http://127.0.0.1/", every: 10s }
  disks: { kind: table }
`
	for name, tc := range map[string]struct {
		tree string
		want map[string]uint8
	}{
		"all in one group":     {"Answer: { Up: { from: web.up }, Time: { from: web.duration } }", map[string]uint8{"Answer/Up": 1}},
		"at the top":           {"Up: { from: web.up }", map[string]uint8{"Up": 1}},
		"all of the instance":  {"Answer: { Up: { from: web.up } }\n  Requests: { Hits: { from: web.hits } }", map[string]uint8{"Answer/Up": 2}},
		"a value of the probe": {"Answer: { Up: { from: web.up } }\n  Requests: { Hits: { value: web.hits * page.duration } }", map[string]uint8{"Answer/Up": 2}},
		"two probes of their own": {"A: { Up: { from: web.up }, Time: { from: web.duration } }\n  B: { In: { Up: { from: page.up } }, Time: { from: page.duration } }",
			map[string]uint8{"A/Up": 1, "B/In/Up": 2}},
		"one within the other": {"Up: { from: web.up }\n  Page: { Up: { from: page.up } }", map[string]uint8{"Up": 1, "Page/Up": 1}},
		"shown twice":          {"Up: { from: web.up }\n  Again: { Up: { from: web.up } }", map[string]uint8{"Up": 1, "Again/Up": 2}},
		"in a loop":            {"\"S ${item}\": { each: 1..2, Up: { from: web.up } }", map[string]uint8{"S 1/Up": 2, "S 2/Up": 2}},
		"not said so":          {"Up: { from: web.up, vital: false }", nil},
		"a text":               {"Up: { from: web.up, kind: text }", nil},
		"something else":       {"Up: { from: web.status }\n  Derived: { value: web.up }", nil},
		"a word":               {"A: { B: { Up: { from: page.up, vital: top }, X: { from: web.hits, vital: true }, Y: { from: web.hits, vital: A } } }", map[string]uint8{"A/B/Up": 3, "A/B/X": 1, "A/B/Y": 2}},
		"a name of a loop":     {"\"S ${item}\": { each: 1..2, In: { Up: { from: web.up, vital: \"S ${item}\" } } }", map[string]uint8{"S 1/In/Up": 2, "S 2/In/Up": 2}},
		"by rows":              {"Answer: { Up: { from: web.up } }\n  \"${row.mount}\": { each: disks.filesystems, Used: { from: row.used }, Hits: { from: web.hits } }", map[string]uint8{"Answer/Up": 2}},
		"left out":             {"Answer: { Up: { from: web.up } }\n  Requests: { where: 1 == 2, Hits: { from: web.hits } }", map[string]uint8{"Answer/Up": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			i := good(t, "grove: 1\napplication: app\nat: /shop/app"+probes+"tree:\n  "+tc.tree+"\n")
			got := map[string]uint8{}
			for path, a := range alertings(i) {
				got[path] = a.Vital
			}
			if d := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestNodesOfRowsSayWhatTheyDependOn(t *testing.T) {
	i := good(t, `grove: 1
application: app
at: /app
probes: { disks: { kind: table } }
tree:
  Server: { kind: status }
  Disks:
    "${row.mount}":
      each: disks.filesystems
      Mounted: { from: row.readonly, vital: true, depends_on: [Server, "/host/${row.type}"] }
      In: { Used: { from: row.used, vital: Disks } }
`)
	nodes, err := i.Loops[0].Expand(map[string]tree.Value{"mount": tree.Text("/var"), "type": tree.Text("ext4")})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]tree.Alerting{}
	for _, n := range nodes {
		if n.Spec.Alerting != nil {
			got[n.Path.Name()] = *n.Spec.Alerting
		}
	}
	want := map[string]tree.Alerting{"Mounted": {Vital: 1, DependsOn: paths("/app/Server", "/host/ext4")}, "Used": {Vital: 3}}
	if d := cmp.Diff(want, got, equalPaths); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestInstancesSayWhatTheyDependOn: beside use and at, and by the rows of a discovery.
func TestInstancesSayWhatTheyDependOn(t *testing.T) {
	plan, errs := load(t, "app.yaml", `grove: 1
application: app
parameters: { links: { type: list, default: [/network/a, /network/b] } }
depends_on: ${links}
probes: { web: { kind: http, url: "http://127.0.0.1/", every: 10s } }
tree:
  Up: { from: web.up }
---
use: app
name: one
at: /shop/one
depends_on: [/network/switch1, /network/a, Up]
---
use: app
name: two
at: /shop/two
with: { links: [] }
`)
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	one, _ := plan.Instance("one")
	two, _ := plan.Instance("two")
	if d := cmp.Diff(paths("/network/a", "/network/b", "/network/switch1", "/shop/one/Up"), alertings(one)[""].DependsOn, equalPaths); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if a, ok := alertings(two)[""]; ok {
		t.Errorf("the second says %+v of its top", a)
	}
	if one.Nodes[1].Spec.Alerting != two.Nodes[1].Spec.Alerting {
		t.Error("instances do not share what is alike")
	}
	want := "app.yaml:9:1: /shop/one depends on /network/a, which is no node of these files (nothing follows from it until it is there)\n" +
		"app.yaml:9:1: /shop/one depends on /network/b, which is no node of these files (nothing follows from it until it is there)\n" +
		"app.yaml:9:1: /shop/one depends on /network/switch1, which is no node of these files (nothing follows from it until it is there)\n"
	if d := cmp.Diff(want, printed(plan.Unmet())); d != "" {
		t.Errorf("warnings: -want +got\n%s", d)
	}
}

func TestWhatMayComeIsNoWarning(t *testing.T) {
	plan, errs := load(t, "app.yaml", `grove: 1
application: app
at: /shop/network/app
probes: { disks: { kind: table } }
tree:
  "${row.mount}": { each: disks.filesystems, from: row.used }
  A: { kind: status }
---
grove: 1
application: other
at: /other
tree:
  A: { kind: status, depends_on: [/shop/network, /shop/network/app/var, /shop/network/app/A] }
`)
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	if w := plan.Unmet(); len(w) > 0 {
		t.Error(printed(w))
	}
}

// TestAlertingInXML says the same in both forms.
func TestAlertingInXML(t *testing.T) {
	plan, errs := load(t, "app.xml", `<grove version="1" application="app" at="/app">
  <depends_on><item>/network/a</item><item>A</item></depends_on>
  <probes><probe name="web" kind="http" url="http://127.0.0.1/" every="10s"/></probes>
  <tree alert="never">
    <node name="A" from="web.up" vital="top" depends_on="/network/b"><alert rule="each" red="critical" silence="never" event_type="communicationsAlarm"/></node>
    <node name="Disks"><expect><item>a</item><item>b</item></expect><node name="X" kind="status"/></node>
    <node name="Fans"><expect at_least="2"><children><item>a</item></children></expect><node name="X" kind="status"/></node>
  </tree>
</grove>`)
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	want := map[string]tree.Alerting{
		"":      {Rule: tree.AlertNever, DependsOn: paths("/network/a", "/app/A")},
		"A":     {Rule: tree.AlertEach, Red: tree.Critical, Silence: -1, EventType: "communicationsAlarm", Vital: 1, DependsOn: paths("/network/b")},
		"Disks": {Expect: []string{"a", "b"}},
		"Fans":  {Expect: []string{"a"}, AtLeast: 2},
	}
	if d := cmp.Diff(want, alertings(plan.Instances[0]), equalPaths); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestSoManyDependencies(t *testing.T) {
	list := strings.Repeat("/a, ", tree.MaxAlerting) + "/b"
	_, errs := load(t, "app.yaml", fmt.Sprintf("grove: 1\napplication: app\nat: /app\ntree:\n  A: { kind: status, depends_on: [%s] }\n  B: { expect: [%s] }\n", list, strings.ReplaceAll(list, "/", "")))
	want := "app.yaml:5:34: more than 256 nodes to depend on (name a group that holds them)\napp.yaml:6:16: more than 256 children that are expected (say how many there are: at_least)\n"
	if d := cmp.Diff(want, printed(errs)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
