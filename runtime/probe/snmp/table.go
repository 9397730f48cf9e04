package snmp

import (
	"slices"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp/ber"
	"grove/tree"
)

// tableMemory is what a probe keeps of a table from run to run.
type tableMemory struct {
	layout *layout // nil: the table is not known
	// last is the table of the last run, its rows in the order of the layout.
	last *probe.Kept
	// stamps are those of the same rows; nil: the table has no stamp.
	stamps []tree.Value
	// offsets are those of counts that are less than the device's own; see rise.
	offsets map[offsetKey]float64
	bytes   int // of a value with its name, on average; 0: not known
	cut     int // values of an answer that the agent cut; 0: it cut none
}

type offsetKey struct {
	index  string
	column int
}

// walk reads one table. Its columns are read side by side by GETBULK, and where the rows
// are known from the last run, in several stretches at once: each begins behind a row
// where another ends, so that rows that came or went are noticed wherever they are. A
// stretch that does not reach the next one is read on.
type walk struct {
	table    *table
	memory   *tableMemory
	layout   *layout  // that of the last run; nil: there is none
	columns  []column // those of the table, the stamp, and twins while nothing is known
	width    int      // cells of a row
	segments []segment
	ids      []segmentID
	counts   []int // values of each column
	rows     []cells
	more     map[string]int // rows that the layout has not
	tags     []byte         // of the values of each column
	strayed  bool           // the rows are not those of the layout
	kept     int            // keys that are what they were
	bytes    int            // the largest average of a packet
}

// column is one that is asked for.
type column struct {
	item *item
	name ber.OID
	cell int // where in a row its values are
}

// cells are a row.
type cells struct {
	index  string
	values []tree.Value
	seen   [2]uint64 // which of the columns came
}

// segment is one stretch of one column.
type segment struct {
	column int
	after  string // the index that it goes on behind; empty: before the first
	// until is the index that it ends with; empty: it goes to the end of the column.
	until string
	// next is the place, among the rows of the layout with a value in the column, of what
	// is expected to come next.
	next int
	done bool
}

// segmentID is the place of a segment in walk.segments.
type segmentID int32

// begin prepares the reading of a table. The walk may have read another before.
func (w *walk) begin(p *poll, t *table, m *tableMemory) {
	clear(w.rows)
	*w = walk{
		table: t, memory: m, layout: m.layout,
		columns: w.columns[:0], segments: w.segments[:0], ids: w.ids[:0], counts: w.counts[:0], rows: w.rows[:0], tags: w.tags[:0],
	}
	add := func(it *item, name ber.OID) {
		w.columns = append(w.columns, column{it, name, 1 + len(w.columns)})
	}
	for i := range t.columns {
		add(&t.columns[i], t.columns[i].name)
	}
	if t.stamp != nil {
		add(t.stamp, t.stamp.name)
	}
	if w.layout != nil {
		for i := range w.columns {
			w.columns[i].name = w.layout.names[i]
		}
	} else if p.bulk {
		for i := range t.columns {
			if twin := t.columns[i].twin; twin != "" && !slices.ContainsFunc(w.columns, func(c column) bool { return c.name == twin }) {
				add(&t.columns[i], twin)
			}
		}
	}
	w.width = 1 + len(w.columns)
	w.counts, w.tags = append(w.counts, make([]int, len(w.columns))...), append(w.tags, make([]byte, len(w.columns))...)
	if w.layout != nil {
		n := len(w.layout.indexes)
		all := p.lent.cells(n * w.width)
		w.rows = slices.Grow(w.rows, n)
		for i := range n {
			w.rows = append(w.rows, cells{index: w.layout.indexes[i], values: all[i*w.width : (i+1)*w.width : (i+1)*w.width]})
			w.rows[i].values[0] = tree.Text(w.layout.texts[i])
		}
	}
}

// budget is how many values a packet shall ask for.
func (w *walk) budget(p *poll) int {
	n := maxPerPacket
	if w.memory.bytes > 0 {
		n = min(answerBytes/w.memory.bytes, maxKnown)
	}
	if w.memory.cut > 0 {
		n = min(n, w.memory.cut)
	}
	if p.memory.most > 0 {
		n = min(n, p.memory.most)
	}
	return max(n, 1)
}

// names is how many columns a packet asks for.
func (w *walk) names(p *poll) int {
	n := w.budget(p)
	if most := p.agent.fits(); most > 0 {
		longest := 0
		for i := range w.columns {
			longest = max(longest, len(w.columns[i].name))
		}
		const index = 16 // octets of a long one
		n = min(n, most/(longest+index+8))
	}
	return max(n, 1)
}

// first appends the packets of the first wave.
func (w *walk) first(p *poll, jobs []job) []job {
	width := w.names(p)
	for begin := 0; begin < len(w.columns); begin += width {
		jobs = w.stretches(p, begin, min(begin+width, len(w.columns)), jobs)
	}
	return jobs
}

// stretches appends the packets for the columns from begin to before end.
func (w *walk) stretches(p *poll, begin, end int, jobs []job) []job {
	values := 0 // of the longest column, and what shows its end
	if w.layout != nil {
		for c := begin; c < end; c++ {
			values = max(values, w.layout.in(c)+1)
		}
	}
	size := 1
	if p.bulk {
		size = max(1, min(p.most, w.budget(p)/(end-begin)))
	}
	if values == 0 {
		ids := len(w.ids)
		for c := begin; c < end; c++ {
			w.segment(segment{column: c})
		}
		return append(jobs, job{walk: w, segments: w.ids[ids:], repeat: size})
	}
	packets := (values + size - 1) / size
	size = (values + packets - 1) / packets // all of nearly the same size
	for k := 0; k < values; k += size {
		ids := len(w.ids)
		for c := begin; c < end; c++ {
			n := w.layout.in(c)
			if k > n {
				continue
			}
			s := segment{column: c, next: k}
			if k > 0 {
				s.after = w.layout.indexes[w.layout.row(c, k-1)]
			}
			if k+size <= n {
				s.until = w.layout.indexes[w.layout.row(c, k+size-1)]
			}
			w.segment(s)
		}
		jobs = append(jobs, job{walk: w, segments: w.ids[ids:], repeat: min(size, values-k)})
	}
	if !p.bulk {
		return w.together(p, jobs)
	}
	return jobs
}

// together puts what GETNEXT asks for into as few packets as may be.
func (w *walk) together(p *poll, jobs []job) []job {
	jobs = slices.DeleteFunc(jobs, func(j job) bool { return j.walk == w })
	return w.rest(p, jobs)
}

func (w *walk) segment(s segment) {
	w.ids = append(w.ids, segmentID(len(w.segments)))
	w.segments = append(w.segments, s)
}

// rest appends the packets for what was not reached.
func (w *walk) rest(p *poll, jobs []job) []job {
	var open []segmentID
	for i := range w.segments {
		if !w.segments[i].done {
			open = append(open, segmentID(i))
		}
	}
	for part := range slices.Chunk(open, w.names(p)) {
		size := 1
		if p.bulk {
			size = max(1, min(p.most, w.budget(p)/len(part)))
		}
		jobs = append(jobs, job{walk: w, segments: part, repeat: size})
	}
	return jobs
}

// from is what asks for what comes next in a segment.
func (w *walk) from(id segmentID) ber.Name {
	s := &w.segments[id]
	return ber.Name{Column: w.columns[s.column].name, Row: s.after}
}

// take takes one answer: the n-th value of the answer belongs to the segment that was
// asked for in place n modulo the number of segments (RFC 3416 section 4.2.3).
func (w *walk) take(p *poll, j *job, q *request, c *cursor) {
	switch {
	case q.status == gosnmp.NoError:
	case q.status == gosnmp.TooBig && (j.repeat > 1 || len(j.segments) > 1):
		p.memory.most = max(1, len(j.segments)*j.repeat/2)
		return
	case q.index >= 1 && q.index <= len(j.segments):
		s := &w.segments[j.segments[q.index-1]]
		if !p.bulk && q.status == gosnmp.NoSuchName { // version 1 ends a walk so
			w.end(s)
			return
		}
		w.give(p, s.column, statusText(q.status))
		return
	default:
		p.problem("%s: %s", w.table.attribute, statusText(q.status))
		for _, id := range j.segments {
			w.segments[id].done = true
		}
		return
	}
	var v ber.Value
	n, size := 0, len(c.rest)
	for ; n < len(j.segments)*j.repeat; n++ {
		name, ok, err := c.next(&v)
		if err != nil {
			p.problem("%s: the agent sends what cannot be read: %s", w.table.attribute, clip(err.Error()))
			for _, id := range j.segments {
				w.segments[id].done = true
			}
			return
		}
		if !ok {
			break
		}
		w.advance(p, &w.segments[j.segments[n%len(j.segments)]], name, &v)
	}
	if n == 0 {
		p.problem("%s: the agent sends an empty answer", w.table.attribute)
		for _, id := range j.segments {
			w.segments[id].done = true
		}
		return
	}
	w.bytes = max(w.bytes, (size+n-1)/n)
	if n < len(j.segments)*j.repeat && v.Type != ber.EndOfMibView {
		w.memory.cut = n // the agent sends no more: it is asked for no more
	}
}

// give gives a column up.
func (w *walk) give(p *poll, column int, why string) {
	said := false
	for i := range w.segments {
		if s := &w.segments[i]; s.column == column && !s.done {
			s.done, said = true, true
		}
	}
	if c := &w.columns[column]; said && c.item.attribute != "" {
		p.problem("%s.%s: %s", w.table.attribute, c.item.attribute, why)
	}
}

// advance takes one value of a segment.
func (w *walk) advance(p *poll, s *segment, name []byte, v *ber.Value) {
	if s.done {
		return
	}
	c := &w.columns[s.column]
	if v.Type == ber.EndOfMibView || len(name) < len(c.name) || string(name[:len(c.name)]) != string(c.name) {
		w.end(s)
		return
	}
	index := name[len(c.name):]
	if l := w.layout; l != nil && s.next < l.in(s.column) {
		if row := l.row(s.column, s.next); l.indexes[row] == string(index) {
			s.next++
			s.after = l.indexes[row]
			s.done = s.after == s.until
			w.store(p, s.column, row, v)
			return
		}
	}
	if row, ok := w.find(p, s, index); ok {
		s.done = s.until != "" && ber.Compare(s.after, s.until) >= 0
		w.store(p, s.column, row, v)
	}
}

// end ends a segment at the end of its column.
func (w *walk) end(s *segment) {
	s.done = true
	if w.layout != nil && s.next < w.layout.in(s.column) {
		w.strayed = true // there were more
	}
}

// find returns the row of an index that is not the one that was expected, and makes it
// when it is new; ok is false when the segment ends here.
func (w *walk) find(p *poll, s *segment, index []byte) (row int, ok bool) {
	if ber.Compare(index, s.after) <= 0 {
		// It would never end.
		c := &w.columns[s.column]
		w.give(p, s.column, "the agent goes back from "+number(c, s.after)+" to "+number(c, string(index)))
		return 0, false
	}
	if ber.CheckOID(index) != nil {
		w.give(p, s.column, "the agent sends an index that cannot be read")
		return 0, false
	}
	w.strayed = true
	if l := w.layout; l != nil {
		at, known := l.find(index)
		if known {
			s.next, s.after = l.place(s.column, at), l.indexes[at]
			return at, true
		}
		s.next = l.place(s.column, at-1)
	}
	row, have := w.more[string(index)]
	if !have {
		row = len(w.rows)
		r := cells{index: string(index), values: make([]tree.Value, w.width)}
		r.values[0] = tree.Text(ber.Index(index))
		w.rows = append(w.rows, r)
		if w.more == nil {
			w.more = map[string]int{}
		}
		w.more[r.index] = row
	}
	s.after = w.rows[row].index
	return row, true
}

// number is the whole number of an instance, for people.
func number(c *column, index string) string { return (c.name + ber.OID(index)).String() }

// store keeps a value.
func (w *walk) store(p *poll, column, row int, v *ber.Value) {
	r, c := &w.rows[row], &w.columns[column]
	if bit := uint64(1) << (column % 64); r.seen[column/64]&bit == 0 {
		if w.counts[column] >= w.table.maxRows {
			for i := range w.segments {
				if s := &w.segments[i]; s.column == column {
					s.done = true
				}
			}
			p.problem("%s: more than %d rows, which is max_rows", w.table.attribute, w.table.maxRows)
			return
		}
		w.counts[column]++
		r.seen[column/64] |= bit
	}
	w.tags[column] = v.Type
	if c.item.form == asText && c.item.plain && v.Type == ber.OctetString && w.layout != nil && c.cell < len(w.memory.last.Columns) && row < w.memory.last.Rows() {
		// Most texts are what they were.
		last := w.memory.last.Cell(row, c.cell)
		if before, ok := last.Text(); ok && before == string(v.Octets) {
			r.values[c.cell] = last
			if column == w.table.key {
				w.kept++
			}
			return
		}
	}
	r.values[c.cell] = c.item.convert(p.names, v)
}

// finish makes the table of what was read.
func (w *walk) finish(p *poll) probe.Table {
	if w.layout == nil {
		w.chooseTwins()
	}
	if w.strayed || w.layout == nil {
		w.arrange()
	}
	if len(w.rows) > w.table.maxRows { // columns may differ by a row that just came
		w.rows, w.strayed = w.rows[:w.table.maxRows], true
	}
	w.count(p)
	m := w.memory
	if w.strayed || w.layout == nil {
		l := w.newLayout()
		m.layout, _ = p.layouts.share(l.key(), func() (*layout, error) { return l, nil })
	}
	if w.bytes > 0 {
		m.bytes = w.bytes
	}
	visible := 1 + len(w.table.columns)
	out := probe.Table{Attribute: w.table.attribute, Columns: w.table.names, Rows: p.lent.rows(len(w.rows))}
	m.stamps = nil
	for i := range w.rows {
		out.Rows = append(out.Rows, w.rows[i].values[:visible:visible])
		if w.table.stamp != nil {
			m.stamps = append(m.stamps, w.rows[i].values[visible])
		}
	}
	if w.table.key >= 0 && w.kept < len(w.rows) {
		distinct(out.Rows, 0, 1+w.table.key)
	}
	before := m.last
	if before == nil {
		before = m.layout.example.Load()
	}
	m.last = probe.Keep(&out, before)
	m.layout.example.CompareAndSwap(nil, m.last)
	return out
}

// chooseTwins gives each column that is counted in 64 bits for every row the counts of its
// twin.
func (w *walk) chooseTwins() {
	own := len(w.table.columns)
	if w.table.stamp != nil {
		own++
	}
	for k := own; k < len(w.columns); k++ {
		at := slices.IndexFunc(w.columns[:own], func(c column) bool { return c.item == w.columns[k].item })
		if w.counts[k] == 0 || !w.covers(k, at) {
			continue
		}
		for i := range w.rows {
			w.rows[i].values[w.columns[at].cell] = w.rows[i].values[w.columns[k].cell]
		}
		w.columns[at].name, w.tags[at] = w.columns[k].name, w.tags[k]
	}
	w.columns = w.columns[:own]
}

// covers says whether one column has a value in every row where another has one.
func (w *walk) covers(one, other int) bool {
	for i := range w.rows {
		if r := &w.rows[i]; r.has(other) && !r.has(one) {
			return false
		}
	}
	return true
}

func (r *cells) has(column int) bool { return r.seen[column/64]&(1<<(column%64)) != 0 }

// arrange puts the rows in order and drops those that are gone.
func (w *walk) arrange() {
	w.rows = slices.DeleteFunc(w.rows, func(r cells) bool { return r.seen == [2]uint64{} })
	slices.SortFunc(w.rows, func(a, b cells) int { return ber.Compare(a.index, b.index) })
	w.kept = 0
}

func (w *walk) newLayout() *layout {
	l := &layout{present: make([][]int32, len(w.columns))}
	for i := range w.rows {
		l.indexes = append(l.indexes, w.rows[i].index)
		text, _ := w.rows[i].values[0].Text()
		l.texts = append(l.texts, text)
	}
	for c := range w.columns {
		l.names = append(l.names, w.columns[c].name)
		rows := make([]int32, 0, len(w.rows))
		for i := range w.rows {
			if w.rows[i].has(c) {
				rows = append(rows, int32(i))
			}
		}
		if len(rows) < len(w.rows) {
			l.present[c] = rows
		}
	}
	return l
}

// count turns what the device counted into counts that only rise.
func (w *walk) count(p *poll) {
	m := w.memory
	before := func(i int) int { return -1 }
	switch {
	case m.layout == nil:
	case !w.strayed:
		before = func(i int) int { return i }
	default:
		before = func(i int) int {
			if at, ok := m.layout.find([]byte(w.rows[i].index)); ok && at < m.last.Rows() {
				return at
			}
			return -1
		}
	}
	for i := range w.rows {
		last := before(i)
		if last < 0 {
			continue
		}
		now, anew := w.rows[i].values, p.anew
		if w.table.stamp != nil {
			a, had := m.stamps[last].Number()
			b, has := now[1+len(w.table.columns)].Number()
			anew = anew || had && has && a != b
		}
		for c := range w.table.columns {
			tag := w.tags[c]
			if !w.table.columns[c].counter || tag != ber.Counter32 && tag != ber.Counter64 {
				continue
			}
			raw, ok := now[1+c].Number()
			if !ok {
				continue
			}
			prev, had := m.last.Cell(last, 1+c).Number()
			key := offsetKey{w.rows[i].index, c}
			offset := m.offsets[key]
			count, next := rise(prev, had, uint64(raw), tag, anew, offset)
			if count != raw {
				now[1+c] = tree.Number(count)
			}
			if next != offset {
				m.setOffset(key, next)
			}
		}
	}
}

func (m *tableMemory) setOffset(key offsetKey, offset float64) {
	if offset == 0 {
		delete(m.offsets, key)
		return
	}
	if m.offsets == nil {
		m.offsets = map[offsetKey]float64{}
	}
	m.offsets[key] = offset
}
