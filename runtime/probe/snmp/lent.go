package snmp

import (
	"slices"
	"sync"

	"grove/runtime/probe"
	"grove/tree"
)

// lent is the room of one result. It is taken from those that were given back, and given
// back when nobody reads the result any more.
type lent struct {
	values []probe.Value
	tables []probe.Table
	all    []tree.Value   // the cells of the tables
	lists  [][]tree.Value // their rows
}

// Bounds of what is kept for another result: that of a big table is left to the collector.
const (
	maxLentCells = 4096
	maxLentRows  = 512
)

var lents = sync.Pool{New: func() any { return new(lent) }}

// cells returns room for some cells, which have no value.
func (l *lent) cells(n int) []tree.Value {
	begin := len(l.all)
	if begin+n > cap(l.all) {
		// Rows that have cells already keep the room that they have.
		l.all, begin = make([]tree.Value, 0, n), 0
	}
	l.all = l.all[:begin+n]
	return l.all[begin : begin+n : begin+n]
}

// rows returns an empty list with room for some rows.
func (l *lent) rows(n int) [][]tree.Value {
	begin := len(l.lists)
	if begin+n > cap(l.lists) {
		l.lists, begin = make([][]tree.Value, 0, n), 0
	}
	l.lists = l.lists[:begin+n]
	return l.lists[begin : begin : begin+n]
}

// free gives the room back.
func (l *lent) free() {
	clear(l.values)
	clear(l.tables)
	clear(l.all)
	clear(l.lists)
	l.values, l.tables, l.all, l.lists = l.values[:0], l.tables[:0], l.all[:0], l.lists[:0]
	if cap(l.all) <= maxLentCells && cap(l.lists) <= maxLentRows {
		lents.Put(l)
	}
}

// Kept implements probe.Saver.
func (p *snmpProbe) Kept(attribute string) *probe.Kept {
	k := slices.IndexFunc(p.plan.tables, func(t table) bool { return t.attribute == attribute })
	if k < 0 || k >= len(p.memory.tables) {
		return nil
	}
	return p.memory.tables[k].last
}

// Free implements probe.Saver.
func (p *snmpProbe) Free() {
	if p.lent == nil {
		return
	}
	p.lent.free()
	p.lent = nil
}
