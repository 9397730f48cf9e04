// Package mattermost is the channel to Mattermost, by an incoming webhook. Sources:
// https://developers.mattermost.com/integrate/webhooks/incoming/ and
// https://developers.mattermost.com/integrate/reference/message-attachments/.
package mattermost

import (
	"context"
	_ "embed"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("mattermost", doc, example, func() *Options { return &Options{Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	Webhook string `yaml:"webhook" jsonschema:"description=Reference to the address of an incoming webhook: file:/path\\, env:NAME or credential:NAME."`
	Channel string `yaml:"channel,omitempty" jsonschema:"description=Channel to write to\\, or @name of a person; that of the webhook when empty."`

	post.Options `yaml:",inline"`
}

// maxText bounds the text, in characters: a post has up to 16,383, of which its other
// parts take some (https://docs.mattermost.com/administration-guide/manage/product-limits.html).
const maxText = 12_000

type mattermost struct {
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
	return &mattermost{c, o}, nil
}

type message struct {
	Channel     string            `json:"channel,omitempty"`
	Attachments []attachment      `json:"attachments"`
	Props       map[string]string `json:"props"`
}

type attachment struct {
	Fallback  string `json:"fallback"`
	Color     string `json:"color"`
	Title     string `json:"title"`
	TitleLink string `json:"title_link,omitempty"`
	Text      string `json:"text"`
	Footer    string `json:"footer"`
}

// Send implements channel.Channel.
func (c *mattermost) Send(ctx context.Context, m *channel.Message) error {
	address, err := c.Address("webhook", c.o.Webhook)
	if err != nil {
		return err
	}
	title := c.Title(m)
	return c.Do(ctx, post.Request{URL: address, Secrets: []string{address}, Body: message{
		Channel: c.o.Channel,
		Attachments: []attachment{{
			Fallback: template.Quiet(title), Color: post.Web(post.Colour(m)), Title: template.Markdown(title), TitleLink: m.URL,
			Text: post.Fit(c.Text(m), maxText, post.Runes, template.Markdown), Footer: template.Quiet(post.Source(m)),
		}},
		Props: map[string]string{"grove_key": m.Key, "grove_group": m.Group, "grove_purpose": string(m.Purpose)},
	}})
}
