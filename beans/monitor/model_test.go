package monitor_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"grove/beans"
)

// model is a second implementation of the monitors, for one object and the types long
// and int, written straight after the description of javax.management.monitor: it keeps
// no more than the description names, and walks where the other computes.
type model struct {
	kind  string // "gauge", "counter", "string"
	lines []string
	count int

	told map[string]bool // error types that were told

	// Gauge.
	high, low             beans.Value
	notifyHigh, notifyLow bool
	status                string // "", "RISING", "FALLING", "MATCHING", "DIFFERING"

	// Counter.
	initial, offset, modulus beans.Value
	notify                   bool
	threshold                beans.Value
	modulusExceeded          bool
	alreadyNotified          bool
	derivedGauge             int64
	derivedGaugeExceeded     int64

	// Both.
	difference bool
	previous   *int64

	// String.
	compare                   string
	notifyMatch, notifyDiffer bool
}

func newModel(kind string) *model {
	zero := int32(0)
	return &model{kind: kind, told: map[string]bool{}, high: zero, low: zero, initial: zero, offset: zero, modulus: zero, threshold: zero}
}

// start is also what a change of the difference mode does.
func (m *model) start() {
	m.status, m.previous = "", nil
	m.threshold, m.modulusExceeded, m.alreadyNotified = m.initial, false, false
}

func (m *model) tell(format string, args ...any) {
	m.lines = append(m.lines, fmt.Sprintf("%d ", m.count)+fmt.Sprintf(format, args...))
	m.count++
}

func (m *model) fail(kind, message string) {
	if m.told[kind] {
		return
	}
	m.told[kind] = true
	m.status, m.previous = "", nil
	m.modulusExceeded, m.alreadyNotified = false, false
	m.tell("error.%s a %s", kind, message)
}

func long(v beans.Value) int64 {
	switch n := v.(type) {
	case int32:
		return int64(n)
	case int64:
		return n
	}
	panic(fmt.Sprintf("%T", v))
}

// as returns a number of the type of another.
func as(like beans.Value, n int64) beans.Value {
	if _, ok := like.(int32); ok {
		return int32(n)
	}
	return n
}

func sameType(a, b beans.Value) bool { return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) }

func fits(v, threshold beans.Value) bool { return threshold == int32(0) || sameType(v, threshold) }

func (m *model) scan(v beans.Value) {
	const wrongType, wrongThreshold = "The observed attribute type is not valid.", "The threshold type is not valid."
	if err, ok := v.(error); ok {
		m.fail("runtime", fmt.Sprintf("attribute \"Value\": %v", err))
		return
	}
	if v == nil {
		m.fail("type", "The observed attribute value is null.")
		return
	}
	text, isText := v.(string)
	if isText != (m.kind == "string") {
		m.fail("type", wrongType)
		return
	}
	switch m.kind {
	case "string":
		m.told = map[string]bool{}
		m.scanText(text)
	case "gauge":
		if !fits(v, m.high) || !fits(v, m.low) {
			m.fail("threshold", wrongThreshold)
			return
		}
		m.told = map[string]bool{}
		m.scanGauge(v)
	case "counter":
		if !sameType(v, m.threshold) || !fits(v, m.offset) || !fits(v, m.modulus) {
			m.fail("threshold", wrongThreshold)
			return
		}
		m.told = map[string]bool{}
		m.scanCounter(v)
	}
}

func (m *model) scanText(text string) {
	equal := text == m.compare
	if equal && (m.status == "" || m.status == "MATCHING") {
		if m.notifyMatch {
			m.tell("string.matches a string(%s) by string(%s)", text, m.compare)
		}
		m.status = "DIFFERING"
	} else if !equal && (m.status == "" || m.status == "DIFFERING") {
		if m.notifyDiffer {
			m.tell("string.differs a string(%s) by string(%s)", text, m.compare)
		}
		m.status = "MATCHING"
	}
}

// derive returns the derived value; ok is false for the first in difference mode.
func (m *model) derive(v beans.Value) (d int64, ok bool) {
	now := long(v)
	if !m.difference {
		return now, true
	}
	before := m.previous
	m.previous = &now
	if before == nil {
		return 0, false
	}
	return long(as(v, now-*before)), true
}

func (m *model) scanGauge(v beans.Value) {
	d, ok := m.derive(v)
	if !ok {
		return
	}
	alarm := func(kind string, notify bool, by beans.Value, next string) {
		if notify {
			m.tell("gauge.%s a %T(%d) by %T(%v)", kind, v, d, by, by)
		}
		m.status = next
	}
	switch m.status {
	case "":
		if d >= long(m.high) {
			alarm("high", m.notifyHigh, m.high, "FALLING")
		} else if d <= long(m.low) {
			alarm("low", m.notifyLow, m.low, "RISING")
		}
	case "RISING":
		if d >= long(m.high) {
			alarm("high", m.notifyHigh, m.high, "FALLING")
		}
	case "FALLING":
		if d <= long(m.low) {
			alarm("low", m.notifyLow, m.low, "RISING")
		}
	}
}

func (m *model) scanCounter(v beans.Value) {
	if m.modulusExceeded && m.derivedGauge < m.derivedGaugeExceeded {
		m.threshold, m.modulusExceeded, m.alreadyNotified = m.initial, false, false
	}
	before := m.previous
	d, ok := m.derive(v)
	if !ok {
		return
	}
	if m.difference && d < 0 {
		if long(m.modulus) > 0 {
			d = long(as(v, long(v)-*before+long(m.modulus)))
		}
		m.threshold, m.alreadyNotified = m.initial, false
	}
	m.derivedGauge = d
	if !m.alreadyNotified && d >= long(m.threshold) {
		if m.notify {
			m.tell("counter.threshold a %T(%d) by %T(%v)", v, d, m.threshold, m.threshold)
		}
		m.alreadyNotified = !m.difference
	}
	if d < long(m.threshold) {
		return
	}
	if long(m.offset) == 0 {
		m.modulusExceeded, m.derivedGaugeExceeded = true, d
		return
	}
	threshold := long(m.threshold)
	for d >= threshold {
		threshold += long(m.offset)
	}
	m.threshold = as(v, threshold)
	if !m.difference && long(m.modulus) > 0 && threshold > long(m.modulus) {
		m.modulusExceeded, m.derivedGaugeExceeded = true, d
	}
	m.alreadyNotified = false
}

// TestAgainstTheModel plays random histories to a monitor and to the model.
func TestAgainstTheModel(t *testing.T) {
	histories := 400
	if testing.Short() {
		histories = 50
	}
	for _, kind := range []string{"gauge", "counter", "string"} {
		t.Run(kind, func(t *testing.T) {
			for seed := range histories {
				if history(t, kind, uint64(seed)); t.Failed() {
					t.Fatalf("that was seed %d", seed)
				}
			}
		})
	}
}

func history(t *testing.T, kind string, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 17))
	one := func(choices ...beans.Value) beans.Value { return choices[rng.IntN(len(choices))] }
	coin := func() bool { return rng.IntN(2) == 0 }
	// Mostly one type, so that there is more than errors.
	number := func(n int) beans.Value {
		if rng.IntN(12) == 0 {
			return int64(n)
		}
		return int32(n)
	}
	inBubble(t, func(w *world) {
		m := newModel(kind)
		var real watched
		var change func()
		value := func() beans.Value { return number(rng.IntN(60) - 5) }
		switch kind {
		case "gauge":
			g := w.service.NewGauge()
			real, change = g, func() {
				switch rng.IntN(4) {
				case 0:
					low, high := rng.IntN(30), 0
					high = low + rng.IntN(25)
					h, l := beans.Value(int32(high)), beans.Value(int32(low))
					if rng.IntN(6) == 0 {
						h, l = int64(high), int64(low)
					}
					w.no(g.SetThresholds(h, l))
					if h != m.high || l != m.low {
						m.high, m.low, m.status = h, l, ""
						delete(m.told, "threshold")
					}
				case 1:
					m.notifyHigh = coin()
					g.SetNotifyHigh(m.notifyHigh)
				case 2:
					m.notifyLow = coin()
					g.SetNotifyLow(m.notifyLow)
				case 3:
					if on := coin(); on != m.difference {
						m.difference = on
						m.start()
					}
					g.SetDifference(m.difference)
				}
			}
		case "counter":
			c := w.service.NewCounter()
			count := 0
			value = func() beans.Value { // rises and wraps
				if count += rng.IntN(12); count > 60 {
					count -= 60
				}
				return number(count)
			}
			real, change = c, func() {
				switch rng.IntN(5) {
				case 0:
					v := number(rng.IntN(30))
					w.no(c.SetInitThreshold(v))
					if v != m.initial {
						m.initial, m.threshold, m.modulusExceeded, m.alreadyNotified = v, v, false, false
						delete(m.told, "threshold")
					}
				case 1:
					v := one(int32(0), number(rng.IntN(20)))
					w.no(c.SetOffset(v))
					if v != m.offset {
						m.offset = v
						delete(m.told, "threshold")
					}
				case 2:
					v := one(int32(0), int32(60), number(rng.IntN(60)))
					w.no(c.SetModulus(v))
					if v != m.modulus {
						m.modulus, m.modulusExceeded = v, false
						delete(m.told, "threshold")
					}
				case 3:
					m.notify = rng.IntN(4) > 0
					c.SetNotify(m.notify)
				case 4:
					if on := coin(); on != m.difference {
						m.difference = on
						m.start()
					}
					c.SetDifference(m.difference)
				}
			}
		default:
			s := w.service.NewText()
			value = func() beans.Value { return one("", "a", "a", "b") }
			real, change = s, func() {
				switch rng.IntN(3) {
				case 0:
					text := one("", "a", "b").(string)
					s.SetCompare(text)
					if text != m.compare {
						m.compare, m.status = text, ""
					}
				case 1:
					m.notifyMatch = coin()
					s.SetNotifyMatch(m.notifyMatch)
				case 2:
					m.notifyDiffer = coin()
					s.SetNotifyDiffer(m.notifyDiffer)
				}
			}
		}
		b, n := w.thing("a")
		w.add(real, n)
		for range 6 {
			change()
		}
		w.no(real.Start())
		m.start()
		pass(500 * time.Millisecond)
		for range 60 {
			switch rng.IntN(12) {
			case 0, 1:
				change()
			case 2:
				real.Stop()
				w.no(real.Start())
				m.start()
				pass(500 * time.Millisecond)
			}
			v := value()
			if rng.IntN(10) == 0 {
				v = one(nil, errors.New("boom"), "a", int32(3))
			}
			b.set(v)
			pass(time.Second)
			m.scan(v)
			w.expect(m.lines...)
			if m.lines = nil; w.t.Failed() {
				return
			}
		}
	})
}
