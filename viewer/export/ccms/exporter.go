package ccms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/tree"
)

// The defaults of Options.
const (
	DefaultSystem        = "GRV"
	DefaultSegment       = "SAP_CCMS_grove"
	DefaultAlerts        = 10_000
	DefaultAlertsPerNode = 10
	DefaultSampleEvery   = time.Second
)

// Options are the surroundings of an Exporter.
type Options struct {
	Tree *tree.Tree
	// System is the system's name: three to eight letters and digits, the first a
	// letter; DefaultSystem when empty.
	System string
	// Segment names the monitoring segment, at most 40 characters; DefaultSegment when
	// empty.
	Segment string
	// Alerts and AlertsPerNode bound the list of alerts; zero stands for the defaults.
	Alerts, AlertsPerNode int
	// Shelf keeps alerts over a restart; nil keeps them in memory only.
	Shelf Shelf
	// Audit is told of each acknowledgement, after it took effect; nil tells nobody.
	Audit func(Acknowledgement)
	// SampleEvery is how often Run samples for averages; zero is a second.
	SampleEvery time.Duration
	// Refuse answers a request that is not served; nil answers with plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Acknowledgement says who completed which alert.
type Acknowledgement struct {
	Time    time.Time
	By      string // as the client says; nobody has checked it
	Comment string
	Alert   Alert
}

// Exporter shows a tree as CCMS does. Its methods may be called from many goroutines.
type Exporter struct {
	opts Options

	keeping sync.Mutex // held around calls of the shelf; taken before mu

	mu    sync.Mutex // guards what follows
	table table
	book  *book
}

// New returns an Exporter with the alerts that the shelf kept; Close it.
func New(o Options) (*Exporter, error) {
	o.System, o.Segment = cmp.Or(o.System, DefaultSystem), cmp.Or(o.Segment, DefaultSegment)
	o.Alerts, o.AlertsPerNode = cmp.Or(o.Alerts, DefaultAlerts), cmp.Or(o.AlertsPerNode, DefaultAlertsPerNode)
	o.SampleEvery = cmp.Or(o.SampleEvery, DefaultSampleEvery)
	switch {
	case o.Tree == nil:
		return nil, errors.New("ccms: no tree")
	case !IsSystem(o.System):
		return nil, fmt.Errorf("ccms: system %q: is not three to %d capital letters and digits that begin with a letter", clip(o.System, 80), MaxSystem)
	case len(o.Segment) > MaxPart || strings.ContainsFunc(o.Segment, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fmt.Errorf("ccms: segment %q: is not at most %d ASCII characters without blanks", clip(o.Segment, 80), MaxPart)
	case o.Alerts < 1 || o.AlertsPerNode < 1 || o.SampleEvery < 0:
		return nil, errors.New("ccms: a bound of the alerts, or the time between samples, is negative")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, detail string) { http.Error(w, detail, status) }
	}
	e := &Exporter{opts: o, book: newBook(o.Alerts, o.AlertsPerNode)}
	if err := e.restore(); err != nil {
		return nil, fmt.Errorf("ccms: %w", err)
	}
	view, err := o.Tree.View(tree.Root)
	if err != nil {
		return nil, fmt.Errorf("ccms: %w", err)
	}
	e.table.view = view
	return e, nil
}

// IsSystem says whether a text may name a system.
func IsSystem(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	return len(s) >= 3 && len(s) <= MaxSystem
}

// System is the system's name.
func (e *Exporter) System() string { return e.opts.System }

// restore puts what the shelf kept into the list.
func (e *Exporter) restore() error {
	if e.opts.Shelf == nil {
		return nil
	}
	kept, err := e.opts.Shelf.Alerts()
	if err != nil {
		return fmt.Errorf("alerts that were kept: %w", err)
	}
	slices.SortFunc(kept, func(a, b Alert) int { return cmp.Compare(a.ID, b.ID) })
	for i := range kept {
		e.book.put(&kept[i])
	}
	e.book.changed = nil
	return nil
}

// Close frees the exporter's view of the tree.
func (e *Exporter) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table.view.Close()
}

// Run samples for averages, and opens alerts of attributes that were bad before anybody
// listened, until ctx ends.
func (e *Exporter) Run(ctx context.Context) error {
	tick := time.NewTicker(e.opts.SampleEvery)
	defer tick.Stop()
	for {
		if err := e.Sample(); err != nil {
			e.opts.Log.Warn("the monitoring tree cannot be read", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Sample looks once at what changed, as Run does each time.
func (e *Exporter) Sample() error {
	e.mu.Lock()
	err := e.refresh()
	e.mu.Unlock()
	e.keep()
	return err
}

// refresh brings the table up to date, and the alerts with it.
func (e *Exporter) refresh() error {
	if err := e.table.update(); err != nil {
		return err
	}
	e.settle()
	return nil
}

// settle opens and ends the alerts of attributes whose colour is another than before:
// what nobody told of, such as what a restart brought back.
func (e *Exporter) settle() {
	for _, k := range e.table.turned {
		if r := &e.table.rows[k]; r.status != tree.White { // silence is no improvement
			e.take(r, r.status, r.since, r.value)
		}
	}
	e.table.turned = e.table.turned[:0]
}

// take notes that the attribute of a row took a colour.
func (e *Exporter) take(r *row, v Value, at time.Time, value tree.Value) {
	path := r.path.String()
	e.book.end(path, v, at)
	if v > tree.Green && !e.book.known(path, v, at) {
		e.open(r, v, at, value)
	}
}

// Statuses takes changes of status in their order, as tree.Options.Statuses tells them.
// Without it Run finds out by itself, but sees a colour that comes and goes within one of
// its intervals not at all.
func (e *Exporter) Statuses(changes []tree.StatusChange) {
	e.mu.Lock()
	if err := e.table.update(); err != nil {
		e.opts.Log.Warn("the monitoring tree cannot be read", "error", err)
	}
	for i := range changes {
		c := &changes[i]
		if c.Kind == tree.Group || c.To == tree.White {
			continue
		}
		if k, ok := e.table.position(c.Ref); ok { // else it went meanwhile
			e.take(&e.table.rows[k], c.To, c.Time, c.Value)
		}
	}
	e.settle()
	e.mu.Unlock()
	e.keep()
}

// position returns where the node of a handle is.
func (t *table) position(ref tree.Ref) (int32, bool) {
	if int(ref.Index()) >= len(t.positions) {
		return 0, false
	}
	k := t.positions[ref.Index()]
	return k, k >= 0 && t.rows[k].ref == ref
}

// open adds an alert of the attribute of a row.
func (e *Exporter) open(r *row, v Value, at time.Time, value tree.Value) {
	n := nameOf(r.path, false)
	id := e.book.next
	if value.IsNone() { // a change of a log does not say which line it was
		value = r.value
	}
	object := n.object
	if object == "" {
		object = gap
	}
	e.book.put(&Alert{
		ID: id, AID: makeAID(e.opts.System, e.opts.Segment, id, at), TID: e.tid(r), Name: n.full(e.opts.System), Path: r.path,
		Object: object, Attribute: n.attribute, Value: v, Severity: r.severity, Opened: at, State: Open,
		Description: describe(r.kind, value, r.spec.Unit),
	})
}

// keep gives the shelf what it does not know yet, outside of mu, since it may be slow.
func (e *Exporter) keep() {
	if e.opts.Shelf == nil {
		e.mu.Lock()
		e.book.take()
		e.mu.Unlock()
		return
	}
	e.keeping.Lock()
	defer e.keeping.Unlock()
	e.mu.Lock()
	kept, gone := e.book.take()
	e.mu.Unlock()
	var errs []error
	if len(kept) > 0 {
		errs = append(errs, e.opts.Shelf.Keep(kept))
	}
	if len(gone) > 0 {
		errs = append(errs, e.opts.Shelf.Drop(gone))
	}
	if err := errors.Join(errs...); err != nil {
		e.opts.Log.Error("alerts could not be kept: they are lost when the manager restarts", "error", err)
	}
}

// tid is the identifier of the element of a row.
func (e *Exporter) tid(r *row) string {
	class := classOf(r)
	if class == LongText { // a text that grows stays the same element
		class = ShortText
	}
	return makeTID(e.opts.System, e.opts.Segment, number(r.path), class)
}
