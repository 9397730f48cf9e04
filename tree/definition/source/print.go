package source

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine is how many columns of a source line Print shows; of a longer one it shows
// what surrounds the error.
const maxLine = 100

// maxPrinted is how many errors Print shows.
const maxPrinted = 100

// The colours of Print: ANSI escape sequences that every terminal knows.
const (
	colorBold  = "\x1b[1m"
	colorError = "\x1b[1;31m"
	colorHint  = "\x1b[36m"
	colorOff   = "\x1b[0m"
)

// Print writes each error as "file:line:column: message", followed by the line of
// the file, a caret below the place, and the hint. The function text returns the
// text of a file, nil when it is not at hand; text may be nil itself. With color
// ANSI escape sequences set the parts off.
//
// After maxPrinted errors only the number of the others is told. Nothing of a file
// reaches the terminal unescaped: control characters and those that change the
// direction of writing are shown as their code.
func Print(w io.Writer, errs Errors, text func(file string) []byte, color bool) error {
	p := printer{color: color, texts: map[string][]byte{}}
	for i, e := range errs {
		if i == maxPrinted {
			fmt.Fprintf(&p.out, "and %d more errors\n", len(errs)-maxPrinted)
			break
		}
		p.error(e, text)
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

type printer struct {
	out   bytes.Buffer
	color bool
	texts map[string][]byte // by file
}

func (p *printer) error(e *Error, text func(string) []byte) {
	if at := e.Pos.String(); at != "" {
		p.paint(colorBold, visible(at)+":")
		p.out.WriteByte(' ')
	}
	p.out.WriteString(visible(e.Msg))
	p.out.WriteByte('\n')
	if e.Pos.Line > 0 && text != nil {
		if _, ok := p.texts[e.Pos.File]; !ok {
			p.texts[e.Pos.File] = bytes.TrimPrefix(text(e.Pos.File), []byte("\ufeff"))
		}
		if body := p.texts[e.Pos.File]; body != nil {
			p.excerpt(e, lineOf(body, e.Pos.Line))
		}
	}
	if e.Hint != "" {
		p.out.WriteString("  ")
		p.paint(colorHint, visible(e.Hint))
		p.out.WriteByte('\n')
	}
}

// excerpt writes the line and the caret below it.
func (p *printer) excerpt(e *Error, line string) {
	count := utf8.RuneCountInString(line)
	from := min(max(e.Pos.Column, 1)-1, count)
	to := from + 1
	switch {
	case e.End.Line == e.Pos.Line && e.End.Column > e.Pos.Column:
		to = e.End.Column - 1
	case e.End.Line > e.Pos.Line:
		to = len(line)
	}
	// Only what may be shown is looked at: a line may be as long as a file.
	var cells []cell
	skipped, seen := 0, 0
	for _, c := range line {
		switch {
		case seen < from-maxLine:
			skipped++
		case seen <= from+maxLine:
			cells = append(cells, newCell(c))
		}
		seen++
	}
	from = min(from-skipped, len(cells))
	to = max(min(to-skipped, len(cells)), from)
	first, last := window(cells, from, to)

	fmt.Fprintf(&p.out, "%5d | ", e.Pos.Line)
	before, marked := 0, 0
	if skipped+first > 0 {
		p.out.WriteString("… ")
		before = 2
	}
	for i := first; i < last; i++ {
		p.out.WriteString(cells[i].text)
		switch {
		case i < from:
			before += cells[i].width
		case i < to:
			marked += cells[i].width
		}
	}
	if skipped+last < count {
		p.out.WriteString(" …")
	}
	p.out.WriteByte('\n')
	if e.Pos.Column == 0 {
		return
	}
	p.out.WriteString("      | " + strings.Repeat(" ", before))
	p.paint(colorError, strings.Repeat("^", max(marked, 1)))
	p.out.WriteByte('\n')
}

func (p *printer) paint(color, text string) {
	if !p.color {
		p.out.WriteString(text)
		return
	}
	p.out.WriteString(color + text + colorOff)
}

// window chooses which cells of a long line are shown: those around the place.
func window(cells []cell, from, to int) (first, last int) {
	width := 0
	for _, c := range cells {
		width += c.width
	}
	if width <= maxLine {
		return 0, len(cells)
	}
	first, last, width = from, from, 0
	for last < len(cells) && last < to && width < maxLine*2/3 {
		width += cells[last].width
		last++
	}
	for grown := true; grown && width < maxLine; {
		grown = false
		if first > 0 {
			first--
			width += cells[first].width
			grown = true
		}
		if last < len(cells) && width < maxLine {
			width += cells[last].width
			last++
			grown = true
		}
	}
	return first, last
}

// cell is one character as it is shown.
type cell struct {
	text  string
	width int // columns of a terminal
}

func newCell(c rune) cell {
	switch {
	case c == '\t':
		return cell{"    ", 4}
	case hidden(c):
		text := fmt.Sprintf("<U+%04X>", c)
		return cell{text, len(text)}
	case unicode.In(c, unicode.Mn, unicode.Me):
		return cell{string(c), 0}
	case wide(c):
		return cell{string(c), 2}
	}
	return cell{string(c), 1}
}

// hidden tells whether a character must not reach a terminal as it is: controls,
// formats (among them those that change the direction of writing), private and
// undefined ones, and the mark for bytes that are not UTF-8.
func hidden(c rune) bool {
	return c == utf8.RuneError || !unicode.IsPrint(c) && c != '\t'
}

// visible escapes the hidden characters of a message.
func visible(text string) string {
	if strings.IndexFunc(text, func(c rune) bool { return hidden(c) || c == '\t' }) < 0 {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '\n', c == '\t':
			b.WriteByte(' ')
		case hidden(c):
			b.WriteString(newCell(c).text)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// wide tells whether a terminal gives a character two columns: the blocks of East
// Asian scripts and of emoji, by Unicode's East_Asian_Width W and F (UAX 11),
// rounded to whole blocks.
func wide(c rune) bool {
	switch {
	case c < 0x1100:
		return false
	case c <= 0x115f, // Hangul Jamo
		c >= 0x2e80 && c <= 0x303e, // CJK radicals, punctuation
		c >= 0x3041 && c <= 0x33ff, // kana, CJK symbols
		c >= 0x3400 && c <= 0x4dbf, // CJK extension A
		c >= 0x4e00 && c <= 0x9fff, // CJK ideographs
		c >= 0xa000 && c <= 0xa4cf, // Yi
		c >= 0xac00 && c <= 0xd7a3, // Hangul
		c >= 0xf900 && c <= 0xfaff, // CJK compatibility
		c >= 0xfe30 && c <= 0xfe6f, // CJK forms
		c >= 0xff00 && c <= 0xff60, // full-width forms
		c >= 0xffe0 && c <= 0xffe6,
		c >= 0x1f300 && c <= 0x1f64f, // emoji
		c >= 0x1f680 && c <= 0x1f6ff,
		c >= 0x1f900 && c <= 0x1f9ff,
		c >= 0x20000 && c <= 0x3fffd:
		return true
	}
	return false
}

// lineOf returns one line of a text without its end; lines end in LF, CR or both.
func lineOf(text []byte, line int) string {
	for ; line > 1; line-- {
		i := bytes.IndexAny(text, "\r\n")
		if i < 0 {
			return ""
		}
		if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			i++
		}
		text = text[i+1:]
	}
	if i := bytes.IndexAny(text, "\r\n"); i >= 0 {
		text = text[:i]
	}
	return string(text)
}
