package prometheus

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
)

// writer writes the rows from a position to another in one format.
type writer struct {
	buf      []byte // of the chunk
	chunk    *chunk
	sink     sink
	table    *table
	format   Format
	from, to int32
	exclude  []string
	seen     *seen // nil: everything is
}

func newWriter(s sink, t *table, f Format) *writer {
	c := chunks.Get().(*chunk)
	return &writer{sink: s, chunk: c, buf: c.text[:0], table: t, format: f}
}

// Write implements io.Writer for what others write.
func (w *writer) Write(text []byte) (int, error) {
	w.buf = append(w.buf, text...)
	w.full()
	return len(text), nil
}

// full hands a full chunk on; it is called after every line.
func (w *writer) full() {
	if len(w.buf) >= chunkBytes {
		w.flush()
	}
}

func (w *writer) flush() {
	w.chunk.text = w.buf
	w.chunk = w.sink.next(w.chunk)
	w.buf = w.chunk.text
}

// end hands the rest on.
func (w *writer) end() {
	w.flush()
	w.chunk.free()
}

func (w *writer) all() {
	for _, f := range w.table.families {
		if w.wants(f.Name) {
			w.values(f)
		}
	}
	for _, f := range metric.Generic {
		if !w.wants(f.Name) {
			continue
		}
		switch f.Name {
		case metric.GroupNodes:
			w.groups(f)
		case metric.ReadingTime:
			w.times(f)
		case metric.Status:
			w.statuses(f)
		case metric.State:
			if w.format == OpenMetrics {
				w.states(f)
			}
		}
	}
	if w.seen != nil && w.wants(nameHidden) {
		w.hidden()
	}
	if w.wants(nameConflicts) {
		w.conflicts()
	}
}

func (w *writer) wants(name string) bool { return !slices.Contains(w.exclude, name) }

// header writes the lines before the samples of a family.
func (w *writer) header(name string, kind metric.Type, unit, help string) {
	line := func(word, text string) {
		w.buf = append(append(append(append(w.buf, "# "...), word...), ' '), name...)
		w.buf = append(append(append(w.buf, ' '), text...), '\n')
	}
	line("HELP", string(appendEscaped(nil, strings.ToValidUTF8(help, "�"), w.format == OpenMetrics)))
	line("TYPE", string(kind))
	if unit = openUnit(unit, name); unit != "" && w.format == OpenMetrics {
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
		if r.length == 0 || !w.sees(i, grant.Seen) {
			continue
		}
		if !begun {
			begun = true
			name := f.Name
			if f.Type == metric.Counter && w.format == OpenMetrics {
				name = strings.TrimSuffix(name, "_total")
			}
			help := f.Help
			if w.seen != nil {
				help = f.helpOf(r)
			}
			w.header(name, f.Type, f.Unit, help)
		}
		w.buf = append(append(append(w.buf, r.head...), r.text[:r.length]...), '\n')
		w.full()
	}
}

var statusLabels = [...]string{`status="white"} `, `status="green"} `, `status="yellow"} `, `status="red"} `}

func (w *writer) groups(f metric.Family) {
	w.header(f.Name, f.Type, f.Unit, f.Help)
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		if r.kind != tree.Group || !w.sees(i, grant.Way) {
			continue
		}
		counts := &r.counts
		if w.seen != nil {
			counts = &w.seen.counts[i-w.from]
		}
		for s, n := range counts {
			w.buf = append(append(append(w.buf, metric.GroupNodes+"{"...), r.labels...), ',')
			w.buf = append(strconv.AppendInt(append(w.buf, statusLabels[s]...), int64(n), 10), '\n')
		}
		w.full()
	}
}

func (w *writer) times(f metric.Family) {
	w.header(f.Name, f.Type, f.Unit, f.Help)
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		if r.time <= 0 || !w.sees(i, grant.Seen) {
			continue
		}
		w.buf = append(append(append(w.buf, metric.ReadingTime+"{"...), r.labels...), "} "...)
		ms := r.time % 1000
		w.buf = strconv.AppendInt(w.buf, r.time/1000, 10)
		w.buf = append(w.buf, '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), '\n')
		w.full()
	}
}

// states are the ends of the four lines of a state set.
var states = func() (ends [4][4]string) {
	for at, s := range tree.Statuses {
		for is := range tree.Statuses {
			ends[is][at] = `,` + metric.State + `="` + s.String() + `"} 0` + "\n"
			if at == is {
				ends[is][at] = `,` + metric.State + `="` + s.String() + `"} 1` + "\n"
			}
		}
	}
	return ends
}()

func (w *writer) states(f metric.Family) {
	w.header(f.Name, f.Type, f.Unit, f.Help)
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		if !w.sees(i, grant.Way) {
			continue
		}
		for _, end := range states[r.status&3] {
			w.buf = append(append(append(w.buf, metric.State+"{"...), r.labels...), end...)
		}
		w.full()
	}
}

func (w *writer) statuses(f metric.Family) {
	w.header(f.Name, f.Type, f.Unit, f.Help)
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		if !w.sees(i, grant.Way) {
			continue
		}
		w.buf = append(append(append(w.buf, metric.Status+"{"...), r.labels...), '}', ' ', '0'+byte(r.status&3), '\n')
		w.full()
	}
}

func (w *writer) conflicts() {
	if w.from > 0 || int(w.to) < len(w.table.rows) || w.seen != nil {
		return // Only the whole tree has it.
	}
	w.header(nameConflicts, metric.Gauge, "", "Metric names and labels of definitions that cannot be used.")
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
