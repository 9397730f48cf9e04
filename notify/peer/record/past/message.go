package past

import (
	"encoding/json"
	"fmt"
	"regexp"

	"grove/notify/peer"
	"grove/notify/peer/record"
	"grove/notify/peer/record/sample"
	"grove/tree/store/journal"
)

// Kinds of messages.
const (
	kindStays    = "record.stays"
	kindEntries  = "record.entries"
	kindReadings = "record.readings"
)

// Bounds of a message.
const (
	// maxStays is how many stays one answer has.
	maxStays = 64
	// maxBytes is how long entries of an answer may be: the last may take it beyond that.
	maxBytes = 256 << 10
	// maxScanned is how many entries are looked at for one answer.
	maxScanned = 4096
	// maxTime is the latest time, Unix milliseconds: that of the journal's numbers.
	maxTime = 1<<43 - 1
	// maxName bounds the name of a device, bytes.
	maxName = 64
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// check says what is wrong with a device.
func (d Device) check() error {
	if err := d.Owner.Check(); err != nil {
		return peer.Refuse(peer.Invalid, "owner of a device: %v", err)
	}
	if len(d.Name) > maxName || !nameForm.MatchString(d.Name) {
		return peer.Refuse(peer.Invalid, "%.80q is not the name of a device: 1 to %d letters, digits, dots, - and _", d.Name, maxName)
	}
	return nil
}

// staysQuestion asks for the stays of a device that ended after a time.
type staysQuestion struct {
	Device Device `json:"device"`
	After  int64  `json:"after"`
}

// staysAnswer are they, the oldest first.
type staysAnswer struct {
	Stays []Stay `json:"stays"`
	More  bool   `json:"more,omitempty"`  // there are more
	Open  bool   `json:"open,omitempty"`  // the asked manager watches it, as far as it knows
	Since int64  `json:"since,omitempty"` // when the stay began that is not over
	Now   int64  `json:"now"`             // by its clock, Unix milliseconds
}

// entriesQuestion asks for entries of the stay that begins at a time, with numbers above one.
type entriesQuestion struct {
	Device Device     `json:"device"`
	Begins int64      `json:"begins"`
	After  journal.ID `json:"after"`
}

// entriesAnswer has all up to a number; their paths are below the device.
type entriesAnswer struct {
	To      journal.ID    `json:"to"`
	Entries []record.Line `json:"entries"`
}

// readingsQuestion asks for readings of a stay, of nodes by their paths below the device.
type readingsQuestion struct {
	Device   Device          `json:"device"`
	Begins   int64           `json:"begins"`
	Question sample.Question `json:"question"`
}

// parse reads a question.
func parse[Q any](kind string, body []byte, device func(*Q) Device) (q Q, err error) {
	if err := json.Unmarshal(body, &q); err != nil {
		return q, peer.Refuse(peer.Invalid, "%s: %v", kind, err)
	}
	return q, device(&q).check()
}

// parseStays reads an answer about stays, which must be in order and after what was asked for.
func parseStays(body []byte, q *staysQuestion) (a staysAnswer, err error) {
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("the answer to %s makes no sense: %w", kindStays, err)
	}
	if a.Now < 0 || a.Now > maxTime || a.Since < 0 || a.Since > maxTime {
		return a, fmt.Errorf("the answer to %s is of the time %d", kindStays, a.Now)
	}
	if len(a.Stays) > maxStays {
		return a, fmt.Errorf("the answer to %s has %d stays, more than %d", kindStays, len(a.Stays), maxStays)
	}
	last := q.After
	for i := range a.Stays {
		s := &a.Stays[i]
		if s.Begins < 0 || s.Ends <= s.Begins || s.Ends <= last || s.Ends > maxTime || i > 0 && s.Begins < a.Stays[i-1].Ends {
			return a, fmt.Errorf("the answer to %s has a stay from %d to %d, after %d", kindStays, s.Begins, s.Ends, last)
		}
		if s.From != "" {
			if err := s.From.Check(); err != nil {
				return a, fmt.Errorf("the answer to %s makes no sense: %w", kindStays, err)
			}
		}
		last = s.Ends
	}
	return a, nil
}

// parseEntries reads an answer about entries of a stay: those that make no sense are left
// out, and counted. Numbers must rise, and lie within the stay.
func parseEntries(body []byte, s *Stay, after journal.ID) (to journal.ID, entries []journal.Entry, refused int, err error) {
	fail := func(format string, args ...any) (journal.ID, []journal.Entry, int, error) {
		return 0, nil, 0, fmt.Errorf("the answer to %s makes no sense: %w", kindEntries, fmt.Errorf(format, args...))
	}
	var a struct {
		To      journal.ID        `json:"to"`
		Entries []json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return fail("%w", err)
	}
	if low, high := s.numbers(); a.To <= after || a.To < low-1 || a.To >= high {
		return fail("it goes up to number %d, after %d in a stay up to %d", a.To, after, high)
	}
	if len(a.Entries) > record.MaxBatch {
		return fail("it has %d entries, more than %d", len(a.Entries), record.MaxBatch)
	}
	for _, text := range a.Entries {
		var line record.Line
		if json.Unmarshal(text, &line) != nil {
			refused++
			continue
		}
		e, err := line.Entry()
		if err != nil || !told(e.Kind) || e.ID <= after || e.ID > a.To {
			refused++
			continue
		}
		after = e.ID
		entries = append(entries, e)
	}
	return a.To, entries, refused, nil
}

// told says which kinds of entries are of a device, and not of its manager.
func told(k journal.Kind) bool {
	return k == journal.Status || k == journal.Event || k == journal.Alert || k == journal.Tuning
}
