package trap

import (
	"slices"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/receive/trap/message"
	"grove/tree"
)

// rowColumns are the columns that every table has.
var rowColumns = []string{"key", "state", "since", "traps"}

func (t *tablePlan) describe() beans.AttributeInfo {
	a := beans.AttributeInfo{
		Name: t.name, Type: beans.TypeTable, Readable: true, Key: "key", Description: "Of what traps came, and the state that the latest of them put it into.",
		Columns: []beans.AttributeInfo{
			{Name: "key", Type: beans.TypeString, Readable: true, Description: "What tells the row apart."},
			{Name: "state", Type: beans.TypeString, Readable: true, Description: "The state."},
			{Name: "since", Type: beans.TypeString, Readable: true, Description: "Since when it has been so (RFC 3339)."},
			{Name: "traps", Type: beans.TypeFloat, Unit: "traps", Readable: true, Description: "Traps since the row came.", Descriptor: map[string]string{"metricType": "counter"}},
		},
	}
	for _, c := range t.columns {
		a.Columns = append(a.Columns, beans.AttributeInfo{Name: c.name, Type: beans.TypeString, Readable: true, Description: "From the varbinds of the latest trap that had it."})
	}
	return a
}

// table is what a table of a probe holds.
type table struct {
	plan     *tablePlan
	rows     map[string]*row
	dirty    bool // since it was posted last
	recalled bool // it goes on after a restart
}

type row struct {
	key, state string
	since      time.Time
	heard      uint64 // which trap of the table it was that told of it last
	traps      uint64
	columns    []string // as long as those of the plan; empty: not known
	order      uint64   // rows are shown in the order in which they came
}

// state puts the row of a message into a state; the empty one leaves it as it is.
func (t *table) state(d *dictionary, m *message.Message, state string, nth uint64, now time.Time) {
	key, known := t.plan.key.write(d, m)
	if !known || key == "" {
		return
	}
	r := t.rows[key]
	if r == nil {
		if len(t.rows) >= t.plan.maxRows {
			t.forget()
		}
		r = &row{key: key, columns: make([]string, len(t.plan.columns)), order: nth}
		t.rows[key] = r
	}
	if r.state != state || r.since.IsZero() {
		r.state, r.since = state, now
	}
	r.heard = nth
	r.traps++
	for i, c := range t.plan.columns {
		if text, known := c.text.write(d, m); known || r.columns[i] == "" {
			r.columns[i] = text
		}
	}
	t.dirty = true
}

// remove takes the row of a message away.
func (t *table) remove(d *dictionary, m *message.Message) {
	if key, known := t.plan.key.write(d, m); known && t.rows[key] != nil {
		delete(t.rows, key)
		t.dirty = true
	}
}

// forget makes room for a row: the one that was silent for the longest time goes.
func (t *table) forget() {
	var oldest *row
	for _, r := range t.rows {
		if oldest == nil || r.heard < oldest.heard {
			oldest = r
		}
	}
	delete(t.rows, oldest.key)
}

// result is the table as it stands.
func (t *table) result() probe.Table {
	out := probe.Table{Attribute: t.plan.name, Columns: slices.Clone(rowColumns)}
	for _, c := range t.plan.columns {
		out.Columns = append(out.Columns, c.name)
	}
	sorted := make([]*row, 0, len(t.rows))
	for _, r := range t.rows {
		sorted = append(sorted, r)
	}
	slices.SortFunc(sorted, func(a, b *row) int { return int(int64(a.order - b.order)) }) //nolint:gosec // They are near each other.
	for _, r := range sorted {
		cells := make([]tree.Value, 0, len(out.Columns))
		cells = append(cells, tree.Text(r.key), tree.Text(r.state), tree.Text(stamp(r.since)), tree.Number(float64(r.traps)))
		for _, text := range r.columns {
			cells = append(cells, tree.Text(text))
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
