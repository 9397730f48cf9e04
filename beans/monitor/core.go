package monitor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"grove/beans"
)

const (
	// MaxObserved bounds the observed objects of one monitor.
	MaxObserved = 1_000_000
	// MaxAttribute bounds the length of the path of an observed attribute, in bytes.
	MaxAttribute = 1024
	// DefaultPeriod is the granularity period of a monitor that was told no other.
	DefaultPeriod = 10 * time.Second
	// MaxPeriod bounds the granularity period.
	MaxPeriod = 365 * 24 * time.Hour
)

// rules are what the kinds of monitors differ in; S is what they remember of each
// observed object. They are called with the lock of the monitor held.
type rules[S any] interface {
	// reset forgets what was seen of an object: at the start and when it is added.
	reset(s *S)
	// failed forgets it after an error was told.
	failed(s *S)
	// check says whether the value and the thresholds have types that fit: 0,
	// failedType or failedThreshold. It keeps the value for derive.
	check(s *S, v beans.Value) failure
	// derive makes the derived gauge of the value; what to tell is a type, empty for
	// nothing, and the trigger.
	derive(s *S) (derived beans.Value, kind string, trigger beans.Value)
}

// core is what all kinds of monitors have in common (javax.management.monitor.Monitor).
type core[S any] struct {
	service *Service
	rules   rules[S]
	bean    *beans.Standard // its attributes and operations
	info    beans.Info
	out     beans.Broadcaster

	mu        sync.Mutex // guards what follows
	name      beans.Name // under which it is registered
	job       *job       // nil: it is not active
	period    time.Duration
	attribute string
	path      *path // of the attribute; nil: not known yet
	index     map[string]*object[S]
	order     []*object[S] // as they were added; those that went are nil
	gone      int          // how many are nil
	scratch   []*object[S] // for the next scan to use
}

// object is an observed object.
type object[S any] struct {
	name    beans.Name
	place   int // in the order; -1: it is not observed any more
	told    failure
	derived beans.Value
	at      time.Time // when the gauge was derived
	state   S
}

func (m *core[S]) init(s *Service, r rules[S]) {
	m.service, m.rules, m.period = s, r, DefaultPeriod
	m.index = map[string]*object[S]{}
	if s.opts.Notify != nil {
		m.Subscribe(func(n beans.Notification) {
			m.mu.Lock()
			n.Source = m.name
			m.mu.Unlock()
			if !n.Source.IsZero() {
				s.opts.Notify(n)
			}
		}, nil)
	}
}

// Subscribe implements beans.Emitter. The sequence numbers of a monitor begin with 0.
func (m *core[S]) Subscribe(listener beans.Listener, filter beans.Filter) (cancel func()) {
	return m.out.Subscribe(func(n beans.Notification) {
		n.Sequence--
		if filter == nil || filter(n) {
			listener(n)
		}
	}, nil)
}

// PreRegister notes the name under which the monitor is registered.
func (m *core[S]) PreRegister(s *beans.Server, name beans.Name) (beans.Name, error) {
	full, err := name.InDomain(s.DefaultDomain())
	if err != nil || name.IsZero() {
		return name, err // the server says that there is no name
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.name = full
	return full, nil
}

// PreDeregister stops the monitor when its bean is unregistered.
func (m *core[S]) PreDeregister() error {
	m.Stop()
	return nil
}

// Start makes the monitor active: its first scan comes after one period, with nothing
// remembered of what was seen before, but the errors that were told. Starting an active
// monitor does nothing. The only error is [ErrFull].
func (m *core[S]) Start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.job != nil {
		return nil
	}
	j, err := m.service.begin(m.scan, m.period)
	if err != nil {
		return err
	}
	m.job, m.path = j, nil
	m.eachLocked(func(o *object[S]) { m.rules.reset(&o.state) })
	return nil
}

// Stop makes the monitor inactive. A scan that is under way ends with the object that
// it reads.
func (m *core[S]) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.job != nil {
		m.service.end(m.job)
		m.job, m.path = nil, nil
	}
}

// Active reports whether the monitor was started.
func (m *core[S]) Active() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.job != nil
}

// Period returns the granularity period.
func (m *core[S]) Period() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.period
}

// SetPeriod changes the granularity period, 1 ms to [MaxPeriod]. The next scan of an
// active monitor comes after one new period.
func (m *core[S]) SetPeriod(period time.Duration) error {
	switch {
	case period <= 0:
		return invalid("the granularity period %s is not positive", period)
	case period < time.Millisecond || period > MaxPeriod:
		return invalid("the granularity period is 1 ms to %d days, not %s", MaxPeriod/(24*time.Hour), period)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.period == period {
		return nil
	}
	m.period = period
	if m.job != nil {
		m.service.every(m.job, period)
	}
	return nil
}

// ObservedAttribute returns the observed attribute; empty: there is none yet.
func (m *core[S]) ObservedAttribute() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attribute
}

// SetObservedAttribute changes the observed attribute: its name, or a dotted path into
// its value, as in "Usage.used". Errors about an attribute and its type are told again.
func (m *core[S]) SetObservedAttribute(attribute string) error {
	if len(attribute) > MaxAttribute {
		return invalid("the observed attribute is longer than %d bytes", MaxAttribute)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attribute == attribute {
		return nil
	}
	m.attribute, m.path = attribute, nil
	m.forgetLocked(failedAttribute | failedType)
	return nil
}

// forgetLocked lets errors be told again.
func (m *core[S]) forgetLocked(f failure) {
	m.eachLocked(func(o *object[S]) { o.told &^= f })
}

// eachLocked calls do with every object, in their order.
func (m *core[S]) eachLocked(do func(*object[S])) {
	for _, o := range m.order {
		if o != nil {
			do(o)
		}
	}
}

// ObservedObjects lists the observed objects in the order in which they were added.
func (m *core[S]) ObservedObjects() []beans.Name {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]beans.Name, 0, len(m.index))
	m.eachLocked(func(o *object[S]) { names = append(names, o.name) })
	return names
}

// FirstObserved returns the first of the observed objects; zero if there is none.
func (m *core[S]) FirstObserved() beans.Name {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.order {
		if o != nil {
			return o.name
		}
	}
	return beans.Name{}
}

// Observes reports whether an object is observed.
func (m *core[S]) Observes(name beans.Name) bool {
	_, ok := m.find(name)
	return ok
}

func (m *core[S]) key(name beans.Name) string {
	if full, err := name.InDomain(m.service.opts.Beans.DefaultDomain()); err == nil {
		return full.Canonical()
	}
	return name.Canonical()
}

// find returns a copy of what is known of an object.
func (m *core[S]) find(name beans.Name) (object[S], bool) {
	key := m.key(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.index[key]; ok {
		return *o, true
	}
	return object[S]{}, false
}

// Observe adds an object; one that is observed already stays as it is. It need not
// exist: that it does not is told by the scan.
func (m *core[S]) Observe(name beans.Name) error {
	switch {
	case name.IsZero():
		return invalid("there is no object to observe")
	case name.IsPattern():
		return invalid("the object to observe, %s, is a pattern", name)
	}
	key := m.key(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.index[key]; ok {
		return nil
	}
	if len(m.index) >= MaxObserved {
		return invalid("the monitor observes %d objects already, which is the bound", MaxObserved)
	}
	o := &object[S]{name: name, place: len(m.order), derived: defaultNumber.value(), at: time.Now()}
	m.rules.reset(&o.state)
	m.index[key] = o
	m.order = append(m.order, o)
	return nil
}

// Unobserve takes an object out; one that is not observed is no error.
func (m *core[S]) Unobserve(name beans.Name) {
	key := m.key(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.index[key]
	if !ok {
		return
	}
	delete(m.index, key)
	m.order[o.place] = nil
	o.place = -1
	if m.gone++; m.gone > len(m.order)/2 {
		m.order = slices.DeleteFunc(m.order, func(o *object[S]) bool { return o == nil })
		m.gone = 0
		for i, o := range m.order {
			o.place = i
		}
	}
}

// ObserveOnly makes an object the only one that is observed.
func (m *core[S]) ObserveOnly(name beans.Name) error {
	if len(m.ObservedObjects()) == 1 && m.Observes(name) {
		return nil
	}
	for _, other := range m.ObservedObjects() {
		m.Unobserve(other)
	}
	return m.Observe(name)
}

// DerivedGauge returns what was derived last of an object, and when; nil and the zero
// time if it is not observed. Before the first scan it is Integer 0.
func (m *core[S]) DerivedGauge(name beans.Name) (derived beans.Value, at time.Time) {
	o, _ := m.find(name)
	return o.derived, o.at
}

// scan looks at all objects, one after the other, unless the monitor was stopped since
// it began to run.
func (m *core[S]) scan(ctx context.Context, run *job) {
	m.mu.Lock()
	objects := slices.Grow(m.scratch[:0], len(m.index))
	m.scratch = nil
	m.eachLocked(func(o *object[S]) { objects = append(objects, o) })
	m.mu.Unlock()
	for _, o := range objects {
		if ctx.Err() != nil || !m.look(ctx, run, o) {
			break
		}
	}
	clear(objects) // what is not observed any more is let go
	m.mu.Lock()
	m.scratch = objects
	m.mu.Unlock()
}

// look scans one object. It returns false when the monitor was stopped meanwhile.
func (m *core[S]) look(ctx context.Context, run *job, o *object[S]) bool {
	m.mu.Lock()
	attribute, known := m.attribute, m.path
	on := m.job == run
	observed := o.place >= 0
	m.mu.Unlock()
	if !on || !observed || attribute == "" {
		return on
	}
	value, p, err := m.read(ctx, o.name, attribute, known)
	if ctx.Err() != nil {
		return false // nothing was wrong with the object
	}
	var rest beans.Value
	if err == nil && value != nil {
		rest, err = follow(ctx, m.service.opts.Beans, value, p.rest)
	}

	m.mu.Lock()
	if m.job != run {
		m.mu.Unlock()
		return false
	}
	if m.attribute != attribute || o.place < 0 {
		m.mu.Unlock()
		return true
	}
	if p.first != "" {
		m.path = &p
	}
	n, tell := m.judge(o, value, rest, err)
	m.mu.Unlock()
	if tell {
		m.out.Emit(n)
	}
	return true
}

// read reads the attribute of the bean, which the path begins with.
func (m *core[S]) read(ctx context.Context, name beans.Name, attribute string, known *path) (beans.Value, path, error) {
	server := m.service.opts.Beans
	if known == nil {
		info, err := server.Info(name)
		if err != nil {
			return nil, path{}, err
		}
		p := pathOf(info, attribute)
		known = &p
	}
	v, err := server.Attribute(ctx, name, known.first)
	return v, *known, err
}

// judge says what to tell of an object that was read: value is that of the attribute,
// rest what the path leads to in it.
func (m *core[S]) judge(o *object[S], value, rest beans.Value, err error) (beans.Notification, bool) {
	fail := func(f failure, message string) (beans.Notification, bool) {
		if o.told&f != 0 {
			return beans.Notification{}, false
		}
		o.told |= f
		m.rules.failed(&o.state)
		return beans.Notification{
			Type: failureTypes[f], Message: message,
			Data: Alarm{ObservedObject: o.name, ObservedAttribute: m.attribute},
		}, true
	}
	switch {
	case err != nil:
		return fail(failureOf(err))
	case value == nil:
		return fail(failedType, sayNull)
	case !isComparable(rest):
		return fail(failedType, sayComparable)
	}
	switch f := m.rules.check(&o.state, rest); f {
	case failedType:
		return fail(f, sayType)
	case failedThreshold:
		return fail(f, sayThreshold)
	}
	o.told = 0
	derived, kind, trigger := m.rules.derive(&o.state)
	if derived != nil {
		o.derived = derived
	}
	o.at = time.Now()
	return beans.Notification{
		Type: kind, Time: o.at,
		Data: Alarm{ObservedObject: o.name, ObservedAttribute: m.attribute, DerivedGauge: derived, Trigger: trigger},
	}, kind != ""
}

func (m *core[S]) flag(of *bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *of
}

func (m *core[S]) setFlag(of *bool, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*of = on
}

// invalid is the error about a setting (IllegalArgumentException).
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{beans.ErrInvalidValue}, args...)...)
}

// threshold reads a number that is to be a threshold.
func threshold(what string, v beans.Value) (number, error) {
	n, ok := numberOf(v)
	if u, free := v.(untyped); free {
		v = u.v
	}
	switch {
	case v == nil:
		return n, invalid("%s is missing", what)
	case !ok || math.IsNaN(n.f):
		return n, invalid("%s is a number, not %.60v", what, v)
	}
	return n, nil
}
