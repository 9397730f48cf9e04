// Package slack is the channel to Slack, by an incoming webhook or by a bot's token. Sources:
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
// https://docs.slack.dev/reference/methods/chat.postMessage,
// https://docs.slack.dev/reference/block-kit/blocks and
// https://docs.slack.dev/messaging/message-metadata.
package slack

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("slack", files, func() *Options { return &Options{API: "https://slack.com/api", Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	Webhook string `yaml:"webhook,omitempty" jsonschema:"description=Reference to the address of an incoming webhook: file:/path\\, env:NAME or credential:NAME."`
	Token   string `yaml:"token,omitempty" jsonschema:"description=Reference to the token of a bot (xoxb-…)\\, in place of a webhook: then messages about the same alerts make a thread."`
	Channel string `yaml:"channel,omitempty" jsonschema:"description=Channel to write to with a token\\, by its ID or name."`
	API     string `yaml:"api,omitempty" jsonschema:"description=Address of the Web API\\, or of a proxy for it.,default=https://slack.com/api"`

	post.Options `yaml:",inline"`
}

// Bounds of a message: https://docs.slack.dev/reference/block-kit/blocks/section-block.
const (
	maxTitle = 500 // characters; our own, a title is short
	maxText  = 3000
)

type slack struct {
	*post.Client
	o       *Options
	threads post.Recent // by group: the number of the first message
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	option, reference := "webhook", o.Webhook
	if o.Token != "" {
		option, reference = "token", o.Token
	}
	c, err := post.New(w, o.Options, o.check(), post.CheckSecret(w, option, reference), post.CheckURL("api", o.API))
	if err != nil {
		return nil, err
	}
	return &slack{Client: c, o: o}, nil
}

// check says which option of the channel's own is wrong.
func (o *Options) check() error {
	switch {
	case (o.Webhook == "") == (o.Token == ""):
		return channel.BadOption("webhook", "either a webhook or a token is needed, and not both")
	case (o.Channel == "") != (o.Token == ""):
		return channel.BadOption("channel", "a token needs a channel, and a webhook has its own")
	}
	return nil
}

// message is what both ways take; those below Channel are of chat.postMessage only.
type message struct {
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`

	Channel   string    `json:"channel,omitempty"`
	Thread    string    `json:"thread_ts,omitempty"`
	Broadcast bool      `json:"reply_broadcast,omitempty"`
	Metadata  *metadata `json:"metadata,omitempty"`
}

type attachment struct {
	Color    string  `json:"color"`
	Fallback string  `json:"fallback"`
	Blocks   []block `json:"blocks"`
}

type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Elements []text `json:"elements,omitempty"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type metadata struct {
	Type    string            `json:"event_type"`
	Payload map[string]string `json:"event_payload"`
}

// Send implements channel.Channel.
func (s *slack) Send(ctx context.Context, m *channel.Message) error {
	title := post.Fit(s.Title(m), maxTitle, post.Runes, template.Slack)
	body := message{
		Text:        title,
		Attachments: []attachment{{Color: post.Web(post.Colour(m)), Fallback: title}},
	}
	add := func(b block) { body.Attachments[0].Blocks = append(body.Attachments[0].Blocks, b) }
	if prose := post.Fit(s.Text(m), maxText, post.Runes, template.Slack); prose != "" {
		add(block{Type: "section", Text: &text{"mrkdwn", prose}})
	}
	foot := []text{{"mrkdwn", template.Slack(post.Source(m))}}
	if m.URL != "" {
		foot = append(foot, text{"mrkdwn", "<" + linkEscaper.Replace(m.URL) + "|Open in grove>"})
	}
	add(block{Type: "context", Elements: foot})
	if s.o.Webhook != "" {
		return s.hook(ctx, body)
	}
	return s.chat(ctx, m, body)
}

// linkEscaper has an address stand in a link of mrkdwn.
var linkEscaper = strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C")

func (s *slack) hook(ctx context.Context, body message) error {
	address, err := s.Address("webhook", s.o.Webhook)
	if err != nil {
		return err
	}
	return s.Do(ctx, post.Request{URL: address, Body: body, Secrets: []string{address}})
}

// chat posts with a token: the first message of a group begins a thread, the others go
// there, and those that must be seen into the channel as well.
func (s *slack) chat(ctx context.Context, m *channel.Message, body message) error {
	token, err := s.Secret("token", s.o.Token)
	if err != nil {
		return err
	}
	body.Channel = s.o.Channel
	body.Metadata = &metadata{"grove_message", map[string]string{"key": m.Key, "group": m.Group, "purpose": string(m.Purpose)}}
	if body.Thread = s.threads.Get(m.Group); body.Thread != "" {
		body.Broadcast = m.Purpose == channel.Escalation || m.Purpose == channel.Resolution
	}
	number, err := s.postMessage(ctx, token, body)
	var refused *apiError
	if errors.As(err, &refused) && body.Thread != "" && refused.aboutThread() {
		body.Thread, body.Broadcast = "", false // somebody deleted it
		number, err = s.postMessage(ctx, token, body)
	}
	switch {
	case err != nil:
		return err
	case !post.About(m) || m.Purpose == channel.Resolution:
		s.threads.Put(m.Group, "")
	case body.Thread == "":
		s.threads.Put(m.Group, number)
	}
	return nil
}

// apiError is what the Web API says with the status 200.
type apiError struct{ code string }

func (e *apiError) Error() string { return "Slack does not take it: " + e.code }

// temporary are the codes of what may go well another time:
// https://docs.slack.dev/reference/methods/chat.postMessage#errors.
var temporary = []string{"ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"}

func (e *apiError) aboutThread() bool {
	return e.code == "thread_not_found" || e.code == "invalid_thread_ts" || e.code == "cannot_reply_to_message"
}

// postMessage returns the number of the message, its ts.
func (s *slack) postMessage(ctx context.Context, token string, body message) (string, error) {
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		TS    string `json:"ts"`
	}
	err := s.Do(ctx, post.Request{
		URL: post.Join(s.o.API, "/chat.postMessage"), Header: map[string]string{"Authorization": "Bearer " + token},
		Body: body, Into: &answer, Secrets: []string{token},
	})
	if err != nil || answer.OK {
		return answer.TS, err
	}
	refused := &apiError{template.Truncate(template.OneLine(answer.Error), 100)}
	if slices.Contains(temporary, answer.Error) {
		return "", refused
	}
	return "", channel.Permanent(fmt.Errorf("%w", refused))
}
