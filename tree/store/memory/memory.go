// Package memory keeps what must outlive a restart: the last status, text and time of
// each node, and thresholds that were tuned.
//
// It looks at the live tree once a second and writes what is different; [Memory.Sync]
// does so at once. Numbers change all the time and are in the history: of them only those
// are kept that are pushed to nodes without one. The time of a reading that says the same
// as the one before is written every few minutes, and when Run ends.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// Options are the surroundings of a Memory.
type Options struct {
	Store *store.Store
	Tree  *tree.Tree
	// Last returns the newest number of a node that the history has; nil is none.
	Last func(tree.Path) (value float64, at time.Time, ok bool)
	// Events returns the newest n events of a log node, oldest first; nil is none.
	Events func(ctx context.Context, p tree.Path, n int) ([]tree.Event, error)
	// Every is how often the tree is looked at; a second when zero.
	Every time.Duration
	// Keep is for how long a node is remembered that is gone; 400 days when zero.
	Keep time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what happens without being asked for; nil is nowhere.
	Log *slog.Logger
}

const (
	// refresh is after how long the time of a reading is written that says the same as the
	// one before.
	refresh = 5 * time.Minute
	// maxBatch is how many nodes one piece of work writes.
	maxBatch = 4096
	// endTime bounds the last writing when Run ends.
	endTime = 4 * time.Second
)

// Memory is the memory of one tree. Its methods may be called from many goroutines; Run
// runs once.
type Memory struct {
	o    Options
	seed maphash.Seed

	turn chan struct{} // holds an element while somebody looks and writes; guards what follows

	view     *tree.View
	since    uint64 // flush up to which the tree was looked at
	looked   bool
	nodes    []known   // by index in the tree
	replaced int64     // of the store
	aged     time.Time // when readings were looked at that may have grown older

	forgotten int64 // number of the node up to which it was looked for what is gone; for Run
}

// known is what was written of a node.
type known struct {
	ref    tree.Ref
	sum    uint64 // over what was written; zero: nothing was
	at     int64  // time of the reading, Unix nanoseconds
	path   uint64 // hashed
	number bool   // the number is kept, too
	ages   bool   // the time of the reading counts
}

// New makes a memory.
func New(o Options) *Memory {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Every, o.Keep = cmp.Or(o.Every, time.Second), cmp.Or(o.Keep, 400*24*time.Hour)
	return &Memory{o: o, seed: maphash.MakeSeed(), turn: make(chan struct{}, 1)}
}

// Run writes what changes until ctx ends, and then all of it. What it finds is compared
// with what it has written itself, so what is to be restored is restored before.
func (m *Memory) Run(ctx context.Context) error {
	look, clean := time.NewTicker(m.o.Every), time.NewTicker(time.Hour)
	defer look.Stop()
	defer clean.Stop()
	failing := false
	for {
		select {
		case <-look.C:
			err := m.save(ctx, false)
			if err != nil && !failing && ctx.Err() == nil {
				m.o.Log.Error("what must outlive a restart waits for the database", "err", err)
			}
			failing = err != nil
		case <-clean.C:
			if err := m.forget(ctx); err != nil && ctx.Err() == nil {
				m.o.Log.Warn("what is remembered of nodes that are gone stays for now", "err", err)
			}
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
			defer cancel()
			return m.save(end, true)
		}
	}
}

// Sync returns when everything is committed that the tree had changed before the call.
func (m *Memory) Sync(ctx context.Context) error { return m.save(ctx, false) }

// save writes what differs from what was written; all also writes times alone.
func (m *Memory) save(ctx context.Context, all bool) error {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if all { // the last time
		defer func() {
			if m.view != nil {
				m.view.Close()
				m.view, m.looked = nil, false
			}
		}()
	}
	changed, seq, err := m.look()
	if err != nil {
		return err
	}
	now := m.o.Now()
	aging := all || now.Sub(m.aged) >= refresh
	if aging {
		// The tree does not say when a node was told the same again.
		for i := range m.nodes {
			if m.nodes[i].ages {
				changed = append(changed, uint32(i))
			}
		}
	}
	slices.Sort(changed)
	changed = slices.Compact(changed)
	for len(changed) > 0 {
		n := min(len(changed), maxBatch)
		if err := m.write(ctx, changed[:n], all); err != nil {
			return err
		}
		changed = changed[n:]
	}
	m.since, m.looked = seq, true
	if aging {
		m.aged = now
	}
	return nil
}

// look lists the nodes that changed since it was looked the last time.
func (m *Memory) look() (changed []uint32, seq uint64, err error) {
	if m.view == nil {
		if m.view, err = m.o.Tree.View(tree.Root); err != nil {
			return nil, 0, err
		}
	}
	if replaced := m.o.Store.Replaced(); replaced != m.replaced {
		clear(m.nodes)
		m.replaced, m.looked = replaced, false
	}
	if m.looked {
		span, err := m.view.Since(m.since, func(c *tree.Cell) { changed = append(changed, c.Index) })
		if err != nil {
			return nil, 0, err
		}
		if !span.Reset {
			for i := range span.Placed {
				m.meet(&span.Placed[i])
				changed = append(changed, span.Placed[i].Index)
			}
			for _, i := range span.Removed {
				if int(i) < len(m.nodes) {
					m.nodes[i] = known{}
				}
			}
			return changed, span.To, nil
		}
		changed = changed[:0]
	}
	seq, err = m.view.Snapshot(func(n *tree.Node) bool {
		m.meet(n)
		changed = append(changed, n.Index)
		return true
	})
	return changed, seq, err
}

// meet notes who the node with an index is.
func (m *Memory) meet(n *tree.Node) {
	for int(n.Index) >= len(m.nodes) {
		m.nodes = append(m.nodes, known{})
	}
	k := &m.nodes[n.Index]
	// A node that moved is written where it is now.
	if path := maphash.String(m.seed, n.Path.String()); k.ref != n.Ref || k.path != path {
		*k = known{ref: n.Ref, path: path}
	}
	k.number = n.Kind == tree.Performance && n.Spec.Mode == tree.Push && n.Spec.History != nil && n.Spec.History.Off
	k.ages = k.number || n.Kind == tree.State || n.Kind == tree.TextKind
}

// row is what is written of a node.
type row struct {
	index  uint32
	place  store.Place
	status tree.Status
	since  int64 // Unix milliseconds, as readAt
	form   int64
	value  string
	readAt int64
	sum    uint64
	at     int64
}

// rowOf makes the row of a node; ok is false when it says nothing new.
func (m *Memory) rowOf(k *known, n *tree.Node, now time.Time, all bool) (r row, ok bool) {
	r = row{index: n.Index, status: n.Last, since: n.Since.UnixMilli()}
	if n.Status != tree.White {
		r.status = n.Status
	}
	if !n.Time.IsZero() {
		r.at, r.readAt = n.Time.UnixNano(), n.Time.UnixMilli()
	}
	// A node that is white although its reading is fresh has a reason: it shall not come
	// back with a value that it has no more.
	stale := n.Threshold != nil && n.Threshold.StaleAfter > 0 && now.Sub(n.Time) >= n.Threshold.StaleAfter
	if n.Kind != tree.Group && n.Kind != tree.Log && (n.Status != tree.White || stale) {
		if _, isNumber := n.Value.Number(); isNumber {
			r.form, r.value = formNumber, n.Value.String()
		} else if text, isText := n.Value.Text(); isText {
			r.form, r.value = formText, store.Clean(text)
		}
	}
	if r.status == tree.White && r.form == formNone {
		return r, false // nothing was ever known
	}
	r.place.Path = n.Path
	compared := r.value
	if r.form == formNumber && !k.number {
		compared = ""
	}
	r.sum = 1 | maphash.Comparable(m.seed, [4]any{r.status, r.since, r.form, compared})
	if r.sum != k.sum {
		return r, true
	}
	return r, k.ages && r.at != k.at && (all || r.at-k.at >= int64(refresh))
}

const upsert = "INSERT INTO memory (manager, node, status, since, form, value, read_at, seen_at)"

// write writes what is new of some nodes.
func (m *Memory) write(ctx context.Context, indexes []uint32, all bool) error {
	now := m.o.Now()
	var rows []row
	for _, i := range indexes {
		if int(i) >= len(m.nodes) || m.nodes[i].ref.IsZero() {
			continue
		}
		n, err := m.o.Tree.NodeAt(m.nodes[i].ref)
		if err != nil {
			continue // it is gone meanwhile
		}
		if r, ok := m.rowOf(&m.nodes[i], &n, now, all); ok {
			r.place.Number = store.NodeNumber(r.place.Path)
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	places := make([]store.Place, len(rows))
	for i := range rows {
		places[i] = rows[i].place
	}
	err := m.o.Store.Write(ctx, func(tx *store.Tx) error {
		manager := tx.Manager()
		if manager == 0 {
			return errNoManager
		}
		args := make([]any, 0, 8*len(rows))
		for i := range rows {
			r := &rows[i]
			args = append(args, manager, r.place.Number, int64(r.status), r.since, r.form, r.value, r.readAt, now.UnixMilli())
		}
		if err := tx.Know(places); err != nil {
			return err
		}
		_, err := tx.Insert(upsert, "ON CONFLICT (manager, node) DO UPDATE SET status = excluded.status, since = excluded.since, form = excluded.form, "+
			"value = excluded.value, read_at = excluded.read_at, seen_at = excluded.seen_at", 8, args)
		return err
	})
	if err != nil {
		return fmt.Errorf("remember %d nodes: %w", len(rows), err)
	}
	for i := range rows {
		k := &m.nodes[rows[i].index]
		k.sum, k.at = rows[i].sum, rows[i].at
	}
	return nil
}
