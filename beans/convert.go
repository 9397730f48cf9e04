package beans

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Convert returns the value as one of the given type, or an error that wraps
// [ErrInvalidValue]. It takes near types, so that values from texts and from
// other languages fit, and nothing that would lose something on the way:
//
//   - bool: true and false, yes and no, on and off, in any case, 1 and 0;
//   - int64: any integer in range, a float without a fraction, decimal text;
//   - float64: any number that a float64 holds exactly if it is an integer, text;
//   - string: text, what has a text (encoding.TextMarshaler), numbers and bools;
//   - time: RFC 3339 text, or milliseconds since 1970 as a number;
//   - duration: text as in "1m30s", or seconds as a number;
//   - name: the text of one;
//   - the slices: slices of what their elements take; list: any slice;
//   - map and table: maps with string keys, and slices of them;
//   - any: every value that may be one (see [Value]); void: only nil.
func Convert(value Value, to Type) (Value, error) {
	v := widen(value)
	fail := func(why string) (Value, error) {
		return nil, fmt.Errorf("%w: %s is no %s%s", ErrInvalidValue, describe(value), to, why)
	}
	switch to {
	case TypeAny:
		if ok := presentable(v, 0); !ok {
			return fail(" value")
		}
		return v, nil
	case TypeVoid:
		if v != nil {
			return fail("")
		}
		return nil, nil
	case TypeBool:
		switch x := v.(type) {
		case bool:
			return x, nil
		case int64:
			if x == 0 || x == 1 {
				return x == 1, nil
			}
		case string:
			switch strings.ToLower(x) {
			case "true", "yes", "on", "1":
				return true, nil
			case "false", "no", "off", "0":
				return false, nil
			}
		}
	case TypeInt:
		switch x := v.(type) {
		case int64:
			return x, nil
		case float64:
			if x != math.Trunc(x) {
				return fail(": it has a fraction")
			}
			// 1<<63 is the first float64 above the range.
			if x < -(1<<63) || x >= 1<<63 {
				return fail(": out of range")
			}
			return int64(x), nil
		case string:
			i, err := strconv.ParseInt(x, 10, 64)
			if err == nil {
				return i, nil
			}
			if isRange(err) {
				return fail(": out of range")
			}
		}
	case TypeFloat:
		switch x := v.(type) {
		case float64:
			return x, nil
		case int64:
			if f := float64(x); f < 1<<63 && int64(f) == x {
				return f, nil
			}
			return fail(": it would lose digits")
		case string:
			f, err := strconv.ParseFloat(x, 64)
			if err == nil {
				return f, nil
			}
			if isRange(err) {
				return fail(": out of range")
			}
		}
	case TypeString:
		switch x := v.(type) {
		case bool:
			return strconv.FormatBool(x), nil
		case int64:
			return strconv.FormatInt(x, 10), nil
		case float64:
			return strconv.FormatFloat(x, 'g', -1, 64), nil
		case time.Duration:
			return x.String(), nil
		}
		if s, ok := asText(v); ok {
			return s, nil
		}
	case TypeTime:
		switch x := v.(type) {
		case time.Time:
			return x, nil
		case int64:
			return time.UnixMilli(x), nil
		case float64:
			if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
				return time.UnixMilli(int64(x)), nil
			}
		case string:
			if t, err := time.Parse(time.RFC3339Nano, x); err == nil {
				return t, nil
			}
		}
	case TypeDuration:
		switch x := v.(type) {
		case time.Duration:
			return x, nil
		case int64:
			if d := time.Duration(x) * time.Second; d/time.Second == time.Duration(x) {
				return d, nil
			}
			return fail(": out of range")
		case float64:
			if f := math.Round(x * float64(time.Second)); math.Abs(f) < 1<<63 {
				return time.Duration(f), nil
			}
			return fail(": out of range")
		case string:
			if d, err := time.ParseDuration(x); err == nil {
				return d, nil
			}
		}
	case TypeName:
		switch x := v.(type) {
		case Name:
			return x, nil
		case string:
			n, err := ParseName(x)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrInvalidValue, err)
			}
			return n, nil
		}
	case TypeStrings:
		return elements[string](value, v, to, TypeString)
	case TypeFloats:
		return elements[float64](value, v, to, TypeFloat)
	case TypeInts:
		return elements[int64](value, v, to, TypeInt)
	case TypeList:
		return elements[Value](value, v, to, TypeAny)
	case TypeMap:
		m, err := toMap(value, v)
		if err != nil {
			return nil, err // and not a nil map inside the interface
		}
		return m, nil
	case TypeTable:
		list, ok := slice(v)
		if !ok {
			return fail("")
		}
		table := make(Table, list.Len())
		for i := range table {
			row := list.Index(i).Interface()
			m, err := toMap(row, row)
			if err != nil {
				return nil, fmt.Errorf("row %d: %w", i+1, err)
			}
			table[i] = m
		}
		return table, nil
	default:
		return nil, fmt.Errorf("%w: no type %q", ErrInvalidValue, clip(string(to)))
	}
	return fail("")
}

// elements converts each element of a slice.
func elements[T any](value, v Value, to, of Type) (Value, error) {
	list, ok := slice(v)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no %s", ErrInvalidValue, describe(value), to)
	}
	out := make([]T, list.Len())
	for i := range out {
		e, err := Convert(list.Index(i).Interface(), of)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i+1, err)
		}
		if e != nil {
			out[i] = e.(T)
		}
	}
	return out, nil
}

func toMap(value, v Value) (map[string]Value, error) {
	m := reflect.ValueOf(v)
	if m.Kind() != reflect.Map || m.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("%w: %s is no %s", ErrInvalidValue, describe(value), TypeMap)
	}
	out := make(map[string]Value, m.Len())
	for it := m.MapRange(); it.Next(); {
		e, err := Convert(it.Value().Interface(), TypeAny)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", clip(it.Key().String()), err)
		}
		out[it.Key().String()] = e
	}
	return out, nil
}

func slice(v Value) (reflect.Value, bool) {
	list := reflect.ValueOf(v)
	return list, list.Kind() == reflect.Slice || list.Kind() == reflect.Array
}

func isRange(err error) bool {
	return errors.Is(err, strconv.ErrRange)
}

// widen turns numbers of all types into int64 and float64, and named types of
// bool, number and string without a text of their own into plain ones. Unsigned
// integers beyond int64 become floats.
func widen(v Value) Value {
	switch x := v.(type) {
	case nil, bool, int64, float64, string, time.Time, time.Duration, Name:
		return v
	case int:
		return int64(x)
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i
		}
		if f, err := x.Float64(); err == nil {
			return f
		}
		return string(x)
	case encoding.TextMarshaler:
		return v
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if u := r.Uint(); u <= math.MaxInt64 {
			return int64(u)
		}
		return float64(r.Uint())
	case reflect.Float32:
		// The shortest text that reads as the same float32: 0.1 stays 0.1.
		f, err := strconv.ParseFloat(strconv.FormatFloat(r.Float(), 'g', -1, 32), 64)
		if err != nil {
			return r.Float()
		}
		return f
	case reflect.Float64:
		return r.Float()
	case reflect.String:
		return r.String()
	}
	return v
}

// asText returns the text of a string or of what marshals to one.
func asText(v Value) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		return string(b), err == nil
	}
	return "", false
}

// maxDepth bounds how deep lists and maps may nest in a value.
const maxDepth = 32

// presentable reports whether v is one of the types that a Value may have.
func presentable(v Value, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch x := widen(v).(type) {
	case nil, bool, int64, float64, string, time.Time, time.Duration, Name, encoding.TextMarshaler, []string, []float64, []int64:
		return true
	case []Value:
		for _, e := range x {
			if !presentable(e, depth+1) {
				return false
			}
		}
		return true
	case map[string]Value:
		return presentableMap(x, depth)
	case Table:
		for _, row := range x {
			if !presentableMap(row, depth) {
				return false
			}
		}
		return true
	}
	return false
}

func presentableMap(m map[string]Value, depth int) bool {
	for _, e := range m {
		if !presentable(e, depth+1) {
			return false
		}
	}
	return true
}

// describe shows a value in an error message.
func describe(v Value) string {
	switch x := v.(type) {
	case nil:
		return "nothing"
	case string:
		return strconv.Quote(clip(x))
	case bool, int, int64, float64, json.Number, time.Duration:
		return fmt.Sprint(x)
	}
	if s, ok := asText(v); ok {
		return strconv.Quote(clip(s))
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map:
		return "a map"
	}
	return clip(fmt.Sprintf("a value of type %T", v))
}
