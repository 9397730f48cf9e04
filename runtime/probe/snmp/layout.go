package snmp

import (
	"slices"
	"strings"
	"sync/atomic"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp/ber"
)

// layout is which rows a table had, and which columns had values there. But for its example
// it is not changed once it is made, so that probes of devices that are alike share one.
type layout struct {
	names   []ber.OID // of the columns that are asked for: a twin where there is one
	indexes []string  // of the rows, as they are sent, in order
	texts   []string  // the same with dots
	// present lists for each column the rows in which it has a value; nil: all.
	present [][]int32
	// example is a table of one of these devices: others mostly have the same texts, which
	// their tables share with it.
	example atomic.Pointer[probe.Kept]
}

// in is how many rows have a value in a column.
func (l *layout) in(column int) int {
	if rows := l.present[column]; rows != nil {
		return len(rows)
	}
	return len(l.indexes)
}

// row returns the n-th row that has a value in a column.
func (l *layout) row(column, n int) int {
	if rows := l.present[column]; rows != nil {
		return int(rows[n])
	}
	return n
}

// find returns the row of an index.
func (l *layout) find(index []byte) (row int, ok bool) {
	return slices.BinarySearchFunc(l.indexes, index, func(a string, b []byte) int { return ber.Compare(a, b) })
}

// place returns which of the rows that have a value in a column is the first behind a row.
func (l *layout) place(column, row int) int {
	rows := l.present[column]
	if rows == nil {
		return row + 1
	}
	n, found := slices.BinarySearch(rows, int32(row))
	if found {
		n++
	}
	return n
}

// key is equal for equal layouts only.
func (l *layout) key() string {
	var k strings.Builder
	part := func(s string) {
		k.WriteByte(byte(len(s) >> 8))
		k.WriteByte(byte(len(s)))
		k.WriteString(s)
	}
	for i, name := range l.names {
		part(string(name))
		rows := l.present[i]
		if rows == nil {
			k.WriteByte(1)
			continue
		}
		k.WriteByte(0)
		bits := make([]byte, (len(l.indexes)+7)/8)
		for _, r := range rows {
			bits[r/8] |= 1 << (r % 8)
		}
		k.Write(bits)
	}
	k.WriteByte(2)
	for _, index := range l.indexes {
		part(index)
	}
	return k.String()
}
