package extract

import (
	"errors"
	"fmt"

	"github.com/ohler55/ojg/jp"
)

// maxDescents bounds the ".." of one JSONPath: each multiplies the work.
const maxDescents = 2

// JSONPath reads a JSONPath that a definition gives. The error repeats it.
func JSONPath(text string) (jp.Expr, error) {
	if text == "" {
		return nil, errors.New("the JSONPath is missing")
	}
	if len(text) > MaxFrom {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(text), MaxFrom)
	}
	path, err := jp.ParseString(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no JSONPath: %w", text, err)
	}
	descents := 0
	for _, fragment := range path {
		switch fragment.(type) {
		case jp.Descent:
			descents++
		case *jp.Proc:
			return nil, fmt.Errorf("%q is no JSONPath: procedures are not supported", text)
		}
	}
	if descents > maxDescents {
		return nil, fmt.Errorf("%q descends by .. %d times, more than %d", text, descents, maxDescents)
	}
	return path, nil
}
