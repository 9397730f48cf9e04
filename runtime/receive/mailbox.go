package receive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// Bounds of mailboxes.
const (
	MaxMailboxes = 100_000
	// MaxPending is how many events a mailbox holds for one attribute until it is
	// asked; then the oldest go, and are counted.
	MaxPending = 1000
)

// names of the attributes that every mailbox has.
const (
	attrReceived = "received"
	attrDropped  = "events_dropped"
)

// ErrNoMailbox is wrapped by the error for a name that no mailbox is attached to.
var ErrNoMailbox = errors.New("nothing takes readings of that name")

// ErrMisfit is wrapped by the error for a value that an attribute does not take.
var ErrMisfit = errors.New("the attribute does not take such a value")

// ErrOlder is returned for a reading that is not newer than what is there.
var ErrOlder = errors.New("not newer than what is there")

// Mailboxes finds mailboxes by the instance and the name of their probe. The zero
// value is ready; it may be used from many goroutines.
type Mailboxes struct {
	mu    sync.RWMutex
	boxes map[string]map[string]*Mailbox // instance -> probe
	count int
}

// Find returns the mailbox of one probe of one instance; the error wraps
// ErrNoMailbox and says which of the two names is unknown.
func (b *Mailboxes) Find(instance, name string) (*Mailbox, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	probes, ok := b.boxes[instance]
	if !ok {
		return nil, fmt.Errorf("%w: no instance %q has a probe that readings are pushed to", ErrNoMailbox, instance)
	}
	m, ok := probes[name]
	if !ok {
		return nil, fmt.Errorf("%w: instance %q has no probe %q that readings are pushed to", ErrNoMailbox, instance, name)
	}
	return m, nil
}

func (b *Mailboxes) attach(instance, name string, m *Mailbox) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.boxes[instance][name] != nil:
		return fmt.Errorf("probe %q of instance %q: readings are pushed to another probe of these names", name, instance)
	case b.count >= MaxMailboxes:
		return fmt.Errorf("more than %d probes that readings are pushed to", MaxMailboxes)
	}
	if b.boxes == nil {
		b.boxes = map[string]map[string]*Mailbox{}
	}
	if b.boxes[instance] == nil {
		b.boxes[instance] = map[string]*Mailbox{}
	}
	b.boxes[instance][name] = m
	b.count++
	return nil
}

func (b *Mailboxes) detach(instance, name string, m *Mailbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.boxes[instance][name] != m {
		return
	}
	delete(b.boxes[instance], name)
	if len(b.boxes[instance]) == 0 {
		delete(b.boxes, instance)
	}
	b.count--
}

// Attribute is one thing that may be pushed to a mailbox.
type Attribute struct {
	Name    string
	Type    beans.Type // TypeFloat, TypeBool or TypeString; TypeStrings with Events
	Events  bool       // a log
	Info    beans.AttributeInfo
	pending []tree.Event
	value   tree.Value
	time    time.Time
	fresh   bool // arrived since the last Run
}

// Mailbox is a runtime bean that others push readings to. It is a probe: Run returns
// what arrived since the last Run, for nodes in timer and request mode, and Watch
// announces, for nodes in notification mode. Nodes in push mode get readings through
// the deliver function of Attach.
type Mailbox struct {
	boxes *Mailboxes
	infos []beans.AttributeInfo

	mu         sync.Mutex // guards the rest; deliver is called with it held, so that it ends with detach
	attributes map[string]*Attribute
	order      []string
	deliver    func(probe.Result)
	announce   func()
	received   uint64
	dropped    uint64
}

var _ Attacher = (*Mailbox)(nil)

// NewMailbox makes a mailbox for the given attributes; Info of each is made here.
func NewMailbox(boxes *Mailboxes, attributes []Attribute) *Mailbox {
	m := &Mailbox{boxes: boxes, attributes: map[string]*Attribute{}, infos: []beans.AttributeInfo{
		{Name: attrReceived, Type: beans.TypeFloat, Unit: "readings", Readable: true, Description: "readings that arrived since the probe began", Descriptor: map[string]string{"metricType": "counter"}},
		{Name: attrDropped, Type: beans.TypeFloat, Unit: "events", Readable: true, Description: "events that nobody fetched in time", Descriptor: map[string]string{"metricType": "counter"}},
	}}
	for _, a := range attributes {
		a.Info.Name, a.Info.Type, a.Info.Readable = a.Name, a.Type, true
		m.attributes[a.Name] = &a
		m.order = append(m.order, a.Name)
		m.infos = append(m.infos, a.Info)
	}
	return m
}

// Attributes implements probe.Probe.
func (m *Mailbox) Attributes() []beans.AttributeInfo { return m.infos }

// Target implements probe.Probe: nobody is asked.
func (m *Mailbox) Target() string { return "" }

// Close implements probe.Probe.
func (m *Mailbox) Close() error { return nil }

// Attach implements Attacher. What is in the mailbox is fresh again, since the nodes
// may be others.
func (m *Mailbox) Attach(instance, name string, deliver func(probe.Result)) (detach func(), err error) {
	if err := m.boxes.attach(instance, name, m); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deliver = deliver
	for _, a := range m.attributes {
		a.fresh = !a.value.IsNone()
	}
	return sync.OnceFunc(func() {
		m.boxes.detach(instance, name, m)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.deliver = nil
	}), nil
}

// Watch implements probe.Announcer.
func (m *Mailbox) Watch(ctx context.Context, announce func()) error {
	m.mu.Lock()
	m.announce = announce
	waiting := m.received > 0
	m.mu.Unlock()
	if waiting {
		announce()
	}
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.announce = nil
	return ctx.Err()
}

// Run implements probe.Probe: what arrived since the last Run, and how much that
// was. A value that did not come anew is left out, so that a node whose sender fell
// silent grows stale.
func (m *Mailbox) Run(ctx context.Context) (probe.Result, error) {
	if err := ctx.Err(); err != nil {
		return probe.Result{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var r probe.Result
	r.Number(attrReceived, float64(m.received))
	r.Number(attrDropped, float64(m.dropped))
	for _, name := range m.order {
		a := m.attributes[name]
		if !a.fresh {
			continue
		}
		a.fresh = false
		r.Values = append(r.Values, probe.Value{Attribute: name, Value: a.value, Events: a.pending})
		a.pending = nil
		if a.time.After(r.Time) {
			r.Time = a.time
		}
	}
	return r, nil
}

// Item is one reading for an attribute: a value, or an event for a log.
type Item struct {
	Attribute string
	Value     tree.Value
	Event     *tree.Event
	Unit      string    // empty, or that of the attribute
	Time      time.Time // when it was observed
}

// Put takes one reading. It copies what it keeps. The error wraps ErrNoMailbox,
// ErrMisfit or ErrOlder.
func (m *Mailbox) Put(i Item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.attributes[i.Attribute]
	if a == nil {
		return fmt.Errorf("%w: the probe has no attribute %q, only %v", ErrNoMailbox, i.Attribute, m.order)
	}
	value, err := a.fit(&i)
	if err != nil {
		return err
	}
	if i.Event == nil && !i.Time.After(a.time) {
		return ErrOlder
	}
	m.received++
	if m.deliver != nil {
		// Only now, in the order of arrival: readings of one attribute may have different times.
		v := probe.Value{Attribute: a.Name, Value: value}
		if i.Event != nil {
			v.Events = []tree.Event{*i.Event}
		}
		m.deliver(probe.Result{Time: i.Time, Values: []probe.Value{v}})
	}
	a.value, a.fresh = value, true
	if i.Time.After(a.time) {
		a.time = i.Time
	}
	if i.Event != nil {
		if len(a.pending) >= MaxPending {
			a.pending = slices.Delete(a.pending, 0, 1)
			m.dropped++
		}
		a.pending = append(a.pending, *i.Event)
	}
	if m.announce != nil {
		m.announce()
	}
	return nil
}

// fit checks a reading against the attribute. The value of an event is its text.
func (a *Attribute) fit(i *Item) (tree.Value, error) {
	if i.Unit != "" && i.Unit != a.Info.Unit {
		return tree.Value{}, fmt.Errorf("%w: %s is in %q, not in %q", ErrMisfit, a.Name, a.Info.Unit, i.Unit)
	}
	_, number := i.Value.Number()
	_, text := i.Value.Text()
	switch {
	case a.Events && i.Event != nil:
		return tree.Text(i.Event.Text), nil
	case a.Events:
		return tree.Value{}, fmt.Errorf("%w: %s takes events", ErrMisfit, a.Name)
	case i.Event != nil:
		return tree.Value{}, fmt.Errorf("%w: %s takes no events", ErrMisfit, a.Name)
	case a.Type == beans.TypeString && text, a.Type == beans.TypeFloat && number:
		return i.Value, nil
	case a.Type == beans.TypeBool && (i.Value == tree.Bool(true) || i.Value == tree.Bool(false)):
		return i.Value, nil
	case a.Type == beans.TypeString:
		return tree.Value{}, fmt.Errorf("%w: %s is a text", ErrMisfit, a.Name)
	case a.Type == beans.TypeBool:
		return tree.Value{}, fmt.Errorf("%w: %s is true or false", ErrMisfit, a.Name)
	}
	return tree.Value{}, fmt.Errorf("%w: %s is a number", ErrMisfit, a.Name)
}
