package beans_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

type level int

func TestConvert(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		value beans.Value
		to    beans.Type
		want  beans.Value
	}{
		{"bool", true, beans.TypeBool, true},
		{"bool of text", "Yes", beans.TypeBool, true},
		{"bool of off", "off", beans.TypeBool, false},
		{"bool of one", 1, beans.TypeBool, true},
		{"int of int", 7, beans.TypeInt, int64(7)},
		{"int of uint8", uint8(7), beans.TypeInt, int64(7)},
		{"int of a named type", level(2), beans.TypeInt, int64(2)},
		{"int of whole float", 7.0, beans.TypeInt, int64(7)},
		{"int of text", "-12", beans.TypeInt, int64(-12)},
		{"int of json", json.Number("9007199254740993"), beans.TypeInt, int64(9007199254740993)},
		{"int of smallest float", -9223372036854775808.0, beans.TypeInt, int64(math.MinInt64)},
		{"float of int", 7, beans.TypeFloat, 7.0},
		{"float of float32", float32(0.1), beans.TypeFloat, 0.1},
		{"float of text", "1e3", beans.TypeFloat, 1000.0},
		{"string of int", 7, beans.TypeString, "7"},
		{"string of float", 0.25, beans.TypeString, "0.25"},
		{"string of bool", false, beans.TypeString, "false"},
		{"string of duration", 90 * time.Second, beans.TypeString, "1m30s"},
		{"string of time", noon, beans.TypeString, "2026-11-21T12:00:00Z"},
		{"string of what has a text", netip.MustParseAddr("::1"), beans.TypeString, "::1"},
		{"time of text", "2026-11-21T12:00:00Z", beans.TypeTime, noon},
		{"time of milliseconds", noon.UnixMilli(), beans.TypeTime, noon},
		{"duration of text", "1m30s", beans.TypeDuration, 90 * time.Second},
		{"duration of seconds", 90, beans.TypeDuration, 90 * time.Second},
		{"duration of half a second", 0.5, beans.TypeDuration, 500 * time.Millisecond},
		{"name of text", "d:a=1", beans.TypeName, beans.MustName("d:a=1")},
		{"strings of list", []beans.Value{"a", 1}, beans.TypeStrings, []string{"a", "1"}},
		{"ints of floats", []float64{1, 2}, beans.TypeInts, []int64{1, 2}},
		{"floats of an array", [2]int{1, 2}, beans.TypeFloats, []float64{1, 2}},
		{"list of strings", []string{"a"}, beans.TypeList, []beans.Value{"a"}},
		{"list with nothing in it", []beans.Value{nil}, beans.TypeList, []beans.Value{nil}},
		{"map", map[string]int{"a": 1}, beans.TypeMap, map[string]beans.Value{"a": int64(1)}},
		{"table", []beans.Value{map[string]beans.Value{"a": "b"}}, beans.TypeTable, beans.Table{{"a": "b"}}},
		{"any", int32(4), beans.TypeAny, int64(4)},
		{"any nothing", nil, beans.TypeAny, nil},
		{"void", nil, beans.TypeVoid, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := beans.Convert(tt.value, tt.to)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestConvertErrors(t *testing.T) {
	deep := beans.Value("bottom")
	for range 40 {
		deep = []beans.Value{deep}
	}
	for _, tt := range []struct {
		name  string
		value beans.Value
		to    beans.Type
		want  string
	}{
		{"bool of two", 2, beans.TypeBool, "invalid value: 2 is no bool"},
		{"bool of text", "maybe", beans.TypeBool, `invalid value: "maybe" is no bool`},
		{"int of fraction", 1.5, beans.TypeInt, "invalid value: 1.5 is no int64: it has a fraction"},
		{"int of huge float", 9223372036854775808.0, beans.TypeInt, "invalid value: 9.223372036854776e+18 is no int64: out of range"},
		{"int of nan", math.NaN(), beans.TypeInt, "invalid value: NaN is no int64: it has a fraction"},
		{"int of huge text", "9223372036854775808", beans.TypeInt, `invalid value: "9223372036854775808" is no int64: out of range`},
		{"int of text", "twelve", beans.TypeInt, `invalid value: "twelve" is no int64`},
		{"int of bool", true, beans.TypeInt, "invalid value: true is no int64"},
		{"float that would round", int64(1<<53 + 1), beans.TypeFloat, "invalid value: 9007199254740993 is no float64: it would lose digits"},
		{"float of largest int", int64(math.MaxInt64), beans.TypeFloat, "invalid value: 9223372036854775807 is no float64: it would lose digits"},
		{"float of huge text", "1e999", beans.TypeFloat, `invalid value: "1e999" is no float64: out of range`},
		{"string of nothing", nil, beans.TypeString, "invalid value: nothing is no string"},
		{"string of list", []string{"a"}, beans.TypeString, "invalid value: a list is no string"},
		{"time of text", "noon", beans.TypeTime, `invalid value: "noon" is no time`},
		{"duration without unit", "90", beans.TypeDuration, `invalid value: "90" is no duration`},
		{"duration out of range", int64(1 << 40), beans.TypeDuration, "invalid value: 1099511627776 is no duration: out of range"},
		{"duration of nan", math.NaN(), beans.TypeDuration, "invalid value: NaN is no duration: out of range"},
		{"name of text", "x", beans.TypeName, `invalid value: parse "x": malformed name: there is no ':' after the domain`},
		{"element", []beans.Value{1, "x"}, beans.TypeInts, `element 2: invalid value: "x" is no int64`},
		{"strings of text", "a,b", beans.TypeStrings, `invalid value: "a,b" is no []string`},
		{"map of list", []string{}, beans.TypeMap, "invalid value: a list is no map"},
		{"map of a struct", map[string]any{"a": struct{}{}}, beans.TypeMap, `key "a": invalid value: a value of type struct {} is no any value`},
		{"table of numbers", []int{1}, beans.TypeTable, "row 1: invalid value: 1 is no map"},
		{"any of a channel", make(chan int), beans.TypeAny, "invalid value: a value of type chan int is no any value"},
		{"any too deep", deep, beans.TypeAny, "invalid value: a list is no any value"},
		{"void of something", 1, beans.TypeVoid, "invalid value: 1 is no void"},
		{"unknown type", 1, "complex", `invalid value: no type "complex"`},
		{"long text is cut", strings.Repeat("x", 500), beans.TypeInt, `invalid value: "` + strings.Repeat("x", 120) + `…" is no int64`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := beans.Convert(tt.value, tt.to)
			if err == nil || err.Error() != tt.want || got != nil || !errors.Is(err, beans.ErrInvalidValue) {
				t.Errorf("got  %v, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func FuzzConvert(f *testing.F) {
	types := []beans.Type{beans.TypeBool, beans.TypeInt, beans.TypeFloat, beans.TypeString, beans.TypeTime, beans.TypeDuration, beans.TypeName}
	for i, seed := range []string{"yes", "-7", "1e3", "text", "2026-11-21T12:00:00Z", "1m30s", "d:a=1"} {
		f.Add(seed, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		to := types[int(which)%len(types)]
		v, err := beans.Convert(text, to)
		if err != nil {
			if v != nil || !errors.Is(err, beans.ErrInvalidValue) {
				t.Fatalf("%q to %s: %v besides %v", text, to, v, err)
			}
			return
		}
		// What came out has a text from which it can be had again.
		s, err := beans.Convert(v, beans.TypeString)
		if err != nil {
			if _, ok := v.(time.Time); ok {
				return // a year beyond 9999 in another zone
			}
			t.Fatalf("%q to %s: %v has no text: %v", text, to, v, err)
		}
		again, err := beans.Convert(s, to)
		if err != nil {
			t.Fatalf("%q to %s: its text %q: %v", text, to, s, err)
		}
		if a, ok := v.(float64); ok && math.IsNaN(a) {
			return
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Fatalf("%q to %s: its text %q reads otherwise:\n%s", text, to, s, diff)
		}
	})
}
