// Package discover keeps what discoveries find: the rows of which a definition.Discovery
// makes instances. Below it are kinds of probes that find things.
//
// # Way of a row
//
// The probe of a discovery runs like every other, on the schedule and with a bean; Wrap
// puts a listener around it that hands the rows of each run to the Hub. The Hub compares
// them with those that it knows. A row that is new, that changed in a column that counts,
// or that was missing for long enough is a change: the Hub saves it and calls
// Options.Changed, upon which the manager loads its definitions again and asks for Rows.
//
// A run that fails changes nothing, so that a name server that is down takes no instance
// away; and since rows are saved, neither does a restart meanwhile.
package discover

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/runtime/probe"
	"grove/tree"
	"grove/tree/definition"
)

const (
	// MaxKey bounds the key of a row, in bytes: rows with longer ones are left out.
	MaxKey = 1024
	// pace is the shortest time between two calls of Changed.
	pace = time.Second
)

// Item is a row as it is saved.
type Item struct {
	Name string // unique
	Text string
}

// Saved is where rows are saved. Its methods are called from one goroutine at a time.
type Saved interface {
	// All returns what was saved.
	All(ctx context.Context) ([]Item, error)
	// Change takes out what has one of the names, then puts items in, all or nothing.
	Change(ctx context.Context, put []Item, take []string) error
}

// Options are the surroundings of a Hub.
type Options struct {
	Saved Saved // nil: nothing is saved
	// Changed is called, from the goroutine of Run, after Rows of some discovery became
	// others.
	Changed func()
	Log     *slog.Logger // nil is slog.Default
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Hub keeps the rows of all discoveries. Its methods may be called from many goroutines.
type Hub struct {
	opts Options
	wake chan struct{} // holds one

	mu      sync.Mutex // guards what follows
	found   map[string]*found
	dirty   map[Item]*row // rows to save by Item.Name and the discovery in Item.Text; nil: to take out
	changed bool          // since Changed was called
	failed  bool          // the last attempt to save failed, and was told
}

// found is what is known of one discovery.
type found struct {
	plan *definition.Discovery // nil: it does not run yet
	rows map[string]*row       // by key
}

// row is one row that counts.
type row struct {
	key     string
	cells   map[string]tree.Value
	missing time.Time // since when it is not found any more; zero: it is found
}

// New returns a Hub that knows what was saved before. What cannot be read is told; then
// the discoveries begin anew.
func New(ctx context.Context, o Options) *Hub {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{opts: o, wake: make(chan struct{}, 1), found: map[string]*found{}, dirty: map[Item]*row{}}
	if o.Saved == nil {
		return h
	}
	items, err := o.Saved.All(ctx)
	if err != nil {
		o.Log.Warn("What discoveries found before could not be read: they begin anew.", "err", err)
		return h
	}
	for _, i := range items {
		name, r, err := decode(i.Text)
		if err != nil || i.Name != itemName(name, r.key) {
			continue
		}
		h.of(name).rows[r.key] = r
	}
	return h
}

// of returns what is known of a discovery; mu is held.
func (h *Hub) of(name string) *found {
	f := h.found[name]
	if f == nil {
		f = &found{rows: map[string]*row{}}
		h.found[name] = f
	}
	return f
}

// Rows returns the rows that a discovery has found and that still count: what
// definition.Loader.Found is.
func (h *Hub) Rows(discovery string) []map[string]tree.Value {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.found[discovery]
	if f == nil {
		return nil
	}
	out := make([]map[string]tree.Value, 0, len(f.rows))
	for _, key := range slices.Sorted(maps.Keys(f.rows)) {
		out = append(out, f.rows[key].cells)
	}
	return out
}

// Expect says which discoveries run from now on, before they do.
func (h *Hub) Expect(plans []*definition.Discovery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range plans {
		h.of(p.Name).plan = p
	}
}

// Forget forgets what discoveries found that do not run any more.
func (h *Hub) Forget(runs func(discovery string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, f := range h.found {
		if runs(name) {
			continue
		}
		for key := range f.rows {
			h.dirty[Item{itemName(name, key), name}] = nil
		}
		delete(h.found, name)
	}
	h.call()
}

// call wakes Run; mu is held.
func (h *Hub) call() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Run saves what changes and calls Changed, until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		}
		h.save(ctx)
		h.mu.Lock()
		changed := h.changed
		h.changed = false
		h.mu.Unlock()
		if changed && h.opts.Changed != nil {
			h.opts.Changed()
		}
		again := time.NewTimer(pace)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
	}
}

// save writes what changed. What could not be written is written next time.
func (h *Hub) save(ctx context.Context) {
	h.mu.Lock()
	dirty := h.dirty
	h.dirty = map[Item]*row{}
	var put []Item
	var take []string
	for item, r := range dirty {
		text := ""
		if r != nil {
			text = encode(item.Text, r)
		}
		if text == "" {
			take = append(take, item.Name)
		} else {
			put = append(put, Item{item.Name, text})
		}
	}
	h.mu.Unlock()
	if h.opts.Saved == nil || len(dirty) == 0 {
		return
	}
	slices.Sort(take)
	slices.SortFunc(put, func(a, b Item) int { return cmp.Compare(a.Name, b.Name) })
	err := h.opts.Saved.Change(ctx, put, take)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		for item, r := range dirty {
			if _, newer := h.dirty[item]; !newer {
				h.dirty[item] = r
			}
		}
		if !h.failed && ctx.Err() == nil {
			h.opts.Log.Warn("What discoveries found could not be saved; it is tried again.", "err", err)
		}
	}
	h.failed = err != nil
}

// savedRow is a row as JSON.
type savedRow struct {
	Discovery string                `json:"discovery"`
	Key       string                `json:"key"`
	Missing   int64                 `json:"missing,omitempty"` // ms since 1970
	Cells     map[string]tree.Value `json:"cells"`
}

// MaxText bounds the text of an Item, in bytes: a row that is longer is not saved.
const MaxText = 64 << 10

// encode writes a row; empty: it is too long.
func encode(discovery string, r *row) string {
	s := savedRow{Discovery: discovery, Key: r.key, Cells: r.cells}
	if !r.missing.IsZero() {
		s.Missing = r.missing.UnixMilli()
	}
	text, err := json.Marshal(s)
	if err != nil || len(text) > MaxText {
		return ""
	}
	return string(text)
}

func decode(text string) (discovery string, r *row, err error) {
	var s savedRow
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return "", nil, err
	}
	r = &row{key: s.Key, cells: s.Cells}
	if s.Missing != 0 {
		r.missing = time.UnixMilli(s.Missing)
	}
	if s.Discovery == "" || s.Key == "" {
		return "", nil, fmt.Errorf("a row of discovery %q with the key %q", s.Discovery, s.Key)
	}
	return s.Discovery, r, nil
}

// itemName is under which name a row is saved.
func itemName(discovery, key string) string {
	sum := sha256.Sum256([]byte(key))
	return discovery + "/" + hex.EncodeToString(sum[:16])
}

// report is what the Hub says of a run.
type report struct {
	state, problem string
	rows, missing  int
}

// note takes the rows of a run that succeeded.
func (h *Hub) note(name string, t *probe.Table) report {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.of(name)
	if f.plan == nil {
		return report{state: definition.DiscoveryFailed, problem: "nobody asked for it"}
	}
	seen, odd := f.read(t)
	before := len(f.rows)
	left := h.take(name, f, seen)
	fresh, gone := len(f.rows)-before, 0
	r := report{state: definition.DiscoveryFine, rows: len(seen)}
	now := h.opts.Now()
	for key, old := range f.rows {
		switch _, there := seen[key]; {
		case there:
		case old.missing.IsZero() && f.plan.Keep > 0:
			old.missing = now
			h.dirty[Item{itemName(name, key), name}] = old
			r.missing++
		case f.plan.Keep > 0 && now.Sub(old.missing) < f.plan.Keep:
			r.missing++
		default:
			delete(f.rows, key)
			h.dirty[Item{itemName(name, key), name}] = nil
			h.changed = true
			gone++
		}
	}
	if fresh+gone > 0 {
		h.opts.Log.Info("A discovery found other rows than before.", "discovery", name, "new", fresh, "gone", gone, "rows", len(f.rows))
	}
	var problems []string
	if left > 0 {
		r.state = definition.DiscoveryTooMany
		problems = append(problems, fmt.Sprintf("%d rows are left out: at most %d become instances, which most in %s may raise", left, f.plan.Most, f.plan.Pos))
	}
	if odd > 0 {
		problems = append(problems, fmt.Sprintf("%d rows are left out: their %s is empty, longer than %d bytes, or there twice", odd, f.plan.Key, MaxKey))
	}
	r.problem = strings.Join(problems, "; ")
	if h.changed || len(h.dirty) > 0 {
		h.call()
	}
	return r
}

// read returns the rows of a table by key, and how many have none of their own.
func (f *found) read(t *probe.Table) (seen map[string]map[string]tree.Value, odd int) {
	seen = make(map[string]map[string]tree.Value, len(t.Rows))
	at := slices.Index(t.Columns, f.plan.Key)
	for _, cells := range t.Rows {
		key := ""
		if at >= 0 && at < len(cells) {
			key = cells[at].String()
		}
		if _, twice := seen[key]; twice || key == "" || len(key) > MaxKey {
			odd++
			continue
		}
		row := make(map[string]tree.Value, len(cells))
		for k, column := range t.Columns {
			if k < len(cells) && !cells[k].IsNone() {
				row[column] = cells[k]
			}
		}
		seen[key] = row
	}
	return seen, odd
}

// take takes the rows that were found; it returns for how many there is no room. mu is
// held.
func (h *Hub) take(name string, f *found, seen map[string]map[string]tree.Value) (left int) {
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		cells := seen[key]
		old := f.rows[key]
		if old == nil && len(f.rows) >= f.plan.Most {
			left++
			continue
		}
		same := old != nil && f.same(old.cells, cells)
		if same && old.missing.IsZero() {
			old.cells = cells
			continue
		}
		f.rows[key] = &row{key: key, cells: cells}
		h.dirty[Item{itemName(name, key), name}] = f.rows[key]
		h.changed = h.changed || !same
	}
	return left
}

// same says whether two rows are alike in the columns that count. Their texts are compared,
// since no number that is none equals itself.
func (f *found) same(a, b map[string]tree.Value) bool {
	for _, column := range f.plan.Columns {
		if a[column].String() != b[column].String() {
			return false
		}
	}
	return true
}
