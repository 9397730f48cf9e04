package settings

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
)

func TestRead(t *testing.T) {
	got, errs := Read("peers.yaml", []byte(`
grove: 1
site: north
listen: ["tls://0.0.0.0:7443", "wss://[::]:8443/peer"]
ways: ["tls://grove.example:7443"]
proxy: http://proxy.example:3128
integrate: true
capacity: 500
stand_in: [hamburg, "*"]
alone_after: 5m
certificates_live: 48h
branches:
  - { from: berlin, under: /shop, alerts: ours }
  - { from: "*", at: "/Sites/${name}" }
allow:
  - { who: hamburg, role: editor, under: /shop }
identity: [serial]
same: [["berlin:switch-1", "hamburg:sw1"]]
prefer: [berlin]
`))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := &Settings{
		Site: "north", Listen: []string{"tls://0.0.0.0:7443", "wss://[::]:8443/peer"}, Ways: []string{"tls://grove.example:7443"},
		Proxy: "http://proxy.example:3128", Integrate: new(true), Capacity: 500, StandIn: []string{"hamburg", "*"},
		AloneAfter: 5 * time.Minute, Lives: 48 * time.Hour,
		Branches: []Branch{
			{From: "berlin", Under: tree.MustPath("/shop"), At: DefaultAt + "/shop", Alerts: "ours"},
			{From: "*", At: "/Sites/${name}", Alerts: "theirs"},
		},
		Allow:    []Allow{{Who: "hamburg", Role: grant.Editor, Under: tree.MustPath("/shop")}},
		Identity: []string{"serial"}, Same: [][]string{{"berlin:switch-1", "hamburg:sw1"}}, Prefer: []string{"berlin"},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}
}

func TestNothingSaid(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "grove: 1\n", "{}"} {
		got, errs := Read("peers.yaml", []byte(text))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if d := cmp.Diff(Default(), got, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); d != "" {
			t.Errorf("%q (-default +got):\n%s", text, d)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"key", "sight: north", `peers.yaml:1:1: unknown key "sight" in a file of peers`},
		{"scheme", "listen: [\"http://0.0.0.0:1\"]", "peers.yaml:1:10: \"http://0.0.0.0:1\": an address such as tls"},
		{"listen at a name", "listen: [\"tls://grove:7443\"]", "an address of this machine is wanted"},
		{"no port", "ways: [\"tls://grove\"]", "the host and the port are wanted"},
		{"path", "ways: [\"tls://grove:1/x\"]", "a tls address has no path"},
		{"password of a proxy", "proxy: http://ada:x@proxy:1", "without a password"},
		{"cluster", "cluster: { ca: x }", "servers: 1 to 16 addresses"},
		{"both", "listen: [\"tls://0.0.0.0:1\"]\ncluster: { servers: [\"tls://a:1\"] }", "with an external cluster nothing listens here"},
		{"half a key", "cluster: { servers: [\"tls://a:1\"], key: x }", "certificate and key belong together"},
		{"capacity", "capacity: -1", "peers.yaml:1:11: -1 devices are not between 0 and 1000000"},
		{"alone", "alone_after: 0s", "0s is not between 1s and 7d"},
		{"certificates", "certificates_live: 30m", "is not between 1h and 3d"},
		{"from", "branches: [{ under: /a }]", "from is missing"},
		{"one place for all", "branches: [{ from: \"*\", at: /Managers }]", "needs ${name}"},
		{"variable", "branches: [{ from: a, at: \"/${site}\" }]", "only ${name} can stand in it"},
		{"alerts", "branches: [{ from: a, alerts: mine }]", "theirs or ours is wanted"},
		{"role", "allow: [{ who: a, role: king }]", "king"},
		{"who", "allow: [{ role: viewer }]", "who is missing"},
		{"twice", "stand_in: [a, a]", "is empty, or there already"},
		{"alone in a set", "same: [[\"a:b\"]]", "two devices or more"},
		{"device", "same: [[\"a:b\", c]]", "manager:device is wanted"},
		{"two documents", "site: a\n---\nsite: b", "one document"},
		{"version", "grove: 2", "the version of this language is 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, errs := Read("peers.yaml", []byte(c.text))
			if got != nil || !strings.Contains(errs.Error(), c.want) {
				t.Errorf("got %+v, %v; want %q", got, errs, c.want)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	b := Branch{At: "/Managers/${name}/all"}
	p, err := b.Place("a/b")
	if want := tree.MustPath("/Managers/a~1b/all"); err != nil || p != want {
		t.Errorf("%s, %v; want %s", p, err, want)
	}
	if p, err := (&Branch{At: "/"}).Place("a"); err == nil {
		t.Errorf("the root: %s", p)
	}
}

// Every key is known to Is, and no file of another kind is taken for one of peers.
func TestIs(t *testing.T) {
	of := reflect.TypeFor[Settings]()
	for i := range of.NumField() {
		if key := of.Field(i).Tag.Get("yaml"); !slices.Contains(keys, key) {
			t.Errorf("%s is not among the keys", key)
		}
	}
	for text, want := range map[string]bool{
		"listen: []": true, "grove: 1\nstand_in: [a]\nsite: x\nsight: y": true, "": false, "grove: 1\nuse: nginx\nat: /a": false, "channels: {}": false, "a: [": false,
	} {
		if Is("x.yaml", []byte(text)) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}
