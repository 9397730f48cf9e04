package beans_test

import (
	"math"
	"testing"
	"time"

	"grove/beans"
)

func TestQueryConditions(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newBox("Speed", int64(3), "Load", 0.5, "Model", "AX-3000 [b]", "On", true, "Since", now, "Up", time.Minute, "NaN", math.NaN(), "Broken", nil)
	speed, model := beans.Attr("Speed"), beans.Attr("Model")
	num := func(v any) beans.Term { return beans.Const(v) }
	yes := beans.Eq(num(1), num(1))
	fails := beans.Eq(beans.Attr("Broken"), num(1))
	for _, tt := range []struct {
		name  string
		query beans.Query
		want  bool
		err   bool
	}{
		{"eq", beans.Eq(speed, num(3)), true, false},
		{"eq across int and float", beans.Eq(speed, num(3.0)), true, false},
		{"eq of string and number", beans.Eq(speed, num("3")), false, false},
		{"not of string and number", beans.Not(beans.Eq(speed, num("3"))), true, false},
		{"eq of bools", beans.Eq(beans.Attr("On"), num(true)), true, false},
		{"eq of strings", beans.Eq(model, num("AX-3000 [b]")), true, false},
		{"gt", beans.Gt(speed, num(2.5)), true, false},
		{"gt equal", beans.Gt(speed, num(3)), false, false},
		{"geq equal", beans.Geq(speed, num(3)), true, false},
		{"lt", beans.Lt(beans.Attr("Load"), num(1)), true, false},
		{"leq equal", beans.Leq(beans.Attr("Load"), num(0.5)), true, false},
		{"nan equals nothing", beans.Eq(beans.Attr("NaN"), beans.Attr("NaN")), false, false},
		{"times", beans.Lt(beans.Attr("Since"), num(now.Add(1))), true, false},
		{"durations", beans.Geq(beans.Attr("Up"), num(time.Second)), true, false},
		{"between", beans.Between(speed, num(3), num(4)), true, false},
		{"not between", beans.Between(speed, num(4), num(9)), false, false},
		{"in", beans.In(speed, num(1), num(3)), true, false},
		{"in nothing", beans.In(speed), false, false},
		{"and", beans.And(yes, beans.Gt(speed, num(9))), false, false},
		{"and of nothing", beans.And(), true, false},
		{"or", beans.Or(beans.Gt(speed, num(9)), yes), true, false},
		{"or stops at the first that holds", beans.Or(yes, fails), true, false},
		{"or that fails", beans.Or(fails, yes), false, true},
		{"not of what fails", beans.Not(fails), false, true},
		{"nil holds", beans.And(nil, yes), true, false},
		{"unknown attribute", beans.Eq(beans.Attr("None"), num(1)), false, true},
		{"initial", beans.InitialSubstring(model, "AX"), true, false},
		{"any", beans.AnySubstring(model, "3000"), true, false},
		{"final", beans.FinalSubstring(model, "AX"), false, false},
		{"substring of a number", beans.AnySubstring(speed, "3"), false, false},
		{"instance", beans.InstanceOf("test.Box"), true, false},
		{"not an instance", beans.InstanceOf("test.Other"), false, false},
		{"class attribute", beans.Eq(beans.ClassAttr("test.Box", "Speed"), num(3)), true, false},
		{"class attribute of others", beans.Eq(beans.ClassAttr("test.Other", "Speed"), num(3)), false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.query(t.Context(), beans.MustName("d:a=b"), b)
			if got != tt.want || (err != nil) != tt.err {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"a*c", "abbc", true},
		{"a*c", "abbcd", false},
		{"a?c", "aéc", true},
		{"a?c", "ac", false},
		{"*a*b*", "xxaxxbxx", true},
		{"[abc]", "b", true},
		{"[abc]", "d", false},
		{"[a-cx]*", "bat", true},
		{"[a-cx]", "x", true},
		{"[!a-c]", "d", true},
		{"[!a-c]", "b", false},
		{"[a-]", "-", true},
		{"[]a]", "]", true},
		{`[\]]`, "]", true},
		{"*[0-9]", "slot7", true},
		{"*[0-9]", "slot", false},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`a\?b`, "a?b", true},
		{`\[a]`, "[a]", true},
		{`\`, `\`, true},
		{"[a", "a", false},
		{"[", "[", false},
		{"é*", "élan", true},
	} {
		q := beans.Match(beans.Const(tt.text), tt.pattern)
		if got, err := q(t.Context(), beans.Name{}, nil); got != tt.want || err != nil {
			t.Errorf("%q matches %q: %v, %v, want %v", tt.pattern, tt.text, got, err, tt.want)
		}
	}
}
