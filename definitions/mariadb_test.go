package definitions_test

import (
	"fmt"
	"testing"

	"grove/runtime/probe/servertest"
	"grove/tree"
)

// TestMariaDB runs the definition on Debian's MariaDB and a replica of it: somebody waits for
// a lock, the replica meets what it cannot apply, and the server is taken away.
func TestMariaDB(t *testing.T) {
	t.Parallel()
	d := servertest.MariaDB(t, "--log-bin=binlog", "--server-id=1")
	copied := servertest.MariaDB(t, "--server-id=2", "--read-only=1")
	d.Exec("CREATE DATABASE shop", "CREATE TABLE shop.stock (id INT PRIMARY KEY, n INT) ENGINE=InnoDB", "INSERT INTO shop.stock VALUES (1, 1)",
		"RESET MASTER", "CREATE USER copy@'%' IDENTIFIED BY '"+servertest.Password+"'", "GRANT REPLICATION SLAVE ON *.* TO copy@'%'")
	copied.Exec("CREATE DATABASE shop", "CREATE TABLE shop.stock (id INT PRIMARY KEY, n INT) ENGINE=InnoDB", "INSERT INTO shop.stock VALUES (1, 1)",
		"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="+d.Port()+", MASTER_USER='copy', MASTER_PASSWORD='"+servertest.Password+"', MASTER_CONNECT_RETRY=1", "START SLAVE")
	password := passwordOf(t)
	w := grow(t, fmt.Sprintf(`
use: mariadb
at: /shop/db2
with: { address: "%s", password: "%s", every: 1s, transaction_yellow: 0.5 }
---
use: mariadb
at: /shop/copy
name: copy
with: { address: "%s", password: "%[2]s", every: 1s, replica: true }
`, d.Address, password, copied.Address))
	w.is("/shop/db2/Answer/Up", tree.Green)
	w.within("/shop/db2/Answer/Response time", 1e-6, 5)
	w.says("/shop/db2/Answer/Version", "MariaDB")
	w.within("/shop/db2/Connections/Used", 0.5, 50)
	w.within("/shop/db2/Queries/All", 0.1, 1e5)
	w.within("/shop/db2/InnoDB/Hit ratio", 10, 100)
	w.within("/shop/db2/Transactions/Deadlocks", 0, 0)
	w.is("/shop/copy/Replication/Receives", tree.Green)
	w.is("/shop/copy/Replication/Applies", tree.Green)
	w.is("/shop/copy/Replication/Read only", tree.Green)
	w.within("/shop/copy/Replication/Lag", 0, 30)
	w.exported()

	tx, err := d.Admin.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE shop.stock SET n = 2 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := d.Admin.Exec("UPDATE shop.stock SET n = 3 WHERE id = 1")
		waited <- err
	}()
	w.within("/shop/db2/Transactions/Waiting", 1, 1)
	w.is("/shop/db2/Transactions/Oldest", tree.Yellow)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	w.is("/shop/db2/Transactions/Oldest", tree.Green)
	w.until("every node has a reading", func() bool { return len(w.white("/shop")) == 0 })

	copied.Exec("SET GLOBAL read_only=0", "INSERT INTO shop.stock VALUES (2, 2)")
	w.is("/shop/copy/Replication/Read only", tree.Yellow)
	d.Exec("INSERT INTO shop.stock VALUES (2, 2)") // it is there already
	w.is("/shop/copy/Replication/Applies", tree.Red)
	w.says("/shop/copy/Replication/Error", "Duplicate")

	d.Stop()
	w.is("/shop/db2/Answer/Up", tree.Red)
	w.is("/shop/db2/Connections/Used", tree.White)
	w.is("/shop/db2", tree.Red)
	w.is("/shop/copy/Replication/Receives", tree.Yellow)
}
