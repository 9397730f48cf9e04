package device

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"grove/definitions"
	"grove/notify/peer"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/parcel"
	"grove/notify/peer/settings"
	"grove/runtime/probe/builtin"
	"grove/tree"
	"grove/tree/definition"
)

const (
	here     peer.ID = "00000000000000aa"
	stranger peer.ID = "00000000000000bb"
	another  peer.ID = "00000000000000cc"
)

func newDevices(t *testing.T) *Devices {
	t.Helper()
	d, err := New(Options{
		Self: here, Dir: filepath.Join(t.TempDir(), "taken"), Tree: tree.New(tree.Options{}), Read: os.ReadFile,
		Trial:    &definition.Loader{Kinds: builtin.Kinds{Registry: builtin.Registry(builtin.Options{})}, Catalogue: definitions.Catalogue()},
		Settings: settings.Default, NameOf: func(id peer.ID) string { return string(id) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// device is the parcel of a device with a definition of its own.
func device(owner peer.ID, text string) *parcel.Parcel {
	return &parcel.Parcel{
		Key: duty.Key{Owner: owner, Name: "shop"}, By: owner,
		Instance:   parcel.Instance{Application: "shop", At: tree.MustPath("/shop"), With: json.RawMessage(`{}`)},
		Definition: parcel.Definition{Application: "shop", Alias: "shop-12ab", Sum: "12ab", Files: []parcel.File{parcel.NewFile("shop-12ab.yaml", text)}},
	}
}

// probing is a definition with one probe and a node for each text.
func probing(probe, attribute string) string {
	return "grove: 1\napplication: shop-12ab\nprobes: { p: " + probe + " }\ntree: { Value: { from: p." + attribute + " } }\n"
}

const remotely = `{ kind: tcp, address: "192.0.2.1:80" }`

// What another manager sends is not run because it says that it may be.
func TestCheckTakesNobodysWord(t *testing.T) {
	good := probing(remotely, "connect_time")
	for name, c := range map[string]struct{ text, want string }{
		"an address":                 {good, ""},
		"a command":                  {probing(`{ kind: command, command: [/bin/true], format: text, attributes: { a: { from: "(.*)", type: text } } }`, "a"), "watches this machine itself"},
		"a file":                     {probing(`{ kind: document, file: /etc/passwd, format: json, attributes: { a: { from: a } } }`, "a"), "reads a file on this machine: /etc/passwd"},
		"this machine":               {probing(`{ kind: tcp, address: "127.0.0.1:80" }`, "connect_time"), "asks an address on this machine: 127.0.0.1:80"},
		"a second definition":        {good + "---\n" + strings.Replace(good, "shop-12ab", "nginx", 1), `a definition of "nginx" came with it`},
		"a second device":            {good + "---\ngrove: 1\nuse: shop-12ab\nname: other\nat: /other\n", "more than one device came with it"},
		"a definition that is wrong": {good + "nonsense: 1\n", "here: shop-12ab/shop-12ab.yaml:5:1: unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newDevices(t).Check(t.Context(), device(stranger, c.text))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A device of another manager has those secrets of this machine that were said to be for
// definitions, and no others.
func TestCheckOfSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		secrets bool
		want    string
	}{
		"a file":              {"file:/etc/shadow", false, "start this manager with it"},
		"a file of --secrets": {"file:/etc/grove/token", true, ""},
		"a variable":          {"env:PASSWORD", true, "an environment variable or a credential"},
		"a credential":        {"credential:database", true, "an environment variable or a credential"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevices(t)
			d.o.Secrets = c.secrets
			err := d.Check(t.Context(), device(stranger, probing(`{ kind: http, url: "http://192.0.2.1/", bearer: "`+c.text+`" }`, "up")))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Many devices of one definition are looked at together, each by what it is itself.
func TestCheckOfManyDevices(t *testing.T) {
	d := newDevices(t)
	const text = "grove: 1\napplication: shop-12ab\nparameters: { address: { type: string, required: true } }\n" +
		"probes: { p: { kind: tcp, address: \"${address}\" } }\ntree: { Value: { from: p.connect_time } }\n"
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			p := device(stranger, text)
			p.Key.Name = fmt.Sprint("shop", n)
			address, want := "192.0.2.1:80", ""
			if n%2 == 1 {
				address, want = "127.0.0.1:80", "asks an address on this machine"
			}
			p.Instance.With = json.RawMessage(`{"address":"` + address + `"}`)
			if err := d.Check(t.Context(), p); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: got %v, want %q", p.Key.Name, err, want)
			}
		})
	}
	all.Wait()
	if len(d.trials.right) != 1 {
		t.Errorf("%d definitions are remembered, not one", len(d.trials.right))
	}
}

// The definition of another manager's device is not replaced by one of the same name.
func TestDefinitionsOfOthersStay(t *testing.T) {
	d := newDevices(t)
	good := probing(remotely, "connect_time")
	if err := d.write(&coming{key: device(stranger, good).Key}, device(stranger, good)); err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context(), device(another, good)); err != nil {
		t.Error(err)
	}
	changed := strings.Replace(good, "192.0.2.1", "198.51.100.1", 1)
	if err := d.Check(t.Context(), device(another, changed)); err == nil || !strings.Contains(err.Error(), "has another definition of the name shop-12ab") {
		t.Errorf("got %v", err)
	}
	if err := d.Check(t.Context(), device(stranger, changed)); err != nil {
		t.Error(err)
	}
}
