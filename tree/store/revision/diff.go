package revision

import (
	"fmt"
	"strings"
)

const (
	// contextLines stand around a change.
	contextLines = 3
	// maxEdits bounds the search for the shortest difference; texts that differ more are
	// shown as replaced.
	maxEdits = 1500
)

// Unified returns the difference of two texts in the unified format of diff -u, empty when
// they are equal.
func Unified(oldTitle, newTitle, older, newer string) string {
	if older == newer {
		return ""
	}
	a, b := lines(older), lines(newer)
	edits := compare(a, b)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldTitle, newTitle)
	for start := 0; start < len(edits); {
		if edits[start].op == ' ' {
			start++
			continue
		}
		// A hunk goes on while changes are near each other.
		first, last := max(start-contextLines, 0), start
		for k := start; k < len(edits) && k <= last+2*contextLines+1; k++ {
			if edits[k].op != ' ' {
				last = k
			}
		}
		end := min(last+contextLines+1, len(edits))
		hunk(&out, edits[first:end])
		start = end
	}
	return out.String()
}

// lines splits a text; each line has its line break, which the last may lack.
func lines(text string) []string {
	all := strings.SplitAfter(text, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// edit is a line that stays, goes or comes: ' ', '-' or '+'.
type edit struct {
	op       byte
	text     string
	old, new int // lines before it
}

func hunk(out *strings.Builder, edits []edit) {
	var before, after int
	for _, e := range edits {
		if e.op != '+' {
			before++
		}
		if e.op != '-' {
			after++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(edits[0].old, before), span(edits[0].new, after))
	for _, e := range edits {
		out.WriteByte(e.op)
		out.WriteString(e.text)
		if !strings.HasSuffix(e.text, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// span is a range of lines: one that is empty names the line before it.
func span(before, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

// compare finds the fewest lines that go and come (E. Myers, An O(ND) Difference
// Algorithm and Its Variations, 1986).
func compare(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var edits []edit
	add := func(op byte, i, j int) {
		text := ""
		if op == '+' {
			text = b[j]
		} else {
			text = a[i]
		}
		edits = append(edits, edit{op, text, i, j})
	}
	for i := range head {
		add(' ', i, i)
	}
	for _, step := range shortest(a[head:len(a)-tail], b[head:len(b)-tail]) {
		add(step.op, head+step.i, head+step.j)
	}
	for k := range tail {
		add(' ', len(a)-tail+k, len(b)-tail+k)
	}
	return edits
}

type step struct {
	op   byte
	i, j int
}

func shortest(a, b []string) (steps []step) {
	n, m := len(a), len(b)
	most := min(n+m, maxEdits)
	v := make([]int, 2*most+3) // the furthest line of a on each diagonal, from -most-1 on
	at := func(k int) *int { return &v[k+most+1] }
	var trace [][]int // v before each round, of the diagonals that it reads
	for d := 0; d <= most; d++ {
		row := make([]int, 2*d+3)
		copy(row, v[most-d:most+d+3])
		trace = append(trace, row)
		for k := -d; k <= d; k += 2 {
			x := *at(k - 1) + 1
			if k == -d || k != d && *at(k - 1) < *at(k + 1) {
				x = *at(k + 1)
			}
			for x < n && x-k < m && a[x] == b[x-k] {
				x++
			}
			*at(k) = x
			if x >= n && x-k >= m {
				return walk(trace, n, m)
			}
		}
	}
	for i := range a {
		steps = append(steps, step{'-', i, 0})
	}
	for j := range b {
		steps = append(steps, step{'+', n, j})
	}
	return steps
}

// walk goes back from the end of both texts along what each round had reached.
func walk(trace [][]int, x, y int) (steps []step) {
	for d := len(trace) - 1; d >= 0; d-- {
		at := func(k int) int { return trace[d][k+d+1] }
		k := x - y
		before := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			before = k + 1
		}
		px := at(before)
		py := px - before
		if d == 0 {
			px, py = 0, 0
		}
		for x > px && y > py {
			x, y = x-1, y-1
			steps = append(steps, step{' ', x, y})
		}
		if d == 0 {
			break
		}
		if before == k+1 {
			y--
			steps = append(steps, step{'+', x, y})
		} else {
			x--
			steps = append(steps, step{'-', x, y})
		}
	}
	for i, j := 0, len(steps)-1; i < j; i, j = i+1, j-1 {
		steps[i], steps[j] = steps[j], steps[i]
	}
	return steps
}
