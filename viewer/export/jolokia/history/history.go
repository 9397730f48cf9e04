// Package history remembers the values that clients of the Jolokia protocol have read,
// written and got from operations, where they asked for that: the next answers bring the
// values of those before, newest first. It is the memory of one client tool of a
// single value, not grove's history of its nodes.
package history

import (
	"fmt"
	"sync"
	"time"

	"grove/beans"
	"grove/viewer/export/jolokia/value"
)

// The bounds.
const (
	DefaultEntries = 10       // of one value, unless the limit says less
	MostEntries    = 1000     // that the limit of all may be raised to
	MaxLimits      = 1000     // limits, and values remembered
	MaxBytes       = 16 << 20 // JSON of all values; beyond it nothing is remembered
	MaxValue       = 64 << 10 // JSON of one value; a larger one is not remembered
)

// Key says what is remembered: an attribute, with the inner path, or an operation.
type Key struct {
	Name      beans.Name // in a limit it may be a pattern
	Member    string     // attribute or operation
	Operation bool
	Path      string
}

// id is the key of maps: names are equal when their canonical texts are.
type id struct {
	name, member, path string
	operation          bool
}

func (k Key) id() id { return id{k.Name.Canonical(), k.Member, k.Path, k.Operation} }

// Limit is how much is remembered; one that is zero ends it.
type Limit struct {
	Entries int           // 0: as many as the limit of all
	Age     time.Duration // 0: of any age
}

// Store is the memory. New makes one.
type Store struct {
	mu      sync.Mutex // guards all below
	most    int
	limits  map[id]limit
	entries map[id]*entries
	bytes   int
}

type limit struct {
	Key
	Limit
}

type entries struct {
	limit Limit
	list  []entry // newest first
}

type entry struct {
	value value.Raw
	at    int64 // seconds since 1970
}

// New returns an empty memory.
func New() *Store {
	return &Store{most: DefaultEntries, limits: map[id]limit{}, entries: map[id]*entries{}}
}

// SetLimit begins, changes or ends the remembering of what the key says.
func (s *Store) SetLimit(k Key, l Limit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l == (Limit{}) {
		delete(s.limits, k.id())
		for of, e := range s.entries {
			if s.coversLocked(k, of) {
				s.bytes -= e.keep(0)
				delete(s.entries, of)
			}
		}
		return nil
	}
	if l.Entries < 0 || l.Age < 0 {
		return fmt.Errorf("%w: a negative limit", beans.ErrInvalidValue)
	}
	if _, known := s.limits[k.id()]; !known && len(s.limits) >= MaxLimits {
		return fmt.Errorf("%w: there are as many limits as the bound of %d allows", beans.ErrInvalidValue, MaxLimits)
	}
	s.limits[k.id()] = limit{k, l}
	for of, e := range s.entries {
		if s.coversLocked(k, of) {
			e.limit = l
			s.trimLocked(e)
		}
	}
	return nil
}

// coversLocked reports whether a limit is about what the other key says.
func (s *Store) coversLocked(k Key, other id) bool {
	if k.Operation != other.operation || k.Member != other.member || k.Path != other.path {
		return false
	}
	if k.Name.Canonical() == other.name {
		return true
	}
	if !k.Name.IsPattern() {
		return false
	}
	name, err := beans.ParseName(other.name)
	return err == nil && k.Name.Matches(name)
}

// Reset forgets everything, limits too.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.limits)
	clear(s.entries)
	s.bytes = 0
}

// Active reports whether anything is to be remembered.
func (s *Store) Active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.limits) > 0
}

// Most is how many values are remembered of each at most.
func (s *Store) Most() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// SetMost changes it.
func (s *Store) SetMost(n int) error {
	if n < 0 || n > MostEntries {
		return fmt.Errorf("%w: %d entries; from 0 to %d are possible", beans.ErrInvalidValue, n, MostEntries)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = n
	for _, e := range s.entries {
		s.trimLocked(e)
	}
	return nil
}

// Size is the size of all values as JSON, in bytes.
func (s *Store) Size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Add returns the values before, newest first, and remembers the present one, a result
// of value.Options.Serialize. It is nil if this is not to be remembered.
func (s *Store) Add(k Key, present any, now time.Time) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entriesLocked(k)
	if e == nil {
		return nil
	}
	before := make([]any, len(e.list))
	for i, one := range e.list {
		before[i] = value.Object{{Key: "value", Value: one.value}, {Key: "timestamp", Value: one.at}}
	}
	if raw := value.Append(nil, present); len(raw) <= MaxValue && s.bytes+len(raw) <= MaxBytes {
		e.list = append([]entry{{raw, now.Unix()}}, e.list...)
		s.bytes += len(raw)
	}
	s.trimLocked(e)
	return before
}

// entriesLocked returns what is remembered, and begins it where a limit covers it.
func (s *Store) entriesLocked(k Key) *entries {
	if e := s.entries[k.id()]; e != nil {
		return e
	}
	l, ok := s.limits[k.id()]
	if !ok {
		for _, other := range s.limits {
			if other.Name.IsPattern() && s.coversLocked(other.Key, k.id()) {
				l, ok = other, true
				break
			}
		}
	}
	if !ok || len(s.entries) >= MaxLimits {
		return nil
	}
	e := &entries{limit: l.Limit}
	s.entries[k.id()] = e
	return e
}

func (s *Store) trimLocked(e *entries) {
	n := s.most
	if e.limit.Entries > 0 {
		n = min(n, e.limit.Entries)
	}
	n = min(n, len(e.list))
	if age := int64(e.limit.Age / time.Second); age > 0 {
		for n > 0 && e.list[0].at-e.list[n-1].at > age {
			n--
		}
	}
	s.bytes -= e.keep(n)
}

// keep forgets all but the newest n and returns how many bytes that were.
func (e *entries) keep(n int) (bytes int) {
	for _, one := range e.list[n:] {
		bytes += len(one.value)
	}
	clear(e.list[n:])
	e.list = e.list[:n]
	return bytes
}
