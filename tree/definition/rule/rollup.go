package rule

import (
	"strings"

	"grove/tree"
	"grove/tree/definition/source"
)

// RollupKeys are the keys of a roll-up that is written as a map.
var RollupKeys = []string{"rule", "at_least", "need", "percent", "weighted", "cap", "white"}

var (
	plainRules = []string{"worst", "best"}
	edgeMaps   = []string{"as_is", "one_up", "one_down", "ignore"}
	whites     = []string{"keep", "ignore", "green", "yellow", "red"}
)

// ParseRollup reads a roll-up: "worst", "best", or a map with at most one of rule,
// at_least, need, percent and weighted, and cap and white.
func ParseRollup(v *source.Value) (*tree.Rollup, source.Errors) {
	var errs source.Errors
	r := &tree.Rollup{}
	switch {
	case v.Kind == source.Scalar && !v.Null:
		parsePlainRule(v, r, &errs)
		return r, errs
	case v.Kind != source.Map:
		errs.Add(v.Pos, "rollup is worst, best or a map such as { need: 2 }, not %s", v.Describe())
		return r, errs
	}
	var ruled *source.Field
	for i := range v.Fields {
		f := &v.Fields[i]
		switch f.Key {
		case "rule", "at_least", "need", "percent", "weighted":
			if ruled != nil {
				errs.Add(f.Pos, "a roll-up has one rule, and %s is given already", ruled.Key)
				continue
			}
			ruled = f
		}
		switch f.Key {
		case "rule":
			parsePlainRule(&f.Value, r, &errs)
		case "at_least":
			r.Rule = tree.AtLeast
			parseBorders(f, r, &errs)
		case "percent":
			r.Rule = tree.Percent
			parseBorders(f, r, &errs)
		case "weighted":
			r.Rule = tree.Weighted
			parseBorders(f, r, &errs)
		case "need":
			r.Rule = tree.Need
			n, err := f.Value.Int()
			errs.Append(err)
			r.Green = float64(n)
		case "cap":
			s, err := ParseStatus(&f.Value)
			errs.Append(err)
			r.Cap = s
		case "white":
			i, err := word(&f.Value, "white policy", whites)
			errs.Append(err)
			r.White = tree.WhitePolicy(max(i, 0))
		default:
			errs.Add(f.Pos, "unknown key %q in rollup", f.Key).WithHint("%s", source.DidYouMean(f.Key, RollupKeys))
		}
	}
	if len(errs) == 0 {
		if err := r.Check(); err != nil {
			errs.Add(v.Pos, "%w", err)
		}
	}
	return r, errs
}

func parsePlainRule(v *source.Value, r *tree.Rollup, errs *source.Errors) {
	i, err := word(v, "roll-up rule", plainRules)
	if err != nil && err.Hint == "" {
		err.Hint = "worst, best, { at_least: … }, { need: 2 }, { percent: … } or { weighted: … }"
	}
	errs.Append(err)
	r.Rule = tree.RollupRule(max(i, 0))
}

func parseBorders(f *source.Field, r *tree.Rollup, errs *source.Errors) {
	if f.Value.Kind != source.Map || len(f.Value.Fields) == 0 {
		errs.Add(f.Value.Pos, "%s is a map such as { yellow: 1, red: 2 }, not %s", f.Key, f.Value.Describe())
		return
	}
	for i := range f.Value.Fields {
		b := &f.Value.Fields[i]
		n, err := b.Value.Float()
		switch b.Key {
		case "yellow":
			r.Yellow = n
		case "red":
			r.Red = n
		default:
			errs.Add(b.Pos, "unknown key %q in %s", b.Key, f.Key).WithHint("%s", source.DidYouMean(b.Key, []string{"yellow", "red"}))
			continue
		}
		errs.Append(err)
	}
}

// word finds a text among the ones that are known; -1 with an error if it is none.
func word(v *source.Value, what string, known []string) (int, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return -1, bad
	}
	for i, k := range known {
		if k == text {
			return i, nil
		}
	}
	hint := source.DidYouMean(text, known)
	if hint == "" && what != "roll-up rule" {
		hint = "one of " + strings.Join(known, ", ")
	}
	return -1, source.Errorf(v.Pos, "unknown %s %q", what, text).WithHint("%s", hint)
}

// ParseEdge reads how a node counts in its parent: as_is, one_up, one_down, ignore
// or { fixed: yellow }.
func ParseEdge(v *source.Value) (tree.Edge, *source.Error) {
	if v.Kind == source.Map {
		if len(v.Fields) != 1 || v.Fields[0].Key != "fixed" {
			return tree.Edge{}, source.Errorf(v.Pos, "as is as_is, one_up, one_down, ignore or { fixed: yellow }")
		}
		s, err := ParseStatus(&v.Fields[0].Value)
		return tree.Edge{Map: tree.FixedStatus, Fixed: s}, err
	}
	i, err := word(v, "edge map", edgeMaps)
	if err != nil {
		return tree.Edge{}, err
	}
	return tree.Edge{Map: tree.EdgeMap(i)}, nil
}

// ParseWeight reads the weight of a node in its parent, 1 to 65535.
func ParseWeight(v *source.Value) (uint16, *source.Error) {
	n, bad := v.Int()
	if bad != nil {
		return 0, bad
	}
	if n < 1 || n > 1<<16-1 {
		return 0, source.Errorf(v.Pos, "weight is 1 to 65535, not %d", n)
	}
	return uint16(n), nil
}
