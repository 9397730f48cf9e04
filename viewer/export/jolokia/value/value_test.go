package value

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

type level int

func (l level) MarshalText() ([]byte, error) { return []byte([]string{"low", "high"}[l]), nil }

// pair is a struct that no bean should give, and some do.
type pair struct {
	FirstOne int
	URL      string
	hidden   int
}

func TestSerialize(t *testing.T) {
	at := time.Date(2026, 11, 22, 4, 4, 5, 6, time.FixedZone("", 3600))
	nested := map[string]beans.Value{"b": []beans.Value{int64(1), map[string]beans.Value{"c": "x"}}, "a": nil}
	pools := Tabular{"name", beans.Table{{"name": "old", "used": int64(1)}, {"name": "eden", "used": int64(2), "max": int64(3)}}}
	step := func(names ...string) (path []Step) {
		for _, n := range names {
			path = append(path, Step{Name: n, Any: n == "*"})
		}
		return path
	}
	for _, tt := range []struct {
		name  string
		value any
		o     Options
		path  []Step
		want  string
	}{
		{"nothing", nil, Options{}, nil, `null`},
		{"numbers", []any{1, int64(-2), uint8(3), uint64(math.MaxUint64), 1.0, 1e-7, 1e21, float32(0.5), math.NaN(), math.Inf(-1)}, Options{}, nil,
			`[1,-2,3,18446744073709552000.0,1.0,1e-07,1e+21,0.5,null,null]`},
		{"long as text", []int64{1, math.MinInt64}, Options{LongAsText: true}, nil, `["1","-9223372036854775808"]`},
		{"text", "a\"\\/\n\r\t\x00\x7f\u2028ü\xff</script>", Options{}, nil, `"a\"\\/\n\r\t\u0000\u007f\u2028ü` + "\ufffd" + `</script>"`},
		{"time", at, Options{}, nil, `"2026-11-22T03:04:05.000000006Z"`},
		{"time in milliseconds", at, Options{}, step("time"), `1795316645000`},
		{"duration", 1500 * time.Millisecond, Options{}, nil, `1.5`},
		{"name", beans.MustName("d:b=1,a=2"), Options{}, nil, `{"objectName":"d:a=2,b=1"}`},
		{"text of a name", beans.MustName("d:b=1,a=2"), Options{}, step("objectName"), `"d:a=2,b=1"`},
		{"enumeration", level(1), Options{}, nil, `"high"`},
		{"type", beans.TypeInts, Options{}, nil, `"[J"`},
		{"struct", pair{1, "u", 2}, Options{}, nil, `{"firstOne":1,"url":"u"}`},
		{"pointer to a number", new(int), Options{}, nil, `0`},
		{"function", func() {}, Options{}, nil, `"func()"`},
		{"map of numbers", map[int]string{2: "b", 1: "a"}, Options{}, nil, `{"1":"a","2":"b"}`},
		{"nested", nested, Options{}, nil, `{"a":null,"b":[1,{"c":"x"}]}`},
		{"empty", []any{[]string{}, map[string]beans.Value{}, beans.Table{}}, Options{}, nil, `[[],{},[]]`},
		{"table by key", pools, Options{}, nil, `{"old":{"name":"old","used":1},"eden":{"max":3,"name":"eden","used":2}}`},
		{"table with a key that does not tell apart", Tabular{"a", beans.Table{{"a": 1, "b": 2}, {"a": 1, "b": 3}}}, Options{}, nil,
			`{"indexNames":["a"],"values":[{"a":1,"b":2},{"a":1,"b":3}]}`},
		{"path", nested, Options{}, step("b", "1", "c"), `"x"`},
		{"path to nothing", nested, Options{}, step("b", "2"), `null`},
		{"path below nothing", nested, Options{}, step("a", "x"), `null`},
		{"path below a number", nested, Options{}, step("b", "0", "x"), `null`},
		{"path with a word for an index", nested, Options{}, step("b", "x"), `null`},
		{"path with a negative index", nested, Options{}, step("b", "-1"), `null`},
		{"wildcard over a list", nested, Options{}, step("b", "*", "c"), `["x"]`},
		{"wildcard over a map", pools, Options{}, step("*", "max"), `{"eden":3}`},
		{"wildcard that finds nothing", pools, Options{}, step("*", "nope"), `null`},
		{"depth 1", nested, Options{MaxDepth: 1}, nil, `{"a":null,"b":"[1, {c=x}]"}`},
		{"depth 2", nested, Options{MaxDepth: 2}, nil, `{"a":null,"b":["1","{c=x}"]}`},
		{"depth of a scalar", int64(1), Options{MaxDepth: 1}, nil, `1`},
		{"text of everything", []any{[]any{nil, true, 1, 1.0, level(0), at, time.Second, beans.MustName("d:b=1,a=2"), pools, pair{1, "u", 2}}}, Options{MaxDepth: 1}, nil,
			`["[null, true, 1, 1.0, low, 2026-11-22T03:04:05.000000006Z, 1.0, d:a=2,b=1, [{name=old, used=1}, {max=3, name=eden, used=2}], {firstOne=1, url=u}]"]`},
		{"collection size", []any{[]string{"a", "b", "c"}, "x", "y"}, Options{MaxCollectionSize: 2}, nil, `[["a","b"],"x"]`},
		{"objects", []any{[]any{}, []any{}, int64(1)}, Options{MaxObjects: 1}, nil, `[[],"[Object limit exceeded]","[Object limit exceeded]"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := tt.o.Serialize(tt.value, tt.path)
			if err != nil {
				t.Fatal(err)
			}
			got := string(Append(nil, v))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("it is no JSON")
			}
		})
	}
}

func TestCyclesEnd(t *testing.T) {
	m := map[string]beans.Value{}
	m["m"] = m
	v, err := Options{}.Serialize(m, nil)
	if err != nil || !strings.Contains(string(Append(nil, v)), `"[Depth limit exceeded]"`) {
		t.Error(err, v)
	}
	if text := Text(m); len(text) > 2*longestText {
		t.Errorf("a text of %d bytes", len(text))
	}
	m["n"] = m // twice as many with each level
	if _, err := (Options{Budget: &Budget{Bytes: 10_000}}).Serialize(m, nil); !errors.As(err, new(*TooLargeError)) {
		t.Error(err)
	}
	if text := Text(m); len(text) > 10*longestText {
		t.Errorf("a text of %d bytes", len(text))
	}
}

func TestBudgetCoversTheJSON(t *testing.T) {
	list := []any{"some text", int64(123456), 1.5, true, nil, beans.MustName("d:a=b"), time.Now(), map[string]beans.Value{"key": "value"}, []string{"a", "b"}}
	b := &Budget{Bytes: 1 << 20}
	v, err := Options{Budget: b}.Serialize(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Numbers may be longer than the estimate, by a little.
	if size := len(Append(nil, v)); b.used < size*2/3 || b.used > size*2 {
		t.Errorf("estimated %d, and it has %d bytes", b.used, size)
	}
}

func TestConvert(t *testing.T) {
	decode := func(text string) (v any) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		json string
		to   beans.Type
		want beans.Value
	}{
		{`1`, beans.TypeInt, int64(1)},
		{`"1"`, beans.TypeInt, int64(1)},
		{`1`, beans.TypeFloat, 1.0},
		{`12345678901234567890`, beans.TypeAny, 12345678901234567890.0},
		{`"true"`, beans.TypeBool, true},
		{`1000`, beans.TypeTime, time.UnixMilli(1000)},
		{`"1000"`, beans.TypeTime, time.UnixMilli(1000)},
		{`"2026-11-22T03:04:05.000000006Z"`, beans.TypeTime, time.Date(2026, 11, 22, 3, 4, 5, 6, time.UTC)},
		{`"1.5"`, beans.TypeDuration, 1500 * time.Millisecond},
		{`"1m"`, beans.TypeDuration, time.Minute},
		{`2`, beans.TypeDuration, 2 * time.Second},
		{`"a,b\\,c,"`, beans.TypeStrings, []string{"a", "b,c"}},
		{`"[\"a,b\"]"`, beans.TypeStrings, []string{"a,b"}},
		{`""`, beans.TypeStrings, []string{}},
		{`["1",2]`, beans.TypeInts, []int64{1, 2}},
		{`"1,2.5"`, beans.TypeFloats, []float64{1, 2.5}},
		{`[1,[2]]`, beans.TypeList, []any{int64(1), []any{int64(2)}}},
		{`{"a":[1]}`, beans.TypeMap, map[string]beans.Value{"a": []any{int64(1)}}},
		{`"{\"a\":1}"`, beans.TypeMap, map[string]beans.Value{"a": int64(1)}},
		{`[{"a":1}]`, beans.TypeTable, beans.Table{{"a": int64(1)}}},
		{`"[{\"a\":1}]"`, beans.TypeTable, beans.Table{{"a": int64(1)}}},
		{`{"objectName":"d:a=b"}`, beans.TypeName, beans.MustName("d:a=b")},
		{`"d:a=b"`, beans.TypeName, beans.MustName("d:a=b")},
		{`null`, beans.TypeAny, nil},
	} {
		got, err := Convert(decode(tt.json), tt.to)
		if err != nil {
			t.Errorf("%s to %s: %v", tt.json, tt.to, err)
		} else if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b beans.Name) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("%s to %s:\n%s", tt.json, tt.to, diff)
		}
	}
	for text, to := range map[string]beans.Type{
		`1.5`: beans.TypeInt, `"x"`: beans.TypeFloat, `{}`: beans.TypeString, `null`: beans.TypeInt, `"{"`: beans.TypeMap, `{"objectName":1}`: beans.TypeName,
		strings.Repeat("[", 40) + strings.Repeat("]", 40): beans.TypeAny,
	} {
		if v, err := Convert(decode(text), to); !errors.Is(err, beans.ErrInvalidValue) {
			t.Errorf("%s became %v, %v", text, v, err)
		}
	}
}

func TestEveryTypeHasAName(t *testing.T) {
	for typ, name := range javaTypes {
		if got := JavaType(typ); got != name || name == "" {
			t.Error(typ, got)
		}
	}
	if got := JavaType("other"); got != "java.lang.Object" {
		t.Error(got)
	}
	original := map[string]string{beans.FieldOriginalType: "int"}
	if AttributeType(beans.AttributeInfo{Type: beans.TypeInt, Descriptor: original}) != "int" ||
		ParameterType(beans.ParameterInfo{Type: beans.TypeInt, Descriptor: original}) != "int" ||
		ReturnType(beans.OperationInfo{Returns: beans.TypeInt, Descriptor: original}) != "int" {
		t.Error("the original type does not count")
	}
	if AttributeType(beans.AttributeInfo{Type: beans.TypeTable, Key: "k"}) != "javax.management.openmbean.TabularData" {
		t.Error("a table with a key is tabular data")
	}
	got := string(Append(nil, []any{OpenType(beans.TypeInt), OpenType(beans.TypeInts), OpenType(beans.TypeAny),
		AttributeOpenType(beans.AttributeInfo{Name: "T", Type: beans.TypeTable, Columns: []beans.AttributeInfo{{Name: "c", Type: beans.TypeBool}}}),
		AttributeOpenType(beans.AttributeInfo{Name: "T", Type: beans.TypeTable, Columns: []beans.AttributeInfo{{Name: "c", Type: beans.TypeAny}}})}))
	if want := `["java.lang.Long",{"kind":"array","type":"[J","class":"[J","desc":"1-dimension array of java.lang.Long","primitive":true,"dimension":1,"elemType":"java.lang.Long"},null,` +
		`{"kind":"array","type":"[LT;","class":"[Ljavax.management.openmbean.CompositeData;","desc":"","primitive":false,"dimension":1,` +
		`"elemType":{"kind":"composite","type":"T","class":"javax.management.openmbean.CompositeData","desc":"","items":{"c":"java.lang.Boolean"}}},null]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// FuzzAppendString holds that every text becomes a JSON string that is read back as it
// was, in UTF-8, and stays on one line.
func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00\u2028\xff")
	f.Fuzz(func(t *testing.T, text string) {
		b := AppendString(nil, text)
		var back string
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if !utf8.Valid(b) || strings.ContainsAny(string(b), "\n\r\u2028\u2029") {
			t.Fatalf("%q", b)
		}
		if utf8.ValidString(text) && back != text {
			t.Fatalf("%q became %q", text, back)
		}
	})
}
