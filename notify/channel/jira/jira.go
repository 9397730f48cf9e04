// Package jira is the channel to Jira, in the cloud or on a server: one issue for a group of
// alerts. Sources: https://developer.atlassian.com/cloud/jira/platform/rest/v2/ (issues,
// issue search, transitions, comments) and
// https://docs.atlassian.com/software/jira/docs/api/REST/9.17.0/ (of a server, or data center).
package jira

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
	"grove/tree"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("jira", files, func() *Options {
		return &Options{Edition: "cloud", IssueType: "Task", Done: "Done", Options: post.Defaults()}
	}, open)
}

// Options of the channel.
type Options struct {
	URL        string            `yaml:"url" jsonschema:"description=Address of Jira: https://company.atlassian.net."`
	Edition    string            `yaml:"edition,omitempty" jsonschema:"description=Which Jira it is: they search in different ways.,enum=cloud,enum=server,default=cloud"`
	User       string            `yaml:"user,omitempty" jsonschema:"description=Address (cloud) or name of the user that the token is of; empty: the token is a personal one of a server."`
	Token      string            `yaml:"token" jsonschema:"description=Reference to the token or password: file:/path\\, env:NAME or credential:NAME."`
	Project    string            `yaml:"project" jsonschema:"description=Key of the project that issues are made in."`
	IssueType  string            `yaml:"issue_type,omitempty" jsonschema:"description=Type of the issues.,default=Task"`
	Priorities map[string]string `yaml:"priorities,omitempty" jsonschema:"description=Priority of an issue by the severity of its alerts: critical\\, major\\, minor\\, warning or indeterminate; that of the project where none is given."`
	Labels     []string          `yaml:"labels,omitempty" jsonschema:"description=More labels of the issues.,maxItems=20"`
	Done       string            `yaml:"done,omitempty" jsonschema:"description=Name of the transition\\, or of the status that it leads to\\, once all alerts are over; none: issues are only commented.,default=Done"`

	post.Options `yaml:",inline"`
}

// Limits of an issue, in characters.
const (
	maxSummary = 255
	maxText    = 30_000 // of 32,767
	maxLabels  = 20
)

var projectPattern = regexp.MustCompile(`\A[A-Z][A-Z0-9_]{0,254}\z`)

type jira struct {
	*post.Client
	o      *Options
	issues post.Recent // keys of issues by group
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	c, err := post.New(w, o.Options, post.CheckURL("url", o.URL), post.CheckSecret(w, "token", o.Token), post.CheckLength("labels", len(o.Labels), maxLabels), o.check())
	if err != nil {
		return nil, err
	}
	return &jira{Client: c, o: o}, nil
}

// check says which option of the channel's own is wrong.
func (o *Options) check() error {
	switch {
	case o.Edition != "cloud" && o.Edition != "server":
		return channel.BadOption("edition", "%q is neither cloud nor server", o.Edition)
	case o.Edition == "cloud" && o.User == "":
		return channel.BadOption("user", "the cloud needs the address of the user that the token is of")
	case !projectPattern.MatchString(o.Project):
		return channel.BadOption("project", "%q is no key of a project, such as OPS", o.Project)
	case o.IssueType == "":
		return channel.BadOption("issue_type", "it is empty")
	}
	for i, l := range o.Labels {
		if l == "" || strings.ContainsAny(l, " \t\n") || len(l) > 255 {
			return channel.BadOption(fmt.Sprintf("labels[%d]", i), "%q is no label: it has blanks, or not 1 to 255 characters", l)
		}
	}
	for s := range o.Priorities {
		if _, err := tree.ParseSeverity(s); err != nil {
			return channel.BadOption("priorities."+s, "%w", err)
		}
	}
	return nil
}

// errHeartbeat says why a message is given up.
var errHeartbeat = errors.New("an issue cannot say that grove lives: let heartbeats go to another channel")

// Send implements channel.Channel. It looks for what an earlier attempt has done already,
// so that one that broke off makes no second issue as far as the search knows the first.
func (c *jira) Send(ctx context.Context, m *channel.Message) error {
	if m.Purpose == channel.Heartbeat {
		return channel.Permanent(errHeartbeat)
	}
	token, err := c.Secret("token", c.o.Token)
	if err != nil {
		return err
	}
	s := session{c, "Bearer " + token, []string{token}}
	if c.o.User != "" {
		basic := base64.StdEncoding.EncodeToString([]byte(c.o.User + ":" + token))
		s.authorization, s.secrets = "Basic "+basic, append(s.secrets, basic)
	}
	issue, err := s.find(ctx, m.Group)
	switch {
	case err != nil:
		return err
	case issue == "" && m.Purpose == channel.Resolution:
		return nil // somebody was faster, or an earlier attempt
	case issue == "":
		issue, err = s.create(ctx, m)
	default:
		err = s.comment(ctx, issue, m)
	}
	if err != nil {
		return err
	}
	c.issues.Put(m.Group, issue)
	if m.Purpose != channel.Resolution || c.o.Done == "" {
		return nil
	}
	if err := s.finish(ctx, issue); err != nil {
		return err
	}
	c.issues.Put(m.Group, "")
	return nil
}

// prose is a text that Jira's markup does not touch, so that nobody is called by it.
func prose(m *channel.Message, text string) string {
	text = strings.ReplaceAll(text, "{noformat", "{ noformat")
	text = "{noformat}\n" + post.Fit(text, maxText, post.Runes, nil) + "\n{noformat}\n" + template.OneLine(m.Key)
	if m.URL != "" {
		text += "\n" + m.URL
	}
	return text
}
