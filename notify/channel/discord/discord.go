// Package discord is the channel to Discord, by a webhook. Sources:
// https://docs.discord.com/developers/resources/webhook#execute-webhook,
// https://docs.discord.com/developers/resources/message#embed-object-embed-limits and
// https://docs.discord.com/developers/topics/rate-limits.
package discord

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("discord", files, func() *Options { return &Options{HookOptions: post.HookOptions{Options: post.Defaults()}} }, open)
}

// Options of the channel.
type Options struct {
	Thread string `yaml:"thread,omitempty" jsonschema:"description=ID of a thread of the webhook's channel to write to."`

	post.HookOptions `yaml:",inline"`
}

// Limits of an embed, in units of UTF-16; together they stay below 6000.
const (
	maxTitle  = 256
	maxText   = 4096
	maxFooter = 1000
)

type discord struct {
	*post.Hook
	o *Options
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	h, err := post.NewHook(w, o.HookOptions)
	if err != nil {
		return nil, err
	}
	return &discord{h, o}, nil
}

type message struct {
	Embeds   []card   `json:"embeds"`
	Mentions mentions `json:"allowed_mentions"`
}

// mentions with an empty list allow nobody to be called.
type mentions struct {
	Parse []string `json:"parse"`
}

type card struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	URL         string `json:"url,omitempty"`
	Color       int    `json:"color"`
	Timestamp   string `json:"timestamp,omitempty"`
	Footer      footer `json:"footer"`
}

type footer struct {
	Text string `json:"text"`
}

// Send implements channel.Channel.
func (c *discord) Send(ctx context.Context, m *channel.Message) error {
	query := url.Values{"wait": {"true"}} // the answer says whether the message was stored
	if c.o.Thread != "" {
		query.Set("thread_id", c.o.Thread)
	}
	e := card{
		Title:       post.Fit(c.Title(m), maxTitle, post.Units, template.Markdown),
		Description: post.Fit(c.Text(m), maxText, post.Units, template.Markdown),
		URL:         m.URL, Color: post.Colour(m), Footer: footer{post.Fit(post.Source(m), maxFooter, post.Units, nil)},
	}
	if !m.Time.IsZero() {
		e.Timestamp = m.Time.UTC().Format(time.RFC3339)
	}
	return slower(c.Put(ctx, message{[]card{e}, mentions{[]string{}}}, query))
}

// slower reads from the body of an answer how long to wait: seconds, where the header may
// have them rounded, and is missing behind some proxies.
func slower(err error) error {
	var s *post.StatusError
	var body struct {
		After float64 `json:"retry_after"`
	}
	if errors.As(err, &s) && s.Status == http.StatusTooManyRequests && json.Unmarshal(s.Body, &body) == nil && body.After > 0 {
		return channel.RetryAfter(err, post.Pause(body.After))
	}
	return err
}
