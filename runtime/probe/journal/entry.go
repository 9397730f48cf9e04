package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"grove/runtime/probe/pattern"
	"grove/tree"
)

// Bounds of what one run reads.
const (
	maxEntry   = 1 << 20 // bytes of an entry; a longer one is left out
	maxEntries = 20_000
	maxBytes   = 32 << 20
)

// fields are what texts of events may hold, by their names in the journal; see
// systemd.journal-fields(7).
var fields = map[string]string{
	"unit": "_SYSTEMD_UNIT", "identifier": "SYSLOG_IDENTIFIER", "host": "_HOSTNAME", "pid": "_PID", "priority": "PRIORITY",
}

var fieldNames = []string{"unit", "identifier", "host", "pid", "priority"}

// outputFields is what journalctl is asked for.
const outputFields = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_HOSTNAME,_PID"

// entry is what journalctl prints of one, as JSON.
type entry map[string]json.RawMessage

// text is a field: a text, an array of bytes where it is no UTF-8, or an array of several
// of these; null when it was too long.
func (e entry) text(name string) []byte {
	raw := e[name]
	if len(raw) == 0 {
		return nil
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return []byte(s)
		}
	case '[':
		var numbers []uint8wide
		if json.Unmarshal(raw, &numbers) == nil {
			b := make([]byte, len(numbers))
			for i, n := range numbers {
				b[i] = byte(n)
			}
			return b
		}
		var several []json.RawMessage
		if json.Unmarshal(raw, &several) == nil && len(several) > 0 && len(several[0]) > 0 && several[0][0] != '[' {
			return entry{name: several[0]}.text(name)
		}
	}
	return nil
}

// uint8wide reads a byte as a number: encoding/json takes []byte for base64.
type uint8wide uint16

// record makes a record of an entry.
func (e entry) record() pattern.Record {
	r := pattern.Record{Text: e.text("MESSAGE"), Field: func(name string) string { return string(e.text(fields[name])) }}
	if n, err := strconv.Atoi(string(e.text("PRIORITY"))); err == nil && n >= 0 && n < len(pattern.Severities) {
		r.Status = pattern.StatusOfSeverity(n)
	} else {
		r.Status = tree.White
	}
	if us, err := strconv.ParseInt(string(e.text("__REALTIME_TIMESTAMP")), 10, 64); err == nil && us > 0 {
		r.Time = time.UnixMicro(us)
	}
	return r
}

// errEnough ends journalctl when a run has read enough.
var errEnough = errors.New("enough for one run")

// reader takes what journalctl prints: one entry a line.
type reader struct {
	take    func(entry)
	most    int // entries
	rest    []byte
	skip    bool // the line was too long
	entries int
	bytes   int
}

// Write implements io.Writer.
func (r *reader) Write(p []byte) (int, error) {
	n := len(p)
	r.bytes += n
	for len(p) > 0 {
		line, after, whole := bytes.Cut(p, []byte("\n"))
		p = after
		if !r.skip {
			r.rest = append(r.rest, line...)
		}
		if len(r.rest) > maxEntry {
			r.rest, r.skip = r.rest[:0], true
		}
		if !whole {
			break
		}
		if !r.skip && len(r.rest) > 0 {
			var e entry
			if json.Unmarshal(r.rest, &e) == nil {
				r.entries++
				r.take(e)
			}
		}
		r.rest, r.skip = r.rest[:0], false
		if r.entries >= r.most || r.bytes >= maxBytes {
			return 0, errEnough
		}
	}
	return n, nil
}
