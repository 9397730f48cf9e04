package mib

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds the text that octets become.
const maxText = 4096

// Text writes octets for people: by the display hint when there is one, as text
// when they are text, as a hardware address ("00:1b:21:0a:ff:02") when they are six,
// and as hexadecimal numbers otherwise. Zero octets at the end of a text are left
// out, as agents written in C send them.
func Text(octets []byte, hint string) string {
	switch {
	case len(octets) == 0:
		return ""
	case hint != "" && hint[len(hint)-1] != 'a' && hint[len(hint)-1] != 't':
		if s, err := Display(octets, hint); err == nil {
			return s
		}
	}
	if len(octets) > maxText {
		octets = octets[:maxText]
		for n := 1; n < utf8.UTFMax && !utf8.Valid(octets) && n < len(octets); n++ {
			octets = octets[:len(octets)-1]
		}
	}
	trimmed := octets
	for len(trimmed) > 0 && trimmed[len(trimmed)-1] == 0 {
		trimmed = trimmed[:len(trimmed)-1]
	}
	switch {
	case printable(trimmed) && (len(trimmed) > 0 || hint != ""):
		return string(trimmed)
	case hint != "" && !utf8.Valid(octets):
		return latin1(trimmed)
	case len(octets) == 6 && hint == "":
		return hex(octets, ":")
	}
	return hex(octets, " ")
}

func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if r != '\n' && r != '\r' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// latin1 reads octets that are meant for people but are not UTF-8 as ISO 8859-1,
// which old devices send.
func latin1(b []byte) string {
	var s strings.Builder
	for _, c := range b[:min(len(b), maxText/2)] { // a letter of it may take two bytes
		if r := rune(c); unicode.IsPrint(r) || r == '\n' || r == '\t' {
			s.WriteRune(r)
		} else {
			s.WriteByte('.')
		}
	}
	return s.String()
}

func hex(b []byte, between string) string {
	const digits = "0123456789abcdef"
	if len(b) > maxText/3 {
		b = b[:maxText/3]
	}
	out := make([]byte, 0, 3*len(b))
	for i, c := range b {
		if i > 0 {
			out = append(out, between...)
		}
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// Display writes octets as a DISPLAY-HINT says. The format is that of RFC 2579
// section 3.1: pieces of an optional "*" (the first octet counts repetitions), a
// length, a letter (x hexadecimal, d decimal, o octal, a ASCII, t UTF-8), and
// optional separator and end of repetition; the last piece is used again while
// octets are left.
func Display(octets []byte, hint string) (string, error) {
	pieces, err := readHint(hint)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for i := 0; len(octets) > 0 && out.Len() < maxText; i++ {
		p := pieces[min(i, len(pieces)-1)]
		times := 1
		if p.repeat {
			times, octets = int(octets[0]), octets[1:]
		}
		for n := range times {
			if len(octets) == 0 {
				break
			}
			length := min(p.length, len(octets))
			chunk := octets[:length]
			octets = octets[length:]
			p.write(&out, chunk)
			last := n == times-1
			switch {
			case len(octets) == 0:
			case last && p.repeat && p.end != 0:
				out.WriteByte(p.end)
			case p.separator != 0:
				out.WriteByte(p.separator)
			}
			if out.Len() > maxText {
				break
			}
		}
		if p.length == 0 && !p.repeat {
			// A piece that takes nothing would be used for ever.
			if i >= len(pieces)-1 {
				break
			}
		}
	}
	s := out.String()
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "."), nil
}

type hintPiece struct {
	repeat         bool
	length         int
	letter         byte
	separator, end byte
}

func (p hintPiece) write(out *strings.Builder, chunk []byte) {
	switch p.letter {
	case 'a', 't':
		if printable(chunk) {
			out.Write(chunk)
		} else {
			out.WriteString(latin1(chunk))
		}
		return
	case 'x':
		for _, c := range chunk {
			fmt.Fprintf(out, "%02x", c)
		}
		return
	}
	if len(chunk) > 8 { // more than a number holds
		out.WriteString(hex(chunk, ""))
		return
	}
	var v uint64
	for _, c := range chunk {
		v = v<<8 | uint64(c)
	}
	base := 10
	if p.letter == 'o' {
		base = 8
	}
	out.WriteString(strconv.FormatUint(v, base))
}

func readHint(hint string) ([]hintPiece, error) {
	var pieces []hintPiece
	for rest := hint; rest != ""; {
		var p hintPiece
		if rest[0] == '*' {
			p.repeat, rest = true, rest[1:]
		}
		digits := 0
		for digits < len(rest) && digits < 5 && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits == len(rest) || !strings.ContainsRune("xdoat", rune(rest[digits])) {
			return nil, fmt.Errorf("cannot read the display hint %q", clip(hint))
		}
		p.length, _ = strconv.Atoi(rest[:digits])
		p.letter, rest = rest[digits], rest[digits+1:]
		mark := func() (c byte) {
			if rest != "" && rest[0] != '*' && (rest[0] < '0' || rest[0] > '9') {
				c, rest = rest[0], rest[1:]
			}
			return c
		}
		p.separator = mark()
		if p.repeat {
			p.end = mark()
		}
		pieces = append(pieces, p)
		if len(pieces) > 32 {
			return nil, fmt.Errorf("the display hint %q has more than 32 pieces", clip(hint))
		}
	}
	if pieces == nil {
		return nil, fmt.Errorf("the display hint is empty")
	}
	return pieces, nil
}

// Decimals returns how many decimals an integer's display hint asks for: 2 for
// "d-2", 0 for "d" and for anything else.
func Decimals(hint string) int {
	if digits, ok := strings.CutPrefix(hint, "d-"); ok {
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && n <= 18 {
			return n
		}
	}
	return 0
}
