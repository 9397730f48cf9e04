// Package rule reads the rules of a definition's nodes: levels such as "> 500 for
// 30s", states, flapping, staleness, roll-up rules and edges.
package rule

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition/source"
)

// LevelPattern is the form of a level, as an ECMAScript regular expression for
// editors; ParseLevel says more precisely what is wrong.
const LevelPattern = `^\s*(never|[<>]\s*\S+(\s+\S+)?|(outside|inside)\s+\S+\s*\.\.\s*\S+)(\s+for\s+\S+)?\s*$`

const levelExamples = `"> 500", "< 5", "outside 10..20" or "inside 1..3", each with or without "for 30s"`

// ParseLevel reads a level, which is left where it is entered until Back is applied:
// "> 500", "< 5", "outside 10..20", "inside 1..3", each with or without "for 30s",
// or "never".
func ParseLevel(v *source.Value) (tree.Level, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return tree.Level{}, bad.WithHint("a level is a text: %s", levelExamples)
	}
	var l tree.Level
	rule := strings.TrimSpace(text)
	if rule == "never" {
		return l, nil
	}
	if head, after, ok := strings.Cut(rule, " for "); ok {
		d, err := source.ParseDuration(strings.TrimSpace(after))
		if err != nil {
			return l, source.Errorf(v.Pos, "level %q: %w", text, err)
		}
		if d < 0 {
			return l, source.Errorf(v.Pos, "level %q: negative duration", text)
		}
		rule, l.After = strings.TrimSpace(head), d
	}
	fail := func(what string) (tree.Level, *source.Error) {
		return tree.Level{}, source.Errorf(v.Pos, "level %q: %s", text, what)
	}
	word, rest := rule, ""
	switch {
	case strings.HasPrefix(rule, ">=") || strings.HasPrefix(rule, "<="):
		_, err := fail("a level begins beyond its border")
		return tree.Level{}, err.WithHint("write %q", rule[:1]+rule[2:])
	case strings.HasPrefix(rule, ">") || strings.HasPrefix(rule, "<"):
		border := strings.TrimSpace(rule[1:])
		n, ok := parseNumber(border)
		if !ok && border != "" {
			return fail(fmt.Sprintf("%q is no number", border))
		}
		if !ok {
			return fail("there is no number after " + rule[:1])
		}
		if rule[0] == '>' {
			l.Form, l.High, l.OffHigh = tree.Above, n, n
		} else {
			l.Form, l.Low, l.OffLow = tree.Below, n, n
		}
		return l, nil
	default:
		word, rest, _ = strings.Cut(rule, " ")
	}
	switch word {
	case "outside":
		l.Form = tree.Outside
	case "inside":
		l.Form = tree.Inside
	default:
		_, err := fail("not understood")
		return tree.Level{}, err.WithHint("%s", levelExamples)
	}
	low, high, ok := parseRange(rest)
	if !ok {
		return fail(`a range is two numbers, as in "10..20"`)
	}
	if low > high {
		return fail("the range is empty: its first number is the lower one")
	}
	l.Low, l.OffLow, l.High, l.OffHigh = low, low, high, high
	return l, nil
}

// sizes are the suffixes that a number may have, for percentages and for bytes.
var sizes = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"%", 1},
}

var numberForm = regexp.MustCompile(`^[+-]?(\d[\d_]*)?(\.\d+)?([eE][+-]?\d+)?$`)

// parseNumber reads "500", "0.5", "1e6", "90%" and "2 GiB".
func parseNumber(text string) (float64, bool) {
	factor := 1.0
	for _, s := range sizes {
		if head, ok := strings.CutSuffix(text, s.suffix); ok {
			text, factor = strings.TrimSpace(head), s.factor
			break
		}
	}
	if !numberForm.MatchString(text) {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || math.IsInf(n*factor, 0) {
		return 0, false
	}
	return n * factor, true
}

func parseRange(text string) (low, high float64, ok bool) {
	a, b, ok := strings.Cut(text, "..")
	if !ok {
		return 0, 0, false
	}
	low, ok = parseNumber(strings.TrimSpace(a))
	if !ok {
		return 0, 0, false
	}
	high, ok = parseNumber(strings.TrimSpace(b))
	return low, high, ok
}

// Back is how far a reading must come back over a border before the level is left.
type Back struct {
	Amount  float64 // in the unit of the reading, or the part of the border: 0.1 for 10%
	Percent bool
}

// ParseBack reads "10%" or an amount such as 50.
func ParseBack(v *source.Value) (Back, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return Back{}, bad
	}
	head, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, ok := parseNumber(strings.TrimSpace(head))
	switch {
	case !ok:
		return Back{}, source.Errorf(v.Pos, "back %q: not a number", text).WithHint(`"10%%" of the border, or an amount in the unit of the node`)
	case n < 0:
		return Back{}, source.Errorf(v.Pos, "back %q: negative", text)
	case percent && n > 100:
		return Back{}, source.Errorf(v.Pos, "back %q: more than 100%%", text)
	case percent:
		n /= 100
	}
	return Back{n, percent}, nil
}

// Apply moves the borders at which a level is left.
func (b Back) Apply(l *tree.Level) {
	by := func(border float64) float64 {
		if b.Percent {
			return math.Abs(border) * b.Amount
		}
		return b.Amount
	}
	switch l.Form {
	case tree.Above:
		l.OffHigh = l.High - by(l.High)
	case tree.Below:
		l.OffLow = l.Low + by(l.Low)
	case tree.Outside:
		l.OffLow, l.OffHigh = l.Low+by(l.Low), l.High-by(l.High)
	case tree.Inside:
		l.OffLow, l.OffHigh = l.Low-by(l.Low), l.High+by(l.High)
	}
}

// ParseStates reads a map from the text of a reading to a status; "*" is any other.
// With truth, the keys are "true" and "false", which stand for the readings 1 and 0.
func ParseStates(v *source.Value, truth bool) (map[string]tree.Status, source.Errors) {
	var errs source.Errors
	if v.Kind != source.Map || len(v.Fields) == 0 {
		errs.Add(v.Pos, `states is a map such as { running: green, "*": red }, not %s`, v.Describe())
		return nil, errs
	}
	states := make(map[string]tree.Status, len(v.Fields))
	for i := range v.Fields {
		f := &v.Fields[i]
		key := f.Key
		if truth {
			switch key {
			case "true":
				key = "1"
			case "false":
				key = "0"
			case "1", "0", "*":
			default:
				errs.Add(f.Pos, "state %q: the readings are true and false", f.Key)
			}
		}
		s, err := ParseStatus(&f.Value)
		if err != nil {
			errs.Append(err)
		}
		states[key] = s
	}
	return states, errs
}

// ParseStatus reads the name of a status.
func ParseStatus(v *source.Value) (tree.Status, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return tree.White, bad
	}
	s, err := tree.ParseStatus(text)
	if err != nil {
		names := make([]string, len(tree.Statuses))
		for i, n := range tree.Statuses {
			names[i] = n.String()
		}
		return s, source.Errorf(v.Pos, "%w", err).WithHint("%s", source.DidYouMean(text, names))
	}
	return s, nil
}

// ParseFlap reads "5 changes in 10m" or "never".
func ParseFlap(v *source.Value) (tree.Flap, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return tree.Flap{}, bad
	}
	words := strings.Fields(text)
	if slices.Equal(words, []string{"never"}) {
		return tree.Flap{}, nil
	}
	if len(words) != 4 || words[1] != "changes" || words[2] != "in" {
		return tree.Flap{}, source.Errorf(v.Pos, "flap %q: not understood", text).WithHint(`write it as "5 changes in 10m"`)
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 2 || n > tree.MaxFlapChanges {
		return tree.Flap{}, source.Errorf(v.Pos, "flap %q: 2 to %d changes, not %s", text, tree.MaxFlapChanges, words[0])
	}
	window, err := source.ParseDuration(words[3])
	if err != nil {
		return tree.Flap{}, source.Errorf(v.Pos, "flap %q: %w", text, err)
	}
	if window <= 0 {
		return tree.Flap{}, source.Errorf(v.Pos, "flap %q: the window must be longer than 0", text)
	}
	return tree.Flap{Changes: n, Window: window}, nil
}

// ParseWhite reads after which silence a node turns white: "no reading for 60s", or
// "never", which is 0.
func ParseWhite(v *source.Value) (time.Duration, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return 0, bad
	}
	words := strings.Fields(text)
	if slices.Equal(words, []string{"never"}) {
		return 0, nil
	}
	if len(words) != 4 || strings.Join(words[:3], " ") != "no reading for" {
		return 0, source.Errorf(v.Pos, "white %q: not understood", text).WithHint(`write it as "no reading for 60s", or "never"`)
	}
	d, err := source.ParseDuration(words[3])
	if err != nil {
		return 0, source.Errorf(v.Pos, "white %q: %w", text, err)
	}
	if d <= 0 {
		return 0, source.Errorf(v.Pos, "white %q: the time must be longer than 0", text)
	}
	return d, nil
}
