package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// Kinds of messages.
const (
	kindBegin = "record.begin"
	kindAfter = "record.after"
	kindNews  = "record.news"
)

// Bounds of a message.
const (
	// MaxBatch is how many entries one answer has.
	MaxBatch = 512
	// maxBytes is how long they may be: the last may take an answer beyond it, with a text
	// and a value of tree.MaxTextBytes in escapes.
	maxBytes = 256 << 10
	// maxScanned is how many entries are looked at for one answer, since of some followers
	// may not see much.
	maxScanned = 4096
	// MaxChain is on behalf of how many managers may be asked.
	MaxChain = 4096
)

// begin is the question of who wants to follow.
type begin struct {
	Chain []peer.ID `json:"chain,omitempty"` // of those on whose behalf it is asked
	// From is of when the oldest entries of the past may be, Unix milliseconds.
	From int64 `json:"from"`
}

// begun is the answer to it.
type begun struct {
	Token  string `json:"token"`
	Start  int64  `json:"start"`  // the number before the first
	Missed int64  `json:"missed"` // entries since From that are beyond the bounds
}

// after is the question for more.
type after struct {
	Token string    `json:"token"`
	Chain []peer.ID `json:"chain,omitempty"`
	After int64     `json:"after"`
	To    int64     `json:"to,omitempty"` // the last number that is wanted; zero is no bound
	Limit int       `json:"limit"`
	Mark  int64     `json:"mark"` // up to this the asker has everything
}

// batch is the answer to it: all entries with numbers after the asked one up to To that the
// asker may see.
type batch struct {
	To      int64      `json:"to"`
	Last    int64      `json:"last"`   // number that was given
	Newest  int64      `json:"newest"` // time of all that have numbers, Unix milliseconds
	Missed  int64      `json:"missed,omitempty"`
	Entries []numbered `json:"entries"`
}

// news is what wakes a follower.
type news struct {
	Last int64 `json:"last"`
}

// numbered is an entry with its number.
type numbered struct {
	Number int64 `json:"n"`
	Line
}

// Line is an entry of a journal as it is written in messages. Its path is that at the
// manager that writes it.
type Line struct {
	ID    journal.ID  `json:"i"`
	Path  tree.Path   `json:"p"`
	Kind  uint8       `json:"k"` // by the number of journal.Kind
	From  tree.Status `json:"f"`
	To    tree.Status `json:"s"`
	Value *lineValue  `json:"v,omitempty"`
	Text  string      `json:"t,omitempty"`
}

// lineValue is a value: a number in the shortest text that reads back as the same, or a text.
type lineValue struct {
	Number string `json:"n,omitempty"`
	Text   string `json:"t,omitempty"`
}

// LineOf writes an entry.
func LineOf(e *journal.Entry) Line {
	l := Line{ID: e.ID, Path: e.Path, Kind: uint8(e.Kind), From: e.From, To: e.To, Text: e.Text}
	if _, ok := e.Value.Number(); ok {
		l.Value = &lineValue{Number: e.Value.String()}
	} else if s, ok := e.Value.Text(); ok {
		l.Value = &lineValue{Text: s}
	}
	return l
}

// Entry reads a line from outside: bounded, and with the number and the time that it has over
// there.
func (l *Line) Entry() (journal.Entry, error) {
	e := journal.Entry{ID: l.ID, Time: l.ID.Time(), Path: l.Path, Kind: journal.Kind(l.Kind), From: l.From, To: l.To, Text: clip(l.Text)}
	switch {
	case l.ID <= 0:
		return e, fmt.Errorf("an entry of %s has the number %d, which is not above zero", l.Path, l.ID)
	case !slices.Contains(journal.Kinds, e.Kind):
		return e, fmt.Errorf("an entry of %s has the unknown kind %d", l.Path, l.Kind)
	case e.From > tree.Red || e.To > tree.Red:
		return e, fmt.Errorf("an entry of %s has an unknown status, %d or %d", l.Path, e.From, e.To)
	}
	switch v := l.Value; {
	case v == nil:
	case v.Number != "":
		n, err := strconv.ParseFloat(v.Number, 64)
		if err != nil && !math.IsInf(n, 0) {
			return e, fmt.Errorf("an entry of %s has the value %.40q, which is no number", l.Path, v.Number)
		}
		e.Value = tree.Number(n)
	default:
		e.Value = tree.Text(clip(v.Text))
	}
	return e, nil
}

// clip bounds a text from outside.
func clip(s string) string {
	s = store.Clean(s)
	if len(s) <= tree.MaxTextBytes {
		return s
	}
	return store.Clean(s[:tree.MaxTextBytes-len("…")]) + "…"
}

// checkChain bounds the chain of a question.
func checkChain(chain []peer.ID) error {
	if len(chain) > MaxChain {
		return peer.Refuse(peer.Invalid, "a question is asked on behalf of %d managers at most, not %d", MaxChain, len(chain))
	}
	for _, id := range chain {
		if err := id.Check(); err != nil {
			return peer.Refuse(peer.Invalid, "%v", err)
		}
	}
	return nil
}

// decodeBatch reads an answer, and leaves out entries that make no sense: refused counts
// them. What is said of the numbers must fit the question.
func decodeBatch(body []byte, q *after) (b batch, refused int, err error) {
	var raw struct {
		batch
		Entries []json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return b, 0, fmt.Errorf("the answer to %s makes no sense: %w", kindAfter, err)
	}
	b = raw.batch
	b.Entries = nil
	switch {
	case b.To < q.After || q.To > 0 && b.To > q.To || b.To > b.Last && b.To > q.After:
		return b, 0, fmt.Errorf("the answer to %s goes up to number %d: %d were asked for, up to %d, of %d", kindAfter, b.To, q.After, q.To, b.Last)
	case b.Missed < 0 || b.Missed > b.To-q.After:
		return b, 0, fmt.Errorf("the answer to %s has missed %d of %d entries", kindAfter, b.Missed, b.To-q.After)
	case len(raw.Entries) > MaxBatch:
		return b, 0, fmt.Errorf("the answer to %s has %d entries, which is more than the bound of %d", kindAfter, len(raw.Entries), MaxBatch)
	}
	last := q.After
	for _, text := range raw.Entries {
		var n numbered
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&n); err != nil {
			refused++
			continue
		}
		if n.Number <= last || n.Number > b.To {
			return batch{}, 0, fmt.Errorf("the answer to %s has the number %d after %d, up to %d", kindAfter, n.Number, last, b.To)
		}
		last = n.Number
		if _, err := n.Entry(); err != nil {
			refused++
			continue
		}
		b.Entries = append(b.Entries, n)
	}
	return b, refused, nil
}

// milliseconds is a time in the messages and in the tables.
func milliseconds(t time.Time) int64 { return t.UnixMilli() }
