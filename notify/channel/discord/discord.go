// Package discord is the channel to Discord, by a webhook. Sources:
// https://docs.discord.com/developers/resources/webhook#execute-webhook,
// https://docs.discord.com/developers/resources/message#embed-object-embed-limits and
// https://docs.discord.com/developers/topics/rate-limits.
package discord

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

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
	return post.KindOf("discord", doc, example, func() *Options { return &Options{Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	Webhook string `yaml:"webhook" jsonschema:"description=Reference to the address of a webhook: file:/path\\, env:NAME or credential:NAME."`
	Thread  string `yaml:"thread,omitempty" jsonschema:"description=ID of a thread of the webhook's channel to write to."`

	post.Options `yaml:",inline"`
}

// Limits of an embed, in units of UTF-16; together they stay below 6000.
const (
	maxTitle  = 256
	maxText   = 4096
	maxFooter = 1000
)

type discord struct {
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
	return &discord{c, o}, nil
}

type message struct {
	Embeds   []embed  `json:"embeds"`
	Mentions mentions `json:"allowed_mentions"`
}

// mentions with an empty list allow nobody to be called.
type mentions struct {
	Parse []string `json:"parse"`
}

type embed struct {
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
	address, err := c.Address("webhook", c.o.Webhook)
	if err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the address of the webhook cannot be read") // without the error, which has it
	}
	query := u.Query()
	query.Set("wait", "true") // the answer says whether the message was stored
	if c.o.Thread != "" {
		query.Set("thread_id", c.o.Thread)
	}
	u.RawQuery = query.Encode()
	e := embed{
		Title:       post.Fit(c.Title(m), maxTitle, post.Units, template.Markdown),
		Description: post.Fit(c.Text(m), maxText, post.Units, template.Markdown),
		URL:         m.URL, Color: post.Colour(m), Footer: footer{post.Fit(post.Source(m), maxFooter, post.Units, nil)},
	}
	if !m.Time.IsZero() {
		e.Timestamp = m.Time.UTC().Format(time.RFC3339)
	}
	err = c.Do(ctx, post.Request{URL: u.String(), Secrets: []string{address, u.Path}, Body: message{[]embed{e}, mentions{[]string{}}}})
	return slower(err)
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
