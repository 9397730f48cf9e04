// Package channeltest is the contract suite for kinds of channels: the rules of package
// channel as tests, with a server that plays every part that the other side may play.
//
//	func TestContract(t *testing.T) {
//		channeltest.Run(t, channeltest.Subject{
//			Kind:  Kind(),
//			Start: channeltest.HTTP(func(url string) any { return &Options{URL: url} }, read),
//			Bad:   []channeltest.Bad{{Options: &Options{}, Option: "url"}},
//		})
//	}
//
// Each failure says which rule was broken and why there is one.
package channeltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

// Mood is the part that the other side plays.
type Mood string

// The parts.
const (
	Well     Mood = "well"     // accepts everything
	Silent   Mood = "silent"   // takes what comes and never answers
	Reset    Mood = "reset"    // breaks the connection off
	Broken   Mood = "broken"   // says that it cannot just now: HTTP 500, SMTP 451
	Busy     Mood = "busy"     // says when to come again: HTTP 429 with Retry-After
	Refusing Mood = "refusing" // does not take such a message, ever: HTTP 400, SMTP 550
)

// Pause is what a Busy counterpart asks for.
const Pause = 7 * time.Second

// Counterpart is the other side of a channel.
type Counterpart struct {
	Options any // of the kind, that reach it
	// Received returns all that has arrived so far, in order. It may be nil unless the
	// counterpart is Well.
	Received func() []Delivery
}

// Delivery is one message as it arrived.
type Delivery struct {
	Key   string // what tells a repeated delivery from another message
	Group string // what tells the resolution which firing it belongs to
	Text  string // all that people would read of it
	Head  string // the headers of the message, a line each, if it has some
	Size  int    // in bytes, of everything
}

// Bad is a set of options that must be refused, and the option that is wrong.
type Bad struct {
	Options any
	Option  string // "url", "to[1]"
}

// Subject is a kind of channel and what the suite needs to know of it.
type Subject struct {
	Kind channel.Kind
	// Start has a counterpart play a part until the test ends; nil when there is no such
	// part in the protocol.
	Start func(t *testing.T, m Mood) *Counterpart
	Bad   []Bad
	// NoKey and NoGroup say why the protocol transports none.
	NoKey, NoGroup string
	// Skips are the purposes that the kind does not deliver, and why.
	Skips map[channel.Purpose]string
	// Secrets are the values of the references that the options have; those that are not
	// listed have a value of the suite's.
	Secrets map[string]string
	// World changes the world of the channel, if it is not nil.
	World func(*channel.World)
	// Hostile looks at the delivery of a message with hostile texts, beyond what the suite
	// holds of every kind: see HostileTitle.
	Hostile func(t *testing.T, d Delivery)
}

// grace is how long a Send may take to notice that its context ended, and a delivery to
// arrive: far more than it needs and as much as a busy machine may.
const grace = 20 * time.Second

// Run checks a kind by the rules of package channel.
func Run(t *testing.T, s Subject) {
	t.Helper()
	t.Run("texts", func(t *testing.T) { checkTexts(t, s) })
	t.Run("bad options", func(t *testing.T) { refuses(t, s) })
	t.Run("delivers", func(t *testing.T) { delivers(t, s) })
	t.Run("hostile", func(t *testing.T) { hostile(t, s) })
	for _, m := range []Mood{Silent, Reset, Broken, Busy, Refusing} {
		t.Run(string(m), func(t *testing.T) { fails(t, s, m) })
	}
}

// open makes a channel whose end the test waits for. New must not reach out.
func open(t *testing.T, s Subject, options any) (channel.Channel, *world) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	w := newWorld(t, s)
	w.closed.Store(true)
	c, err := s.Kind.New(w.World, options)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	w.closed.Store(false)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		w.secretsIn(w.logged(), "the log")
		if err := goleak.Find(before); err != nil {
			t.Errorf("Close does not wait for everything that the channel started: %v", err)
		}
	})
	return c, w
}

func refuses(t *testing.T, s Subject) {
	w := newWorld(t, s)
	w.closed.Store(true)
	for i, bad := range s.Bad {
		c, err := s.Kind.New(w.World, bad.Options)
		var option *channel.OptionError
		switch {
		case err == nil:
			t.Errorf("bad options %d are taken: %s must be refused before anybody relies on it", i, bad.Option)
			_ = c.Close()
		case !errors.As(err, &option):
			t.Errorf("bad options %d: %v: the error is not of BadOption: the operator is not shown where to look", i, err)
		case option.Option != bad.Option:
			t.Errorf("bad options %d: %v: is said of %s, want %s", i, err, option.Option, bad.Option)
		case strings.Contains(option.Err.Error(), "\n"):
			t.Errorf("bad options %d: %v: more than a line", i, err)
		}
		if err != nil {
			w.secretsIn(err.Error(), "the error")
		}
	}
}

// delivers holds that messages of every purpose arrive, and that what has to be told apart
// can be told apart.
func delivers(t *testing.T, s Subject) {
	there := s.Start(t, Well)
	c, _ := open(t, s, there.Options)
	send := func(m *channel.Message) Delivery {
		t.Helper()
		have := len(there.Received())
		ctx, cancel := context.WithTimeout(t.Context(), grace)
		defer cancel()
		if err := c.Send(ctx, m); err != nil {
			t.Fatalf("%s: %v", m.Purpose, err)
		}
		return await(t, there, have)
	}
	samples := template.Samples()
	for _, what := range slices.Sorted(maps.Keys(samples)) {
		m := samples[what]
		if s.Skips[m.Purpose] != "" {
			continue
		}
		if d := send(m); d.Text == "" {
			t.Errorf("the message %q arrives without a text", what)
		}
	}

	firing, resolved := samples[string(channel.Firing)], samples[string(channel.Resolution)]
	firing.Key, firing.Group, firing.Sequence = "grove/a/1/1", "grove/a/1", 1
	resolved.Key, resolved.Group, resolved.Sequence = "grove/a/1/2", firing.Group, 2
	first, again, end := send(firing), send(firing), send(resolved)
	other := *firing
	other.Key, other.Group = "grove/a/2/1", "grove/a/2"
	another := send(&other)
	switch {
	case s.NoKey != "":
	case first.Key == "":
		t.Error("no key arrives: the receiver cannot drop a repeated delivery")
	case first.Key != again.Key:
		t.Errorf("a repeated delivery has the key %q, the first had %q", again.Key, first.Key)
	case first.Key == end.Key || first.Key == another.Key:
		t.Errorf("another message has the same key %q: the receiver drops it as a repetition", first.Key)
	}
	switch {
	case s.NoGroup != "":
	case first.Group == "":
		t.Error("nothing tells the resolution which firing it belongs to")
	case first.Group != end.Group || first.Group != again.Group:
		t.Errorf("the firing is of %q, its repetition of %q, its resolution of %q", first.Group, again.Group, end.Group)
	case first.Group == another.Group:
		t.Errorf("other alerts are also of %q", first.Group)
	}
}

// await returns the next delivery after so many.
func await(t *testing.T, there *Counterpart, have int) Delivery {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(grace); ; <-tick.C {
		if got := there.Received(); len(got) > have {
			return got[len(got)-1]
		}
		if time.Now().After(late) {
			t.Fatal("Send says that the message was accepted, and it does not arrive")
		}
	}
}

// HostileTitle is what stands in every text of a hostile message: what may harm terminals,
// headers, chats, pages and templates.
const HostileTitle = "{{.Key}} <script>alert(1)</script> <!here> @here @all *bold* [x](http://evil.example) \x1b]52;c;x\a \u202e \x00 \xff\r\nX-Injected: yes\r\n\r\n.\r\n"

// HostileMessage returns a message of which everything that comes from outside is hostile.
func HostileMessage() *channel.Message {
	m := template.Samples()[string(channel.Firing)]
	m.Key, m.Group, m.Title, m.Text, m.Route = "grove/hostile/1", "grove/hostile", HostileTitle, HostileTitle+strings.Repeat("x", 1000), HostileTitle
	m.By = map[string]string{"label:" + HostileTitle: HostileTitle}
	a := &m.Alerts[0]
	a.Message, a.Value, a.Unit, a.Threshold, a.Instance = HostileTitle, HostileTitle, HostileTitle, HostileTitle, HostileTitle
	a.Path = tree.MustPath("/shop/-rf {{.Key}} <b> @here $(reboot) `id` ; %s")
	a.Labels, a.Properties = map[string]string{HostileTitle: HostileTitle}, map[string]string{HostileTitle: HostileTitle}
	a.Customers, a.EventType, a.ProbableCause, a.Repair = []string{HostileTitle}, HostileTitle, HostileTitle, HostileTitle
	a.Ack = &alert.Ack{By: HostileTitle, At: a.Opened, Comment: HostileTitle}
	a.History = []alert.Step{{Time: a.Opened, What: alert.Opened, By: HostileTitle, Text: HostileTitle}}
	return m
}

func hostile(t *testing.T, s Subject) {
	there := s.Start(t, Well)
	c, _ := open(t, s, there.Options)
	send := func(m *channel.Message) Delivery {
		t.Helper()
		have := len(there.Received())
		ctx, cancel := context.WithTimeout(t.Context(), grace)
		defer cancel()
		if err := c.Send(ctx, m); err != nil {
			t.Fatalf("a hostile message must arrive, else it hides what it is about: %v", err)
		}
		return await(t, there, have)
	}
	d := send(HostileMessage())
	if bad := harmful(d.Text); bad != "" {
		t.Errorf("%s arrives in %q", bad, d.Text)
	}
	if !strings.Contains(d.Text, "{{.Key}}") && !strings.Contains(strings.NewReplacer("\\", "", "\u200b", "").Replace(d.Text), "{{.Key}}") {
		t.Errorf("data is not printed as it is: %q", d.Text)
	}
	for line := range strings.Lines(d.Head) {
		if strings.HasPrefix(strings.ToLower(line), "x-injected") {
			t.Errorf("a header could be injected:\n%s", d.Head)
		}
	}
	if s.Hostile != nil {
		s.Hostile(t, d)
	}
	long := HostileMessage()
	long.Text = strings.Repeat("<ä@all>\n", 1<<17)
	if d := send(long); d.Size > 512<<10 {
		t.Errorf("a text of 1 MiB makes a message of %d bytes", d.Size)
	}
}

// harmful says what of a text is not to be shown to people; empty: nothing.
func harmful(text string) string {
	if !utf8.ValidString(text) {
		return "invalid UTF-8"
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return fmt.Sprintf("the control character %U", r)
		}
	}
	return ""
}

// fails holds that failures are told apart, for the outbox tries again by that.
func fails(t *testing.T, s Subject, m Mood) {
	there := s.Start(t, m)
	if there == nil {
		t.Skip("the protocol knows no such answer")
	}
	c, w := open(t, s, there.Options)
	ctx, cancel := context.WithTimeout(t.Context(), grace)
	defer cancel()
	if m == Silent {
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
	}
	came := make(chan error, 1)
	go func() { came <- c.Send(ctx, HostileMessage()) }()
	var err error
	select {
	case err = <-came:
	case <-time.After(2 * grace):
		t.Fatal("Send does not end with its context: what waits behind it is never told")
	}
	if err == nil {
		t.Fatal("nothing was delivered, and Send says it was")
	}
	after, later := channel.Wait(err)
	switch {
	case m == Refusing && !channel.IsPermanent(err):
		t.Errorf("%v: is not permanent: what is refused is sent again and again", err)
	case m != Refusing && channel.IsPermanent(err):
		t.Errorf("%v: is permanent: the message is lost, though trying again would do", err)
	case m == Busy && (!later || after != Pause):
		t.Errorf("%v: the pause of %v that was asked for is %v", err, Pause, after)
	}
	w.secretsIn(err.Error(), "the error")
	if bad := harmful(err.Error()); bad != "" || len(err.Error()) > 2048 {
		t.Errorf("%s, or too long, in the error %q", bad, err.Error())
	}
}
