package ledger

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// TestQueriesTakeTheIndex holds that what must be fast with a million alerts goes by an
// index on both engines, as EXPLAIN says.
func TestQueriesTakeTheIndex(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		l := New(s)
		began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		rows := make([]Row, 3000)
		for i := range rows {
			at := began.Add(time.Duration(i) * time.Second)
			p := tree.MustPath(fmt.Sprintf("/shop/web%d/Up", i/2))
			rows[i].Alert = &alert.Alert{ID: alert.ID(at.UnixMilli() << 20), Path: p, Kind: alert.Status, State: alert.Resolved, Opened: at, Resolved: &at, Message: strings.Repeat("x", 500)}
		}
		explain := "EXPLAIN QUERY PLAN "
		err := s.Write(t.Context(), func(tx *store.Tx) error { return l.Put(tx, rows) })
		if d.Engine == "postgres" && err == nil {
			explain = "EXPLAIN "
			err = s.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec("ANALYZE"); return err })
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			q                alert.Query
			few              bool
			after            Position
			sqlite, postgres string // what must be taken
		}{
			"newest":        {q: alert.Query{}, sqlite: "alert_resolved (manager=? AND resolved>?)", postgres: "alert_resolved"},
			"the next page": {q: alert.Query{}, after: Position{began.UnixMilli() + 1e6, 7}, sqlite: "alert_resolved (manager=? AND ", postgres: "alert_resolved"},
			"a time":        {q: alert.Query{From: began.Add(40 * time.Minute)}, sqlite: "alert_resolved (manager=? AND resolved>?)", postgres: "alert_resolved"},
			"few below":     {q: alert.Query{Under: tree.MustPath("/shop/web7")}, few: true, sqlite: "alert_path (manager=? AND path", postgres: "alert_path"},
			"many below":    {q: alert.Query{Under: tree.MustPath("/shop")}, sqlite: "alert_resolved (manager=? AND resolved>?)", postgres: "alert_resolved"},
		} {
			t.Run(name, func(t *testing.T) {
				var plan strings.Builder
				if err := s.Read(t.Context(), func(tx *store.Tx) error {
					query, args := statement(tx.Manager(), c.few, &c.q, c.after, 101)
					return tx.Each(explain+query, args, func(r *sql.Rows) error {
						columns, err := r.Columns()
						if err != nil {
							return err
						}
						cells := make([]any, len(columns))
						for i := range cells {
							cells[i] = new(any)
						}
						err = r.Scan(cells...)
						for i := range cells {
							fmt.Fprint(&plan, *cells[i].(*any), " ")
						}
						plan.WriteByte('\n')
						return err
					})
				}); err != nil {
					t.Fatal(err)
				}
				want := c.sqlite
				if d.Engine == "postgres" {
					want = c.postgres
				}
				sorts := strings.Contains(plan.String(), "TEMP B-TREE") || strings.Contains(plan.String(), "Sort")
				if !strings.Contains(plan.String(), want) || sorts && !c.few {
					t.Errorf("%s", plan.String())
				}
			})
		}
	})
}
