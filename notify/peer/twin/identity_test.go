package twin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer/twin"
)

func TestOneMarkHasOneSpelling(t *testing.T) {
	for _, c := range []struct{ mark, value, want string }{
		{"address", " 10.0.0.1 ", "10.0.0.1"},
		{"address", "10.0.0.1:161", "10.0.0.1:161"},
		{"address", "2001:DB8:0::1", "2001:db8::1"},
		{"address", "[2001:DB8::1]:0161", "[2001:db8::1]:161"},
		{"address", "[2001:DB8::1]", "2001:db8::1"},
		{"address", "::ffff:10.0.0.1", "10.0.0.1"},
		{"address", "Switch1.Example.", "switch1.example"},
		{"address", "Switch1.Example.:161", "switch1.example:161"},
		{"status_url", "HTTPS://User:pw@Web1.Example/status?x", "web1.example:443"},
		{"url", "http://web1.example:8080/", "web1.example:8080"},
		{"address", "127.0.0.1:80", ""},
		{"address", "localhost", ""},
		{"address", "db.localhost:5432", ""},
		{"address", "::1", ""},
		{"address", "fe80::1%eth0", ""},
		{"address", "169.254.1.1", ""},
		{"address", "0.0.0.0:161", ""},
		{"address", "224.0.0.1", ""},
		{"address", "10.0.0.256", ""},
		{"address", "010.0.0.1", ""},
		{"address", "web1:0", ""},
		{"address", "web1:x", ""},
		{"address", "[10.0.0.1:80", ""},
		{"address", "two words", ""},
		{"address", "unix:/run/x", ""},
		{"mac", "00:1A:2b:3C:4d:5E", "001a2b3c4d5e"},
		{"mac", "0:1a:2b:3c:4d:5e", "001a2b3c4d5e"},
		{"mac", "001a.2b3c.4d5e", "001a2b3c4d5e"},
		{"mac", "00-1a-2b-3c-4d-5e", "001a2b3c4d5e"},
		{"mac", "00:00:00:00:00:00", ""},
		{"mac", "ff:ff:ff:ff:ff:ff", ""},
		{"engine_id", "0x80001F8880E9BD0C1D12667A5100000000", "80001f8880e9bd0c1d12667a5100000000"},
		{"engine_id", "80 00 1f 88 80 e9", "80001f8880e9"},
		{"serial", "  FOX1234 X ", "fox1234 x"},
		{"serial", "To Be Filled By O.E.M.", ""},
		{"serial", "0000000", ""},
		{"serial", "N/A", ""},
		{"serial", "a\x00b", ""},
		{"name", "Web1", "web1"},
	} {
		if got := twin.Normal(c.mark, c.value); got != c.want {
			t.Errorf("%s %q is %q, not %q", c.mark, c.value, got, c.want)
		}
	}
}

func TestMarksComeFromParametersPropertiesLabelsAndTheName(t *testing.T) {
	got := twin.Identify([]string{"Address", "engine-id", "serial", "name", "rack"}, "sw1",
		map[string]string{"address": "10.0.0.1:161", "serial": "none"},
		map[string]string{"engineID": "x", "Engine_ID": "80:00:1f:88:80:01", "address": "10.9.9.9", "serial": "FOX1"},
		map[string]string{"rack": "R7"})
	want := map[string]string{"address": "10.0.0.1:161", "engine_id": "80001f888001", "serial": "fox1", "name": "sw1", "rack": "r7"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := twin.Identify([]string{"name"}, "", nil, nil, nil); len(got) != 0 {
		t.Errorf("a device without a name of its own has marks: %v", got)
	}
}

func FuzzNormal(f *testing.F) {
	for _, value := range []string{"10.0.0.1:161", "[2001:db8::1]:161", "http://a:1/", "00:1a:2b:3c:4d:5e", "0x8000", "Serial 1", "a:b:c", "ſ"} {
		for _, mark := range []string{"address", "mac", "serial"} {
			f.Add(mark, value)
		}
	}
	f.Fuzz(func(t *testing.T, mark, value string) {
		once := twin.Normal(mark, value)
		if twice := twin.Normal(mark, once); twice != once || len(once) > 256 {
			t.Errorf("%q %q: %q, then %q", mark, value, once, twice)
		}
	})
}
