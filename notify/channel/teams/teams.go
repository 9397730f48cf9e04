// Package teams is the channel to Microsoft Teams: an Adaptive Card for the webhook of a
// workflow. Sources:
// https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
// (the form of the request), https://adaptivecards.io/explorer/ (the card) and
// https://learn.microsoft.com/microsoftteams/limits-specifications-teams (28 KB a message).
package teams

import (
	"context"
	"embed"
	"strings"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
	"grove/tree"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("teams", files, func() *Options { return &Options{HookOptions: post.HookOptions{Options: post.Defaults()}} }, open)
}

// Options of the channel.
type Options struct {
	post.HookOptions `yaml:",inline"`
}

// maxText bounds the text, in bytes as JSON has them: a message has 28 KB at most.
const maxText = 18 << 10

type teams struct{ *post.Hook }

func open(w *channel.World, o *Options) (channel.Channel, error) {
	h, err := post.NewHook(w, o.HookOptions)
	if err != nil {
		return nil, err
	}
	return &teams{h}, nil
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
	return c.Put(ctx, message{Type: "message", Attachments: []attachment{{"application/vnd.microsoft.card.adaptive", body}}}, nil)
}
