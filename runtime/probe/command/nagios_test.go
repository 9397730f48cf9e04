package command

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePlugin(t *testing.T) {
	n := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		name, output string
		want         pluginOutput
	}{
		{"text only", "OK\n", pluginOutput{text: "OK"}},
		{"empty", "", pluginOutput{}},
		{"check_load", "LOAD OK - total load average: 2.81|load1=2.810;5.000;10.000;0; load5=1.240;4.000;6.000;0; \n",
			pluginOutput{text: "LOAD OK - total load average: 2.81", perf: []perf{
				{label: "load1", value: 2.81, known: true, warn: "5.000", crit: "10.000", min: n(0)},
				{label: "load5", value: 1.24, known: true, warn: "4.000", crit: "6.000", min: n(0)},
			}}},
		{"check_disk", "DISK OK| /=2MB;3;@4:5;0;6", pluginOutput{text: "DISK OK", perf: []perf{
			{label: "/", value: 2097152, known: true, unit: "bytes", warn: "3145728", crit: "@4194304:5242880", min: n(0), max: n(6291456)},
		}}},
		{"long text and data of several lines", "DISK OK | a=1\nline 1\nline 2 | b=2\nc=3",
			pluginOutput{text: "DISK OK", long: "line 1\nline 2", perf: []perf{{label: "a", value: 1, known: true}, {label: "b", value: 2, known: true}, {label: "c", value: 3, known: true}}}},
		{"quoted labels", "OK | 'a b'=1 'it''s'=2ms 'x=y'=3%", pluginOutput{text: "OK", perf: []perf{
			{label: "a b", value: 1, known: true}, {label: "it's", value: 0.002, known: true, unit: "s"}, {label: "x=y", value: 3, known: true, unit: "%"},
		}}},
		{"not known", "OK | a=U;1;2", pluginOutput{text: "OK", perf: []perf{{label: "a", warn: "1", crit: "2"}}}},
		{"malformed items are skipped", "OK | junk =5 a=b c=1 'open", pluginOutput{text: "OK", perf: []perf{{label: "c", value: 1, known: true}}}},
		{"a label twice", "OK | a=1 a=2", pluginOutput{text: "OK", perf: []perf{{label: "a", value: 1, known: true}}}},
		{"a comma for the point, a counter", "OK | a=1,5c", pluginOutput{text: "OK", perf: []perf{{label: "a", value: 1.5, known: true}}}},
		{"scaled ranges", "OK | t=1ms;10:;~:20", pluginOutput{text: "OK", perf: []perf{{label: "t", value: 0.001, known: true, unit: "s", warn: "0.01:", crit: "~:0.02"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parsePlugin(tt.output)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(pluginOutput{}, perf{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestState(t *testing.T) {
	for _, tt := range []struct {
		warn, crit string
		value      float64
		want       string
	}{
		{"", "", 1, ""},
		{"10", "20", 5, "OK"},
		{"10", "20", 10, "OK"},
		{"10", "20", 10.5, "WARNING"},
		{"10", "20", 21, "CRITICAL"},
		{"10", "", -1, "WARNING"},
		{"10:", "5:", 7, "WARNING"},
		{"10:", "5:", 4, "CRITICAL"},
		{"10:", "5:", 10, "OK"},
		{"~:10", "", -100, "OK"},
		{"10:20", "", 25, "WARNING"},
		{"@10:20", "", 10, "WARNING"},
		{"@10:20", "", 21, "OK"},
		{"0:", "x", -1, "WARNING"},
		{"20:10", "", 1, ""},
	} {
		p := perf{value: tt.value, known: true, warn: tt.warn, crit: tt.crit}
		if got := p.state(); got != tt.want {
			t.Errorf("%v with %q and %q: got %q, want %q", tt.value, tt.warn, tt.crit, got, tt.want)
		}
	}
	if got := (&perf{warn: "1", crit: "2"}).state(); got != "" {
		t.Errorf("a value that is not known is %q", got)
	}
}

func FuzzParsePlugin(f *testing.F) {
	f.Add("LOAD OK|load1=2.810;5.000;10.000;0; 'a b'=1ms\nlong | x=1e400 y==")
	f.Add("|'''=1 =")
	f.Fuzz(func(t *testing.T, output string) {
		seen := map[string]bool{}
		p := parsePlugin(output)
		if len(p.perf) > maxRows {
			t.Fatalf("%d items", len(p.perf))
		}
		for _, d := range p.perf {
			if d.label == "" || seen[d.label] {
				t.Errorf("the label %q is empty or there twice", d.label)
			}
			seen[d.label] = true
			if d.known && math.IsNaN(d.value) {
				t.Errorf("%q is not a number", d.label)
			}
		}
		if strings.ContainsAny(p.text, "\n|") {
			t.Errorf("the text is %q", p.text)
		}
	})
}
