package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen is the size of the terminal that w is; 0, 0 when it is none.
func screen(w io.Writer) (columns, rows int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}

// fit puts text in the place of what a terminal shows: from its upper left corner,
// without clearing first, which would flicker, and without touching what was
// scrolled away. What has no room is left out, and the last line says so. Without a
// size everything is written, as pipes want it.
func fit(text string, columns, rows int) string {
	return fitting(text, columns, rows, "name a path, --depth or --status")
}

// fitting is fit with what to do to see the lines that are left out.
func fitting(text string, columns, rows int, advice string) string {
	if columns < 1 || rows < 2 {
		return text
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	left := 0
	if most := rows - 1; len(lines) > most {
		left = len(lines) - (most - 1)
		lines = append(lines[:most-1:most-1], cut(fmt.Sprintf("… %d more lines: %s", left, advice), columns))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, line := range lines {
		b.WriteString(cut(line, columns))
		b.WriteString("\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.String()
}

// cut shortens a line to so many characters; the sequences that colour it count
// nothing and stay.
func cut(line string, columns int) string {
	shown, coloring := 0, false
	var b strings.Builder
	for _, r := range line {
		switch {
		case r == '\x1b':
			coloring = true
		case coloring:
			coloring = r != 'm'
		default:
			if shown++; shown > columns {
				continue
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
