package teams

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post/posttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secrets = map[string]string{"env:HOOK": "URL/workflows/abc/triggers/manual/paths/invoke?sig=secretsecretsecret"}

func options(string) any {
	o := Kind().Options().(*Options)
	o.Webhook = "env:HOOK"
	return o
}

func accepted(channeltest.Request) channeltest.Answer {
	return channeltest.Answer{Status: http.StatusAccepted}
}

func TestRecordedContract(t *testing.T) {
	known := posttest.Secrets(secrets, "URL")
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(), Secrets: known,
		Start: posttest.Start(known, options, func(r channeltest.Request) (channeltest.Delivery, bool) {
			return channeltest.Delivery{Text: posttest.Texts(r.Body)}, true
		}, accepted),
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			for _, bad := range []string{"@here", "@all", "](http"} {
				if strings.Contains(d.Text, bad) {
					t.Errorf("%s stands in %q", bad, d.Text)
				}
			}
			if d.Size > 28<<10 {
				t.Errorf("%d bytes", d.Size)
			}
		},
		NoKey: "a workflow has no place for it", NoGroup: "a workflow has no place for it",
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "webhook"},
			{Options: &Options{Webhook: "https://prod.example/x"}, Option: "webhook"},
			{Options: &Options{Webhook: "env:HOOK"}, Option: "timeout"},
		},
	})
}

func TestRecordedShape(t *testing.T) {
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Answer: accepted, Tell: []*channel.Message{
		posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "one\ntwo" }),
	}})
	if err != nil || len(got) != 1 || got[0].Query.Get("sig") != "secretsecretsecret" {
		t.Fatalf("%v, %+v", err, got)
	}
	want := `{
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
`
	if diff := cmp.Diff(want, posttest.Shape(t, got[0].Body)); diff != "" {
		t.Error(diff)
	}
}

// A long text stays within what Teams takes, whatever it is made of.
func TestRecordedLimit(t *testing.T) {
	for name, text := range map[string]string{"one line": strings.Repeat("\"*\\", 50_000), "many": strings.Repeat("<ä>\"\\_*\n", 10_000)} {
		got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Answer: accepted, Tell: []*channel.Message{
			posttest.Sample("firing", func(m *channel.Message) { m.Text = text }),
		}})
		if err != nil || len(got[0].Body) > 28<<10 {
			t.Errorf("%s: %v, %d bytes", name, err, len(got[0].Body))
		}
	}
}
