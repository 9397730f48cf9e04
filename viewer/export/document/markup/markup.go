// Package markup writes XML and HTML in which no text can become markup.
//
// Whatever is written as text or as the value of an attribute is cleaned ([Clean]) and
// escaped; names of elements and attributes are written in the program. A [Writer] keeps
// nothing but the names of the elements that are open, so that a document of any size
// streams through it.
package markup

import (
	"bufio"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Writer writes one document. Its methods may not be called from several goroutines.
// The first error of the underlying writer is kept for Finish; what follows it is lost.
type Writer struct {
	w      *bufio.Writer
	html   bool
	names  []string // of the open elements
	inTag  bool     // a start tag lacks its ">"
	inText bool     // the open element has text, so that no line is broken in it
}

// bufferBytes is what is gathered before it goes to the underlying writer.
const bufferBytes = 32 << 10

// XML returns a writer of XML 1.0 in UTF-8, and writes the declaration.
func XML(w io.Writer) *Writer {
	x := &Writer{w: bufio.NewWriterSize(w, bufferBytes)}
	return x.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
}

// HTML returns a writer of HTML, and writes the document type.
func HTML(w io.Writer) *Writer {
	x := &Writer{w: bufio.NewWriterSize(w, bufferBytes), html: true}
	return x.raw("<!DOCTYPE html>\n")
}

// Instruction writes a processing instruction of XML; name and data are the program's.
func (w *Writer) Instruction(name, data string) *Writer {
	return w.raw("\n<?").raw(name).raw(" ").raw(data).raw("?>")
}

// Start begins an element. The attributes are pairs of a name and a value, and more may
// follow by Attr.
func (w *Writer) Start(name string, attributes ...string) *Writer {
	w.closeTag()
	if !w.html && !w.inText {
		w.line(len(w.names))
	}
	w.names = append(w.names, name)
	w.inTag, w.inText = true, false
	w.raw("<").raw(name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.Attr(attributes[i], attributes[i+1])
	}
	return w
}

// Attr gives the element that was just begun an attribute.
func (w *Writer) Attr(name, value string) *Writer {
	w.raw(" ").raw(name).raw(`="`)
	w.escape(value, true)
	return w.raw(`"`)
}

// Text writes text into the open element.
func (w *Writer) Text(text string) *Writer {
	w.closeTag()
	w.inText = true
	w.escape(text, false)
	return w
}

// Line breaks the line, for people who read the source; only where space means nothing.
func (w *Writer) Line() *Writer {
	w.closeTag()
	return w.raw("\n")
}

// voids are the elements of HTML that have no end (HTML, 13.1.2), as far as they are used.
var voids = map[string]bool{"meta": true, "link": true, "br": true, "col": true}

// End ends the innermost element.
func (w *Writer) End() *Writer {
	last := len(w.names) - 1
	name := w.names[last]
	w.names = w.names[:last]
	switch {
	case w.inTag && w.html && voids[name]:
		w.raw(">")
	case w.inTag && !w.html:
		w.raw("/>")
	default:
		w.closeTag()
		if !w.html && !w.inText {
			w.line(last)
		}
		w.raw("</").raw(name).raw(">")
	}
	w.inTag, w.inText = false, false
	return w
}

// Element writes an element that holds a text.
func (w *Writer) Element(name, text string, attributes ...string) *Writer {
	w.Start(name, attributes...)
	if text != "" {
		w.Text(text)
	}
	return w.End()
}

// Fixed writes markup that stands in the program, such as a style sheet.
func (w *Writer) Fixed(markup string) *Writer {
	w.closeTag()
	w.inText = true
	return w.raw(markup)
}

// Finish ends what is open, writes out what is gathered, and returns the first error.
func (w *Writer) Finish() error {
	for len(w.names) > 0 {
		w.End()
	}
	w.raw("\n")
	return w.w.Flush()
}

func (w *Writer) closeTag() {
	if w.inTag {
		w.raw(">")
		w.inTag = false
	}
}

const spaces = "\n                                "

func (w *Writer) line(depth int) { w.raw(spaces[:1+min(2*depth, len(spaces)-1)]) }

// raw writes what is markup already. The buffer keeps the error.
func (w *Writer) raw(s string) *Writer {
	_, _ = w.w.WriteString(s)
	return w
}

// escape writes a text. In attributes tabs and line ends are written as references,
// since a parser makes spaces of them otherwise (XML 1.0, 3.3.3), and in texts the
// carriage return is, since it would become a line feed (2.11).
func (w *Writer) escape(s string, attribute bool) {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		size, with := 1, ""
		switch {
		case c == '&':
			with = "&amp;"
		case c == '<':
			with = "&lt;"
		case c == '>':
			with = "&gt;"
		case c == '"':
			with = "&quot;"
		case c == '\r':
			with = "&#13;"
		case c == '\n' && attribute:
			with = "&#10;"
		case c == '\t' && attribute:
			with = "&#9;"
		case c >= ' ' && c < 0x7f || c == '\n' || c == '\t':
		default:
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 || !isClean(r) {
				with = "\ufffd"
			}
		}
		if with != "" {
			w.raw(s[from:i]).raw(with)
			from = i + size
		}
		i += size
	}
	w.raw(s[from:])
}

// isClean holds for characters that may stand in a document. Left out are those that XML
// 1.0 does not have (section 2.2), the other control characters, and those that change
// the direction of the text around them (UAX 9, 2.1, 2.2 and 2.4), by which one value
// could be made to look like another.
func isClean(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return true
	case r < ' ' || r >= 0x7f && r < 0xa0:
		return false
	case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
		return false
	case r >= 0xd800 && r < 0xe000 || r == 0xfffe || r == 0xffff:
		return false
	}
	return true
}

// Clean puts U+FFFD, the replacement character, in the place of whatever may not stand
// in a document: bytes that are not UTF-8, control characters, and those that turn the
// direction of text.
func Clean(s string) string {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !isClean(r) {
			return cleaned(s)
		}
		i += size
	}
	return s
}

func cleaned(s string) string {
	return strings.Map(func(r rune) rune {
		if !isClean(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// Link returns an address that a page may link to: absolute, of http or https, without
// the user's name and password. Every other text is no link.
func Link(text string) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || Clean(text) != text {
		return "", false
	}
	u.User = nil
	return u.String(), true
}
