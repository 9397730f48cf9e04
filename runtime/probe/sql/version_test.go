package sql

import "testing"

func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		server, since, before string
		asked                 bool
	}{
		{"15.6 (Debian 15.6-0+deb12u1)", "", "", true},
		{"15.6 (Debian 15.6-0+deb12u1)", "15", "", true},
		{"15.6 (Debian 15.6-0+deb12u1)", "15.6", "16", true},
		{"15.6 (Debian 15.6-0+deb12u1)", "15.7", "", false},
		{"15.6 (Debian 15.6-0+deb12u1)", "", "15.6", false},
		{"17beta1", "17", "", true},
		{"10.11.6-MariaDB-0+deb12u1", "10.5", "", true},
		{"10.11.6-MariaDB-0+deb12u1", "8.0.22", "", true},
		{"5.5.5-10.11.6-MariaDB", "10.5", "", true},
		{"8.0.36", "8.0.22", "", true},
		{"5.7.44-log", "8.0.22", "", false},
		{"a fork of its own", "99", "", true}, // It is asked, and may refuse.
	} {
		since, err := parseVersion(tt.since)
		if err != nil {
			t.Fatal(err)
		}
		before, err := parseVersion(tt.before)
		if err != nil {
			t.Fatal(err)
		}
		q := query{since: since, before: before}
		if got := q.of(serverVersion(tt.server)); got != tt.asked {
			t.Errorf("%s, since %q, before %q: %v", tt.server, tt.since, tt.before, got)
		}
	}
}

func FuzzServerVersion(f *testing.F) {
	f.Add("5.5.5-10.11.6-MariaDB")
	f.Fuzz(func(t *testing.T, s string) {
		if v := serverVersion(s); len(v) > 4 {
			t.Errorf("%q is %v", s, v)
		}
	})
}
