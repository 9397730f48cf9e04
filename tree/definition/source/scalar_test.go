package source

import (
	"fmt"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		err  string
	}{
		{"30s", 30 * time.Second, ""},
		{"1h30m", 90 * time.Minute, ""},
		{"1h 30m", 90 * time.Minute, ""},
		{"2d", 48 * time.Hour, ""},
		{"1w2d", 9 * 24 * time.Hour, ""},
		{"1.5s", 1500 * time.Millisecond, ""},
		{"0.1s", 100 * time.Millisecond, ""},
		{"500ms", 500 * time.Millisecond, ""},
		{"10µs", 10 * time.Microsecond, ""},
		{"7ns", 7, ""},
		{"0", 0, ""},
		{"0s", 0, ""},
		{"-5m", -5 * time.Minute, ""},
		{"30", 0, `the duration "30" needs a unit, such as 30s`},
		{"", 0, `want a duration such as 30s, 5m or 1h30m, not ""`},
		{"-", 0, `want a duration such as 30s, 5m or 1h30m, not "-"`},
		{"5 minutes", 0, `want a duration such as 30s, 5m or 1h30m, not "5 minutes"`},
		{"30m1h", 0, `want a duration such as 30s, 5m or 1h30m, not "30m1h"`},
		{"1s1s", 0, `want a duration such as 30s, 5m or 1h30m, not "1s1s"`},
		{"1..5s", 0, `want a duration such as 30s, 5m or 1h30m, not "1..5s"`},
		{"s", 0, `want a duration such as 30s, 5m or 1h30m, not "s"`},
		{"--5s", 0, `want a duration such as 30s, 5m or 1h30m, not "--5s"`},
		{"99999999w", 0, `the duration "99999999w" is too long, at most 146 years are allowed`},
	}
	for _, tt := range tests {
		got, err := ParseDuration(tt.in)
		if got != tt.want || text(err) != tt.err {
			t.Errorf("%q: got %v, %v", tt.in, got, err)
		}
	}
}

func TestParseBytes(t *testing.T) {
	tests := []struct {
		in   string
		want int64
		err  string
	}{
		{"4096", 4096, ""},
		{"1_000", 1000, ""},
		{"64 KiB", 65536, ""},
		{"10MB", 10_000_000, ""},
		{"1.5 gib", 1610612736, ""},
		{"12 B", 12, ""},
		{"", 0, `want an amount of bytes such as 4096, 64 KiB or 10 MB, not ""`},
		{"1.5", 0, `want an amount of bytes such as 4096, 64 KiB or 10 MB, not "1.5"`},
		{"-1", 0, `want an amount of bytes such as 4096, 64 KiB or 10 MB, not "-1"`},
		{"5 apples", 0, `want an amount of bytes such as 4096, 64 KiB or 10 MB, not "5 apples"`},
		{"99999999 TiB", 0, `the amount "99999999 TiB" does not fit into 64 bits`},
	}
	for _, tt := range tests {
		got, err := ParseBytes(tt.in)
		if got != tt.want || text(err) != tt.err {
			t.Errorf("%q: got %v, %v", tt.in, got, err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestScalars(t *testing.T) {
	at := Pos{"f.yaml", 1, 2}
	read := map[string]func(*Value) (any, *Error){
		"int":     func(v *Value) (any, *Error) { return anyOf(v.Int()) },
		"float":   func(v *Value) (any, *Error) { return anyOf(v.Float()) },
		"percent": func(v *Value) (any, *Error) { return anyOf(v.Percent()) },
		"bool":    func(v *Value) (any, *Error) { return anyOf(v.Bool()) },
		"text":    func(v *Value) (any, *Error) { return anyOf(v.Str()) },
		"strings": func(v *Value) (any, *Error) { return anyOf(v.Strings()) },
	}
	scalar := func(text string) Value { return Value{Pos: at, Text: text} }
	null, list := Value{Pos: at, Null: true}, Value{Pos: at, Kind: List, Items: []Value{scalar("a"), scalar("b")}}
	deep := Value{Pos: at, Kind: List, Items: []Value{{Pos: at, Kind: Map}}}
	tests := []struct {
		as   string
		v    Value
		want string
	}{
		{"int", scalar("12"), "12"},
		{"int", scalar("-1_000"), "-1000"},
		{"int", scalar("+7"), "7"},
		{"int", scalar("010"), "10"},
		{"int", scalar("1_"), `f.yaml:1:2: want a whole number, not "1_"`},
		{"int", scalar("1.0"), `f.yaml:1:2: want a whole number, not "1.0"`},
		{"int", scalar("-+1"), `f.yaml:1:2: want a whole number, not "-+1"`},
		{"int", scalar("9223372036854775808"), `f.yaml:1:2: "9223372036854775808" does not fit into 64 bits`},
		{"int", null, "f.yaml:1:2: want a whole number, not nothing"},
		{"int", list, "f.yaml:1:2: want a whole number, not a list"},
		{"float", scalar("1.5e3"), "1500"},
		{"float", scalar(".5"), "0.5"},
		{"float", scalar("10k"), `f.yaml:1:2: want a number, not "10k"`},
		{"float", scalar("NaN"), `f.yaml:1:2: want a number, not "NaN"`},
		{"float", scalar("inf"), `f.yaml:1:2: want a number, not "inf"`},
		{"percent", scalar("10%"), "0.1"},
		{"percent", scalar("2.5 %"), "0.025"},
		{"percent", scalar("10"), `f.yaml:1:2: want a percentage such as 10%, not "10"`},
		{"bool", scalar("True"), "true"},
		{"bool", scalar("off"), "false"},
		{"bool", scalar("1"), `f.yaml:1:2: want true or false, not "1"`},
		{"text", scalar(""), ""},
		{"text", null, "f.yaml:1:2: want a text, not nothing"},
		{"strings", list, "[a b]"},
		{"strings", scalar("a"), "[a]"},
		{"strings", null, "[]"},
		{"strings", deep, "f.yaml:1:2: want a text, not a map"},
		{"strings", deep.Items[0], "f.yaml:1:2: want a list of texts, not a map"},
	}
	for _, tt := range tests {
		got, err := read[tt.as](&tt.v)
		out := fmt.Sprint(got)
		if err != nil {
			out = err.Error()
		}
		if out != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.as, sketch(&tt.v), out, tt.want)
		}
	}
}

func anyOf[T any](v T, err *Error) (any, *Error) { return v, err }
