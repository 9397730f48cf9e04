// Package telegram is the channel to Telegram, by a bot. Sources:
// https://core.telegram.org/bots/api#sendmessage, https://core.telegram.org/bots/api#html-style
// and https://core.telegram.org/bots/api#responseparameters.
package telegram

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("telegram", files, func() *Options { return &Options{API: "https://api.telegram.org", Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	Token string `yaml:"token" jsonschema:"description=Reference to the token of the bot: file:/path\\, env:NAME or credential:NAME."`
	Chat  string `yaml:"chat" jsonschema:"description=Chat to write to: its number\\, or @name of a public channel."`
	Topic int64  `yaml:"topic,omitempty" jsonschema:"description=Number of a topic of a forum (message_thread_id)."`
	API   string `yaml:"api,omitempty" jsonschema:"description=Address of the Bot API\\, or of a proxy for it.,default=https://api.telegram.org"`

	post.Options `yaml:",inline"`
}

// maxText bounds a message, in units of UTF-16 after its entities are read; what is above
// and below the text takes the rest of 4096.
const (
	maxText  = 3400
	maxTitle = 400
)

var (
	tokenPattern = regexp.MustCompile(`\A[0-9]{1,20}:[A-Za-z0-9_-]{20,100}\z`)
	chatPattern  = regexp.MustCompile(`\A(-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64})\z`)
)

type telegram struct {
	*post.Client
	o       *Options
	threads post.Recent // by group: the number of the first message
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	c, err := post.New(w, o.Options, post.CheckSecret(w, "token", o.Token), o.check(), post.CheckURL("api", o.API))
	if err != nil {
		return nil, err
	}
	return &telegram{Client: c, o: o}, nil
}

// check says which option of the channel's own is wrong.
func (o *Options) check() error {
	switch {
	case !chatPattern.MatchString(o.Chat):
		return channel.BadOption("chat", "%q is neither a number nor the @name of a channel", o.Chat)
	case o.Topic < 0:
		return channel.BadOption("topic", "%d is no number of a topic", o.Topic)
	}
	return nil
}

type message struct {
	Chat    string   `json:"chat_id"`
	Topic   int64    `json:"message_thread_id,omitempty"`
	Text    string   `json:"text"`
	Mode    string   `json:"parse_mode"`
	Preview preview  `json:"link_preview_options"`
	Quiet   bool     `json:"disable_notification,omitempty"`
	Reply   *replyTo `json:"reply_parameters,omitempty"`
}

type preview struct {
	Disabled bool `json:"is_disabled"`
}

// replyTo hangs a message below the first one of its group, if that is still there.
type replyTo struct {
	Message int64 `json:"message_id"`
	Anyway  bool  `json:"allow_sending_without_reply"`
}

// plain is the size of a text that is escaped, as Telegram counts it.
func plain(s string) int { return post.Units(entities.ReplaceAllString(s, "x")) }

var entities = regexp.MustCompile(`&(lt|gt|amp|quot|#[0-9]+);`)

// Send implements channel.Channel.
func (c *telegram) Send(ctx context.Context, m *channel.Message) error {
	token, err := c.Secret("token", c.o.Token)
	if err != nil {
		return err
	}
	if !tokenPattern.MatchString(token) {
		return channel.BadOption("token", "what it refers to is no token of the form 123456:ABC…")
	}
	text := "<b>" + post.Fit(c.Title(m), maxTitle, plain, template.EscapeHTML) + "</b>"
	if prose := post.Fit(c.Text(m), maxText, plain, template.EscapeHTML); prose != "" {
		text += "\n\n" + prose
	}
	text += "\n\n<i>" + template.EscapeHTML(post.Source(m)) + "</i>"
	body := message{
		Chat: c.o.Chat, Topic: c.o.Topic, Text: text, Mode: "HTML", Preview: preview{true},
		Quiet: m.Purpose == channel.Resolution || m.Purpose == channel.Heartbeat,
	}
	if first, err := strconv.ParseInt(c.threads.Get(m.Group), 10, 64); err == nil {
		body.Reply = &replyTo{first, true}
	}
	var answer struct {
		OK     bool `json:"ok"`
		Result struct {
			ID int64 `json:"message_id"`
		} `json:"result"`
	}
	if err := c.Do(ctx, post.Request{URL: post.Join(c.o.API, "/bot"+token+"/sendMessage"), Body: body, Into: &answer, Secrets: []string{token}}); err != nil {
		return explain(err)
	}
	switch {
	case !answer.OK:
		return errors.New("the answer does not say that Telegram took the message")
	case !post.About(m) || m.Purpose == channel.Resolution:
		c.threads.Put(m.Group, "")
	case body.Reply == nil && answer.Result.ID > 0:
		c.threads.Put(m.Group, strconv.FormatInt(answer.Result.ID, 10))
	}
	return nil
}

// explain reads from the body of an answer how long to wait, and whether the chat moved.
func explain(err error) error {
	var s *post.StatusError
	var body struct {
		Parameters struct {
			After float64 `json:"retry_after"`
			Moved int64   `json:"migrate_to_chat_id"`
		} `json:"parameters"`
	}
	if !errors.As(err, &s) || json.Unmarshal(s.Body, &body) != nil {
		return err
	}
	switch p := body.Parameters; {
	case s.Status == http.StatusTooManyRequests && p.After > 0:
		return channel.RetryAfter(err, post.Pause(p.After))
	case p.Moved != 0:
		return fmt.Errorf("%w: the chat is now %d: change the option chat", err, p.Moved)
	}
	return err
}
