// Package builtin is the registry of all kinds of channels that come with grove.
package builtin

import (
	"fmt"
	"maps"
	"slices"

	"grove/notify/channel"
	"grove/notify/channel/mail"
)

// Kinds are kinds of channels by name.
type Kinds struct{ byName map[string]channel.Kind }

// Registry returns all kinds.
func Registry() *Kinds {
	return newKinds(
		mail.Kind(),
	)
}

func newKinds(all ...channel.Kind) *Kinds {
	k := &Kinds{map[string]channel.Kind{}}
	for _, kind := range all {
		if _, twice := k.byName[kind.Name]; twice || kind.Name == "" {
			panic(fmt.Sprintf("the name %q of a kind of channels is empty or taken", kind.Name))
		}
		k.byName[kind.Name] = kind
	}
	return k
}

// Kind returns the kind of a name; ok is false when there is none.
func (k *Kinds) Kind(name string) (kind channel.Kind, ok bool) {
	kind, ok = k.byName[name]
	return kind, ok
}

// Names returns the names of all kinds in alphabetical order.
func (k *Kinds) Names() []string { return slices.Sorted(maps.Keys(k.byName)) }
