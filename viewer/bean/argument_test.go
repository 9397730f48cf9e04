package bean

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

// types are all that a parameter may have.
var types = []beans.Type{
	beans.TypeBool, beans.TypeInt, beans.TypeFloat, beans.TypeString, beans.TypeTime, beans.TypeDuration, beans.TypeName,
	beans.TypeStrings, beans.TypeFloats, beans.TypeInts, beans.TypeList, beans.TypeMap, beans.TypeTable, beans.TypeAny, beans.TypeVoid, "nonsense",
}

// FuzzArgument converts JSON to every type: never a panic, never a value with an error,
// and what was converted is told as JSON.
func FuzzArgument(f *testing.F) {
	for _, seed := range []string{
		`null`, `true`, `"on"`, `1`, `1.5`, `1e400`, `-9223372036854775808`, `"1m30s"`, `"2026-03-02T12:00:00Z"`, `"grove:type=Timer"`,
		`[1,"2",null]`, `{"a":{"b":[1]}}`, `[{"a":1},{"b":[]}]`, `[[[[]]]]`, `""`, `"NaN"`,
	} {
		for i := range types {
			f.Add([]byte(seed), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, at uint8) {
		to := types[int(at)%len(types)]
		given, err := parseJSON(text)
		if err != nil {
			return
		}
		v, err := convert(given, to)
		if err != nil {
			if v != nil {
				t.Errorf("%s as %s is %v, and an error: %v", text, to, v, err)
			}
			return
		}
		out, _ := shown(v)
		if _, err := json.Marshal(out); err != nil {
			t.Errorf("%s as %s is %v, which cannot be told: %v", text, to, v, err)
		}
		if again, err := convert(v, to); err != nil && to != beans.TypeVoid {
			t.Errorf("%s as %s is %v, and that is not: %v, %v", text, to, v, again, err)
		}
		_, _ = parseArguments(text)
	})
}

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		json string
		to   beans.Type
		want beans.Value
	}{
		{`"1772452800000"`, beans.TypeTime, time.UnixMilli(1772452800000)},
		{`1772452800000`, beans.TypeTime, time.UnixMilli(1772452800000)},
		{`"90"`, beans.TypeDuration, 90 * time.Second},
		{`"1.5"`, beans.TypeDuration, 1500 * time.Millisecond},
		{`"1m"`, beans.TypeDuration, time.Minute},
		{`9007199254740993`, beans.TypeInt, int64(9007199254740993)},
		{`["1",2]`, beans.TypeInts, []int64{1, 2}},
	} {
		given, err := parseJSON([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		got, err := convert(given, c.to)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s as %s: %v\n%s", c.json, c.to, err, diff)
		}
	}
	for _, text := range []string{``, `1 2`, `{"a":1}x`, `[1`} {
		if v, err := parseJSON([]byte(text)); err == nil {
			t.Errorf("%s is %v", text, v)
		}
	}
}

func TestShown(t *testing.T) {
	long := strings.Repeat("ä", maxText)
	for _, c := range []struct {
		name string
		v    beans.Value
		want any
		of   int
	}{
		{"the largest exact integer", int64(1<<53 - 1), int64(1<<53 - 1), 0},
		{"one that JavaScript rounds", int64(-1 << 53), "-9007199254740992", 0},
		{"no number", math.NaN(), "NaN", 0},
		{"infinite", math.Inf(-1), "-Inf", 0},
		{"no time", time.Time{}, nil, 0},
		{"a name", beans.MustName("a:b=c"), "a:b=c", 0},
		{"an enumeration", beans.TypeInt, "int64", 0},
		{"a long text", long, long[:maxText], len(long)},
		{"a small number", int32(7), int64(7), 0},
		{"a list", []string{"a"}, []any{"a"}, 0},
		{"a map", map[string]beans.Value{"a": []int64{1}}, map[string]any{"a": []any{int64(1)}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, of := shown(c.v)
			if diff := cmp.Diff(c.want, got); diff != "" || of != c.of {
				t.Errorf("of %d, want %d\n%s", of, c.of, diff)
			}
		})
	}
	got, of := shown(make([]float64, maxElements+1))
	if list := got.([]any); len(list) != maxElements || of != maxElements+1 {
		t.Errorf("%d of %d", len(list), of)
	}
	nested := beans.Value("x")
	for range 100 {
		nested = []beans.Value{nested}
	}
	if _, err := json.Marshal(first(shown(nested))); err != nil {
		t.Error(err)
	}
}

func first(v any, _ int) any { return v }
