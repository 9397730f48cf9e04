// Package servicenow is the channel to ServiceNow: one incident for a group of alerts, by
// the Table API. Source:
// https://www.servicenow.com/docs/bundle/zurich-api-reference/page/integrate/inbound-rest/concept/c_TableAPI.html.
package servicenow

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/tree"
)

//go:embed doc.md example.yaml
var files embed.FS

// Kind describes the channel.
func Kind() channel.Kind {
	return post.KindOf("servicenow", files, func() *Options {
		return &Options{Table: "incident", CloseCode: "Solution provided", Options: post.Defaults()}
	}, open)
}

// Options of the channel.
type Options struct {
	URL       string            `yaml:"url" jsonschema:"description=Address of the instance: https://company.service-now.com."`
	User      string            `yaml:"user,omitempty" jsonschema:"description=Name of the user; empty: token is an OAuth token."`
	Password  string            `yaml:"password,omitempty" jsonschema:"description=Reference to the password of the user: file:/path\\, env:NAME or credential:NAME."`
	Token     string            `yaml:"token,omitempty" jsonschema:"description=Reference to an OAuth token\\, in place of user and password."`
	Table     string            `yaml:"table,omitempty" jsonschema:"description=Table of the incidents.,default=incident"`
	Fields    map[string]string `yaml:"fields,omitempty" jsonschema:"description=More fields of a new incident\\, such as assignment_group or caller_id."`
	CloseCode string            `yaml:"close_code,omitempty" jsonschema:"description=Resolution code that an incident gets once all alerts are over; none: incidents are only noted.,default=Solution provided"`

	post.Options `yaml:",inline"`
}

// Limits of an incident, in characters; its fields may be made longer.
const (
	maxShort = 160
	maxText  = 4000
	maxShown = 100
	maxMore  = 30
)

// resolved is the state of an incident that is resolved; 7 is closed and 8 cancelled.
const resolved = "6"

var namePattern = regexp.MustCompile(`\A[a-z][a-z0-9_]{0,79}\z`)

// reserved are the fields that the channel fills itself.
var reserved = map[string]bool{"correlation_id": true, "correlation_display": true, "short_description": true, "description": true, "state": true, "work_notes": true}

type servicenow struct {
	*post.Client
	o *Options
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	option, reference := "password", o.Password
	if o.User == "" {
		option, reference = "token", o.Token
	}
	c, err := post.New(w, o.Options, post.CheckURL("url", o.URL), o.check(), post.CheckSecret(w, option, reference), post.CheckLength("fields", len(o.Fields), maxMore))
	if err != nil {
		return nil, err
	}
	return &servicenow{c, o}, nil
}

// check says which option of the channel's own is wrong.
func (o *Options) check() error {
	switch {
	case o.User == "" && o.Password != "":
		return channel.BadOption("user", "a password needs a user")
	case o.User != "" && o.Token != "":
		return channel.BadOption("token", "a user has a password: either both or a token")
	case !namePattern.MatchString(o.Table):
		return channel.BadOption("table", "%q is no name of a table", o.Table)
	}
	for name := range o.Fields {
		if !namePattern.MatchString(name) || reserved[name] {
			return channel.BadOption("fields."+name, "it is no name of a field, or one that grove fills itself")
		}
	}
	return nil
}

// errHeartbeat says why a message is given up.
var errHeartbeat = errors.New("an incident cannot say that grove lives: let heartbeats go to another channel")

// Send implements channel.Channel. It looks for the group's incident first, so that an
// attempt that broke off makes no second one.
func (c *servicenow) Send(ctx context.Context, m *channel.Message) error {
	if m.Purpose == channel.Heartbeat {
		return channel.Permanent(errHeartbeat)
	}
	authorization, secrets, err := c.authorization()
	if err != nil {
		return err
	}
	table := post.Join(c.o.URL, "/api/now/table/"+c.o.Table)
	ask := func(method, address string, body, into any) error {
		return c.Do(ctx, post.Request{Method: method, URL: address, Header: map[string]string{"Authorization": authorization}, Body: body, Into: into, Secrets: secrets})
	}
	var found struct {
		Result []struct {
			ID string `json:"sys_id"`
		} `json:"result"`
	}
	query := url.Values{
		"sysparm_query":  {"correlation_id=" + post.Name(m.Group) + "^stateNOT IN" + resolved + ",7,8^ORDERBYDESCsys_created_on"},
		"sysparm_fields": {"sys_id"},
		"sysparm_limit":  {"1"},
	}
	if err := ask(http.MethodGet, table+"?"+query.Encode(), nil, &found); err != nil {
		return err
	}
	switch {
	case len(found.Result) > 0:
		return ask(http.MethodPatch, table+"/"+url.PathEscape(found.Result[0].ID), c.change(m), nil)
	case m.Purpose == channel.Resolution:
		return nil // somebody was faster, or an earlier attempt
	}
	return ask(http.MethodPost, table, c.creation(m), nil)
}

func (c *servicenow) authorization() (header string, secrets []string, err error) {
	if c.o.User == "" {
		token, err := c.Secret("token", c.o.Token)
		return "Bearer " + token, []string{token}, err
	}
	password, err := c.Secret("password", c.o.Password)
	basic := base64.StdEncoding.EncodeToString([]byte(c.o.User + ":" + password))
	return "Basic " + basic, []string{password, basic}, err
}

// weight is the impact and the urgency of a severity: 1 high, 2 medium, 3 low.
func weight(s tree.Severity) string {
	switch s {
	case tree.Critical:
		return "1"
	case tree.Major:
		return "2"
	case tree.Minor, tree.Warning, tree.Indeterminate, tree.Cleared:
	}
	return "3"
}

// note is what an incident says of a message.
func (c *servicenow) note(m *channel.Message, head string) string {
	foot := "\n\n" + post.Clean(m.Key)
	if m.URL != "" {
		foot += "\n" + m.URL
	}
	return post.Fit(head+c.Text(m), maxText-post.Runes(foot), post.Runes, nil) + foot
}

func (c *servicenow) creation(m *channel.Message) map[string]string {
	fields := map[string]string{
		"impact": weight(m.Severity), "urgency": weight(m.Severity),
	}
	for name, value := range c.o.Fields {
		fields[name] = value
	}
	fields["correlation_id"], fields["correlation_display"] = post.Name(m.Group), post.Fit(post.Clean(m.Group), maxShown, post.Runes, nil)
	fields["short_description"], fields["description"] = post.Fit(c.Title(m), maxShort, post.Runes, nil), c.note(m, "")
	return fields
}

func (c *servicenow) change(m *channel.Message) map[string]string {
	note := c.note(m, c.Title(m)+"\n\n")
	fields := map[string]string{"work_notes": note}
	if m.Purpose == channel.Resolution && c.o.CloseCode != "" {
		fields["state"], fields["close_code"], fields["close_notes"] = resolved, c.o.CloseCode, note
	}
	return fields
}
