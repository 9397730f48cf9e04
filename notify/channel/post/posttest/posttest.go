// Package posttest has the tests of kinds that speak HTTP hold what they ask against the
// documentation of a service, with a server that records in the place of the service.
package posttest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

// Case is what is told, and how the service answers.
type Case struct {
	Kind    channel.Kind
	Options func(url string) any // that reach the server at an address
	// Secrets are the values of references; "URL" in them becomes the address of the server.
	Secrets map[string]string
	Answer  func(channeltest.Request) channeltest.Answer // nil: 200 and nothing
	Tell    []*channel.Message
}

// Run tells it, and returns what the server was asked, and the last error.
func Run(t *testing.T, c Case) ([]channeltest.Request, error) {
	t.Helper()
	s := channeltest.NewServer(t, c.Answer)
	secrets := Secrets(c.Secrets, s.URL)
	w := channeltest.NewWorld(t, channeltest.Subject{Secrets: secrets})
	ch, err := c.Kind.New(w, c.Options(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, m := range c.Tell {
		err = ch.Send(t.Context(), m)
	}
	return s.Requests(), err
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

// Start has a server play the other side for the contract suite; secrets are those of the
// Subject, whose "URL" becomes its address.
func Start(secrets map[string]string, options func(url string) any, read func(channeltest.Request) (channeltest.Delivery, bool), well func(channeltest.Request) channeltest.Answer) func(*testing.T, channeltest.Mood) *channeltest.Counterpart {
	pattern := maps.Clone(secrets)
	return channeltest.HTTP(func(url string) any {
		maps.Copy(secrets, Secrets(pattern, url))
		return options(url)
	}, read, well)
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
