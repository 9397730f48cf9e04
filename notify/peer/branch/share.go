package branch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/peer"
	"grove/tree"
)

// share is the part that others have in the tree of this manager: the feeds that they
// follow.
type share struct {
	b             *Branches
	bytes, deltas atomic.Uint64

	mu      sync.Mutex // guards everything below
	feeds   map[string]*feed
	ctx     context.Context // of Run, for feeds to come; nil: not running
	running *sync.WaitGroup
}

func newShare(b *Branches) *share { return &share{b: b, feeds: map[string]*feed{}} }

func (s *share) sees(asker peer.ID, p tree.Path) bool {
	return s.b.o.Sees == nil || s.b.o.Sees(asker, p)
}

// class is the same for those who may see the same.
func (s *share) class(asker peer.ID) string {
	switch {
	case s.b.o.Sees == nil:
		return ""
	case s.b.o.Class == nil:
		return string(asker)
	}
	return s.b.o.Class(asker)
}

func (s *share) published(bytes int) { s.bytes.Add(uint64(bytes)) }
func (s *share) count(deltas int)    { s.deltas.Add(uint64(deltas)) }

// run answers until ctx ends.
func (s *share) run(ctx context.Context) {
	var running sync.WaitGroup
	s.mu.Lock()
	s.ctx, s.running = ctx, &running
	s.mu.Unlock()
	fabric := s.b.o.Fabric
	for kind, handler := range map[string]peer.Handler{
		kindOpen: s.open, kindSnapshot: s.takeSnapshot, kindPiece: s.piece, kindDeltas: s.since, kindKeep: s.keep, kindClose: s.close,
	} {
		fabric.Handle(kind, handler)
		defer fabric.Handle(kind, nil)
	}
	cancel := s.b.o.Tree.OnFlush(func(uint64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, f := range s.feeds {
			poke(f.wake)
		}
	})
	tick := time.NewTicker(time.Second)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			s.forget()
		}
	}
	tick.Stop()
	cancel()
	s.mu.Lock()
	s.ctx = nil
	feeds := slices.Collect(maps.Values(s.feeds))
	s.mu.Unlock()
	for _, f := range feeds {
		f.stop()
	}
	running.Wait()
	s.mu.Lock()
	clear(s.feeds)
	s.mu.Unlock()
}

// forget ends what nobody asks for any more.
func (s *share) forget() {
	now := s.b.o.Now()
	s.mu.Lock()
	feeds := slices.Collect(maps.Values(s.feeds))
	s.mu.Unlock()
	for _, f := range feeds {
		f.mu.Lock()
		for id, follower := range f.followers {
			if now.After(follower.expires) {
				delete(f.followers, id)
			}
		}
		if len(f.followers) == 0 && f.gone == nil {
			f.gone = errors.New("nobody follows")
			s.drop(f)
		}
		if f.snapshot != nil && now.Sub(f.snapshot.asked) > snapshotFor {
			f.snapshot = nil
		}
		f.mu.Unlock()
	}
}

// endAll ends all feeds; those who follow open them anew.
func (s *share) endAll(why string) {
	s.mu.Lock()
	feeds := slices.Collect(maps.Values(s.feeds))
	s.mu.Unlock()
	for _, f := range feeds {
		f.mu.Lock()
		if f.gone == nil {
			f.gone = errors.New(why)
			s.drop(f)
		}
		f.mu.Unlock()
	}
}

// drop ends a feed. It is called with the lock of the feed.
func (s *share) drop(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.feeds, f.id)
	f.stop()
}

func (s *share) stats() Stats {
	s.mu.Lock()
	feeds := slices.Collect(maps.Values(s.feeds))
	s.mu.Unlock()
	st := Stats{Feeds: len(feeds), Bytes: s.bytes.Load(), Deltas: s.deltas.Load()}
	for _, f := range feeds {
		f.mu.Lock()
		st.Followers += len(f.followers)
		f.mu.Unlock()
	}
	return st
}

// open lets somebody follow a part of the tree.
func (s *share) open(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := decode[openQuestion](body)
	switch {
	case err != nil:
		return nil, err
	case len(q.Chain)+len(q.Joined) > maxIDs:
		return nil, peer.Refuse(peer.Invalid, "%d managers at most are named when a tree is asked for", maxIDs)
	case s.b.o.Ready != nil && !s.b.o.Ready():
		return nil, peer.Refuse(peer.Busy, "it is starting")
	case !s.sees(from, q.Under):
		return nil, peer.Refuse(peer.NotFound, "%s: there is no such node, or it is not shown to you", q.Under)
	}
	except := map[peer.ID]bool{from: true}
	for _, id := range slices.Concat(q.Chain, q.Joined) {
		except[id] = true
	}
	f, err := s.find(from, q.Under, except)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone != nil {
		return nil, peer.Refuse(peer.Busy, "%s: %v", q.Under, f.gone)
	}
	return json.Marshal(openAnswer{f.id, f.number})
}

// find returns the feed that somebody may follow, made if there is none.
func (s *share) find(from peer.ID, under tree.Path, except map[peer.ID]bool) (*feed, error) {
	class := s.class(from)
	expires := s.b.o.Now().Add(forgetAfter)
	s.mu.Lock()
	feeds := slices.Collect(maps.Values(s.feeds))
	s.mu.Unlock()
	for _, f := range feeds {
		if f.under != under || f.class != class {
			continue
		}
		f.mu.Lock()
		fits := f.gone == nil && f.suits(except)
		if fits {
			f.followers[from] = &follower{except, expires}
		}
		f.mu.Unlock()
		if fits {
			return f, nil
		}
	}
	view, err := s.b.o.Tree.View(under)
	if err != nil {
		return nil, peer.Refuse(peer.NotFound, "%s: there is no such node, or it is not shown to you", under)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	f := &feed{
		s: s, id: hex.EncodeToString(id[:]), under: under, class: class, asker: from, view: view, wake: make(chan struct{}, 1),
		followers: map[peer.ID]*follower{from: {except, expires}}, number: 1,
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.build(); err != nil {
		view.Close()
		return nil, peer.Refuse(peer.NotFound, "%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil || len(s.feeds) >= MaxFeeds {
		view.Close()
		return nil, peer.Refuse(peer.Busy, "%d parts of the tree at most are followed at the same time", MaxFeeds)
	}
	var ctx context.Context
	ctx, f.stop = context.WithCancel(s.ctx)
	s.feeds[f.id] = f
	s.running.Go(func() { f.run(ctx) })
	poke(f.wake) // for what came before the feed was known
	return f, nil
}

// followed returns a feed that somebody follows, locked.
func (s *share) followed(from peer.ID, id string) (*feed, *follower, error) {
	s.mu.Lock()
	f := s.feeds[id]
	s.mu.Unlock()
	if f != nil {
		f.mu.Lock()
		if follower := f.followers[from]; follower != nil && f.gone == nil {
			return f, follower, nil
		}
		f.mu.Unlock()
	}
	return nil, nil, peer.Refuse(peer.NotFound, "you do not follow %.40q; open it anew", id)
}

// keep renews somebody who follows, and tells the latest number.
func (s *share) keep(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := decode[feedQuestion](body)
	if err != nil {
		return nil, err
	}
	f, follower, err := s.followed(from, q.Feed)
	if err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	follower.expires = s.b.o.Now().Add(forgetAfter)
	return json.Marshal(openAnswer{f.id, f.number})
}

func (s *share) close(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := decode[feedQuestion](body)
	if err != nil {
		return nil, err
	}
	f, _, err := s.followed(from, q.Feed)
	if err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	delete(f.followers, from)
	return nil, nil
}

func (s *share) takeSnapshot(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := decode[feedQuestion](body)
	if err != nil {
		return nil, err
	}
	f, _, err := s.followed(from, q.Feed)
	if err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	now, err := f.capture(s.b.o.Now(), q.Number)
	if err != nil {
		return nil, peer.Refuse(peer.NotFound, "%v", err)
	}
	return json.Marshal(snapshotAnswer{now.number, len(now.pieces), now.nodes})
}

func (s *share) piece(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := decode[pieceQuestion](body)
	if err != nil {
		return nil, err
	}
	f, _, err := s.followed(from, q.Feed)
	if err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	now := f.snapshot
	switch {
	case now == nil || now.number != q.Number:
		return nil, peer.Refuse(peer.Stale, "there is a newer snapshot; begin again")
	case q.Piece < 0 || q.Piece >= len(now.pieces):
		return nil, peer.Refuse(peer.Invalid, "the snapshot has %d pieces, and none with the number %d", len(now.pieces), q.Piece)
	}
	now.asked = s.b.o.Now()
	return now.pieces[q.Piece], nil
}

// since answers with the deltas after a number.
func (s *share) since(_ context.Context, from peer.ID, body []byte) (answer []byte, err error) {
	q, err := decode[feedQuestion](body)
	if err != nil {
		return nil, err
	}
	f, _, err := s.followed(from, q.Feed)
	if err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	deltas, ok := f.since(q.Number)
	if !ok {
		return nil, peer.Refuse(peer.Stale, "what came after number %d is not known any more", q.Number)
	}
	for _, delta := range deltas {
		answer = appendDelta(answer, delta)
	}
	return answer, nil
}
