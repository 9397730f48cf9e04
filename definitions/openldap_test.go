package definitions_test

import (
	"fmt"
	"testing"

	"grove/runtime/probe/servertest"
	"grove/tree"
)

// TestOpenLDAP runs the definition on Debian's slapd: one instance may log in and finds
// somebody, one finds nobody, one has a wrong password. Then the server is taken away.
func TestOpenLDAP(t *testing.T) {
	t.Parallel()
	s := servertest.OpenLDAP(t)
	w := grow(t, fmt.Sprintf(`
use: openldap
at: /office/directory
with: { address: "%[1]s", password: "%[2]s", every: 1s, base: "ou=people,dc=example,dc=org", filter: (uid=p3) }
---
use: openldap
at: /office/nobody
name: nobody
with: { address: "%[1]s", password: "%[2]s", every: 1s, base: "ou=people,dc=example,dc=org", filter: (uid=gone), space_yellow: 0.01 }
---
use: openldap
at: /office/stranger
name: stranger
with: { address: "%[1]s", user: "cn=admin,dc=example,dc=org", password: "%[3]s", every: 1s }
`, s.Address, passwordOf(t), "file:"+configure(t, t.TempDir()+"/wrong", "guess\n")))
	w.is("/office/directory/Answer/Up", tree.Green)
	w.within("/office/directory/Answer/Response time", 1e-6, 5)
	w.says("/office/directory/Answer/Version", "OpenLDAP")
	w.is("/office/directory/Answer/Up for", tree.Yellow) // it was started just now
	w.within("/office/directory/Search/Found", 1, 1)
	w.within("/office/directory/Connections/Open", 1, 20)
	w.within("/office/directory/Operations/Search", 0.1, 1e4)
	w.within("/office/directory/Threads/Busy", 1, 100)
	w.within("/office/directory/Databases/dc=example,dc=org/Space", 0.01, 20)
	w.within("/office/directory/Databases/dc=example,dc=org/Entries", 13, 13)
	w.until("every node has a reading", func() bool { return len(w.white("/office/directory")) == 0 })
	w.exported()

	w.is("/office/nobody/Search/Found", tree.Red)
	w.is("/office/nobody/Databases/dc=example,dc=org/Space", tree.Yellow)
	w.is("/office/stranger/Answer/Up", tree.Red)
	w.says("/office/stranger/Answer/State", "denied")

	s.Stop()
	w.is("/office/directory/Answer/Up", tree.Red)
	w.is("/office/directory/Threads/Busy", tree.White)
	w.is("/office/directory", tree.Red)

	s.Start()
	w.is("/office/directory/Answer/Up", tree.Green)
}
