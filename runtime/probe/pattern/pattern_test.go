package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/tree"
)

func compile(t testing.TB, o Options, fields ...string) *Stream {
	t.Helper()
	s, err := o.Compile(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return s.NewMatcher().Stream(nil)
}

// shown is a result as text: readings by name, and the events with their status.
func shown(m *Stream) (readings map[string]string, events []string) {
	var r probe.Result
	m.m.Add(&r)
	readings = map[string]string{}
	for _, v := range r.Values {
		readings[v.Attribute] = v.Value.String()
		for _, e := range v.Events {
			events = append(events, e.Status.String()+" "+e.Text)
		}
	}
	delete(readings, "events")
	return readings, events
}

const journal = `2026-01-01 ERROR db: lost connection to db1 after 12.5 ms
2026-01-01 INFO web: 200 /index.html 3 ms
2026-01-01 WARN web: slow answer 900 ms
2026-01-01 INFO web: 404 /favicon.ico 1 ms
2026-01-01 ERROR test: lost connection to db2 after 1 ms
`

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name     string
		options  Options
		lines    string
		readings map[string]string // beside lines
		events   []string
	}{
		{
			name: "without rules each line is an event", lines: "one\r\ntwo\n\n",
			readings: map[string]string{"lines": "3", "matched": "3", "suppressed": "0"},
			events:   []string{"green one", "green two", "green (empty line)"},
		},
		{
			name: "the first rule takes the line", lines: journal,
			options: Options{Rules: []Rule{
				{Match: "ERROR", Not: "test:", Status: "red", Text: "trouble: {line}"},
				{Match: "ERROR|WARN", Status: "yellow", Text: "beware"},
			}},
			readings: map[string]string{"lines": "5", "matched": "3", "suppressed": "0"},
			events:   []string{"red trouble: 2026-01-01 ERROR db: lost connection to db1 after 12.5 ms", "yellow beware", "yellow beware"},
		},
		{
			name: "groups make texts, levels, counts and values", lines: journal,
			options: Options{Rules: []Rule{{
				Match: `^\S+ (?P<word>[A-Z]+) (?P<app>\w+): (?P<what>.*?) (?P<ms>[\d.]+) ms$`, Level: "word", Text: "{app}: {what}",
				Count: "timed", Values: map[string]Value{"duration": {Group: "ms", Unit: "s", Scale: 0.001, Take: "max"}, "app": {Type: "text"}},
			}}},
			readings: map[string]string{"lines": "5", "matched": "5", "suppressed": "0", "timed": "5", "duration": "0.9", "app": "test"},
			events: []string{"red db: lost connection to db1 after", "green web: 200 /index.html", "yellow web: slow answer", "green web: 404 /favicon.ico",
				"red test: lost connection to db2 after"},
		},
		{
			name: "a quiet rule leaves lines out, and one that passes lets others see them", lines: journal,
			options: Options{Rules: []Rule{
				{Match: "INFO", Quiet: true, Count: "info", Pass: true},
				{Match: "favicon", Quiet: true},
				{Match: "web:", Count: "web"},
			}},
			readings: map[string]string{"lines": "5", "matched": "3", "suppressed": "0", "info": "2", "web": "2"},
			events:   []string{"green 2026-01-01 INFO web: 200 /index.html 3 ms", "green 2026-01-01 WARN web: slow answer 900 ms"},
		},
		{
			name: "what is made of several lines", lines: "t=1\nt=2\nt=x\nt=6\n",
			options: Options{Rules: []Rule{{Match: `t=(?P<t>\S+)`, Quiet: true, Pass: true, Values: map[string]Value{
				"newest": {Group: "t"}, "least": {Group: "t", Take: "min"}, "most": {Group: "t", Take: "max"},
				"mean": {Group: "t", Take: "average"}, "total": {Group: "t", Take: "sum"},
			}}}},
			readings: map[string]string{"lines": "4", "matched": "4", "suppressed": "0", "newest": "6", "least": "1", "most": "6", "mean": "3", "total": "9"},
		},
		{
			name: "upper and lower case", lines: "an ErRoR\nanother\nKELVIN: \u212aelvin\n",
			options:  Options{Rules: []Rule{{Match: "(?i)error"}, {Match: `(?i)kelvin$`, Status: "yellow", Text: "unit"}}},
			readings: map[string]string{"lines": "3", "matched": "2", "suppressed": "0"},
			events:   []string{"green an ErRoR", "yellow unit"},
		},
		{
			name: "what is no text is made text", lines: "bad \xff\x00 byte\n",
			options:  Options{Rules: []Rule{{Match: "byte"}}},
			readings: map[string]string{"lines": "1", "matched": "1", "suppressed": "0"},
			events:   []string{"green bad \ufffd\ufffd byte"},
		},
		{
			name: "only the beginning of a long line counts", lines: strings.Repeat("x", MaxLine) + "here\nhere\n",
			options:  Options{Rules: []Rule{{Match: "here", Count: "here"}}},
			readings: map[string]string{"lines": "2", "matched": "1", "suppressed": "0", "here": "1"},
			events:   []string{"green here"},
		},
		{
			name: "more than the limit is counted", lines: "a1\na2\na3\na4\n",
			options:  Options{Limit: 2},
			readings: map[string]string{"lines": "4", "matched": "4", "suppressed": "2"},
			events:   []string{"green a1", "green a2"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := compile(t, tt.options)
			m.Lines([]byte(tt.lines))
			readings, events := shown(m)
			if diff := cmp.Diff(tt.readings, readings); diff != "" {
				t.Errorf("readings -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.events, events); diff != "" {
				t.Errorf("events -want +got:\n%s", diff)
			}
		})
	}
}

func TestValuesAreToldOnce(t *testing.T) {
	m := compile(t, Options{Rules: []Rule{{Match: `t=(?P<t>\d+)`, Values: map[string]Value{"t": {}, "total": {Group: "t", Take: "sum"}}}}})
	m.Lines([]byte("t=4\n"))
	first, _ := shown(m)
	second, events := shown(m)
	if first["t"] != "4" || second["t"] != "" || second["total"] != "4" || len(events) > 0 {
		t.Errorf("first %v, then %v with events %q", first, second, events)
	}
}

func TestRecordsOfSeveralLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, o := range map[string]*Multiline{
			"by their first line":   {Start: `^\d`},
			"by the lines after it": {Continue: `^(\s|Caused)`},
		} {
			m := compile(t, Options{Multiline: o, Rules: []Rule{{Match: `(?s)Exception.*at x`, Status: "red"}}})
			m.Lines([]byte("1 Exception\n  at x\n  at y\n2 fine\n3 Exception\n"))
			m.Lines([]byte("Caused by\n"))
			m.Flush(false)
			_, events := shown(m)
			if diff := cmp.Diff([]string{"red 1 Exception\n  at x\n  at y"}, events); diff != "" {
				t.Errorf("%s -want +got:\n%s", name, diff)
			}
			if want := int64(len("3 Exception\nCaused by\n")); m.Open() != want {
				t.Errorf("%s: %d bytes are open, want %d", name, m.Open(), want)
			}
			m.Lines([]byte("\tat x\r\n"))
			time.Sleep(6 * time.Second)
			m.Flush(false)
			_, events = shown(m)
			if diff := cmp.Diff([]string{"red 3 Exception\nCaused by\n\tat x"}, events); diff != "" || m.Open() != 0 {
				t.Errorf("%s, after waiting -want +got:\n%s", name, diff)
			}
		}
		m := compile(t, Options{Multiline: &Multiline{Start: "^a", Lines: 2}})
		m.Lines([]byte("a\nb\nc\nd\na\n"))
		m.Flush(true)
		if _, events := shown(m); !cmp.Equal(events, []string{"green a\nb", "green a"}) {
			t.Errorf("bounded: %q", events)
		}
	})
}

func TestRepetitionsAreHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := compile(t, Options{Repeat: time.Minute})
		for range 4 {
			m.Lines([]byte("again\nother\nother\n"))
			time.Sleep(20 * time.Second)
		}
		readings, events := shown(m)
		want := []string{"green again", "green other", "green again (and 2 times more within 1m0s)", "green other (and 5 times more within 1m0s)"}
		if diff := cmp.Diff(want, events); diff != "" || readings["suppressed"] != "8" {
			t.Errorf("suppressed %s, events -want +got:\n%s", readings["suppressed"], diff)
		}
		// A flood of different texts is not remembered without end.
		for k := range 3 * maxTexts {
			m.Lines(fmt.Appendf(nil, "line %d\n", k))
		}
		if len(m.m.limit.texts) > maxTexts {
			t.Errorf("%d texts are remembered", len(m.m.limit.texts))
		}
	})
}

func TestLimitTellsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := compile(t, Options{Limit: 1})
		var all []string
		for k := range 7 {
			m.Lines(fmt.Appendf(nil, "%d\n", k))
			_, events := shown(m)
			all = append(all, events...)
			time.Sleep(20 * time.Second)
		}
		want := []string{"green 0", "green 3", "white 2 more events were not shown: the limit is 1 a minute", "green 6", "white 2 more events were not shown: the limit is 1 a minute"}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestRecord(t *testing.T) {
	m := compile(t, Options{Rules: []Rule{{Match: "failed", Text: "{host}: {line}"}, {Match: "fine", Status: "white"}}}, "host").m
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	taken := m.Record(Record{Text: []byte("login failed"), Time: at, Status: tree.Yellow, Field: func(name string) string { return "web1" }})
	if !taken || m.Record(Record{Text: []byte("nothing")}) || !m.Record(Record{Text: []byte("fine"), Status: tree.Red}) {
		t.Error("other records are taken than those that fit")
	}
	var r probe.Result
	m.Add(&r)
	events := r.Values[len(r.Values)-1].Events
	if len(events) != 2 || !events[0].Time.Equal(at) {
		t.Fatalf("got %v", events)
	}
	if events[0].Text != "web1: login failed" || events[0].Status != tree.Yellow || events[1].Status != tree.White {
		t.Errorf("got %v", events)
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	local := func(month time.Month, day, year int) time.Time {
		return time.Date(year, month, day, 10, 20, 30, 0, time.Local)
	}
	for _, tt := range []struct {
		text string
		want time.Time // zero: none
	}{
		{"2026-01-31T10:20:30Z", time.Date(2026, 1, 31, 10, 20, 30, 0, time.UTC)},
		{"2026-01-31T10:20:30.25+01:00", time.Date(2026, 1, 31, 9, 20, 30, 250_000_000, time.UTC)},
		{"2026-01-31 10:20:30,500", local(1, 31, 2026).Add(500 * time.Millisecond)},
		{"2026/01/31 10:20:30", local(1, 31, 2026)},
		{"31/Jan/2026:10:20:30 +0000", time.Date(2026, 1, 31, 10, 20, 30, 0, time.UTC)},
		{"Jan 31 10:20:30", local(1, 31, 2026)},
		{"Feb  1 10:20:30", local(2, 1, 2026)},
		{"Dec 31 10:20:30", local(12, 31, 2025)},
		{"Sat Jan 31 10:20:30 2026", local(1, 31, 2026)},
		{"1769854830", time.Unix(1769854830, 0)},
		{"1769854830.5", time.UnixMilli(1769854830500)},
		{"1769854830500", time.UnixMilli(1769854830500)},
		{"2026-03-01T13:00:00Z", time.Time{}},
		{"12:00:00", time.Time{}},
		{"", time.Time{}},
		{"99999999999999999999", time.Time{}},
	} {
		c := clock{}
		for range 2 { // also with the form of the last
			got, ok := c.read([]byte(tt.text), now)
			if ok == tt.want.IsZero() || ok && !got.Equal(tt.want) {
				t.Errorf("%q: got %v, %t, want %v", tt.text, got, ok, tt.want)
			}
		}
	}
	m := compile(t, Options{Rules: []Rule{{Match: `^(?P<at>\S+) (?P<what>.*)`, Time: "at", Text: "{what}"}}})
	m.Lines([]byte("2026-01-31T10:20:30Z one\nnever two\n"))
	var r probe.Result
	m.m.Add(&r)
	events := r.Values[len(r.Values)-1].Events
	if !events[0].Time.Equal(time.Date(2026, 1, 31, 10, 20, 30, 0, time.UTC)) || time.Since(events[1].Time) > time.Minute {
		t.Errorf("got %v", events)
	}
}

func FuzzTime(f *testing.F) {
	f.Add("2026-01-31T10:20:30Z")
	f.Add("Feb 29 10:20:30")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if at, ok := new(clock).read([]byte(text), now); ok && (at.After(now.Add(maxAhead)) || at.Year() < 1970) {
			t.Errorf("%q is %v", text, at)
		}
	})
}

func TestCompileRefuses(t *testing.T) {
	rule := func(r Rule) Options { return Options{Rules: []Rule{r}} }
	for _, tt := range []struct {
		name         string
		options      Options
		option, want string
	}{
		{"no match", rule(Rule{}), "rules[0].match", "is needed: the regular expression to look for"},
		{"no expression", rule(Rule{Match: "("}), "rules[0].match", "error parsing regexp: missing closing ): `(`"},
		{"no expression to leave out", rule(Rule{Match: "a", Not: "["}), "rules[0].not", "error parsing regexp: missing closing ]: `[`"},
		{"a long one", rule(Rule{Match: strings.Repeat("a", 4001)}), "rules[0].match", "has 4001 bytes, more than 4000"},
		{"unknown group", rule(Rule{Match: "(?P<a>x)(?P<c>y)", Level: "b"}), "rules[0].level", `"b" is not a group of match: it has a, c`},
		{"no group", rule(Rule{Match: "x", Values: map[string]Value{"b": {}}}), "rules[0].values.b.group", `"b" is not a group of match, which has none with a name: write (?P<b>…)`},
		{"unknown status", rule(Rule{Match: "x", Status: "blue"}), "rules[0].status", `unknown status "blue": green, yellow, red or white`},
		{"two statuses", rule(Rule{Match: "(?P<a>x)", Status: "red", Level: "a"}), "rules[0].level", "and status say both how bad the event is: leave one out"},
		{"quiet with a text", rule(Rule{Match: "x", Quiet: true, Text: "y"}), "rules[0].quiet", "makes no event, so status, level, time and text mean nothing"},
		{"unknown placeholder", rule(Rule{Match: "(?P<a>x)", Text: "{a} {b}"}), "rules[0].text", "{b} is none of what a text can hold: line, host, a"},
		{"not a name", rule(Rule{Match: "x", Count: "a b"}), "rules[0].count", `"a b" is not a name of letters, digits and underscores`},
		{"a name that is taken", rule(Rule{Match: "x", Count: "lines"}), "rules[0].count", "lines is an attribute of every probe of this kind"},
		{"two of one name", Options{Rules: []Rule{{Match: "x", Count: "a"}, {Match: "(?P<a>y)", Values: map[string]Value{"a": {}}}}}, "rules[1].values.a", "another rule makes a something else"},
		{"unknown type", rule(Rule{Match: "(?P<a>y)", Values: map[string]Value{"a": {Type: "bool"}}}), "rules[0].values.a.type", `"bool" is none of number, text`},
		{"unknown take", rule(Rule{Match: "(?P<a>y)", Values: map[string]Value{"a": {Take: "first"}}}), "rules[0].values.a.take", `"first" is none of last, min, max, average, sum`},
		{"text with a unit", rule(Rule{Match: "(?P<a>y)", Values: map[string]Value{"a": {Type: "text", Unit: "s"}}}), "rules[0].values.a", "only a number has a unit, a scale or take"},
		{"too many rules", Options{Rules: make([]Rule, 201)}, "rules", "are 201, more than 200"},
		{"empty multiline", Options{Multiline: &Multiline{}}, "multiline", "needs start or continue"},
		{"long records", Options{Multiline: &Multiline{Start: "a", Lines: 1001}}, "multiline.lines", "is 2 to 1000, not 1001"},
		{"limit", Options{Limit: -1}, "limit", "is 1 to 100000, not -1"},
		{"repeat", Options{Repeat: -1}, "repeat", "is 0s to 24h0m0s, not -1ns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.options.Compile("host")
			var bad *probe.OptionError
			if !errors.As(err, &bad) || bad.Option != tt.option || bad.Err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s: %s", err, tt.option, tt.want)
			}
		})
	}
}

func TestNeedles(t *testing.T) {
	for _, tt := range []struct {
		expression string
		want       string // the needles; / before one: upper and lower case
		literal    bool
	}{
		{"Out of memory", "Out of memory", true},
		{"^error: (.*)", "error: ", false},
		{`\d+ (fatal|panic)\b`, "fatal panic", false},
		{"(?i)error|failed", "/error /failed", false},
		{"(?i)desk", "/de", false},
		{"(?i)kiss", "", false},
		{"x", "", false},
		{"a*b?", "", false},
		{"(abc)+", "abc", false},
		{"(abc)?de", "de", false},
		{"(abc|d*)", "", false},
		{`[A-Z]+ \d+`, "", false},
		{`(?P<t>\d+)ms .*status=50[0-9]`, " status=50", false},
		{"a\nb", "a\nb", false},
	} {
		needles, literal := needlesOf(tt.expression)
		var got []string
		for _, n := range needles {
			text := string(n.text)
			if n.fold {
				text = "/" + text
			}
			got = append(got, text)
		}
		want := tt.want
		if tt.expression == `(?P<t>\d+)ms .*status=50[0-9]` {
			want = "status=50"
		}
		if strings.Join(got, " ") != want || literal != tt.literal {
			t.Errorf("%s: got %q, %t", tt.expression, got, literal)
		}
	}
}

// FuzzScan wants the same of the quick way as of trying every expression on every line.
func FuzzScan(f *testing.F) {
	f.Add("err(or)?s?", "(?i)Fail|lost", journal)
	f.Add("(?i)exit|abc", "a.c", "\xffABC\nEXIT\r\nab\xe2\x84\xaac\n\nabc")
	f.Add("lo{2,3}p", "x", "lop\nloop\nlooop")
	f.Fuzz(func(t *testing.T, first, second, text string) {
		o := Options{Rules: []Rule{{Match: first, Count: "a", Pass: true}, {Match: second, Count: "b"}}}
		s, err := o.Compile()
		if err != nil {
			return
		}
		text += "\n"
		m := s.NewMatcher().Stream(nil)
		m.Lines([]byte(text))
		want := map[string]int{}
		for line := range strings.Lines(text) {
			for name, expression := range map[string]string{"a": first, "b": second} {
				if regexp.MustCompile(expression).Match(trim([]byte(line))) {
					want[name]++
				}
			}
		}
		readings, events := shown(m)
		if readings["a"] != fmt.Sprint(want["a"]) || readings["b"] != fmt.Sprint(want["b"]) {
			t.Errorf("%q and %q in %q: got %v, want %v", first, second, text, readings, want)
		}
		for _, e := range events {
			if len(e) > tree.MaxTextBytes+len("yellow ") {
				t.Errorf("an event of %d bytes", len(e))
			}
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add([]byte("plain\n"))
	f.Add([]byte(strings.Repeat("ä\xff\x00", 2000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Clean(b)
		if len(s) > tree.MaxTextBytes || strings.ToValidUTF8(s, "") != s || strings.ContainsAny(s, "\x00\x1b\r") {
			t.Errorf("%q becomes %q", b, s)
		}
	})
}
