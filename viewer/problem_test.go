package viewer

import (
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// TestHideSecrets: what is wrong with a body is told without what may be a secret, of
// whatever kind a client sent it.
func TestHideSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		location string
		value    any
		hidden   bool
	}{
		"a password":                   {"body.password", "correct horse", true},
		"a password sent as a number":  {"body.password", 12345678.0, true},
		"a password sent as yes or no": {"body.password", true, true},
		"the current password":         {"body.current", 1.0, true},
		"a whole body":                 {"body", "password=secret", true},
		"an object":                    {"body.grants[0]", map[string]any{"password": "secret"}, true},
		"a list":                       {"body.grants", []any{"secret"}, true},
		"a name":                       {"body.name", "ada", false},
		"a number":                     {"body.limit", 12.0, false},
		"a parameter":                  {"query.limit", "12", false},
	} {
		d := &huma.ErrorDetail{Location: c.location, Value: c.value}
		hideSecrets([]*huma.ErrorDetail{d})
		if hidden := d.Value == nil; hidden != c.hidden {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
