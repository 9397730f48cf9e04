package ccms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/ccms/measure"
	"grove/viewer/export/ccms/name"
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
	// Guard says who sees and does what; who asks stands in the context of a question.
	Guard *grant.Guard
	// System is the system's name: three to eight letters and digits, the first a
	// letter; DefaultSystem when empty.
	System string
	// Segment names the monitoring segment, at most 40 characters; DefaultSegment when
	// empty.
	Segment string
	// Alerts and AlertsPerNode bound the list of alerts; zero stands for the defaults.
	Alerts, AlertsPerNode int
	// Shelf keeps alerts over a restart; nil keeps them in memory only.
	Shelf alert.Shelf
	// Audit is told of each acknowledgement, after it took effect; nil tells nobody.
	Audit func(context.Context, alert.Acknowledgement)
	// SampleEvery is how often Run samples for averages; zero is a second.
	SampleEvery time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Exporter shows a tree as CCMS does. Its methods may be called from many goroutines.
type Exporter struct {
	opts   Options
	scheme name.Scheme
	book   *alert.Book // has a lock of its own, which is taken after mu

	mu    sync.Mutex // guards the table
	table table
}

// keepWithin bounds the wait for the shelf, where somebody waits for it.
const keepWithin = 10 * time.Second

// New returns an Exporter with the alerts that the shelf kept, if that can be read now,
// else Run reads them later; Close it.
func New(o Options) (*Exporter, error) {
	o.System, o.Segment = cmp.Or(o.System, DefaultSystem), cmp.Or(o.Segment, DefaultSegment)
	o.Alerts, o.AlertsPerNode = cmp.Or(o.Alerts, DefaultAlerts), cmp.Or(o.AlertsPerNode, DefaultAlertsPerNode)
	o.SampleEvery = cmp.Or(o.SampleEvery, DefaultSampleEvery)
	switch {
	case o.Tree == nil:
		return nil, errors.New("ccms: no tree")
	case o.Guard == nil:
		return nil, errors.New("ccms: nobody says who sees what")
	case o.Alerts < 1 || o.AlertsPerNode < 1 || o.SampleEvery < 0:
		return nil, errors.New("ccms: a bound of the alerts, or the time between samples, is negative")
	}
	scheme := name.Scheme{System: o.System, Segment: o.Segment}
	if err := scheme.Check(); err != nil {
		return nil, fmt.Errorf("ccms: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	view, err := o.Tree.View(tree.Root)
	if err != nil {
		return nil, fmt.Errorf("ccms: %w", err)
	}
	e := &Exporter{opts: o, scheme: scheme, book: alert.New(alert.Options{Scheme: scheme, Total: o.Alerts, Each: o.AlertsPerNode, Shelf: o.Shelf, Log: o.Log})}
	e.table.view = view
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	e.keep(ctx)
	return e, nil
}

// System is the system's name.
func (e *Exporter) System() string { return e.opts.System }

// Close frees the exporter's view of the tree.
func (e *Exporter) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table.view.Close()
}

// Run samples for averages, opens alerts of attributes that were bad before anybody
// listened, and has alerts kept, until ctx ends; then it has them kept once more.
func (e *Exporter) Run(ctx context.Context) error {
	tick := time.NewTicker(e.opts.SampleEvery)
	defer tick.Stop()
	for {
		if err := e.sample(ctx); err != nil {
			e.opts.Log.Warn("the monitoring tree cannot be read", "error", err)
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
			defer cancel()
			e.keep(last)
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Sample looks once at what changed, as Run does each time.
func (e *Exporter) Sample() error { return e.sample(context.Background()) }

func (e *Exporter) sample(ctx context.Context) error {
	e.mu.Lock()
	err := e.refresh()
	e.mu.Unlock()
	e.keep(ctx)
	return err
}

// keep has alerts kept. It may take long: mu is not held.
func (e *Exporter) keep(ctx context.Context) {
	if !e.book.Keep(ctx) {
		return
	}
	e.mu.Lock() // The book has just begun to take alerts: it knows of no colour yet.
	e.table.turnAll()
	e.settle()
	e.mu.Unlock()
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
	if e.book.Took(r.path, v, at) {
		e.open(r, v, at, value)
	}
}

// Statuses takes changes of status in their order, as tree.Options.Statuses tells them. It
// does not wait for the shelf: that is for Run, which has its alerts kept within one of its
// intervals. Without Statuses Run finds out by itself, but sees a colour that comes and goes within one of
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
	n := name.Of(r.path, false)
	if value.IsNone() { // a change of a log does not say which line it was
		value = r.value
	}
	object := n.Object
	if object == "" {
		object = name.Gap
	}
	e.book.Open(alert.Alert{
		TID: e.tid(r), Name: n.Full(e.opts.System), Path: r.path, Object: object, Attribute: n.Attribute,
		Value: v, Severity: r.severity, Opened: at, Description: measure.Describe(r.kind, value, r.spec.Unit),
	})
}

// tid is the identifier of the element of a row.
func (e *Exporter) tid(r *row) string {
	class := classOf(r)
	if class == LongText { // a text that grows stays the same element
		class = ShortText
	}
	return e.scheme.TID(name.Number(r.path), int(class))
}
