package ntfy

import (
	"strings"
	"testing"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
	"grove/tree"
)

var service = posttest.Service{
	Kind: Kind(), Secrets: map[string]string{"env:TOPIC": "secret-topic-qx7", "env:TOKEN": "tk_secretsecretsecret"},
	Options: func(url string) any { return with(func(o *Options) { o.API = url }) },
}

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := &Options{Topic: "env:TOPIC", API: "https://x", Token: "env:TOKEN", Tags: []string{"grove"}, Options: post.Defaults()}
	change(o)
	return o
}

func TestRecordedContract(t *testing.T) {
	service.Contract(t, channeltest.Subject{
		NoKey: "a later message of a group takes the place of the earlier one, a repeated one too",
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "topic"},
			{Options: with(func(o *Options) { o.Topic = "a b" }), Option: "topic"},
			{Options: with(func(o *Options) { o.API = "" }), Option: "api"},
			{Options: with(func(o *Options) { o.Token = "tk_x" }), Option: "token"},
			{Options: with(func(o *Options) { o.Tags = make([]string, 11) }), Option: "tags"},
			{Options: with(func(o *Options) { o.Timeout = 0 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		return channeltest.Delivery{Group: posttest.Text(r.Body, "sequence_id"), Text: posttest.Texts(r.Body)}, true
	})
}

func TestRecordedShape(t *testing.T) {
	r := service.Posts(t, posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "one" }), "/", `{
  "click": "https://grove.example/alerts",
  "message": "one",
  "priority": 4,
  "sequence_id": "grove-a6d14be3325763a03a74a4ad233a7c39",
  "tags": [
    "red_circle",
    "grove"
  ],
  "title": "/shop is red",
  "topic": "secret-topic-qx7"
}
`)
	if a := r.Header.Get("Authorization"); a != "Bearer tk_secretsecretsecret" {
		t.Error(a)
	}
}

func TestRecordedPriorities(t *testing.T) {
	for _, c := range []struct {
		sample   string
		severity tree.Severity
		priority float64
		emoji    string
	}{
		{"firing", tree.Critical, 5, "red_circle"}, {"firing", tree.Minor, 3, "red_circle"}, {"resolved", tree.Cleared, 3, "white_check_mark"},
		{"heartbeat", tree.Cleared, 1, "information_source"}, {"announcement", tree.Cleared, 3, "information_source"},
	} {
		r := service.Asks(t, posttest.Sample(c.sample, func(m *channel.Message) { m.Severity, m.Text = c.severity, strings.Repeat("ä\n", 5000) }))
		if p, e := posttest.Get(r.Body, "priority"), posttest.Text(r.Body, "tags.0"); p != c.priority || e != c.emoji {
			t.Errorf("%s: %v, %s", c.sample, p, e)
		}
		if text := posttest.Text(r.Body, "message"); len(text) > 4096 || !strings.HasSuffix(text, "more lines") {
			t.Errorf("%d bytes", len(text))
		}
	}
}
