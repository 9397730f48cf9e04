package document

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ohler55/ojg/jp"

	"grove/runtime/probe/extract"
)

type jsonPath = jp.Expr

// newJSONPath reads a JSONPath; a plain name is that of a member.
func newJSONPath(text string) (jsonPath, error) {
	if text != "" && !strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "@") {
		text = "$." + text
	}
	return extract.JSONPath(text)
}

type jsonDocument struct{ value any }

func parseJSON(b []byte) (document, error) {
	var d jsonDocument
	if err := json.Unmarshal(b, &d.value); err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	return d, nil
}

func (d jsonDocument) find(p place) (any, error) {
	switch found := p.json.Get(d.value); len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, errNothing
	default:
		return nil, fmt.Errorf("finds %d values, want one", len(found))
	}
}

// jsonRow is an item of a list, or a member of an object.
type jsonRow struct {
	key   string
	value any
}

func (r jsonRow) find(p place) any {
	if p.text == keyColumn {
		return r.key
	}
	if found := p.json.Get(r.value); len(found) == 1 {
		return found[0]
	}
	return nil
}

// rows are the items of a list, the members of an object, or all that the path finds.
func (d jsonDocument) rows(p place) ([]row, error) {
	found := p.json.Get(d.value)
	if len(found) == 0 {
		return nil, errNothing
	}
	var rows []row
	if len(found) == 1 {
		switch v := found[0].(type) {
		case []any:
			found = v
		case map[string]any:
			for _, key := range sortedKeys(v) {
				rows = append(rows, jsonRow{key, v[key]})
			}
			return rows, nil
		}
	}
	for i, v := range found {
		rows = append(rows, jsonRow{strconv.Itoa(i + 1), v})
	}
	return rows, nil
}

func (d jsonDocument) leaves(yield func(path, value string) bool) { jsonLeaves("$", d.value, yield) }

func jsonLeaves(at string, v any, yield func(path, value string) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sortedKeys(v) {
			if !jsonLeaves(at+"."+key, v[key], yield) {
				return false
			}
		}
		return true
	case []any:
		for i, item := range v {
			if !jsonLeaves(at+"["+strconv.Itoa(i)+"]", item, yield) {
				return false
			}
		}
		return true
	case string:
		return yield(at, v)
	case nil:
		return yield(at, "null")
	}
	return yield(at, fmt.Sprint(v))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
