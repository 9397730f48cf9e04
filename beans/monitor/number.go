package monitor

import (
	"math"
	"strconv"
	"time"

	"grove/beans"
)

// class is a numeric type of Java.
type class uint8

const (
	noClass class = iota
	byteClass
	shortClass
	intClass
	longClass
	floatClass
	doubleClass
)

// number is a number of one of the classes.
type number struct {
	class class
	free  bool    // it was given without a type: the class is only how it is held
	i     int64   // of integers
	f     float64 // of floats
}

// untyped is a number without a type, or the text of one.
type untyped struct{ v beans.Value }

// Untyped marks a number, or the text of one, as one without a Java type, as it comes
// from JSON or from a file: as a threshold it fits an attribute of every type that
// holds it exactly (a float rounds it).
func Untyped(v beans.Value) beans.Value { return untyped{v} }

// numberOf returns the number that a value is; a duration is one of seconds.
func numberOf(v beans.Value) (n number, ok bool) {
	switch x := v.(type) {
	case int8:
		return number{class: byteClass, i: int64(x)}, true
	case int16:
		return number{class: shortClass, i: int64(x)}, true
	case int32:
		return number{class: intClass, i: int64(x)}, true
	case int:
		return number{class: longClass, i: int64(x)}, true
	case int64:
		return number{class: longClass, i: x}, true
	case float32:
		return number{class: floatClass, f: float64(x)}, true
	case float64:
		return number{class: doubleClass, f: x}, true
	case time.Duration:
		return number{class: doubleClass, f: x.Seconds()}, true
	case untyped:
		if text, isText := x.v.(string); isText {
			n, ok = parseNumber(text)
		} else {
			n, ok = numberOf(x.v)
		}
		n.free = true
		return n, ok && !math.IsNaN(n.f) && !math.IsInf(n.f, 0)
	}
	return number{}, false
}

func parseNumber(text string) (number, bool) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return number{class: longClass, i: i}, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return number{class: doubleClass, f: f}, err == nil
}

// value returns the number as the Go type of its class.
func (n number) value() beans.Value {
	switch n.class {
	case byteClass:
		return int8(n.i)
	case shortClass:
		return int16(n.i)
	case intClass:
		return int32(n.i)
	case longClass:
		return n.i
	case floatClass:
		return float32(n.f)
	case doubleClass:
		return n.f
	}
	return nil
}

func (n number) isFloat() bool { return n.class >= floatClass }

func (n number) float() float64 {
	if n.isFloat() {
		return n.f
	}
	return float64(n.i)
}

// atLeast compares as numbers of the class of an observed attribute.
func (n number) atLeast(o number, as class) bool {
	if as >= floatClass {
		return n.float() >= o.float()
	}
	return n.i >= o.i
}

// same says whether two are the same number of the same type, as equals does in Java.
func (n number) same(o number) bool { return n == o }

// negative says whether the number is below zero.
func (n number) negative() bool { return n.i < 0 || n.f < 0 }

// fit returns a threshold as one for an attribute of the class; ok is false when the
// type is wrong. The default Integer 0 fits every class where zero says so.
func (n number) fit(c class, zero bool) (fit number, ok bool) {
	switch {
	case n.free:
		return n.exactly(c)
	case n.class == c:
		return n, true
	case zero && n == defaultNumber:
		return n, true
	}
	return n, false
}

// exactly converts to a class without loss; a float takes the nearest.
func (n number) exactly(c class) (number, bool) {
	if c >= floatClass {
		f := n.float()
		if !n.isFloat() && (f >= 1<<63 || int64(f) != n.i) {
			return n, false
		}
		if c == floatClass {
			f = float64(float32(f))
		}
		return number{class: c, f: f}, !math.IsInf(f, 0)
	}
	i := n.i
	if n.isFloat() {
		if n.f != math.Trunc(n.f) || n.f < -(1<<63) || n.f >= 1<<63 {
			return n, false
		}
		i = int64(n.f)
	}
	return number{class: c, i: i}, wrap(i, c) == i
}

// wrap cuts an integer to the width of the class.
func wrap(i int64, c class) int64 {
	switch c {
	case byteClass:
		return int64(int8(i))
	case shortClass:
		return int64(int16(i))
	case intClass:
		return int64(int32(i))
	}
	return i
}

// minus is the difference in the class of n, wrapped in its width; plus is added to
// integers.
func (n number) minus(o number, plus int64) number {
	switch n.class {
	case floatClass:
		return number{class: floatClass, f: float64(float32(n.f) - float32(o.float()))}
	case doubleClass:
		return number{class: doubleClass, f: n.f - o.float()}
	}
	return number{class: n.class, i: wrap(n.i-o.i+plus, n.class)}
}

// defaultNumber is what thresholds, offsets and derived gauges are at first: Java's
// Integer 0.
var defaultNumber = number{class: intClass}
