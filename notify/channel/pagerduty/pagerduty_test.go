package pagerduty

import (
	"net/http"
	"strings"
	"testing"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
	"grove/tree"
	"grove/tree/alert"
)

var service = posttest.Service{
	Kind: Kind(), Secrets: map[string]string{"env:KEY": "0123456789abcdef0123456789abcdef"},
	Options: func(url string) any { return with(func(o *Options) { o.API = url }) },
}.Says(channeltest.Answer{Status: http.StatusAccepted, Body: `{"status":"success","message":"Event processed","dedup_key":"x"}`})

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := &Options{RoutingKey: "env:KEY", API: "https://events.example", Options: post.Defaults()}
	change(o)
	return o
}

func TestRecordedContract(t *testing.T) {
	service.Contract(t, channeltest.Subject{
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "routing_key"},
			{Options: with(func(o *Options) { o.RoutingKey = "0123" }), Option: "routing_key"},
			{Options: with(func(o *Options) { o.API = "x" }), Option: "api"},
			{Options: with(func(o *Options) { o.Timeout = 0 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		return channeltest.Delivery{
			Key: posttest.Text(r.Body, "payload.custom_details.key"), Group: posttest.Text(r.Body, "dedup_key"), Text: posttest.Texts(r.Body),
		}, true
	})
}

func TestRecordedShape(t *testing.T) {
	service.Posts(t, posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "one" }), "/v2/enqueue", `{
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
`)
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
		r := service.Asks(t, posttest.Sample(c.sample, c.change))
		if a, s := posttest.Text(r.Body, "event_action"), posttest.Text(r.Body, "payload.severity"); r.Path != c.path || a != c.action || s != c.gravity {
			t.Errorf("%s: %s, %s, %s", c.sample, r.Path, a, s)
		}
	}
	long := posttest.Sample("firing", func(m *channel.Message) { m.Group, m.Title = strings.Repeat("g", 300), strings.Repeat("t", 3000) })
	r := service.Asks(t, long)
	if len(posttest.Text(r.Body, "dedup_key")) != 38 || len(posttest.Text(r.Body, "payload.summary")) > maxSummary {
		t.Errorf("%s", r.Body)
	}
}
