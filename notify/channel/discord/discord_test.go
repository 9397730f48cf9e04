package discord

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
)

var service = posttest.Service{
	Kind: Kind(), Secrets: map[string]string{"env:HOOK": "URL/api/webhooks/123456/secretsecretsecret"},
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
		NoKey: "webhooks of Discord have no place for it", NoGroup: "webhooks of Discord have no place for it",
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			if strings.Contains(d.Text, "](http") || strings.Contains(d.Text, " *bold") {
				t.Errorf("Markdown stands in %q", d.Text)
			}
		},
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "webhook"},
			{Options: with(func(o *Options) { o.Webhook = "https://discord.com/api/webhooks/1/x" }), Option: "webhook"},
			{Options: with(func(o *Options) { o.Timeout = 0 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		return channeltest.Delivery{Text: posttest.Text(r.Body, "embeds.0.title") + "\n" + posttest.Text(r.Body, "embeds.0.description")}, true
	})
}

func TestRecordedShape(t *testing.T) {
	firing := posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "@everyone *look*" })
	r := posttest.With(service, func(o *Options) { o.Thread = "42" }).Posts(t, firing, "/api/webhooks/123456/secretsecretsecret", `{
  "allowed_mentions": {
    "parse": []
  },
  "embeds": [
    {
      "color": 11534368,
      "description": "@`+"\u200b"+`everyone \\*look\\*",
      "footer": {
        "text": "grove grove, route databases"
      },
      "timestamp": "2026-03-01T12:05:00Z",
      "title": "/shop is red",
      "url": "https://grove.example/alerts"
    }
  ]
}
`)
	if q := r.Query.Encode(); q != "thread_id=42&wait=true" {
		t.Error(q)
	}
}

func TestRecordedPause(t *testing.T) {
	for name, a := range map[string]channeltest.Answer{
		"body":   {Status: http.StatusTooManyRequests, Body: `{"message":"You are being rate limited.","retry_after":0.75,"global":false}`},
		"both":   {Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"65"}}, Body: `{"retry_after":0.75}`},
		"header": {Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"0.75"}}},
	} {
		_, err := service.Says(a).Tell(t, posttest.Sample("firing", nil))
		if wait, ok := channel.Wait(err); !ok || wait != 750*time.Millisecond {
			t.Errorf("%s: %v, %v", name, wait, err)
		}
	}
}

func TestRecordedLimits(t *testing.T) {
	r := service.Asks(t, posttest.Sample("firing", func(m *channel.Message) {
		m.Title, m.Text = strings.Repeat("🔥", 500), strings.Repeat("*_ä🔥\n", 3000)
	}))
	title, text := posttest.Text(r.Body, "embeds.0.title"), posttest.Text(r.Body, "embeds.0.description")
	if post.Units(title) > maxTitle || post.Units(text) > maxText || !strings.Contains(text, "more lines") {
		t.Errorf("%d and %d, ends in %q", post.Units(title), post.Units(text), text[len(text)-40:])
	}
}
