package channeltest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

// options and sample are a kind as it should be, and every flaw that it can be given.
type options struct {
	URL    string `yaml:"url" jsonschema:"description=Where to\\, and how."`
	Secret string `yaml:"secret" jsonschema:"description=What to say."`
}

type sample struct {
	w     *channel.World
	o     *options
	c     *http.Client
	flaws flaws
	ended chan struct{}
}

type flaws struct {
	dials, takesAll, forgetsKey, forgetsGroup, tellsSecrets, injects, leaks, hopeful, hopeless, impatient, printsAll bool
}

func kind(f flaws) channel.Kind {
	return channel.Kind{
		Name: "sample", Doc: "`url` and `secret`.", Example: "kind: sample\nurl: http://127.0.0.1/\nsecret: env:SECRET\n",
		Options: func() any { return &options{} },
		New: func(w *channel.World, o any) (channel.Channel, error) {
			mine, ok := o.(*options)
			if !ok {
				return nil, errors.New("foreign")
			}
			if f.dials {
				_, _ = w.Secret(mine.Secret)
			}
			if mine.URL == "" && !f.takesAll {
				return nil, channel.BadOption("url", "is missing")
			}
			s := &sample{w, mine, w.Client(channel.TLS{}, time.Minute), f, make(chan struct{})}
			if f.leaks {
				go func() { <-s.ended }()
			}
			return s, nil
		},
	}
}

type body struct{ Key, Group, Text string }

func (s *sample) Send(ctx context.Context, m *channel.Message) error {
	secret, err := s.w.Secret(s.o.Secret)
	if err != nil {
		return err
	}
	b := body{m.Key, m.Group, template.Truncate(template.Plain(m.Text), 1000)}
	if s.flaws.forgetsKey {
		b.Key = fmt.Sprint(time.Now().UnixNano())
	}
	if s.flaws.forgetsGroup {
		b.Group = m.Key
	}
	if s.flaws.printsAll {
		b.Text = m.Text
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", secret)
	if s.flaws.injects {
		r.Header.Set("X-Injected", "yes")
	}
	answer, err := s.c.Do(r)
	if err != nil {
		if s.flaws.hopeless {
			return channel.Permanent(err)
		}
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if err != nil {
		return err
	}
	err = fmt.Errorf("the server answers %s", answer.Status)
	if s.flaws.tellsSecrets {
		err = fmt.Errorf("the server answers %s", said)
	}
	switch {
	case answer.StatusCode < 300:
		return nil
	case answer.StatusCode == http.StatusTooManyRequests && !s.flaws.impatient:
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return channel.RetryAfter(err, time.Duration(seconds)*time.Second)
	case answer.StatusCode == http.StatusBadRequest && !s.flaws.hopeful:
		return channel.Permanent(err)
	}
	return err
}

func (s *sample) Close() error {
	s.c.CloseIdleConnections()
	return nil
}

func subject(f flaws) channeltest.Subject {
	return channeltest.Subject{
		Kind: kind(f),
		Start: channeltest.HTTP(func(url string) any { return &options{url, "env:SECRET"} }, func(r channeltest.Request) (channeltest.Delivery, bool) {
			var b body
			err := json.Unmarshal(r.Body, &b)
			return channeltest.Delivery{Key: b.Key, Group: b.Group, Text: b.Text}, err == nil
		}, nil),
		Bad: []channeltest.Bad{{Options: &options{}, Option: "url"}},
	}
}

func TestSuitePassesGoodKinds(t *testing.T) { channeltest.Run(t, subject(flaws{})) }

// flawed are kinds that break one rule each, and what the suite must say.
var flawed = map[string]struct {
	flaws
	change func(*channeltest.Subject)
	want   string
}{
	"I/O in New":         {flaws{dials: true}, nil, "New uses Secret"},
	"takes everything":   {flaws{takesAll: true}, nil, "bad options 0 are taken"},
	"another key":        {flaws{forgetsKey: true}, nil, "a repeated delivery has the key"},
	"another group":      {flaws{forgetsGroup: true}, nil, "the firing is of"},
	"tells secrets":      {flaws{tellsSecrets: true}, nil, "a secret stands in the error"},
	"injected headers":   {flaws{injects: true}, nil, "a header could be injected"},
	"control characters": {flaws{printsAll: true}, nil, "the control character U+001B"},
	"leaves goroutines":  {flaws{leaks: true}, nil, "Close does not wait"},
	"tries again":        {flaws{hopeful: true}, nil, "is not permanent"},
	"gives up":           {flaws{hopeless: true}, nil, "is permanent: the message is lost"},
	"comes too soon":     {flaws{impatient: true}, nil, "the pause of 7s that was asked for is 0s"},
	"no documentation": {flaws{}, func(s *channeltest.Subject) { s.Kind.Doc = "`url`" },
		"Doc does not mention the option `secret`"},
	"an example that is wrong": {flaws{}, func(s *channeltest.Subject) { s.Kind.Example = "urls: x" }, "urls"},
}

const flawEnv = "CHANNELTEST_FLAW"

// TestSuiteFailsFlawedKinds runs the suite on each in a process of its own, since a test
// cannot fail on purpose and pass.
func TestSuiteFailsFlawedKinds(t *testing.T) {
	if name := os.Getenv(flawEnv); name != "" {
		s := subject(flawed[name].flaws)
		if change := flawed[name].change; change != nil {
			change(&s)
		}
		channeltest.Run(t, s)
		return
	}
	for name, f := range flawed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteFailsFlawedKinds$")
			cmd.Env = append(os.Environ(), flawEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Error("the suite passes it")
			}
			if !strings.Contains(string(out), f.want) {
				t.Errorf("the suite does not say %q:\n%s", f.want, out)
			}
		})
	}
}
