package member

import "testing"

// An invitation has an address that another machine can call.
func TestWays(t *testing.T) {
	for address, want := range map[string]string{
		"tls://0.0.0.0:7443":      "tls://10.1.2.3:7443",
		"tls://[::]:7443":         "tls://10.1.2.3:7443",
		"wss://0.0.0.0:8443/peer": "wss://10.1.2.3:8443/peer",
		"tls://127.0.0.1:7443":    "tls://127.0.0.1:7443",
		"tls://berlin:7443":       "tls://berlin:7443",
		"tls://[2001:db8::1]:1":   "tls://[2001:db8::1]:1",
	} {
		if got := way(address, func() string { return "10.1.2.3" }); got != want {
			t.Errorf("%s: %s, not %s", address, got, want)
		}
	}
	if got := way("tls://0.0.0.0:1", func() string { return "" }); got != "tls://0.0.0.0:1" {
		t.Errorf("of a machine without an address: %s", got)
	}
}
