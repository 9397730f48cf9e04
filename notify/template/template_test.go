package template

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
)

func TestRender(t *testing.T) {
	m := Samples()[string(channel.Firing)]
	for text, want := range map[string]string{
		`{{.Title}}`: "[RED] /shop/web1/Connections/Active is red: 1200 connections, which is > 1000",
		`{{range .Alerts}}{{upper .Status}} {{lower "ÄB"}} {{title "it's a low-level word"}} {{trim "  x "}}{{end}}`:                    "RED äb It's A Low-Level Word x",
		`{{range .Alerts}}{{join ", " .Customers}} {{join "; " .Labels}} {{replace "/" "." .Path}}{{end}}`:                              "acme site=berlin .shop.web1.Connections.Active",
		`{{range .Alerts}}{{truncate 10 .Message}} {{default "nobody" .Ack}} {{default "x" .Unit}} {{duration (since .Opened)}}{{end}}`: "/shop/w... nobody connections 5m",
		`{{range .Alerts}}{{time "Europe/Berlin" .Opened}} {{time "UTC" .Resolved}}{{unix .Opened}}{{end}}`:                             "2026-03-01 13:00:00 CET 1772366400",
		`{{range .Alerts}}{{number 2 .Value}} {{number 1 "1.26"}} {{number 0 "many"}} {{mark .Severity}} {{mark "green"}}{{end}}`:       "1200.00 1.3 many [MAJOR] [OK]",
		`{{url "a b&c"}} {{html "<b>"}} {{markdown "*a* [x](y) @all a@b"}} {{slack "<!here> & @here"}}`:                                 "a+b%26c &lt;b&gt; \\*a\\* \\[x\\]\\(y\\) @\u200Ball a@b &lt;!here&gt; &amp; @\u200Bhere",
		`{{json .By}} {{concat "a" 1 true}} {{contains "sho" (index .Alerts 0).Instance}} {{len (first 5 .Alerts)}}`:                    ``,
		`{{with .By}}{{.instance}}{{.nothing}}{{end}} {{indent 2 "a\nb"}}`:                                                              "shop-web1   a\n  b",
		`{{define "x"}}<{{.}}>{{end}}{{template "x" .Firing}}`:                                                                          "<1>",
	} {
		tmpl, err := New(text, Text)
		if strings.Contains(text, "index .Alerts") {
			if err == nil || !strings.Contains(err.Error(), "on a message of the sample") {
				t.Errorf("%s: taken, though it fails on messages without alerts: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := tmpl.Render(m); got != want || err != nil {
			t.Errorf("%s:\ngot  %q, %v\nwant %q", text, got, err, want)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"a\n{{env \"HOME\"}}":                   `line 2: function "env" not defined`,
		"{{if}}":                                `line 1: missing value for if`,
		"{{call .Title}}":                       `line 1: the function "call" is not allowed`,
		"\n\n{{printf \"%99999d\" 1}}":          `line 3: the function "printf" is not allowed: use concat and number`,
		`{{if (print 1)}}{{end}}`:               `line 1: the function "print" is not allowed: use concat`,
		`{{define "a"}}{{template "a"}}{{end}}`: `the part "a" calls itself`,
		`{{define "a"}}{{template "b"}}{{end}}{{define "b"}}{{template "a"}}{{end}}`: `the part "a" calls itself`,
		`{{template "a"}}`: `line 1: there is no part "a"`,
		`{{count}}`:        `line 1: function "count" not defined`,
		"x\n{{.Foo}}":      `line 2: a message has no .Foo`,
		`{{range .Alerts}}{{.Path.UnmarshalText .Status.MarshalText}}{{end}}`:                                                 `line 1: UnmarshalText is not allowed: it changes the message`,
		strings.Repeat("x", MaxTemplateBytes+1):                                                                               `is longer than the bound of 32768 bytes`,
		`{{range 1000000000}}{{end}}`:                                                                                         `the template does too much`,
		`{{range 1000000000}}{{continue}}{{end}}`:                                                                             `the template does too much`,
		`{{range $i := 100000}}{{range 100000}}{{if $i}}{{break}}{{end}}{{end}}{{end}}`:                                       `the template does too much`,
		`{{$x := "aaaaaaaaaaaaaaaa"}}{{range 100}}{{$x = concat $x $x}}{{end}}`:                                               `the output is longer than the bound of 65536 bytes`,
		`{{replace "" .Text (concat .Text .Text)}}{{$x := "a"}}{{range 16}}{{$x = concat $x $x}}{{end}}{{replace "a" $x $x}}`: `the output is longer`,
		`{{range 2000}}{{"0123456789012345678901234567890123456789"}}{{end}}`:                                                 `the output is longer`,
		`{{range 100}}{{$.Text}}{{end}}{{time "Mars/Sea" .Time}}`:                                                             `unknown time zone "Mars/Sea"`,
		`{{define "a"}}{{range 400}}{{end}}{{end}}{{range 400}}{{template "a"}}{{end}}`:                                       `the template does too much`,
		`{{indent 100 "x"}}`: `indent by 100: 0 to 80 blanks`,
		`{{join 1 2}}`:       `line 1: <1>: expected string; found 1`,
	} {
		for _, f := range []Format{Text, HTML} {
			_, err := New(text, f)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.80s (format %d)\ngot  %v\nwant %s", text, f, err, want)
			}
		}
	}
}

func TestDataIsNoTemplate(t *testing.T) {
	hostile := "{{.Key}} <script>alert(1)</script> \x1b[31m \u202e\r\nBcc: all@example.org\x00 \xff & @here"
	m := &channel.Message{Title: hostile, Key: "the-key"}
	for f, want := range map[Format]string{
		Line: "{{.Key}} <script>alert(1)</script> [31m Bcc: all@example.org \uFFFD & @here",
		Text: "{{.Key}} <script>alert(1)</script> [31m \nBcc: all@example.org \uFFFD & @here",
		HTML: "{{.Key}} &lt;script&gt;alert(1)&lt;/script&gt; [31m \nBcc: all@example.org\uFFFD \uFFFD &amp; @here",
	} {
		tmpl, err := New("{{.Title}}", f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tmpl.Render(m); got != want || err != nil {
			t.Errorf("format %d:\ngot  %q, %v\nwant %q", f, got, err, want)
		}
	}
	tmpl, err := New(`<a href="{{.URL}}" title="{{.Title}}">`, HTML)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Render(&channel.Message{URL: "javascript:alert(1)", Title: `"><img onerror=x>`})
	if err != nil || strings.Contains(got, "javascript:") || strings.Contains(got, "<img") {
		t.Errorf("%s, %v", got, err)
	}
}

// TestRendersDoNotMix has many goroutines render different messages by one template.
func TestRendersDoNotMix(t *testing.T) {
	for _, f := range []Format{Line, Text, HTML} {
		tmpl, err := New(`{{range .Alerts}}{{template "one" .}}{{end}} {{since .Time}}{{define "one"}}{{.Path}}{{end}} {{.Key}}`, f)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				p := tree.MustPath(fmt.Sprintf("/n%d", i))
				m := &channel.Message{Key: fmt.Sprint("k", i), Alerts: []alert.Alert{{Path: p}, {Path: p}}}
				want := fmt.Sprintf("%[1]s%[1]s 0s %[2]s", p, m.Key)
				for range 5 {
					if got, err := tmpl.Render(m); got != want || err != nil {
						t.Errorf("%q, %v; want %q", got, err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestDefaults(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	var got strings.Builder
	for _, what := range []string{"firing", "firing, many", "reminder", "escalation", "resolved", "announcement"} {
		m := Samples()[what]
		fmt.Fprintf(&got, "%s: %s\n%s---\n", what, Title(m), Body(m))
	}
	want := `firing: [RED] /shop/web1/Connections/Active is red: 1200 connections, which is > 1000
/shop/web1/Connections/Active is red: 1200 connections, which is > 1000
    major, since 2026-03-01 12:00:00 UTC (5m)
    the cause of 3 more that are not told
    probable cause: thresholdCrossed
    what to do: add a server

https://grove.example/alerts
---
firing, many: [RED] instance=shop-web1: 70 alerts, first: /shop/web1/Connections/Active is red: 1200 connections, which is > 1000
/shop/web1/Connections/Active is red: 1200 connections, which is > 1000
    major, since 2026-03-01 12:00:00 UTC (5m)
    the cause of 3 more that are not told
    probable cause: thresholdCrossed
    what to do: add a server
/shop/web1/Answer is yellow
    warning, since 2026-03-01 12:00:00 UTC (5m)
    acknowledged by ada: looking into it
    probable cause: thresholdCrossed
    what to do: add a server
Over: /shop/web1/Connections/Active is red: 1200 connections, which is > 1000
    it was red from 2026-03-01 12:00:00 UTC to 2026-03-01 12:05:00 UTC (5m)
There are 70 in all.

https://grove.example/alerts
---
reminder: [RED] still: /shop/web1/Answer is yellow
This goes on.

/shop/web1/Answer is yellow
    warning, since 2026-03-01 12:00:00 UTC (5m)
    acknowledged by ada: looking into it
    probable cause: thresholdCrossed
    what to do: add a server

https://grove.example/alerts
---
escalation: [RED] nobody has acknowledged: /shop/web1/Connections/Active is red: 1200 connections, which is > 1000
Nobody has acknowledged this.

/shop/web1/Connections/Active is red: 1200 connections, which is > 1000
    major, since 2026-03-01 12:00:00 UTC (5m)
    the cause of 3 more that are not told
    probable cause: thresholdCrossed
    what to do: add a server

https://grove.example/alerts
---
resolved: [OK] over after 5m: /shop/web1/Connections/Active is red: 1200 connections, which is > 1000
Over: /shop/web1/Connections/Active is red: 1200 connections, which is > 1000
    it was red from 2026-03-01 12:00:00 UTC to 2026-03-01 12:05:00 UTC (5m)

https://grove.example/alerts
---
announcement: maintenance "backup" of /shop begins at 22:00
What people read.---
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestDocIsWhole holds that every function and field stands in the documentation, and that
// no other function does.
func TestDocIsWhole(t *testing.T) {
	functions := new(budget).functions()
	delete(functions, count)
	for _, f := range goFunctions {
		functions[f] = nil
	}
	for f := range functions {
		if !regexp.MustCompile("`(\\{\\{)?" + f + "[ `]").MatchString(Doc) {
			t.Errorf("the function %s is not in the documentation", f)
		}
	}
	_, table, _ := strings.Cut(Doc, "| function |")
	for _, found := range regexp.MustCompile("`([a-z]+)").FindAllStringSubmatch(table, -1) {
		if _, there := functions[found[1]]; !there {
			t.Errorf("there is no function %s", found[1])
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[channel.Message](), reflect.TypeFor[alert.Alert]()} {
		for i := range typ.NumField() {
			switch name := typ.Field(i).Name; name {
			case "ID", "Changed", "History", "Revision": // Nobody writes them to people.
			default:
				if !strings.Contains(Doc, "`."+name+"`") {
					t.Errorf("the field %s.%s is not in the documentation", typ.Name(), name)
				}
			}
		}
	}
}

func TestWording(t *testing.T) {
	m := Samples()["firing"]
	_, err := Options{Title: "{{mark .Status}}\r\n{{.Manager}}", Text: "{{(index .Alerts 0).Path}}"}.New()
	if err == nil || !strings.HasPrefix(err.Error(), "text: line 1: ") {
		t.Errorf("taken: %v", err)
	}
	w, err := Options{Title: "{{mark .Status}}\r\n{{.Manager}}", Text: "{{if gt .Sequence 1}}{{(index .Alerts 7).Path}}{{end}}"}.New()
	if err != nil {
		t.Fatal(err)
	}
	m.Sequence = 2
	if got := w.Title(m); got != "[RED] grove" {
		t.Errorf("%q", got)
	}
	if got := w.Text(m); !strings.HasPrefix(got, "What people read.\n\n(The template \"text\" of this channel cannot be used for this message: line 1: ") {
		t.Errorf("%q", got)
	}
	w, _ = Options{}.New()
	long := &channel.Message{Title: strings.Repeat("ä\n", 1000), Text: strings.Repeat("x", 1<<20)}
	if title, text := w.Title(long), w.Text(long); len([]rune(title)) > MaxTitleRunes || strings.Contains(title, "\n") || len(text) > MaxBytes {
		t.Errorf("%d, %d bytes", len(title), len(text))
	}
}

// FuzzNew holds that no template that is taken makes more than it may, and that what is
// refused says why.
func FuzzNew(f *testing.F) {
	for _, text := range []string{DefaultTitle, DefaultText, "{{range 9}}{{.}}{{end}}", "<a href={{.URL}}>", `{{json .}}`, `{{$x := 1}}{{$x = 2}}`} {
		f.Add(text, "data {{.}} \x00")
	}
	f.Fuzz(func(t *testing.T, text, data string) {
		for _, format := range []Format{Line, Text, HTML} {
			tmpl, err := New(text, format)
			if err != nil {
				if err.Error() == "" || tmpl != nil {
					t.Error("nothing is said")
				}
				continue
			}
			got, err := tmpl.Render(&channel.Message{Title: data, Text: data})
			if err == nil && (len(got) > 3*MaxBytes || Plain(got) != got || format == Line && strings.ContainsAny(got, "\r\n")) {
				t.Errorf("%q", got)
			}
		}
	})
}
