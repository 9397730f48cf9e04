// Package posttest has the tests of kinds that speak HTTP hold what they ask against the
// documentation of a service, with a server that records in the place of the service.
package posttest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

// Service is a kind of channel with the service in whose place the server stands.
type Service struct {
	Kind    channel.Kind
	Options func(url string) any // that reach the server at an address
	// Secrets are the values of references; "URL" in them becomes the address of the server.
	Secrets map[string]string
	Answer  func(channeltest.Request) channeltest.Answer // nil: 200 and nothing
}

// Says returns the same service, which answers everything so.
func (s Service) Says(a channeltest.Answer) Service {
	s.Answer = func(channeltest.Request) channeltest.Answer { return a }
	return s
}

// With returns the same service, for which the options are changed.
func With[O any](s Service, change func(*O)) Service {
	options := s.Options
	s.Options = func(url string) any {
		o := options(url)
		if mine, ok := o.(*O); ok {
			change(mine)
		}
		return o
	}
	return s
}

// Tell sends messages, and returns what the server was asked, and the last error.
func (s Service) Tell(t *testing.T, messages ...*channel.Message) ([]channeltest.Request, error) {
	t.Helper()
	server := channeltest.NewServer(t, s.Answer)
	w := channeltest.NewWorld(t, channeltest.Subject{Secrets: Secrets(s.Secrets, server.URL)})
	c, err := s.Kind.New(w, s.Options(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, m := range messages {
		err = c.Send(t.Context(), m)
	}
	return server.Requests(), err
}

// Asks sends one message, holds that it becomes one request, and returns that.
func (s Service) Asks(t *testing.T, m *channel.Message) channeltest.Request {
	t.Helper()
	got, err := s.Tell(t, m)
	if err != nil || len(got) != 1 {
		t.Fatalf("%v after %d requests: %+v", err, len(got), got)
	}
	return got[0]
}

// Posts holds that a message becomes one request to a path with such a body, and returns it.
func (s Service) Posts(t *testing.T, m *channel.Message, path, body string) channeltest.Request {
	t.Helper()
	r := s.Asks(t, m)
	if r.Method != http.MethodPost || r.Path != path {
		t.Errorf("%s %s", r.Method, r.Path)
	}
	if diff := cmp.Diff(body, Shape(t, r.Body)); diff != "" {
		t.Error(diff)
	}
	return r
}

// Contract runs the contract suite; what the subject has of the service is filled in, and
// read makes a Delivery of a request, or says that it is none.
func (s Service) Contract(t *testing.T, subject channeltest.Subject, read func(channeltest.Request) (channeltest.Delivery, bool)) {
	t.Helper()
	secrets := Secrets(s.Secrets, "URL")
	subject.Kind, subject.Secrets = s.Kind, secrets
	subject.Start = channeltest.HTTP(func(url string) any {
		maps.Copy(secrets, Secrets(s.Secrets, url))
		return s.Options(url)
	}, read, s.Answer)
	channeltest.Run(t, subject)
}

// Secrets puts the address of a server into the values of secrets.
func Secrets(secrets map[string]string, url string) map[string]string {
	all := maps.Clone(secrets)
	for k, v := range all {
		all[k] = strings.ReplaceAll(v, "URL", url)
	}
	return all
}

// Sample returns a sample message, changed.
func Sample(name string, change func(*channel.Message)) *channel.Message {
	m := template.Samples()[name]
	if change != nil {
		change(m)
	}
	return m
}

// Shape writes JSON with indents and sorted keys, so that it can be compared.
func Shape(t *testing.T, body []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Get returns a member of JSON by its path, such as "payload.custom_details.key" or
// "attachments.0.color"; nil: there is none.
func Get(body []byte, path string) any {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	for step := range strings.SplitSeq(path, ".") {
		switch here := v.(type) {
		case map[string]any:
			v = here[step]
		case []any:
			if len(step) != 1 || int(step[0]-'0') >= len(here) {
				return nil
			}
			v = here[step[0]-'0']
		default:
			return nil
		}
	}
	return v
}

// Text is Get of a text.
func Text(body []byte, path string) string {
	s, _ := Get(body, path).(string)
	return s
}

// Texts returns all texts of JSON, a line each, in the order of their paths: what people
// may come to read.
func Texts(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return ""
	}
	var all []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case []any:
			for _, w := range v {
				walk(w)
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(v[k])
			}
		}
	}
	walk(v)
	return strings.Join(all, "\n")
}
