package value

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Member is one key and value of an Object.
type Member struct {
	Key   string
	Value any
}

// Object is a JSON object that keeps the order of its members.
type Object []Member

// Raw is JSON text that is written as it stands.
type Raw []byte

// Append appends the JSON of v, which is nil, a bool, int, int64, float64, string,
// json.Number, Object, Raw, []any or map[string]any of these.
func Append(dst []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, x)
	case int:
		return strconv.AppendInt(dst, int64(x), 10)
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case float64:
		return appendFloat(dst, x)
	case string:
		return AppendString(dst, x)
	case json.Number:
		return append(dst, x...)
	case Raw:
		return append(dst, x...)
	case Object:
		dst = append(dst, '{')
		for i, m := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, m.Key)
			dst = append(dst, ':')
			dst = Append(dst, m.Value)
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = Append(dst, e)
		}
		return append(dst, ']')
	case map[string]any:
		o := make(Object, 0, len(x))
		for _, k := range slices.Sorted(maps.Keys(x)) {
			o = append(o, Member{k, x[k]})
		}
		return Append(dst, o)
	}
	panic(fmt.Sprintf("value: no JSON of %T", v)) // a mistake of the program, not of input
}

// appendFloat writes whole numbers with a fraction, as Java does, so that clients
// that look at the text see a float.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[start:], '.') {
		dst = append(dst, '.', '0')
	}
	return dst
}

// AppendString appends a JSON string. Besides what JSON asks for it escapes the line
// separators that JavaScript knows; what is not UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf && c != 0x7f {
			i++
			continue
		}
		size, replacement := 1, ""
		switch {
		case c == '"':
			replacement = `\"`
		case c == '\\':
			replacement = `\\`
		case c == '\n':
			replacement = `\n`
		case c == '\r':
			replacement = `\r`
		case c == '\t':
			replacement = `\t`
		case c < utf8.RuneSelf:
			replacement = `\u00` + string(hex[c>>4]) + string(hex[c&15])
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				replacement = "\ufffd"
			case r == '\u2028':
				replacement = `\u2028`
			case r == '\u2029':
				replacement = `\u2029`
			default:
				i += size
				continue
			}
		}
		dst = append(dst, s[done:i]...)
		dst = append(dst, replacement...)
		i += size
		done = i
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}
