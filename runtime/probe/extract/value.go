package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"grove/beans"
	"grove/tree"
)

// words are how servers and files write truth values, in lower case.
var words = map[string]bool{
	"true": true, "t": true, "yes": true, "y": true, "on": true, "1": true, "ok": true, "enabled": true,
	"false": false, "f": false, "no": false, "n": false, "off": false, "0": false, "err": false, "disabled": false,
}

// Value makes of what was found a value of the type. What is null has none: the value
// and the error are empty for a nil.
func Value(typ beans.Type, found any) (tree.Value, error) {
	if b, ok := found.([]byte); ok {
		found = string(b)
	}
	if found == nil {
		return tree.Value{}, nil
	}
	switch typ {
	case beans.TypeString:
		return text(found)
	case beans.TypeBool:
		return truth(found)
	}
	return number(found)
}

func number(found any) (tree.Value, error) {
	switch v := found.(type) {
	case float64:
		return finite(v)
	case float32:
		return finite(float64(v))
	case int64:
		return tree.Number(float64(v)), nil
	case int32:
		return tree.Number(float64(v)), nil
	case int:
		return tree.Number(float64(v)), nil
	case uint64:
		return tree.Number(float64(v)), nil
	case bool:
		return tree.Bool(v), nil
	case time.Time:
		return tree.Number(float64(v.UnixMilli()) / 1000), nil
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return tree.Value{}, fmt.Errorf("%q is not a number", Clean(v, 100))
		}
		return tree.Number(n), nil
	}
	return tree.Value{}, errors.New("is a list or an object, not a number")
}

func finite(v float64) (tree.Value, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return tree.Value{}, fmt.Errorf("%v is not a number that can be shown", v)
	}
	return tree.Number(v), nil
}

func truth(found any) (tree.Value, error) {
	if s, ok := found.(string); ok {
		if v, known := words[strings.ToLower(strings.TrimSpace(s))]; known {
			return tree.Bool(v), nil
		}
		return tree.Value{}, fmt.Errorf("%q is neither true nor false", Clean(s, 100))
	}
	v, err := number(found)
	if err != nil {
		return v, err
	}
	n, _ := v.Number()
	return tree.Bool(n != 0), nil
}

func text(found any) (tree.Value, error) {
	switch v := found.(type) {
	case string:
		return tree.Text(Clean(v, MaxText)), nil
	case time.Time:
		return tree.Text(v.Format(time.RFC3339Nano)), nil
	}
	b, err := json.Marshal(found)
	if err != nil {
		return tree.Value{}, err
	}
	return tree.Text(Clean(string(b), MaxText)), nil
}

// Clean makes a text of the network or of a file fit to be shown: valid, in one line, of
// at most so many bytes.
func Clean(s string, most int) string {
	if len(s) > most {
		// Cut before looking at all of it; a rune that is cut in two goes with the next line.
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '�'
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return ' '
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069: // writing direction
			return ' '
		}
		return r
	}, s)
}
