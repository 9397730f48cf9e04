package tree

import "math"

// class is a Threshold made ready for readings; nodes whose specs share a Threshold
// share it.
type class struct {
	// stay tells, for each state of the levels, the readings that change nothing:
	// those from low to high. It is empty where the shape is not one interval.
	stay   [4]band
	source *Threshold
	key    classKey
	users  int
	calm   bool // no hold times and no flap detection
	// given says that the values of its nodes come with Give alone, judged that the
	// threshold, tuned here, colours them all the same.
	given, judged bool
}

// classKey is what makes nodes share a class.
type classKey struct {
	source        *Threshold
	given, judged bool
}

type band struct{ low, high float64 }

var emptyBand = band{math.Inf(1), math.Inf(-1)}

// compile makes a Threshold ready. Reading the levels on every reading would cost
// four times the one comparison with a band that nearly every reading needs.
func compile(th *Threshold) class {
	c := class{source: th}
	c.calm = th.Yellow.After == 0 && th.Red.After == 0 && th.ClearAfter == 0 && th.Flap.Changes == 0
	for level := range c.stay {
		c.stay[level] = emptyBand
		if th.States == nil {
			y := th.Yellow.stay(level&levelYellow != 0)
			r := th.Red.stay(level&levelRed != 0)
			c.stay[level] = band{max(y.low, r.low), min(y.high, r.high)}
		}
	}
	return c
}

// stay returns readings for which the level stays entered, or stays not entered.
func (l Level) stay(entered bool) band {
	all := band{math.Inf(-1), math.Inf(1)}
	switch {
	case l.Form == Never && !entered:
		return all
	case l.Form == Above && !entered:
		return band{math.Inf(-1), l.High}
	case l.Form == Above && l.OffHigh == l.High:
		return band{math.Nextafter(l.High, math.Inf(1)), math.Inf(1)}
	case l.Form == Above:
		return band{l.OffHigh, math.Inf(1)}
	case l.Form == Below && !entered:
		return band{l.Low, math.Inf(1)}
	case l.Form == Below && l.OffLow == l.Low:
		return band{math.Inf(-1), math.Nextafter(l.Low, math.Inf(-1))}
	case l.Form == Below:
		return band{math.Inf(-1), l.OffLow}
	case l.Form == Outside && !entered:
		return band{l.Low, l.High}
	case l.Form == Inside && entered:
		return band{l.OffLow, l.OffHigh}
	}
	return emptyBand // outside and entered, inside and not: two pieces; never and entered: must change
}

// beyond says whether v is beyond the level, given whether the reading before was. A
// reading on a border of leaving keeps what was, unless the level is left where it is
// entered: without hysteresis the one condition decides, so that 0 ends "> 0".
func (l Level) beyond(v float64, entered bool) bool {
	switch l.Form {
	case Above:
		return v > l.High || entered && v >= l.OffHigh && l.OffHigh < l.High
	case Below:
		return v < l.Low || entered && v <= l.OffLow && l.OffLow > l.Low
	case Outside:
		return v > l.High || v < l.Low ||
			entered && (v >= l.OffHigh && l.OffHigh < l.High || v <= l.OffLow && l.OffLow > l.Low)
	case Inside:
		return v >= l.Low && v <= l.High || entered && v >= l.OffLow && v <= l.OffHigh
	}
	return false
}

// levels returns the state of the levels after a number.
func (th *Threshold) levels(v float64, before uint8) (after uint8) {
	if th.Yellow.beyond(v, before&levelYellow != 0) {
		after |= levelYellow
	}
	if th.Red.beyond(v, before&levelRed != 0) {
		after |= levelRed
	}
	return after
}

// compileFor is compile for the nodes of a key. No reading suits those whose values are
// given.
func compileFor(key classKey) class {
	th := key.source
	if th == nil {
		th = &Threshold{}
	}
	c := compile(th)
	c.key, c.given, c.judged = key, key.given, key.judged
	if c.given {
		c.stay = [4]band{emptyBand, emptyBand, emptyBand, emptyBand}
	}
	return c
}

// classFor returns the class of a key, made or shared, and counts its user.
func (t *Tree) classFor(key classKey) uint32 {
	if key == (classKey{}) {
		return 0
	}
	i, ok := t.classOf[key]
	if !ok {
		if n := len(t.freeClass); n > 0 {
			i, t.freeClass = t.freeClass[n-1], t.freeClass[:n-1]
			t.classes[i] = compileFor(key)
		} else {
			i = uint32(len(t.classes))
			t.classes = append(t.classes, compileFor(key))
		}
		t.classOf[key] = i
	}
	t.classes[i].users++
	return i
}

// dropClass counts a user of a class less.
func (t *Tree) dropClass(i uint32) {
	c := &t.classes[i]
	if i == 0 {
		return
	}
	if c.users--; c.users == 0 {
		delete(t.classOf, c.key)
		*c = class{}
		t.freeClass = append(t.freeClass, i)
	}
}
