package definitions_test

import (
	"fmt"
	"net"
	"testing"

	"grove/runtime/probe/servertest"
	"grove/tree"
)

// TestRedis runs the definition on Debian's Redis with a replica; the server is filled, and
// taken away.
func TestRedis(t *testing.T) {
	t.Parallel()
	s := servertest.Redis(t, "--maxmemory", "20mb", "--maxmemory-policy", "noeviction")
	replica := servertest.Redis(t, "--replicaof", "127.0.0.1 "+s.Port())
	w := grow(t, fmt.Sprintf(`
use: redis
at: /shop/sessions
with: { address: "%s", every: 1s }
---
use: redis
at: /shop/copy
name: copy
with: { address: "%s", every: 1s, replica: true }
`, s.Address, replica.Address))
	w.is("/shop/sessions/Answer/Up", tree.Green)
	w.within("/shop/sessions/Answer/Response time", 1e-6, 1)
	w.says("/shop/sessions/Answer/Version", ".")
	w.is("/shop/sessions/Answer/Up for", tree.Yellow) // it was started just now
	w.within("/shop/sessions/Memory/Used", 1, 60)
	w.within("/shop/sessions/Clients/Connected", 1, 10)
	w.within("/shop/sessions/Work/Commands", 0.1, 1e4)
	w.is("/shop/sessions/Persistence/Snapshot", tree.Green)
	w.says("/shop/sessions/Replication/Role", "master")
	w.is("/shop/sessions/Replication/Replicas/127.0.0.1:"+replica.Port()+"/State", tree.Green)
	w.is("/shop/copy/Replication/Link", tree.Green)
	w.within("/shop/copy/Replication/Silence", 0, 20)
	w.exported()

	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "SETRANGE big 17000000 x\r\n"); err != nil { // 17 MB of 20
		t.Fatal(err)
	}
	w.within("/shop/sessions/Memory/Used", 80, 200)
	w.within("/shop/sessions/Keys/Databases/db0", 1, 1)

	s.Stop()
	w.is("/shop/sessions/Answer/Up", tree.Red)
	w.says("/shop/sessions/Answer/Error", "connection refused")
	w.is("/shop/copy/Replication/Link", tree.Red)
	w.is("/shop/sessions/Memory/Used", tree.White)
	w.is("/shop", tree.Red)

	s.Start()
	w.is("/shop/sessions/Answer/Up", tree.Green)
}
