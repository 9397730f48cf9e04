package maintenance

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/drawer"
)

// Phase is what is announced of an occurrence.
type Phase string

// The phases.
const (
	Near   Phase = "near"
	Begins Phase = "begins"
	Ends   Phase = "ends"
)

// Options are the surroundings of a Calendar.
type Options struct {
	Store *store.Store
	// Changed is told, from Run, that windows began, ended, came or went. It must return soon.
	Changed func()
	// Announce tells people of an occurrence of a window that asks for it; an error makes it
	// be told again.
	Announce func(ctx context.Context, o Occurrence, phase Phase) error
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil discards
}

// kind is the drawer of the windows of people, kindTold of what was announced.
const (
	kind     = "maintenance"
	kindTold = "maintenance announced"
)

// Calendar is all windows of a manager. Its methods may be called from many goroutines.
type Calendar struct {
	o          Options
	kept, told *drawer.Drawer
	woken      chan struct{} // holds one

	writing sync.Mutex // one change at a time; taken before mu

	mu      sync.RWMutex // guards what follows
	windows map[string]*Window
	placed  map[*Window]*place      // where windows stood when they were looked at last
	of      map[string][]Occurrence // those that hold in [from, until), by path
	from    time.Time
	until   time.Time
	phases  map[string]told // by ID of the window; what Run has announced
	known   int64           // Store.Replaced when the windows of people were read
}

// told is the last that was announced of a window.
type told struct {
	Start time.Time `json:"start"`
	Phase Phase     `json:"phase"`
}

// New makes a calendar without windows; Load fills it.
func New(o Options) *Calendar {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Calendar{
		o: o, kept: drawer.New(o.Store, kind, MaxWindows), told: drawer.New(o.Store, kindTold, 2*MaxWindows),
		woken: make(chan struct{}, 1), windows: map[string]*Window{}, placed: map[*Window]*place{}, phases: map[string]told{},
	}
}

// Load reads the windows that people made, and what was announced, in the place of those
// that are known. Run does so again when all of the database was replaced.
func (c *Calendar) Load(ctx context.Context) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	known := c.o.Store.Replaced()
	items, err := c.kept.All(ctx)
	if err != nil {
		return err
	}
	announced, err := c.told.All(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = known
	maps.DeleteFunc(c.windows, func(_ string, w *Window) bool { return w.Source != FromFile })
	c.phases = map[string]told{}
	for _, i := range items {
		w := new(Window)
		if err := json.Unmarshal([]byte(i.Text), w); err != nil {
			c.o.Log.Error("a maintenance window that was kept cannot be read", "id", i.Name, "error", err)
			continue
		}
		c.windows[w.ID] = w
	}
	for _, i := range announced {
		var t told
		if json.Unmarshal([]byte(i.Text), &t) == nil {
			c.phases[i.Name] = t
		}
	}
	c.changedLocked()
	return nil
}

// changedLocked forgets what holds at present, and wakes Run.
func (c *Calendar) changedLocked() {
	c.until = time.Time{}
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Replace puts windows in the place of those that stood in the file before. They must have
// been checked.
func (c *Calendar) Replace(fromFile []Window) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := map[string]time.Time{}
	for id, w := range c.windows {
		if w.Source == FromFile {
			ended[id] = w.Ended
			delete(c.windows, id)
		}
	}
	for _, w := range fromFile {
		w.Source = FromFile
		w.ID = "file-" + w.Name
		w.Ended = ended[w.ID]
		c.windows[w.ID] = &w
	}
	c.changedLocked()
}

// Add checks and keeps a window that somebody made; it gets its ID.
func (c *Calendar) Add(ctx context.Context, w Window) (Window, error) {
	w.Source, w.Ended, w.Made = "", time.Time{}, c.o.Now().Truncate(time.Millisecond)
	w.ID = rand.Text()
	if err := w.Check(); err != nil {
		return w, err
	}
	if w.Over(c.o.Now()) {
		return w, fmt.Errorf("%w: start: it would be over already", ErrWindow)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.RLock()
	n := len(c.windows)
	c.mu.RUnlock()
	if n >= MaxWindows {
		return w, fmt.Errorf("%w: there are %d, which is the bound: remove some that are over", ErrWindow, n)
	}
	return w, c.put(ctx, &w)
}

// put keeps a window and shows it.
func (c *Calendar) put(ctx context.Context, w *Window) error {
	text, err := windowText(w)
	if err != nil {
		return err
	}
	if err := c.kept.Change(ctx, []drawer.Item{{Name: w.ID, Text: text}}, nil); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.windows[w.ID] = w
	c.changedLocked()
	return nil
}

// Get returns a window.
func (c *Calendar) Get(id string) (Window, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	w := c.windows[id]
	if w == nil {
		return Window{}, fmt.Errorf("%w: %q", ErrNone, id)
	}
	return *w, nil
}

// Remove takes away a window that somebody made, at once.
func (c *Calendar) Remove(ctx context.Context, id string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	w, err := c.Get(id)
	switch {
	case err != nil:
		return err
	case w.Source == FromFile:
		return ErrFile
	}
	if err := c.kept.Change(ctx, nil, []string{id}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.windows, id)
	c.changedLocked()
	return nil
}

// End ends the present occurrence of a window now; one that repeats comes again. Of a
// window in the file that is remembered until the manager stops.
func (c *Calendar) End(ctx context.Context, id string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	w, err := c.Get(id)
	if err != nil {
		return err
	}
	now := c.o.Now()
	if _, ok := w.Now(now); !ok {
		return fmt.Errorf("%w: %q does not hold now", ErrWindow, w.Name)
	}
	w.Ended = now.Truncate(time.Millisecond)
	if w.Source != FromFile {
		return c.put(ctx, &w)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.windows[id] = &w
	c.changedLocked()
	return nil
}

// Planned is a window with its times.
type Planned struct {
	Window
	Now  *Occurrence `json:"now,omitempty"`
	Next *Occurrence `json:"next,omitempty"`
}

// List returns all windows: those that hold, then those to come by time, then what is over.
func (c *Calendar) List() []Planned {
	now := c.o.Now()
	c.mu.Lock()
	list := make([]Planned, 0, len(c.windows))
	for _, w := range c.windows {
		p := c.placeLocked(w, now)
		list = append(list, Planned{*w, p.now, p.next})
	}
	c.mu.Unlock()
	slices.SortFunc(list, func(a, b Planned) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.when().Compare(b.when()), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func (p *Planned) rank() int {
	switch {
	case p.Now != nil:
		return 0
	case p.Next != nil:
		return 1
	}
	return 2
}

func (p *Planned) when() time.Time {
	switch {
	case p.Now != nil:
		return p.Now.End
	case p.Next != nil:
		return p.Next.Start
	}
	return p.Start
}

// Active returns the occurrence that holds at a node, the one that ends last of several.
func (c *Calendar) Active(p tree.Path, at time.Time) (found Occurrence, ok bool) {
	of := c.at(at)
	if len(of) == 0 {
		return found, false
	}
	for {
		for _, o := range of[p.String()] {
			if !ok || o.End.After(found.End) {
				found, ok = o, true
			}
		}
		if p.IsRoot() {
			return found, ok
		}
		p = p.Parent()
	}
}

// at returns what holds at a time, by path. It is worked out anew when a window began or
// ended since, for a storm of alerts asks for each of them.
func (c *Calendar) at(at time.Time) map[string][]Occurrence {
	c.mu.RLock()
	of, fits := c.of, !at.Before(c.from) && at.Before(c.until)
	c.mu.RUnlock()
	if fits {
		return of
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	of = map[string][]Occurrence{}
	c.from, c.until = at, at.Add(24*time.Hour)
	for _, w := range c.windows {
		stands := c.placeLocked(w, at)
		if o := stands.now; o != nil {
			for _, p := range w.At {
				of[p.String()] = append(of[p.String()], *o)
			}
		}
		if stands.until.Before(c.until) {
			c.until = stands.until
		}
	}
	c.of = of
	return of
}

// place is how a window stands in [from, until). It is not changed.
type place struct {
	now, next   *Occurrence
	from, until time.Time
}

// placeLocked looks where a window stands, unless that is known: to follow a rule takes long.
func (c *Calendar) placeLocked(w *Window, at time.Time) *place {
	if p := c.placed[w]; p != nil && !at.Before(p.from) && at.Before(p.until) {
		return p
	}
	if len(c.placed) > 2*len(c.windows) { // Most are of windows that are gone.
		clear(c.placed)
	}
	p := &place{from: at, until: at.Add(24 * time.Hour)}
	if o, ok := w.Now(at); ok {
		p.now = &o
		if o.End.Before(p.until) {
			p.until = o.End
		}
	}
	if o, ok := w.Next(at); ok {
		p.next = &o
		if o.Start.Before(p.until) {
			p.until = o.Start
		}
	}
	c.placed[w] = p
	return p
}
