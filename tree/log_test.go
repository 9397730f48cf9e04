package tree

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLogStatus tells of one log attribute what happens to it and which status it
// has then. Words of statuses are events of one report, by their initials too.
func TestLogStatus(t *testing.T) {
	fading := &Threshold{ClearAfter: time.Minute}
	for _, tc := range []struct {
		name  string
		th    *Threshold
		steps string
	}{
		{"the newest line counts", nil, "red: red, green: green, yellow: yellow, red+green: green"},
		{"looked at without lines", nil, "look: green"},
		{"a line that is white says nothing of the status", nil, "white: green, red: red, white: red"},
		{"after a failure the newest line counts again", nil, "red: red, fail: white, look: red, green: green, fail: white, look: green"},
		{"a line that is white after a failure", nil, "red: red, fail: white, white: red"},
		{"a line fades", fading, "red: red, 59s: red, 1s: green"},
		{"a line of the same kind renews it", fading, "red: red, 30s: red, red: red, 59s: red, 1s: green"},
		{"each kind fades by itself", fading, "red: red, 50s: red, yellow: red, 10s: yellow, 49s: yellow, 1s: green"},
		{"green does not end what fades", fading, "yellow: yellow, green: yellow, 60s: green"},
		{"after a failure what has not faded counts", fading, "red: red, 30s: red, fail: white, look: red, 60s: green"},
		{"after a failure what has faded does not", fading, "red: red, 50s: red, fail: white, 50s: white, look: green"},
		{"lines stop fading", fading, "red: red, th: red, 100s: red, green: green"},
		{"lines begin to fade", nil, "red: red, th 60s: red, 60s: green"},
		{"old lines begin to fade", nil, "red: red, 100s: red, th 60s: red, 59s: red, 1s: green"},
		{"flapping ends with its detection", &Threshold{Flap: Flap{2, time.Hour}}, "green: green, red: red, green: red~, th: green"},
		{"silence", &Threshold{StaleAfter: time.Minute}, "red: red, 61s: white, look: red"},
		{"forgotten", nil, "red: red, reset: white, look: green"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			tr := c.tree()
			r := mustAdd(t, tr, "/x", &Spec{Kind: Log, Threshold: tc.th})
			var got []string
			for step := range strings.SplitSeq(tc.steps, ", ") {
				what, _, _ := strings.Cut(step, ": ")
				word, rest, _ := strings.Cut(what, " ")
				pass, err := time.ParseDuration(word)
				switch {
				case err == nil:
					c.pass(pass)
					tr.Advance(c.now)
				case word == "look":
					tr.Report(Report{Node: r})
				case word == "fail":
					tr.Report(Report{Node: r, Reason: "no such file"})
				case word == "reset":
					mustDo(t, tr.Reset(MustPath("/x")))
				case word == "th":
					th := &Threshold{}
					if rest != "" {
						th.ClearAfter, _ = time.ParseDuration(rest)
					}
					mustDo(t, tr.SetThreshold(MustPath("/x"), th))
				default:
					var events []Event
					for name := range strings.SplitSeq(word, "+") {
						s, err := ParseStatus(name)
						if err != nil {
							t.Fatal(err)
						}
						events = append(events, Event{Status: s, Text: name})
					}
					tr.Report(Report{Node: r, Events: events})
				}
				n, _ := tr.NodeAt(r)
				now := n.Status.String()
				if n.Flapping {
					now += "~"
				}
				got = append(got, what+": "+now)
			}
			if diff := cmp.Diff(strings.Split(tc.steps, ", "), got); diff != "" {
				t.Error(diff)
			}
			if strings.HasPrefix(tc.name, "lines stop") && len(tr.holds) != 0 {
				t.Error("a hold is left")
			}
		})
	}
}

func TestLogKeepsAsManyEventsAsItsSpecSays(t *testing.T) {
	tr := newClock().tree()
	p := MustPath("/x")
	r := mustAdd(t, tr, "/x", &Spec{Kind: Log, Keep: 3})
	n := 0
	lines := func(more int) string {
		for range more {
			n++
			tr.Report(Report{Node: r, Events: []Event{{Text: fmt.Sprint(n)}}})
		}
		events, err := tr.Events(p)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, e := range events {
			texts = append(texts, e.Text)
		}
		return strings.Join(texts, " ")
	}
	keep := func(n int) {
		if err := tr.Change(Update(p, &Spec{Kind: Log, Keep: n})); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{lines(2), lines(2)}
	keep(5)
	got = append(got, lines(0), lines(1), lines(2))
	keep(2)
	got = append(got, lines(0), lines(1))
	keep(0)
	got = append(got, lines(2))
	want := []string{"1 2", "2 3 4", "2 3 4", "2 3 4 5", "3 4 5 6 7", "6 7", "7 8", "7 8 9 10"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLineOfAChange holds that a change of a log's status is told with the line that made
// it, which neither the line before nor one after it is.
func TestLineOfAChange(t *testing.T) {
	c := newClock()
	var got []string
	tr := New(Options{Now: func() time.Time { return c.now }, Statuses: func(changes []StatusChange) {
		for _, s := range changes {
			if s.Path == MustPath("/x") {
				got = append(got, fmt.Sprintf("%s to %s: %v", s.From, s.To, s.Value.Any()))
			}
		}
	}})
	r := mustAdd(t, tr, "/x", &Spec{Kind: Log})
	tr.Report(Report{Node: r, Events: []Event{{Status: Green, Text: "well"}}})
	tr.Report(Report{Node: r, Events: []Event{{Status: Red, Text: "bad"}, {Text: "a word"}, {Status: Green, Text: "well again"}, {Text: "the last"}}})
	tr.Flush()
	want := []string{"white to green: well", "green to red: bad", "red to green: well again"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n, _ := tr.NodeAt(r); n.Value.Any() != "the last" {
		t.Error(n.Value)
	}
}
