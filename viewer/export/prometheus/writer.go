package prometheus

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"grove/tree"
)

// writer writes the rows from a position to another in one format.
type writer struct {
	buf      []byte
	table    *table
	format   Format
	from, to int32
}

func (w *writer) all() {
	for _, f := range w.table.families {
		w.values(f)
	}
	w.groups()
	w.times()
	w.statuses()
	w.conflicts()
}

// header writes the lines before the samples of a family.
func (w *writer) header(name, kind, unit, help string) {
	line := func(word, text string) {
		w.buf = append(append(append(append(w.buf, "# "...), word...), ' '), name...)
		w.buf = append(append(append(w.buf, ' '), text...), '\n')
	}
	line("HELP", string(appendEscaped(nil, strings.ToValidUTF8(help, "�"), w.format == OpenMetrics)))
	line("TYPE", kind)
	if unit != "" && w.format == OpenMetrics {
		line("UNIT", unit)
	}
}

func (w *writer) values(f *family) {
	rows := f.rows
	if w.from > 0 || int(w.to) < len(w.table.rows) {
		first, _ := slices.BinarySearch(rows, w.from)
		last, _ := slices.BinarySearch(rows, w.to)
		rows = rows[first:last]
	}
	begun := false
	for _, i := range rows {
		r := &w.table.rows[i]
		if !r.number || r.status == tree.White || f.counter && !(r.value >= 0) {
			continue // A counter is never negative and always a number.
		}
		if !begun {
			begun = true
			name, kind := f.name, "gauge"
			if f.counter {
				kind = "counter"
				if w.format == OpenMetrics {
					name = strings.TrimSuffix(name, "_total")
				}
			}
			w.header(name, kind, f.openUnit(name), f.help)
		}
		w.buf = append(appendNumber(append(w.buf, r.head...), r.scale.Of(r.value)), '\n')
	}
}

var statusLabels = [...]string{`status="white"} `, `status="green"} `, `status="yellow"} `, `status="red"} `}

func (w *writer) groups() {
	w.header(nameGroup, "gauge", "", "Attributes anywhere below a group, by status.")
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		if r.kind != tree.Group {
			continue
		}
		for s, n := range r.counts {
			w.buf = append(append(append(w.buf, nameGroup+"{"...), r.labels...), ',')
			w.buf = append(strconv.AppendInt(append(w.buf, statusLabels[s]...), int64(n), 10), '\n')
		}
	}
}

func (w *writer) times() {
	w.header(nameTime, "gauge", "seconds", "When the last reading of a node was taken, in Unix time.")
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		if r.time <= 0 {
			continue
		}
		w.buf = append(append(append(w.buf, nameTime+"{"...), r.labels...), "} "...)
		ms := r.time % 1000
		w.buf = strconv.AppendInt(w.buf, r.time/1000, 10)
		w.buf = append(w.buf, '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), '\n')
	}
}

// states are the ends of the four lines of a state set.
var states = func() (ends [4][4]string) {
	for at, s := range tree.Statuses {
		for is := range tree.Statuses {
			ends[is][at] = `,` + nameStatus + `="` + s.String() + `"} 0` + "\n"
			if at == is {
				ends[is][at] = `,` + nameStatus + `="` + s.String() + `"} 1` + "\n"
			}
		}
	}
	return ends
}()

func (w *writer) statuses() {
	if w.format == OpenMetrics {
		w.header(nameStatus, "stateset", "", "Status of a node.")
		for i := w.from; i < w.to; i++ {
			r := &w.table.rows[i]
			for _, end := range states[r.status&3] {
				w.buf = append(append(append(w.buf, nameStatus+"{"...), r.labels...), end...)
			}
		}
		return
	}
	w.header(nameStatus, "gauge", "", "Status of a node: 0 white (nothing is known), 1 green, 2 yellow, 3 red.")
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		w.buf = append(append(append(w.buf, nameStatus+"{"...), r.labels...), '}', ' ', '0'+byte(r.status&3), '\n')
	}
}

func (w *writer) conflicts() {
	if w.from > 0 {
		return // Only the whole tree has it.
	}
	w.header(nameConflicts, "gauge", "", "Metric names and labels of definitions that cannot be used.")
	w.buf = append(strconv.AppendInt(append(w.buf, nameConflicts+" "...), int64(w.table.bad), 10), '\n')
}

// appendNumber writes a number as both formats read it.
func appendNumber(b []byte, v float64) []byte {
	switch {
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendInt(b, int64(v), 10)
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}
