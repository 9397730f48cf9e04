package tree

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// twin is one attribute told plainly: second by second, with all that was since it
// was last white written down, and looked through from the start whenever the
// status is asked for.
type twin struct {
	th     *Threshold
	now    int
	read   int  // when the last reading came
	any    bool // there was one since the start or the reset
	failed bool // the last was that none can be had
	value  int

	yellow, red bool     // what the last reading is beyond
	past        []moment // since the last white, the present at the end
	calm        Status   // without flapping
	turns       []moment // changes of calm
	flaps       bool
	worst       Status

	status, known Status
	since         int
	pending       bool
}

// moment is what was so at one second.
type moment struct {
	at          int
	yellow, red bool
	worst       Status
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// crosses says whether v is beyond a level, was being whether the one before was.
func crosses(l Level, v float64, was bool) bool {
	switch {
	case l.Form == Above && was && l.OffHigh != l.High:
		return !(v < l.OffHigh)
	case l.Form == Above:
		return v > l.High
	case l.Form == Below && was && l.OffLow != l.Low:
		return !(v > l.OffLow)
	case l.Form == Below:
		return v < l.Low
	case l.Form == Outside && was && l.OffLow != l.Low: // and l.OffHigh != l.High
		return !(v > l.OffLow && v < l.OffHigh)
	case l.Form == Outside:
		return v < l.Low || v > l.High
	case l.Form == Inside && was:
		return !(v < l.OffLow || v > l.OffHigh)
	case l.Form == Inside:
		return !(v < l.Low || v > l.High)
	}
	return false
}

// whiten forgets all but the value and the last status.
func (w *twin) whiten() {
	w.yellow, w.red, w.past, w.turns, w.flaps = false, false, nil, nil, false
	w.become(White)
}

func (w *twin) become(s Status) {
	if w.status != s {
		w.status, w.since = s, w.now
	}
	if s != White {
		w.known = s
	}
	if s == White {
		w.pending = false
	}
}

// lasts says for how many seconds something has been so without a break; -1: it is
// not so now.
func (w *twin) lasts(so func(moment) bool) int {
	n := -1
	for k := len(w.past) - 1; k >= 0 && so(w.past[k]); k-- {
		n = w.now - w.past[k].at
	}
	return n
}

// look finds the status of the present second.
func (w *twin) look() {
	switch {
	case !w.any || w.failed:
		return
	case w.th.StaleAfter > 0 && w.now-w.read > seconds(w.th.StaleAfter):
		w.whiten()
		return
	case w.status == White && w.past != nil:
		return // a state that stands for white
	}
	w.past = append(w.past, moment{at: w.now, yellow: w.yellow || w.red && (w.th.Yellow.Form != Never || w.th.States != nil), red: w.red})
	before := w.calm // what it was: silence does not count
	if w.status == White {
		before = w.known
	}
	beyondRed := w.lasts(func(m moment) bool { return m.red })
	beyondYellow := w.lasts(func(m moment) bool { return m.yellow })
	notRed := w.lasts(func(m moment) bool { return !m.red })
	green := w.lasts(func(m moment) bool { return !m.red && !m.yellow })
	w.pending = false
	may := func(lasted int, must time.Duration) bool {
		over := lasted >= seconds(must)
		w.pending = w.pending || !over
		return over
	}
	next := Green // the best that may be
	if beyondRed >= 0 && (before == Red || may(beyondRed, w.th.Red.After)) {
		next = Red
	} else if beyondYellow >= 0 && (before >= Yellow || may(beyondYellow, w.th.Yellow.After)) {
		next = Yellow
	} else if beyondRed >= 0 {
		next = max(min(before, Yellow), Green) // no reason to look better
	}
	if w.status != White {
		stay := Green
		if before >= Yellow && green >= 0 && !may(green, w.th.ClearAfter) {
			stay = Yellow
		}
		if before == Red && notRed >= 0 && !may(notRed, w.th.ClearAfter) {
			stay = Red
		}
		next = max(next, stay)
		if next != w.calm {
			w.turns = append(w.turns, moment{at: w.now, worst: max(next, w.calm)})
		}
	}
	w.calm = next
	w.become(w.flapping())
}

// flapping is calm, or the worst of the changes of late.
func (w *twin) flapping() Status {
	most := w.th.Flap.Changes
	if most == 0 || w.status == White {
		return w.calm
	}
	n, worst := 0, White
	for _, m := range w.turns {
		if m.at > w.now-seconds(w.th.Flap.Window) {
			n, worst = n+1, max(worst, m.worst)
		}
	}
	switch {
	case !w.flaps && n >= most:
		w.flaps, w.worst = true, worst
	case w.flaps && 2*n < most:
		w.flaps = false
	}
	if !w.flaps {
		return w.calm
	}
	w.worst = max(w.worst, w.calm)
	return w.worst
}

// take takes a reading; fresh says that the one before does not matter.
func (w *twin) take(v int, fresh bool) {
	w.value = v
	w.any, w.failed = true, false
	if w.th.States == nil {
		w.yellow = crosses(w.th.Yellow, float64(v), w.yellow && !fresh)
		w.red = crosses(w.th.Red, float64(v), w.red && !fresh)
	} else {
		s, ok := w.th.States[fmt.Sprint(v)]
		if !ok {
			s = w.th.States["*"]
		}
		if s == White {
			w.whiten()
			w.past = []moment{}
			return
		}
		w.yellow, w.red = s >= Yellow, s == Red
	}
	if w.status == White {
		w.past = nil
	}
	w.look()
}

// tune gives another threshold: holds and flapping begin anew.
func (w *twin) tune(th *Threshold) {
	w.th = th
	if !w.any || w.failed {
		return
	}
	w.past, w.turns, w.flaps, w.calm = nil, nil, false, w.status
	w.take(w.value, true)
}

func randomThreshold(r *rand.Rand, kind Kind) *Threshold {
	some := func(n int) time.Duration {
		if r.IntN(2) == 0 {
			return 0
		}
		return time.Duration(r.IntN(n)) * time.Second
	}
	th := &Threshold{ClearAfter: some(6)}
	if r.IntN(2) == 0 {
		th.StaleAfter = time.Duration(3+r.IntN(8)) * time.Second
	}
	if r.IntN(2) == 0 {
		th.Flap = Flap{2 + r.IntN(3), time.Duration(4+r.IntN(12)) * time.Second}
	}
	if kind == State {
		th.States = map[string]Status{"0": Green, "1": Yellow, "2": Red, "3": White}
		if r.IntN(2) == 0 {
			th.States["*"] = Statuses[r.IntN(4)]
		}
	} else {
		a, off := float64(3+r.IntN(3)), float64(r.IntN(3))
		switch r.IntN(5) {
		case 0:
			th.Yellow, th.Red = AboveLevel(a, a-off), AboveLevel(a+float64(r.IntN(4)), a-off)
		case 1:
			th.Yellow, th.Red = BelowLevel(a, a+off), BelowLevel(a-float64(r.IntN(4)), a+off)
		case 2:
			th.Red = Level{Form: Outside, Low: 2, High: 6, OffLow: 2 + off, OffHigh: 6 - off}
		case 3:
			th.Red = Level{Form: Inside, Low: 3, High: 5, OffLow: 3 - off, OffHigh: 5 + off}
		default:
			th.Yellow, th.Red = AboveLevel(a, a-off), BelowLevel(2, 2+off)
		}
		if th.Yellow.Form != Never {
			th.Yellow.After = some(6)
		}
	}
	th.Red.After = some(8)
	return th
}

// TestLeafModel holds the engine, which looks at a node only when something may have
// come to pass, against the twin, which looks every second at all that was.
func TestLeafModel(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 11))
		kind := []Kind{Performance, State}[r.IntN(2)]
		c := newClock()
		start := c.now
		tr := c.tree()
		w := &twin{th: randomThreshold(r, kind)}
		ref := mustAdd(t, tr, "/x", &Spec{Kind: kind, Threshold: w.th})
		path, value, did := MustPath("/x"), 0, []string{fmt.Sprintf("%s %+v", kind, *w.th)}
		compare := func() {
			n, _ := tr.NodeAt(ref)
			got := fmt.Sprint(n.Status, n.Last, n.Flapping, n.Pending, seconds(n.Since.Sub(start)))
			want := fmt.Sprint(w.status, w.known, w.flaps, w.pending, w.since)
			if got != want {
				if len(did) > 40 {
					did = append(did[:1:1], did[len(did)-39:]...)
				}
				t.Fatalf("seed %d: %s, want %s (status, last, flapping, pending, since) after\n%q", seed, got, want, did)
			}
		}
		for range 200 {
			c.pass(time.Second)
			w.now++
			tr.Advance(c.now)
			w.look()
			compare()
			what := "nothing"
			switch k := r.IntN(40); {
			case k < 22: // as before, so that holds end
				what = fmt.Sprint(value)
			case k < 30:
				value = r.IntN(9)
				what = fmt.Sprint(value)
			case k == 30:
				what = "failure"
				tr.Report(Report{Node: ref, Reason: "no answer"})
				w.whiten()
				w.failed = true
			case k == 31 && r.IntN(4) == 0:
				what = "reset"
				if err := tr.Reset(path); err != nil {
					t.Fatal(err)
				}
				w.whiten()
				w.any, w.failed, w.known = false, false, White
				n, _ := tr.NodeAt(ref)
				w.th = n.Threshold
			case k == 32 && r.IntN(3) == 0:
				th := randomThreshold(r, kind)
				what = fmt.Sprintf("%+v", *th)
				if err := tr.SetThreshold(path, th); err != nil {
					t.Fatal(err)
				}
				w.tune(th)
			}
			if what == fmt.Sprint(value) {
				tr.Apply([]Reading{{Node: ref, Value: float64(value)}})
				w.read = w.now
				w.take(value, false)
			}
			did = append(did, fmt.Sprintf("%d: %s", w.now, what))
			compare()
			tr.Advance(c.now)
			compare()
		}
		if len(tr.due) > minDue || len(tr.holds) > 1 || len(tr.flaps) > 1 {
			t.Fatalf("seed %d: %d ends of holds, %d holds, %d flaps", seed, len(tr.due), len(tr.holds), len(tr.flaps))
		}
	}
}
