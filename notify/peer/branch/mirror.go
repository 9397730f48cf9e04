package branch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/branch/frame"
	"grove/tree"
)

const (
	// keepEvery is how often a feed is renewed; its answer is also what is heard of a
	// manager that has nothing else to say.
	keepEvery = 800 * time.Millisecond
	// keepLinked is the same while a link of this manager's own is up, which tells itself when
	// it is lost, and nothing is missing.
	keepLinked = 3 * time.Second
	// keepWithin is how long an answer that renews may take, askWithin others, pieceWithin
	// a piece of a snapshot.
	keepWithin  = time.Second
	askWithin   = 3 * time.Second
	pieceWithin = 10 * time.Second
	// refusedFor is how long a manager that refuses is not asked again.
	refusedFor = 30 * time.Second
	// absentFor is refusedFor of what is not there.
	absentFor = 3 * time.Second
	// waiting bounds the bytes of deltas that wait to be applied; those beyond are asked for
	// again.
	waiting = 32 << 20
	// atOnce is how many pieces of a snapshot are asked for at the same time.
	atOnce = 4
	// maxPieces bounds the pieces of a snapshot.
	maxPieces = 100_000
)

// mirror is one part of another manager's tree that hangs here.
type mirror struct {
	b     *Branches
	place place
	end   func()
	ended chan struct{}

	redo atomic.Bool   // everything is to be looked at again
	back atomic.Bool   // the link came back
	wake chan struct{} // something came, or is to be done

	mu    sync.Mutex // guards what follows to the blank line
	shown State
	queue [][]byte // deltas that came
	bytes int      // of queue
	down  bool     // the link was told to be lost, and nothing was heard since
	// linked says that a link of this manager's own to the other one is up.
	linked bool
	// asking ends when the link is lost or comes back: what was asked before gets no answer.
	asking     context.Context
	stopAsking context.CancelFunc

	// What follows is used by run alone.
	feed      string
	stopped   func() // of following its stream
	number    uint64
	expected  uint64 // the latest number that was told by the answer before
	heard     time.Time
	kept      time.Time // when the feed was renewed and nothing was missing
	taken     bool      // a snapshot of the feed was
	hangs     bool      // one of any feed was
	lost      bool      // what hangs was turned white
	again     time.Time
	tree      *hung
	frame     frame.Frame
	rateSince time.Time
	rateFrom  uint64
	telling   sync.WaitGroup // of Hung
}

func newMirror(b *Branches, p place) *mirror {
	m := &mirror{b: b, place: p, end: func() {}, ended: make(chan struct{}), wake: make(chan struct{}, 1), stopped: func() {}}
	m.tree = newHung(b, p)
	m.shown = State{Peer: p.peer, Name: p.name, Under: p.under, At: p.at, Phase: Joining, Since: b.o.Now()}
	return m
}

// lookAgain has everything looked at again.
func (m *mirror) lookAgain() {
	m.redo.Store(true)
	poke(m.wake)
}

func (m *mirror) state() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown
}

// show changes what is told of the mirror.
func (m *mirror) show(change func(*State)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.shown.Phase
	change(&m.shown)
	if m.shown.Phase != before {
		m.shown.Since = m.b.o.Now()
	}
}

// refuse says why nothing hangs, or why what hangs is not as it is over there.
func (m *mirror) refuse(err error) {
	m.show(func(s *State) { s.Phase, s.Error = Refused, err.Error() })
	m.b.o.Log.Warn("the tree of another manager is not joined", "manager", m.place.name, "at", m.place.at.String(), "err", err)
}

// run joins the tree until ctx ends.
func (m *mirror) run(ctx context.Context) {
	m.mu.Lock()
	m.asking, m.stopAsking = context.WithCancel(ctx)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stopAsking()
	}()
	defer m.b.o.Fabric.OnLink(func(l peer.Link) {
		if l.Peer != m.place.peer {
			return
		}
		m.mu.Lock()
		m.down, m.linked = !l.Up, l.Up
		m.stopAsking()
		m.asking, m.stopAsking = context.WithCancel(ctx)
		m.mu.Unlock()
		m.back.Store(l.Up)
		poke(m.wake)
	})()
	defer m.telling.Wait()
	defer m.leave()
	m.heard = m.b.o.Now()
	linked := slices.ContainsFunc(m.b.o.Fabric.Links(), func(l peer.Link) bool { return l.Peer == m.place.peer && l.Up })
	m.mu.Lock()
	m.linked = m.linked || linked && !m.down
	m.mu.Unlock()
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	m.step(ctx, true)
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
			m.step(ctx, m.back.Swap(false))
		case <-tick.C:
			m.step(ctx, true)
		}
	}
}

// leave ends the feed.
func (m *mirror) leave() {
	m.stopped()
	m.stopped = func() {}
	if m.feed != "" {
		body, _ := json.Marshal(feedQuestion{Feed: m.feed})
		_ = m.b.o.Fabric.Send(m.place.peer, kindClose, body) // It is forgotten in any case.
	}
	m.feed, m.taken = "", false
	m.mu.Lock()
	m.queue, m.bytes = nil, 0
	m.mu.Unlock()
}

// take is called with each delta that comes.
func (m *mirror) take(body []byte) {
	m.mu.Lock()
	if m.bytes+len(body) <= waiting {
		m.queue = append(m.queue, body)
		m.bytes += len(body)
	}
	m.mu.Unlock()
	poke(m.wake)
}

// errOver is that a feed has ended, or never was: it is opened anew.
var errOver = errors.New("the feed has ended")

// step does what there is to do. Each tick renews the feed, or opens it.
func (m *mirror) step(ctx context.Context, tick bool) {
	now := m.b.o.Now()
	if now.Before(m.again) {
		return
	}
	err := m.work(ctx, tick)
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, errOver) {
		m.leave()
		err = m.work(ctx, true)
	}
	now = m.b.o.Now()
	down := false
	var refusal *peer.Refusal
	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
	case errors.As(err, &refusal), errors.Is(err, frame.ErrFrame), errors.Is(err, errDeltas), errors.Is(err, errRubbish), errors.Is(err, errPlace):
		m.leave()
		m.fade(fmt.Sprintf("%s does not tell: %v", m.place.name, err))
		switch m.again = now.Add(refusedFor); {
		case refusal != nil && refusal.Code == peer.Busy:
			m.again = now.Add(keepEvery)
			m.show(func(s *State) {
				if s.Error = err.Error(); m.hangs {
					s.Phase = Lost
				}
			})
			return
		case refusal != nil && refusal.Code == peer.NotFound:
			m.again = now.Add(absentFor)
		}
		m.refuse(err)
		return
	case errors.Is(err, peer.ErrNobody):
		down = true
	}
	m.miss(down)
	m.tell(now)
}

// miss turns what hangs white when the link is lost: it was told so, or nothing was heard.
func (m *mirror) miss(down bool) {
	m.mu.Lock()
	down = down || m.down
	most := peer.Suspect
	if m.linked {
		most += keepLinked - keepEvery
	}
	m.mu.Unlock()
	if !m.lost && (down || m.b.o.Now().Sub(m.heard) > most) {
		m.fade("link to " + m.place.name + " lost")
		m.show(func(s *State) { s.Phase, s.Error = Lost, "the link is lost" })
	}
}

// tell says how far the mirror is.
func (m *mirror) tell(now time.Time) {
	m.show(func(s *State) {
		s.Nodes, s.Left, s.Number, s.Heard = m.tree.nodes, m.tree.left(), m.number, m.heard
		s.Behind = max(m.expected, m.number) - m.number
		if d := now.Sub(m.rateSince); d >= time.Second {
			s.PerSecond = float64(s.Deltas-m.rateFrom) / d.Seconds()
			m.rateSince, m.rateFrom = now, s.Deltas
		}
	})
}

// work is step without what follows from its error.
func (m *mirror) work(ctx context.Context, tick bool) error {
	switch {
	case !m.taken:
		if !tick {
			return nil
		}
		if m.feed == "" {
			if err := m.open(ctx); err != nil {
				return err
			}
		}
		return m.snapshot(ctx, 0)
	case m.redo.Load() && !m.lost:
		if err := m.snapshot(ctx, m.number); err != nil {
			return err
		}
	}
	if err := m.drain(ctx); err != nil {
		return err
	}
	if !tick || m.rests() {
		return nil
	}
	m.kept = time.Time{}
	latest, err := m.keep(ctx)
	if peer.IsRefusal(err, peer.NotFound) {
		return errOver
	}
	if err != nil {
		return err
	}
	// What was published before the answer before and is not here was lost on the way.
	if m.number < m.expected || m.lost && m.number < latest.Number {
		if err := m.catchUp(ctx); err != nil {
			return err
		}
	}
	if m.expected = latest.Number; m.number >= m.expected {
		m.kept = m.b.o.Now()
	}
	m.live()
	return nil
}

// rests says whether the feed need not be renewed yet.
func (m *mirror) rests() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.linked && !m.lost && m.b.o.Now().Sub(m.kept) < keepLinked-keepEvery/2
}

// keep renews the feed.
func (m *mirror) keep(ctx context.Context) (latest openAnswer, err error) {
	body, err := m.ask(ctx, kindKeep, feedQuestion{Feed: m.feed}, keepWithin, m.b.o.Fabric.Ask)
	var refusal *peer.Refusal
	if err == nil || errors.As(err, &refusal) {
		m.hear()
	}
	if err != nil {
		return latest, err
	}
	if err := json.Unmarshal(body, &latest); err != nil {
		return latest, fmt.Errorf("%w: %w", errRubbish, err)
	}
	return latest, nil
}

// await waits for something that takes its time, and sees meanwhile whether the other
// manager still is there.
func (m *mirror) await(ctx context.Context, work func()) {
	done := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		defer close(done)
		work()
	})
	defer working.Wait()
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if m.feed != "" {
				_, _ = m.keep(ctx) // What follows from its error is found when the work is done.
			}
			m.miss(false)
		}
	}
}

// ask asks the other manager, and notes that it was heard.
func ask[T any](ctx context.Context, m *mirror, kind string, question any, within time.Duration) (answer T, err error) {
	var body []byte
	m.await(ctx, func() { body, err = m.ask(ctx, kind, question, within, m.b.o.Fabric.Ask) })
	var refusal *peer.Refusal
	if err == nil || errors.As(err, &refusal) {
		m.hear()
	}
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("%w: %w", errRubbish, err)
	}
	return answer, nil
}

// errRubbish is wrapped by errors about answers that make no sense.
var errRubbish = errors.New("an answer that cannot be read")

func (m *mirror) ask(ctx context.Context, kind string, question any, within time.Duration, by func(context.Context, peer.ID, string, []byte) ([]byte, error)) ([]byte, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	asking := m.asking
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer context.AfterFunc(asking, cancel)()
	return by(ctx, m.place.peer, kind, body)
}

// hear notes that the other manager was heard.
func (m *mirror) hear() {
	m.heard = m.b.o.Now()
	m.mu.Lock()
	m.down = false
	m.mu.Unlock()
}

// errPlace is that the tree cannot hang where it should.
var errPlace = errors.New("it cannot hang there")

// busy does work here: the time that it takes is no silence of the other manager.
func (m *mirror) busy(work func() error) error {
	begin := m.b.o.Now()
	defer func() { m.heard = m.heard.Add(m.b.o.Now().Sub(begin)) }()
	return work()
}

// open opens the feed and follows its stream, before anything is asked of it.
func (m *mirror) open(ctx context.Context) error {
	self := m.b.o.Fabric.Self()
	m.b.mu.RLock()
	joined := m.b.joined
	m.b.mu.RUnlock()
	answer, err := ask[openAnswer](ctx, m, kindOpen, openQuestion{Protocol: peer.Protocol, Under: m.place.under, Chain: []peer.ID{self}, Joined: joined}, askWithin)
	if err != nil {
		return err
	}
	if answer.Feed == "" || len(answer.Feed) > 64 {
		return fmt.Errorf("%w: a feed without a name", errRubbish)
	}
	stop, err := m.b.o.Fabric.Follow(m.place.peer, streamOf(answer.Feed), m.take)
	if err != nil {
		return err
	}
	m.feed, m.stopped = answer.Feed, stop
	return nil
}

// snapshot takes everything as it is, of a number at least, and changes what differs.
func (m *mirror) snapshot(ctx context.Context, least uint64) error {
	m.redo.Store(false)
	for {
		err := m.trySnapshot(ctx, least)
		switch {
		case peer.IsRefusal(err, peer.NotFound):
			return errOver
		case !peer.IsRefusal(err, peer.Stale):
			if err != nil {
				m.redo.Store(true)
			}
			return err
		}
	}
}

func (m *mirror) trySnapshot(ctx context.Context, least uint64) error {
	head, err := ask[snapshotAnswer](ctx, m, kindSnapshot, feedQuestion{m.feed, least}, askWithin)
	if err != nil {
		return err
	}
	if head.Pieces < 1 || head.Pieces > maxPieces {
		return fmt.Errorf("%w: a snapshot of %d pieces", errRubbish, head.Pieces)
	}
	draft := newDraft(m.b.o.MaxNodes)
	for from := 0; from < head.Pieces; from += atOnce {
		n := min(atOnce, head.Pieces-from)
		bodies, errs := make([][]byte, n), make([]error, n)
		m.await(ctx, func() {
			var asked sync.WaitGroup
			defer asked.Wait()
			for k := range n {
				asked.Go(func() {
					bodies[k], errs[k] = m.ask(ctx, kindPiece, pieceQuestion{m.feed, head.Number, from + k}, pieceWithin, m.b.o.Fabric.AskBulk)
				})
			}
		})
		if err := errors.Join(errs...); err != nil {
			return err
		}
		m.hear()
		for _, body := range bodies {
			m.show(func(s *State) { s.Bytes += uint64(len(body)) })
			if err := draft.add(body); err != nil {
				return err
			}
		}
	}
	if err := m.busy(func() error { return m.tree.replace(draft) }); err != nil {
		return fmt.Errorf("%w: %w", errPlace, err)
	}
	m.number, m.expected = head.Number, head.Number
	first := !m.hangs
	m.taken, m.hangs, m.lost = true, true, false
	m.show(func(s *State) { s.Snapshots++ })
	if err := m.drain(ctx); err != nil {
		return err
	}
	m.live()
	if first && m.b.o.Hung != nil {
		m.telling.Go(func() { m.b.o.Hung(m.place.at) })
	}
	return nil
}

// drain applies the deltas that came.
func (m *mirror) drain(ctx context.Context) error {
	for {
		m.mu.Lock()
		queue := m.queue
		m.queue, m.bytes = nil, 0
		m.mu.Unlock()
		if len(queue) == 0 {
			return nil
		}
		m.hear()
		for _, body := range queue {
			err := m.apply(body)
			if errors.Is(err, errGap) {
				if err = m.catchUp(ctx); err == nil {
					err = m.apply(body) // which is one of those that came, by now
				}
			}
			if err != nil && !errors.Is(err, errGap) {
				return err
			}
		}
	}
}

// errGap is that deltas before one are missing.
var errGap = errors.New("deltas are missing")

// apply applies a delta, unless it was already.
func (m *mirror) apply(body []byte) error {
	if err := m.frame.Decode(body); err != nil {
		return err
	}
	switch {
	case m.frame.Number <= m.number:
		return nil
	case m.frame.Number > m.number+1:
		return errGap
	}
	if err := m.busy(func() error { return m.tree.apply(&m.frame) }); err != nil {
		return err
	}
	m.number++
	m.show(func(s *State) {
		s.Bytes += uint64(len(body))
		s.Deltas += uint64(len(m.frame.Removed) + len(m.frame.Placed) + len(m.frame.Changed))
	})
	if m.tree.astray {
		m.redo.Store(true)
	}
	return nil
}

// catchUp asks for the deltas that were lost on the way, or takes a snapshot.
func (m *mirror) catchUp(ctx context.Context) error {
	for {
		var body []byte
		var err error
		question := feedQuestion{m.feed, m.number}
		m.await(ctx, func() { body, err = m.ask(ctx, kindDeltas, question, askWithin, m.b.o.Fabric.AskBulk) })
		switch {
		case peer.IsRefusal(err, peer.Stale):
			return m.snapshot(ctx, m.number)
		case peer.IsRefusal(err, peer.NotFound):
			return errOver
		case err != nil:
			return err
		}
		m.hear()
		before := m.number
		if err := eachDelta(body, m.apply); errors.Is(err, errGap) {
			return m.snapshot(ctx, m.number)
		} else if err != nil {
			return err
		}
		if m.number == before {
			return nil
		}
	}
}

// fade turns what hangs white.
func (m *mirror) fade(reason string) {
	if m.hangs {
		m.tree.fade(reason)
	}
	m.lost = true
}

// live says that what hangs is as it is over there.
func (m *mirror) live() {
	if !m.hangs {
		return
	}
	if m.lost {
		m.lost = false
		_ = m.busy(func() error { m.tree.unfade(); return nil })
	}
	m.tell(m.b.o.Now())
	m.show(func(s *State) { s.Phase, s.Error = Live, m.tree.trouble })
}

// unhang takes off what hangs here.
func (m *mirror) unhang() {
	if m.hangs {
		m.tree.remove()
	}
}

// given is what a state says to the tree.
func given(ref tree.Ref, s *frame.State) tree.Given {
	return tree.Given{
		Node: ref, Status: s.Status, Last: s.Last, Flapping: s.Flapping, Pending: s.Pending, Value: s.Value,
		Time: s.Time * int64(time.Millisecond), Since: s.Since * int64(time.Millisecond), Reason: s.Reason, Events: s.Events,
	}
}
