package live

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree"
	"grove/viewer/live/shape"
)

// subscription is one subtree that a client looks at. The fields of the first group are
// fixed, those of the second are the writer's, the others are guarded by conn.mu.
type subscription struct {
	id     uint32
	stage  *stage
	moment *moment // nil: the present
	wish   shape.Wish

	picture *picture    // what the client has, or will have; nil: nothing yet
	since   *uint64     // the client says that it has what it was sent up to this number
	find    *shape.Find // what its filter finds
	applied uint64      // turns
	hits    [2]int      // matches, and those that show
	told    [2]int      // of them the client knows
	toldAt  time.Time

	turns   []shape.Turn // that are not applied yet
	turned  int          // nodes that they name
	unacked []uint64     // at most Window, rising
	held    bool         // it was due and the window was full
}

// release gives back what the subscription holds. Its writer does not use it any more.
func (s *subscription) release() {
	s.stage.drop(s.find)
	s.stage.release()
	s.stage.server.forget(s.moment)
}

func (c *conn) subscribe(r *request) error {
	fail := func(code string, err error) error {
		c.drop(r.ID, nil)
		return &requestError{&r.ID, code, viewText(r.Path, err)}
	}
	var m *moment
	if !r.At.IsZero() {
		var err error
		if m, err = c.server.past(c.ctx, r.At); err != nil {
			return fail(codeNoPast, err)
		}
	}
	v, err := c.server.acquire(c.subject, r.Path, m)
	if err != nil {
		c.server.forget(m)
		return fail(viewCode(err), err)
	}
	v.look(time.Now())
	s := &subscription{id: r.ID, stage: v, moment: m, wish: r.Shape, told: [2]int{-1, -1}}
	if r.Since != nil && r.Run == c.run() && m == nil {
		s.since = r.Since
	}
	c.mu.Lock()
	old := c.subs[r.ID]
	full := old == nil && len(c.subs) >= c.server.opts.MaxSubscriptions
	if !full {
		c.subs[r.ID], c.list = s, nil
	}
	if old != nil {
		c.gone = append(c.gone, old)
	}
	c.mu.Unlock()
	if full {
		s.release()
		return &requestError{&r.ID, codeTooMany, fmt.Sprintf("a socket has at most %d subscriptions; unsubscribe another", c.server.opts.MaxSubscriptions)}
	}
	c.wakeUp()
	return nil
}

// turn queues an open or close for the writer.
func (c *conn) turn(r *request) error {
	c.mu.Lock()
	s := c.subs[r.ID]
	full := false
	if s != nil {
		s.turns = append(s.turns, r.Turn)
		s.turned += len(r.Turn.Nodes)
		full = len(s.turns) > maxTurns || s.turned > maxTurned
	}
	c.mu.Unlock()
	switch {
	case s == nil:
		return &requestError{&r.ID, codeNoSubscription, noSubscription}
	case full:
		c.end(websocket.ClosePolicyViolation, "too many messages that open or close wait for acknowledgements")
	}
	c.wakeUp()
	return nil
}

func viewCode(err error) string {
	if errors.Is(err, tree.ErrNoNode) {
		return codeNoNode
	}
	return codeInternal
}

// viewText is an error of a view, which begins with the path.
func viewText(p tree.Path, err error) string {
	before := p.String() + ": "
	return before + strings.TrimPrefix(err.Error(), before)
}

// drop ends a subscription; when only is not nil, only if it is still that one.
func (c *conn) drop(id uint32, only *subscription) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subs[id]
	if s == nil || only != nil && s != only {
		return false
	}
	delete(c.subs, id)
	c.list = nil
	c.gone = append(c.gone, s)
	c.wakeUp()
	return true
}

func (c *conn) acknowledge(id uint32, seq uint64) {
	c.mu.Lock()
	s := c.subs[id]
	if s != nil {
		s.unacked = slices.DeleteFunc(s.unacked, func(sent uint64) bool { return sent <= seq })
	}
	held := s != nil && s.held
	c.mu.Unlock()
	if held { // Else there is nothing that the writer waits for.
		c.wakeUp()
	}
}

// subscriptions returns those of the moment, by id, and releases those that ended: only
// the writer may, since it may just be using them.
func (c *conn) subscriptions() []*subscription {
	c.mu.Lock()
	gone := c.gone
	c.gone = nil
	if c.list == nil {
		c.list = slices.SortedFunc(maps.Values(c.subs), func(a, b *subscription) int { return cmp.Compare(a.id, b.id) })
	}
	list := c.list
	c.mu.Unlock()
	for _, s := range gone {
		s.release()
	}
	return list
}

// step sends one batch to a subscription if one is due; it returns false when the
// socket failed.
func (c *conn) step(s *subscription) bool {
	seq := s.stage.tree.Seq()
	if s.moment == nil {
		seq = min(seq, c.server.told.Load())
	}
	c.mu.Lock()
	due := c.subs[s.id] == s && (s.picture == nil || len(s.turns) > 0 || s.picture.Cursor() < seq)
	if due && len(s.unacked) >= Window {
		due = false
		if !s.held {
			s.held = true
			c.server.counts.held.Inc()
		}
	}
	var turns []shape.Turn
	if due && s.picture != nil {
		turns, s.turns, s.turned = s.turns, nil, 0
	}
	c.mu.Unlock()
	if !due {
		return c.tellMatches(s)
	}
	as := form{id: s.id, binary: c.binary}
	var b batch
	var err error
	if s.picture == nil {
		b, err = s.stage.begin(as, &s.wish, s.since)
		s.find = b.find
		c.wakeUp() // Turns may have come already.
	} else {
		b, err = s.stage.next(as, s.picture, turns)
	}
	switch {
	case errors.Is(err, errMoving):
		c.mu.Lock()
		s.turns = append(turns, s.turns...) // The next flush makes another try.
		for k := range turns {
			s.turned += len(turns[k].Nodes)
		}
		c.mu.Unlock()
		return true
	case err != nil:
		return !c.drop(s.id, s) || c.say(failure{Type: "error", ID: &s.id, Code: viewCode(err), Message: viewText(s.stage.key.path, err)})
	}
	c.mu.Lock()
	s.held = false
	if b.parcel != nil {
		s.unacked = append(s.unacked, b.to)
	}
	c.mu.Unlock()
	s.picture, s.hits = b.picture, [2]int{b.hits, b.shown}
	return c.answer(s, len(turns), &b) && c.tellMatches(s) && c.send(&b)
}

// answer says what became of the turns of a subscription, before the frame that knows of
// them.
func (c *conn) answer(s *subscription, turns int, b *batch) bool {
	if turns > 0 {
		s.applied += uint64(turns)
		if !c.say(applied{Type: "applied", ID: s.id, Count: s.applied}) {
			return false
		}
	}
	open := b.opened
	for k := range b.answers {
		switch a := &b.answers[k]; {
		case a.Err == nil:
			open = a
		case !c.say(failure{Type: "error", ID: &s.id, Code: codeNoPath, Message: a.Err.Error()}):
			return false
		}
	}
	if open == nil {
		return true
	}
	o := opened{Type: "opened", ID: s.id, Nodes: open.Opened, All: open.All}
	if o.Nodes == nil {
		o.Nodes = []uint32{}
	}
	if open.Focal {
		o.Focus = &open.Focus
	}
	return c.say(o)
}

// tellMatches says what the filter of a subscription finds when that changed, now or
// after a while.
func (c *conn) tellMatches(s *subscription) bool {
	if s.find == nil || s.told == s.hits {
		return true
	}
	now := time.Now()
	if wait := matchesEvery - now.Sub(s.toldAt); wait > 0 {
		c.later.Reset(wait)
		return true
	}
	s.told, s.toldAt = s.hits, now
	return c.say(matches{Type: "matches", ID: s.id, Hits: s.hits[0], Shown: s.hits[1]})
}

// send writes a batch.
func (c *conn) send(b *batch) bool {
	if b.parcel == nil {
		return true
	}
	kind := "delta"
	if b.snapshot {
		kind = "snapshot"
	}
	c.server.counts.frames.WithLabelValues(kind).Inc()
	c.server.counts.bytes.Add(float64(b.size))
	c.ws.EnableWriteCompression(b.size >= smallFrame)
	if c.deadline() != nil || b.parcel.write(c.ws) != nil {
		return false
	}
	if published := c.server.flushes.of(b.to); !b.snapshot && !published.IsZero() {
		c.server.counts.delay.UpdateDuration(published)
	}
	return true
}
