package tree

import (
	"testing"
	"time"
)

// TestReadingTimes gives a node that has the reading 1 of the present minute
// another reading, 2, of another time.
func TestReadingTimes(t *testing.T) {
	now := newClock().now
	older, ahead := Stats{Applied: 1, Older: 1}, Stats{Applied: 1, Ahead: 1}
	taken := Stats{Applied: 2}
	for _, tc := range []struct {
		name string
		at   time.Time // zero: no time of its own
		want Stats
	}{
		{"newer", now.Add(1), taken},
		{"of the same time", now, older},
		{"older", now.Add(-1), older},
		{"without a time, at the same moment", time.Time{}, taken},
		{"as far ahead as may be", now.Add(MaxAhead), taken},
		{"too far ahead", now.Add(MaxAhead + 1), ahead},
		{"ahead of what can be counted", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ahead},
		{"of 1970", time.Unix(0, 1), older},
		{"before 1970", time.Unix(-1, 0), older},
		{"before what can be counted", time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), older},
	} {
		for _, way := range []string{"Apply", "Report", "Report of a failure"} {
			t.Run(tc.name+"/"+way, func(t *testing.T) {
				tr := newClock().tree()
				r := mustAdd(t, tr, "/x", &Spec{Kind: Performance})
				tr.Apply([]Reading{{Node: r, Value: 1}})
				applied, value := 0, Number(2)
				switch way {
				case "Apply":
					reading := Reading{Node: r, Value: 2}
					if !tc.at.IsZero() {
						if reading.Time = tc.at.UnixNano(); !time.Unix(0, reading.Time).Equal(tc.at) {
							t.Skip("cannot be said")
						}
					}
					applied = tr.Apply([]Reading{reading})
				case "Report":
					applied = tr.Report(Report{Node: r, Value: value, Time: tc.at})
				default:
					applied, value = tr.Report(Report{Node: r, Reason: "no answer", Time: tc.at}), Number(1)
				}
				if tc.want != taken {
					value = Number(1)
				}
				n, _ := tr.NodeAt(r)
				s := tr.Stats()
				if got := (Stats{Applied: s.Applied, Older: s.Older, Ahead: s.Ahead, Unknown: s.Unknown, Misfit: s.Misfit}); got != tc.want || uint64(applied)+1 != s.Applied || n.Value != value {
					t.Errorf("%+v, value %v", got, n.Value)
				}
			})
		}
	}
}

// TestClockThatWasSetBack: readings go on, though those before seem to come from
// the future, and silence is still seen.
func TestClockThatWasSetBack(t *testing.T) {
	for _, way := range []string{"Apply", "Apply with its time", "Report", "silence"} {
		t.Run(way, func(t *testing.T) {
			c := newClock()
			tr := c.tree()
			r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: &Threshold{Red: AboveLevel(5, 5), StaleAfter: time.Minute}})
			tr.Apply([]Reading{{Node: r, Value: 1}})
			c.pass(-24 * time.Hour)
			tr.Advance(c.now)
			want := Red
			switch way {
			case "Apply":
				tr.Apply([]Reading{{Node: r, Value: 9}})
			case "Apply with its time":
				tr.Apply([]Reading{{Node: r, Value: 9, Time: c.now.UnixNano()}})
			case "Report":
				tr.Report(Report{Node: r, Value: Number(9), Time: c.now})
			default:
				c.pass(time.Minute + 1)
				tr.Advance(c.now)
				want = White
			}
			if got := statusAt(t, tr, "/x"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// TestEventsFromTheFutureAreKept: a log has no order of times to protect.
func TestEventsFromTheFutureAreKept(t *testing.T) {
	c := newClock()
	tr := c.tree()
	r := mustAdd(t, tr, "/x", &Spec{Kind: Log, Threshold: &Threshold{StaleAfter: time.Minute}})
	at := c.now.Add(24 * time.Hour)
	tr.Report(Report{Node: r, Events: []Event{{Text: "a", Status: Red, Time: at}}, Time: at})
	if events, err := tr.Events(MustPath("/x")); err != nil || len(events) != 1 || !events[0].Time.Equal(at) || statusAt(t, tr, "/x") != Red {
		t.Errorf("%v, %v", events, err)
	}
	c.pass(time.Minute + 1)
	tr.Advance(c.now)
	if got := statusAt(t, tr, "/x"); got != White {
		t.Errorf("%s after a minute of silence", got)
	}
}
