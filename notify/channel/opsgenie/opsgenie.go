// Package opsgenie is the channel to Opsgenie, and to Jira Service Management that takes
// over its alerts, by the Alert API v2. Sources: https://docs.opsgenie.com/docs/alert-api,
// https://docs.opsgenie.com/docs/heartbeat-api and https://docs.opsgenie.com/docs/response
// (which answers are worth another try).
package opsgenie

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/tree"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("opsgenie", files, func() *Options { return &Options{API: "https://api.opsgenie.com", Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	Key       string   `yaml:"key" jsonschema:"description=Reference to the API key of an integration: file:/path\\, env:NAME or credential:NAME."`
	API       string   `yaml:"api,omitempty" jsonschema:"description=Address of the API\\, that of the region\\, or of a proxy for it.,default=https://api.opsgenie.com"`
	Teams     []string `yaml:"teams,omitempty" jsonschema:"description=Names of the teams that answer for the alerts; those of the integration when empty.,maxItems=50"`
	Tags      []string `yaml:"tags,omitempty" jsonschema:"description=Tags of the alerts.,maxItems=20"`
	Heartbeat string   `yaml:"heartbeat,omitempty" jsonschema:"description=Name of the heartbeat there that the sign that grove lives is for."`

	post.Options `yaml:",inline"`
}

// Limits of an alert, in characters.
const (
	maxMessage     = 130
	maxAlias       = 512
	maxDescription = 15_000
	maxTeams       = 50
	maxTags        = 20
)

type opsgenie struct {
	*post.Client
	o *Options
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	c, err := post.New(w, o.Options, post.CheckSecret(w, "key", o.Key), post.CheckURL("api", o.API),
		post.CheckLength("teams", len(o.Teams), maxTeams), post.CheckLength("tags", len(o.Tags), maxTags))
	if err != nil {
		return nil, err
	}
	return &opsgenie{c, o}, nil
}

type creation struct {
	Message     string            `json:"message"`
	Alias       string            `json:"alias"`
	Description string            `json:"description,omitempty"`
	Priority    string            `json:"priority"`
	Entity      string            `json:"entity,omitempty"`
	Source      string            `json:"source"`
	Responders  []responder       `json:"responders,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Details     map[string]string `json:"details"`
}

type responder struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// deed is what is done with an alert that is there.
type deed struct {
	Source string `json:"source"`
	Note   string `json:"note"`
}

// priority is the severity of a message as Opsgenie has it.
func priority(s tree.Severity) string {
	switch s {
	case tree.Critical:
		return "P1"
	case tree.Major:
		return "P2"
	case tree.Minor:
		return "P3"
	case tree.Warning:
		return "P4"
	case tree.Cleared, tree.Indeterminate:
	}
	return "P5"
}

// errNoHeartbeat says what is missing.
var errNoHeartbeat = errors.New("the sign that grove lives needs the option heartbeat, which names the heartbeat there")

// Send implements channel.Channel.
func (c *opsgenie) Send(ctx context.Context, m *channel.Message) error {
	key, err := c.Secret("key", c.o.Key)
	if err != nil {
		return err
	}
	r := post.Request{Header: map[string]string{"Authorization": "GenieKey " + key}, Secrets: []string{key}}
	alias := post.ID(m.Group, maxAlias)
	below := func(what string) string {
		return post.Join(c.o.API, "/v2/alerts/"+url.PathEscape(alias)+"/"+what+"?identifierType=alias")
	}
	note := deed{"grove", post.Fit(c.Title(m)+"\n\n"+c.Text(m)+"\n\n"+m.Key, maxDescription, post.Runes, nil)}
	switch {
	case m.Purpose == channel.Heartbeat && c.o.Heartbeat == "":
		return channel.Permanent(errNoHeartbeat)
	case m.Purpose == channel.Heartbeat:
		r.Method, r.URL = http.MethodGet, post.Join(c.o.API, "/v2/heartbeats/"+url.PathEscape(c.o.Heartbeat)+"/ping")
	case m.Purpose == channel.Resolution:
		r.URL, r.Body = below("close"), note
	case m.Purpose != channel.Escalation && post.Acknowledged(m):
		r.URL, r.Body = below("acknowledge"), note
	default:
		r.URL, r.Body = post.Join(c.o.API, "/v2/alerts"), c.creation(m, alias)
	}
	return c.Do(ctx, r)
}

// creation makes an alert, or counts it once more when the alias is there.
func (c *opsgenie) creation(m *channel.Message, alias string) creation {
	a := creation{
		Message: post.Fit(c.Title(m), maxMessage, post.Runes, nil), Alias: alias, Description: post.Fit(c.Text(m), maxDescription, post.Runes, nil),
		Priority: priority(m.Severity), Source: "grove", Tags: c.o.Tags,
		Details: map[string]string{"key": m.Key, "group": m.Group, "manager": m.Manager, "purpose": string(m.Purpose)},
	}
	for _, t := range c.o.Teams {
		a.Responders = append(a.Responders, responder{t, "team"})
	}
	for name, text := range map[string]string{"url": m.URL, "route": m.Route} {
		if text != "" {
			a.Details[name] = post.Clean(text)
		}
	}
	if len(m.Alerts) > 0 {
		a.Entity = post.Clean(m.Alerts[0].Path.String())
	}
	return a
}
