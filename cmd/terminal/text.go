package terminal

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
)

// width is how many columns a text takes.
func width(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return lipgloss.Width(s)
		}
	}
	return len(s)
}

// cut shortens a text to so many columns, and says by more that it did.
func cut(s string, columns int, more string) string {
	if columns <= 0 {
		return ""
	}
	if width(s) <= columns {
		return s
	}
	var b strings.Builder
	used := width(more)
	if used > columns {
		return ""
	}
	for _, r := range s {
		w := width(string(r))
		if used+w > columns {
			break
		}
		used += w
		b.WriteRune(r)
	}
	return b.String() + more
}

// left and right fill a text up to so many columns, or cut it.
func left(s string, columns int, more string) string {
	s = cut(s, columns, more)
	return s + strings.Repeat(" ", max(columns-width(s), 0))
}

func right(s string, columns int, more string) string {
	s = cut(s, columns, more)
	return strings.Repeat(" ", max(columns-width(s), 0)) + s
}

// wrap breaks a text into lines of so many columns at most, at spaces where it can.
func wrap(s string, columns int) (lines []string) {
	if columns < 1 {
		return nil
	}
	for line := range strings.SplitSeq(s, "\n") {
		current := ""
		for word := range strings.FieldsSeq(line) {
			for width(word) > columns { // a path, say
				room := columns
				if current != "" {
					lines, current = append(lines, current), ""
				}
				head := cut(word, room, "")
				if head == "" {
					break
				}
				lines, word = append(lines, head), word[len(head):]
			}
			switch {
			case current == "":
				current = word
			case width(current)+1+width(word) <= columns:
				current += " " + word
			default:
				lines, current = append(lines, current), word
			}
		}
		lines = append(lines, current)
	}
	return lines
}

// safe makes text from outside harmless on a terminal, on one line: control characters
// and those that change the direction of writing are shown as their code, and in ASCII
// everything else as well.
func safe(s string, ascii bool) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar || ascii && r > unicode.MaxASCII
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !bad(r):
			b.WriteRune(r)
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case ascii && unicode.IsPrint(r):
			b.WriteByte('?')
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// age writes how long ago something was, in two units at most: "3s", "5m", "2h", "4d".
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// counted writes a number of things with separators: "12,345".
func counted(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
