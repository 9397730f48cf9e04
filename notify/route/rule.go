package route

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/notify/route/grouping"
	"grove/notify/route/match"
	"grove/tree"
	"grove/tree/definition/source"
)

// Rule is one route as the file of alerts has it: which alerts it is for, whom it tells,
// and how often.
type Rule struct {
	Name string     `yaml:"name" json:"name" jsonschema:"description=What people call the route. What was told is remembered under it."`
	When match.When `yaml:"when,omitempty" json:"when" jsonschema:"description=Which alerts it is for; all when it is missing."`
	// To are channels, people and rotas.
	To         match.Texts `yaml:"to" json:"to" jsonschema:"description=Whom it tells: channels\\, people\\, rotas of who is on call. They are looked up when a message is made."`
	Group      Group       `yaml:"group,omitempty" json:"group" jsonschema:"description=Which alerts are told together\\, and when."`
	Repeat     Span        `yaml:"repeat,omitempty" json:"repeat,omitzero" jsonschema:"description=How often it is told again while nobody acknowledges; 4h when it is missing\\, never when it is never."`
	Escalate   []Step      `yaml:"escalate,omitempty" json:"escalate,omitempty" jsonschema:"description=Who is told when nobody acknowledges."`
	Precedence string      `yaml:"precedence,omitempty" json:"precedence,omitempty" jsonschema:"description=urgent\\, normal (when it is missing) or bulk."`
	TTL        Span        `yaml:"ttl,omitempty" json:"ttl,omitzero" jsonschema:"description=How long a message may wait to be sent; for ever when it is missing. That something is over always waits."`
	Resolved   Resolved    `yaml:"resolved,omitempty" json:"resolved,omitempty" jsonschema:"description=true: tell when all alerts of a group are over; each: also when some are; false: never."`
	// TellAcknowledged: nil is true.
	TellAcknowledged *bool `yaml:"tell_acknowledged,omitempty" json:"tellAcknowledged,omitempty" jsonschema:"description=Whether those who were told hear that somebody has acknowledged all of it; true when it is missing."`
	Most             int   `yaml:"most,omitempty" json:"most,omitempty" jsonschema:"description=How many messages a minute each target gets at most; 20 when it is missing. What is more is told in one message; that something is over always is told."`
	Continue         bool  `yaml:"continue,omitempty" json:"continue,omitempty" jsonschema:"description=Whether the routes below take alerts too that this one took."`
}

// Group says which alerts are told together, and when.
type Group struct {
	By       match.Texts `yaml:"by,omitempty" json:"by,omitempty" jsonschema:"description=What they have in common: instance (when it is missing)\\, path:N\\, label:NAME\\, property:NAME\\, customer\\, kind\\, severity; or all\\, or alert alone."`
	Wait     Span        `yaml:"wait,omitempty" json:"wait,omitzero" jsonschema:"description=How long the first message waits for more; 1s when it is missing."`
	Interval Span        `yaml:"interval,omitempty" json:"interval,omitzero" jsonschema:"description=How soon after a message the next one tells what has joined or got worse; 1m when it is missing."`
}

// Step is one step of an escalation.
type Step struct {
	After Span        `yaml:"after" json:"after" jsonschema:"description=How long after the opening\\, or after the acknowledgement ended."`
	To    match.Texts `yaml:"to" json:"to" jsonschema:"description=Whom it tells: channels\\, people\\, rotas."`
}

// Resolved says whether it is told that alerts are over.
type Resolved string

// The values; empty is ResolvedAll.
const (
	ResolvedNone Resolved = "false"
	ResolvedAll  Resolved = "true"
	ResolvedEach Resolved = "each"
)

// Span is a duration of which zero is the default, and less than zero none at all: a
// route that waits "0s", or repeats "never".
type Span time.Duration

const none Span = -1

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Span) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*s = none
		return nil
	}
	d, err := source.ParseDuration(string(text))
	if err != nil {
		return err
	}
	if *s = Span(d); d == 0 {
		*s = none
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s Span) MarshalText() ([]byte, error) {
	return []byte(tree.FormatDuration(max(time.Duration(s), 0))), nil
}

// or is the duration, or a default; less than zero is none.
func (s Span) or(d time.Duration) time.Duration {
	if s == 0 {
		return d
	}
	return time.Duration(s)
}

// Defaults and bounds of a rule.
const (
	DefaultWait     = time.Second
	DefaultInterval = time.Minute
	DefaultRepeat   = 4 * time.Hour
	DefaultMost     = 20
	MaxTargets      = 100 // of a route, and of one step
	MaxSteps        = 20
	maxMost         = 10_000
	maxNameBytes    = 64
	year            = 366 * 24 * time.Hour
)

// Check says what is wrong with a rule; the errors are of package channel and say which
// option it is. Whether its targets exist others know.
func (r *Rule) Check() error {
	_, err := newRoute(r)
	return err
}

// route is a rule that is ready for use. It is not changed.
type route struct {
	Rule
	place      int // in the order of the configuration
	when       *match.Conditions
	by         *grouping.By
	wait       time.Duration
	interval   time.Duration
	repeat     time.Duration // zero is never
	precedence outbox.Precedence
	most       int
}

func newRoute(r *Rule) (*route, error) {
	rt := &route{Rule: *r, precedence: outbox.Normal, most: r.Most}
	if r.Name == "" || len(r.Name) > maxNameBytes || strings.ContainsFunc(r.Name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, channel.BadOption("name", "a route has a name of 1 to %d bytes without control characters: what was told is remembered under it", maxNameBytes)
	}
	var err error
	if rt.when, err = r.When.Compile(); err != nil {
		return nil, below("when", err)
	}
	if rt.by, err = grouping.Parse(r.Group.By); err != nil {
		return nil, below("group", err)
	}
	if err := targets("to", r.To); err != nil {
		return nil, err
	}
	for _, span := range []struct {
		option string
		s      Span
		least  time.Duration
		most   time.Duration
	}{
		{"group.wait", r.Group.Wait, 0, time.Hour}, {"group.interval", r.Group.Interval, 0, 24 * time.Hour},
		{"repeat", r.Repeat, time.Minute, year}, {"ttl", r.TTL, time.Second, year},
	} {
		if span.s > 0 && (time.Duration(span.s) < span.least || time.Duration(span.s) > span.most) {
			return nil, channel.BadOption(span.option, "%s is not between %s and %s", tree.FormatDuration(time.Duration(span.s)), tree.FormatDuration(span.least), tree.FormatDuration(span.most))
		}
	}
	rt.wait, rt.interval, rt.repeat = max(r.Group.Wait.or(DefaultWait), 0), max(r.Group.Interval.or(DefaultInterval), 0), max(r.Repeat.or(DefaultRepeat), 0)
	if len(r.Escalate) > MaxSteps {
		return nil, channel.BadOption("escalate", "%d steps are more than the bound of %d", len(r.Escalate), MaxSteps)
	}
	before := time.Duration(0)
	for i, step := range r.Escalate {
		option := fmt.Sprintf("escalate[%d]", i)
		after := time.Duration(step.After)
		switch {
		case after <= before && i > 0:
			return nil, channel.BadOption(option+".after", "it is later than the step before, which is after %s", tree.FormatDuration(before))
		case after <= 0 || after > year:
			return nil, channel.BadOption(option+".after", "a step comes after a while, such as 15m, and within a year")
		}
		if err := targets(option+".to", step.To); err != nil {
			return nil, err
		}
		before = after
	}
	if r.Precedence != "" {
		if rt.precedence, err = outbox.ParsePrecedence(r.Precedence); err != nil {
			return nil, channel.BadOption("precedence", "%w", err)
		}
	}
	switch r.Resolved {
	case "":
		rt.Resolved = ResolvedAll
	case ResolvedNone, ResolvedAll, ResolvedEach:
	default:
		return nil, channel.BadOption("resolved", "%q is none of true, false and each", string(r.Resolved))
	}
	switch {
	case r.Most < 0 || r.Most > maxMost:
		return nil, channel.BadOption("most", "%d messages a minute are not between 1 and %d", r.Most, maxMost)
	case r.Most == 0:
		rt.most = DefaultMost
	}
	return rt, nil
}

// below puts the name of the map in front of the option of an error.
func below(option string, err error) error {
	var o *channel.OptionError
	if errors.As(err, &o) {
		return &channel.OptionError{Option: option + "." + o.Option, Err: o.Err}
	}
	return channel.BadOption(option, "%w", err)
}

func targets(option string, list match.Texts) error {
	switch {
	case len(list) == 0:
		return channel.BadOption(option, "nobody is told: name channels, people or rotas")
	case len(list) > MaxTargets:
		return channel.BadOption(option, "%d are more than the bound of %d", len(list), MaxTargets)
	}
	for i, name := range list {
		if name == "" || len(name) > maxNameBytes {
			return channel.BadOption(fmt.Sprintf("%s[%d]", option, i), "a name has 1 to %d bytes", maxNameBytes)
		}
	}
	return nil
}

// newRoutes compiles rules that Check has taken; those that it has not are left out.
func newRoutes(rules []Rule) (list []*route, err error) {
	for i := range rules {
		rt, bad := newRoute(&rules[i])
		if bad != nil {
			err = fmt.Errorf("route %q is left out: %w", rules[i].Name, bad)
			continue
		}
		rt.place = len(list)
		list = append(list, rt)
	}
	return list, err
}

// tellsAcknowledged says whether those who were told hear of an acknowledgement.
func (rt *route) tellsAcknowledged() bool { return rt.TellAcknowledged == nil || *rt.TellAcknowledged }
