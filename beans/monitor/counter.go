package monitor

import (
	"math"

	"grove/beans"
)

// Counter tells when a count that rises reaches a threshold, which an offset then moves
// on, until the count wraps at a modulus (CounterMonitor). [Service.NewCounter] makes
// one.
type Counter struct {
	core[counterState]

	// Guarded by core.mu.
	initial, offset, modulus number
	notify, difference       bool
	floats                   bool
}

type counterState struct {
	threshold number // the initial one, moved by offsets
	scanned   number
	derived   number // what was derived last; Integer 0 before
	before    number // the scan before, in difference mode
	had       bool
	told      bool   // the alarm of this threshold was told, or would have been
	exceeded  bool   // the count is beyond where it wraps, or there is no offset
	beyond    number // the derived gauge that was
}

// NewCounter makes a counter monitor that observes nothing, with an initial threshold,
// offset and modulus of Integer 0 and no notifications enabled. It is to be registered
// as a bean.
func (s *Service) NewCounter() *Counter {
	c := &Counter{initial: defaultNumber, offset: defaultNumber, modulus: defaultNumber}
	c.init(s, counterRules{c})
	c.bean, c.info = counterBean(c)
	return c
}

// InitThreshold returns the threshold that objects begin with.
func (c *Counter) InitThreshold() beans.Value { return c.number(&c.initial) }

// SetInitThreshold changes the threshold that objects begin with, and begins anew with
// it. It is of exactly the type of the attribute.
func (c *Counter) SetInitThreshold(v beans.Value) error {
	return c.set("the initial threshold", v, &c.initial, func(s *counterState) {
		s.threshold, s.exceeded, s.told = c.initial, false, false
	})
}

// Offset returns by how much a threshold that was reached moves; 0: it stays.
func (c *Counter) Offset() beans.Value { return c.number(&c.offset) }

// SetOffset changes the offset.
func (c *Counter) SetOffset(v beans.Value) error {
	return c.set("the offset", v, &c.offset, func(*counterState) {})
}

// Modulus returns at which value the count wraps; 0: it does not.
func (c *Counter) Modulus() beans.Value { return c.number(&c.modulus) }

// SetModulus changes the modulus.
func (c *Counter) SetModulus(v beans.Value) error {
	return c.set("the modulus", v, &c.modulus, func(s *counterState) { s.exceeded = false })
}

func (c *Counter) number(of *number) beans.Value {
	c.mu.Lock()
	defer c.mu.Unlock()
	return of.value()
}

func (c *Counter) set(what string, v beans.Value, into *number, reset func(*counterState)) error {
	n, err := threshold(what, v)
	if err != nil {
		return err
	}
	if n.negative() {
		return invalid("%s is not negative, but %v is", what, n.value())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if into.same(n) {
		return nil
	}
	*into = n
	c.forgetLocked(failedThreshold)
	c.eachLocked(func(o *object[counterState]) { reset(&o.state) })
	return nil
}

// Notify reports whether alarms are told.
func (c *Counter) Notify() bool { return c.flag(&c.notify) }

// SetNotify says whether alarms are told; it changes nothing else.
func (c *Counter) SetNotify(on bool) { c.setFlag(&c.notify, on) }

// Difference reports whether the derived gauge is the difference of two scans.
func (c *Counter) Difference() bool { return c.flag(&c.difference) }

// SetDifference says whether the derived gauge is the difference of two scans instead
// of the value. A change resets all objects.
func (c *Counter) SetDifference(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.difference != on {
		c.difference = on
		c.eachLocked(func(o *object[counterState]) { counterRules{c}.reset(&o.state) })
	}
}

// CountFloats says that floats without a fraction count as longs. JMX refuses them, as
// other monitors do; where all numbers are floats, counts are, too.
func (c *Counter) CountFloats(on bool) { c.setFlag(&c.floats, on) }

// Threshold returns the threshold that an object has to reach next: the initial one
// when it has moved beyond the modulus, and nil when the object is not observed.
func (c *Counter) Threshold(name beans.Name) beans.Value {
	o, ok := c.find(name)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offset.long() > 0 && c.modulus.long() > 0 && o.state.threshold.long() > c.modulus.long() {
		return c.initial.value()
	}
	return o.state.threshold.value()
}

// counterRules are the rules of a counter.
type counterRules struct{ *Counter }

func (c counterRules) reset(s *counterState) {
	derived := s.derived
	if derived.class == noClass {
		derived = defaultNumber
	}
	*s = counterState{threshold: c.initial, derived: derived, beyond: s.beyond}
}

func (c counterRules) failed(s *counterState) {
	s.exceeded, s.told, s.before, s.had = false, false, number{}, false
}

func (c counterRules) check(s *counterState, v beans.Value) failure {
	n, ok := numberOf(v)
	if ok && n.isFloat() && c.floats {
		n, ok = n.exactly(longClass)
	}
	if !ok || n.isFloat() {
		return failedType
	}
	s.scanned = n
	threshold, ok := s.threshold.fit(n.class, false)
	if !ok {
		return failedThreshold
	}
	threshold.free = s.threshold.free
	for _, other := range []number{c.offset, c.modulus} {
		if _, ok := other.fit(n.class, true); !ok {
			return failedThreshold
		}
	}
	s.threshold = threshold
	return 0
}

func (c counterRules) derive(s *counterState) (derived beans.Value, kind string, trigger beans.Value) {
	// The wrap is seen by the gauge of the scan before: so the threshold begins anew one
	// scan after the count did.
	if s.exceeded && s.derived.i < s.beyond.i {
		s.threshold, s.exceeded, s.told = c.begin(s), false, false
	}
	if !c.difference {
		s.derived = s.scanned
	} else {
		had, before := s.had, s.before
		s.before, s.had = s.scanned, true
		if !had {
			return nil, "", nil
		}
		s.derived = s.scanned.minus(before, 0)
		if s.derived.i < 0 { // the count wrapped in between
			if c.modulus.long() > 0 {
				s.derived = s.scanned.minus(before, c.modulus.long())
			}
			s.threshold, s.told = c.begin(s), false
		}
	}
	if !s.told && s.derived.i >= s.threshold.i {
		if c.notify {
			kind, trigger = TypeCounter, s.threshold.value()
		}
		s.told = !c.difference
	}
	c.move(s)
	return s.derived.value(), kind, trigger
}

// begin is the initial threshold in the class of the scan, which check has found to fit.
func (c counterRules) begin(s *counterState) number {
	n, ok := c.initial.fit(s.scanned.class, false)
	if !ok {
		return c.initial
	}
	n.free = c.initial.free
	return n
}

// move moves a threshold that was reached on by offsets until it is beyond the gauge.
func (c counterRules) move(s *counterState) {
	if s.derived.i < s.threshold.i {
		return
	}
	offset := c.offset.long()
	if offset <= 0 {
		s.exceeded, s.beyond = true, s.derived
		return
	}
	steps := (s.derived.i-s.threshold.i)/offset + 1
	moved := int64(math.MaxInt64) // beyond the width of a long nothing can be reached
	if steps <= (math.MaxInt64-max(0, s.threshold.i))/offset {
		moved = s.threshold.i + steps*offset
	}
	s.threshold.i = wrap(moved, s.threshold.class)
	if modulus := c.modulus.long(); !c.difference && modulus > 0 && s.threshold.i > modulus {
		s.exceeded, s.beyond = true, s.derived
	}
	s.told = false // of the new threshold
}

// long is a setting as an integer.
func (n number) long() int64 {
	if n.isFloat() {
		return int64(n.f)
	}
	return n.i
}
