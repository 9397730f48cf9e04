// Package value writes values of beans as JSON for another manager, so that they come back
// with the types that they had: a whole number stays one, a time stays a time.
//
// A null, a truth and a text stand for themselves. Everything else is an object with one
// key that says what it is: i an integer, f a float (a text where JSON has no number for
// it), t a time (RFC 3339), d a duration (nanoseconds), n the name of a bean, S, I and F
// lists of texts, integers and floats, l any other list, m a map, T a table, and for the
// data of notifications a a change of an attribute, r a registration, x what has fields.
// What has a text (an enumeration) comes back as a text.
package value

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"time"

	"grove/beans"
)

// Bounds of a value.
const (
	MaxBytes = 384 << 10 // of its JSON
	MaxDepth = 16
)

// ErrBounds is wrapped by the errors about values that are too large or too deep.
var ErrBounds = errors.New("the value is too large for another manager")

// Fields is what stands for the data of a notification that has fields of its own.
type Fields struct {
	Fields []beans.AttributeValue
	User   beans.Value
}

// NotificationFields implements beans.Detailed.
func (f Fields) NotificationFields() ([]beans.AttributeValue, beans.Value) { return f.Fields, f.User }

// Encode writes a value.
func Encode(v beans.Value) (json.RawMessage, error) {
	form, err := encode(v, 0)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(form)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, and at most %d are sent", ErrBounds, len(text), MaxBytes)
	}
	return text, nil
}

type tagged map[string]any

func encode(v beans.Value, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: it is more than %d levels deep", ErrBounds, MaxDepth)
	}
	switch x := v.(type) {
	case nil, bool, string:
		return x, nil
	case int64:
		return tagged{"i": x}, nil
	case float64:
		return tagged{"f": float(x)}, nil
	case time.Time:
		text, err := x.MarshalText()
		return tagged{"t": string(text)}, err
	case time.Duration:
		return tagged{"d": int64(x)}, nil
	case beans.Name:
		return tagged{"n": x.String()}, nil
	case []string:
		return tagged{"S": nonNil(x)}, nil
	case []int64:
		return tagged{"I": nonNil(x)}, nil
	case []float64:
		list := make([]any, len(x))
		for i, f := range x {
			list[i] = float(f)
		}
		return tagged{"F": list}, nil
	case []beans.Value:
		list, err := encodeList(x, depth)
		return tagged{"l": list}, err
	case map[string]beans.Value:
		m, err := encodeMap(x, depth)
		return tagged{"m": m}, err
	case beans.Table:
		rows := make([]any, len(x))
		for i, row := range x {
			m, err := encodeMap(row, depth)
			if err != nil {
				return nil, err
			}
			rows[i] = m
		}
		return tagged{"T": rows}, nil
	case beans.AttributeChange:
		list, err := encodeList([]beans.Value{x.Attribute, string(x.Type), x.Old, x.New}, depth)
		return tagged{"a": list}, err
	case beans.Registration:
		return tagged{"r": x.Name.String()}, nil
	case beans.Detailed:
		fields, user := x.NotificationFields()
		list := make([]beans.Value, 0, 2*len(fields)+1)
		list = append(list, user)
		for _, f := range fields {
			list = append(list, f.Name, f.Value)
		}
		out, err := encodeList(list, depth)
		return tagged{"x": out}, err
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		return string(text), err
	}
	return encodeOther(v, depth)
}

// encodeOther writes numbers of other sizes, named types, and lists and maps of them.
func encodeOther(v beans.Value, depth int) (any, error) {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Bool:
		return r.Bool(), nil
	case reflect.String:
		return r.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return tagged{"i": r.Int()}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if u := r.Uint(); u <= math.MaxInt64 {
			return tagged{"i": u}, nil
		}
		return tagged{"f": float64(r.Uint())}, nil
	case reflect.Float32, reflect.Float64:
		return tagged{"f": float(r.Float())}, nil
	case reflect.Slice, reflect.Array:
		list := make([]beans.Value, r.Len())
		for i := range list {
			list[i] = r.Index(i).Interface()
		}
		out, err := encodeList(list, depth)
		return tagged{"l": out}, err
	case reflect.Map:
		if r.Type().Key().Kind() == reflect.String {
			m := make(map[string]beans.Value, r.Len())
			for it := r.MapRange(); it.Next(); {
				m[it.Key().String()] = it.Value().Interface()
			}
			out, err := encodeMap(m, depth)
			return tagged{"m": out}, err
		}
	}
	return fmt.Sprint(v), nil
}

func encodeList(list []beans.Value, depth int) (out []any, err error) {
	out = make([]any, len(list))
	for i, v := range list {
		if out[i], err = encode(v, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func encodeMap(m map[string]beans.Value, depth int) (out map[string]any, err error) {
	out = make(map[string]any, len(m))
	for k, v := range m {
		if out[k], err = encode(v, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// float is a number as JSON has it, or a text for what JSON has none for.
func float(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

// nonNil has an empty list written as one.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Decode reads a value.
func Decode(text json.RawMessage) (beans.Value, error) {
	if len(text) == 0 {
		return nil, nil
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, and at most %d are taken", ErrBounds, len(text), MaxBytes)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var form any
	if err := d.Decode(&form); err != nil {
		return nil, fmt.Errorf("a value of another manager: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("a value of another manager: more follows after it")
	}
	return decode(form, 0)
}

func malformed(key string, v any) error {
	return fmt.Errorf("a value of another manager: %.40q cannot be %.40v", key, v)
}

func decode(form any, depth int) (beans.Value, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: it is more than %d levels deep", ErrBounds, MaxDepth)
	}
	switch x := form.(type) {
	case nil, bool, string:
		return x, nil
	case map[string]any:
		if len(x) == 1 {
			for key, v := range x {
				return decodeTagged(key, v, depth)
			}
		}
	}
	return nil, malformed("plain", form)
}

func decodeTagged(key string, v any, depth int) (beans.Value, error) {
	switch key {
	case "i":
		return decodeInt(v)
	case "f":
		return decodeFloat(v)
	case "t":
		if text, ok := v.(string); ok {
			return time.Parse(time.RFC3339Nano, text)
		}
	case "d":
		ns, err := decodeInt(v)
		return time.Duration(ns), err
	case "n":
		if text, ok := v.(string); ok {
			return beans.ParseName(text)
		}
	case "r":
		if text, ok := v.(string); ok {
			name, err := beans.ParseName(text)
			return beans.Registration{Name: name}, err
		}
	case "m":
		if m, ok := v.(map[string]any); ok {
			return decodeMap(m, depth)
		}
	}
	list, ok := v.([]any)
	if !ok {
		return nil, malformed(key, v)
	}
	switch key {
	case "S":
		return decodeList(list, func(v any) (string, error) {
			if text, ok := v.(string); ok {
				return text, nil
			}
			return "", malformed(key, v)
		})
	case "I":
		return decodeList(list, decodeInt)
	case "F":
		return decodeList(list, decodeFloat)
	case "T":
		rows, err := decodeList(list, func(v any) (map[string]beans.Value, error) {
			if m, ok := v.(map[string]any); ok {
				return decodeMap(m, depth)
			}
			return nil, malformed(key, v)
		})
		return beans.Table(rows), err
	}
	values, err := decodeList(list, func(v any) (beans.Value, error) { return decode(v, depth+1) })
	if err != nil {
		return nil, err
	}
	switch {
	case key == "l":
		return values, nil
	case key == "a" && len(values) == 4:
		name, ok := values[0].(string)
		kind, also := values[1].(string)
		if ok && also {
			return beans.AttributeChange{Attribute: name, Type: beans.Type(kind), Old: values[2], New: values[3]}, nil
		}
	case key == "x" && len(values)%2 == 1:
		f := Fields{User: values[0]}
		for i := 1; i < len(values); i += 2 {
			name, ok := values[i].(string)
			if !ok {
				return nil, malformed(key, values[i])
			}
			f.Fields = append(f.Fields, beans.AttributeValue{Name: name, Value: values[i+1]})
		}
		return f, nil
	}
	return nil, malformed(key, v)
}

func decodeInt(v any) (int64, error) {
	if n, ok := v.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return i, nil
		}
	}
	return 0, malformed("i", v)
}

func decodeFloat(v any) (float64, error) {
	switch x := v.(type) {
	case json.Number:
		if f, err := x.Float64(); err == nil {
			return f, nil
		}
	case string:
		if x == "NaN" || x == "+Inf" || x == "-Inf" {
			return strconv.ParseFloat(x, 64)
		}
	}
	return 0, malformed("f", v)
}

func decodeList[T any](list []any, one func(any) (T, error)) ([]T, error) {
	out := make([]T, len(list))
	for i, v := range list {
		var err error
		if out[i], err = one(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func decodeMap(m map[string]any, depth int) (map[string]beans.Value, error) {
	out := make(map[string]beans.Value, len(m))
	for k, v := range m {
		var err error
		if out[k], err = decode(v, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}
