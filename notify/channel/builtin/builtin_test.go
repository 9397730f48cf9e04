package builtin

import (
	"testing"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
)

// TestKinds holds what is the same for all kinds; the rest each holds with the suite.
func TestKinds(t *testing.T) {
	all := Kinds()
	if len(all.Names()) == 0 {
		t.Fatal("there is no kind")
	}
	for _, name := range all.Names() {
		kind, ok := all.Kind(name)
		if !ok || kind.Name != name {
			t.Errorf("%s is kept as %s", kind.Name, name)
		}
		t.Run(name, func(t *testing.T) { channeltest.Texts(t, kind) })
	}
	if _, ok := all.Kind("pigeon"); ok {
		t.Error("there are pigeons")
	}
	defer func() {
		if recover() == nil {
			t.Error("a kind is taken twice: the second would hide the first")
		}
	}()
	registry(channel.Kind{Name: "a"}, channel.Kind{Name: "a"})
}
