package beanstest

import (
	"testing"

	"grove/beans"
)

// Directory is the contract of [beans.Directory] for one that is to be mounted
// on names of the domain and type and has at least one bean.
func Directory(t *testing.T, domain, kind string, d beans.Directory) {
	t.Helper()
	var names []beans.Name
	d.Names(beans.Name{}, func(n beans.Name) bool {
		names = append(names, n)
		return true
	})
	if len(names) == 0 || len(names) != d.Count() {
		t.Fatalf("it yields %d names and counts %d beans; it must have some and count them all", len(names), d.Count())
	}
	seen := map[string]bool{}
	for _, n := range names {
		if got, _ := n.Get("type"); n.Domain() != domain || got != kind || n.IsPattern() {
			t.Errorf("the name %s is not of domain %s and type %s", n, domain, kind)
		}
		if seen[n.Canonical()] {
			t.Errorf("the name %s is yielded twice", n)
		}
		seen[n.Canonical()] = true
		if b, ok := d.Bean(n); !ok || b == nil {
			t.Errorf("the name %s is yielded and has no bean", n)
		}
		if _, ok := d.Bean(beans.MustName(n.Canonical())); !ok {
			t.Errorf("the canonical name %s has no bean; the order of properties must not matter", n.Canonical())
		}
	}
	none, err := beans.NewName(domain, "type", kind, "no such key", "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Bean(none); ok {
		t.Errorf("the name %s has a bean; every property must count", none)
	}
	for _, text := range []string{"*:*", domain + ":*", "*:type=" + kind + ",*", "*:type=" + kind, "?:*", domain + ":type=*,x=y", names[0].Canonical(), names[0].Canonical() + ",*"} {
		pattern := beans.MustName(text)
		want := map[string]bool{}
		for _, n := range names {
			if pattern.Matches(n) {
				want[n.Canonical()] = true
			}
		}
		got := 0
		d.Names(pattern, func(n beans.Name) bool {
			got++
			if !want[n.Canonical()] {
				t.Errorf("the pattern %s yields %s, which it does not match", pattern, n)
			}
			return true
		})
		if got != len(want) {
			t.Errorf("the pattern %s yields %d names of %d", pattern, got, len(want))
		}
	}
	calls := 0
	d.Names(beans.Name{}, func(beans.Name) bool { calls++; return false })
	if calls != 1 {
		t.Errorf("it yields %d names after it was told to stop at the first", calls)
	}
}
