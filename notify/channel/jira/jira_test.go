package jira

import (
	"encoding/json"
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

// service is Jira, where a stand-in keeps the issues.
func service(s *standIn) posttest.Service {
	return posttest.Service{
		Kind: Kind(), Secrets: map[string]string{"env:TOKEN": "ATATT-secretsecret"}, Answer: s.answer,
		Options: func(url string) any { return with(func(o *Options) { o.URL = url }) },
	}
}

// with returns options that work, changed.
func with(change func(*Options)) *Options {
	o := Kind().Options().(*Options)
	o.URL, o.User, o.Token, o.Project = "https://jira.example", "grove@example.org", "env:TOKEN", "OPS"
	change(o)
	return o
}

// standIn keeps issues as Jira does, as far as the channel can tell.
type standIn struct {
	labels map[string]string // by key of issue
	done   map[string]bool
	lags   bool // the search does not know them yet
}

var inLabel = regexp.MustCompile(`labels = "([^"]+)"`)

func (s *standIn) answer(r channeltest.Request) channeltest.Answer {
	if s.labels == nil {
		s.labels, s.done = map[string]string{}, map[string]bool{}
	}
	key, what, _ := strings.Cut(strings.TrimPrefix(r.Path, "/rest/api/2/issue/"), "/")
	category := func() string {
		if s.done[key] {
			return "done"
		}
		return "new"
	}
	switch {
	case strings.Contains(r.Path, "/search"):
		for k, label := range s.labels {
			if found := inLabel.FindStringSubmatch(r.Query.Get("jql")); found != nil && found[1] == label && !s.done[k] && !s.lags {
				return channeltest.Answer{Body: fmt.Sprintf(`{"issues":[{"key":%q}]}`, k)}
			}
		}
		return channeltest.Answer{Body: `{"issues":[]}`}
	case r.Path == "/rest/api/2/issue":
		key := fmt.Sprintf("OPS-%d", len(s.labels)+1)
		s.labels[key] = posttest.Text(r.Body, "fields.labels.0")
		return channeltest.Answer{Status: http.StatusCreated, Body: fmt.Sprintf(`{"id":"1","key":%q}`, key)}
	case s.labels[key] == "":
		return channeltest.Answer{Status: http.StatusNotFound, Body: `{"errorMessages":["Issue does not exist"]}`}
	case what == "":
		return channeltest.Answer{Body: fmt.Sprintf(`{"key":%q,"fields":{"status":{"statusCategory":{"key":%q}}}}`, key, category())}
	case what == "transitions" && r.Method == http.MethodPost:
		s.done[key] = posttest.Text(r.Body, "transition.id") == "31"
		return channeltest.Answer{Status: http.StatusNoContent}
	case what == "transitions":
		return channeltest.Answer{Body: `{"transitions":[{"id":"11","name":"Start","to":{"name":"In Progress"}},{"id":"31","name":"Finish","to":{"name":"Done"}}]}`}
	}
	return channeltest.Answer{Status: http.StatusCreated, Body: `{}`}
}

func TestRecordedContract(t *testing.T) {
	var s standIn
	service(&s).Contract(t, channeltest.Subject{
		Skips: map[channel.Purpose]string{channel.Heartbeat: "an issue cannot say that grove lives"},
		Bad: []channeltest.Bad{
			{Options: with(func(o *Options) { o.URL = "" }), Option: "url"},
			{Options: with(func(o *Options) { o.Token = "" }), Option: "token"},
			{Options: with(func(o *Options) { o.Edition = "old" }), Option: "edition"},
			{Options: with(func(o *Options) { o.User = "" }), Option: "user"},
			{Options: with(func(o *Options) { o.Project = `O" OR "1` }), Option: "project"},
			{Options: with(func(o *Options) { o.IssueType = "" }), Option: "issue_type"},
			{Options: with(func(o *Options) { o.Labels = []string{"a", "b c"} }), Option: "labels[1]"},
			{Options: with(func(o *Options) { o.Priorities = map[string]string{"bad": "High"} }), Option: "priorities.bad"},
			{Options: with(func(o *Options) { o.Timeout = -1 }), Option: "timeout"},
		},
	}, func(r channeltest.Request) (channeltest.Delivery, bool) {
		if r.Method != http.MethodPost || strings.HasSuffix(r.Path, "/transitions") {
			return channeltest.Delivery{}, false
		}
		text := posttest.Text(r.Body, "fields.description") + posttest.Text(r.Body, "body")
		label := posttest.Text(r.Body, "fields.labels.0")
		if issue, ok := strings.CutPrefix(r.Path, "/rest/api/2/issue/"); ok {
			label = s.labels[strings.TrimSuffix(issue, "/comment")]
		}
		lines := strings.Split(text[strings.LastIndex(text, "{noformat}")+1:], "\n")
		return channeltest.Delivery{Key: lines[1], Group: label, Text: posttest.Text(r.Body, "fields.summary") + "\n" + text}, true
	})
}

// steps are the requests, without the address.
func steps(requests []channeltest.Request) []string {
	var all []string
	for _, r := range requests {
		all = append(all, r.Method+" "+strings.TrimPrefix(r.Path, "/rest/api/2"))
	}
	return all
}

func TestRecordedLifeOfAnIssue(t *testing.T) {
	firing, reminder, over := posttest.Sample("firing", nil), posttest.Sample("reminder", nil), posttest.Sample("resolved", nil)
	s := standIn{lags: true}
	got, err := service(&s).Tell(t, firing, reminder, over, over, firing)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET /rest/api/3/search/jql", "POST /issue",
		"GET /issue/OPS-1", "POST /issue/OPS-1/comment",
		"GET /issue/OPS-1", "POST /issue/OPS-1/comment", "GET /issue/OPS-1/transitions", "POST /issue/OPS-1/transitions",
		"GET /rest/api/3/search/jql", // it is over: nothing is left to do
		"GET /rest/api/3/search/jql", "POST /issue",
	}
	if diff := cmp.Diff(want, steps(got)); diff != "" {
		t.Error(diff)
	}
	if a := got[0].Header.Get("Authorization"); a != "Basic Z3JvdmVAZXhhbXBsZS5vcmc6QVRBVFQtc2VjcmV0c2VjcmV0" {
		t.Error(a)
	}
	if q := got[0].Query.Get("jql"); q != `project = "OPS" AND labels = "`+post.Name(firing.Group)+`" AND statusCategory != Done ORDER BY created DESC` {
		t.Error(q)
	}
}

func TestRecordedOtherOptions(t *testing.T) {
	var s standIn
	server := posttest.With(service(&s), func(o *Options) {
		o.Edition, o.User, o.Priorities, o.Labels, o.Done = "server", "", map[string]string{"major": "High"}, []string{"monitoring"}, ""
	})
	firing := posttest.Sample("firing", func(m *channel.Message) { m.Title, m.Text = "/shop is red", "*one* {noformat}[~ada]" })
	got, err := server.Tell(t, firing, posttest.Sample("resolved", nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET /search", "POST /issue", "GET /issue/OPS-1", "POST /issue/OPS-1/comment"}, steps(got)); diff != "" {
		t.Error(diff)
	}
	if a := got[0].Header.Get("Authorization"); a != "Bearer ATATT-secretsecret" {
		t.Error(a)
	}
	want := map[string]any{"fields": map[string]any{
		"project": map[string]any{"key": "OPS"}, "issuetype": map[string]any{"name": "Task"}, "priority": map[string]any{"name": "High"},
		"summary": "/shop is red", "labels": []any{post.Name("grove/databases/9f2c"), "monitoring"},
		"description": "{noformat}\n*one* { noformat}[~ada]\n{noformat}\ngrove/databases/9f2c/1\nhttps://grove.example/alerts",
	}}
	var have any
	if err := json.Unmarshal(got[1].Body, &have); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(want), have); diff != "" {
		t.Error(diff)
	}
}

func TestRecordedRefusals(t *testing.T) {
	var s standIn
	jira := service(&s)
	_, err := posttest.With(jira, func(o *Options) { o.Done = "Closed" }).Tell(t, posttest.Sample("firing", nil), posttest.Sample("resolved", nil))
	if !channel.IsPermanent(err) || err.Error() != `OPS-1 has no transition "Closed": give the option done one of Start, Finish` {
		t.Error(err)
	}
	refuses := jira.Says(channeltest.Answer{Status: http.StatusUnauthorized, Body: "Basic authentication with passwords is deprecated."})
	_, err = refuses.Tell(t, posttest.Sample("firing", nil))
	if !channel.IsPermanent(err) || !strings.HasSuffix(err.Error(), "answers 401 Unauthorized: Basic authentication with passwords is deprecated.") {
		t.Error(err)
	}
	gone := jira.Says(channeltest.Answer{Status: http.StatusGone, Body: "The requested API has been removed."})
	_, err = posttest.With(gone, func(o *Options) { o.Edition = "server" }).Tell(t, posttest.Sample("firing", nil))
	if !channel.IsPermanent(err) || !strings.HasSuffix(err.Error(), "removed.: a Jira searches in another way when its option edition is not server") {
		t.Error(err)
	}
	if _, err := jira.Tell(t, posttest.Sample("heartbeat", nil)); !channel.IsPermanent(err) {
		t.Error(err)
	}
}
