package mbean

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"grove/tree"
)

// maxText bounds a text, in bytes.
const maxText = 1000

// walk follows a path into a value; what is null has nothing below.
func walk(v any, path []string) (any, error) {
	for i, step := range path {
		switch in := v.(type) {
		case nil:
			return nil, nil
		case map[string]any:
			below, there := in[step]
			if !there {
				return nil, fmt.Errorf("has no %s: there are %s", step, keysOf(in))
			}
			v = below
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(in) {
				return nil, fmt.Errorf("%s is no place in a list of %d items", step, len(in))
			}
			v = in[n]
		default:
			return nil, fmt.Errorf("is a plain value, in which there is no %s", strings.Join(path[i:], "/"))
		}
	}
	return v, nil
}

func keysOf(m map[string]any) string {
	const most = 10
	keys := slices.Sorted(maps.Keys(m))
	if len(keys) > most {
		return strings.Join(keys[:most], ", ") + ", …"
	}
	if len(keys) == 0 {
		return "none at all"
	}
	return strings.Join(keys, ", ")
}

// convert makes a reading of a value; null is none.
func convert(v any, typ string) (tree.Value, error) {
	switch typ {
	case "size":
		return size(v)
	case "text":
		return text(v), nil
	case "bool":
		return truth(v)
	}
	switch v := v.(type) {
	case nil:
		return tree.Value{}, nil
	case bool:
		return tree.Bool(v), nil
	case json.Number:
		return parse(v.String())
	case string:
		return parse(v)
	case []any:
		return tree.Value{}, errors.New("is a list and no number: give type size, or a path")
	}
	return tree.Value{}, errors.New("has parts and is no number: give a path")
}

func parse(text string) (tree.Value, error) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return tree.Value{}, fmt.Errorf("%q is no number", clip(text))
	}
	return number(n), nil
}

// number leaves out what is not finite.
func number(n float64) tree.Value {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return tree.Value{}
	}
	return tree.Number(n)
}

// size is how many items there are; null, which some MBeans tell for an empty list, has none.
func size(v any) (tree.Value, error) {
	switch v := v.(type) {
	case nil:
		return tree.Number(0), nil
	case []any:
		return tree.Number(float64(len(v))), nil
	case map[string]any:
		return tree.Number(float64(len(v))), nil
	}
	return tree.Value{}, errors.New("is neither a list nor a map, and has no size")
}

func truth(v any) (tree.Value, error) {
	switch v := v.(type) {
	case nil:
		return tree.Value{}, nil
	case bool:
		return tree.Bool(v), nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return tree.Bool(b), nil
		}
	case json.Number:
		if v == "0" || v == "1" {
			return tree.Bool(v == "1"), nil
		}
	}
	return tree.Value{}, errors.New("is neither true nor false")
}

// text shows any value; a reference to an MBean is its name.
func text(v any) tree.Value {
	switch v := v.(type) {
	case nil:
		return tree.Value{}
	case string:
		return tree.Text(clip(v))
	case json.Number:
		return tree.Text(clip(v.String()))
	case bool:
		return tree.Text(strconv.FormatBool(v))
	case map[string]any:
		if name, ok := v["objectName"].(string); ok && len(v) == 1 {
			return tree.Text(clip(name))
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return tree.Value{}
	}
	return tree.Text(clip(string(b)))
}

// clip bounds a text and makes it valid.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

// entry is one item of a list or map.
type entry struct {
	key   string
	value any
}

// entriesOf lists the items of a list or map in the order of their keys.
func entriesOf(v any) ([]entry, error) {
	var out []entry
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, entry{k, v[k]})
		}
	case []any:
		for i, item := range v {
			out = append(out, entry{strconv.Itoa(i), item})
		}
	default:
		return nil, errors.New("is neither a list nor a map, and has no entries")
	}
	return out, nil
}
