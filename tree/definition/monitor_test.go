package definition_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/source"
)

const watched = `grove: 1
application: app
at: /app
parameters:
  most: { type: int, default: 1000 }
  detailed: { type: bool, default: false }
probes: { h: { kind: host }, disks: { kind: table } }
tree:
  CPU: { from: h.cpu }
  Name: { from: h.name, kind: text }
  Load: { where: detailed, from: h.load }
  Disks: { "${row.mount}": { each: disks.filesystems, from: row.used } }
  Lines: { kind: log }
  Away: { kind: log, where: detailed }
monitors:
`

func monitors(t *testing.T, text string) []definition.Monitor {
	t.Helper()
	return good(t, watched+text).Monitors
}

// TestMonitors compares what monitors come to, with all their defaults.
func TestMonitors(t *testing.T) {
	for text, want := range map[string]definition.Monitor{
		`M: { kind: gauge, node: CPU, high: "${most}" }`:             {Kind: "gauge", Nodes: []string{"/app/CPU"}, Attribute: "Value", Every: 10 * time.Second, High: int64(1000), Low: int64(1000), Notify: []string{"high"}},
		`M: { kind: gauge, node: /CPU, low: 0.5, every: 1m }`:        {Kind: "gauge", Nodes: []string{"/app/CPU"}, Attribute: "Value", Every: time.Minute, High: 0.5, Low: 0.5, Notify: []string{"low"}},
		`M: { kind: gauge, node: CPU, high: 9, low: 5, notify: [] }`: {Kind: "gauge", Nodes: []string{"/app/CPU"}, Attribute: "Value", Every: 10 * time.Second, High: int64(9), Low: int64(5)},
		`M: { kind: gauge, node: [ Disks/*, "Disks/~1var", CPU ], high: 9, low: 5, difference: true }`: {
			Kind: "gauge", Nodes: []string{"/app/Disks/*", "/app/Disks/~1var", "/app/CPU"}, Attribute: "Value", Every: 10 * time.Second,
			High: int64(9), Low: int64(5), Difference: true, Notify: []string{"high", "low"},
		},
		`M: { kind: counter, observe: [ "a:b=c", "a:b=c", "*:type=${instance},*" ], attribute: Size.total, threshold: 1_000, offset: 5 }`: {
			Kind: "counter", Objects: []beans.Name{beans.MustName("a:b=c"), beans.MustName("*:type=app,*")}, Attribute: "Size.total", Every: 10 * time.Second,
			Threshold: int64(1000), Offset: int64(5), Notify: []string{"threshold"},
		},
		`M: { kind: string, node: Name, match: up, notify: differ }`: {Kind: "string", Nodes: []string{"/app/Name"}, Attribute: "Value", Every: 10 * time.Second, Match: "up", Notify: []string{"differ"}},
		`M: { kind: gauge, node: CPU, high: 1, log: Lines, status: { high: red, error: white } }`: {
			Kind: "gauge", Nodes: []string{"/app/CPU"}, Attribute: "Value", Every: 10 * time.Second, High: int64(1), Low: int64(1), Notify: []string{"high"},
			Log: tree.MustPath("/app/Lines"), Status: map[string]tree.Status{"high": tree.Red, "error": tree.White},
		},
		`M: { kind: gauge, node: CPU, high: 1, log: Away }`:           {Kind: "gauge", Nodes: []string{"/app/CPU"}, Attribute: "Value", Every: 10 * time.Second, High: int64(1), Low: int64(1), Notify: []string{"high"}},
		`M: { kind: string, node: "", attribute: Status, match: "" }`: {Kind: "string", Nodes: []string{"/app"}, Attribute: "Status", Every: 10 * time.Second, Notify: []string{"differ", "match"}},
		`M: { kind: gauge, node: [ Load, CPU ], high: 1 }`:            {Kind: "gauge", Nodes: []string{"/app/CPU"}, Attribute: "Value", Every: 10 * time.Second, High: int64(1), Low: int64(1), Notify: []string{"high"}},
	} {
		t.Run(text, func(t *testing.T) {
			want.Name = "M"
			got := monitors(t, "  "+text+"\n")
			if d := cmp.Diff([]definition.Monitor{want}, got, cmpopts.IgnoreTypes(source.Pos{}), cmpopts.EquateEmpty(), cmp.Comparer(beans.Name.Equal), cmp.Comparer(func(a, b tree.Path) bool { return a == b })); d != "" {
				t.Error(d)
			}
			if again := monitors(t, "  "+text+"\n"); !again[0].Equal(&got[0]) {
				t.Error("it is not equal to itself")
			}
		})
	}
}

// TestMonitorOfWhatIsLeftOut is no monitor.
func TestMonitorOfWhatIsLeftOut(t *testing.T) {
	if got := monitors(t, "  M: { kind: gauge, node: Load, high: 1 }\n"); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestMonitorsInXML(t *testing.T) {
	plan, errs := load(t, "app.xml", `<grove version="1" application="app" at="/app">
  <probes><probe name="h" kind="host"/></probes>
  <tree><node name="A" from="h.cpu"/></tree>
  <monitors>
    <monitor name="M" kind="gauge" node="A" high="1"/>
    <monitor name="N" kind="gauge" high="1" attribute="V"><observe><item>a:b=c</item><item>a:b=d</item></observe></monitor>
  </monitors>
</grove>`)
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	got := plan.Instances[0].Monitors
	if len(got) != 2 || got[0].Name != "M" || len(got[1].Objects) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestMonitorsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&b, "  m%d: { kind: gauge, node: CPU, high: 1 }\n", i)
	}
	_, errs := load(t, "app.yaml", watched+b.String())
	if got, want := printed(errs), "app.yaml:16:3: more than 1000 monitors\n"; got != want {
		t.Errorf("got %s", got)
	}
}
