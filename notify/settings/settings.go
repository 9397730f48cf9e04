// Package settings reads the one file that says who hears of alerts, and how: channels,
// people, who is on call, routes, maintenance, heartbeats, the bounds of the outbox and
// what turns a status into an alert.
//
// It is YAML (or XML) with these keys, each of which may be missing:
//
//	channels:    NAME: { kind: mail, ... }        ways to tell; the options are the kind's
//	people:      NAME: { channels: [...] }        how a person is told
//	on_call:     NAME: { calendar: FILE, ... }    who of them is told now
//	routes:      [ ... ]                          which alerts go where
//	maintenance: [ ... ]                          when nobody is told
//	heartbeats:  NAME: { to: CHANNEL, every: 1m } grove says that it lives
//	outbox:      { ... }                          bounds and throttles
//	alerts:      { settle, silence, reopen, recover }  what turns a status into an alert
//
// A file is taken as a whole or not at all; every error has its line and column.
package settings

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/heartbeat"
	"grove/notify/oncall"
	"grove/notify/outbox"
	"grove/notify/route"
	"grove/tree/definition/source"
	"grove/tree/maintenance"
)

// Bounds of a file, beside those of package source.
const (
	MaxChannels = 1000
	MaxPeople   = 10_000
	MaxRoutes   = 1000
	MaxWindows  = 1000
)

// Settings are what the file says.
type Settings struct {
	Channels    []Channel // in the order of the file
	People      map[string]Person
	OnCall      map[string]oncall.Rota
	Routes      []route.Rule
	Maintenance []maintenance.Window
	Heartbeats  map[string]heartbeat.Options
	Outbox      outbox.Settings
	Alerts      Alerts
}

// Channel is one channel, ready to be made.
type Channel struct {
	Name string
	Kind channel.Kind
	// Options are as Kind.New takes them.
	Options any
	// Said is what the file says of it; another Said is another channel.
	Said string
}

// Person is how somebody is told.
type Person struct {
	Channels []string `yaml:"channels" jsonschema:"description=Names of the channels by which the person is told."`
}

// Check refuses a person whom nothing reaches.
func (p *Person) Check() error {
	if len(p.Channels) == 0 {
		return channel.BadOption("channels", "is missing: the channels by which the person is told")
	}
	return nil
}

// Alerts says what turns a status into an alert; zero is the default of each.
type Alerts struct {
	Settle  time.Duration `yaml:"settle,omitempty" jsonschema:"description=How long a change of status waits for its cause; 500ms when it is missing."`
	Silence time.Duration `yaml:"silence,omitempty" jsonschema:"description=For how long nothing may be known of a node before that is alerted; 1m when it is missing."`
	Reopen  time.Duration `yaml:"reopen,omitempty" jsonschema:"description=Within which time an alert that comes back is the same one; 5m when it is missing."`
	Recover time.Duration `yaml:"recover,omitempty" jsonschema:"description=How long a cause that is over goes on holding back what followed from it; 1m when it is missing."`
}

// Check refuses times that make no sense.
func (a *Alerts) Check() error {
	for _, t := range []struct {
		option string
		d, max time.Duration
	}{{"settle", a.Settle, time.Minute}, {"silence", a.Silence, 7 * 24 * time.Hour}, {"reopen", a.Reopen, 24 * time.Hour}, {"recover", a.Recover, 24 * time.Hour}} {
		if t.d < 0 || t.d > t.max {
			return channel.BadOption(t.option, "%s is not between 0s and %s", t.d, t.max)
		}
	}
	return nil
}

// Kinds finds kinds of channels; package builtin has them.
type Kinds interface {
	Kind(name string) (channel.Kind, bool)
	Names() []string // sorted
}

// NamePattern is what channels, people, rotas and heartbeats may be called.
const NamePattern = `\A[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}\z`

var nameForm = regexp.MustCompile(NamePattern)

// Target is what a route names: a channel, a person or a rota.
type Target uint8

// The targets.
const (
	NoTarget Target = iota
	ChannelTarget
	PersonTarget
	RotaTarget
)

// Target says what a name stands for.
func (s *Settings) Target(name string) Target {
	for i := range s.Channels {
		if s.Channels[i].Name == name {
			return ChannelTarget
		}
	}
	if _, ok := s.People[name]; ok {
		return PersonTarget
	}
	if _, ok := s.OnCall[name]; ok {
		return RotaTarget
	}
	return NoTarget
}

// unknown is the error of a name that stands for nothing.
func (s *Settings) unknown(pos source.Pos, what, name string, people bool) *source.Error {
	var names []string
	for i := range s.Channels {
		names = append(names, s.Channels[i].Name)
	}
	if people {
		for n := range s.People {
			names = append(names, n)
		}
		for n := range s.OnCall {
			names = append(names, n)
		}
	}
	e := source.Errorf(pos, "%s: there is no %s %q", what, map[bool]string{false: "channel", true: "channel, person or rota"}[people], name)
	if hint := source.DidYouMean(name, names); hint != "" {
		e = e.WithHint("%s", hint)
	}
	return e
}

// at is where an option stands, of which an OptionError speaks: "to[1]" is "to.1" there.
func at(v *source.Value, option string) source.Pos {
	return v.PosOf(strings.NewReplacer("[", ".", "]", "").Replace(option))
}

// said is a value as text, without its place.
func said(v *source.Value) string { return fmt.Sprintf("%#v", v.Any()) }
