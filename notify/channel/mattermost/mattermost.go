// Package mattermost is the channel to Mattermost, by an incoming webhook. Sources:
// https://developers.mattermost.com/integrate/webhooks/incoming/ and
// https://developers.mattermost.com/integrate/reference/message-attachments/.
package mattermost

import (
	"context"
	"embed"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("mattermost", files, func() *Options { return &Options{HookOptions: post.HookOptions{Options: post.Defaults()}} }, open)
}

// Options of the channel.
type Options struct {
	Channel string `yaml:"channel,omitempty" jsonschema:"description=Channel to write to\\, or @name of a person; that of the webhook when empty."`

	post.HookOptions `yaml:",inline"`
}

// maxText bounds the text, in characters: a post has up to 16,383, of which its other
// parts take some (https://docs.mattermost.com/administration-guide/manage/product-limits.html).
const maxText = 12_000

type mattermost struct {
	*post.Hook
	o *Options
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	h, err := post.NewHook(w, o.HookOptions)
	if err != nil {
		return nil, err
	}
	return &mattermost{h, o}, nil
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
	title := c.Title(m)
	return c.Put(ctx, message{
		Channel: c.o.Channel,
		Attachments: []attachment{{
			Fallback: template.Quiet(title), Color: post.Web(post.Colour(m)), Title: template.Markdown(title), TitleLink: m.URL,
			Text: post.Fit(c.Text(m), maxText, post.Runes, template.Markdown), Footer: template.Quiet(post.Source(m)),
		}},
		Props: map[string]string{"grove_key": m.Key, "grove_group": m.Group, "grove_purpose": string(m.Purpose)},
	}, nil)
}
