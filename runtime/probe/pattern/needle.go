package pattern

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// needle is a text that is searched for before a regular expression is tried: finding
// bytes is twenty to a hundred times quicker.
type needle struct {
	text []byte // in lower case when fold
	fold bool   // ASCII letters in either case
	rare int    // index of the byte of text that logs hold least often
}

const (
	maxNeedles = 16 // of one rule
	minNeedle  = 2  // bytes; shorter ones are in nearly every line
)

// needlesOf returns texts of which at least one is in everything that fits an
// expression; none when there are no such texts. Literal says that a line with one of
// them fits.
func needlesOf(expression string) (needles []needle, literal bool) {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, false
	}
	re = re.Simplify()
	needles = required(re)
	if slices.ContainsFunc(needles, func(n needle) bool { return len(n.text) < minNeedle }) {
		return nil, false
	}
	literal = len(needles) == 1 && re.Op == syntax.OpLiteral && !needles[0].fold && !bytes.ContainsAny(needles[0].text, "\r\n")
	return needles, literal
}

// required walks an expression; nil: nothing is known to be in it.
func required(re *syntax.Regexp) []needle {
	switch re.Op {
	case syntax.OpLiteral:
		return literalNeedle(re)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []needle
		for _, sub := range re.Sub {
			if found := required(sub); better(found, best) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all []needle
		for _, sub := range re.Sub {
			found := required(sub)
			if found == nil {
				return nil
			}
			all = append(all, found...)
		}
		if len(all) <= maxNeedles {
			return all
		}
	}
	return nil
}

// better says whether one set of needles lets fewer lines pass than another.
func better(a, b []needle) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) > 0
	}
	worth := func(set []needle) int {
		least := set[0].worth()
		for _, n := range set[1:] {
			least = min(least, n.worth())
		}
		return least*4 - len(set)
	}
	return worth(a) > worth(b)
}

func (n needle) worth() int {
	if n.fold {
		return len(n.text) - 1 // it takes more time
	}
	return len(n.text)
}

// literalNeedle makes a needle of a literal. Where case counts for nothing, the letters k
// and s also fit two letters outside of ASCII, and what else is outside may have several
// cases: the longest piece between those is taken.
func literalNeedle(re *syntax.Regexp) []needle {
	text := string(re.Rune)
	if !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) {
		return nil // a broken byte of a line fits U+FFFD
	}
	if re.Flags&syntax.FoldCase == 0 {
		return []needle{newNeedle(text, false)}
	}
	best := ""
	for _, part := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r >= utf8.RuneSelf || r == 'k' || r == 's' }) {
		if len(part) > len(best) {
			best = part
		}
	}
	if best == "" {
		return nil
	}
	return []needle{newNeedle(best, true)}
}

func newNeedle(text string, fold bool) needle {
	n := needle{text: []byte(text), fold: fold}
	for i, c := range n.text {
		if rarity(c) > rarity(n.text[n.rare]) {
			n.rare = i
		}
	}
	return n
}

// rarity ranks bytes by how seldom they are in the lines of logs: upper case counts for
// little there, so it is the rank of letters in English, and symbols before digits.
func rarity(c byte) int {
	const common = " etaoinsrhldcumfpgwybvkxjqz"
	if i := strings.IndexByte(common, c); i >= 0 {
		return i
	}
	if c >= '0' && c <= '9' || strings.IndexByte(".:-/", c) >= 0 {
		return 3
	}
	return len(common)
}

// index finds the needle; -1 when it is not there.
func (n *needle) index(b []byte) int {
	if !n.fold {
		return n.exact(b)
	}
	lower := n.text[n.rare]
	upper := lower
	if lower >= 'a' && lower <= 'z' {
		upper -= 'a' - 'A'
	}
	// The next place of each case, from the rare byte's point of view.
	at, last := n.rare, len(b)-(len(n.text)-n.rare-1)
	nextLower, nextUpper := -1, -1
	for at < last {
		if nextLower < at {
			nextLower = following(b[:last], at, lower)
		}
		if nextUpper < at {
			nextUpper = nextLower
			if upper != lower {
				nextUpper = following(b[:last], at, upper)
			}
		}
		at = min(nextLower, nextUpper)
		if at >= last {
			return -1
		}
		if start := at - n.rare; equalFold(b[start:start+len(n.text)], n.text) {
			return start
		}
		at++
	}
	return -1
}

// exact finds the needle as it stands by its rarest byte.
func (n *needle) exact(b []byte) int {
	rare, end := n.text[n.rare], len(b)-(len(n.text)-n.rare-1)
	for at := n.rare; at < end; at++ {
		i := bytes.IndexByte(b[at:end], rare)
		if i < 0 {
			return -1
		}
		at += i
		if start := at - n.rare; string(b[start:start+len(n.text)]) == string(n.text) {
			return start
		}
	}
	return -1
}

// following is the next place of c from a place on; the length of b when there is none.
func following(b []byte, from int, c byte) int {
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// equalFold compares ASCII; lower is in lower case.
func equalFold(b, lower []byte) bool {
	for i, want := range lower {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != want {
			return false
		}
	}
	return true
}
