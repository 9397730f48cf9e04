// Package ntfy is the channel to ntfy, which pushes to phones and desktops. Source:
// https://docs.ntfy.sh/publish/ (Publish as JSON, Updating and deleting notifications,
// Limitations).
package ntfy

import (
	"context"
	"embed"
	"regexp"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/tree"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("ntfy", files, func() *Options { return &Options{API: "https://ntfy.sh", Options: post.Defaults()} }, open)
}

// Options of the channel.
type Options struct {
	Topic string   `yaml:"topic" jsonschema:"description=Topic to publish to. With a server that everybody may read from it is a password: choose one that nobody guesses\\, or give a reference to it (file:/path and the like)."`
	API   string   `yaml:"api,omitempty" jsonschema:"description=Address of the server.,default=https://ntfy.sh"`
	Token string   `yaml:"token,omitempty" jsonschema:"description=Reference to an access token (tk_…)\\, for servers and topics that want one."`
	Tags  []string `yaml:"tags,omitempty" jsonschema:"description=More tags\\, or names of emojis.,maxItems=10"`

	post.Options `yaml:",inline"`
}

// Limits of a message: 4096 bytes, of which JSON and the head are not part.
const (
	maxText  = 4096
	maxTitle = 250
	maxTags  = 10
)

var topicPattern = regexp.MustCompile(`\A[-_A-Za-z0-9]{1,64}\z`)

type ntfy struct {
	*post.Client
	o      *Options
	hidden bool // the topic is a reference
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	c := &ntfy{o: o, hidden: w.CheckSecret(o.Topic) == nil}
	if !c.hidden && !topicPattern.MatchString(o.Topic) {
		return nil, channel.BadOption("topic", "%q is no topic of 1 to 64 letters, digits, hyphens and underscores, and no reference to one", o.Topic)
	}
	var token error
	if o.Token != "" {
		token = post.CheckSecret(w, "token", o.Token)
	}
	var err error
	c.Client, err = post.New(w, o.Options, post.CheckURL("api", o.API), token, post.CheckLength("tags", len(o.Tags), maxTags))
	if err != nil {
		return nil, err
	}
	return c, nil
}

type message struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"`
	Tags     []string `json:"tags"`
	Click    string   `json:"click,omitempty"`
	Sequence string   `json:"sequence_id"`
}

// priority is how loud a message is: 1 is not to be heard, 3 normal, 5 the loudest.
func priority(m *channel.Message) int {
	switch {
	case m.Purpose == channel.Heartbeat:
		return 1
	case m.Purpose == channel.Resolution, !post.About(m):
		return 3
	}
	switch m.Severity {
	case tree.Critical:
		return 5
	case tree.Major:
		return 4
	case tree.Minor, tree.Warning, tree.Indeterminate, tree.Cleared:
	}
	return 3
}

// emoji is the name of one that ntfy shows before the title.
func emoji(m *channel.Message) string {
	switch {
	case m.Purpose == channel.Resolution:
		return "white_check_mark"
	case !post.About(m):
		return "information_source"
	case m.Status == tree.Red:
		return "red_circle"
	case m.Status == tree.Yellow:
		return "yellow_circle"
	}
	return "white_circle"
}

// Send implements channel.Channel.
func (c *ntfy) Send(ctx context.Context, m *channel.Message) (err error) {
	r := post.Request{URL: post.Join(c.o.API, "/")}
	topic := c.o.Topic
	if c.hidden {
		if topic, err = c.Secret("topic", c.o.Topic); err != nil {
			return err
		}
		r.Secrets = []string{topic}
		if !topicPattern.MatchString(topic) {
			return channel.BadOption("topic", "what it refers to is no topic of 1 to 64 letters, digits, hyphens and underscores")
		}
	}
	if c.o.Token != "" {
		token, err := c.Secret("token", c.o.Token)
		if err != nil {
			return err
		}
		r.Header, r.Secrets = map[string]string{"Authorization": "Bearer " + token}, append(r.Secrets, token)
	}
	r.Body = message{
		Topic: topic, Title: post.Fit(c.Title(m), maxTitle, post.Runes, nil), Message: post.Fit(c.Text(m), maxText, post.Bytes, nil),
		Priority: priority(m), Tags: append([]string{emoji(m)}, c.o.Tags...), Click: m.URL, Sequence: post.Name(m.Group),
	}
	return c.Do(ctx, r)
}
