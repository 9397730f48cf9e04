package source

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// maxNearest is the length in characters of the longest word that Nearest looks at.
const maxNearest = 64

// Nearest returns the candidate that a mistyped word most likely meant, ignoring
// case: one at a distance of at most a third of the word's length, where a swap of
// two letters counts as one change, or one of which
// the word is the beginning or which is the beginning of the word. The first of
// several that are equally near, in alphabetical order, wins.
func Nearest(word string, candidates []string) (string, bool) {
	w := strings.ToLower(word)
	length := utf8.RuneCountInString(w)
	if length == 0 || length > maxNearest {
		return "", false
	}
	limit := (length + 2) / 3
	if length <= 2 {
		limit = 1
	}
	best, bestScore := "", -1
	for _, candidate := range candidates {
		c := strings.ToLower(candidate)
		n := utf8.RuneCountInString(c)
		if n == 0 || n > maxNearest {
			continue
		}
		score := 2 * levenshtein.ComputeDistance(w, c)
		if swapped(w, c) {
			score = 2
		}
		if score > 2*limit || score >= 2*max(length, n) {
			// Far by letters: only a common beginning counts then.
			if min(length, n) < 3 || !(strings.HasPrefix(c, w) || strings.HasPrefix(w, c)) {
				continue
			}
			score = 2*limit + 1 // behind all that are near by letters
		}
		if bestScore < 0 || score < bestScore || score == bestScore && candidate < best {
			best, bestScore = candidate, score
		}
	}
	return best, bestScore >= 0
}

// swapped tells whether two words differ by two neighbours that changed places.
func swapped(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return i+1 < len(x) && x[i] == y[i+1] && x[i+1] == y[i] && string(x[i+2:]) == string(y[i+2:])
		}
	}
	return false
}

// DidYouMean returns `did you mean "yellow"?` for a mistyped word, or nothing.
func DidYouMean(word string, candidates []string) string {
	if near, ok := Nearest(word, candidates); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
