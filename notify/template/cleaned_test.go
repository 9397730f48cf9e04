package template

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/alert"
)

func TestCleaned(t *testing.T) {
	for what, m := range Samples() {
		if diff := cmp.Diff(m, Cleaned(m), cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
			t.Errorf("%s changes (-before +after)\n%s", what, diff)
		}
	}
	const bad = "a\x1b[31m\u202e\x00b"
	m := Samples()["firing"]
	m.Title, m.Text, m.Route, m.By = bad, bad, bad, map[string]string{bad: bad}
	a := &m.Alerts[0]
	a.Message, a.Labels, a.Properties, a.Customers = bad, map[string]string{bad: bad}, map[string]string{bad: bad}, []string{bad}
	a.Ack, a.Suppression = &alert.Ack{By: bad, Comment: bad}, &alert.Suppression{Text: bad}
	a.History = []alert.Step{{By: bad, Text: bad}}
	before, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(Cleaned(m))
	if err != nil || strings.Contains(string(text), `\u001b`) || strings.Contains(string(text), `\u0000`) || strings.Contains(string(text), "\u202e") {
		t.Errorf("%s, %v", text, err)
	}
	if after, _ := json.Marshal(m); string(after) != string(before) {
		t.Errorf("the message itself changes:\n%s\n%s", before, after)
	}
}
