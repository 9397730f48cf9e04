// Package record is what the receivers of records have in common, where a record is a
// line of text with fields: an event, a log record. It says which probes want a record and
// who may send it to them, and makes events, counts and values of it by package pattern.
package record

import (
	"context"
	"regexp"
	"slices"
	"sync"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/receive"
	"grove/tree"
)

// Bounds of the options.
const (
	maxMatches    = 50
	maxExpression = 2000 // bytes
	maxFields     = 50
)

// Options are what a definition says of such a probe, inline in the options of its kind.
type Options struct {
	Match           map[string]string `yaml:"match,omitempty" jsonschema:"description=Regular expressions (RE2) by field\\, each of which must fit the whole text."`
	Fields          []string          `yaml:"fields,omitempty" jsonschema:"description=Fields that the texts of events may use\\, in braces; what is no letter or digit in their names is written as an underscore."`
	pattern.Options `yaml:",inline"`
}

// Record is one record.
type Record struct {
	Text   []byte
	Time   time.Time           // zero: now
	Status tree.Status         // how bad it says itself that it is; white: it says nothing
	Field  func(string) string // what else it has, by name; empty is not there
}

// Hub knows the probes of one kind. The zero value is ready; it may be used from many
// goroutines.
type Hub struct {
	// May says whether who sends may send to the probes of an instance. Nil: everybody may.
	May      func(ctx context.Context, instance string) error
	attached receive.Attached[*Probe]
	account  receive.Account
}

// Account is where it is counted what became of records.
func (h *Hub) Account() *receive.Account { return &h.account }

// Probe is a probe that wants records.
type Probe struct {
	*receive.Feed
	match  map[string]*regexp.Regexp
	filter func(*Record) bool
	fields map[string]string // by the name that texts use

	mu      sync.Mutex // guards the rest
	matcher *pattern.Matcher
}

var unplain = regexp.MustCompile(`[^A-Za-z0-9_]`)

// New makes a probe of a hub. Always are fields that texts may use without being told;
// filter, which may be nil, leaves out records whatever their fields. An error is a
// *probe.OptionError.
func (h *Hub) New(o *Options, filter func(*Record) bool, always ...string) (*Probe, error) {
	if len(o.Match) > maxMatches {
		return nil, probe.BadOption("match", "has %d fields, more than %d", len(o.Match), maxMatches)
	}
	if len(o.Fields) > maxFields {
		return nil, probe.BadOption("fields", "are %d, more than %d", len(o.Fields), maxFields)
	}
	p := &Probe{match: map[string]*regexp.Regexp{}, filter: filter, fields: map[string]string{}}
	for name, text := range o.Match {
		if len(text) > maxExpression {
			return nil, probe.BadOption("match."+name, "has %d bytes, more than %d", len(text), maxExpression)
		}
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			return nil, probe.BadOption("match."+name, "%w", err)
		}
		p.match[name] = re
	}
	var names []string
	for _, name := range slices.Concat(always, o.Fields) {
		plain := unplain.ReplaceAllString(name, "_")
		if name == "" || p.fields[plain] != "" {
			return nil, probe.BadOption("fields", "%q is empty or given twice", name)
		}
		p.fields[plain] = name
		names = append(names, plain)
	}
	set, err := o.Compile(names...)
	if err != nil {
		return nil, err
	}
	p.matcher = set.NewMatcher()
	p.Feed = receive.NewFeed(set.Attributes(), func(instance, name string) (func(), error) { return h.attached.Join(instance, name, p), nil })
	return p, nil
}

// wants says whether a record is for the probe.
func (p *Probe) wants(r *Record) bool {
	if p.filter != nil && !p.filter(r) {
		return false
	}
	for name, re := range p.match {
		if !re.MatchString(r.Field(name)) {
			return false
		}
	}
	return true
}

// take looks at the records of one message.
func (p *Probe) take(list []*Record, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range list {
		line := pattern.Record{Text: []byte(pattern.Clean(r.Text)), Status: r.Status, Field: func(name string) string {
			return pattern.Clean([]byte(r.Field(p.fields[name])))
		}}
		if r.Time.Before(now.Add(time.Minute)) { // Else its clock is wrong.
			line.Time = r.Time
		}
		p.matcher.Record(line)
	}
	res := probe.Result{Time: now}
	p.matcher.Add(&res)
	p.PostMany(uint64(len(list)), res)
}

// Take gives the records of one message to the probes that want them, and counts what
// became of them. Denied is how many could be given to none of these since the sender
// may not, and err why.
func (h *Hub) Take(ctx context.Context, list []Record, now time.Time) (denied int, err error) {
	_, denied, err = receive.Dispatch(ctx, &h.attached, &h.account, h.May, list, (*Probe).wants, func(p *Probe, given []*Record) { p.take(given, now) })
	return denied, err
}
