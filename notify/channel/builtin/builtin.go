// Package builtin is the registry of all kinds of channels that come with grove.
package builtin

import (
	"fmt"
	"maps"
	"slices"

	"grove/notify/channel"
	"grove/notify/channel/command"
	"grove/notify/channel/mail"
	"grove/notify/channel/syslog"
)

// Registry holds kinds of channels by name.
type Registry struct{ byName map[string]channel.Kind }

// Kinds returns a registry of all kinds.
func Kinds() *Registry {
	return registry(
		command.Kind(),
		mail.Kind(),
		syslog.Kind(),
	)
}

func registry(all ...channel.Kind) *Registry {
	r := &Registry{map[string]channel.Kind{}}
	for _, kind := range all {
		if _, twice := r.byName[kind.Name]; twice || kind.Name == "" {
			panic(fmt.Sprintf("the name %q of a kind of channels is empty or taken", kind.Name))
		}
		r.byName[kind.Name] = kind
	}
	return r
}

// Kind returns the kind of a name; ok is false when there is none.
func (r *Registry) Kind(name string) (kind channel.Kind, ok bool) {
	kind, ok = r.byName[name]
	return kind, ok
}

// Names returns the names of all kinds in alphabetical order.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.byName)) }
