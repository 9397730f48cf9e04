package slack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post/posttest"
)

// with returns the defaults, changed.
func with(change func(*Options)) *Options {
	o := Kind().Options().(*Options)
	change(o)
	return o
}

func bot(url string) any {
	return with(func(o *Options) { o.API, o.Token, o.Channel = url+"/api", "env:TOKEN", "#ops" })
}

func hook(string) any { return with(func(o *Options) { o.Webhook = "env:HOOK" }) }

var secrets = map[string]string{"env:TOKEN": "xoxb-secret-token", "env:HOOK": "URL/services/T000/B000/secretsecret"}

var (
	bots  = posttest.Service{Kind: Kind(), Secrets: secrets, Options: bot, Answer: fine}
	hooks = posttest.Service{Kind: Kind(), Secrets: secrets, Options: hook}
)

func fine(channeltest.Request) channeltest.Answer {
	return channeltest.Answer{Body: `{"ok":true,"channel":"C1","ts":"1503435956.000247"}`}
}

func read(r channeltest.Request) (channeltest.Delivery, bool) {
	return channeltest.Delivery{
		Key: posttest.Text(r.Body, "metadata.event_payload.key"), Group: posttest.Text(r.Body, "metadata.event_payload.group"),
		Text: posttest.Text(r.Body, "text") + "\n" + posttest.Text(r.Body, "attachments.0.blocks.0.text.text"),
	}, true
}

func quiet(t *testing.T, d channeltest.Delivery) {
	for _, bad := range []string{"<!here>", "<script>", "@here", "@all"} {
		if strings.Contains(d.Text, bad) {
			t.Errorf("%s stands in %q", bad, d.Text)
		}
	}
}

func TestRecordedContractOfBots(t *testing.T) {
	bots.Contract(t, channeltest.Subject{
		Hostile: quiet,
		Bad: []channeltest.Bad{
			{Options: with(func(*Options) {}), Option: "webhook"},
			{Options: with(func(o *Options) { o.Token, o.Webhook = "env:T", "env:W" }), Option: "webhook"},
			{Options: with(func(o *Options) { o.Webhook = "https://hooks.slack.com/services/T/B/X" }), Option: "webhook"},
			{Options: with(func(o *Options) { o.Token = "env:T" }), Option: "channel"},
			{Options: with(func(o *Options) { o.Token, o.Channel, o.API = "env:T", "c", "slack.com" }), Option: "api"},
			{Options: with(func(o *Options) { o.Webhook, o.Timeout = "env:W", 0 }), Option: "timeout"},
			{Options: with(func(o *Options) { o.Webhook, o.Options.Options.Text = "env:W", "{{" }), Option: "text"},
		},
	}, read)
}

func TestRecordedContractOfWebhooks(t *testing.T) {
	hooks.Contract(t, channeltest.Subject{
		Hostile: quiet, NoKey: "incoming webhooks take no metadata", NoGroup: "incoming webhooks take no metadata",
	}, read)
}

func TestRecordedWebhook(t *testing.T) {
	firing := posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop & <b> is red", "a < b\n*c*" })
	hooks.Posts(t, firing, "/services/T000/B000/secretsecret", `{
  "attachments": [
    {
      "blocks": [
        {
          "text": {
            "text": "a &lt; b\n*`+"\u200b"+`c*`+"\u200b"+`",
            "type": "mrkdwn"
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "text": "grove grove, route databases",
              "type": "mrkdwn"
            },
            {
              "text": "<https://grove.example/alerts|Open in grove>",
              "type": "mrkdwn"
            }
          ],
          "type": "context"
        }
      ],
      "color": "#b00020",
      "fallback": "/shop &amp; &lt;b&gt; is red"
    }
  ],
  "text": "/shop &amp; &lt;b&gt; is red",
  "unfurl_links": false,
  "unfurl_media": false
}
`)
}

func TestRecordedThread(t *testing.T) {
	n := 0
	forgetful := bots
	forgetful.Answer = func(channeltest.Request) channeltest.Answer {
		n++
		if n == 4 {
			return channeltest.Answer{Body: `{"ok":false,"error":"thread_not_found"}`}
		}
		return channeltest.Answer{Body: fmt.Sprintf(`{"ok":true,"ts":"%d.0"}`, n)}
	}
	firing, reminder, over := posttest.Sample("firing", nil), posttest.Sample("reminder", nil), posttest.Sample("resolved", nil)
	another := posttest.Sample("firing", func(m *channel.Message) { m.Group = "another" })
	got, err := forgetful.Tell(t, firing, reminder, another, reminder /* whose thread is gone */, over, firing)
	if err != nil {
		t.Fatal(err)
	}
	var threads []string
	for _, r := range got {
		if r.Path != "/api/chat.postMessage" || r.Header.Get("Authorization") != "Bearer xoxb-secret-token" {
			t.Errorf("%s with %q", r.Path, r.Header.Get("Authorization"))
		}
		threads = append(threads, fmt.Sprint(posttest.Text(r.Body, "thread_ts"), " ", posttest.Get(r.Body, "reply_broadcast")))
	}
	if diff := cmp.Diff([]string{" <nil>", "1.0 <nil>", " <nil>", "1.0 <nil>", " <nil>", "5.0 true", " <nil>"}, threads); diff != "" {
		t.Error(diff)
	}
}

func TestRecordedRefusals(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		final            bool
	}{
		{"no such channel", `{"ok":false,"error":"channel_not_found"}`, "Slack does not take it: channel_not_found", true},
		{"out of order", `{"ok":false,"error":"internal_error"}`, "Slack does not take it: internal_error", false},
		{"no JSON", `<html>`, "answers 200 with something that is not its documented JSON: \"<html>\"", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := bots.Says(channeltest.Answer{Body: c.body}).Tell(t, posttest.Sample("firing", nil))
			if err == nil || !strings.HasSuffix(err.Error(), c.want) || channel.IsPermanent(err) != c.final {
				t.Errorf("%v, permanent %v", err, channel.IsPermanent(err))
			}
		})
	}
}
