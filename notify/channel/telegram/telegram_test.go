package telegram

import (
	"fmt"
	"html"
	"strings"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
)

var service = posttest.Service{
	Kind: Kind(), Secrets: map[string]string{"env:TOKEN": "123456:secretsecretsecretsecret", "env:BAD": "http://x"},
	Options: func(url string) any { return with(func(o *Options) { o.API = url }) },
}.Says(channeltest.Answer{Body: `{"ok":true,"result":{"message_id":17}}`})

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := &Options{Token: "env:TOKEN", Chat: "-100123", API: "https://telegram.example", Options: post.Defaults()}
	change(o)
	return o
}

func TestRecordedContract(t *testing.T) {
	service.Contract(t, channeltest.Subject{
		NoKey: "the Bot API has no place for it", NoGroup: "the Bot API has no place for it",
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			if strings.Contains(d.Text, "<script>") {
				t.Errorf("HTML stands in %q", d.Text)
			}
		},
		Bad: []channeltest.Bad{
			{Options: with(func(o *Options) { o.Token = "" }), Option: "token"},
			{Options: with(func(o *Options) { o.Token = "123:abc" }), Option: "token"},
			{Options: with(func(o *Options) { o.Chat = "ops" }), Option: "chat"},
			{Options: with(func(o *Options) { o.Topic = -1 }), Option: "topic"},
			{Options: with(func(o *Options) { o.API = "ftp://x" }), Option: "api"},
			{Options: with(func(o *Options) { o.Timeout = time.Hour }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		return channeltest.Delivery{Text: posttest.Text(r.Body, "text")}, true
	})
}

func TestRecordedShape(t *testing.T) {
	firing := posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is <red>", "a & b" })
	posttest.With(service, func(o *Options) { o.Topic = 5 }).Posts(t, firing, "/bot123456:secretsecretsecretsecret/sendMessage", `{
  "chat_id": "-100123",
  "link_preview_options": {
    "is_disabled": true
  },
  "message_thread_id": 5,
  "parse_mode": "HTML",
  "text": "<b>/shop is &lt;red&gt;</b>\n\na &amp; b\n\n<i>grove grove, route databases</i>"
}
`)
}

func TestRecordedReplies(t *testing.T) {
	firing := posttest.Sample("firing", nil)
	got, err := service.Tell(t, firing, posttest.Sample("resolved", nil), firing)
	if err != nil || len(got) != 3 {
		t.Fatalf("%v, %d", err, len(got))
	}
	for i, want := range []string{"<nil> <nil>", "true map[allow_sending_without_reply:true message_id:17]", "<nil> <nil>"} {
		if s := fmt.Sprint(posttest.Get(got[i].Body, "disable_notification"), " ", posttest.Get(got[i].Body, "reply_parameters")); s != want {
			t.Errorf("%d: %s", i, s)
		}
	}
}

func TestRecordedAnswers(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		status           int
		final            bool
		wait             time.Duration
	}{
		{"too fast", `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}`,
			"Too Many Requests: retry after 5", 429, false, 5 * time.Second},
		{"moved", `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded","parameters":{"migrate_to_chat_id":-1009}}`,
			"the chat is now -1009: change the option chat", 400, true, 0},
		{"unknown", `{"ok":false,"error_code":401,"description":"Unauthorized"}`, "Unauthorized", 401, true, 0},
		{"strange", `{"ok":false}`, "the answer does not say that Telegram took the message", 200, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := service.Says(channeltest.Answer{Status: c.status, Body: c.body}).Tell(t, posttest.Sample("firing", nil))
			wait, _ := channel.Wait(err)
			if err == nil || !strings.Contains(err.Error(), c.want) || channel.IsPermanent(err) != c.final || wait != c.wait || strings.Contains(err.Error(), "secretsecret") {
				t.Errorf("%v, permanent %v, wait %v", err, channel.IsPermanent(err), wait)
			}
		})
	}
	_, err := posttest.With(service, func(o *Options) { o.Token = "env:BAD" }).Tell(t, posttest.Sample("test", nil))
	if err == nil || err.Error() != "token: what it refers to is no token of the form 123456:ABC…" {
		t.Error(err)
	}
}

func TestRecordedLimit(t *testing.T) {
	r := service.Asks(t, posttest.Sample("firing", func(m *channel.Message) {
		m.Title, m.Text = strings.Repeat("<🔥>", 500), strings.Repeat("<&ä🔥>\n", 3000)
	}))
	text := posttest.Text(r.Body, "text")
	if n := post.Units(html.UnescapeString(text)); n > 4096 || !strings.Contains(text, "more lines") || strings.Count(text, "<b>") != 1 {
		t.Errorf("%d units, %q…", n, text[:100])
	}
}
