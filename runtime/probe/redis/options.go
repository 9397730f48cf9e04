package redis

import (
	"maps"
	"slices"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/session"
)

// The bounds of the options.
const (
	maxReads     = 100
	maxArguments = 10
	maxArgument  = 1000 // bytes
	maxDatabase  = 1 << 20
)

// reading are the commands that a definition may name, and how many arguments each has
// at least and at most: each answers with one number or text, and changes nothing.
var reading = map[string]struct{ least, most int }{
	"GET": {1, 1}, "STRLEN": {1, 1}, "EXISTS": {1, 9}, "TTL": {1, 1}, "PTTL": {1, 1}, "TYPE": {1, 1}, "BITCOUNT": {1, 4}, "GETBIT": {2, 2}, "PFCOUNT": {1, 9},
	"HGET": {2, 2}, "HLEN": {1, 1}, "HEXISTS": {2, 2}, "LLEN": {1, 1}, "LINDEX": {2, 2}, "SCARD": {1, 1}, "SISMEMBER": {2, 2},
	"ZCARD": {1, 1}, "ZCOUNT": {3, 3}, "ZSCORE": {2, 2}, "ZRANK": {2, 2}, "XLEN": {1, 1}, "DBSIZE": {0, 0},
}

// Options are the options of the kind "redis".
type Options struct {
	session.Options `yaml:",inline"`
	Database        int                          `yaml:"database,omitempty" jsonschema:"minimum=0,description=Number of the database that the commands of reads ask."`
	Attributes      map[string]extract.Attribute `yaml:"attributes,omitempty" jsonschema:"description=Further fields of INFO\\, by name; from is the name of the field."`
	Reads           map[string]Read              `yaml:"reads,omitempty" jsonschema:"description=What is asked of the data\\, by the name of the attribute."`
}

// Read is a command whose answer is an attribute.
type Read struct {
	Command     []string `yaml:"command" jsonschema:"required,description=The command and its arguments\\, one by one\\, such as [LLEN\\, jobs]."`
	Type        string   `yaml:"type,omitempty" jsonschema:"enum=number,enum=counter,enum=bool,enum=text,enum=age,description=number (the default)\\, counter\\, bool\\, text or age: the seconds since the time that is found."`
	Unit        string   `yaml:"unit,omitempty" jsonschema:"description=Unit of the number."`
	Description string   `yaml:"description,omitempty" jsonschema:"description=What it means."`
}

// plan is what Options come to.
type plan struct {
	server   *session.Server
	database int
	fields   []extract.Field // of INFO
	reads    []read          // sorted by name
	infos    []beans.AttributeInfo
}

type read struct {
	command []string
	field   extract.Field
}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{database: o.Database, infos: slices.Clone(own)}
	var err error
	if p.server, err = o.Options.Check(session.TLS); err != nil {
		return nil, err
	}
	switch {
	case p.server.User != "" && p.server.Password == "":
		return nil, probe.BadOption("password", "is missing: a user has one")
	case o.Database < 0 || o.Database > maxDatabase:
		return nil, probe.BadOption("database", "%d is outside 0..%d", o.Database, maxDatabase)
	case len(o.Reads) > maxReads:
		return nil, probe.BadOption("reads", "are %d, more than %d", len(o.Reads), maxReads)
	}
	p.infos = append(p.infos, extract.Infos(known)...)
	for _, t := range []*extract.Table{databases, replicas, commands, faults} {
		p.infos = append(p.infos, t.Info())
	}
	more, err := extract.Fields("attributes", o.Attributes, p.infos...)
	if err != nil {
		return nil, err
	}
	p.fields = append(slices.Clone(known), more...)
	p.infos = append(p.infos, extract.Infos(more)...)
	for _, name := range slices.Sorted(maps.Keys(o.Reads)) {
		x, err := o.Reads[name].check(name, p.infos)
		if err != nil {
			return nil, err
		}
		p.reads = append(p.reads, x)
	}
	for _, x := range p.reads {
		p.infos = append(p.infos, x.field.Info)
	}
	return p, nil
}

func (r Read) check(name string, taken []beans.AttributeInfo) (read, error) {
	option := "reads." + name
	x := read{command: slices.Clone(r.Command)}
	if len(r.Command) == 0 || len(r.Command) > maxArguments {
		return x, probe.BadOption(option+".command", "has %d parts: there must be from 1 to %d", len(r.Command), maxArguments)
	}
	x.command[0] = strings.ToUpper(x.command[0])
	count, allowed := reading[x.command[0]]
	if !allowed {
		return x, probe.BadOption(option+".command", "%q is none of the commands that only read: %s", r.Command[0], strings.Join(slices.Sorted(maps.Keys(reading)), ", "))
	}
	if n := len(r.Command) - 1; n < count.least || n > count.most {
		return x, probe.BadOption(option+".command", "%s has from %d to %d arguments, not %d", x.command[0], count.least, count.most, n)
	}
	for i, a := range r.Command {
		if len(a) > maxArgument {
			return x, probe.BadOption(option+".command", "part %d has %d bytes, more than %d", i+1, len(a), maxArgument)
		}
	}
	description := r.Description
	if description == "" {
		description = "Answer to " + extract.Clean(strings.Join(x.command, " "), 100) + "."
	}
	fields, err := extract.Fields("reads", map[string]extract.Attribute{name: {Type: r.Type, Unit: r.Unit, Description: description}}, taken...)
	if err == nil {
		x.field = fields[0]
	}
	return x, err
}
