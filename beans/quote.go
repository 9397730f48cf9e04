package beans

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Quote returns any text as a quoted property value, as ObjectName.quote does:
// in quotes, with a backslash before quote, asterisk, question mark and
// backslash, and \n for a newline.
func Quote(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 2)
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; c {
		case '"', '*', '?', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Unquote is the inverse of [Quote]. A text that Quote cannot have made is an
// error that wraps [ErrMalformedName].
func Unquote(quoted string) (string, error) {
	malformed := func(why string) (string, error) {
		return "", fmt.Errorf("unquote %s: %w: %s", strconv.Quote(clip(quoted)), ErrMalformedName, why)
	}
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return malformed("it does not stand in quotes")
	}
	var b strings.Builder
	inner := quoted[1 : len(quoted)-1]
	b.Grow(len(inner))
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; c {
		case '"', '*', '?', '\n':
			return malformed(strconv.QuoteRune(rune(c)) + " without a backslash")
		case '\\':
			if i++; i == len(inner) {
				return malformed("a backslash at the end")
			}
			switch c := inner[i]; c {
			case 'n':
				b.WriteByte('\n')
			case '\\', '"', '*', '?':
				b.WriteByte(c)
			default:
				return malformed(`a backslash without one of \ n " ? * after it`)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// PropertyValue returns text as a property value that is no pattern: as it is
// where that can stand unquoted, else as Quote does. [Name.Text] is the inverse.
func PropertyValue(text string) string {
	if strings.ContainsAny(text, ",=:\"\n*?") {
		return Quote(text)
	}
	return text
}

// glob reports whether text matches a pattern of * (any run of characters) and
// ? (one character). It takes time in proportion to both lengths multiplied.
func glob(pattern, text string) bool { return globBytes(pattern, text, false) }

// globValue is glob for property values: in a quoted pattern a backslash and
// what follows stand for themselves, so that \* matches the \* of a quoted name.
func globValue(pattern, text string) bool {
	return globBytes(pattern, text, strings.HasPrefix(pattern, `"`))
}

func globBytes(pattern, text string, escapes bool) bool {
	p, t := 0, 0
	star, resume := -1, 0 // the last asterisk and the text that it began with
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
			continue
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(text[t:])
			p++
			t += size
			continue
		case escapes && p+1 < len(pattern) && pattern[p] == '\\':
			if t+1 < len(text) && text[t] == '\\' && text[t+1] == pattern[p+1] {
				p += 2
				t += 2
				continue
			}
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
			continue
		}
		if star < 0 {
			return false
		}
		_, size := utf8.DecodeRuneInString(text[resume:])
		resume += size
		p, t = star+1, resume
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
