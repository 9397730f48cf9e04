package mattermost

import (
	"strings"
	"testing"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
)

var service = posttest.Service{
	Kind: Kind(), Secrets: map[string]string{"env:HOOK": "URL/hooks/secretsecretsecret"},
	Options: func(string) any { return with(func(*Options) {}) },
}

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := &Options{HookOptions: post.HookOptions{Webhook: "env:HOOK", Options: post.Defaults()}}
	change(o)
	return o
}

func TestRecordedContract(t *testing.T) {
	service.Contract(t, channeltest.Subject{
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			for _, bad := range []string{"@here", "@all", "](http", " *bold"} {
				if strings.Contains(d.Text, bad) {
					t.Errorf("%s stands in %q", bad, d.Text)
				}
			}
		},
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "webhook"},
			{Options: with(func(o *Options) { o.Webhook = "https://chat.example/hooks/x" }), Option: "webhook"},
			{Options: with(func(o *Options) { o.Timeout = 0 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		return channeltest.Delivery{
			Key: posttest.Text(r.Body, "props.grove_key"), Group: posttest.Text(r.Body, "props.grove_group"),
			Text: posttest.Text(r.Body, "attachments.0.title") + "\n" + posttest.Text(r.Body, "attachments.0.text"),
		}, true
	})
}

func TestRecordedShape(t *testing.T) {
	over := posttest.Sample("resolved", func(m *channel.Message) { m.Title, m.Text = "/shop is green", "all *well*" })
	posttest.With(service, func(o *Options) { o.Channel = "town-square" }).Posts(t, over, "/hooks/secretsecretsecret", `{
  "attachments": [
    {
      "color": "#2a9d8f",
      "fallback": "/shop is green",
      "footer": "grove grove, route databases",
      "text": "all \\*well\\*",
      "title": "/shop is green",
      "title_link": "https://grove.example/alerts"
    }
  ],
  "channel": "town-square",
  "props": {
    "grove_group": "grove/databases/9f2c",
    "grove_key": "grove/databases/9f2c/1",
    "grove_purpose": "resolved"
  }
}
`)
}
