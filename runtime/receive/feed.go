package receive

import (
	"context"
	"sync"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// Feed is what the probe of a receiver embeds: the receiver posts what it took for that
// probe, and the feed hands it on in the mode that the nodes are in. It does not know
// names of its own, as a [Mailbox] does: Join tells the receiver that the probe is there.
type Feed struct {
	infos []beans.AttributeInfo
	join  func(instance, name string) (leave func(), err error)

	mu       sync.Mutex // guards the rest; deliver is called with it held, so that it ends with detach
	values   map[string]*fed
	order    []string
	tables   map[string]*probe.Table
	fresh    map[string]bool // tables posted since the last Run
	deliver  func(probe.Result)
	announce func()
	fetched  bool // somebody runs the probe, so that what no Run finds is lost
	received uint64
	dropped  uint64
}

// fed is the latest of one attribute.
type fed struct {
	latest probe.Value // its events are those that no Run has fetched
	fresh  bool
}

// NewFeed makes a feed for the attributes of a probe; received and events_dropped are
// added to them. Join, which may be nil, is called when the probe is attached: from then
// on the receiver may post. What it returns is called when the probe is detached.
func NewFeed(attributes []beans.AttributeInfo, join func(instance, name string) (leave func(), err error)) *Feed {
	own := []beans.AttributeInfo{
		{Name: attrReceived, Type: beans.TypeFloat, Unit: "messages", Readable: true, Description: "What arrived for this probe since it began.", Descriptor: map[string]string{"metricType": "counter"}},
		{Name: attrDropped, Type: beans.TypeFloat, Unit: "events", Readable: true, Description: "Events that nobody fetched in time.", Descriptor: map[string]string{"metricType": "counter"}},
	}
	return &Feed{infos: append(own, attributes...), join: join, values: map[string]*fed{}, tables: map[string]*probe.Table{}, fresh: map[string]bool{}}
}

// Attributes implements probe.Probe.
func (f *Feed) Attributes() []beans.AttributeInfo { return f.infos }

// Target implements probe.Probe: nobody is asked.
func (f *Feed) Target() string { return "" }

// Close implements probe.Probe.
func (f *Feed) Close() error { return nil }

// Attach implements Attacher.
func (f *Feed) Attach(instance, name string, deliver func(probe.Result)) (detach func(), err error) {
	f.mu.Lock()
	f.deliver = deliver
	for _, v := range f.values {
		v.fresh = true
	}
	for name := range f.tables {
		f.fresh[name] = true
	}
	f.mu.Unlock()
	leave := func() {}
	if f.join != nil {
		if leave, err = f.join(instance, name); err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.deliver = nil
			return nil, err
		}
	}
	return sync.OnceFunc(func() {
		leave()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.deliver = nil
	}), nil
}

// Watch implements probe.Announcer.
func (f *Feed) Watch(ctx context.Context, announce func()) error {
	f.mu.Lock()
	f.announce, f.fetched = announce, true
	waiting := f.received > 0
	f.mu.Unlock()
	if waiting {
		announce()
	}
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.announce = nil
	return ctx.Err()
}

// Run implements probe.Probe: what arrived since the last Run, and how much that was. A
// value that did not come anew is left out, so that a node whose sender fell silent
// grows stale.
func (f *Feed) Run(ctx context.Context) (probe.Result, error) {
	if err := ctx.Err(); err != nil {
		return probe.Result{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetched = true
	var r probe.Result
	f.count(&r)
	for _, name := range f.order {
		if v := f.values[name]; v.fresh {
			latest := v.latest
			latest.Events = latest.Events[max(0, len(latest.Events)-MaxPending):]
			r.Values = append(r.Values, latest)
			v.fresh, v.latest.Events = false, nil
		}
	}
	for name, t := range f.tables {
		if f.fresh[name] {
			r.Tables = append(r.Tables, *t)
		}
	}
	clear(f.fresh)
	return r, nil
}

func (f *Feed) count(r *probe.Result) {
	r.Number(attrReceived, float64(f.received))
	r.Number(attrDropped, float64(f.dropped))
}

// Post takes what arrived in one message. It keeps the slices of the result, which the
// caller does not change afterwards. It may be called from many goroutines.
func (f *Feed) Post(r probe.Result) { f.PostMany(1, r) }

// PostMany is Post for what n messages came to: a receiver that reads many at once
// spares the nodes all results but one.
func (f *Feed) PostMany(n uint64, r probe.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.received += n
	for _, v := range r.Values {
		f.keep(v)
	}
	for _, t := range r.Tables {
		f.tables[t.Attribute], f.fresh[t.Attribute] = &t, true
	}
	if f.deliver != nil {
		f.count(&r)
		f.deliver(r)
	}
	if f.announce != nil {
		f.announce()
	}
}

func (f *Feed) keep(v probe.Value) {
	kept := f.values[v.Attribute]
	if kept == nil {
		kept = &fed{}
		f.values[v.Attribute] = kept
		f.order = append(f.order, v.Attribute)
	}
	pending := len(kept.latest.Events)
	events := append(kept.latest.Events, v.Events...)
	// Where nothing runs the probe its events reach the nodes as they come, and what
	// goes here is not lost. They are moved down seldom, since that takes time.
	if over := len(events) - MaxPending; over > 0 && (f.fetched || f.deliver == nil) {
		f.dropped += uint64(over - max(0, pending-MaxPending))
	}
	if len(events) > 2*MaxPending {
		events = append(make([]tree.Event, 0, 2*MaxPending), events[len(events)-MaxPending:]...)
	}
	kept.latest, kept.fresh = v, true
	kept.latest.Events = events
}

// Attached is the set of probes that a receiver sends to. The zero value is ready; it
// may be used from many goroutines, and reading it takes no lock that a change holds
// for long.
type Attached[P any] struct {
	mu   sync.RWMutex
	list []Named[P] // replaced, never changed
}

// Named is one attached probe.
type Named[P any] struct {
	Instance, Name string
	Probe          P
	id             *byte
}

// Join adds a probe; leave takes it away again.
func (a *Attached[P]) Join(instance, name string, p P) (leave func()) {
	entry := Named[P]{Instance: instance, Name: name, Probe: p, id: new(byte)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list[:len(a.list):len(a.list)], entry)
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		left := make([]Named[P], 0, len(a.list))
		for _, n := range a.list {
			if n.id != entry.id {
				left = append(left, n)
			}
		}
		a.list = left
	})
}

// All lists the probes in the order in which they joined; the caller does not change it.
func (a *Attached[P]) All() []Named[P] {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.list
}
