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

	mu    sync.Mutex // guards the table, and is held while the tree publishes: never for long
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
	table, err := newTable(o.Tree, o.System)
	if err != nil {
		return nil, fmt.Errorf("ccms: %w", err)
	}
	e := &Exporter{opts: o, scheme: scheme, table: table, book: alert.New(alert.Options{Scheme: scheme, Total: o.Alerts, Each: o.AlertsPerNode, Shelf: o.Shelf, Log: o.Log})}
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
	err := e.renew()
	e.keep(ctx)
	return err
}

// renew is refresh with the lock.
func (e *Exporter) renew() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.refresh()
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
	for _, ref := range e.table.takeTurned() {
		n, err := e.opts.Tree.NodeAt(ref)
		if err == nil && n.Status != tree.White { // else it went, or fell silent, meanwhile
			e.took(&n, n.Status, n.Since, n.Value)
		}
	}
}

// took notes that an attribute took a colour.
func (e *Exporter) took(n *tree.Node, v Value, at time.Time, value tree.Value) {
	if e.book.Took(n.Path, v, at) {
		e.open(n, v, at, value)
	}
}

// Statuses takes changes of status in their order, as tree.Options.Statuses tells them. It
// does not wait for the shelf: that is for Run, which has its alerts kept within one of its
// intervals. Without Statuses Run finds out by itself, but sees a colour that comes and goes within one of
// its intervals not at all.
func (e *Exporter) Statuses(changes []tree.StatusChange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.table.update(); err != nil {
		e.opts.Log.Warn("the monitoring tree cannot be read", "error", err)
	}
	for i := range changes {
		c := &changes[i]
		if c.Kind == tree.Group || c.To == tree.White {
			continue
		}
		if n, err := e.opts.Tree.NodeAt(c.Ref); err == nil { // else it went meanwhile
			e.took(&n, c.To, c.Time, c.Value)
		}
	}
	e.settle()
}

// open adds an alert of an attribute.
func (e *Exporter) open(n *tree.Node, v Value, at time.Time, value tree.Value) {
	parts := name.Of(n.Path, false)
	if value.IsNone() { // a change of a log does not say which line it was
		value = n.Value
	}
	e.book.Open(alert.Alert{
		TID: e.tid(&row{Node: *n}), Name: parts.Full(e.opts.System), Path: n.Path, Object: cmp.Or(parts.Object, name.Gap), Attribute: parts.Attribute,
		Value: v, Severity: heirAt(e.opts.Tree, n.Path).severity, Opened: at, Description: measure.Describe(n.Kind, value, n.Spec.Unit),
	})
}

// tid is the identifier of the element of a row.
func (e *Exporter) tid(r *row) string {
	class := classOf(r)
	if class == LongText { // a text that grows stays the same element
		class = ShortText
	}
	return e.scheme.TID(name.Number(r.Path), int(class))
}
