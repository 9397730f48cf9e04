package expression_test

import (
	"errors"
	"strings"
	"testing"

	"grove/tree"
	"grove/tree/definition/expression"
)

var values = map[string]tree.Value{
	"a.x": tree.Number(3), "a.y": tree.Number(0), "a.t": tree.Text("running"), "a.b": tree.Bool(true), "limit": tree.Number(10), "a.none": {},
}

func resolve(n expression.Name) (expression.Type, error) {
	switch n.String() {
	case "a.x", "a.y", "limit", "a.none":
		return expression.Number, nil
	case "a.t":
		return expression.Text, nil
	case "a.b":
		return expression.Bool, nil
	case "a.any":
		return expression.Any, nil
	}
	return 0, &expression.Error{Msg: "unknown name " + n.String(), Hint: "try a.x"}
}

func eval(text string) (tree.Value, error) {
	p, err := expression.Compile(text, resolve)
	if err != nil {
		return tree.Value{}, err
	}
	return p.Eval(func(i int) tree.Value { return values[p.Names()[i].String()] })
}

func TestEval(t *testing.T) {
	tests := map[string]tree.Value{
		"a.x + 1":                              tree.Number(4),
		"a.x / 2":                              tree.Number(1.5),
		"a.x > 2 ? 1 : 0":                      tree.Number(1),
		"a.x > 2 and a.b":                      tree.Bool(true),
		"!a.b":                                 tree.Bool(false),
		`a.t == "running" ? "ok" : "bad"`:      tree.Text("ok"),
		`a.t in ["running", "started"]`:        tree.Bool(true),
		`a.t matches "^run"`:                   tree.Bool(true),
		`upper(a.t)`:                           tree.Text("RUNNING"),
		"min(a.x, limit) + max(a.x, 1, limit)": tree.Number(13),
		"abs(-a.x)":                            tree.Number(3),
		"round(10 / a.x)":                      tree.Number(3),
		"round(10 / a.x, 2)":                   tree.Number(3.33),
		"clamp(limit, 0, 5)":                   tree.Number(5),
		"mod(limit, a.x)":                      tree.Number(1),
		"int(a.x) % 2":                         tree.Number(1),
		"a.x ** 2":                             tree.Number(9),
		"len(a.t)":                             tree.Number(7),
		`a["x"]`:                               tree.Number(3),
	}
	for text, want := range tests {
		got, err := eval(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a.x / a.y":                      `"a.x / a.y" yields no finite number`,
		"a.none + 1":                     "no value of a.none",
		"a.any + 1":                      "no value of a.any",
		"clamp(a.x, 5, 1)":               `"clamp(a.x, 5, 1)": clamp(x, low, high) needs low <= high (1:1)`,
		"mod(a.x, a.y)":                  `"mod(a.x, a.y)": mod(a, b) needs b other than 0 (1:1)`,
		"int(a.t)":                       "",
		"a.any.b":                        "only a name may be followed by a dot or an index",
		"b.x":                            "unknown name b.x",
		"":                               "empty expression",
		"a.x +":                          "expression: it ends too early",
		"sum([1])":                       "loops over data are not allowed in an expression: sum",
		"filter([1], # > 0)":             "loops over data are not allowed in an expression: filter",
		"1..5":                           "ranges are not allowed in an expression",
		"now()":                          `unknown function "now"`,
		"let y = 1; y":                   "this is not allowed in an expression",
		"{a: 1}":                         "this is not allowed in an expression",
		"[1, 2]":                         "expression yields neither a number nor a text nor a truth value",
		"$env":                           "unknown name $env",
		"a.t[0:2]":                       "this is not allowed in an expression",
		"nil":                            `no value of "nil"`,
		strings.Repeat("1+", 3000) + "1": "expression is longer than 4096 bytes",
		strings.Repeat("1+", 1000) + "1": "",
	} {
		_, err := eval(text)
		if err == nil || want != "" && err.Error() != want {
			t.Errorf("%.40s: %v, want %s", text, err, want)
		}
	}
	if _, err := eval("a.none"); !errors.Is(err, expression.ErrNoValue) {
		t.Errorf("%v is not ErrNoValue", err)
	}
}

func TestResult(t *testing.T) {
	for text, want := range map[string]expression.Type{"a.x": expression.Number, "a.t": expression.Text, "a.x > 1": expression.Bool, "a.any": expression.Any, "len(a.t)": expression.Number} {
		p, err := expression.Compile(text, resolve)
		if err != nil || p.Result() != want {
			t.Errorf("%s: %v %v, want %s", text, p.Result(), err, want)
		}
	}
}

// FuzzCompile holds the promise that any text ends in a value or an error.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{"a.x + 1", `a.t matches "x"`, "a.x > 1 ? a.x : limit", "round(a.x, 2)", "sum([1])", "((((", "a?.x ?? 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := eval(text); err != nil && err.Error() == "" {
			t.Error("an error without a message")
		}
	})
}

func BenchmarkEval(b *testing.B) {
	p, err := expression.Compile("a.y > 0.0 ? 100.0 * (a.x + limit) / a.y : 0.0", resolve)
	if err != nil {
		b.Fatal(err)
	}
	names := p.Names()
	list := make([]tree.Value, len(names))
	for i, n := range names {
		list[i] = values[n.String()]
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(func(i int) tree.Value { return list[i] }); err != nil {
			b.Fatal(err)
		}
	}
}
