package ntfy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post/posttest"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secrets = map[string]string{"env:TOPIC": "secret-topic-qx7", "env:TOKEN": "tk_secretsecretsecret"}

func options(url string) any {
	o := Kind().Options().(*Options)
	o.API, o.Topic, o.Token, o.Tags = url, "env:TOPIC", "env:TOKEN", []string{"grove"}
	return o
}

func TestRecordedContract(t *testing.T) {
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(), Secrets: secrets,
		Start: posttest.Start(secrets, options, func(r channeltest.Request) (channeltest.Delivery, bool) {
			return channeltest.Delivery{Group: posttest.Text(r.Body, "sequence_id"), Text: posttest.Texts(r.Body)}, true
		}, nil),
		NoKey: "a later message of a group takes the place of the earlier one, a repeated one too",
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "topic"},
			{Options: &Options{Topic: "a b"}, Option: "topic"},
			{Options: &Options{Topic: "t"}, Option: "api"},
			{Options: &Options{Topic: "t", API: "https://x", Token: "tk_x"}, Option: "token"},
			{Options: &Options{Topic: "t", API: "https://x", Tags: make([]string, 11)}, Option: "tags"},
			{Options: &Options{Topic: "t", API: "https://x"}, Option: "timeout"},
		},
	})
}

func TestRecordedShape(t *testing.T) {
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Tell: []*channel.Message{
		posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "one" }),
	}})
	if err != nil || len(got) != 1 || got[0].Path != "/" || got[0].Header.Get("Authorization") != "Bearer tk_secretsecretsecret" {
		t.Fatalf("%v, %+v", err, got)
	}
	want := `{
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
`
	if diff := cmp.Diff(want, posttest.Shape(t, got[0].Body)); diff != "" {
		t.Error(diff)
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
		got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Tell: []*channel.Message{
			posttest.Sample(c.sample, func(m *channel.Message) { m.Severity, m.Text = c.severity, strings.Repeat("ä\n", 5000) }),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if p, e := posttest.Get(got[0].Body, "priority"), posttest.Text(got[0].Body, "tags.0"); p != c.priority || e != c.emoji {
			t.Errorf("%s: %v, %s", c.sample, p, e)
		}
		if text := posttest.Text(got[0].Body, "message"); len(text) > 4096 || !strings.HasSuffix(text, "more lines") {
			t.Errorf("%d bytes", len(text))
		}
	}
}
