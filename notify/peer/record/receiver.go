package record

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// ReceiverOptions are the surroundings of a Receiver.
type ReceiverOptions struct {
	Store   *store.Store
	Journal *journal.Journal // of the same store
	Fabric  peer.Fabric
	// Place says where a node of another manager hangs here; ok is false where it does not.
	// Owner is the way back: whose a node here is. Without it nothing counts as unknown.
	Place func(of peer.ID, remote tree.Path) (local tree.Path, ok bool)
	Owner func(local tree.Path) (of peer.ID, remote tree.Path, ok bool)
	// Hidden says that a node of another manager is a second view of what is told by a third,
	// so that what happened to it is left out; nil: none is.
	Hidden func(of peer.ID, remote tree.Path) bool
	// Own says that the status of a node that hangs here is judged here, so that the changes
	// of it over there are not those here; nil: none is.
	Own func(local tree.Path) bool
	// Chain are the managers on whose behalf is asked, beside this one: those whose trees it
	// joins; at most MaxChain. Nil: none.
	Chain func() []peer.ID
	// Past is how much of the past is asked for when a manager is followed for the first
	// time; 24 hours when zero.
	Past time.Duration
	Now  func() time.Time // the clock; nil is time.Now
	Log  *slog.Logger     // nil is nowhere
}

// Receiver brings the journals of other managers into the one here. Its methods may be
// called from many goroutines; Run runs once.
type Receiver struct {
	o ReceiverOptions

	mu      sync.Mutex // guards what follows
	sources map[peer.ID]*source
	changed chan struct{} // holds a token when sources are other ones
}

// NewReceiver makes a receiver that follows nobody yet.
func NewReceiver(o ReceiverOptions) *Receiver {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Hidden == nil {
		o.Hidden = func(peer.ID, tree.Path) bool { return false }
	}
	if o.Owner == nil {
		o.Owner = func(tree.Path) (peer.ID, tree.Path, bool) { return "", tree.Root, false }
	}
	if o.Own == nil {
		o.Own = func(tree.Path) bool { return false }
	}
	if o.Chain == nil {
		o.Chain = func() []peer.ID { return nil }
	}
	o.Past = cmp.Or(o.Past, 24*time.Hour)
	return &Receiver{o: o, sources: map[peer.ID]*source{}, changed: make(chan struct{}, 1)}
}

// Set names the managers that are followed from now on. What is known of others stays where
// it is, so that they go on where they were when they are followed again.
func (r *Receiver) Set(ids ...peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, s := range r.sources {
		if !slices.Contains(ids, id) {
			delete(r.sources, id)
			s.leave()
		}
	}
	for _, id := range ids {
		if r.sources[id] == nil {
			r.sources[id] = newSource(r, id)
		}
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run follows those that Set names, until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	r.o.Fabric.Handle(kindNews, func(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
		var n news
		if err := json.Unmarshal(body, &n); err != nil {
			return nil, peer.Refuse(peer.Invalid, "%s: %v", kindNews, err)
		}
		r.rouse(from)
		return nil, nil
	})
	defer r.o.Fabric.Handle(kindNews, nil)
	defer r.o.Fabric.OnLink(func(l peer.Link) {
		if l.Up {
			r.rouse(l.Peer)
		}
	})()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		r.mu.Lock()
		for _, s := range r.sources {
			if !s.running {
				s.running = true
				all.Go(func() { s.run(ctx) })
			}
		}
		r.mu.Unlock()
		select {
		case <-r.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// rouse has a source asked at once.
func (r *Receiver) rouse(id peer.ID) {
	r.mu.Lock()
	s := r.sources[id]
	r.mu.Unlock()
	if s != nil {
		signal(s.wake)
	}
}

// signal puts a token into a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Unknown says of what time the journal here does not know yet what a node did that hangs
// here: what its manager has not told yet. It is for journal.Options.
func (r *Receiver) Unknown(local tree.Path) (from, to time.Time, why string) {
	id, _, ok := r.o.Owner(local)
	if !ok || r.o.Own(local) {
		return from, to, ""
	}
	r.mu.Lock()
	s := r.sources[id]
	r.mu.Unlock()
	if s == nil {
		return from, to, ""
	}
	from, to = s.unknown()
	return from, to, "its manager has not told yet what it did"
}

// Forget forgets everything about a manager that will not be followed any more; the entries
// that came from it stay.
func (r *Receiver) Forget(ctx context.Context, id peer.ID) error {
	r.mu.Lock()
	s := r.sources[id]
	delete(r.sources, id)
	r.mu.Unlock()
	if s != nil {
		s.leave()
	}
	return r.o.Store.Write(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"peer_source", "peer_range", "peer_heard", "peer_owed"} {
			if _, err := tx.Exec("DELETE FROM "+table+" WHERE manager = $1 AND source = $2", tx.Manager(), string(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Source is how it stands with a manager that is followed.
type Source struct {
	Peer peer.ID
	// Known is up to when everything is known that it remembers; zero: nothing yet.
	Known time.Time
	// Behind is how many entries are missing that it has, as far as it has said.
	Behind int64
	// Counts since the start: entries that are in the journal now; that have no place here or
	// are of nodes that are judged here; that are of hidden duplicates; that made no sense;
	// that the other manager could not tell any more.
	Taken, Left, Hidden, Refused, Missed uint64
	Error                                string // why nothing comes at present
}

// Sources lists those that are followed, by ID.
func (r *Receiver) Sources() []Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Source, 0, len(r.sources))
	for _, s := range r.sources {
		all = append(all, s.state())
	}
	slices.SortFunc(all, func(a, b Source) int { return cmp.Compare(a.Peer, b.Peer) })
	return all
}
