package monitor

import "grove/beans"

// Gauge tells when a number rises to a high or falls to a low threshold
// (GaugeMonitor). At first either alarm may come; after one of them only the other, so
// that a number that swings around one threshold is told once. [Service.NewGauge]
// makes one.
type Gauge struct {
	core[gaugeState]

	// Guarded by core.mu.
	high, low             number
	notifyHigh, notifyLow bool
	difference            bool
}

// next is which of two alarms may come.
type next uint8

const (
	either next = iota // RISING_OR_FALLING, MATCHING_OR_DIFFERING
	upper              // RISING: only the high one; MATCHING
	lower              // FALLING: only the low one; DIFFERING
)

type gaugeState struct {
	next      next
	scanned   number
	high, low number // the thresholds in the class of the scan
	before    number // the scan before, in difference mode
	had       bool
}

// NewGauge makes a gauge monitor that observes nothing, with thresholds of Integer 0
// and no notifications enabled. It is to be registered as a bean.
func (s *Service) NewGauge() *Gauge {
	g := &Gauge{high: defaultNumber, low: defaultNumber}
	g.init(s, gaugeRules{g})
	g.bean, g.info = gaugeBean(g)
	return g
}

// Thresholds returns the high and the low threshold.
func (g *Gauge) Thresholds() (high, low beans.Value) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.high.value(), g.low.value()
}

// SetThresholds changes both thresholds, which must be of one type. If one is another
// than before, either alarm may come again.
func (g *Gauge) SetThresholds(high, low beans.Value) error {
	h, err := threshold("the high threshold", high)
	if err != nil {
		return err
	}
	l, err := threshold("the low threshold", low)
	if err != nil {
		return err
	}
	switch {
	case h.free != l.free || !h.free && h.class != l.class:
		return invalid("the thresholds %v and %v have different types", high, low)
	case !h.atLeast(l, max(h.class, l.class)):
		return invalid("the high threshold %v is below the low threshold %v", h.value(), l.value())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.high.same(h) && g.low.same(l) {
		return nil
	}
	g.high, g.low = h, l
	g.forgetLocked(failedThreshold)
	g.eachLocked(func(o *object[gaugeState]) { o.state.next = either })
	return nil
}

// NotifyHigh reports whether the high alarm is told.
func (g *Gauge) NotifyHigh() bool { return g.flag(&g.notifyHigh) }

// SetNotifyHigh says whether the high alarm is told; it changes nothing else.
func (g *Gauge) SetNotifyHigh(on bool) { g.setFlag(&g.notifyHigh, on) }

// NotifyLow reports whether the low alarm is told.
func (g *Gauge) NotifyLow() bool { return g.flag(&g.notifyLow) }

// SetNotifyLow says whether the low alarm is told; it changes nothing else.
func (g *Gauge) SetNotifyLow(on bool) { g.setFlag(&g.notifyLow, on) }

// Difference reports whether the derived gauge is the difference of two scans.
func (g *Gauge) Difference() bool { return g.flag(&g.difference) }

// SetDifference says whether the derived gauge is the difference of two scans, wrapped
// in the width of the type, instead of the value. A change resets all objects.
func (g *Gauge) SetDifference(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.difference != on {
		g.difference = on
		g.eachLocked(func(o *object[gaugeState]) { gaugeRules{g}.reset(&o.state) })
	}
}

// gaugeRules are the rules of a gauge.
type gaugeRules struct{ *Gauge }

func (g gaugeRules) reset(s *gaugeState) { s.next, s.before, s.had = either, number{}, false }

func (g gaugeRules) failed(s *gaugeState) { g.reset(s) }

func (g gaugeRules) check(s *gaugeState, v beans.Value) failure {
	n, ok := numberOf(v)
	if !ok {
		return failedType
	}
	s.scanned = n
	high, highFits := g.high.fit(n.class, true)
	low, lowFits := g.low.fit(n.class, true)
	if !highFits || !lowFits {
		return failedThreshold
	}
	s.high, s.low = high, low
	return 0
}

func (g gaugeRules) derive(s *gaugeState) (derived beans.Value, kind string, trigger beans.Value) {
	d := s.scanned
	if g.difference {
		had := s.had
		d = s.scanned.minus(s.before, 0)
		s.before, s.had = s.scanned, true
		if !had {
			return nil, "", nil
		}
	}
	switch {
	case s.next != lower && d.atLeast(s.high, d.class):
		s.next = lower
		if g.notifyHigh {
			kind, trigger = TypeGaugeHigh, s.high.value()
		}
	case s.next != upper && s.low.atLeast(d, d.class):
		s.next = upper
		if g.notifyLow {
			kind, trigger = TypeGaugeLow, s.low.value()
		}
	}
	return d.value(), kind, trigger
}
