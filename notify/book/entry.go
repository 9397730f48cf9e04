package book

import (
	"fmt"
	"slices"
	"time"

	"grove/notify/cause"
	"grove/notify/subject"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/journal"
)

// slot is what an entry is about: of one node there is one of each kind.
type slot struct {
	path tree.Path
	kind kind
}

// kind is alert.Kind in a byte.
type kind uint8

const (
	ofStatus kind = iota
	ofSilence
	ofMissing
)

var kinds = [...]alert.Kind{alert.Status, alert.Silence, alert.Missing}

func kindOf(k alert.Kind) kind { return kind(max(slices.Index(kinds[:], k), 0)) }

// entry is an alert with what the book remembers of it. One that is resolved stays for as
// long as it may be reopened, or is closed.
type entry struct {
	slot
	a *alert.Alert // never nil; it may be changed while fresh

	fresh   bool // a is a copy that nobody else has
	waiting bool // it is among those that are to be written
	touched bool // in this round
	seen    bool // its node was there since the book began
	closed  bool // it was ended although its node is not well
	told    bool // people may have been told of it as it was written last

	was   tree.Status // before this round
	steps []alert.Step
	lines []journal.Entry

	// Flapping: when it was reopened, the last FlapTimes; when its node turned the last
	// time; and since when the node is well while the end is held back, zero: it is not.
	turns  []time.Time
	turned time.Time
	well   time.Time

	adopted time.Time // when it came from another manager; zero: it did not

	// What it can be the cause of.
	vital, whole bool
	fails        tree.Path
}

func (e *entry) live() bool { return e.a.State != alert.Resolved }

// edit returns the alert for a change.
func (b *Book) edit(e *entry) *alert.Alert {
	if !e.fresh {
		a := *e.a
		e.a, e.fresh = &a, true
	}
	b.touch(e)
	return e.a
}

// touch says that an entry has to be looked at before the round ends.
func (b *Book) touch(e *entry) {
	if !e.touched {
		e.touched, e.was = true, e.a.Status
		b.touched = append(b.touched, e)
	}
}

// step notes a step of an alert that edit has returned.
func (b *Book) step(e *entry, what alert.What, by, text string) {
	s := alert.Step{Time: b.time, What: what, Status: e.a.Status, By: by, Text: text}
	e.steps = append(e.steps, s)
	history := e.a.History
	if len(history) >= alert.MaxSteps {
		history = history[len(history)-alert.MaxSteps+1:]
	}
	e.a.History = append(slices.Clip(history), s) // a reader may have the old one
	e.a.Changed = b.time
	e.a.Revision++
	settle(e.a)
}

// settle gives an alert the state that the rest of it comes to.
func settle(a *alert.Alert) {
	switch {
	case a.Resolved != nil:
		a.State = alert.Resolved
	case a.Suppression != nil:
		a.State = alert.Suppressed
	case a.Ack != nil:
		a.State = alert.Acknowledged
	default:
		a.State = alert.Open
	}
}

// open makes the first alert of a slot, or one that follows another after long. Trouble is
// what is wrong, status that of the node, or white where the alert is not about that.
func (b *Book) open(at slot, old *entry, status tree.Status, severity tree.Severity, s *subject.Subject, spec *tree.Spec, t subject.Trouble) *entry {
	b.makeRoom()
	if old != nil {
		delete(b.byID, old.a.ID)
	}
	b.last = max(b.last+1, alert.ID(b.time.UnixMilli()<<idBits))
	e := &entry{slot: at, fresh: true, seen: true, turned: b.time}
	e.a = &alert.Alert{
		ID: b.last, Key: subject.Key(b.o.Manager, kinds[at.kind], at.path), Manager: b.o.Manager, Path: at.path, Kind: kinds[at.kind],
		Opened: b.time, Worst: status, Count: 1,
	}
	dress(e.a, s, spec)
	b.entries[at], b.byID[e.a.ID] = e, e
	b.live++
	b.young = append(b.young, e)
	b.touch(e)
	e.was = tree.Green
	e.is(status, severity, t)
	b.step(e, alert.Opened, "", t.Message)
	b.counted.Opened++
	return e
}

// idBits are those of a number below the milliseconds, see alert.ID.
const idBits = 20

// is says what is wrong now.
func (e *entry) is(status tree.Status, severity tree.Severity, t subject.Trouble) {
	e.a.Status, e.a.Worst, e.a.Severity = status, max(e.a.Worst, status), severity
	e.a.Message, e.a.Value, e.a.Unit, e.a.Threshold = t.Message, t.Value, t.Unit, t.Threshold
}

// dress gives an alert what holds at its node. The spec is nil where no node is.
func dress(a *alert.Alert, s *subject.Subject, spec *tree.Spec) {
	a.Instance, a.Properties, a.Customers = s.Instance, s.Properties, s.Customers
	a.EventType, a.ProbableCause, a.Repair = s.EventType, s.ProbableCause, s.Repair
	if a.Labels = nil; spec != nil {
		a.Labels = spec.Labels
	}
}

// reopen lets an alert go on that was resolved a short while ago.
func (b *Book) reopen(e *entry, status tree.Status, severity tree.Severity, s *subject.Subject, spec *tree.Spec, t subject.Trouble) {
	b.makeRoom()
	a := b.edit(e)
	dress(a, s, spec)
	a.Resolved, a.Ack, a.Suppression, a.Consequences = nil, nil, nil, 0
	a.Count++
	b.live++
	b.young = append(b.young, e)
	e.closed, e.seen = false, true
	e.is(status, severity, t)
	b.step(e, alert.Reopened, "", t.Message)
	b.counted.Reopened++
	b.turn(e)
}

// turn counts a turn for the worse, and calls the alert flapping after enough of them.
func (b *Book) turn(e *entry) {
	e.turned = b.time
	e.turns = append(e.turns, b.time)
	if len(e.turns) > FlapTimes {
		e.turns = e.turns[1:]
	}
	if !e.a.Flapping && len(e.turns) == FlapTimes && b.time.Sub(e.turns[0]) <= FlapWithin {
		b.edit(e).Flapping = true
		b.step(e, alert.Flaps, "", fmt.Sprintf("it came back %d times within ", FlapTimes)+tree.FormatDuration(FlapWithin)+": its end is told once it was well for "+tree.FormatDuration(Calm))
	}
}

// own says that an alert is flapping by its reopenings, not by what the tree says.
func (e *entry) own() bool { return e.a.Flapping && len(e.turns) >= FlapTimes }

// resolve ends an alert. Status is what its node has then.
func (b *Book) resolve(e *entry, status tree.Status, by, text string) {
	a := b.edit(e)
	b.leaveCause(a)
	at := b.time
	a.Resolved, a.Flapping = &at, false
	a.Severity = b.gravest(e)
	a.Status = status
	e.well = time.Time{}
	if t := b.o.Twin(a); t.Left { // It may be over before it was held against that.
		a.Suppression = t.suppression(b.time)
	}
	b.step(e, alert.DidResolve, by, text)
	b.live--
	b.recent = append(b.recent, recently{e, at})
	b.counted.Resolved++
}

// gravest is the severity of the worst that an alert was.
func (b *Book) gravest(e *entry) tree.Severity {
	if e.kind != ofStatus || e.a.Worst == e.a.Status {
		return e.a.Severity
	}
	return b.register.At(e.path).Severity(e.a.Worst)
}

// recently is an alert that was resolved, and when.
type recently struct {
	e  *entry
	at time.Time
}

// drop forgets the resolved alerts that are not reopened any more, and the oldest of too
// many.
func (b *Book) drop() {
	for len(b.recent) > 0 {
		r := b.recent[0]
		if b.time.Sub(r.at) <= b.waits.Load().reopen && len(b.recent) <= MaxAlerts {
			return
		}
		b.recent[0] = recently{}
		b.recent = b.recent[1:]
		e := r.e
		if e.live() || e.closed || !e.a.Resolved.Equal(r.at) || b.entries[e.slot] != e {
			continue // It goes on, or another has its place.
		}
		b.remove(e)
	}
	b.recent = nil
}

// remove forgets an entry.
func (b *Book) remove(e *entry) {
	delete(b.entries, e.slot)
	delete(b.byID, e.a.ID)
	for k := range kinds {
		if b.entries[slot{e.path, kind(k)}] != nil {
			return
		}
	}
	b.unwatch(e.path)
}

// source says what can follow from an alert.
func (b *Book) source(e *entry) (s cause.Source, ok bool) {
	if e.kind != ofStatus || !e.live() {
		return s, false
	}
	_, depended := b.plan.Load().depended[e.path]
	if !e.whole && (e.a.Status != tree.Red || !e.vital && !depended) {
		return s, false
	}
	return cause.Source{ID: e.a.ID, Path: e.path, Status: e.a.Status, Vital: e.vital && e.a.Status == tree.Red, Fails: e.fails, Whole: e.whole}, true
}

// know notes what a spec says of an alert as a cause, and whether that is news.
func (e *entry) know(spec *tree.Spec) (news bool) {
	seen, vital, whole, fails := e.seen, e.vital, e.whole, e.fails
	e.seen = true
	e.vital, e.whole, e.fails = false, subject.IsWhole(spec), tree.Root
	if a := spec.Alerting; a != nil && a.Vital > 0 {
		e.vital, e.fails = true, failing(e.path, a.Vital)
	}
	return !seen || vital != e.vital || whole != e.whole || fails != e.fails
}

// failing is the group so many levels above a vital attribute.
func failing(p tree.Path, levels uint8) tree.Path {
	for range levels {
		p = p.Parent()
	}
	return p
}
