package journal

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// TestQueriesTakeTheIndex holds that what must be fast with a million entries goes by an
// index on both engines, as EXPLAIN says.
func TestQueriesTakeTheIndex(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		for i := range 100 {
			j.Statuses(changesAt(200, start.Add(time.Duration(i)*time.Second), tree.Red))
		}
		if err := j.Append(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
		explain := "EXPLAIN QUERY PLAN "
		if d.Engine == "postgres" {
			explain = "EXPLAIN "
			if err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec("ANALYZE"); return err }); err != nil {
				t.Fatal(err)
			}
		}
		leaf := tree.MustPath("/shop/rack42/host00042/load")
		for name, tc := range map[string]struct {
			query            Query
			sqlite, postgres string // an index that must be taken
		}{
			"newest":      {Query{}, "PRIMARY KEY (manager=? AND id>? AND id<?)", "journal_pkey"},
			"a time":      {Query{From: start, To: start.Add(time.Second)}, "PRIMARY KEY (manager=? AND id>? AND id<?)", "journal_pkey"},
			"one node":    {Query{Under: leaf, Only: true, From: start, To: start.Add(time.Minute)}, "journal_node (manager=? AND node=? AND id>? AND id<?)", "journal_node"},
			"a subtree":   {Query{Under: tree.MustPath("/shop/rack42/host00042")}, "journal_node (manager=? AND node=? AND id>? AND id<?)", "journal_node"},
			"a rare kind": {Query{Kinds: []Kind{Definition}}, "journal_kind", "journal_kind"},
		} {
			t.Run(name, func(t *testing.T) {
				var plan strings.Builder
				if err := j.o.Store.Read(t.Context(), func(tx *store.Tx) error {
					from, _, err := tc.query.from(tx)
					if err != nil {
						return err
					}
					low, high := tc.query.bounds(0)
					statement, args := tc.query.statement(tx.Manager(), from, low, high, "", 101)
					return tx.Each(explain+statement, args, func(rows *sql.Rows) error {
						columns, err := rows.Columns()
						if err != nil {
							return err
						}
						cells := make([]any, len(columns))
						for i := range cells {
							cells[i] = new(any)
						}
						if err := rows.Scan(cells...); err != nil {
							return err
						}
						line, _ := (*cells[len(cells)-1].(*any)).(string)
						plan.WriteString(line + "\n")
						return nil
					})
				}); err != nil {
					t.Fatal(err)
				}
				want := tc.postgres
				if d.Engine == "sqlite" {
					want = tc.sqlite
				}
				if !strings.Contains(plan.String(), want) || strings.Contains(plan.String(), "TEMP B-TREE") && name != "a subtree" && name != "a rare kind" {
					t.Errorf("want %s in\n%s", want, plan.String())
				}
			})
		}
	})
}
