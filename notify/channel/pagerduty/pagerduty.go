// Package pagerduty is the channel to PagerDuty, by its Events API v2. Sources:
// https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ and
// https://developer.pagerduty.com/docs/events-api-v2/send-change-events/.
package pagerduty

import (
	"context"
	"embed"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/tree"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("pagerduty", files, func() *Options { return &Options{API: "https://events.pagerduty.com", Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	RoutingKey string `yaml:"routing_key" jsonschema:"description=Reference to the integration key of a service: file:/path\\, env:NAME or credential:NAME."`
	API        string `yaml:"api,omitempty" jsonschema:"description=Address of the Events API\\, that of the region\\, or of a proxy for it.,default=https://events.pagerduty.com"`

	post.Options `yaml:",inline"`
}

// Limits of an event, in characters; an event as a whole has up to 512 KB.
const (
	maxSummary = 1024
	maxKey     = 255
	maxText    = 20_000 // our own
)

type pagerduty struct {
	*post.Client
	o *Options
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	c, err := post.New(w, o.Options, post.CheckSecret(w, "routing_key", o.RoutingKey), post.CheckURL("api", o.API))
	if err != nil {
		return nil, err
	}
	return &pagerduty{c, o}, nil
}

// event is an event of an alert, or of a change, which has no action, key and client.
type event struct {
	RoutingKey string  `json:"routing_key"`
	Action     string  `json:"event_action,omitempty"`
	DedupKey   string  `json:"dedup_key,omitempty"`
	Payload    payload `json:"payload"`
	Links      []link  `json:"links,omitempty"`
	Client     string  `json:"client,omitempty"`
	ClientURL  string  `json:"client_url,omitempty"`
}

type payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity,omitempty"`
	Timestamp string         `json:"timestamp,omitempty"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class,omitempty"`
	Details   map[string]any `json:"custom_details"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// severity is that of a message as PagerDuty has it.
func severity(m *channel.Message) string {
	switch m.Severity {
	case tree.Critical:
		return "critical"
	case tree.Major:
		return "error"
	case tree.Minor, tree.Warning:
		return "warning"
	case tree.Cleared, tree.Indeterminate:
	}
	return "info"
}

// action is what becomes of the incident of a group.
func action(m *channel.Message) string {
	switch {
	case m.Purpose == channel.Resolution:
		return "resolve"
	case m.Purpose != channel.Escalation && post.Acknowledged(m):
		return "acknowledge"
	}
	return "trigger"
}

// Send implements channel.Channel. What is no alert, and no test, is a change there, which
// wakes nobody.
func (c *pagerduty) Send(ctx context.Context, m *channel.Message) error {
	key, err := c.Secret("routing_key", c.o.RoutingKey)
	if err != nil {
		return err
	}
	e := event{RoutingKey: key, Payload: payload{
		Summary: post.Fit(c.Title(m), maxSummary, post.Runes, nil), Source: m.Manager,
		Details: map[string]any{"text": post.Fit(c.Text(m), maxText, post.Runes, nil), "key": m.Key, "group": m.Group},
	}}
	if e.Payload.Source == "" {
		e.Payload.Source = "grove"
	}
	if !m.Time.IsZero() {
		e.Payload.Timestamp = m.Time.UTC().Format(time.RFC3339)
	}
	if m.URL != "" {
		e.Links = []link{{m.URL, "Open in grove"}}
	}
	path := "/v2/change/enqueue"
	if post.About(m) || m.Purpose == channel.Test {
		path = "/v2/enqueue"
		e.Action, e.DedupKey, e.Client, e.ClientURL = action(m), post.ID(m.Group, maxKey), "grove", m.URL
		e.Payload.Severity = severity(m)
		describe(&e.Payload, m)
	}
	return c.Do(ctx, post.Request{URL: post.Join(c.o.API, path), Body: e, Secrets: []string{key}})
}

// describe adds what is known of the gravest alert.
func describe(p *payload, m *channel.Message) {
	p.Details["firing"], p.Details["resolved"] = m.Firing, m.Resolved
	if m.Route != "" {
		p.Details["route"] = post.Clean(m.Route)
	}
	if len(m.Alerts) == 0 {
		return
	}
	a := &m.Alerts[0]
	for name, text := range map[string]string{
		"value": a.Value, "unit": a.Unit, "threshold": a.Threshold, "event_type": a.EventType, "probable_cause": a.ProbableCause, "repair": a.Repair,
	} {
		if text != "" {
			p.Details[name] = post.Clean(text)
		}
	}
	p.Component, p.Group, p.Class = post.Clean(a.Path.String()), post.Clean(a.Instance), post.Clean(a.EventType)
}
