package member

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
)

// Each manager has a name of its own, whoever is there: who came first keeps the name.
func TestNamesAreToldApart(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	const a, b, c, d = peer.ID("aaaa000000000000"), peer.ID("bbbb000000000000"), peer.ID("bbbb111100000000"), peer.ID("dddd000000000000")
	for _, x := range []struct {
		name string
		all  []acquaintance
		want map[peer.ID]string
	}{
		{"none", nil, map[peer.ID]string{}},
		{"different ones", []acquaintance{{a, "x", day(2)}, {b, "y", day(1)}}, map[peer.ID]string{a: "x", b: "y"}},
		{"two of a name", []acquaintance{{a, "x", day(2)}, {b, "x", day(1)}}, map[peer.ID]string{b: "x", a: "x~aaaa"}},
		{"two at once", []acquaintance{{b, "x", day(1)}, {a, "x", day(1)}}, map[peer.ID]string{a: "x", b: "x~bbbb"}},
		{"three of nearly one ID", []acquaintance{{a, "x", day(1)}, {b, "x", day(2)}, {c, "x", day(3)}}, map[peer.ID]string{a: "x", b: "x~bbbb", c: "x~bbbb1111"}},
		{"one that takes the name of another's place", []acquaintance{{a, "x", day(1)}, {d, "x~bbbb", day(2)}, {b, "x", day(3)}}, map[peer.ID]string{a: "x", d: "x~bbbb", b: "x~bbbb0000"}},
		{"one by hearsay", []acquaintance{{id: a, name: "x"}, {b, "x", day(1)}}, map[peer.ID]string{b: "x", a: "x~aaaa"}},
		{"one twice, and one without a name", []acquaintance{{a, "x", day(1)}, {id: a, name: "self-said"}, {id: b}}, map[peer.ID]string{a: "x"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			if diff := cmp.Diff(x.want, apart(x.all)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
