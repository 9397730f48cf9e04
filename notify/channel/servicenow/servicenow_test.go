package servicenow

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
)

// service is ServiceNow, where a stand-in keeps the incidents.
func service(s *standIn) posttest.Service {
	return posttest.Service{
		Kind: Kind(), Secrets: map[string]string{"env:PASSWORD": "secretsecret", "env:TOKEN": "oauth-secretsecret"}, Answer: s.answer,
		Options: func(url string) any { return with(func(o *Options) { o.URL = url }) },
	}
}

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := Kind().Options().(*Options)
	o.URL, o.User, o.Password = "https://now.example", "grove", "env:PASSWORD"
	change(o)
	return o
}

// standIn keeps incidents as the Table API does, as far as the channel can tell.
type standIn struct {
	correlation map[string]string // by sys_id
	over        map[string]bool
}

var inQuery = regexp.MustCompile(`\Acorrelation_id=([^^]+)\^stateNOT IN6,7,8\^`)

func (s *standIn) answer(r channeltest.Request) channeltest.Answer {
	if s.correlation == nil {
		s.correlation, s.over = map[string]string{}, map[string]bool{}
	}
	switch r.Method {
	case http.MethodGet:
		found := inQuery.FindStringSubmatch(r.Query.Get("sysparm_query"))
		for id, c := range s.correlation {
			if found != nil && c == found[1] && !s.over[id] {
				return channeltest.Answer{Body: fmt.Sprintf(`{"result":[{"sys_id":%q}]}`, id)}
			}
		}
		return channeltest.Answer{Body: `{"result":[]}`}
	case http.MethodPost:
		id := fmt.Sprintf("id%d", len(s.correlation)+1)
		s.correlation[id] = posttest.Text(r.Body, "correlation_id")
		return channeltest.Answer{Status: http.StatusCreated, Body: fmt.Sprintf(`{"result":{"sys_id":%q}}`, id)}
	}
	s.over[strings.TrimPrefix(r.Path, "/api/now/table/incident/")] = posttest.Text(r.Body, "state") == "6"
	return channeltest.Answer{Body: `{"result":{}}`}
}

func TestRecordedContract(t *testing.T) {
	var s standIn
	service(&s).Contract(t, channeltest.Subject{
		Skips: map[channel.Purpose]string{channel.Heartbeat: "an incident cannot say that grove lives"},
		Bad: []channeltest.Bad{
			{Options: with(func(o *Options) { o.URL = "now.example" }), Option: "url"},
			{Options: with(func(o *Options) { o.Password = "" }), Option: "password"},
			{Options: with(func(o *Options) { o.User, o.Password = "", "" }), Option: "token"},
			{Options: with(func(o *Options) { o.User, o.Token = "", "env:TOKEN" }), Option: "user"},
			{Options: with(func(o *Options) { o.Token = "env:TOKEN" }), Option: "token"},
			{Options: with(func(o *Options) { o.Table = "incident/.." }), Option: "table"},
			{Options: with(func(o *Options) { o.Fields = map[string]string{"state": "6"} }), Option: "fields.state"},
			{Options: with(func(o *Options) { o.Timeout = 0 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		if r.Method == http.MethodGet {
			return channeltest.Delivery{}, false
		}
		text := posttest.Text(r.Body, "description") + posttest.Text(r.Body, "work_notes")
		group := posttest.Text(r.Body, "correlation_id")
		if id, ok := strings.CutPrefix(r.Path, "/api/now/table/incident/"); ok {
			group = s.correlation[id]
		}
		lines := strings.Split(text, "\n")
		return channeltest.Delivery{Key: lines[len(lines)-2], Group: group, Text: posttest.Text(r.Body, "short_description") + "\n" + text}, true
	})
}

func TestRecordedLifeOfAnIncident(t *testing.T) {
	var s standIn
	firing := posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "one" })
	over := posttest.Sample("resolved", nil)
	now := posttest.With(service(&s), func(o *Options) { o.Fields = map[string]string{"assignment_group": "Operations", "urgency": "1"} })
	got, err := now.Tell(t, firing, posttest.Sample("reminder", nil), over, over, firing)
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, r := range got {
		steps = append(steps, r.Method+" "+strings.TrimPrefix(r.Path, "/api/now/table"))
	}
	if diff := cmp.Diff([]string{
		"GET /incident", "POST /incident",
		"GET /incident", "PATCH /incident/id1",
		"GET /incident", "PATCH /incident/id1",
		"GET /incident", // it is over: nothing is left to do
		"GET /incident", "POST /incident",
	}, steps); diff != "" {
		t.Error(diff)
	}
	if a := got[0].Header.Get("Authorization"); a != "Basic Z3JvdmU6c2VjcmV0c2VjcmV0" {
		t.Error(a)
	}
	want := `{
  "assignment_group": "Operations",
  "correlation_display": "grove/databases/9f2c",
  "correlation_id": "` + post.Name(firing.Group) + `",
  "description": "one\n\ngrove/databases/9f2c/1\nhttps://grove.example/alerts",
  "impact": "2",
  "short_description": "/shop is red",
  "urgency": "1"
}
`
	if diff := cmp.Diff(want, posttest.Shape(t, got[1].Body)); diff != "" {
		t.Error(diff)
	}
	if posttest.Text(got[3].Body, "state") != "" || posttest.Text(got[5].Body, "state") != "6" || posttest.Text(got[5].Body, "close_code") != "Solution provided" {
		t.Errorf("%s, then %s", got[3].Body, got[5].Body)
	}
}

func TestRecordedToken(t *testing.T) {
	now := posttest.With(service(new(standIn)), func(o *Options) { o.User, o.Password, o.Token = "", "", "env:TOKEN" })
	refuses := now.Says(channeltest.Answer{Status: http.StatusForbidden, Body: `{"error":{"message":"Operation Failed for oauth-secretsecret"},"status":"failure"}`})
	got, err := refuses.Tell(t, posttest.Sample("firing", nil))
	if got[0].Header.Get("Authorization") != "Bearer oauth-secretsecret" || !channel.IsPermanent(err) || !strings.Contains(err.Error(), "403 Forbidden: ") || strings.Contains(err.Error(), "oauth-secret") {
		t.Error(err)
	}
}
