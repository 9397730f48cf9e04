package document

import "testing"

func TestAddresses(t *testing.T) {
	for _, tc := range []struct{ in, shown, host string }{
		{"https://u:p@shop.example:8443/a?t=1#x", "https://shop.example:8443/a", "shop.example"}, {"10.0.0.1:161", "10.0.0.1:161", "10.0.0.1"},
		{"[::1]:161", "[::1]:161", "::1"}, {"web1", "web1", "web1"}, {"u:p@web1:22", "web1:22", "web1"}, {"", "", ""}, {"a b/c", "a b/c", ""},
	} {
		shown := withoutSecrets(tc.in)
		if shown != tc.shown || hostOf(shown) != tc.host {
			t.Errorf("%q: %q, %q", tc.in, shown, hostOf(shown))
		}
	}
}
