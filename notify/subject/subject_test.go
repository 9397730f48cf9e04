package subject

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/alert"
)

func grow(t *testing.T, specs map[string]*tree.Spec) (*tree.Tree, *Register) {
	t.Helper()
	o := tree.New(tree.Options{})
	for p, s := range specs {
		if _, err := o.Add(tree.MustPath(p), s); err != nil {
			t.Fatal(err)
		}
	}
	return o, NewRegister(o)
}

func TestWhatHoldsAtANode(t *testing.T) {
	o, r := grow(t, map[string]*tree.Spec{
		"/shop": {Kind: tree.Group, Owner: "shop", Properties: map[string]string{"customer": "acme, zenith", "location": "Hamburg"},
			Alerting: &tree.Alerting{Red: tree.Critical, Silence: time.Hour, DependsOn: []tree.Path{tree.MustPath("/net")}, EventType: "communicationsAlarm", Repair: "call Ada"}},
		"/shop/web": {Kind: tree.Group, Owner: "web", Properties: map[string]string{"location": "Bremen"}},
		"/shop/web/Up": {Kind: tree.State, Alerting: &tree.Alerting{Red: tree.Minor, Yellow: tree.Indeterminate, Repair: "restart it",
			DependsOn: []tree.Path{tree.MustPath("/db")}}},
		"/shop/web/Load":  {Kind: tree.Performance},
		"/shop/web/Users": {Kind: tree.Performance},
		"/other/x":        {Kind: tree.Performance},
	})
	up := r.At(tree.MustPath("/shop/web/Up"))
	want := Subject{Rule: tree.AlertEach, Yellow: tree.Indeterminate, Red: tree.Minor, Silence: time.Hour, EventType: "communicationsAlarm", Repair: "restart it",
		DependsOn: []tree.Path{tree.MustPath("/db"), tree.MustPath("/net")}, Properties: map[string]string{"customer": "acme, zenith", "location": "Bremen"},
		Customers: []string{"acme", "zenith"}, Instance: "web"}
	if diff := cmp.Diff(want, *up, cmp.AllowUnexported(Subject{}), cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	load, users := r.At(tree.MustPath("/shop/web/Load")), r.At(tree.MustPath("/shop/web/Users"))
	if load != users || load.Severity(tree.Red) != tree.Critical || load.Severity(tree.Yellow) != tree.Warning || load.Severity(tree.Green) != tree.Cleared {
		t.Errorf("%+v", load)
	}
	if gone := r.At(tree.MustPath("/shop/web/Gone")); gone.Instance != "web" || gone.Severity(tree.Red) != tree.Critical {
		t.Errorf("where no node is: %+v", gone)
	}
	if err := o.Change(tree.Update(tree.MustPath("/shop"), &tree.Spec{Kind: tree.Group})); err != nil {
		t.Fatal(err)
	}
	if load := r.At(tree.MustPath("/shop/web/Load")); load.Severity(tree.Red) != tree.Major || load.Customers != nil {
		t.Errorf("after a change of structure: %+v", load)
	}
}

func TestWhoAlerts(t *testing.T) {
	says := func(k tree.Kind, rule tree.AlertRule) *tree.Spec {
		return &tree.Spec{Kind: k, Alerting: &tree.Alerting{Rule: rule}}
	}
	o, r := grow(t, map[string]*tree.Spec{
		"/a/x":               {Kind: tree.State},
		"/a/text":            {Kind: tree.TextKind},
		"/never":             says(tree.Group, tree.AlertNever),
		"/never/x":           {Kind: tree.State},
		"/never/but":         says(tree.State, tree.AlertEach),
		"/whole":             says(tree.Group, tree.AlertWhole),
		"/whole/g/x":         {Kind: tree.State},
		"/whole/each":        says(tree.Group, tree.AlertEach),
		"/whole/each/x":      {Kind: tree.State},
		"/whole/whole":       says(tree.Group, tree.AlertWhole),
		"/whole/whole/x":     {Kind: tree.State},
		"/whole/never":       says(tree.Group, tree.AlertNever),
		"/whole/never/x":     {Kind: tree.State},
		"/whole/each/inside": says(tree.State, tree.AlertEach),
	})
	for p, want := range map[string]string{
		"/": "no", "/a": "no", "/a/x": "yes", "/a/text": "no", "/never/x": "no", "/never/but": "yes",
		"/whole": "yes", "/whole/g": "no in /whole", "/whole/g/x": "yes in /whole", "/whole/each": "no", "/whole/each/x": "yes",
		"/whole/whole": "yes in /whole", "/whole/whole/x": "yes in /whole/whole", "/whole/never/x": "no in /whole", "/whole/each/inside": "yes",
	} {
		n, err := o.Node(tree.MustPath(p))
		if err != nil {
			t.Fatal(err)
		}
		s := r.At(n.Path)
		got := "no"
		if s.Alerts(n.Spec) {
			got = "yes"
		}
		if whole, ok := r.Whole(n.Path); ok {
			got += " in " + whole.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

func TestMessages(t *testing.T) {
	p := tree.MustPath("/shop/web1/Active")
	limit := &tree.Threshold{Yellow: tree.AboveLevel(500, 500), Red: tree.AboveLevel(1000, 900)}
	limit.Red.After = 30 * time.Second
	node := func(k tree.Kind, v tree.Value, th *tree.Threshold, unit string) *tree.Node {
		return &tree.Node{Cell: tree.Cell{Kind: k, Value: v}, Path: p, Spec: &tree.Spec{Kind: k, Unit: unit}, Threshold: th}
	}
	for name, c := range map[string]struct {
		node   *tree.Node
		status tree.Status
		causes []tree.Path
		want   Trouble
	}{
		"a number": {node(tree.Performance, tree.Number(1200), limit, "connections"), tree.Red, nil, Trouble{"/shop/web1/Active is red: 1200 connections, which is > 1000 for 30s", "1200", "connections", "> 1000 for 30s"}},
		"yellow":   {node(tree.Performance, tree.Number(600.1234567), limit, ""), tree.Yellow, nil, Trouble{"/shop/web1/Active is yellow: 600.123, which is > 500", "600.123", "", "> 500"}},
		"bytes": {node(tree.Performance, tree.Number(42e6), &tree.Threshold{Red: tree.Level{Form: tree.Below, Low: 1e8, OffLow: 1e8, After: time.Minute}}, "bytes"), tree.Red, nil,
			Trouble{"/shop/web1/Active is red: 40.1 MiB, which is < 95.4 MiB for 1m", "42000000", "bytes", "< 1e+08 for 1m"}},
		"bytes a second": {node(tree.Performance, tree.Number(3e3), &tree.Threshold{Red: tree.AboveLevel(2048, 2048)}, "bytes/s"), tree.Red, nil,
			Trouble{"/shop/web1/Active is red: 2.93 KiB/s, which is > 2 KiB/s", "3000", "bytes/s", "> 2048"}},
		"a range":    {node(tree.Performance, tree.Number(0.1+0.2), &tree.Threshold{Red: tree.Level{Form: tree.Outside, Low: 1, High: 2, OffLow: 1, OffHigh: 2}}, "V"), tree.Red, nil, Trouble{"/shop/web1/Active is red: 0.3 V, which is outside 1..2", "0.3", "V", "outside 1..2"}},
		"a state":    {node(tree.State, tree.Text("stopped"), &tree.Threshold{}, ""), tree.Red, nil, Trouble{"/shop/web1/Active is red: stopped", "stopped", "", ""}},
		"by states":  {node(tree.State, tree.Number(3), &tree.Threshold{States: map[string]tree.Status{"3": tree.Red}}, ""), tree.Red, nil, Trouble{"/shop/web1/Active is red: 3", "3", "", ""}},
		"a bad line": {node(tree.Log, tree.Text("\x1b[31mout of\r\nmemory\u202e "), &tree.Threshold{}, ""), tree.Red, nil, Trouble{"/shop/web1/Active is red: [31mout of  memory", "[31mout of  memory", "", ""}},
		"no value":   {node(tree.State, tree.Value{}, &tree.Threshold{}, ""), tree.Red, nil, Trouble{"/shop/web1/Active is red", "", "", ""}},
		"a group":    {node(tree.Group, tree.Value{}, nil, ""), tree.Red, []tree.Path{tree.MustPath("/a"), tree.MustPath("/b"), tree.MustPath("/c"), tree.MustPath("/d")}, Trouble{Message: "/shop/web1/Active is red because of /a, /b, /c and more"}},
	} {
		if diff := cmp.Diff(c.want, Of(c.node, c.status, c.causes)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	white := node(tree.State, tree.Value{}, nil, "")
	white.Reason = "no reading for 1m"
	for want, got := range map[string]Trouble{
		"/shop/web1/Active is silent: no reading for 1m":                          Silent(white),
		"/shop/web1/Active is missing: /shop/web1 should have it":                 Missing(p),
		"/shop/web1/Active has 1 of the 3 nodes that it should have at least":     TooFew(p, 1, 3),
		"/shop/web1/Active is silent: nothing is known of it any more":            Silent(node(tree.State, tree.Value{}, nil, "")),
		"/shop/web1/Active is red: " + strings.Repeat("é", maxValueBytes/2) + "…": Of(node(tree.State, tree.Text(strings.Repeat("é", 300)), nil, ""), tree.Red, nil),
	} {
		if got.Message != want {
			t.Errorf("%q, want %q", got.Message, want)
		}
	}
}

func TestKeys(t *testing.T) {
	p := tree.MustPath("/a")
	seen := map[string]bool{}
	for _, k := range []string{Key("m", alert.Status, p), Key("n", alert.Status, p), Key("m", alert.Silence, p), Key("m", alert.Status, tree.Root)} {
		if len(k) != 32 || seen[k] {
			t.Errorf("%q", k)
		}
		seen[k] = true
	}
	// Systems that keep incidents know it: it must never change.
	if k := Key("m", alert.Status, p); k != "8b0b28218da6d1e16431a34da9360b50" {
		t.Errorf("the key of a node is %s now", k)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("out of memory")
	f.Add("\x1b]52;c;AAAA\a\u2028\xff\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		line := Line(text)
		if len(line) > 3*maxValueBytes+3 || !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) || strings.ContainsFunc(line, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q became %q", text, line)
		}
		if again := Line(line); len(line) <= maxValueBytes && again != line {
			t.Errorf("%q became %q at the second time", line, again)
		}
	})
}
