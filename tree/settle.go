package tree

import (
	"container/heap"
	"math"
	"slices"
	"time"
)

// hold is what is remembered of a node whose threshold has hold times: since when
// readings are beyond yellow and beyond red, and since when they allow less than
// red and less than yellow. All are Unix nanoseconds of the tree's clock; 0 is not.
type hold struct {
	yellow, red           int64
	clearRed, clearYellow int64
	due                   int64 // earliest entry in the heap; 0: none
}

// flap is what is remembered of a node whose threshold detects flapping.
type flap struct {
	turns []turn // the latest changes, a ring of Flap.Changes
	next  int
	calm  Status // what the status would be without the detection
	worst Status // of the changes that made the node flap and of those since
}

// turn is one change of status.
type turn struct {
	at    int64
	worst Status // of before and after
}

func (f *flap) add(u turn, most int) {
	if len(f.turns) < most {
		f.turns = append(f.turns, u)
		return
	}
	f.turns[f.next] = u
	f.next = (f.next + 1) % most
}

// within counts the changes since a time and returns the worst of their statuses.
func (f *flap) within(since int64) (n int, worst Status) {
	for _, u := range f.turns {
		if u.at > since {
			n++
			worst = max(worst, u.worst)
		}
	}
	return n, worst
}

func statusOf(level uint8) Status {
	switch {
	case level&levelRed != 0:
		return Red
	case level&levelYellow != 0:
		return Yellow
	}
	return Green
}

// settle gives an attribute the status that its levels and the passing of time
// come to.
func (t *Tree) settle(i uint32, now int64) {
	c := &t.cells[i]
	cl := &t.classes[c.class]
	target := statusOf(c.level)
	c.flags &^= flagSlow | flagPending | flagFailed
	if !cl.calm {
		th := cl.source
		target = t.held(i, th, target, now)
		if th.Flap.Changes > 0 {
			target = t.flapping(i, th.Flap, target, now)
		}
	}
	if c.kind != Performance || c.flags&flagPending != 0 {
		c.flags |= flagSlow
	}
	if c.status == White {
		delete(t.reasons, i)
	}
	if target != c.status {
		t.mark(i)
		t.setStatus(i, target, now)
	}
}

// held applies the hold times: it returns the status that the node may have by
// now, and sees that it is looked at again when the next hold ends.
func (t *Tree) held(i uint32, th *Threshold, raw Status, now int64) Status {
	c := &t.cells[i]
	h := t.holds[i]
	if h == nil {
		if raw == Green && c.status <= Green {
			return raw // the usual case costs no memory
		}
		h = &hold{}
		t.holds[i] = h
	}
	current := c.status
	if f := t.flaps[i]; f != nil && c.flags&flagFlap != 0 {
		current = f.calm
	}
	reached := current
	if current == White {
		reached = t.places[i].known // silence must not let it begin anew
	}
	var next int64
	run := func(since *int64, running bool, after time.Duration) (over bool) {
		if !running {
			*since = 0
			return false
		}
		if *since == 0 {
			*since = now
		}
		if now-*since >= int64(after) {
			*since = 0
			return true
		}
		end := *since + int64(after)
		if end < 0 {
			end = math.MaxInt64
		}
		if next == 0 || end < next {
			next = end
		}
		return false
	}
	isRed := c.level&levelRed != 0
	isYellow := c.level&levelYellow != 0 || isRed && th.Yellow.Form != Never
	target := Green
	switch {
	case run(&h.red, isRed && reached < Red, th.Red.After), isRed && reached >= Red:
		target = Red
		h.yellow = 0
	case run(&h.yellow, isYellow && reached < Yellow, th.Yellow.After), isYellow && reached >= Yellow:
		target = Yellow
	case isRed && reached >= Yellow: // another threshold made it yellow
		target = Yellow
	}
	notRed, notYellow := current == Red && target < Red, current >= Yellow && target < Yellow
	redOver, yellowOver := run(&h.clearRed, notRed, th.ClearAfter), run(&h.clearYellow, notYellow, th.ClearAfter)
	switch {
	case notRed && !redOver:
		target = Red
	case notYellow && !yellowOver:
		target = Yellow
	}
	switch {
	case next != 0:
		c.flags |= flagPending
		t.mark(i)
		if h.due == 0 || next < h.due {
			h.due = next
			t.await(dueEntry{next, Ref{i, c.gen}})
		}
	case *h == (hold{}):
		delete(t.holds, i)
	}
	return target
}

// minDue is how many ends of holds wait at least before those that nobody waits
// for are looked for.
const minDue = 1024

// await sees that a node is looked at when its hold ends. Holds that were
// forgotten leave their ends in the heap; they are taken out when they are most.
func (t *Tree) await(e dueEntry) {
	heap.Push(&t.due, e)
	if len(t.due) < 2*len(t.holds)+minDue {
		return
	}
	t.due = slices.DeleteFunc(t.due, func(e dueEntry) bool { return t.holdOf(e) == nil })
	heap.Init(&t.due)
}

// holdOf returns the hold that ends with e, or nil when it ended before.
func (t *Tree) holdOf(e dueEntry) *hold {
	i := t.at(e.node)
	if i == none {
		return nil
	}
	if h := t.holds[i]; h != nil && h.due == e.at {
		return h
	}
	return nil
}

// flapping applies the flap detection to the status that the holds came to.
func (t *Tree) flapping(i uint32, rule Flap, target Status, now int64) Status {
	c := &t.cells[i]
	f := t.flaps[i]
	if f == nil {
		if c.status == White || target == c.status {
			return target
		}
		f = &flap{calm: c.status}
		t.flaps[i] = f
	}
	if target != f.calm {
		f.add(turn{now, max(target, f.calm)}, rule.Changes)
		f.calm = target
	}
	n, worst := f.within(now - int64(rule.Window))
	switch {
	case c.flags&flagFlap == 0 && n >= rule.Changes:
		c.flags |= flagFlap
		f.worst = worst
		t.mark(i)
	case c.flags&flagFlap != 0 && n < (rule.Changes+1)/2:
		c.flags &^= flagFlap
		t.mark(i)
	}
	if c.flags&flagFlap == 0 {
		if n == 0 {
			delete(t.flaps, i)
		}
		return target
	}
	f.worst = max(f.worst, target)
	return f.worst
}

// dueHeap orders the ends of holds by time.
type dueHeap []dueEntry

type dueEntry struct {
	at   int64
	node Ref
}

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(a, b int) bool { return h[a].at < h[b].at }
func (h dueHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueEntry)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// setStatus changes the status of a node and rolls it up.
func (t *Tree) setStatus(i uint32, to Status, now int64) {
	c := &t.cells[i]
	if c.status == to {
		return
	}
	from, known := c.status, t.places[i].known
	t.takeStatus(i, to, now)
	t.recount(i, from, to)
	t.rollUp(i, from, known, now)
}

// recount tells the groups above of an attribute that has another status.
func (t *Tree) recount(i uint32, from, to Status) {
	if t.cells[i].kind == Group {
		return
	}
	for j := t.places[i].parent; j != none; j = t.places[j].parent {
		g := &t.groups[t.places[j].group]
		g.leaves[from]--
		g.leaves[to]++
		t.mark(j)
	}
}

// takeStatus changes the status of one node alone.
func (t *Tree) takeStatus(i uint32, to Status, now int64) {
	c, p := &t.cells[i], &t.places[i]
	from := c.status
	c.status = to
	if to != White {
		p.known = to
	}
	p.since = now
	t.stats.Changes++
	t.mark(i)
	if t.opts.Statuses != nil && !t.quiet {
		t.changes = append(t.changes, StatusChange{
			Ref: Ref{i, c.gen}, Path: t.pathOf(i), Kind: c.kind, From: from, To: to,
			Time: time.Unix(0, now), Value: t.valueOf(i), Reason: t.reasonOf(i),
		})
	}
}

// rollUp carries a change of what node i contributes towards the root, as far as
// it changes anything. Only the counts of each parent are looked at.
func (t *Tree) rollUp(i uint32, from, known Status, now int64) {
	for i != 0 {
		p := &t.places[i]
		parent := p.parent
		g := &t.groups[t.places[parent].group]
		before := contributionOf(p.spec, g.rule, from, known)
		after := contributionOf(p.spec, g.rule, t.cells[i].status, p.known)
		if before == after {
			return
		}
		g.add(before, -1)
		g.add(after, +1)
		from, known = t.cells[parent].status, t.places[parent].known
		if !t.regroup(parent, now) {
			return
		}
		i = parent
	}
}

// regroup gives a group the status that its counts come to, and while it is white
// the one that it keeps; it says whether either is another than before.
func (t *Tree) regroup(i uint32, now int64) (changed bool) {
	p := &t.places[i]
	result := t.groups[p.group].result()
	if result != t.cells[i].status {
		t.takeStatus(i, result, now)
		changed = true
	}
	if result == White {
		if kept := t.kept(i); kept != p.known {
			p.known = kept
			t.mark(i)
			changed = true
		}
	}
	return changed
}

// kept is the status that a white group keeps for its parent: what its silent
// children come to. It is that of before while they only fell silent, and less
// when one of them went, or forgot what it was.
func (t *Tree) kept(i uint32) Status {
	p := &t.places[i]
	g := &t.groups[p.group]
	if g.rule.White != IgnoreWhite {
		return g.all()
	}
	// The counts do not have the silent ones.
	if p.known != White {
		for j := p.first; j != none; j = t.places[j].next {
			if child := &t.places[j]; child.known != White && child.spec.Kind != TextKind && child.spec.Edge.Map != Ignore {
				return p.known
			}
		}
	}
	return White
}

// contribution is what one child brings into the roll-up of its group.
type contribution struct {
	status Status // White: nothing
	live   bool   // the child has something to say now
	text   bool   // the child is a text, which says nothing of health
	there  bool   // it is a text that there is
	weight uint16
}

// contributionOf applies the edge and the group's policy for white children.
func contributionOf(s *Spec, r *Rollup, status, known Status) contribution {
	c := contribution{weight: max(s.Edge.Weight, 1)}
	if s.Kind == TextKind || s.Edge.Map == Ignore {
		c.text = s.Kind == TextKind
		c.there = c.text && status != White
		return c
	}
	if status == White {
		switch r.White {
		case KeepWhite:
			status = known
		case IgnoreWhite:
		default:
			status, c.live = Green+Status(r.White-GreenWhite), true
		}
	} else {
		c.live = true
	}
	if status != White {
		c.status = s.Edge.apply(status)
	}
	return c
}

func (g *group) add(c contribution, n int32) {
	g.counts[c.status] += n
	g.members += n
	if c.text {
		g.texts += n
	}
	if c.there {
		g.there += n
	}
	if c.live {
		g.live += n
	}
	weight := int64(n) * int64(c.weight)
	switch c.status {
	case White:
		return
	case Yellow:
		g.yellow += weight
	case Red:
		g.red += weight
	}
	g.weight += weight
}

// result is the status that the counts come to.
func (g *group) result() Status {
	switch {
	case g.live > 0:
		return g.all()
	case g.there > 0 && g.texts == g.members:
		return Green // nothing here can be ill, and something is known
	}
	return White
}

// all is result with silent children only, too.
func (g *group) all() Status {
	green, yellow, red := float64(g.counts[Green]), float64(g.counts[Yellow]), float64(g.counts[Red])
	all := green + yellow + red
	if all == 0 {
		return White
	}
	r := g.rule
	var s Status
	switch r.Rule {
	case Best:
		switch {
		case green > 0:
			s = Green
		case yellow > 0:
			s = Yellow
		default:
			s = Red
		}
	case AtLeast:
		s = atLeast(r, yellow+red, red)
	case Need:
		switch {
		case green >= r.Green:
			s = Green
		case green+yellow >= r.Green:
			s = Yellow
		default:
			s = Red
		}
	case Percent:
		s = atLeast(r, 100*(yellow+red)/all, 100*red/all)
	case Weighted:
		bad := 100 * (float64(g.red) + float64(g.yellow)/2) / float64(g.weight)
		s = atLeast(r, bad, bad)
	default:
		switch {
		case red > 0:
			s = Red
		case yellow > 0:
			s = Yellow
		default:
			s = Green
		}
	}
	if r.Cap != White {
		s = min(s, r.Cap)
	}
	return s
}

// atLeast holds two amounts of badness against the parameters of a rule.
func atLeast(r *Rollup, bad, red float64) Status {
	switch {
	case r.Red > 0 && red >= r.Red:
		return Red
	case r.Yellow > 0 && bad >= r.Yellow:
		return Yellow
	}
	return Green
}
