package tree

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSettling tells of one performance node, second by second: what it reads and
// which status it has then. A step is "<seconds later> <reading> <status>"; the
// reading "-" is none, "fail" says that none can be had. A status with "?" is
// pending, with "~" flapping; white tells the status before it.
func TestSettling(t *testing.T) {
	above := func(yellow, red time.Duration) *Threshold {
		th := &Threshold{Yellow: AboveLevel(10, 10), Red: AboveLevel(20, 20)}
		th.Yellow.After, th.Red.After = yellow, red
		return th
	}
	clear := func(th *Threshold, after time.Duration) *Threshold { th.ClearAfter = after; return th }
	stale := func(th *Threshold, after time.Duration) *Threshold { th.StaleAfter = after; return th }
	flap := func(th *Threshold, changes int, window time.Duration) *Threshold {
		th.Flap = Flap{changes, window}
		return th
	}
	const s = time.Second
	for _, tc := range []struct {
		name  string
		th    *Threshold
		steps string
	}{
		{"red at once while yellow is held", above(30*s, 0), "1 30 red, 1 15 yellow"},
		{"first reading is held", above(10*s, 10*s), "1 30 green?, 10 - red"},
		{"each level is cleared by itself", clear(above(0, 0), 20*s), "1 30 red, 1 15 red?, 19 5 red?, 1 5 yellow?, 18 5 yellow?, 1 5 green"},
		{"green at once after long green", clear(above(0, 0), 20*s), "1 30 red, 1 5 red?, 19 5 red?, 1 5 green"},
		{"yellow keeps red clearing and green waiting", clear(above(0, 0), 20*s), "1 30 red, 1 5 red?, 10 15 red?, 10 - yellow, 5 5 yellow?, 20 - green"},
		{"red ends clearing", clear(above(0, 0), 20*s), "1 30 red, 1 5 red?, 10 25 red, 1 5 red?, 19 - red?, 1 - green"},
		{"back from failure to what it was", above(60*s, 60*s), "1 30 green?, 60 - red, 1 fail white/red, 1 30 red"},
		{"back from failure to less", above(60*s, 60*s), "1 30 green?, 60 - red, 1 fail white/red, 1 15 yellow"},
		{"back from failure to more", above(60*s, 60*s), "1 15 green?, 60 - yellow, 1 fail white/yellow, 1 30 yellow?, 60 - red"},
		{"back from failure to green", clear(above(0, 0), 20*s), "1 30 red, 1 fail white/red, 1 5 green"},
		{"a hold of centuries", above(math.MaxInt64, math.MaxInt64), "1 30 green?, 1000 30 green?"},
		{"clearing for centuries", clear(above(0, 0), math.MaxInt64), "1 30 red, 1 5 red?, 1000 5 red?"},
		{"silence ends before the hold", stale(above(90*s, 90*s), 60*s), "1 5 green, 1 15 green?, 300 - white/green, 1 5 green"},
		{"silence ends after the hold", stale(above(30*s, 30*s), 60*s), "1 15 green?, 30 - yellow, 31 - white/yellow"},
		{"flapping keeps the worst of the changes", flap(above(0, 0), 4, 60*s), "1 5 green, 1 15 yellow, 1 25 red, 1 15 yellow, 1 5 red~, 57 5 red~, 1 5 red~, 1 5 green"},
		{"flapping grows worse and not better", flap(above(0, 0), 3, 60*s), "1 5 green, 1 15 yellow, 1 5 green, 1 15 yellow~, 1 5 yellow~, 1 25 red~, 1 5 red~"},
		{"changes too far apart do not flap", flap(above(0, 0), 3, 10*s), "1 5 green, 1 15 yellow, 5 5 green, 5 15 yellow, 5 5 green, 5 15 yellow"},
		{"flapping ends in silence", stale(flap(above(0, 0), 2, 600*s), 60*s), "1 5 green, 1 15 yellow, 1 5 yellow~, 61 - white/yellow, 1 5 green"},
		{"the first status is no change", flap(above(0, 0), 2, 60*s), "1 15 yellow, 1 5 green, 1 15 yellow~"},
		{"holds come before flapping", flap(above(10*s, 10*s), 2, 60*s), "1 5 green, 1 15 green?, 1 5 green, 1 15 green?, 1 5 green, 1 15 green?, 10 - yellow"},
		{"infinite readings", above(0, 0), "1 +Inf red, 1 -Inf green"},
		{"not a number", above(0, 0), "1 15 yellow, 1 NaN white/yellow, 1 15 yellow"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			tr := c.tree()
			r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: tc.th})
			var got []string
			for step := range strings.SplitSeq(tc.steps, ", ") {
				words := strings.Fields(step)
				seconds, value := 0, 0.0
				if _, err := fmt.Sscan(words[0], &seconds); err != nil {
					t.Fatal(err)
				}
				c.pass(time.Duration(seconds) * s)
				tr.Advance(c.now)
				switch {
				case words[1] == "fail":
					tr.Report(Report{Node: r, Reason: "no answer"})
				case words[1] != "-":
					if _, err := fmt.Sscan(words[1], &value); err != nil {
						t.Fatal(err)
					}
					tr.Apply([]Reading{{Node: r, Value: value}})
				}
				tr.Advance(c.now)
				n, _ := tr.NodeAt(r)
				words[2] = n.Status.String()
				if n.Status == White {
					words[2] += "/" + n.Last.String()
				}
				if n.Pending {
					words[2] += "?"
				}
				if n.Flapping {
					words[2] += "~"
				}
				got = append(got, strings.Join(words, " "))
			}
			if diff := cmp.Diff(strings.Split(tc.steps, ", "), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEndsOfHoldsDoNotPileUp: a node whose holds begin and are forgotten over and
// over leaves nothing behind that grows.
func TestEndsOfHoldsDoNotPileUp(t *testing.T) {
	for _, tc := range []struct {
		name   string
		forget Report
	}{
		{"beyond and back", Report{Value: Number(1)}},
		{"beyond and white", Report{Reason: "no answer"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			tr := c.tree()
			th := &Threshold{Red: AboveLevel(5, 5)}
			th.Red.After = time.Hour
			r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: th})
			tc.forget.Node = r
			for range 100_000 {
				c.pass(time.Millisecond)
				tr.Apply([]Reading{{Node: r, Value: 9}})
				c.pass(time.Millisecond)
				tr.Report(tc.forget)
			}
			if len(tr.due) > 2*minDue {
				t.Errorf("%d ends of holds wait for one node", len(tr.due))
			}
			tr.Apply([]Reading{{Node: r, Value: 9}})
			c.pass(time.Hour)
			tr.Apply([]Reading{{Node: r, Value: 9}})
			tr.Advance(c.now)
			if got := statusAt(t, tr, "/x"); got != Red {
				t.Errorf("%s when the hold is over", got)
			}
		})
	}
}
