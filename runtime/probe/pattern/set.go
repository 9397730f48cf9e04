package pattern

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// The attributes that every Set has.
const (
	attrLines      = "lines"
	attrMatched    = "matched"
	attrSuppressed = "suppressed"
	attrEvents     = "events"
)

// Set is what Options come to. It never changes and may be used from many goroutines.
type Set struct {
	rules    []rule
	needles  []ruleNeedle // of all rules
	fast     bool         // every rule has needles
	start    *regexp.Regexp
	more     *regexp.Regexp
	lines    int
	wait     time.Duration
	repeat   time.Duration
	limit    int
	outlets  []outlet
	describe []beans.AttributeInfo
}

type rule struct {
	match    *regexp.Regexp
	not      *regexp.Regexp // nil: none
	needles  []needle       // one of them is in every line that fits; empty: not known
	literal  bool           // a needle found is a match
	status   tree.Status
	own      bool // no status is given: the record's own, or green
	level    int  // group; 0: none
	time     int  // the same
	text     template
	quiet    bool
	pass     bool
	count    int // index of its outlet; -1: none
	values   []take
	captures bool // the groups are needed
}

// ruleNeedle is a needle and the rule it belongs to.
type ruleNeedle struct {
	needle
	rule int
}

// take is where a value goes.
type take struct {
	group, outlet int
	scale         float64
}

// outlet is one attribute that rules feed.
type outlet struct {
	name string
	kind outletKind
}

type outletKind uint8

const (
	takeLast outletKind = iota
	takeMin
	takeMax
	takeAverage
	takeSum
	takeText
	takeCount
)

var takes = []string{"last", "min", "max", "average", "sum"} // by outletKind

// Compile checks the options. Fields are the names that records of the kind have beside
// their text, which texts of events may use. An error is a *probe.OptionError.
func (o *Options) Compile(fields ...string) (*Set, error) {
	if err := o.checkBounds(); err != nil {
		return nil, err
	}
	s := &Set{repeat: o.Repeat, limit: o.Limit, fast: len(o.Rules) > 0}
	if s.limit == 0 {
		s.limit = defaultLimit
	}
	var err error
	if m := o.Multiline; m != nil {
		s.lines, s.wait, s.fast = m.Lines, m.Wait, false
		if s.lines == 0 {
			s.lines = 100
		}
		if s.wait == 0 {
			s.wait = 5 * time.Second
		}
		if s.start, err = expression("multiline.start", m.Start); err != nil {
			return nil, err
		}
		if s.more, err = expression("multiline.continue", m.Continue); err != nil {
			return nil, err
		}
	}
	s.describe = []beans.AttributeInfo{
		counter(attrLines, "lines", "Lines that were read."),
		counter(attrMatched, "lines", "Lines, or records of several, that a rule took."),
		counter(attrSuppressed, "events", "Events that were not told: the same again, or more than the limit."),
		{Name: attrEvents, Type: beans.TypeStrings, Readable: true, Description: "The events."},
	}
	for i := range o.Rules {
		if err := s.add(&o.Rules[i], i, fields); err != nil {
			return nil, err
		}
	}
	if len(o.Rules) == 0 {
		s.rules = []rule{{match: regexp.MustCompile(""), literal: true, own: true, count: -1}}
	}
	if len(s.outlets) > maxValues {
		return nil, probe.BadOption("rules", "make %d attributes, more than %d", len(s.outlets), maxValues)
	}
	return s, nil
}

func counter(name, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{
		Name: name, Type: beans.TypeFloat, Unit: unit, Readable: true, Description: description,
		Descriptor: map[string]string{"metricType": "counter"},
	}
}

// Attributes describes what a Matcher of the set adds to results.
func (s *Set) Attributes() []beans.AttributeInfo { return slices.Clone(s.describe) }

// expression compiles a bounded regular expression; nil for none.
func expression(option, text string) (*regexp.Regexp, error) {
	switch {
	case text == "":
		return nil, nil
	case len(text) > maxPattern:
		return nil, probe.BadOption(option, "has %d bytes, more than %d", len(text), maxPattern)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, probe.BadOption(option, "%w", err)
	}
	return re, nil
}

// add compiles one rule.
func (s *Set) add(o *Rule, index int, fields []string) error {
	at := func(key string) string { return fmt.Sprintf("rules[%d].%s", index, key) }
	if o.Match == "" {
		return probe.BadOption(at("match"), "is needed: the regular expression to look for")
	}
	r := rule{quiet: o.Quiet, pass: o.Pass, count: -1}
	var err error
	if r.match, err = expression(at("match"), o.Match); err != nil {
		return err
	}
	if r.not, err = expression(at("not"), o.Not); err != nil {
		return err
	}
	r.needles, r.literal = needlesOf(o.Match)
	switch {
	case o.Status != "" && o.Level != "":
		return probe.BadOption(at("level"), "and status say both how bad the event is: leave one out")
	case o.Quiet && (o.Status != "" || o.Level != "" || o.Time != "" || o.Text != ""):
		return probe.BadOption(at("quiet"), "makes no event, so status, level, time and text mean nothing")
	case len(o.Text) > maxText:
		return probe.BadOption(at("text"), "has %d bytes, more than %d", len(o.Text), maxText)
	case o.Status != "":
		if r.status, err = tree.ParseStatus(o.Status); err != nil {
			return probe.BadOption(at("status"), "%w", err)
		}
	default:
		r.own = true
	}
	if o.Level != "" {
		if r.level = r.match.SubexpIndex(o.Level); r.level < 0 {
			return noGroup(at("level"), o.Level, r.match)
		}
	}
	if o.Time != "" {
		if r.time = r.match.SubexpIndex(o.Time); r.time < 0 {
			return noGroup(at("time"), o.Time, r.match)
		}
	}
	if o.Text != "" {
		if r.text, err = parseTemplate(at("text"), o.Text, r.match, fields); err != nil {
			return err
		}
	}
	if o.Count != "" {
		if r.count, err = s.outlet(at("count"), o.Count, takeCount, counter(o.Count, "lines", fmt.Sprintf("Lines that fit %s.", o.Match))); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Values)) {
		t, err := s.value(at("values."+name), name, o.Values[name], r.match)
		if err != nil {
			return err
		}
		r.values = append(r.values, t)
	}
	r.captures = r.level > 0 || r.time > 0 || len(r.values) > 0 || r.text.captures
	s.rules = append(s.rules, r)
	s.fast = s.fast && len(r.needles) > 0
	for _, n := range r.needles {
		s.needles = append(s.needles, ruleNeedle{n, index})
	}
	return nil
}

func noGroup(option, name string, re *regexp.Regexp) error {
	var names []string
	for _, n := range re.SubexpNames() {
		if n != "" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return probe.BadOption(option, "%q is not a group of match, which has none with a name: write (?P<%s>…)", name, name)
	}
	return probe.BadOption(option, "%q is not a group of match: it has %s", name, strings.Join(names, ", "))
}

// value checks one value of a rule.
func (s *Set) value(option, name string, v Value, re *regexp.Regexp) (take, error) {
	t := take{scale: v.Scale}
	group := v.Group
	if group == "" {
		group = name
	}
	if t.group = re.SubexpIndex(group); t.group < 0 {
		return t, noGroup(option+".group", group, re)
	}
	if t.scale == 0 {
		t.scale = 1
	}
	info := beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: v.Unit, Readable: true, Description: fmt.Sprintf("Group %s of %s.", group, re)}
	kind := takeLast
	switch v.Type {
	case "", "number":
		if v.Take != "" {
			i := slices.Index(takes, v.Take)
			if i < 0 {
				return t, probe.BadOption(option+".take", "%q is none of %s", v.Take, strings.Join(takes, ", "))
			}
			kind = outletKind(i)
		}
		if kind == takeSum {
			info.Descriptor = map[string]string{"metricType": "counter"}
		}
	case "text":
		if v.Unit != "" || v.Scale != 0 || v.Take != "" {
			return t, probe.BadOption(option, "only a number has a unit, a scale or take")
		}
		kind, info.Type = takeText, beans.TypeString
	default:
		return t, probe.BadOption(option+".type", "%q is none of number, text", v.Type)
	}
	var err error
	t.outlet, err = s.outlet(option, name, kind, info)
	return t, err
}

var namePattern = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)

// outlet finds or makes the attribute of a name. Several rules may feed one when they
// agree on what it is.
func (s *Set) outlet(option, name string, kind outletKind, info beans.AttributeInfo) (int, error) {
	if !namePattern.MatchString(name) || len(name) > 100 {
		return 0, probe.BadOption(option, "%q is not a name of letters, digits and underscores", name)
	}
	for i, o := range s.outlets {
		if o.name != name {
			continue
		}
		before := s.describe[slices.IndexFunc(s.describe, func(a beans.AttributeInfo) bool { return a.Name == name })]
		if o.kind != kind || before.Unit != info.Unit {
			return 0, probe.BadOption(option, "another rule makes %s something else", name)
		}
		return i, nil
	}
	if slices.ContainsFunc(s.describe, func(a beans.AttributeInfo) bool { return a.Name == name }) {
		return 0, probe.BadOption(option, "%s is an attribute of every probe of this kind", name)
	}
	s.outlets = append(s.outlets, outlet{name, kind})
	s.describe = append(s.describe, info)
	return len(s.outlets) - 1, nil
}
