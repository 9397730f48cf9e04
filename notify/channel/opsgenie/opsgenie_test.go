package opsgenie

import (
	"net/http"
	"strings"
	"testing"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
	"grove/tree/alert"
)

const key = "eb243592-faa2-4ba2-a551q-1afdf565c889"

var service = posttest.Service{
	Kind: Kind(), Secrets: map[string]string{"env:KEY": key},
	Options: func(url string) any { return with(func(o *Options) { o.API = url }) },
}.Says(channeltest.Answer{Status: http.StatusAccepted, Body: `{"result":"Request will be processed","took":0.1,"requestId":"x"}`})

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := &Options{Key: "env:KEY", API: "https://x", Teams: []string{"ops"}, Tags: []string{"grove"}, Heartbeat: "grove-a", Options: post.Defaults()}
	change(o)
	return o
}

// group is the alias of a request, in its body or its path.
func group(r channeltest.Request) string {
	if alias, ok := strings.CutPrefix(r.Path, "/v2/alerts/"); ok {
		return strings.TrimSuffix(strings.TrimSuffix(alias, "/close"), "/acknowledge")
	}
	return posttest.Text(r.Body, "alias")
}

func TestRecordedContract(t *testing.T) {
	service.Contract(t, channeltest.Subject{
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "key"},
			{Options: with(func(o *Options) { o.Key = "eb24" }), Option: "key"},
			{Options: with(func(o *Options) { o.API = "api.opsgenie.com" }), Option: "api"},
			{Options: with(func(o *Options) { o.Teams = make([]string, 51) }), Option: "teams"},
			{Options: with(func(o *Options) { o.Tags = make([]string, 21) }), Option: "tags"},
			{Options: with(func(o *Options) { o.Timeout = 0 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		key := posttest.Text(r.Body, "details.key")
		if note := posttest.Text(r.Body, "note"); note != "" {
			key = note[strings.LastIndex(note, "\n")+1:]
		}
		return channeltest.Delivery{Key: key, Group: group(r), Text: r.Path + posttest.Texts(r.Body)}, true
	})
}

func TestRecordedShape(t *testing.T) {
	long := posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = strings.Repeat("long ", 40), "one" })
	r := service.Posts(t, long, "/v2/alerts", `{
  "alias": "grove/databases/9f2c",
  "description": "one",
  "details": {
    "group": "grove/databases/9f2c",
    "key": "grove/databases/9f2c/1",
    "manager": "grove",
    "purpose": "firing",
    "route": "databases",
    "url": "https://grove.example/alerts"
  },
  "entity": "/shop/web1/Connections/Active",
  "message": "long long long long long long long long long long long long long long long long long long long long long long long long long lo...",
  "priority": "P2",
  "responders": [
    {
      "name": "ops",
      "type": "team"
    }
  ],
  "source": "grove",
  "tags": [
    "grove"
  ]
}
`)
	if a := r.Header.Get("Authorization"); a != "GenieKey "+key {
		t.Error(a)
	}
}

func TestRecordedActions(t *testing.T) {
	known := func(m *channel.Message) { m.Alerts[0].State = alert.Acknowledged }
	for _, c := range []struct {
		sample       string
		change       func(*channel.Message)
		method, path string
		query        string
	}{
		{"firing", nil, "POST", "/v2/alerts", ""},
		{"firing", known, "POST", "/v2/alerts/grove/databases/9f2c/acknowledge", "identifierType=alias"},
		{"escalation", known, "POST", "/v2/alerts", ""},
		{"resolved", nil, "POST", "/v2/alerts/grove/databases/9f2c/close", "identifierType=alias"},
		{"heartbeat", nil, "GET", "/v2/heartbeats/grove-a/ping", ""},
		{"announcement", nil, "POST", "/v2/alerts", ""},
	} {
		r := service.Asks(t, posttest.Sample(c.sample, c.change))
		if r.Method != c.method || r.Path != c.path || r.Query.Encode() != c.query {
			t.Errorf("%s: %s %s?%s", c.sample, r.Method, r.Path, r.Query.Encode())
		}
	}
	_, err := posttest.With(service, func(o *Options) { o.Heartbeat = "" }).Tell(t, posttest.Sample("heartbeat", nil))
	if !channel.IsPermanent(err) || !strings.Contains(err.Error(), "needs the option heartbeat") {
		t.Error(err)
	}
}
