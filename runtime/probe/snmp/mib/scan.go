package mib

import (
	"fmt"
	"strings"
)

// Error is a fault in a MIB file.
type Error struct {
	File         string
	Line, Column int // from 1; the column counts bytes
	Message      string
}

// Error writes "FILE:LINE:COLUMN: MESSAGE".
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

type tokenKind uint8

const (
	endOfFile tokenKind = iota
	word                // an identifier or a keyword
	number              // digits, with a minus in front
	quoted              // "text", without its quotes
	literal             // 'FF'H
	mark                // ::= .. and any other character
)

type token struct {
	kind   tokenKind
	text   string
	offset int
}

// scanner cuts the text of a MIB file into tokens.
type scanner struct {
	file   string
	text   string
	offset int
	peeked *token
}

// fault makes an Error at an offset of the text.
func (s *scanner) fault(offset int, format string, args ...any) *Error {
	offset = min(offset, len(s.text))
	before := s.text[:offset]
	return &Error{
		File: s.file, Line: strings.Count(before, "\n") + 1,
		Column:  offset - strings.LastIndexByte(before, '\n'),
		Message: fmt.Sprintf(format, args...),
	}
}

func (s *scanner) peek() token {
	if s.peeked == nil {
		t := s.scan()
		s.peeked = &t
	}
	return *s.peeked
}

func (s *scanner) next() token {
	t := s.peek()
	s.peeked = nil
	return t
}

// take reads the next token when it is the given word or mark.
func (s *scanner) take(text string) bool {
	if t := s.peek(); t.text == text && (t.kind == word || t.kind == mark) {
		s.peeked = nil
		return true
	}
	return false
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// scan cuts the next token. Every call moves on, except at the end of the text.
func (s *scanner) scan() token {
	s.skipSpace()
	start := s.offset
	if start >= len(s.text) {
		return token{offset: start}
	}
	rest := s.text[start:]
	take := func(kind tokenKind, n int) token {
		s.offset += n
		return token{kind, rest[:n], start}
	}
	switch c := rest[0]; {
	case letter(c):
		n := 1
		for n < len(rest) && (letter(rest[n]) || digit(rest[n]) || rest[n] == '_' || rest[n] == '-' && !strings.HasPrefix(rest[n:], "--")) {
			n++
		}
		return take(word, n)
	case digit(c), c == '-' && len(rest) > 1 && digit(rest[1]):
		n := 1
		for n < len(rest) && digit(rest[n]) {
			n++
		}
		return take(number, n)
	case c == '"':
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			end = len(rest) - 2
			s.offset = len(s.text)
			return token{quoted, rest[1:max(1, end+2)], start}
		}
		s.offset += end + 2
		return token{quoted, rest[1 : end+1], start}
	case c == '\'':
		end := strings.IndexByte(rest[1:min(len(rest), 4096)], '\'')
		if end < 0 {
			return take(mark, 1)
		}
		n := end + 2
		if n < len(rest) && letter(rest[n]) {
			n++
		}
		return take(literal, n)
	case strings.HasPrefix(rest, "::="):
		return take(mark, 3)
	case strings.HasPrefix(rest, ".."):
		return take(mark, 2)
	}
	return take(mark, 1)
}

// skipSpace passes over space and comments. A comment ends with its line: a second
// "--" ends it by the letter of ASN.1, but rulers of hyphens are what people write.
func (s *scanner) skipSpace() {
	for s.offset < len(s.text) {
		switch c := s.text[s.offset]; {
		case c <= ' ' || c == 0xef || c == 0xbb || c == 0xbf: // a byte order mark counts as space
			s.offset++
		case c == '-' && strings.HasPrefix(s.text[s.offset:], "--"):
			if end := strings.IndexByte(s.text[s.offset:], '\n'); end >= 0 {
				s.offset += end
			} else {
				s.offset = len(s.text)
			}
		default:
			return
		}
	}
}
