package definitions_test

import (
	"fmt"
	"testing"

	"grove/runtime/probe/servertest"
	"grove/tree"
)

// TestBIND runs the definition on two of Debian's name servers, which have different
// versions of their zone; one is taken away.
func TestBIND(t *testing.T) {
	one, two := servertest.Named(t, 2026010101), servertest.Named(t, 2026010102)
	w := grow(t, fmt.Sprintf(`
use: bind
at: /network/ns1
name: ns1
with: { statistics_url: "http://%s/xml/v3/server", zone: example.test, servers: ["%s"], every: 500ms }
---
use: bind
at: /network/both
name: both
with: { statistics_url: "http://%s/xml/v3/server", zone: example.test, servers: ["%[2]s", "%[4]s"], resolves: true, every: 500ms }
`, one.Statistics, one.Address, two.Statistics, two.Address))
	w.is("/network/ns1/Statistics/Up", tree.Green)
	w.is("/network/ns1/Zone/Answers", tree.Green)
	w.within("/network/ns1/Zone/Serial", 2026010101, 2026010101)
	w.within("/network/ns1/Zone/Expires after", 864000, 864000)
	w.is("/network/ns1/Zone/Same serial", tree.Green)
	w.within("/network/ns1/Zone/Response time", 1e-6, 1)
	w.within("/network/ns1/Queries/All", 0.5, 1000)    // the probe's own
	w.within("/network/ns1/Responses/Well", 0.5, 1000) // their answers
	w.within("/network/ns1/Responses/Failed", 0, 0)
	w.within("/network/ns1/Recursion/Waiting clients", 0, 0)
	w.within("/network/ns1/Cache/Memory", 1000, 1e9)
	w.until("every node has a reading", func() bool { return len(w.white("/network/ns1")) == 0 })
	w.is("/network/ns1", tree.Green)
	w.exported()

	w.is("/network/both/Zone/Answers", tree.Green)
	w.is("/network/both/Zone/Same serial", tree.Yellow)
	w.is("/network/both/Foreign names/Answers", tree.Red) // these servers recurse for nobody
	w.within("/network/both/Responses/Refused", 0.1, 1000)

	two.Stop()
	w.is("/network/both/Statistics/Up", tree.Red)
	w.is("/network/both/Zone/Answers", tree.Red)
	w.says("/network/both/Zone/Error", two.Address)
	w.is("/network/ns1", tree.Green)
	one.Stop()
	w.is("/network/ns1/Zone/Answers", tree.Red)
	w.is("/network/ns1/Queries/All", tree.White)
}
