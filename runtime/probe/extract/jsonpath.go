package extract

import (
	"errors"
	"fmt"
	"strings"

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
	for _, fragment := range path {
		if _, ok := fragment.(*jp.Proc); ok {
			return nil, fmt.Errorf("%q is no JSONPath: procedures are not supported", text)
		}
	}
	if n := descents(text); n > maxDescents {
		return nil, fmt.Errorf("%q descends by .. %d times, more than %d", text, n, maxDescents)
	}
	return path, nil
}

// descents counts the ".." of a path, those within its filters too: these are followed for
// everything that the path before them finds. What is quoted does not count.
func descents(text string) (n int) {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case strings.HasPrefix(text[i:], ".."):
			n++
			i++
		}
	}
	return n
}
