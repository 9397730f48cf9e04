package mattermost

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post/posttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secrets = map[string]string{"env:HOOK": "URL/hooks/secretsecretsecret"}

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
			return channeltest.Delivery{
				Key: posttest.Text(r.Body, "props.grove_key"), Group: posttest.Text(r.Body, "props.grove_group"),
				Text: posttest.Text(r.Body, "attachments.0.title") + "\n" + posttest.Text(r.Body, "attachments.0.text"),
			}, true
		}, nil),
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			for _, bad := range []string{"@here", "@all", "](http", " *bold"} {
				if strings.Contains(d.Text, bad) {
					t.Errorf("%s stands in %q", bad, d.Text)
				}
			}
		},
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "webhook"},
			{Options: &Options{Webhook: "https://chat.example/hooks/x"}, Option: "webhook"},
			{Options: &Options{Webhook: "env:HOOK"}, Option: "timeout"},
		},
	})
}

func TestRecordedShape(t *testing.T) {
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Tell: []*channel.Message{
		posttest.Sample("resolved", func(m *channel.Message) { m.Title, m.Text = "/shop is green", "all *well*" }),
	}, Options: func(url string) any {
		o := options(url).(*Options)
		o.Channel = "town-square"
		return o
	}})
	if err != nil || len(got) != 1 || got[0].Path != "/hooks/secretsecretsecret" {
		t.Fatalf("%v, %+v", err, got)
	}
	want := `{
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
`
	if diff := cmp.Diff(want, posttest.Shape(t, got[0].Body)); diff != "" {
		t.Error(diff)
	}
}
