package jira

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"grove/notify/channel"
	"grove/notify/channel/post"
)

// session is what is done for one message.
type session struct {
	*jira
	authorization string
	secrets       []string
}

func (s *session) ask(ctx context.Context, method, path string, body, into any) error {
	return s.Do(ctx, post.Request{
		Method: method, URL: post.Join(s.o.URL, path), Header: map[string]string{"Authorization": s.authorization},
		Body: body, Into: into, Secrets: s.secrets,
	})
}

// found is an issue as searches and requests return it.
type found struct {
	Key    string `json:"key"`
	ID     string `json:"id"` // takes the place of the key in addresses
	Fields struct {
		Status struct {
			Category struct {
				Key string `json:"key"` // new, indeterminate or done
			} `json:"statusCategory"`
		} `json:"status"`
	} `json:"fields"`
}

// find returns the key of the group's issue that is not done; empty: there is none. The
// search of the cloud lags behind, so the issue that was made last is asked for itself.
func (s *session) find(ctx context.Context, group string) (string, error) {
	if key := s.issues.Get(group); key != "" {
		var issue found
		err := s.ask(ctx, http.MethodGet, "/rest/api/2/issue/"+url.PathEscape(key)+"?fields=status", nil, &issue)
		switch {
		case err == nil && issue.Fields.Status.Category.Key != "done":
			return key, nil
		case err != nil && post.Status(err) != http.StatusNotFound:
			return "", err
		}
		s.issues.Put(group, "") // somebody has finished it, or deleted it
	}
	path := "/rest/api/3/search/jql" // the cloud has removed the other: changelog CHANGE-2046
	if s.o.Edition == "server" {
		path = "/rest/api/2/search"
	}
	query := url.Values{
		"jql":        {fmt.Sprintf("project = %q AND labels = %q AND statusCategory != Done ORDER BY created DESC", s.o.Project, post.Name(group))},
		"fields":     {"key,status"}, // the cloud tells only an id unless it is asked for more
		"maxResults": {"1"},
	}
	var answer struct {
		Issues []found `json:"issues"`
	}
	err := s.ask(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &answer)
	if status := post.Status(err); status == http.StatusNotFound || status == http.StatusGone {
		return "", fmt.Errorf("%w: a Jira searches in another way when its option edition is not %s", err, s.o.Edition)
	}
	if err != nil {
		return "", err
	}
	if len(answer.Issues) == 0 {
		return "", nil
	}
	return cmp.Or(answer.Issues[0].Key, answer.Issues[0].ID), nil
}

type named struct {
	Name string `json:"name"`
}

type fields struct {
	Project     map[string]string `json:"project"`
	IssueType   named             `json:"issuetype"`
	Summary     string            `json:"summary"`
	Description string            `json:"description"`
	Labels      []string          `json:"labels"`
	Priority    *named            `json:"priority,omitempty"`
}

// create makes the group's issue and returns its key.
func (s *session) create(ctx context.Context, m *channel.Message) (string, error) {
	f := fields{
		Project: map[string]string{"key": s.o.Project}, IssueType: named{s.o.IssueType},
		Summary: post.Fit(s.Title(m), maxSummary, post.Runes, nil), Description: prose(m, s.Text(m)),
		Labels: append([]string{post.Name(m.Group)}, s.o.Labels...),
	}
	if p := s.o.Priorities[m.Severity.String()]; p != "" {
		f.Priority = &named{p}
	}
	var answer found
	if err := s.ask(ctx, http.MethodPost, "/rest/api/2/issue", map[string]any{"fields": f}, &answer); err != nil {
		return "", err
	}
	return answer.Key, nil
}

func (s *session) comment(ctx context.Context, issue string, m *channel.Message) error {
	body := map[string]string{"body": prose(m, s.Title(m)+"\n\n"+s.Text(m))}
	return s.ask(ctx, http.MethodPost, "/rest/api/2/issue/"+url.PathEscape(issue)+"/comment", body, nil)
}

// finish takes the issue through the transition that the options name.
func (s *session) finish(ctx context.Context, issue string) error {
	path := "/rest/api/2/issue/" + url.PathEscape(issue) + "/transitions"
	var answer struct {
		Transitions []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
			To   named  `json:"to"`
		} `json:"transitions"`
	}
	if err := s.ask(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return err
	}
	var names []string
	for _, t := range answer.Transitions {
		if strings.EqualFold(t.Name, s.o.Done) || strings.EqualFold(t.To.Name, s.o.Done) {
			return s.ask(ctx, http.MethodPost, path, map[string]any{"transition": map[string]string{"id": t.ID}}, nil)
		}
		names = append(names, post.Clean(t.Name))
	}
	return channel.Permanent(fmt.Errorf("%s has no transition %q: give the option done one of %s", issue, s.o.Done, strings.Join(names, ", ")))
}
