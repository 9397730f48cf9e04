package probe_test

import (
	"math"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/tree"
)

// asWritten is a value with all that tells it from others, also NaN and the sign of 0.
func asWritten(v tree.Value) string {
	switch {
	case v.IsNone():
		return "none"
	case v.String() == "":
		return "empty"
	}
	if _, ok := v.Text(); ok {
		return "text " + v.String()
	}
	return v.String()
}

func TestKeep(t *testing.T) {
	n, s, none := tree.Number, tree.Text, tree.Value{}
	columns := []string{"index", "number", "text", "mixed", "same", "gaps", "zeros"}
	rows := [][]tree.Value{
		{s("1"), n(1), s("a"), n(1), n(5), none, n(0)},
		{s("2"), n(math.NaN()), none, s("1"), n(5), n(2), n(math.Copysign(0, -1))},
		{s("3"), n(math.Inf(-1)), s(""), none, n(5), none, n(0)},
	}
	more := [][]tree.Value{
		{s("1"), n(2), s("a"), n(1), s("x"), s("now a text"), none},
		{s("2"), n(3), s("b"), n(1), s("x")},
	}
	var before *probe.Kept
	counts := [][]tree.Value{
		{n(0), n(0), n(0), n(0), n(7), n(0), n(math.Copysign(0, -1))},
		{n(1<<32 - 2), n(1<<32 - 1), n(-1), n(0.5), n(8), none, n(1)},
		{none, n(1), n(1), n(1), none, n(1 << 31), n(2)},
	}
	for _, c := range []struct {
		name string
		rows [][]tree.Value
	}{
		{"first", rows}, {"unchanged", rows}, {"another shape", more}, {"counts", counts}, {"counts again", counts},
		{"no rows", nil}, {"back", rows},
	} {
		k := probe.Keep(&probe.Table{Attribute: "t", Columns: columns, Rows: c.rows}, before)
		before = k
		if k.Rows() != len(c.rows) {
			t.Fatalf("%s: %d rows of %d", c.name, k.Rows(), len(c.rows))
		}
		var got, want [][]string
		for r := range c.rows {
			var have, should []string
			for col := range columns {
				v := tree.Value{}
				if col < len(c.rows[r]) {
					v = c.rows[r][col]
				}
				have, should = append(have, asWritten(k.Cell(r, col))), append(should, asWritten(v))
			}
			got, want = append(got, have), append(want, should)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestKeepSharesTexts: texts that stay take no room again, whichever of them changes.
func TestKeepSharesTexts(t *testing.T) {
	table := &probe.Table{Columns: []string{"name", "alias"}, Rows: make([][]tree.Value, 100)}
	name := func(i int) string { return string(rune('a'+i%26)) + string(rune('a'+i/26)) }
	for i := range table.Rows {
		table.Rows[i] = []tree.Value{tree.Text(name(i)), tree.Text("port " + name(i))}
	}
	k := probe.Keep(table, nil)
	if n := testing.AllocsPerRun(10, func() { k = probe.Keep(table, k) }); n > 4 {
		t.Errorf("%v allocations for texts that did not change", n)
	}
	table.Rows[50][0], table.Rows[70][1] = tree.Text("other"), tree.Value{}
	changed := probe.Keep(table, k)
	for i, row := range table.Rows {
		for c, want := range row {
			if got := changed.Cell(i, c); got != want {
				t.Errorf("row %d, column %d: %v, want %v", i, c, got, want)
			}
		}
	}
	if got := k.Cell(50, 0); got != tree.Text(name(50)) {
		t.Errorf("what was kept before changed to %v", got)
	}
}

// TestKeepHoldsCountsInHalfTheRoom: what counts less than 32 bits takes half of what other
// numbers take, so that the tables of many devices fit.
func TestKeepHoldsCountsInHalfTheRoom(t *testing.T) {
	room := func(first float64) uint64 {
		table := &probe.Table{Columns: []string{"count"}, Rows: make([][]tree.Value, 1<<16)}
		for i := range table.Rows {
			table.Rows[i] = []tree.Value{tree.Number(first + float64(i))}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		k := probe.Keep(table, nil)
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(k)
		return after.TotalAlloc - before.TotalAlloc
	}
	counts, fractions := room(0), room(0.5)
	if 10*counts > 6*fractions {
		t.Errorf("%d bytes for counts, %d for other numbers", counts, fractions)
	}
}
