package grouping

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
)

func TestGroups(t *testing.T) {
	a := &alert.Alert{ID: 7, Path: tree.MustPath("/shop/web1/Connections/Active"), Kind: alert.Status, Severity: tree.Major, Instance: "shop-web1",
		Labels: map[string]string{"zone": "eu-1", "odd": "a=b, c"}, Properties: map[string]string{"location": "Berlin"}, Customers: []string{"INITECH", "ACME"}}
	for _, c := range []struct {
		by   []string
		want string
	}{
		{nil, "instance=shop-web1"},
		{[]string{"instance"}, "instance=shop-web1"},
		{[]string{"path:1"}, "path=/shop"},
		{[]string{"path:2", "kind"}, "kind=status, path=/shop/web1"},
		{[]string{"path:9"}, "path=/shop/web1/Connections/Active"},
		{[]string{"label:zone", "property:location"}, "location=Berlin, zone=eu-1"},
		{[]string{"label:none"}, `none=""`},
		{[]string{"label:odd"}, `odd="a=b, c"`},
		{[]string{"customer", "severity"}, `customer="ACME, INITECH", severity=major`},
		{[]string{"all"}, "all"},
		{[]string{"alert"}, "alert=7"},
	} {
		by, err := Parse(c.by)
		if err != nil {
			t.Errorf("%q: %v", c.by, err)
			continue
		}
		if got := by.Of(a).String(); got != c.want {
			t.Errorf("%q: %s, want %s", c.by, got, c.want)
		}
	}
}

// TestLongValues: what alerts have in common is bounded, and what differs stays apart.
func TestLongValues(t *testing.T) {
	by, err := Parse([]string{"label:x"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("é", 10_000)
	one, two := by.Of(&alert.Alert{Labels: map[string]string{"x": long}})["x"], by.Of(&alert.Alert{Labels: map[string]string{"x": long + "x"}})["x"]
	if len(one) > maxValueBytes || !utf8.ValidString(one) || one == two {
		t.Errorf("%q and %q", one, two)
	}
}

func TestBadGroups(t *testing.T) {
	for _, c := range []struct {
		by   []string
		want string
	}{
		{[]string{"node"}, `by: alerts are not grouped by "node": instance, path:N, label:NAME, property:NAME, customer, kind, severity, all or alert`},
		{[]string{"instance:x"}, `by: alerts are not grouped by "instance:x": instance, path:N, label:NAME, property:NAME, customer, kind, severity, all or alert`},
		{[]string{"instance", "all"}, `by[1]: "all" stands alone`},
		{[]string{"kind", "kind"}, `by[1]: "kind" stands there twice`},
		{[]string{"label:x", "property:x"}, `by[1]: "x" stands there twice`},
		{[]string{"path:0"}, `by: "path:0": it is 1 to 32 names of the path`},
		{[]string{"path"}, `by: "path" needs a name of 1 to 128 bytes after the colon, as in label:zone and path:2`},
		{make([]string, 9), `by: 9 are more than the bound of 8`},
	} {
		_, err := Parse(c.by)
		var option *channel.OptionError
		if !errors.As(err, &option) || err.Error() != c.want {
			t.Errorf("%q: got  %v\nwant %s", c.by, err, c.want)
		}
	}
}
