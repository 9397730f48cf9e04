package book

import (
	"maps"
	"slices"
	"time"

	"grove/notify/cause"
	"grove/tree"
	"grove/tree/alert"
)

// relate notes which of the alerts of this round can be causes, and which can no more.
func (b *Book) relate() {
	for _, e := range b.touched {
		now, is := b.source(e)
		before, was := b.sources[e.a.ID]
		switch {
		case is && (!was || before != now):
			b.sources[e.a.ID] = now
			delete(b.over, e.a.ID)
			b.unrelated = true
		case !is && was:
			delete(b.sources, e.a.ID)
			before.Over = true
			b.over[e.a.ID] = lingering{before, b.time.Add(b.waits.Load().recover)}
			b.unrelated = true
		}
	}
	for id, l := range b.over {
		if !b.time.Before(l.until) {
			delete(b.over, id)
			b.unrelated = true
		}
	}
	if !b.unrelated && !b.anew {
		return
	}
	if b.anew { // Specs may be others, and so may be what is vital.
		for _, e := range b.byID {
			if s, is := b.source(e); is {
				b.sources[e.a.ID] = s
			} else {
				delete(b.sources, e.a.ID)
			}
		}
	}
	sources := slices.Collect(maps.Values(b.sources))
	for _, l := range b.over {
		sources = append(sources, l.Source)
	}
	b.graph = cause.New(b.register, unique(sources))
	b.unrelated, b.anew = false, true
}

// unique leaves one source of each path: the one that is not over, then the newest.
func unique(sources []cause.Source) []cause.Source {
	at := make(map[tree.Path]int, len(sources))
	kept := sources[:0]
	for _, s := range sources {
		i, taken := at[s.Path]
		switch {
		case !taken:
			at[s.Path] = len(kept)
			kept = append(kept, s)
		case kept[i].Over && !s.Over, kept[i].Over == s.Over && kept[i].ID < s.ID:
			kept[i] = s
		}
	}
	return kept
}

// suppress holds alerts against what they follow from: those of this round, or all when
// that changed.
func (b *Book) suppress() {
	if !b.anew {
		for _, e := range b.touched { // Nothing that it does touches another.
			b.hold(e)
		}
		return
	}
	b.anew = false
	for _, e := range b.entries {
		b.hold(e)
	}
}

// hold suppresses an alert or releases it.
func (b *Book) hold(e *entry) {
	if !e.live() || b.absent(e) {
		return
	}
	want := b.reason(e)
	have := e.a.Suppression
	if have != nil && have.Cause != 0 && (want == nil || want.Cause != have.Cause) {
		if cause := b.byID[have.Cause]; cause != nil && cause.live() && b.absent(cause) {
			return // What it says of others is not known yet.
		}
	}
	switch {
	case want == nil && have == nil:
	case want == nil && b.arriving(e): // Why may come as the node does.
		b.agenda.add(e.path, e.adopted.Add(ArriveWithin))
	case want == nil:
		b.leaveCause(e.a)
		b.edit(e).Suppression = nil
		b.step(e, alert.Released, "", "")
		b.counted.Released++
		b.takeOver(e, have)
	case have != nil && have.Reason == want.Reason && have.Cause == want.Cause && have.At == want.At:
		if have.Text != want.Text || have.Told != want.Told || !sameTime(have.Until, want.Until) {
			want.Since = have.Since
			b.edit(e).Suppression = want
		}
		if have.Told != want.Told {
			b.step(e, alert.DidSuppress, "", want.Text)
		}
	default:
		b.leaveCause(e.a)
		b.edit(e).Suppression = want
		b.count(want.Cause, 1)
		b.step(e, alert.DidSuppress, "", want.Text)
		b.counted.Suppressed++
	}
	if want != nil && want.Until != nil {
		b.agenda.add(e.path, *want.Until)
	}
}

// absent says whether the node of an alert has not come yet since the start, or since the
// alert came from another manager: until it does, or is given up, everything stays as it was
// kept.
func (b *Book) absent(e *entry) bool {
	return !e.seen && (b.arriving(e) || e.adopted.Before(b.started) && b.time.Before(b.started.Add(GoneAtStart)))
}

// reason is why nobody shall be told of an alert; nil: somebody shall.
func (b *Book) reason(e *entry) *alert.Suppression {
	if t := b.o.Twin(e.a); t.Left {
		return t.suppression(b.time)
	}
	if link, ok := b.graph.Of(e.path, e.a.ID); ok {
		return suppression(&link, b.time)
	}
	m, ok := b.o.Maintained(e.path, b.time)
	if !ok {
		return nil
	}
	m.Reason, m.Cause = alert.ByMaintenance, 0
	if m.Since.IsZero() {
		m.Since = b.time
	}
	return &m
}

// leaveCause counts a consequence less.
func (b *Book) leaveCause(a *alert.Alert) {
	if a.Suppression != nil {
		b.count(a.Suppression.Cause, -1)
	}
}

func (b *Book) count(id alert.ID, n int) {
	if id == 0 {
		return
	}
	if b.counts[id] += n; b.counts[id] <= 0 {
		delete(b.counts, id)
	}
	b.recount[id] = struct{}{}
}

// tally tells the causes how many follow from them.
func (b *Book) tally() {
	for id := range b.recount {
		e := b.byID[id]
		if e == nil || !e.live() || e.a.Consequences == b.counts[id] {
			continue
		}
		if !e.fresh {
			a := *e.a
			e.a, e.fresh = &a, true
		}
		e.a.Consequences = b.counts[id]
		if !e.waiting && !e.touched {
			b.recounted = append(b.recounted, e)
		}
	}
	clear(b.recount)
}

// suppression says in an alert what it follows from.
func suppression(l *cause.Link, now time.Time) *alert.Suppression {
	s := &alert.Suppression{Reason: l.Reason, At: l.Via, Text: l.Text(), Since: now}
	if l.Root != nil {
		s.Cause, s.At = l.Root.ID, l.Root.Path
	}
	return s
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
