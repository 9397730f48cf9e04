// Package builtin is the registry of all kinds of channels that come with grove.
package builtin

import (
	"fmt"
	"maps"
	"slices"

	"grove/notify/channel"
	"grove/notify/channel/alertmanager"
	"grove/notify/channel/command"
	"grove/notify/channel/discord"
	"grove/notify/channel/jira"
	"grove/notify/channel/mail"
	"grove/notify/channel/mattermost"
	"grove/notify/channel/ntfy"
	"grove/notify/channel/opsgenie"
	"grove/notify/channel/pagerduty"
	"grove/notify/channel/servicenow"
	"grove/notify/channel/slack"
	"grove/notify/channel/syslog"
	"grove/notify/channel/teams"
	"grove/notify/channel/telegram"
	"grove/notify/channel/trap"
	"grove/notify/channel/webhook"
)

// Registry holds kinds of channels by name.
type Registry struct{ byName map[string]channel.Kind }

// Kinds returns a registry of all kinds.
func Kinds() *Registry {
	return registry(
		alertmanager.Kind(),
		command.Kind(),
		discord.Kind(),
		jira.Kind(),
		mail.Kind(),
		mattermost.Kind(),
		ntfy.Kind(),
		opsgenie.Kind(),
		pagerduty.Kind(),
		servicenow.Kind(),
		slack.Kind(),
		syslog.Kind(),
		teams.Kind(),
		telegram.Kind(),
		trap.Kind(),
		webhook.Kind(),
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
