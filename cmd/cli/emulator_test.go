package cli

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// emulator is a terminal, as far as a full-screen program needs one: what ECMA-48 calls
// cursor control and erasing, and the alternate screen of xterm. It is written to by one
// goroutine and read by another.
type emulator struct {
	mu            sync.Mutex // guards what follows
	columns       int
	cells         [][]rune
	x, y          int
	pending       []byte // the beginning of a sequence or of a character
	alternate     bool
	hidden        bool // the cursor
	last          rune // for repetition
	mouse, pasted bool
}

func newEmulator(columns, lines int) *emulator {
	e := &emulator{}
	e.resize(columns, lines)
	return e
}

func (e *emulator) resize(columns, lines int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.columns = columns
	e.cells = make([][]rune, lines)
	for i := range e.cells {
		e.cells[i] = []rune(strings.Repeat(" ", columns))
	}
	e.x, e.y = 0, 0
}

// screen is what is shown, without the spaces at the end of lines.
func (e *emulator) screen() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := make([]string, len(e.cells))
	for i, line := range e.cells {
		lines[i] = strings.TrimRight(string(line), " ")
	}
	return strings.Join(lines, "\n")
}

// normal says whether the terminal is as it was: no alternate screen, a cursor, and
// nothing that a shell does not expect.
func (e *emulator) normal() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.alternate && !e.hidden && !e.mouse && !e.pasted
}

// Write implements io.Writer.
func (e *emulator) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending = append(e.pending, b...)
	for len(e.pending) > 0 {
		n := e.take(e.pending)
		if n == 0 {
			break
		}
		e.pending = e.pending[n:]
	}
	return len(b), nil
}

// take obeys what b begins with, and says how long that is; 0 is not whole yet.
func (e *emulator) take(b []byte) int {
	switch c := b[0]; {
	case c == 0x1b:
		return e.escape(b)
	case c == '\r':
		e.x = 0
	case c == '\n':
		e.down()
	case c == '\b':
		e.x = max(e.x-1, 0)
	case c == '\t':
		e.x = min((e.x/8+1)*8, e.columns-1)
	case c < 0x20:
	case !utf8.FullRune(b):
		return 0
	default:
		r, n := utf8.DecodeRune(b)
		e.put(r)
		return n
	}
	return 1
}

func (e *emulator) put(r rune) {
	if e.x >= e.columns {
		e.x = 0
		e.down()
	}
	e.cells[e.y][e.x] = r
	e.x++
	e.last = r
}

func (e *emulator) down() {
	if e.y < len(e.cells)-1 {
		e.y++
		return
	}
	copy(e.cells, e.cells[1:])
	e.cells[e.y] = []rune(strings.Repeat(" ", e.columns))
}

// escape obeys a sequence.
func (e *emulator) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '[':
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				e.control(string(b[2:i]), b[i])
				return i + 1
			}
		}
		return 0
	case ']', 'P', '_', '^':
		for i := 2; i < len(b); i++ {
			if b[i] == 0x07 {
				return i + 1
			}
			if b[i] == 0x1b && i+1 < len(b) && b[i+1] == '\\' {
				return i + 2
			}
		}
		return 0
	case 'M':
		e.y = max(e.y-1, 0)
	}
	return 2
}

// control obeys a control sequence.
func (e *emulator) control(parameters string, final byte) {
	number := func(i, absent int) int {
		parts := strings.Split(parameters, ";")
		if i < len(parts) {
			if n, err := strconv.Atoi(parts[i]); err == nil && n > 0 {
				return n
			}
		}
		return absent
	}
	blank := func(y, from, to int) {
		for x := max(from, 0); x < min(to, e.columns); x++ {
			e.cells[y][x] = ' '
		}
	}
	here := min(e.x, e.columns-1)
	switch n := number(0, 1); final {
	case 'A':
		e.y = max(e.y-n, 0)
	case 'B':
		e.y = min(e.y+n, len(e.cells)-1)
	case 'C':
		e.x = min(e.x+n, e.columns-1)
	case 'D':
		e.x = max(here-n, 0)
	case 'G':
		e.x = min(n, e.columns) - 1
	case 'd':
		e.y = min(n, len(e.cells)) - 1
	case 'H', 'f':
		e.y, e.x = min(n, len(e.cells))-1, min(number(1, 1), e.columns)-1
	case 'J':
		from, to := e.y, len(e.cells)
		if parameters == "2" {
			from = 0
		} else {
			blank(e.y, here, e.columns)
			from++
		}
		for y := from; y < to; y++ {
			blank(y, 0, e.columns)
		}
	case 'K':
		switch parameters {
		case "1":
			blank(e.y, 0, here+1)
		case "2":
			blank(e.y, 0, e.columns)
		default:
			blank(e.y, here, e.columns)
		}
	case 'X':
		blank(e.y, here, here+n)
	case 'P':
		copy(e.cells[e.y][here:], e.cells[e.y][min(here+n, e.columns):])
		blank(e.y, e.columns-n, e.columns)
	case '@':
		copy(e.cells[e.y][min(here+n, e.columns):], e.cells[e.y][here:])
		blank(e.y, here, here+n)
	case 'L', 'M':
		for range n {
			if final == 'M' {
				copy(e.cells[e.y:], e.cells[e.y+1:])
				e.cells[len(e.cells)-1] = []rune(strings.Repeat(" ", e.columns))
			} else {
				copy(e.cells[e.y+1:], e.cells[e.y:])
				e.cells[e.y] = []rune(strings.Repeat(" ", e.columns))
			}
		}
	case 'b':
		for range n {
			e.put(e.last)
		}
	case 'h', 'l':
		on := final == 'h'
		for mode := range strings.SplitSeq(strings.TrimPrefix(parameters, "?"), ";") {
			switch mode {
			case "1049", "47", "1047":
				e.alternate = on
			case "25":
				e.hidden = !on
			case "1000", "1002", "1003":
				e.mouse = on
			case "2004":
				e.pasted = on
			}
		}
	}
}
