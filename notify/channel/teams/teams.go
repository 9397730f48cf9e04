// Package teams is the channel to Microsoft Teams: an Adaptive Card for the webhook of a
// workflow. Sources:
// https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
// (the form of the request), https://adaptivecards.io/explorer/ (the card) and
// https://learn.microsoft.com/microsoftteams/limits-specifications-teams (28 KB a message).
package teams

import (
	"context"
	_ "embed"
	"strings"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("teams", doc, example, func() *Options { return &Options{Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	Webhook string `yaml:"webhook" jsonschema:"description=Reference to the address of the workflow's webhook: file:/path\\, env:NAME or credential:NAME."`

	post.Options `yaml:",inline"`
}

// maxText bounds the text, in bytes as JSON has them: a message has 28 KB at most.
const maxText = 18 << 10

type teams struct {
	*post.Client
	o *Options
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	if err := post.CheckSecret(w, "webhook", o.Webhook); err != nil {
		return nil, err
	}
	c, err := post.New(w, o.Options)
	if err != nil {
		return nil, err
	}
	return &teams{c, o}, nil
}

type message struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

type card struct {
	Schema  string            `json:"$schema"`
	Type    string            `json:"type"`
	Version string            `json:"version"`
	Width   map[string]string `json:"msteams"`
	Body    []block           `json:"body"`
	Actions []action          `json:"actions,omitempty"`
}

type block struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Wrap   bool   `json:"wrap"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
	Color  string `json:"color,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// colour is that of a message by the names of Adaptive Cards.
func colour(m *channel.Message) string {
	switch {
	case m.Purpose == channel.Resolution, m.Status == tree.Green && len(m.Alerts) > 0:
		return "Good"
	case m.Status == tree.Red:
		return "Attention"
	case m.Status == tree.Yellow:
		return "Warning"
	}
	return "Default"
}

// breaks has lines stay lines in the Markdown of a TextBlock.
func breaks(s string) string { return strings.ReplaceAll(template.Markdown(s), "\n", "\n\n") }

// quoted is the size of a text in JSON, in bytes.
func quoted(s string) int {
	return len(s) + strings.Count(s, `"`) + strings.Count(s, `\`) + strings.Count(s, "\n")
}

// Send implements channel.Channel.
func (c *teams) Send(ctx context.Context, m *channel.Message) error {
	address, err := c.Address("webhook", c.o.Webhook)
	if err != nil {
		return err
	}
	body := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Width: map[string]string{"width": "Full"},
		Body: []block{
			{Type: "TextBlock", Text: breaks(c.Title(m)), Wrap: true, Size: "Medium", Weight: "Bolder", Color: colour(m)},
			{Type: "TextBlock", Text: post.Fit(c.Text(m), maxText, quoted, breaks), Wrap: true},
			{Type: "TextBlock", Text: breaks(post.Source(m)), Wrap: true, Size: "Small", Subtle: true},
		},
	}
	if m.URL != "" {
		body.Actions = []action{{"Action.OpenUrl", "Open in grove", m.URL}}
	}
	return c.Do(ctx, post.Request{URL: address, Secrets: []string{address}, Body: message{
		Type: "message", Attachments: []attachment{{"application/vnd.microsoft.card.adaptive", body}},
	}})
}
