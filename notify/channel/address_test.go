package channel

import "testing"

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"mail.example.org":      "mail.example.org mail.example.org:587",
		"mail.example.org:25":   "mail.example.org mail.example.org:25",
		"192.0.2.1:25":          "192.0.2.1 192.0.2.1:25",
		"[2001:db8::1]:25":      "2001:db8::1 [2001:db8::1]:25",
		"[2001:db8::1]":         "2001:db8::1 [2001:db8::1]:587",
		"2001:db8::1":           "2001:db8::1 [2001:db8::1]:587",
		"":                      "server: is missing: write host:port",
		":25":                   `server: ":25" is not host:port`,
		"mail:smtp":             `server: "mail:smtp" is not host:port`,
		"mail:0":                `server: "mail:0" is not host:port`,
		"mail:65536":            `server: "mail:65536" is not host:port`,
		"https://mail:25":       `server: "https://mail:25" is not host:port`,
		"me@mail:25":            `server: "me@mail:25" is not host:port`,
		"two words:25":          `server: "two words:25" is not host:port`,
		"mail:25\r\nRCPT TO:<>": `server: "mail:25\r\nRCPT TO:<>" is not host:port`,
	} {
		host, address, err := Address("server", text, 587)
		got := host + " " + address
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
