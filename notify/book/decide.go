package book

import (
	"fmt"
	"slices"
	"time"

	"grove/notify/cause"
	"grove/notify/subject"
	"grove/tree"
	"grove/tree/alert"
)

// decider is what belongs to whoever has the turn.
type decider struct {
	time    time.Time // of this round
	latest  time.Time // of the decision before
	started time.Time // when the book began
	loaded  bool      // what was kept has been read
	wanted  bool      // Begin was called

	entries map[slot]*entry
	byID    map[alert.ID]*entry
	live    int
	last    alert.ID   // the highest number that was given
	recent  []recently // resolved, oldest first
	missing map[tree.Path]time.Time
	leaving map[tree.Path]leaving // that others go on with
	early   coming                // before Begin
	known   int64                 // store.Replaced when what was kept was read

	register *subject.Register
	settling []settling // that are to be looked at, in the order of time
	head     int        // of settling
	agenda   agenda
	swept    time.Time     // when all alerts were looked at
	spent    time.Duration // by the last round, for deciding
	surveyed time.Time     // when the whole tree was looked at, and for how long
	took     time.Duration
	noted    uint64 // of intake.given, up to which notes were taken
	untold   uint64 // of the tree's Stats

	sources   map[alert.ID]cause.Source
	over      map[alert.ID]lingering
	graph     *cause.Graph
	unrelated bool // the graph is an old one
	anew      bool // every alert is to be held against it
	counts    map[alert.ID]int
	recount   map[alert.ID]struct{}

	touched   []*entry
	young     []*entry // that have opened a moment ago, the oldest first
	unwritten []*entry
	piece     *piece
	recounted []*entry // whose Consequences alone changed
	counted   Stats    // as far as it is the decider's
	trimmed   time.Time
	numbered  time.Time // when the resolved ones were counted
	retry     time.Time // not to be tried before
	pause     time.Duration
	full      bool // it was said that there is no room
	most      int  // alerts that are not resolved: MaxAlerts, but in tests
}

// settling is a node that is looked at once it has settled.
type settling struct {
	path  tree.Path
	due   int64  // Unix nanoseconds
	after uint64 // of intake.given: up to there all were looked at that are not in the queue
}

// lingering is a cause that is over, but not for long.
type lingering struct {
	cause.Source
	until time.Time
}

// forget empties the book of what it has of alerts.
func (b *Book) forget() {
	b.entries, b.byID = map[slot]*entry{}, map[alert.ID]*entry{}
	b.missing, b.leaving = map[tree.Path]time.Time{}, map[tree.Path]leaving{}
	b.sources, b.over = map[alert.ID]cause.Source{}, map[alert.ID]lingering{}
	b.counts, b.recount = map[alert.ID]int{}, map[alert.ID]struct{}{}
	b.graph = cause.New(b.register, nil)
	b.live, b.recent, b.touched, b.young, b.unwritten, b.piece, b.recounted = 0, nil, nil, nil, nil, nil, nil
	b.settling, b.head, b.agenda = nil, 0, agenda{}
}

// consider looks at a node and decides.
func (b *Book) consider(p tree.Path) {
	b.watch(p) // before it is looked at
	if b.isLeaving(p) {
		return
	}
	n, err := b.o.Tree.Node(p)
	there := err == nil
	var s *subject.Subject
	if there {
		s = b.register.Of(p, n.Spec)
	} else {
		s = b.register.Of(p, nil)
	}
	b.arrive(p, &n, there, s)
	b.considerStatus(p, &n, there, s)
	b.considerSilence(p, &n, there, s)
	b.considerMissing(p, &n, there, s)
	has := false
	for k := range kinds {
		if e := b.entries[slot{p, kind(k)}]; e != nil {
			has = true
			b.tend(e)
		}
	}
	if !has {
		b.unwatch(p)
	}
}

// tend does what becomes due with an alert whatever its node is.
func (b *Book) tend(e *entry) {
	if !e.live() {
		return
	}
	b.touch(e)
	if a := e.a.Ack; a != nil && a.Until != nil {
		if b.time.Before(*a.Until) {
			b.agenda.add(e.path, *a.Until)
		} else {
			b.edit(e).Ack = nil
			b.step(e, alert.Unacknowledged, "", "the time of its acknowledgement is over")
		}
	}
}

// await says whether a node that is not there may still come, since the manager has just
// started, or has just adopted its alert.
func (b *Book) await(e *entry) bool {
	if !b.absent(e) {
		return false
	}
	if b.arriving(e) {
		b.agenda.add(e.path, e.adopted.Add(ArriveWithin))
	} else {
		b.agenda.add(e.path, b.started.Add(GoneAtStart))
	}
	return true
}

const gone = "the node is gone"

// vanished decides on an alert whose node is not there.
func (b *Book) vanished(e *entry) {
	switch {
	case e == nil:
	case moved(e.a) && b.await(e):
	case !e.live():
		b.unclose(e)
	case !b.await(e):
		b.resolve(e, tree.White, "", gone)
	}
}

func (b *Book) considerStatus(p tree.Path, n *tree.Node, there bool, s *subject.Subject) {
	at := slot{p, ofStatus}
	e := b.entries[at]
	if !there {
		b.vanished(e)
		return
	}
	if e != nil && e.know(n.Spec) {
		b.touch(e) // Others may follow from it now, or no more.
	}
	switch {
	case !s.Alerts(n.Spec):
		if e != nil && e.live() {
			b.resolve(e, n.Status, "", "no alerts of it are wanted any more")
		}
	case n.Status > tree.Green:
		b.bad(at, e, n, s)
	case n.Status == tree.Green:
		b.well(e, n)
	}
	// White says nothing: an alert stays as it is until something is known again.
}

// bad decides on a node that is yellow or red.
func (b *Book) bad(at slot, e *entry, n *tree.Node, s *subject.Subject) {
	trouble := func() subject.Trouble {
		var causes []tree.Path
		if n.Kind == tree.Group {
			causes, _ = b.o.Tree.Cause(n.Path) // It is gone by now: the next look finds that.
		}
		return subject.Of(n, n.Status, causes)
	}
	switch {
	case e == nil:
		e = b.open(at, nil, n.Status, s.Severity(n.Status), s, n.Spec, trouble())
		e.know(n.Spec)
	case e.live():
		b.update(e, n, s, trouble)
	case e.closed && n.Status <= e.a.Worst:
		return // Somebody has ended it as it is.
	case e.closed || b.time.Sub(*e.a.Resolved) <= b.waits.Load().reopen:
		b.reopen(e, n.Status, s.Severity(n.Status), s, n.Spec, trouble())
	default:
		e = b.open(at, e, n.Status, s.Severity(n.Status), s, n.Spec, trouble())
		e.know(n.Spec)
	}
	b.flap(e, n)
}

// update decides on an alert whose node is yellow or red still, or again.
func (b *Book) update(e *entry, n *tree.Node, s *subject.Subject, trouble func() subject.Trouble) {
	if !e.well.IsZero() { // Its end was held back, rightly.
		b.edit(e).Count++
		e.well = time.Time{}
		b.turn(e)
	}
	switch {
	case n.Status > e.a.Status:
		b.edit(e)
		e.is(n.Status, s.Severity(n.Status), trouble())
		b.step(e, alert.Worsened, "", e.a.Message)
		e.turned = b.time
		if e.a.Ack != nil && !e.a.Ack.Sticky {
			e.a.Ack = nil
			b.step(e, alert.Unacknowledged, "", "it got worse")
		}
	case n.Status < e.a.Status && !e.a.Flapping:
		b.edit(e)
		e.is(n.Status, s.Severity(n.Status), trouble())
		b.step(e, alert.Eased, "", e.a.Message)
	}
}

// flap follows what the tree, or the past of the alert, says of flapping.
func (b *Book) flap(e *entry, n *tree.Node) {
	switch {
	case n.Flapping && !e.a.Flapping:
		b.edit(e).Flapping = true
		b.step(e, alert.Flaps, "", "its status changes all the time")
	case e.own() && b.time.Sub(e.turned) < Calm:
		b.agenda.add(e.path, e.turned.Add(Calm))
	case e.a.Flapping && !n.Flapping:
		b.calm(e)
	}
}

func (b *Book) calm(e *entry) {
	b.edit(e).Flapping = false
	e.turns = nil
	b.step(e, alert.Calmed, "", "")
}

// well decides on a node that is green.
func (b *Book) well(e *entry, n *tree.Node) {
	switch {
	case e == nil:
	case !e.live():
		b.unclose(e)
	case b.tooEarly(e, n):
	case e.own() && !e.well.IsZero() && b.time.Sub(e.well) >= Calm:
		b.calm(e)
		b.resolve(e, n.Status, "", "it was well for "+tree.FormatDuration(Calm))
	case e.own():
		if e.well.IsZero() {
			e.well = b.time
			b.touch(e)
		}
		b.agenda.add(e.path, e.well.Add(Calm))
	default:
		if e.a.Flapping {
			b.calm(e)
		}
		b.resolve(e, n.Status, "", "it is green")
	}
}

func (b *Book) considerSilence(p tree.Path, n *tree.Node, there bool, s *subject.Subject) {
	at := slot{p, ofSilence}
	e := b.entries[at]
	if !there {
		b.vanished(e)
		return
	}
	if e != nil {
		e.seen = true
	}
	limit := s.Silence
	if limit == 0 {
		limit = b.waits.Load().silence
	}
	switch {
	case n.Status != tree.White:
		if e != nil && e.live() {
			b.resolve(e, n.Status, "", "it is "+n.Status.String())
		} else if e != nil {
			b.unclose(e)
		}
		return
	case n.Kind == tree.Group || !s.Alerts(n.Spec) || n.Spec.Mode == tree.Request || limit < 0:
		if e != nil && e.live() {
			b.resolve(e, n.Status, "", "no alerts of its silence are wanted any more")
		}
		return
	case e != nil && (e.live() || e.closed), n.Last == tree.White, n.Reason == unread:
		return
	}
	if other := b.entries[slot{p, ofStatus}]; other != nil && other.live() {
		return // The node has its alert.
	}
	since := n.Since
	if n.Time.Before(b.started) {
		// Nothing came since the start: it gets as long as it may take.
		first := b.started
		if n.Threshold != nil {
			first = first.Add(n.Threshold.StaleAfter)
		}
		if since.Before(first) {
			since = first
		}
	}
	if due := since.Add(limit); b.time.Before(due) {
		b.agenda.add(p, due)
		return
	}
	if e != nil && b.time.Sub(*e.a.Resolved) <= b.waits.Load().reopen {
		b.reopen(e, tree.White, s.Yellow, s, n.Spec, subject.Silent(n))
		return
	}
	b.open(at, e, tree.White, s.Yellow, s, n.Spec, subject.Silent(n))
}

// unread is the reason of a node that has had no reading since the start.
const unread = "no reading yet"

// unclose notes that the node of an alert that was ended all the same is well since.
func (b *Book) unclose(e *entry) {
	if e.closed {
		e.closed = false
		b.edit(e)
		b.recent = append(b.recent, recently{e, *e.a.Resolved})
	}
}

func (b *Book) considerMissing(p tree.Path, n *tree.Node, there bool, s *subject.Subject) {
	trouble, missing := b.lacks(p, n, there)
	at := slot{p, ofMissing}
	e := b.entries[at]
	if !missing || s.Rule == tree.AlertNever {
		delete(b.missing, p)
		_, up := b.o.Tree.Lookup(p.Parent())
		switch {
		case e == nil:
		case !e.live():
			b.unclose(e)
		case there || up:
			b.resolve(e, tree.White, "", "nothing is missing any more")
		case !b.await(e):
			b.resolve(e, tree.White, "", gone)
		}
		return
	}
	if e != nil {
		e.seen = true
		if e.live() || e.closed {
			return
		}
	}
	since, known := b.missing[p]
	if !known {
		since = b.time
		b.missing[p] = since
	}
	if due := since.Add(MissingAfter); b.time.Before(due) {
		b.agenda.add(p, due)
		return
	}
	delete(b.missing, p)
	if e != nil && b.time.Sub(*e.a.Resolved) <= b.waits.Load().reopen {
		b.reopen(e, tree.White, s.Red, s, nil, trouble)
		return
	}
	b.open(at, e, tree.White, s.Red, s, nil, trouble)
}

// lacks says what is missing at a path: the node itself, or children of it.
func (b *Book) lacks(p tree.Path, n *tree.Node, there bool) (t subject.Trouble, missing bool) {
	if there {
		if a := n.Spec.Alerting; a != nil && n.Children < a.AtLeast {
			return subject.TooFew(p, n.Children, a.AtLeast), true
		}
		return t, false
	}
	up, ok := b.o.Tree.Lookup(p.Parent())
	if !ok {
		return t, false
	}
	if spec := b.o.Tree.Spec(up); spec != nil && spec.Alerting != nil && slices.Contains(spec.Alerting.Expect, p.Name()) {
		return subject.Missing(p), true
	}
	return t, false
}

// makeRoom gives alerts up when there are too many.
func (b *Book) makeRoom() {
	if b.live < b.most {
		return
	}
	rank := func(e *entry) int {
		r := 0
		if e.a.Suppression == nil {
			r += 2
		}
		if e.a.Status == tree.Red {
			r++
		}
		return r
	}
	all := make([]*entry, 0, b.live)
	for _, e := range b.entries {
		if e.live() {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(x, y *entry) int {
		if rx, ry := rank(x), rank(y); rx != ry {
			return rx - ry
		}
		return int(min(max(x.a.ID-y.a.ID, -1), 1))
	})
	n := min(max(b.most/100, 1), len(all))
	for _, e := range all[:n] {
		e.closed = true
		b.resolve(e, e.a.Status, "", fmt.Sprintf("it was given up, since more than %d alerts are not resolved", b.most))
	}
	b.counted.GivenUp += uint64(n)
	if !b.full {
		b.full = true
		b.o.Log.Error("alerts are given up, since too many are not resolved", "bound", b.most)
	}
}
