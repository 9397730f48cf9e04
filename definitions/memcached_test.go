package definitions_test

import (
	"bufio"
	"fmt"
	"net"
	"testing"

	"grove/runtime/probe/servertest"
	"grove/tree"
)

// TestMemcached runs the definition on Debian's memcached, flushes it, and takes it away.
func TestMemcached(t *testing.T) {
	t.Parallel()
	s := servertest.Memcached(t, "-c", "64")
	w := grow(t, fmt.Sprintf(`
use: memcached
at: /shop/pages
with: { address: "%s", every: 1s }
`, s.Address))
	w.is("/shop/pages/Answer/Up", tree.Green)
	w.within("/shop/pages/Answer/Response time", 1e-7, 1)
	w.says("/shop/pages/Answer/Version", "1.")
	w.is("/shop/pages/Answer/Up for", tree.Yellow) // it was started just now
	w.within("/shop/pages/Connections/Used", 1, 20)
	w.within("/shop/pages/Hits/Flushed", 0, 0)

	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for _, command := range []string{"set a 0 0 5\r\nhello", "get b", "flush_all"} {
		if _, err := fmt.Fprint(conn, command+"\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if command != "flush_all" {
			w.until("it is counted", func() bool {
				n, _ := w.node("/shop/pages/Memory/Items")
				items, _ := n.Value.Number()
				return items == 1
			})
		}
	}
	w.is("/shop/pages/Hits/Flushed", tree.Yellow)
	w.within("/shop/pages/Hits/Hit ratio", 100, 100)
	w.until("every node has a reading", func() bool { return len(w.white("/shop/pages")) == 0 })
	w.exported()

	s.Stop()
	w.is("/shop/pages/Answer/Up", tree.Red)
	w.says("/shop/pages/Answer/Error", "connection refused")
	w.is("/shop/pages/Memory/Used", tree.White)
	w.is("/shop/pages", tree.Red)

	s.Start()
	w.is("/shop/pages/Answer/Up", tree.Green)
}
