package tree

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
)

func TestValueInAndOutOfJSON(t *testing.T) {
	for _, tc := range []struct {
		name       string
		value      Value
		text, json string
		back       Value // what json reads as
	}{
		{"none", Value{}, "", `null`, Value{}},
		{"number", Number(0.1), "0.1", `0.1`, Number(0.1)},
		{"large", Number(1e21), "1e+21", `1e+21`, Number(1e21)},
		{"minus", Number(-3), "-3", `-3`, Number(-3)},
		{"true", Bool(true), "1", `1`, Number(1)},
		{"false", Bool(false), "0", `0`, Number(0)},
		{"infinite", Number(math.Inf(1)), "+Inf", `"Infinity"`, Text("Infinity")},
		{"minus infinite", Number(math.Inf(-1)), "-Inf", `"-Infinity"`, Text("-Infinity")},
		{"not a number", Number(math.NaN()), "NaN", `"NaN"`, Text("NaN")},
		{"text", Text("a \"b\""), `a "b"`, `"a \"b\""`, Text(`a "b"`)},
		{"empty text", Text(""), "", `""`, Text("")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.value.String(); got != tc.text {
				t.Errorf("String: %q, want %q", got, tc.text)
			}
			out, err := json.Marshal(tc.value)
			if err != nil || string(out) != tc.json {
				t.Errorf("JSON: %s, %v, want %s", out, err, tc.json)
			}
			var back Value
			if err := json.Unmarshal([]byte(tc.json), &back); err != nil || back != tc.back {
				t.Errorf("read back: %v, %v", back, err)
			}
			_, isNumber := tc.value.Number()
			_, isText := tc.value.Text()
			if tc.value.IsNone() != (tc.value.Any() == nil) || isNumber && isText || tc.value.IsNone() == (isNumber || isText) {
				t.Error("it is none, a number or a text, and one of them only")
			}
		})
	}
	var v Value
	if err := json.Unmarshal([]byte(`[1]`), &v); errorText(err) != "a value is a number, a text or null, not [1]" {
		t.Errorf("%v", err)
	}
	if err := json.Unmarshal([]byte(`true`), &v); err != nil || v != Number(1) {
		t.Errorf("%v, %v", v, err)
	}
}

func TestNamesReadBack(t *testing.T) {
	for _, s := range Statuses {
		var back Status
		text, _ := s.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%s reads back as %s, %v", s, back, err)
		}
	}
	for k := Group; k <= TextKind; k++ {
		if back, err := ParseKind(k.String()); err != nil || back != k {
			t.Errorf("%s reads back as %s, %v", k, back, err)
		}
	}
	for m := Timer; m <= Notification; m++ {
		if back, err := ParseMode(m.String()); err != nil || back != m {
			t.Errorf("%s reads back as %s, %v", m, back, err)
		}
	}
	_, statusErr := ParseStatus("blue")
	_, kindErr := ParseKind("blue")
	_, modeErr := ParseMode("blue")
	for _, tc := range []struct{ got, want string }{
		{errorText(statusErr), `unknown status "blue": green, yellow, red or white`},
		{errorText(kindErr), `unknown kind "blue": performance, status, log or text`},
		{errorText(modeErr), `unknown mode "blue": timer, push, request or notification`},
		{Status(9).String(), "Status(9)"},
		{Kind(9).String(), "Kind(9)"},
		{Mode(9).String(), "Mode(9)"},
		{LevelForm(9).String(), "LevelForm(9)"},
		{RollupRule(9).String(), "RollupRule(9)"},
		{WhitePolicy(9).String(), "WhitePolicy(9)"},
		{EdgeMap(9).String(), "EdgeMap(9)"},
		{Level{}.String(), ""},
		{AboveLevel(500, 450).String(), "> 500"},
		{Level{Form: Below, Low: 5, OffLow: 5, After: 90 * time.Second}.String(), "< 5 for 1m30s"},
		{Level{Form: Outside, Low: 10, High: 20}.String(), "outside 10..20"},
		{Level{Form: Inside, Low: 1, High: 3}.String(), "inside 1..3"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
	if !errors.Is(statusErr, ErrStatus) {
		t.Error("not an ErrStatus")
	}
}

func TestSpecCheck(t *testing.T) {
	th := func(change func(*Threshold)) *Spec {
		s := &Threshold{Yellow: AboveLevel(10, 9), Red: AboveLevel(20, 19)}
		change(s)
		return &Spec{Kind: Performance, Threshold: s}
	}
	rule := func(r Rollup) *Spec { return &Spec{Rollup: &r} }
	for _, tc := range []struct {
		name string
		spec *Spec
		want string
	}{
		{"group", &Spec{}, ""},
		{"kind", &Spec{Kind: 9}, "unknown kind 9"},
		{"threshold of a group", &Spec{Threshold: &Threshold{}}, "invalid threshold: a group has none"},
		{"roll-up of an attribute", &Spec{Kind: Log, Rollup: &Rollup{}}, "invalid roll-up: only a group has one"},
		{"too many events", &Spec{Kind: Log, Keep: MaxKeep + 1}, "a log keeps 1 to 10000 events, not 10001"},
		{"edge", &Spec{Edge: Edge{Map: 9}}, "invalid roll-up: unknown edge map"},
		{"fine", th(func(*Threshold) {}), ""},
		{"form", th(func(t *Threshold) { t.Red.Form = 9 }), "invalid threshold: red: unknown form 9"},
		{"red before yellow", th(func(t *Threshold) { t.Red = AboveLevel(5, 5) }), "invalid threshold: red begins at 5, before yellow at 10"},
		{"red before yellow, below", th(func(t *Threshold) { t.Yellow, t.Red = BelowLevel(5, 5), BelowLevel(6, 6) }), "invalid threshold: red begins at 6, before yellow at 5"},
		{"empty range", th(func(t *Threshold) { t.Yellow = Level{Form: Inside, Low: 2, High: 1} }), "invalid threshold: yellow: range from 2 to 1 is empty"},
		{"left outside of itself", th(func(t *Threshold) { t.Yellow = Level{Form: Inside, Low: 1, High: 2, OffLow: 1.5, OffHigh: 2} }), "invalid threshold: yellow: is left at 1.5 and 2, which is not around 1 and 2"},
		{"hold", th(func(t *Threshold) { t.Yellow.After = -1 }), "invalid threshold: yellow: negative duration"},
		{"clearing", th(func(t *Threshold) { t.ClearAfter = -1 }), "invalid threshold: negative duration"},
		{"one change flaps", th(func(t *Threshold) { t.Flap = Flap{1, time.Minute} }), "invalid threshold: flapping needs 2 to 64 changes, not 1"},
		{"too many changes", th(func(t *Threshold) { t.Flap = Flap{65, time.Minute} }), "invalid threshold: flapping needs 2 to 64 changes, not 65"},
		{"no window", th(func(t *Threshold) { t.Flap.Changes = 2 }), "invalid threshold: flapping needs a window"},
		{"state", th(func(t *Threshold) { t.States = map[string]Status{"x": 7} }), "invalid threshold: states: unknown status 7"},
		{"rule", rule(Rollup{Rule: 9}), "invalid roll-up: RollupRule(9): unknown rule, white policy or cap"},
		{"need nothing", rule(Rollup{Rule: Need}), "invalid roll-up: need: needs at least 1 green child, not 0"},
		{"at least nothing", rule(Rollup{Rule: AtLeast}), "invalid roll-up: at_least: needs yellow or red"},
		{"less than nothing", rule(Rollup{Rule: AtLeast, Yellow: -1}), "invalid roll-up: at_least: yellow and red must not be negative"},
		{"not a number", rule(Rollup{Rule: Weighted, Yellow: math.NaN()}), "invalid roll-up: weighted: yellow and red must not be negative"},
		{"more than all", rule(Rollup{Rule: Percent, Red: 101}), "invalid roll-up: percent: more than 100 percent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := errorText(tc.spec.Check()); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// TestSpecEqualLooksAtEveryField changes one field after the other.
func TestSpecEqualLooksAtEveryField(t *testing.T) {
	full := func() *Spec {
		return &Spec{Kind: Performance, Threshold: &Threshold{States: map[string]Status{"a": Red}}, Rollup: &Rollup{}, Labels: map[string]string{"a": "b"}}
	}
	if !full().Equal(full()) || full().Equal(nil) || (*Spec)(nil).Equal(full()) || !(*Spec)(nil).Equal(nil) {
		t.Error("what is equal is not, or the other way round")
	}
	for name, change := range map[string]func(*Spec){
		"kind": func(s *Spec) { s.Kind = State }, "description": func(s *Spec) { s.Description = "x" }, "unit": func(s *Spec) { s.Unit = "x" },
		"edge": func(s *Spec) { s.Edge.Weight = 2 }, "keep": func(s *Spec) { s.Keep = 2 }, "mode": func(s *Spec) { s.Mode = Push },
		"source": func(s *Spec) { s.Source = "x" }, "owner": func(s *Spec) { s.Owner = "x" }, "metric": func(s *Spec) { s.Metric = "x" },
		"labels": func(s *Spec) { s.Labels["a"] = "c" }, "no rollup": func(s *Spec) { s.Rollup = nil }, "rollup": func(s *Spec) { s.Rollup.Cap = Red },
		"no threshold": func(s *Spec) { s.Threshold = nil }, "yellow": func(s *Spec) { s.Threshold.Yellow.High = 1 }, "red": func(s *Spec) { s.Threshold.Red.High = 1 },
		"states": func(s *Spec) { s.Threshold.States["a"] = Green }, "clear": func(s *Spec) { s.Threshold.ClearAfter = 1 },
		"flap": func(s *Spec) { s.Threshold.Flap.Changes = 1 }, "stale": func(s *Spec) { s.Threshold.StaleAfter = 1 },
	} {
		s := full()
		if change(s); s.Equal(full()) || full().Equal(s) {
			t.Errorf("another %s is not seen", name)
		}
	}
}
