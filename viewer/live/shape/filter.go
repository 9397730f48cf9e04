package shape

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"grove/tree"
)

// Bounds of a filter.
const (
	MaxTextBytes = 1024 // of the text of a filter
	MaxWords     = 30   // of a text that count: each is a bit
	MaxMatches   = 5000 // nodes that match and show
)

// ErrFilter is wrapped by every error about a filter.
var ErrFilter = errors.New("malformed filter")

// Filter says which nodes match. A text matches a node when each of its words is in the
// node's path and at least one of them in its own name, so that "web1 cpu" finds the CPU
// of web1; upper and lower case are alike. A choice of statuses matches attributes only,
// since a group has its status from them. The zero Filter is off.
type Filter struct {
	words    []string // lower case
	statuses [4]bool  // by tree.Status; all false: any
	byStatus bool
}

// NewFilter makes a filter of a text and a choice of statuses, each of which may be
// empty.
func NewFilter(text string, statuses []tree.Status) (Filter, error) {
	var f Filter
	if len(text) > MaxTextBytes {
		return f, fmt.Errorf("%w: the text is longer than %d bytes", ErrFilter, MaxTextBytes)
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == '/' || r <= ' ' || r == 0xa0 })
	slices.Sort(words)
	f.words = slices.Compact(words)
	if len(f.words) > MaxWords {
		return Filter{}, fmt.Errorf("%w: the text has more than %d words", ErrFilter, MaxWords)
	}
	for _, s := range statuses {
		f.statuses[s&3], f.byStatus = true, true
	}
	return f, nil
}

// IsOn says whether the filter leaves anything out.
func (f Filter) IsOn() bool { return f.byStatus || len(f.words) > 0 }

// String is the same for filters that match the same.
func (f Filter) String() string {
	text := strings.Join(f.words, " ")
	if f.byStatus {
		for s, on := range f.statuses {
			if on {
				text += "\n" + tree.Status(s).String()
			}
		}
	}
	return text
}

// wordsIn returns a bit for each word that is in a name.
func (f Filter) wordsIn(name string) (bits uint32) {
	if len(f.words) == 0 {
		return 0
	}
	ascii := true
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if !ascii {
		name = strings.ToLower(name)
	}
	for k, w := range f.words {
		if containsLower(name, w) {
			bits |= 1 << k
		}
	}
	return bits
}

// containsLower says whether the name, its ASCII letters taken as lower case, contains a
// word that is lower case.
func containsLower(name, word string) bool {
	first := word[0]
	for i := 0; i+len(word) <= len(name); i++ {
		if lower(name[i]) != first {
			continue
		}
		k := 1
		for k < len(word) && lower(name[i+k]) == word[k] {
			k++
		}
		if k == len(word) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// matchesText says whether a node matches by its words: those in its path, itself
// included, and those in its own name.
func (f Filter) matchesText(path, own uint32) bool {
	return path == 1<<len(f.words)-1 && (own != 0 || f.byStatus)
}
