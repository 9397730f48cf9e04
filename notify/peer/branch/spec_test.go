package branch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/branch/frame"
	"grove/notify/peer/peertest"
	"grove/tree"
)

// everything is a spec in which everything is said.
var everything = tree.Spec{
	Kind: tree.Performance, Given: true, Description: "d", Unit: "s", Edge: tree.Edge{Map: tree.FixedStatus, Fixed: tree.Yellow, Weight: 3}, Keep: 4,
	Threshold: &tree.Threshold{
		Yellow: tree.Level{Form: tree.Outside, Low: 1, High: 9, OffLow: 2, OffHigh: 8, After: time.Second}, Red: tree.BelowLevel(0, 0.5),
		States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}, ClearAfter: time.Minute, Flap: tree.Flap{Changes: 3, Window: time.Hour}, StaleAfter: 5,
	},
	Mode: tree.Notification, Source: "s", Owner: "o", Metric: "m", Labels: map[string]string{"a": "b"}, Properties: map[string]string{"c": "d"},
	History: &tree.History{Off: true, Every: 2, Keep: 3},
	Alerting: &tree.Alerting{
		Rule: tree.AlertEach, Vital: 2, DependsOn: []tree.Path{tree.MustPath("/x/y"), tree.MustPath("/other")}, Yellow: tree.Minor, Red: tree.Critical,
		Silence: time.Hour, EventType: "communicationsAlarm", ProbableCause: "p", Repair: "r",
	},
}

func TestSpecsArriveAsTheyAre(t *testing.T) {
	group := tree.Spec{Kind: tree.Group, Given: true, Rollup: &tree.Rollup{Rule: tree.Percent, Yellow: 10, Red: 20, Cap: tree.Yellow, White: tree.IgnoreWhite}}
	for name, s := range map[string]*tree.Spec{"everything": &everything, "nothing": {Kind: tree.Group, Given: true}, "a group": &group} {
		got, err := readSpec(writeSpec(s, s.Threshold))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSpecsOfLaterPrograms(t *testing.T) {
	for text, want := range map[string]tree.Kind{
		`{"kind":"histogram","buckets":[1,2]}`:                                                               tree.TextKind,
		`{"kind":"performance","threshold":{"red":{"form":"beside","low":1}}}`:                               tree.Performance,
		`{"kind":"group","rollup":{"rule":77}}`:                                                              tree.Group,
		`{"kind":"group","alerting":{"rule":"sometimes","event_type":"x","red":"huge","depends_on":["//"]}}`: tree.Group,
		`{"kind":"log","edge":99,"mode":"request","keep":-4,"history":{"every":-1}}`:                         tree.Log,
	} {
		s, err := readSpec([]byte(text))
		if err != nil || s.Kind != want {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
}

func TestWhatIsSaidOfAnotherTreeHoldsHere(t *testing.T) {
	p := place{mount: mount{peer: "bbbbbbbbbbbbbbbb", under: tree.MustPath("/x")}, name: "berlin", at: tree.MustPath("/Managers/berlin")}
	h := p.hungSpec(&everything, false)
	if h.Labels["manager"] != "berlin" || h.Owner != "berlin:o" || h.Alerting.Rule != tree.AlertInherit ||
		len(h.Alerting.DependsOn) != 1 || h.Alerting.DependsOn[0].String() != "/Managers/berlin/y" || everything.Labels["manager"] != "" {
		t.Errorf("%+v, %+v", h, h.Alerting)
	}
	p.ours = true
	if h := p.hungSpec(&tree.Spec{Kind: tree.Group, Properties: map[string]string{"manager_id": "c"}}, true); h.Properties["manager_id"] != "c" || h.Alerting.Rule != tree.AlertInherit {
		t.Errorf("the tree of a third: %+v", h)
	}
}

// FuzzSpec reads anything: what is read is a spec that a node can have.
func FuzzSpec(f *testing.F) {
	f.Add(writeSpec(&everything, everything.Threshold))
	f.Add([]byte(`{"kind":"group","rollup":{"rule":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := readSpec(text)
		if err != nil {
			return
		}
		p := place{name: "n", at: tree.MustPath("/m"), mount: mount{under: tree.MustPath("/x")}}
		tr := tree.New(tree.Options{})
		if err := tr.Change(tree.Add(tree.MustPath("/m"), p.hungSpec(s, true))); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}

// FuzzDelta lets a manager tell anything: nothing but its own branch changes.
func FuzzDelta(f *testing.F) {
	group, leaf := writeSpec(&tree.Spec{Kind: tree.Group}, nil), writeSpec(&everything, nil)
	base := frame.Frame{
		Specs: []frame.Spec{{ID: 0, Text: group}, {ID: 1, Text: leaf}},
		Placed: []frame.Placed{
			{State: frame.State{Index: 3}, Parent: 3}, {State: frame.State{Index: 4}, Parent: 3, Name: "g"},
			{State: frame.State{Index: 5, Status: tree.Red, Said: frame.SaidValue, Value: tree.Number(1)}, Parent: 4, Name: "n", Spec: 1},
		},
	}
	for _, delta := range []frame.Frame{
		{Removed: []uint32{4, 5}},
		{Changed: []frame.State{{Index: 5, Status: tree.Green, Said: frame.SaidTurn, Reason: "r"}}},
		{Placed: []frame.Placed{{State: frame.State{Index: 5}, Parent: 3, Name: "moved", Spec: 1}, {State: frame.State{Index: 9}, Parent: 4, Name: "m", Spec: 1}}},
		{Placed: []frame.Placed{{State: frame.State{Index: 4}, Parent: 5, Name: "below itself"}}},
		{Removed: []uint32{3}, Placed: []frame.Placed{{State: frame.State{Index: 3}, Parent: 3}}},
	} {
		f.Add(delta.Append(nil))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var delta frame.Frame
		if delta.Decode(body) != nil {
			return
		}
		tr := tree.New(tree.Options{})
		if err := tr.Change(tree.Add(tree.MustPath("/own"), &tree.Spec{Kind: tree.State})); err != nil {
			t.Fatal(err)
		}
		b := New(Options{Tree: tr, Fabric: peertest.New(1).Join("aaaaaaaaaaaaaaaa")})
		h := newHung(b, place{mount: mount{peer: peer.ID("bbbbbbbbbbbbbbbb")}, name: "b", at: tree.MustPath("/Managers/b")})
		d := newDraft(MaxNodes)
		if err := d.add(base.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if err := h.replace(d); err != nil {
			t.Fatal(err)
		}
		_ = h.apply(&delta)
		h.fade("lost")
		_ = h.apply(&delta)
		h.unfade()
		_ = tr.Walk(tree.Root, -1, func(n *tree.Node) bool {
			if s := n.Path.String(); s != "/" && s != "/own" && s != "/Managers" && !h.place.at.Contains(n.Path) {
				t.Fatalf("%s was made", n.Path)
			}
			return true
		})
		again := newDraft(MaxNodes)
		if err := again.add(base.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if err := h.replace(again); err != nil {
			t.Fatal(err)
		}
		if n, err := tr.Node(tree.MustPath("/Managers/b/g/n")); err != nil || n.Status != tree.Red || tr.Len() != 6 {
			t.Fatalf("%+v, %v, %d nodes", n.Cell, err, tr.Len())
		}
	})
}
