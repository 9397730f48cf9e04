package document

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crypto/sha256"
	"encoding/hex"

	"grove/runtime/probe"
	"grove/runtime/probe/extract"
	"grove/tree"
)

// maxEvents bounds the changes of one reading that are told one by one.
const maxEvents = 100

// state is what is remembered of a document to tell what changed.
type state struct {
	Sum  string            `json:"sum"`            // SHA-256 of its bytes
	Keys map[string]string `json:"keys,omitempty"` // a short hash of each value by its path
}

// stateOf sums up a document. One of too many values is compared as a whole.
func stateOf(sum string, d document) *state {
	s := &state{Sum: sum, Keys: map[string]string{}}
	d.leaves(func(path, value string) bool {
		short := sha256.Sum256([]byte(value))
		s.Keys[extract.Clean(path, 200)] = hex.EncodeToString(short[:6])
		if len(s.Keys) > maxLeaves {
			s.Keys = nil
			return false
		}
		return true
	})
	return s
}

// changes says what differs, by path. Values are not told: they may be secrets.
func (s *state) changes(before *state) []string {
	if s.Sum == before.Sum {
		return nil
	}
	if s.Keys == nil || before.Keys == nil {
		return []string{"changed: the document"}
	}
	var lines []string
	for _, key := range sortedKeys(s.Keys) {
		old, there := before.Keys[key]
		switch {
		case !there:
			lines = append(lines, "added: "+key)
		case old != s.Keys[key]:
			lines = append(lines, "changed: "+key)
		}
	}
	for _, key := range sortedKeys(before.Keys) {
		if _, there := s.Keys[key]; !there {
			lines = append(lines, "removed: "+key)
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "changed: spaces, comments or the order alone")
	}
	if len(lines) > maxEvents {
		more := len(lines) - maxEvents
		lines = append(slices.Clip(lines[:maxEvents]), fmt.Sprintf("and %d more", more))
	}
	return lines
}

// events makes of what differs the reading of the attribute changes.
func events(lines []string, at time.Time) probe.Value {
	v := probe.Value{Attribute: attributeChanges}
	for _, line := range lines {
		v.Events = append(v.Events, tree.Event{Time: at, Status: tree.White, Text: line})
	}
	return v
}

// memory is what is kept over a restart: without the keys when they are too many.
func (s *state) memory() []byte {
	if s == nil {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil || len(b) > probe.MaxMemory {
		b, err = json.Marshal(state{Sum: s.Sum})
	}
	if err != nil {
		return nil
	}
	return b
}

func recall(memory []byte) *state {
	var s state
	if json.Unmarshal(memory, &s) != nil || len(s.Sum) != 2*sha256.Size || strings.Trim(s.Sum, "0123456789abcdef") != "" {
		return nil
	}
	return &s
}
