package match

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/definition/source"
)

// read decodes conditions as a file has them.
func read(t testing.TB, text string) (When, error) {
	t.Helper()
	documents, errs := source.Read("alerts.yaml", []byte(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var w When
	if len(documents) == 0 {
		return w, nil
	}
	if errs := documents[0].Value.Decode(&w, source.DecodeOptions{What: "when"}); len(errs) > 0 {
		return w, errs
	}
	return w, nil
}

func sample() *alert.Alert {
	return &alert.Alert{ID: 7, Path: tree.MustPath("/shop/db 1/Up"), Kind: alert.Status, State: alert.Open, Status: tree.Red, Severity: tree.Major,
		Message: "/shop/db 1/Up is red: connection refused", Instance: "shop-db1", Labels: map[string]string{"zone": "eu-1"},
		Properties: map[string]string{"location": "Berlin"}, Customers: []string{"ACME", "Initech "}}
}

// monday is ten in the morning in Berlin.
var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                          true,
		"under: /":                                  true,
		"under: /shop":                              true,
		"under: /sho":                               false,
		"under: /shop/*/Up":                         true,
		"under: /*/db*":                             true,
		"under: /*/web*":                            false,
		"under: /shop/*/Up/more":                    false,
		"under: [/other, /shop/db 1]":               true,
		"status: red":                               true,
		"status: [yellow, white]":                   false,
		"severity: major":                           true,
		"severity: major..":                         true,
		"severity: critical..":                      false,
		"severity: ..minor":                         false,
		"severity: warning..major":                  true,
		"severity: [minor, critical]":               false,
		"kind: status":                              true,
		"kind: [silence, missing]":                  false,
		"labels: {zone: eu-1}":                      true,
		"labels: {zone: 'eu-*'}":                    true,
		"labels: {zone: us}":                        false,
		"labels: {zone: eu-1, rack: 1}":             false,
		"labels: {rack: ''}":                        true,
		"labels: {zone: ''}":                        false,
		"properties: {location: Ber*}":              true,
		"properties: {location: ber*}":              false,
		"customer: acme":                            true,
		"customer: [att, initech]":                  true,
		"customer: 'a*e'":                           true,
		"customer: att":                             false,
		"instance: shop-*":                          true,
		"instance: shop":                            false,
		"text: connection (refused|reset)":          true,
		"text: ^refused":                            false,
		"text: '(?i)RED'":                           true,
		"during: Mon-Fri 08:00-18:00 Europe/Berlin": true,
		"during: [Sat UTC, Mon UTC]":                true,
		"during: Tue UTC":                           false,
		"not_during: Mon UTC":                       false,
		"not_during: [Sat UTC, Sun UTC]":            true,
		"{during: Mon UTC, not_during: '09:00-10:00 UTC'}":             false,
		"{under: /shop, status: red, severity: major.., kind: status}": true,
		"{under: /shop, status: red, severity: critical}":              false,
	} {
		w, err := read(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		c, err := w.Compile()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Match(sample(), monday); got != want {
			t.Errorf("%s: %t", text, got)
		}
		fine := true
		for _, condition := range c.Explain(sample(), monday) {
			fine = fine && condition.OK
		}
		if fine != want {
			t.Errorf("%s: explained as %t", text, fine)
		}
	}
}

func TestExplain(t *testing.T) {
	w, err := read(t, "{under: [/shop, /bank], status: red, labels: {rack: ''}, properties: {location: Rome}, customer: att, instance: 'web*', text: refused, during: 'Mon-Fri 08:00-18:00 Europe/Berlin', not_during: '09:00-09:30 UTC', severity: major.., kind: status}")
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Compile()
	if err != nil {
		t.Fatal(err)
	}
	want := []alert.Condition{
		{Name: "under", Want: "/shop, /bank", Have: "/shop/db 1/Up", OK: true},
		{Name: "status", Want: "red", Have: "red", OK: true},
		{Name: "severity", Want: "major..", Have: "major", OK: true},
		{Name: "kind", Want: "status", Have: "status", OK: true},
		{Name: "labels.rack", Want: "none", OK: true},
		{Name: "properties.location", Want: "Rome", Have: "Berlin"},
		{Name: "customer", Want: "att", Have: "ACME, Initech "},
		{Name: "instance", Want: "web*", Have: "shop-db1"},
		{Name: "text", Want: "refused", Have: "/shop/db 1/Up is red: connection refused", OK: true},
		{Name: "during", Want: "Mon-Fri 08:00-18:00 Europe/Berlin", Have: "Mon 2026-03-02 10:00 CET", OK: true},
		{Name: "not_during", Want: "09:00-09:30 UTC", Have: "Mon 2026-03-02 09:00 UTC"},
	}
	if diff := cmp.Diff(want, c.Explain(sample(), monday)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !c.Timed() || c.Open(monday) || !c.Open(monday.Add(time.Hour)) {
		t.Error("the times of the week are not told apart")
	}
}

func TestBadConditions(t *testing.T) {
	for text, want := range map[string]string{
		"under: [/a, /b//c]":      `under[1]: malformed path "/b//c": empty name`,
		"status: [red, green]":    `status[1]: nobody is alerted of green: yellow, red, or white`,
		"status: blue":            `status: unknown status "blue": green, yellow, red or white`,
		"severity: grave":         `severity: unknown severity "grave": indeterminate, warning, minor, major or critical; or a range, such as major..`,
		"severity: major..minor":  `severity: "major..minor" is no severity of an alert: the lesser stands first, as in warning..major`,
		"severity: cleared":       `severity: "cleared" is no severity of an alert: the lesser stands first, as in warning..major`,
		"kind: noise":             `kind: unknown kind of alerts "noise": status, silence or missing`,
		"text: '(a{1000}){1000}'": "text: error parsing regexp: invalid repeat count: `{1000}`",
		"text: '('":               "text: error parsing regexp: missing closing ): `(`",
		"instance: ['']":          `instance: it is empty`,
		"during: Mo":              `during: malformed times of the week "Mo": "Mo" is no day of the week: Mon, Tue, Wed, Thu, Fri, Sat or Sun`,
		"during: [Mon, Mon 9-10]": `during[1]: malformed times of the week "Mon 9-10": "9" is no time of day from 00:00 to 24:00`,
		"labels: {zone: " + strings.Repeat("x", 1025) + "}": `labels.zone: 1025 bytes are more than the bound of 1024`,
		"customer: [" + strings.Repeat("x,", 256) + "x]":    `customer: 257 are more than the bound of 256`,
		"text: " + strings.Repeat("x", 1025):                `text: 1025 bytes are more than the bound of 1024`,
	} {
		w, err := read(t, text)
		if err != nil {
			t.Errorf("%.40s: %v", text, err)
			continue
		}
		_, err = w.Compile()
		var option *channel.OptionError
		if !errors.As(err, &option) || err.Error() != want {
			t.Errorf("%.40s: got  %v\nwant %s", text, err, want)
		}
	}
	if _, err := read(t, "labels_: {}"); err == nil {
		t.Error("an unknown key is taken")
	}
}

func TestConcerns(t *testing.T) {
	for text, want := range map[string][2]bool{
		"":                                  {true, true},
		"under: /shop":                      {true, true},
		"{under: /shop, status: red}":       {true, false},
		"status: red":                       {true, false},
		"under: /shop/db 1/Up":              {true, false},
		"under: /bank":                      {false, false},
		"under: [/bank, /*/db 1]":           {true, true},
		"{under: [/shop], during: Tue UTC}": {true, false},
	} {
		w, err := read(t, text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.Compile()
		if err != nil {
			t.Fatal(err)
		}
		some, all := c.Concerns(tree.MustPath("/shop/db 1"))
		if (some != want[0]) || (all != want[1]) {
			t.Errorf("%s: %t, %t", text, some, all)
		}
	}
}

// FuzzGlob: a glob is what a simple walk over both texts says.
func FuzzGlob(f *testing.F) {
	f.Add("a*b", "axxb")
	f.Add("**", "")
	f.Add("a.b[", "a.b[")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 50 || len(text) > 50 || !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return
		}
		g := newGlob(pattern, false)
		if got, want := g.matches(text), walk(pattern, text); got != want {
			t.Fatalf("%q matches %q: %t", pattern, text, got)
		}
	})
}

// walk matches by trying each length of what a star stands for.
func walk(pattern, text string) bool {
	piece, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, piece) {
		return false
	}
	text = text[len(piece):]
	if !strings.Contains(rest, "*") { // the last star
		return strings.HasSuffix(text, rest)
	}
	next, _, _ := strings.Cut(rest, "*")
	i := strings.Index(text, next)
	return i >= 0 && walk(rest, text[i:])
}
