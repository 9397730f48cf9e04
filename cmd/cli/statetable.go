package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// stateTable is what stands in rows and columns. Its first column is the mark and the word of a
// state.
type stateTable struct {
	drawing
	width int      // columns of the terminal; 0 is a pipe
	heads []string // of all columns but the first
	rows  []row
}

// row is one line: a status of marks, its word, and the other cells.
type row struct {
	status, word string
	cells        []string
}

// add adds a row. The cells may come from outside.
func (t *stateTable) add(status, word string, cells ...string) {
	for i := range cells {
		cells[i] = cell(cells[i])
	}
	t.rows = append(t.rows, row{status, cell(word), cells})
}

// print prints the table with the columns that say anything; where the terminal is too
// narrow for it, each row as lines below each other.
func (t *stateTable) print(w io.Writer) {
	widths, used := make([]int, len(t.heads)), make([]bool, len(t.heads))
	words := len("STATE") - 2
	for _, r := range t.rows {
		words = max(words, utf8.RuneCountInString(r.word))
		for i, c := range r.cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c), utf8.RuneCountInString(t.heads[i]))
			used[i] = used[i] || c != ""
		}
	}
	whole := words + 2
	for i, n := range widths {
		if used[i] {
			whole += n + 2
		}
	}
	if t.width > 0 && whole > t.width {
		t.stack(w)
		return
	}
	line := func(first string, cells []string) {
		for i, c := range cells {
			if used[i] {
				first += fmt.Sprintf("  %-*s", widths[i], c)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(first, " "))
	}
	line(fmt.Sprintf("%-*s", words+2, "STATE"), t.heads)
	for _, r := range t.rows {
		line(t.state(&r, words), r.cells)
	}
}

// state is the mark and the word of a row.
func (t *stateTable) state(r *row, width int) string {
	m := marks[r.status]
	return t.paint(m.shape, m.color) + " " + t.paint(fmt.Sprintf("%-*s", width, r.word), m.color)
}

// stack prints each row as lines below each other: the state with the first cell, then a
// line a cell.
func (t *stateTable) stack(w io.Writer) {
	heads := 0
	for _, h := range t.heads {
		heads = max(heads, utf8.RuneCountInString(h))
	}
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s  %s\n", t.state(&r, 0), r.cells[0])
		for i, c := range r.cells[1:] {
			if c != "" {
				lines := wrapped(c, t.width-heads-6)
				fmt.Fprintf(w, "    %-*s  %s\n", heads, strings.ToLower(t.heads[i+1]), strings.Join(lines, fmt.Sprintf("\n%*s", heads+6, "")))
			}
		}
	}
}
