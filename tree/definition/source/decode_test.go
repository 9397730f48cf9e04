package source

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type level uint8

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errors.New(`want low or high, not "` + string(text) + `"`)
	}
	return nil
}

type span struct{ From, To int64 }

func (s *span) UnmarshalSource(v *Value) error {
	from, to, ok := strings.Cut(v.Text, "..")
	if !ok {
		return Errorf(v.Pos, "want a range such as 1..9").WithHint("write it with two dots")
	}
	a, b := Value{Pos: v.Pos, Text: from}, Value{Pos: v.Pos, Text: to}
	var errs Errors
	var err *Error
	s.From, err = a.Int()
	errs.Append(err)
	s.To, err = b.Int()
	errs.Append(err)
	return errs.Err()
}

type common struct {
	Timeout time.Duration `yaml:"timeout"`
	Retries int           `yaml:"retries"`
}

type tlsOptions struct {
	Verify bool   `yaml:"verify"`
	CA     string `yaml:"ca,omitempty"`
}

type options struct {
	common   `yaml:",inline"`
	URL      string            `yaml:"url"`
	Ratio    float64           `yaml:"ratio"`
	Small    int8              `yaml:"small"`
	Port     uint16            `yaml:"port"`
	On       bool              `yaml:"on"`
	Codes    []int             `yaml:"codes"`
	Pair     [2]string         `yaml:"pair"`
	Headers  map[string]string `yaml:"headers"`
	ByPort   map[int]level     `yaml:"by_port"`
	TLS      *tlsOptions       `yaml:"tls"`
	Steps    []tlsOptions      `yaml:"steps"`
	Maybe    *int              `yaml:"maybe"`
	Level    level             `yaml:"level"`
	Span     span              `yaml:"span"`
	Raw      Value             `yaml:"raw"`
	Any      any               `yaml:"any"`
	Body     []byte            `yaml:"body"`
	Addr     netip.Addr        `yaml:"addr"`
	Match    *regexp.Regexp    `yaml:"match"`
	Untagged string
	Hidden   string   `yaml:"-"`
	Bad      chan int `yaml:"bad"`
	private  string   //nolint:unused // no key reaches it
}

// root reads one document of YAML.
func root(t testing.TB, text string) *Value {
	t.Helper()
	docs, errs := ReadYAML("f.yaml", []byte(text))
	if errs != nil {
		t.Fatal(errs)
	}
	if len(docs) == 0 {
		return &Value{Null: true}
	}
	return &docs[0].Value
}

func TestDecode(t *testing.T) {
	one := 1
	tests := map[string]struct {
		in   string
		from options
		want options
	}{
		"nothing keeps defaults": {"", options{URL: "x"}, options{URL: "x"}},
		"null keeps defaults":    {"url:\ncodes: ~\ntls: null\n", options{URL: "x", Codes: []int{1}}, options{URL: "x", Codes: []int{1}}},
		"basic kinds": {
			"url: 80\nratio: 1_000.5\nsmall: -128\nport: 65535\non: yes\nbody: hi\nuntagged: u\n", options{},
			options{URL: "80", Ratio: 1000.5, Small: -128, Port: 65535, On: true, Body: []byte("hi"), Untagged: "u"},
		},
		"inline":              {"timeout: 1m30s\nretries: 3\n", options{}, options{common: common{90 * time.Second, 3}}},
		"lists replace":       {"codes: [1, 2]\npair: [a, b]\n", options{Codes: []int{7, 8, 9}}, options{Codes: []int{1, 2}, Pair: [2]string{"a", "b"}}},
		"maps add":            {"headers: {a: 1, B: }\nby_port: {80: low}\n", options{Headers: map[string]string{"c": "3"}}, options{Headers: map[string]string{"a": "1", "B": "", "c": "3"}, ByPort: map[int]level{80: 1}}},
		"pointer":             {"tls: {ca: x}\nmaybe: 1\n", options{}, options{TLS: &tlsOptions{CA: "x"}, Maybe: &one}},
		"pointer to defaults": {"tls: {ca: x}\n", options{TLS: &tlsOptions{Verify: true, CA: "y"}}, options{TLS: &tlsOptions{Verify: true, CA: "x"}}},
		"structs in a list":   {"steps:\n  - verify: on\n  - {ca: x}\n", options{Steps: make([]tlsOptions, 3)}, options{Steps: []tlsOptions{{Verify: true}, {CA: "x"}}}},
		"own readers":         {"level: high\nspan: 3..9\naddr: 127.0.0.1\n", options{}, options{Level: 2, Span: span{3, 9}, Addr: netip.MustParseAddr("127.0.0.1")}},
		"any":                 {"any: {a: [1, \"1\", 1.5, true, ~, x]}\n", options{}, options{Any: map[string]any{"a": []any{int64(1), "1", 1.5, true, nil, "x"}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tt.from
			if errs := root(t, tt.in).Decode(&got, DecodeOptions{}); errs != nil {
				t.Fatal(errs)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(options{}), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeCopiesDefaults(t *testing.T) {
	tls, headers := &tlsOptions{CA: "y"}, map[string]string{"a": "1"}
	o := options{TLS: tls, Headers: headers}
	if errs := root(t, "tls: {ca: x}\nheaders: {b: 2}\n").Decode(&o, DecodeOptions{}); errs != nil {
		t.Fatal(errs)
	}
	if tls.CA != "y" || len(headers) != 1 {
		t.Errorf("the shared defaults were changed: %v %v", tls, headers)
	}
}

func TestDecodeKeepsValues(t *testing.T) {
	var o options
	if errs := root(t, "url: x\nraw: {a: [~]}\nmatch: a+\n").Decode(&o, DecodeOptions{}); errs != nil {
		t.Fatal(errs)
	}
	if got := o.Raw.PosOf("a.0").String(); got != "f.yaml:2:11" || sketch(&o.Raw) != "{a: [~]}" {
		t.Errorf("raw is %s, its item stands at %s", sketch(&o.Raw), got)
	}
	if o.Match == nil || o.Match.String() != "a+" {
		t.Errorf("match is %v", o.Match)
	}
}

func TestDecodeIntoMapAndRest(t *testing.T) {
	var m map[string][]int
	if errs := root(t, "a: [1]\n").Decode(&m, DecodeOptions{}); errs != nil || len(m["a"]) != 1 {
		t.Errorf("got %v, %v", m, errs)
	}
	var rest struct {
		A     int            `yaml:"a"`
		Other map[string]int `yaml:",inline"`
	}
	if errs := root(t, "a: 1\nb: 2\n").Decode(&rest, DecodeOptions{}); errs != nil || rest.A != 1 || rest.Other["b"] != 2 {
		t.Errorf("got %v, %v", rest, errs)
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"unknown key":        {"urll: x\n", `f.yaml:1:1: unknown key "urll" in probe "p" (did you mean "url"?)`},
		"far key":            {"tls: {something: 1}\n", `f.yaml:1:7: unknown key "something" in tls of probe "p" (known keys: verify, ca)`},
		"allowed key nested": {"tls: {kind: 1}\n", `f.yaml:1:7: unknown key "kind" in tls of probe "p" (known keys: verify, ca)`},
		"hidden field":       {"Hidden: x\n-: y\nprivate: z\n", "f.yaml:1:1: unknown key \"Hidden\" in probe \"p\"\nf.yaml:2:1: unknown key \"-\" in probe \"p\"\nf.yaml:3:1: unknown key \"private\" in probe \"p\""},
		"text for a number":  {"codes: [1, x, 2.5, \"\", {}]\nratio: 10%\n", "f.yaml:1:12: want a whole number, not \"x\"\nf.yaml:1:15: want a whole number, not \"2.5\"\nf.yaml:1:20: want a whole number, not \"\"\nf.yaml:1:24: want a whole number, not a map\nf.yaml:2:8: want a number, not \"10%\""},
		"numbers too large":  {"small: 128\nport: -1\nretries: 99999999999999999999\nratio: 1e999\n", "f.yaml:1:8: want a whole number from -128 to 127, not \"128\"\nf.yaml:2:7: want a whole number from 0 to 65535, not \"-1\"\nf.yaml:3:10: \"99999999999999999999\" does not fit into 64 bits\nf.yaml:4:8: want a number, not \"1e999\""},
		"bases":              {"retries: 0x10\nratio: 0x1p3\n", "f.yaml:1:10: want a whole number, not \"0x10\"\nf.yaml:2:8: want a number, not \"0x1p3\""},
		"wrong shapes":       {"url: [a]\ntls: x\nheaders: [1]\ncodes: {a: 1}\npair: [a]\nlevel: {}\n", "f.yaml:1:6: want a text, not a list\nf.yaml:2:6: want a map, not \"x\"\nf.yaml:3:10: want a map, not a list\nf.yaml:4:8: want a list, not a map\nf.yaml:5:7: want a list of 2, not of 1\nf.yaml:6:8: want a text, not a map"},
		"scalar for a list":  {"codes: 200\n", `f.yaml:1:8: want a list, not "200" (write [200])`},
		"empty item":         {"codes: [1, ]\npair: [a, ~]\n", `f.yaml:2:11: item 2 of pair of probe "p" is empty`},
		"durations":          {"timeout: soon\n", `f.yaml:1:10: want a duration such as 30s, 5m or 1h30m, not "soon"`},
		"duration no unit":   {"timeout: 30\n", `f.yaml:1:10: the duration "30" needs a unit, such as 30s`},
		"bool":               {"on: maybe\n", `f.yaml:1:5: want true or false, not "maybe"`},
		"own text":           {"level: medium\nby_port: {x: low, 80: lowest}\n", "f.yaml:1:8: want low or high, not \"medium\"\nf.yaml:2:11: want a whole number, not \"x\"\nf.yaml:2:23: want low or high, not \"lowest\""},
		"own value":          {"span: 5\n", "f.yaml:1:7: want a range such as 1..9 (write it with two dots)"},
		"own values":         {"span: a..b\n", "f.yaml:1:7: want a whole number, not \"a\"\nf.yaml:1:7: want a whole number, not \"b\""},
		"regexp":             {"match: \"(\"\n", "f.yaml:1:8: error parsing regexp: missing closing ): `(`"},
		"structs in a list":  {"steps: [{verify: x}, {verfy: on}]\n", "f.yaml:1:18: want true or false, not \"x\"\nf.yaml:1:23: unknown key \"verfy\" in item 2 of steps of probe \"p\" (did you mean \"verify\"?)"},
		"no decoder":         {"bad: 1\n", `f.yaml:1:6: bad of probe "p" cannot be set: there is no way to decode a chan int`},
		"not a map":          {"[1]\n", "f.yaml:1:1: want a map, not a list"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var o options
			errs := root(t, tt.in).Decode(&o, DecodeOptions{What: `probe "p"`, Allow: []string{"kind", "every"}})
			if diff := cmp.Diff(tt.want, errs.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if errs := root(t, "a: 1").Decode(options{}, DecodeOptions{}); len(errs) != 1 {
		t.Errorf("decoding into no pointer: %v", errs)
	}
	var o options
	if errs := root(t, "kind: x\nurl: y\n").Decode(&o, DecodeOptions{Allow: []string{"kind"}}); errs != nil || o.URL != "y" {
		t.Errorf("allowed key: %v", errs)
	}
}

func TestDecodeErrorsUnwrap(t *testing.T) {
	var o options
	err := root(t, "level: x\n").Decode(&o, DecodeOptions{}).Err()
	var one *Error
	if !errors.As(err, &one) || one.Pos.Line != 1 || one.Unwrap() == nil {
		t.Errorf("got %v", err)
	}
	var list Errors
	if !errors.As(err, &list) || len(list) != 1 {
		t.Errorf("got %v", err)
	}
}
