package rule_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
)

func text(s string) *source.Value {
	return &source.Value{Text: s, Pos: source.Pos{File: "f", Line: 1, Column: 2}}
}

func TestParseLevel(t *testing.T) {
	above := func(v float64, after time.Duration) tree.Level {
		l := tree.AboveLevel(v, v)
		l.After = after
		return l
	}
	good := map[string]tree.Level{
		"> 500":                above(500, 0),
		">500":                 above(500, 0),
		" > 0.5 for 1m30s ":    above(0.5, 90*time.Second),
		"> 90%":                above(90, 0),
		"> 2 KiB":              above(2048, 0),
		"> 1_000":              above(1000, 0),
		"> -1e3":               above(-1000, 0),
		"< 5":                  tree.BelowLevel(5, 5),
		"outside 10..20":       {Form: tree.Outside, Low: 10, High: 20, OffLow: 10, OffHigh: 20},
		"inside -3 .. -1":      {Form: tree.Inside, Low: -3, High: -1, OffLow: -3, OffHigh: -1},
		"never":                {},
		"outside 0..1MB for 0": {Form: tree.Outside, High: 1e6, OffHigh: 1e6},
	}
	form := regexp.MustCompile(rule.LevelPattern)
	for s, want := range good {
		got, err := rule.ParseLevel(text(s))
		if err != nil || got != want {
			t.Errorf("%q: %+v %v", s, got, err)
		}
		if !form.MatchString(s) {
			t.Errorf("the pattern of the schema refuses %q", s)
		}
	}
	bad := map[string]string{
		"":            `f:1:2: level "": not understood ("> 500", "< 5", "outside 10..20" or "inside 1..3", each with or without "for 30s")`,
		">":           `f:1:2: level ">": there is no number after >`,
		"> NaN":       `f:1:2: level "> NaN": "NaN" is no number`,
		"> 0x10":      `f:1:2: level "> 0x10": "0x10" is no number`,
		"> 1e999":     `f:1:2: level "> 1e999": "1e999" is no number`,
		"<= 3":        `f:1:2: level "<= 3": a level begins beyond its border (write "< 3")`,
		"outside 3":   `f:1:2: level "outside 3": a range is two numbers, as in "10..20"`,
		"inside 5..1": `f:1:2: level "inside 5..1": the range is empty: its first number is the lower one`,
		"> 5 for -3s": `f:1:2: level "> 5 for -3s": negative duration`,
		"5":           `f:1:2: level "5": not understood ("> 500", "< 5", "outside 10..20" or "inside 1..3", each with or without "for 30s")`,
	}
	for s, want := range bad {
		if _, err := rule.ParseLevel(text(s)); err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", s, err, want)
		}
	}
}

func TestBackMovesTheBorderOfLeaving(t *testing.T) {
	tests := []struct {
		level, back string
		low, high   float64
	}{
		{"> 500", "10%", 0, 450},
		{"> -500", "10%", 0, -550},
		{"> 500", "20", 0, 480},
		{"< 5", "20%", 6, 0},
		{"outside 10..20", "1", 11, 19},
		{"inside 10..20", "10%", 9, 22},
	}
	for _, tt := range tests {
		l, err := rule.ParseLevel(text(tt.level))
		if err != nil {
			t.Fatal(err)
		}
		b, err := rule.ParseBack(text(tt.back))
		if err != nil {
			t.Fatal(err)
		}
		b.Apply(&l)
		if l.OffLow != tt.low || l.OffHigh != tt.high {
			t.Errorf("%s back %s: left at %v and %v", tt.level, tt.back, l.OffLow, l.OffHigh)
		}
		th := tree.Threshold{Red: l}
		if err := th.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestParseRollup(t *testing.T) {
	docs, errs := source.ReadYAML("f", []byte(`- worst
- best
- { at_least: { yellow: 1, red: 2 } }
- { need: 2, white: red }
- { percent: { yellow: 25.5 }, cap: yellow }
- { weighted: { red: 50 } }
- { rule: best, white: ignore }
- { cap: yellow }
`))
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	want := []tree.Rollup{
		{}, {Rule: tree.Best}, {Rule: tree.AtLeast, Yellow: 1, Red: 2}, {Rule: tree.Need, Green: 2, White: tree.RedWhite},
		{Rule: tree.Percent, Yellow: 25.5, Cap: tree.Yellow}, {Rule: tree.Weighted, Red: 50}, {Rule: tree.Best, White: tree.IgnoreWhite}, {Cap: tree.Yellow},
	}
	for i := range want {
		r, errs := rule.ParseRollup(&docs[0].Value.Items[i])
		if err := errs.Err(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if d := cmp.Diff(want[i], *r); d != "" {
			t.Errorf("%d: %s", i, d)
		}
	}
}

func TestParseWhiteAndFlap(t *testing.T) {
	if d, err := rule.ParseWhite(text("no reading for 60s")); err != nil || d != time.Minute {
		t.Errorf("%v %v", d, err)
	}
	if d, err := rule.ParseWhite(text("never")); err != nil || d != 0 {
		t.Errorf("%v %v", d, err)
	}
	if f, err := rule.ParseFlap(text("5 changes in 10m")); err != nil || f != (tree.Flap{Changes: 5, Window: 10 * time.Minute}) {
		t.Errorf("%v %v", f, err)
	}
}
