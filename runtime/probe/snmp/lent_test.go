package snmp

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp/ber"
	"grove/tree"
)

// TestFree: the room of one result serves the next, and what is kept of the first stays
// what it was.
func TestFree(t *testing.T) {
	d := &device{}
	set := func(in uint64) {
		for i := range 3 {
			d.set(fmt.Sprint(ifInErrors, i+1), ber.Counter32, in+uint64(i))
			d.set(fmt.Sprint(ifInOctets, i+1), ber.Counter32, 10*in)
		}
	}
	set(100)
	b := newBench(t, d, portCounts)
	if _, problem := b.poll(10 * time.Second); problem != "" { // finds which rows there are
		t.Fatal(problem)
	}
	l := new(lent)
	b.lent = l
	first, problem := b.poll(10 * time.Second)
	if problem != "" {
		t.Fatal(problem)
	}
	want := rows(first)
	kept := b.p.Kept(first.Tables[0].Attribute)
	asRows := func(k *probe.Kept) []string {
		var list [][]tree.Value
		for r := range k.Rows() {
			var cells []tree.Value
			for c := range k.Columns {
				cells = append(cells, k.Cell(r, c))
			}
			list = append(list, cells)
		}
		return rows(probe.Result{Tables: []probe.Table{{Columns: k.Columns, Rows: list}}})
	}
	if diff := cmp.Diff(want, asRows(kept)); diff != "" {
		t.Fatalf("kept (-want +got):\n%s", diff)
	}
	l.values, l.tables = first.Values, first.Tables
	l.free()
	if first.Tables[0].Rows != nil || l.all[:1][0] != (tree.Value{}) {
		t.Fatal("what was given back still holds readings")
	}
	set(200)
	b.lent = l
	second, problem := b.poll(10 * time.Second)
	if problem != "" {
		t.Fatal(problem)
	}
	if diff := cmp.Diff(want, asRows(kept)); diff != "" {
		t.Errorf("what was kept has changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rows(second), asRows(b.p.Kept(second.Tables[0].Attribute))); diff != "" {
		t.Errorf("kept of the second (-want +got):\n%s", diff)
	}
	if cmp.Equal(want, rows(second)) {
		t.Error("the second result is the first")
	}
	if b.p.Kept("nothing") != nil {
		t.Error("a table that there is not is kept")
	}
}
