package value

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"grove/beans"
)

// Convert returns what came as JSON, decoded with json.Number, as a value of a type.
// Besides what beans.Convert takes, a text may stand for a value of another type, since
// a GET has nothing else: a number of milliseconds for a time, of seconds for a
// duration, elements with commas between them or a JSON array for a list, a JSON object
// for a map. An object {"objectName": …} may stand for a name.
func Convert(v any, to beans.Type) (beans.Value, error) {
	v = Plain(v)
	switch x := v.(type) {
	case string:
		v = fromText(x, to)
	case map[string]any:
		if name, ok := x["objectName"]; ok && to == beans.TypeName && len(x) == 1 {
			v = name
		}
	}
	return beans.Convert(v, to)
}

func fromText(text string, to beans.Type) any {
	switch to {
	case beans.TypeTime:
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			return ms
		}
	case beans.TypeDuration:
		if seconds, err := strconv.ParseFloat(text, 64); err == nil {
			return seconds
		}
	case beans.TypeStrings, beans.TypeFloats, beans.TypeInts, beans.TypeList:
		if v, ok := fromJSON(text, '['); ok {
			return v
		}
		list := []any{}
		for _, e := range SplitList(text) {
			list = append(list, e)
		}
		return list
	case beans.TypeTable:
		if v, ok := fromJSON(text, '['); ok {
			return v
		}
	case beans.TypeMap:
		if v, ok := fromJSON(text, '{'); ok {
			return v
		}
	}
	return text
}

// fromJSON decodes a text that begins as an array or object.
func fromJSON(text string, first byte) (any, bool) {
	if text == "" || text[0] != first {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	return Plain(v), true
}

// Plain returns decoded JSON with int64 and float64 in place of json.Number, and a copy
// of the containers.
func Plain(v any) any {
	switch x := v.(type) {
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i
		}
		if f, err := x.Float64(); err == nil {
			return f
		}
		return string(x)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = Plain(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = Plain(e)
		}
		return out
	}
	return v
}

// SplitList parts a list at its commas. A backslash takes the meaning from the
// character after it; the empty text has no elements.
func SplitList(text string) (list []string) {
	var b strings.Builder
	any := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
			any = true
		case c == ',':
			list = append(list, b.String())
			b.Reset()
			any = false
		default:
			b.WriteByte(c)
			any = true
		}
	}
	if any {
		list = append(list, b.String())
	}
	return list
}
