package discord

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secrets = map[string]string{"env:HOOK": "URL/api/webhooks/123456/secretsecretsecret"}

func options(string) any {
	o := Kind().Options().(*Options)
	o.Webhook = "env:HOOK"
	return o
}

func TestRecordedContract(t *testing.T) {
	known := posttest.Secrets(secrets, "URL")
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(), Secrets: known,
		Start: posttest.Start(known, options, func(r channeltest.Request) (channeltest.Delivery, bool) {
			return channeltest.Delivery{Text: posttest.Text(r.Body, "embeds.0.title") + "\n" + posttest.Text(r.Body, "embeds.0.description")}, true
		}, nil),
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			if strings.Contains(d.Text, "](http") || strings.Contains(d.Text, " *bold") {
				t.Errorf("Markdown stands in %q", d.Text)
			}
		},
		NoKey: "webhooks of Discord have no place for it", NoGroup: "webhooks of Discord have no place for it",
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "webhook"},
			{Options: &Options{Webhook: "https://discord.com/api/webhooks/1/x"}, Option: "webhook"},
			{Options: &Options{Webhook: "env:HOOK"}, Option: "timeout"},
		},
	})
}

func TestRecordedShape(t *testing.T) {
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Tell: []*channel.Message{
		posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "@everyone *look*" }),
	}, Options: func(url string) any {
		o := options(url).(*Options)
		o.Thread = "42"
		return o
	}})
	if err != nil || len(got) != 1 || got[0].Path != "/api/webhooks/123456/secretsecretsecret" || got[0].Query.Encode() != "thread_id=42&wait=true" {
		t.Fatalf("%v, %+v", err, got)
	}
	want := `{
  "allowed_mentions": {
    "parse": []
  },
  "embeds": [
    {
      "color": 11534368,
      "description": "@` + "\u200b" + `everyone \\*look\\*",
      "footer": {
        "text": "grove grove, route databases"
      },
      "timestamp": "2026-03-01T12:05:00Z",
      "title": "/shop is red",
      "url": "https://grove.example/alerts"
    }
  ]
}
`
	if diff := cmp.Diff(want, posttest.Shape(t, got[0].Body)); diff != "" {
		t.Error(diff)
	}
}

func TestRecordedPause(t *testing.T) {
	for name, a := range map[string]channeltest.Answer{
		"body":   {Status: http.StatusTooManyRequests, Body: `{"message":"You are being rate limited.","retry_after":0.75,"global":false}`},
		"both":   {Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"65"}}, Body: `{"retry_after":0.75}`},
		"header": {Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"0.75"}}},
	} {
		_, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Tell: []*channel.Message{posttest.Sample("firing", nil)},
			Answer: func(channeltest.Request) channeltest.Answer { return a }})
		if wait, ok := channel.Wait(err); !ok || wait != 750*time.Millisecond {
			t.Errorf("%s: %v, %v", name, wait, err)
		}
	}
}

func TestRecordedLimits(t *testing.T) {
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Tell: []*channel.Message{
		posttest.Sample("firing", func(m *channel.Message) {
			m.Title, m.Text = strings.Repeat("🔥", 500), strings.Repeat("*_ä🔥\n", 3000)
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	title, text := posttest.Text(got[0].Body, "embeds.0.title"), posttest.Text(got[0].Body, "embeds.0.description")
	if post.Units(title) > maxTitle || post.Units(text) > maxText || !strings.Contains(text, "more lines") {
		t.Errorf("%d and %d, ends in %q", post.Units(title), post.Units(text), text[len(text)-40:])
	}
}
