package definitions_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"grove/runtime/probe/servertest"
	"grove/tree"
)

// passwordOf writes the password of the servers of servertest to a file and refers to it.
func passwordOf(t *testing.T) string {
	t.Helper()
	return "file:" + configure(t, filepath.Join(t.TempDir(), "password"), servertest.Password+"\n")
}

// TestPostgreSQL runs the definition on Debian's PostgreSQL: with a forgotten transaction,
// somebody who waits for it, a slot that nobody reads and a table that is not vacuumed. Then
// the server is taken away.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	d := servertest.PostgreSQL(t, "max_connections=20", "autovacuum=off", "wal_level=replica")
	d.Exec("CREATE TABLE stock (id int PRIMARY KEY, n int)", "INSERT INTO stock SELECT n, 0 FROM generate_series(1, 20000) AS n",
		"UPDATE stock SET n = 1 WHERE id <= 15000", "SELECT pg_stat_force_next_flush()", "SELECT pg_create_physical_replication_slot('forgotten', true)")
	w := grow(t, fmt.Sprintf(`
use: postgresql
at: /shop/db1
with: { address: "%s", password: "%s", every: 1s, tables_every: 1s, idle_yellow: 0.5, idle_red: 1000 }
`, d.Address, passwordOf(t)))
	w.is("/shop/db1/Answer/Up", tree.Green)
	w.within("/shop/db1/Answer/Response time", 1e-6, 5)
	w.says("/shop/db1/Answer/Version", ".")
	w.within("/shop/db1/Connections/Used", 1, 50)
	w.within("/shop/db1/Transactions/Commits", 0.1, 1e5)
	w.within("/shop/db1/Storage/Hit ratio", 1, 100)
	w.within("/shop/db1/Databases/postgres/Size", 1e6, 1e9)
	w.within("/shop/db1/Databases/postgres/Wraparound", 0, 1)
	w.within("/shop/db1/Tables/public.stock/Dead rows", 40, 45) // 15,000 of 35,000
	w.is("/shop/db1/Replication/Slots/forgotten/Active", tree.Yellow)
	w.says("/shop/db1/Replication/Role", "primary")
	w.is("/shop/db1/Locks", tree.Green)
	w.exported()

	tx, err := d.Admin.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE stock SET n = 2 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := d.Admin.Exec("UPDATE stock SET n = 3 WHERE id = 1")
		waited <- err
	}()
	w.within("/shop/db1/Locks/Waiting", 1, 1)
	w.is("/shop/db1/Transactions/Longest idle", tree.Yellow)
	w.within("/shop/db1/Connections/Idle in transaction", 1, 1)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	w.within("/shop/db1/Locks/Waiting", 0, 0)
	w.is("/shop/db1/Transactions/Longest idle", tree.Green)
	w.until("every node has a reading", func() bool { return len(w.white("/shop/db1")) == 0 })

	d.Stop()
	w.is("/shop/db1/Answer/Up", tree.Red)
	w.is("/shop/db1/Connections/Used", tree.White)
	w.is("/shop/db1", tree.Red)

	d.Start()
	w.is("/shop/db1/Answer/Up", tree.Green)
}
