package name

import (
	"fmt"
	"strings"
)

// Scheme is where identifiers are unique: a segment of the monitoring architecture of one
// system.
type Scheme struct {
	System  string // see IsSystem
	Segment string // at most MaxPart ASCII characters without blanks
}

// Check says what is wrong with a scheme.
func (s Scheme) Check() error {
	switch {
	case !IsSystem(s.System):
		return fmt.Errorf("system %q: is not three to %d capital letters and digits that begin with a letter", Clip(s.System, 80), MaxSystem)
	case len(s.Segment) > MaxPart || strings.ContainsFunc(s.Segment, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("segment %q: is not at most %d ASCII characters without blanks", Clip(s.Segment, 80), MaxPart)
	}
	return nil
}

// IsSystem says whether a text may name a system.
func IsSystem(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	return len(s) >= 3 && len(s) <= MaxSystem
}
