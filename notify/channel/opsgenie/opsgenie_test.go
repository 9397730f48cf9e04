package opsgenie

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post/posttest"
	"grove/tree/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secrets = map[string]string{"env:KEY": "eb243592-faa2-4ba2-a551q-1afdf565c889"}

func options(url string) any {
	o := Kind().Options().(*Options)
	o.API, o.Key, o.Teams, o.Tags, o.Heartbeat = url, "env:KEY", []string{"ops"}, []string{"grove"}, "grove-a"
	return o
}

func accepted(channeltest.Request) channeltest.Answer {
	return channeltest.Answer{Status: http.StatusAccepted, Body: `{"result":"Request will be processed","took":0.1,"requestId":"x"}`}
}

// group is the alias of a request, in its body or its path.
func group(r channeltest.Request) string {
	if alias, ok := strings.CutPrefix(r.Path, "/v2/alerts/"); ok {
		return strings.TrimSuffix(strings.TrimSuffix(alias, "/close"), "/acknowledge")
	}
	return posttest.Text(r.Body, "alias")
}

func TestRecordedContract(t *testing.T) {
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(), Secrets: secrets,
		Start: posttest.Start(secrets, options, func(r channeltest.Request) (channeltest.Delivery, bool) {
			key := posttest.Text(r.Body, "details.key")
			if note := posttest.Text(r.Body, "note"); note != "" {
				key = note[strings.LastIndex(note, "\n")+1:]
			}
			return channeltest.Delivery{Key: key, Group: group(r), Text: r.Path + posttest.Texts(r.Body)}, true
		}, accepted),
		Bad: []channeltest.Bad{
			{Options: Kind().Options(), Option: "key"},
			{Options: &Options{Key: "eb24"}, Option: "key"},
			{Options: &Options{Key: "env:KEY", API: "api.opsgenie.com"}, Option: "api"},
			{Options: &Options{Key: "env:KEY", API: "https://x", Teams: make([]string, 51)}, Option: "teams"},
			{Options: &Options{Key: "env:KEY", API: "https://x", Tags: make([]string, 21)}, Option: "tags"},
			{Options: &Options{Key: "env:KEY", API: "https://x"}, Option: "timeout"},
		},
	})
}

func TestRecordedShape(t *testing.T) {
	got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Answer: accepted, Tell: []*channel.Message{
		posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = strings.Repeat("long ", 40), "one" }),
	}})
	if err != nil || len(got) != 1 || got[0].Path != "/v2/alerts" || got[0].Header.Get("Authorization") != "GenieKey "+secrets["env:KEY"] {
		t.Fatalf("%v, %+v", err, got)
	}
	want := `{
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
`
	if diff := cmp.Diff(want, posttest.Shape(t, got[0].Body)); diff != "" {
		t.Error(diff)
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
		got, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Options: options, Answer: accepted, Tell: []*channel.Message{posttest.Sample(c.sample, c.change)}})
		if err != nil {
			t.Fatal(err)
		}
		if r := got[0]; r.Method != c.method || r.Path != c.path || r.Query.Encode() != c.query {
			t.Errorf("%s: %s %s?%s", c.sample, r.Method, r.Path, r.Query.Encode())
		}
	}
	_, err := posttest.Run(t, posttest.Case{Kind: Kind(), Secrets: secrets, Tell: []*channel.Message{posttest.Sample("heartbeat", nil)}, Options: func(url string) any {
		o := options(url).(*Options)
		o.Heartbeat = ""
		return o
	}})
	if !channel.IsPermanent(err) || !strings.Contains(err.Error(), "needs the option heartbeat") {
		t.Error(err)
	}
}
