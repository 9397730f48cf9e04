package book

import (
	"context"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/journal"
)

const (
	// pace is the shortest time between two rounds. After one in which there was much to
	// decide it is paceShare times as long as that took, and maxPace at most: when ten
	// thousand causes come and go all the time, each round puts all alerts in relation anew.
	pace      = 20 * time.Millisecond
	paceShare = 4
	maxPace   = time.Second
	// youngFor is how long after it has opened, besides the time to settle, the cause of an
	// alert is looked at as soon as it comes: people are told a moment after the opening.
	youngFor = 5 * time.Second
	// sweepEvery is how often all alerts are looked at, for what nobody tells: that a node
	// is flapping, and that a maintenance has begun.
	sweepEvery = 30 * time.Second
)

// round decides what is due, and writes it. It returns when to come again.
func (b *Book) round(ctx context.Context) time.Time {
	b.time = b.now()
	if !b.ready(ctx) {
		return b.time.Add(retryEvery)
	}
	later := false
	b.spent = 0
	// After each piece it is decided again: the cause of a storm may have come meanwhile,
	// and then nobody is told of what is not written yet.
	for more := true; more && ctx.Err() == nil; b.time = b.now() {
		if len(b.unwritten) < maxUnwritten {
			began := time.Now()
			later = b.decide()
			b.spent += time.Since(began)
		}
		more = b.commitPiece(ctx)
	}
	b.trim(ctx)
	b.tell()
	return b.next(later)
}

// decide takes what was told and decides what is due of it. Later says that the whole tree
// is to be looked at, and not yet.
func (b *Book) decide() (later bool) {
	b.rewind()
	after := b.noted
	t := b.drain(b.maySurvey())
	b.noted = t.upTo
	for _, n := range t.notes {
		due := min(n.at, b.time.UnixNano()) + int64(b.waits.Load().settle)
		if last := len(b.settling) - 1; last >= 0 {
			due = max(due, b.settling[last].due)
		}
		b.settling = append(b.settling, settling{n.path, due, after})
	}
	if t.look() {
		b.survey(after)
	}
	b.anew = b.anew || t.maintenance
	b.considerDue()
	if b.time.Sub(b.swept) >= sweepEvery {
		b.swept = b.time
		if s := b.o.Tree.Stats(); s.Untold+s.UntoldNames != b.untold {
			b.untold = s.Untold + s.UntoldNames
			b.ask(&b.in.whole) // The tree could not tell us all.
		}
		b.anew = true
		for _, e := range b.byID {
			if e.live() {
				b.consider(e.path)
			}
		}
	}
	b.settle()
	return t.later
}

// rewind brings what is due forward when the clock was set back, or nothing would be decided
// until it has caught up.
func (b *Book) rewind() {
	back := b.latest.Sub(b.time)
	b.latest = b.time
	if back < time.Second {
		return
	}
	for i := range b.settling {
		b.settling[i].due -= int64(back)
	}
	b.agenda.shift(-int64(back))
	for id, l := range b.over {
		l.until = l.until.Add(-back)
		b.over[id] = l
	}
	for top, l := range b.leaving {
		l.until = l.until.Add(-back)
		b.leaving[top] = l
	}
	for _, t := range []*time.Time{&b.retry, &b.surveyed, &b.swept, &b.trimmed, &b.numbered, &b.started} {
		*t = t.Add(-back)
	}
	b.o.Log.Warn("the clock was set back: what is due is decided by the clock as it is now", "by", back)
}

// settle ends what decide, or somebody who changes alerts, has begun.
func (b *Book) settle() {
	b.relate()
	b.suppress()
	b.tally()
	b.finish()
	b.drop()
}

// considerDue looks at the nodes that are due, and at those that what opens may follow from.
func (b *Book) considerDue() {
	now := b.time.UnixNano()
	looked := map[tree.Path]struct{}{}
	look := func(p tree.Path) {
		if _, done := looked[p]; !done {
			looked[p] = struct{}{}
			b.consider(p)
		}
	}
	for b.head < len(b.settling) && b.settling[b.head].due <= now {
		look(b.settling[b.head].path)
		b.head++
	}
	for {
		p, ok := b.agenda.next(now)
		if !ok {
			break
		}
		b.consider(p) // again, if something became due by the look before
	}
	if b.head == len(b.settling) {
		b.settling, b.head = nil, 0
		return
	}
	b.hurry(look)
	if b.head > len(b.settling)/2 {
		b.settling = append(b.settling[:0], b.settling[b.head:]...)
		b.head = 0
	}
}

// hurry looks at causes before they have settled, when something opens that may follow from
// them, or has opened a moment ago: else people would be told of the consequences first.
func (b *Book) hurry(look func(tree.Path)) {
	for len(b.young) > 0 && (!b.young[0].live() || b.time.Sub(b.young[0].turned) > b.waits.Load().settle+youngFor) {
		b.young[0] = nil
		b.young = b.young[1:]
	}
	if len(b.young) == 0 {
		b.young = nil
		return
	}
	p := b.plan.Load()
	if len(p.vital) == 0 && len(p.depended) == 0 {
		return
	}
	coming := map[tree.Path][]tree.Path{} // by the group that fails, or what is needed
	for _, s := range b.settling[b.head:] {
		if group, ok := p.vital[s.path]; ok {
			coming[group] = append(coming[group], s.path)
		}
		if _, ok := p.depended[s.path]; ok {
			coming[s.path] = append(coming[s.path], s.path)
		}
	}
	take := func(at tree.Path) {
		causes := coming[at]
		delete(coming, at)
		for _, c := range causes {
			look(c)
		}
	}
	for i := 0; i < len(b.young) && len(coming) > 0; i++ { // what is looked at may open
		e := b.young[i]
		if !e.live() || e.a.Suppression != nil {
			continue
		}
		upwards(e.path.Parent(), take)
		for _, d := range b.register.DependsOn(e.path) {
			upwards(d, take)
		}
	}
}

// upwards yields a path and all above it.
func upwards(p tree.Path, yield func(tree.Path)) {
	for {
		yield(p)
		if p.IsRoot() {
			return
		}
		p = p.Parent()
	}
}

// maxLineBytes bounds the text of a line in the journal.
const maxLineBytes = 1024

// finish ends a round: what took a step gets a line in the journal, and is to be written.
func (b *Book) finish() {
	for _, e := range b.touched {
		e.touched = false
		if !e.fresh {
			continue
		}
		if len(e.steps) > 0 {
			e.lines = append(e.lines, journal.Entry{Time: b.time, Path: e.path, Kind: journal.Alert, From: e.was, To: e.a.Status, Text: line(e)})
			e.steps = nil
		}
		if !e.waiting {
			e.waiting = true
			b.unwritten = append(b.unwritten, e)
		}
	}
	clear(b.touched)
	b.touched = b.touched[:0]
	for _, e := range b.recounted {
		e.fresh = false
	}
	if len(b.unwritten) > 0 {
		b.owing.Store(true)
	}
}

// line tells the steps of a round: "opened: /a is red; suppressed (parent) by alert 12". Who
// reads the line of a node need not see others, so it names none but those above: the alert
// itself says more to whoever may know.
func line(e *entry) string {
	var text strings.Builder
	for i, s := range e.steps {
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(string(s.What))
		if s.By != "" {
			text.WriteString(" by " + s.By)
		}
		switch {
		case s.What == alert.DidSuppress && e.a.Suppression != nil:
			text.WriteString(" (" + string(e.a.Suppression.Reason) + ")")
			if cause := e.a.Suppression.Cause; cause != 0 {
				text.WriteString(" by alert " + cause.String())
			}
		case s.What == alert.DidSuppress:
		case e.whole && s.By == "" && s.Status > tree.Green && s.What != alert.DidResolve:
			text.WriteString(": " + e.path.String() + " is " + s.Status.String())
		case s.Text != "":
			text.WriteString(": " + s.Text)
		}
		if text.Len() > maxLineBytes {
			return strings.ToValidUTF8(text.String()[:maxLineBytes], "") + "…"
		}
	}
	return text.String()
}

// next is when the next round is due.
func (b *Book) next(later bool) time.Time {
	next := b.swept.Add(sweepEvery)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if b.head < len(b.settling) {
		sooner(time.Unix(0, b.settling[b.head].due))
	}
	if at := b.agenda.first(); at != 0 {
		sooner(time.Unix(0, at))
	}
	for _, l := range b.over {
		sooner(l.until)
	}
	if later {
		sooner(b.nextSurvey())
	}
	if b.piece != nil || len(b.unwritten) > 0 {
		sooner(b.retry)
	}
	return next
}
