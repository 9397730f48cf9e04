package tree

import (
	"errors"
	"fmt"
)

// Status is the colour of a node. The numbers are those of a CCMS alert value:
// the higher the worse, with white (nothing is known) below green.
type Status uint8

// The four statuses.
const (
	White  Status = iota // no data yet, inactive, stale or link lost
	Green                // as it should be
	Yellow               // a warning
	Red                  // a fault
)

// Statuses lists the four in rising order.
var Statuses = [...]Status{White, Green, Yellow, Red}

var statusNames = [...]string{"white", "green", "yellow", "red"}

// ErrStatus is wrapped by every error about the text of a status.
var ErrStatus = errors.New("unknown status")

// String returns "white", "green", "yellow" or "red".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// ParseStatus reads what String writes.
func ParseStatus(text string) (Status, error) {
	for i, n := range statusNames {
		if n == text {
			return Status(i), nil
		}
	}
	return White, fmt.Errorf("%w %q: green, yellow, red or white", ErrStatus, clip(text))
}

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStatus(string(text))
	return err
}
