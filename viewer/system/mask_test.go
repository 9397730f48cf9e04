package system

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMask(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"tree:\n  A: { unit: s }\n", "tree:\n  A: { unit: s }\n"},
		"a reference":           {"password: file:/etc/p\ntoken: env:T # it\n", "password: file:/etc/p\ntoken: env:T # it\n"},
		"systemd's reference":   {"password: credential:shop\n- credential:shop\ntoken: \"credential:shop\"\n", "password: credential:shop\n- credential:shop\ntoken: \"credential:shop\"\n"},
		"a credential itself":   {"credential: hunter2\n", "credential: ••••\n"},
		"a parameter":           {"community: ${community}\n", "community: ${community}\n"},
		"its declaration":       {"token: { type: secret, default: \"env:T\" }\n", "token: { type: secret, default: \"env:T\" }\n"},
		"plain":                 {"  community: public\n", "  community: ••••\n"},
		"plain with a remark":   {"password: a b, c # why\r\n", "password: •••• # why\r\n"},
		"in braces":             {"basic: { user: ada, password: hunter2, x: 1 }\n", "basic: { user: ada, password: ••••, x: 1 }\n"},
		"two in braces":         {"{ token: a, secret: b }", "{ token: ••••, secret: •••• }"},
		"a header":              {"headers: { Authorization: Basic abc== }", "headers: { Authorization: •••• }"},
		"quoted":                {`"api-key": "a\"b" # x`, `"api-key": "••••" # x`},
		"quoted once":           {"password: 'it''s'", "password: '••••'"},
		"a quoted reference":    {`password: "env:P"`, `password: "env:P"`},
		"over lines":            {"password: \"a\n  b\n  c\"\nx: 1\n", "password: \"••••\n••••\n••••\"\nx: 1\n"},
		"a block":               {"v3:\n  passphrase: |\n    one\n\n    two: 2\n  user: ada\n", "v3:\n  passphrase: |\n    ••••\n\n    ••••\n  user: ada\n"},
		"below":                 {"token:\n  abc\nx: y\n", "token:\n  ••••\nx: y\n"},
		"a map below":           {"token:\n  type: secret\n  default: env:T\n", "token:\n  type: secret\n  default: env:T\n"},
		"an address":            {"url: http://ada:hunter2@db/x\n", "url: http://ada:••••@db/x\n"},
		"an attribute of XML":   {`<basic user="ada" password="hunter2"/>`, `<basic user="ada" password="••••"/>`},
		"an element of XML":     {"<password>\nhunter2</password><token>env:T</token>", "<password>••••\n</password><token>env:T</token>"},
		"a word that only ends": {"tokens_per_second: 5\nsecretary: bob\n", "tokens_per_second: 5\nsecretary: bob\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, found := mask(c.text)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if found != (c.text != c.want) {
				t.Errorf("masked: %t", found)
			}
		})
	}
}

func FuzzMask(f *testing.F) {
	f.Add("password: \"a\n b\"\n")
	f.Add("token: |\n  x\n")
	f.Add("<password>x</password>")
	f.Fuzz(func(t *testing.T, text string) {
		got, found := mask(text)
		if strings.Count(got, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q became %q: the lines are others", text, got)
		}
		if !found && got != text {
			t.Errorf("%q became %q, and nobody says so", text, got)
		}
	})
}
