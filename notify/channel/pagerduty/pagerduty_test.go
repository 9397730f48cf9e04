package pagerduty

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post/posttest"
	"grove/tree"
	"grove/tree/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secrets = map[string]string{"env:KEY": "0123456789abcdef0123456789abcdef"}

func options(url string) any {
	o := Kind().Options().(*Options)
	o.API, o.RoutingKey = url, "env:KEY"
	return o
}

func accepted(channeltest.Request) channeltest.Answer {
	return channeltest.Answer{Status: http.StatusAccepted, Body: `{"status":"success","message":"Event processed","dedup_key":"x"}`}
}

func TestRecordedContract(t *testing.T) {
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(), Secrets: secrets,
		Start: posttest.Start(secrets, options, func(r channeltest.Request) (channeltest.Delivery, bool) {
			return channeltest.Delivery{
				Key: posttest.Text(r.Body, "payload.custom_details.key"), Group: posttest.Text(r.Body, "dedup_key"), Text: posttest.Texts(r.Body),
			}, true
		}, accepted),
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "routing_key"},
			{Options: &Options{RoutingKey: "0123"}, Option: "routing_key"},
			{Options: &Options{RoutingKey: "env:KEY", API: "x"}, Option: "api"},
			{Options: &Options{RoutingKey: "env:KEY", API: "https://x"}, Option: "timeout"},
		},
	})
}

func TestRecordedShape(t *testing.T) {
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Answer: accepted, Tell: []*channel.Message{
		posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "one" }),
	}})
	if err != nil || len(got) != 1 || got[0].Path != "/v2/enqueue" {
		t.Fatalf("%v, %+v", err, got)
	}
	want := `{
  "client": "grove",
  "client_url": "https://grove.example/alerts",
  "dedup_key": "grove/databases/9f2c",
  "event_action": "trigger",
  "links": [
    {
      "href": "https://grove.example/alerts",
      "text": "Open in grove"
    }
  ],
  "payload": {
    "class": "qualityOfServiceAlarm",
    "component": "/shop/web1/Connections/Active",
    "custom_details": {
      "event_type": "qualityOfServiceAlarm",
      "firing": 1,
      "group": "grove/databases/9f2c",
      "key": "grove/databases/9f2c/1",
      "probable_cause": "thresholdCrossed",
      "repair": "add a server",
      "resolved": 0,
      "route": "databases",
      "text": "one",
      "threshold": "> 1000",
      "unit": "connections",
      "value": "1200"
    },
    "group": "shop-web1",
    "severity": "error",
    "source": "grove",
    "summary": "/shop is red",
    "timestamp": "2026-03-01T12:05:00Z"
  },
  "routing_key": "0123456789abcdef0123456789abcdef"
}
`
	if diff := cmp.Diff(want, posttest.Shape(t, got[0].Body)); diff != "" {
		t.Error(diff)
	}
}

func TestRecordedActions(t *testing.T) {
	known := func(m *channel.Message) {
		m.Alerts[0].State = alert.Acknowledged
		m.Severity = tree.Critical
	}
	for _, c := range []struct {
		sample                string
		change                func(*channel.Message)
		path, action, gravity string
	}{
		{"firing", nil, "/v2/enqueue", "trigger", "error"},
		{"firing", known, "/v2/enqueue", "acknowledge", "critical"},
		{"escalation", known, "/v2/enqueue", "trigger", "critical"},
		{"firing, many", nil, "/v2/enqueue", "trigger", "error"},
		{"resolved", nil, "/v2/enqueue", "resolve", "info"},
		{"test", nil, "/v2/enqueue", "trigger", "info"},
		{"announcement", nil, "/v2/change/enqueue", "", ""},
		{"heartbeat", nil, "/v2/change/enqueue", "", ""},
	} {
		got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Answer: accepted, Tell: []*channel.Message{posttest.Sample(c.sample, c.change)}})
		if err != nil {
			t.Fatal(err)
		}
		r := got[0]
		if a, s := posttest.Text(r.Body, "event_action"), posttest.Text(r.Body, "payload.severity"); r.Path != c.path || a != c.action || s != c.gravity {
			t.Errorf("%s: %s, %s, %s", c.sample, r.Path, a, s)
		}
	}
	long := posttest.Sample("firing", func(m *channel.Message) { m.Group, m.Title = strings.Repeat("g", 300), strings.Repeat("t", 3000) })
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Answer: accepted, Tell: []*channel.Message{long}})
	if err != nil || len(posttest.Text(got[0].Body, "dedup_key")) != 38 || len(posttest.Text(got[0].Body, "payload.summary")) > 1024 {
		t.Errorf("%v, %s", err, got[0].Body)
	}
}
