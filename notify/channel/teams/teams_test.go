package teams

import (
	"net/http"
	"strings"
	"testing"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
)

var service = posttest.Service{
	Kind: Kind(), Secrets: map[string]string{"env:HOOK": "URL/workflows/abc/triggers/manual/paths/invoke?sig=secretsecretsecret"},
	Options: func(string) any { return with(func(*Options) {}) },
}.Says(channeltest.Answer{Status: http.StatusAccepted})

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := &Options{HookOptions: post.HookOptions{Webhook: "env:HOOK", Options: post.Defaults()}}
	change(o)
	return o
}

func TestRecordedContract(t *testing.T) {
	service.Contract(t, channeltest.Subject{
		NoKey: "a workflow has no place for it", NoGroup: "a workflow has no place for it",
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			if strings.Contains(d.Text, "@here") || strings.Contains(d.Text, "](http") || d.Size > 28<<10 {
				t.Errorf("%d bytes, %q", d.Size, d.Text)
			}
		},
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "webhook"},
			{Options: with(func(o *Options) { o.Webhook = "https://prod.example/x" }), Option: "webhook"},
			{Options: with(func(o *Options) { o.Timeout = 0 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		return channeltest.Delivery{Text: posttest.Texts(r.Body)}, true
	})
}

func TestRecordedShape(t *testing.T) {
	firing := posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "one\ntwo" })
	r := service.Posts(t, firing, "/workflows/abc/triggers/manual/paths/invoke", `{
  "attachments": [
    {
      "content": {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "actions": [
          {
            "title": "Open in grove",
            "type": "Action.OpenUrl",
            "url": "https://grove.example/alerts"
          }
        ],
        "body": [
          {
            "color": "Attention",
            "size": "Medium",
            "text": "/shop is red",
            "type": "TextBlock",
            "weight": "Bolder",
            "wrap": true
          },
          {
            "text": "one\n\ntwo",
            "type": "TextBlock",
            "wrap": true
          },
          {
            "isSubtle": true,
            "size": "Small",
            "text": "grove grove, route databases",
            "type": "TextBlock",
            "wrap": true
          }
        ],
        "msteams": {
          "width": "Full"
        },
        "type": "AdaptiveCard",
        "version": "1.4"
      },
      "contentType": "application/vnd.microsoft.card.adaptive"
    }
  ],
  "type": "message"
}
`)
	if r.Query.Get("sig") != "secretsecretsecret" {
		t.Errorf("%v", r.Query)
	}
}

// A long text stays within what Teams takes, whatever it is made of.
func TestRecordedLimit(t *testing.T) {
	for name, text := range map[string]string{"one line": strings.Repeat("\"*\\", 50_000), "many": strings.Repeat("<ä>\"\\_*\n", 10_000)} {
		r := service.Asks(t, posttest.Sample("firing", func(m *channel.Message) { m.Text = text }))
		if len(r.Body) > 28<<10 {
			t.Errorf("%s: %d bytes", name, len(r.Body))
		}
	}
}
