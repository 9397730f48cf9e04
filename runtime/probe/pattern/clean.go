package pattern

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"grove/tree"
)

// Clean makes the text of an event of what a log holds: valid UTF-8 without control
// characters other than tabs and line ends, as long as a tree keeps.
func Clean(b []byte) string {
	b = bytes.TrimRight(b, "\r\n")
	cut := len(b) > tree.MaxTextBytes
	if cut {
		b = b[:tree.MaxTextBytes-2*len("…")]
		// The last character may have been cut in two.
		for n := 0; n < utf8.UTFMax-1 && len(b) > 0; n++ {
			if r, size := utf8.DecodeLastRune(b); r != utf8.RuneError || size != 1 {
				break
			}
			b = b[:len(b)-1]
		}
	}
	s := string(b)
	if !plain(s) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				return utf8.RuneError
			}
			return r
		}, strings.ToValidUTF8(s, "�"))
		// What was replaced is longer than before.
		if len(s) > tree.MaxTextBytes {
			s, cut = strings.ToValidUTF8(s[:tree.MaxTextBytes-2*len("…")], ""), true
		}
	}
	if cut {
		s += "…"
	}
	return s
}

// plain says whether a text is printable ASCII and tabs, as most lines are.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}
