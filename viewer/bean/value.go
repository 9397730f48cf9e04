package bean

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"grove/beans"
)

// Bounds of a value in an answer.
const (
	maxText     = 16 << 10 // bytes
	maxElements = 1000     // of a list, a map or a table
	maxInner    = 100      // of one inside of another
	maxDepth    = 8
)

// maxExact is the largest integer that JavaScript, and so most of JSON's readers, hold
// exactly (ECMAScript, Number.MAX_SAFE_INTEGER).
const maxExact = 1<<53 - 1

// shown is a value as JSON has it. When it is cut, of says how long it is.
func shown(v beans.Value) (out any, of int) { return show(v, 0) }

func show(v beans.Value, depth int) (out any, of int) {
	switch x := v.(type) {
	case nil, bool:
		return x, 0
	case int64:
		if x > maxExact || x < -maxExact {
			return strconv.FormatInt(x, 10), 0
		}
		return x, 0
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return strconv.FormatFloat(x, 'g', -1, 64), 0
		}
		return x, 0
	case string:
		if len(x) <= maxText {
			return x, 0
		}
		cut := maxText
		for cut > 0 && !utf8.RuneStart(x[cut]) {
			cut--
		}
		return x[:cut], len(x)
	case time.Time:
		if x.IsZero() {
			return nil, 0
		}
		return x.UTC().Format("2006-01-02T15:04:05.000Z07:00"), 0
	case time.Duration:
		return x.String(), 0
	case encoding.TextMarshaler: // names, enumerations
		text, err := x.MarshalText()
		if err != nil {
			return fmt.Sprint(x), 0
		}
		return show(string(text), depth)
	}
	if depth >= maxDepth {
		return "…", 0
	}
	most := maxElements
	if depth > 0 {
		most = maxInner
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Array:
		n := r.Len()
		list := make([]any, min(n, most))
		for i := range list {
			list[i], _ = show(r.Index(i).Interface(), depth+1)
		}
		if n > most {
			return list, n
		}
		return list, 0
	case reflect.Map:
		object := make(map[string]any, min(r.Len(), most))
		for it := r.MapRange(); it.Next() && len(object) < most; {
			object[it.Key().String()], _ = show(it.Value().Interface(), depth+1)
		}
		if r.Len() > most {
			return object, r.Len()
		}
		return object, 0
	}
	// Numbers of other sizes, and named types.
	if c, err := beans.Convert(v, beans.TypeAny); err == nil && reflect.TypeOf(c) != reflect.TypeOf(v) {
		return show(c, depth)
	}
	return fmt.Sprint(v), 0
}
