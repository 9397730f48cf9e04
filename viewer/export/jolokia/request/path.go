package request

import (
	"strings"

	"grove/viewer/export/jolokia/value"
)

// split parts a path at the slashes that no exclamation mark precedes, and takes the
// exclamation marks away. A slash at the end does not begin another part.
func split(path string) (parts []string) {
	var b strings.Builder
	begun := false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '!' && i+1 < len(path):
			i++
			b.WriteByte(path[i])
			begun = true
		case c == '/':
			parts = append(parts, b.String())
			b.Reset()
			begun = false
		default:
			b.WriteByte(c)
			begun = true
		}
	}
	if begun {
		parts = append(parts, b.String())
	}
	return parts
}

var escaper = strings.NewReplacer("!", "!!", "/", "!/")

// Join is the text of an inner path.
func Join(steps []value.Step) string {
	parts := make([]string, len(steps))
	for i, s := range steps {
		if parts[i] = escaper.Replace(s.Name); s.Any {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// steps reads the parts of an inner path.
func steps(parts []string) ([]value.Step, error) {
	if len(parts) > MaxSteps {
		return nil, bad("The path has %d elements, more than the bound of %d", len(parts), MaxSteps)
	}
	var path []value.Step
	for _, p := range parts {
		if p == "*" {
			path = append(path, value.Step{Any: true})
		} else {
			path = append(path, value.Step{Name: p})
		}
	}
	if len(path) > 0 && path[len(path)-1].Any {
		return nil, &IllegalArgument{"Path '" + Join(path) + "' must not end with a wildcard"}
	}
	return path, nil
}

// special reads the texts that stand for null and for nothing in a path.
func special(text string) any {
	switch text {
	case "[null]":
		return nil
	case `""`:
		return ""
	}
	return text
}
