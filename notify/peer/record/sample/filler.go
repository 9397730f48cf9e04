package sample

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/store"
)

// History takes the readings; history.Store is one.
type History interface {
	Readings(now time.Time, batch []tree.Reading)
	Sync(ctx context.Context) error
}

// Node is a performance node of another manager that hangs here.
type Node struct {
	Remote tree.Path // its path over there
	Ref    tree.Ref  // it here
}

// Options are the surroundings of a Filler.
type Options struct {
	Store   *store.Store
	Fabric  peer.Fabric
	History History
	// Nodes lists the nodes of a manager that have a history, in any order.
	Nodes func(of peer.ID) []Node
	// Chain are the managers on whose behalf is asked; nil is none.
	Chain func() []peer.ID
	// Most is how far back is asked; 23 hours when zero, since the history takes readings
	// for 24 hours after their time.
	Most time.Duration
	Now  func() time.Time // the clock; nil is time.Now
	Log  *slog.Logger     // nil is nowhere
}

// Filler fetches what was missed. Its methods may be called from many goroutines; Run runs
// once.
type Filler struct {
	o     Options
	wake  chan struct{} // holds a token when something has changed
	added atomic.Uint64

	mu   sync.Mutex // guards what follows
	live map[peer.ID]bool
	told []event // that Run has not seen yet
}

// event is that a tree is live or lost.
type event struct {
	id   peer.ID
	live bool
	at   time.Time
}

// Times of a filler.
const (
	// margin is asked for around what was missed: clocks are apart, and a loss is noticed late.
	margin = 30 * time.Second
	// noteEvery is how often it is written down that a tree is live.
	noteEvery = 15 * time.Second
	// pace is between two questions.
	pace = 50 * time.Millisecond
	// again is after which time is asked again when it failed.
	again = 5 * time.Second
	// askTime bounds a question.
	askTime = 30 * time.Second
)

// New makes a filler.
func New(o Options) *Filler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Chain == nil {
		o.Chain = func() []peer.ID { return nil }
	}
	o.Most = cmp.Or(o.Most, 23*time.Hour)
	return &Filler{o: o, wake: make(chan struct{}, 1), live: map[peer.ID]bool{}}
}

// Live says that the tree of a manager hangs here as it is over there, from now on.
func (f *Filler) Live(id peer.ID) { f.tell(event{id, true, f.o.Now()}) }

// Lost says that it does not any more.
func (f *Filler) Lost(id peer.ID) { f.tell(event{id, false, f.o.Now()}) }

func (f *Filler) tell(e event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, e)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run fetches what is owed by those that are live, until ctx ends.
func (f *Filler) Run(ctx context.Context) error {
	var fetching sync.WaitGroup
	defer fetching.Wait()
	stops := map[peer.ID]context.CancelFunc{}
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	note := time.NewTicker(noteEvery)
	defer note.Stop()
	var told []event // that are not written down yet
	for {
		f.mu.Lock()
		told = append(told, f.told...)
		f.told = nil
		f.mu.Unlock()
		for len(told) > 0 {
			e := told[0]
			if f.isLive(e.id) == e.live {
				told = told[1:] // It was so before.
				continue
			}
			if err := f.write(ctx, e); err != nil {
				f.o.Log.Warn("it is not written down which readings of another manager are missing", "peer", e.id, "err", err)
				break // It is tried again.
			}
			told = told[1:]
			if stop := stops[e.id]; stop != nil {
				stop()
				delete(stops, e.id)
			}
			if e.live {
				one, stop := context.WithCancel(ctx)
				stops[e.id] = stop
				fetching.Go(func() { f.fetch(one, e.id) })
			}
		}
		select {
		case <-f.wake:
		case <-note.C:
			if len(told) == 0 {
				if err := f.note(ctx); err != nil && ctx.Err() == nil {
					f.o.Log.Warn("it is not written down that other managers are heard", "err", err)
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// write writes down what is owed once a tree is live, or up to when one was live.
func (f *Filler) write(ctx context.Context, e event) error {
	err := f.o.Store.Write(ctx, func(tx *store.Tx) error {
		heard := e.at
		if e.live {
			var at int64
			begins := e.at.Add(-f.o.Most).UnixMilli()
			found, err := tx.Row("SELECT heard_at FROM peer_heard WHERE manager = $1 AND source = $2", []any{tx.Manager(), string(e.id)}, &at)
			if err != nil {
				return err
			}
			if found {
				begins = max(begins, at-margin.Milliseconds())
			}
			if _, err := tx.Exec("INSERT INTO peer_owed (manager, source, begins, ends, node) VALUES ($1, $2, $3, $4, '')"+
				" ON CONFLICT (manager, source, begins) DO UPDATE SET ends = excluded.ends, node = ''",
				tx.Manager(), string(e.id), begins, e.at.Add(margin).UnixMilli()); err != nil {
				return err
			}
		} else {
			heard = heard.Add(-peer.Suspect)
		}
		return f.heard(tx, e.id, heard)
	})
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if e.live {
			f.live[e.id] = true
		} else {
			delete(f.live, e.id)
		}
	}
	return err
}

func (f *Filler) isLive(id peer.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live[id]
}

// heard writes down that a tree was live at a time.
func (f *Filler) heard(tx *store.Tx, id peer.ID, at time.Time) error {
	_, err := tx.Exec("INSERT INTO peer_heard (manager, source, heard_at) VALUES ($1, $2, $3)"+
		" ON CONFLICT (manager, source) DO UPDATE SET heard_at = excluded.heard_at", tx.Manager(), string(id), at.UnixMilli())
	return err
}

// note writes down which are live.
func (f *Filler) note(ctx context.Context) error {
	f.mu.Lock()
	var live []peer.ID
	for id := range f.live {
		live = append(live, id)
	}
	f.mu.Unlock()
	if len(live) == 0 {
		return nil
	}
	now := f.o.Now().Add(-peer.Suspect) // It may be lost, and not noticed yet.
	return f.o.Store.Write(ctx, func(tx *store.Tx) error {
		for _, id := range live {
			if err := f.heard(tx, id, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Span is a time of which the readings of a manager are owed.
type Span struct {
	Peer     peer.ID
	From, To time.Time
	upTo     string // the remote path up to which they are here
}

// Owed lists what is yet to be fetched, the oldest of each manager first.
func (f *Filler) Owed(ctx context.Context) (all []Span, err error) {
	err = f.o.Store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		return tx.Each("SELECT source, begins, ends, node FROM peer_owed WHERE manager = $1 ORDER BY source, begins", []any{tx.Manager()}, func(rows *sql.Rows) error {
			var s Span
			var id string
			var begins, ends int64
			if err := rows.Scan(&id, &begins, &ends, &s.upTo); err != nil {
				return err
			}
			s.Peer, s.From, s.To = peer.ID(id), time.UnixMilli(begins), time.UnixMilli(ends)
			all = append(all, s)
			return nil
		})
	})
	return all, err
}

// Added is how many readings were put into the history since the start.
func (f *Filler) Added() uint64 { return f.added.Load() }

// fetch fetches what one manager owes, until ctx ends.
func (f *Filler) fetch(ctx context.Context, id peer.ID) {
	failing := false
	for ctx.Err() == nil {
		more, err := f.fetchSome(ctx, id)
		if err != nil && !failing && ctx.Err() == nil {
			f.o.Log.Warn("readings of another manager that were missed do not come for now", "peer", id, "err", err)
		}
		failing = err != nil
		wait := pace
		switch {
		case err != nil:
			wait = again
		case !more:
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// fetchSome fetches one piece of the oldest span; more says that there is another.
func (f *Filler) fetchSome(ctx context.Context, id peer.ID) (more bool, err error) {
	owed, err := f.Owed(ctx)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(owed, func(s Span) bool { return s.Peer == id })
	if i < 0 {
		return false, nil
	}
	span := &owed[i]
	nodes := f.o.Nodes(id)
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Remote.String(), b.Remote.String()) })
	first, _ := slices.BinarySearchFunc(nodes, span.upTo, func(n Node, upTo string) int {
		if n.Remote.String() <= upTo {
			return -1
		}
		return 1
	})
	nodes = nodes[first:]
	// What is too old for the history is not asked for any more.
	from := max(span.From.UnixMilli(), f.o.Now().Add(-f.o.Most).UnixMilli())
	if len(nodes) == 0 || from >= span.To.UnixMilli() {
		return true, f.done(ctx, span)
	}
	nodes = nodes[:min(len(nodes), MaxNodes)]
	if err := f.piece(ctx, id, nodes, from, span.To.UnixMilli()); err != nil {
		return false, err
	}
	if err := f.o.History.Sync(ctx); err != nil {
		return false, err
	}
	return true, f.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec("UPDATE peer_owed SET node = $1 WHERE manager = $2 AND source = $3 AND begins = $4 AND ends = $5",
			nodes[len(nodes)-1].Remote.String(), tx.Manager(), string(id), span.From.UnixMilli(), span.To.UnixMilli())
		return err
	})
}

// done forgets a span.
func (f *Filler) done(ctx context.Context, s *Span) error {
	return f.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec("DELETE FROM peer_owed WHERE manager = $1 AND source = $2 AND begins = $3 AND ends = $4", tx.Manager(), string(s.Peer), s.From.UnixMilli(), s.To.UnixMilli())
		return err
	})
}

// piece fetches the readings of some nodes.
func (f *Filler) piece(ctx context.Context, id peer.ID, nodes []Node, from, to int64) error {
	paths := make([]tree.Path, len(nodes))
	for i := range nodes {
		paths[i] = nodes[i].Remote
	}
	ask := func(ctx context.Context, q *Question) ([]byte, error) {
		q.Chain = f.o.Chain()
		body, err := json.Marshal(q)
		if err != nil {
			return nil, err
		}
		return f.o.Fabric.AskBulk(ctx, id, kind, body)
	}
	return Fetch(ctx, paths, from, to, ask, func(i int, list []Reading) {
		now := f.o.Now()
		batch := make([]tree.Reading, len(list))
		for k, r := range list {
			batch[k] = tree.Reading{Node: nodes[i].Ref, Value: r.Value, Time: r.At * int64(time.Millisecond)}
		}
		for chunk := range slices.Chunk(batch, 1024) {
			f.o.History.Readings(now, chunk)
		}
		f.added.Add(uint64(len(list)))
	})
}
