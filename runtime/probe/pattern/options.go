// Package pattern makes events, counts and values of lines: what the kinds of probes
// that read logs have in common. [Options] stand inline in a kind's options and come, by
// Compile, to a [Set]; each probe has a [Matcher] of its set, gives it lines and adds what
// they came to to its results.
package pattern

import (
	_ "embed"
	"time"

	"grove/runtime/probe"
)

// Doc describes the options and attributes in Markdown; a kind appends it to its own.
//
//go:embed doc.md
var Doc string

// Bounds of the options and of lines.
const (
	// MaxLine is how many bytes of a line, or of a record of several lines, count.
	MaxLine = 64 << 10
	// MaxPending bounds the events between two results.
	MaxPending = 1000

	maxRules     = 200
	maxValues    = 200 // of all rules together, counts included
	maxPattern   = 4000
	maxText      = 4000
	maxRecord    = 1000 // lines of a record
	maxWait      = time.Hour
	maxRepeat    = 24 * time.Hour
	maxLimit     = 100_000
	defaultLimit = 600
)

// Options say what becomes of lines.
type Options struct {
	Rules     []Rule        `yaml:"rules,omitempty" jsonschema:"maxItems=200,description=What is looked for\\, in this order: the first rule that fits a line takes it. Without any each line is an event."`
	Multiline *Multiline    `yaml:"multiline,omitempty" jsonschema:"description=How lines belong together; without it each line is for itself."`
	Repeat    time.Duration `yaml:"repeat,omitempty" jsonschema:"description=An event with the same text is not told again within this time\\, but counted."`
	Limit     int           `yaml:"limit,omitempty" jsonschema:"minimum=1,maximum=100000,default=600,description=Events a minute; more are counted and not told."`
}

// Rule is what is looked for, and what is made of it.
type Rule struct {
	Match  string           `yaml:"match" jsonschema:"required,description=Regular expression (RE2) that must be found in the line. Its named groups can be used below."`
	Not    string           `yaml:"not,omitempty" jsonschema:"description=Regular expression that must not be found in it."`
	Status string           `yaml:"status,omitempty" jsonschema:"enum=green,enum=yellow,enum=red,enum=white,description=How bad the event is; by itself what the line says of its severity where it has one\\, else green. White says nothing of it."`
	Level  string           `yaml:"level,omitempty" jsonschema:"description=Named group that holds the severity as a word: error\\, critical and worse are red\\, warning is yellow and all others are green."`
	Time   string           `yaml:"time,omitempty" jsonschema:"description=Named group that holds when the line was written\\, in one of the usual forms; the event has that time. Without a zone it is this machine's."`
	Text   string           `yaml:"text,omitempty" jsonschema:"description=Text of the event\\, with the named groups in braces: user {user} failed. The line itself unless given."`
	Quiet  bool             `yaml:"quiet,omitempty" jsonschema:"description=Make no event: only count and take values\\, or leave the line out."`
	Pass   bool             `yaml:"pass,omitempty" jsonschema:"description=Later rules see the line as well."`
	Count  string           `yaml:"count,omitempty" jsonschema:"description=Attribute that counts the lines of this rule. Several rules may count in one."`
	Values map[string]Value `yaml:"values,omitempty" jsonschema:"description=Attributes by name that are taken out of the line."`
}

// Value is one attribute that is taken out of lines.
type Value struct {
	Group string  `yaml:"group,omitempty" jsonschema:"description=Named group that holds it; the name of the attribute unless given."`
	Type  string  `yaml:"type,omitempty" jsonschema:"enum=number,enum=text,default=number,description=What it is: number or text."`
	Unit  string  `yaml:"unit,omitempty" jsonschema:"description=The unit of the number."`
	Scale float64 `yaml:"scale,omitempty" jsonschema:"description=Factor to that unit."`
	Take  string  `yaml:"take,omitempty" jsonschema:"enum=last,enum=min,enum=max,enum=average,enum=sum,default=last,description=What is made of several lines between two readings; sum goes on and only rises."`
}

// Multiline says how lines belong together.
type Multiline struct {
	Start    string        `yaml:"start,omitempty" jsonschema:"description=Regular expression of the first line of a record: lines that do not fit it belong to the one before."`
	Continue string        `yaml:"continue,omitempty" jsonschema:"description=Regular expression of the lines that belong to the one before. One of start and continue is needed."`
	Lines    int           `yaml:"lines,omitempty" jsonschema:"minimum=2,maximum=1000,default=100,description=Lines of a record at most; more are left out."`
	Wait     time.Duration `yaml:"wait,omitempty" jsonschema:"default=5s,description=How long to wait for more lines of a record."`
}

func (o *Options) checkBounds() error {
	switch {
	case len(o.Rules) > maxRules:
		return probe.BadOption("rules", "are %d, more than %d", len(o.Rules), maxRules)
	case o.Repeat < 0 || o.Repeat > maxRepeat:
		return probe.BadOption("repeat", "is 0s to %v, not %v", maxRepeat, o.Repeat)
	case o.Limit < 0 || o.Limit > maxLimit:
		return probe.BadOption("limit", "is 1 to %d, not %d", maxLimit, o.Limit)
	}
	m := o.Multiline
	switch {
	case m == nil:
		return nil
	case m.Start == "" && m.Continue == "":
		return probe.BadOption("multiline", "needs start or continue")
	case m.Lines != 0 && (m.Lines < 2 || m.Lines > maxRecord):
		return probe.BadOption("multiline.lines", "is 2 to %d, not %d", maxRecord, m.Lines)
	case m.Wait < 0 || m.Wait > maxWait:
		return probe.BadOption("multiline.wait", "is 0s to %v, not %v", maxWait, m.Wait)
	}
	return nil
}
