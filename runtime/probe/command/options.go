package command

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/ohler55/ojg/jp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/program"
	"grove/runtime/probe/ssh"
)

// The bounds of the options and of what is read.
const (
	maxArguments  = 256
	maxArgument   = 32 << 10 // bytes of one argument or value of the environment
	maxEnv        = 64
	maxAttributes = 200
	maxPattern    = 1000     // bytes of where an attribute comes from
	maxOutput     = 64 << 10 // bytes that are kept of the output
	maxErrors     = 4 << 10  // bytes that are kept of the error output
	maxRows       = 1000     // of a table
)

// The formats.
const (
	formatNagios = "nagios"
	formatJSON   = "json"
	formatLines  = "lines"
	formatText   = "text"
	formatValue  = "value"
)

var formats = []string{formatNagios, formatJSON, formatLines, formatText, formatValue}

// Options are the options of the kind "command".
type Options struct {
	Command    []string             `yaml:"command" jsonschema:"required,minItems=1,maxItems=256,description=The program and its arguments\\, one by one; no shell reads them. The program is an absolute path\\, or a name that is looked for in the directories of monitoring plugins and of the system."`
	Format     string               `yaml:"format" jsonschema:"enum=nagios,enum=json,enum=lines,enum=text,enum=value,default=nagios,description=How the output is read."`
	SSH        *ssh.Access          `yaml:"ssh,omitempty" jsonschema:"description=The machine on which it runs\\, over SSH; this one unless given."`
	Env        map[string]string    `yaml:"env,omitempty" jsonschema:"description=Environment of the program; beside it there are only PATH and LC_ALL=C."`
	Attributes map[string]Attribute `yaml:"attributes,omitempty" jsonschema:"description=Further attributes by name\\, made of the output."`
}

// Attribute is one attribute that is made of the output.
type Attribute struct {
	From    string `yaml:"from" jsonschema:"required,description=nagios: the label of the performance data. json: a JSONPath. text and lines: a regular expression (RE2) whose first group is taken."`
	Type    string `yaml:"type,omitempty" jsonschema:"enum=number,enum=text,enum=bool,default=number,description=What it is: number\\, text or bool."`
	Unit    string `yaml:"unit,omitempty" jsonschema:"description=The unit of a number."`
	Counter bool   `yaml:"counter,omitempty" jsonschema:"description=The number only rises."`
}

// recipe is what Options come to.
type recipe struct {
	Options
	env     []string
	target  *ssh.Target // nil: this machine
	extract []extractor // sorted by name
}

// extractor makes one attribute of the output.
type extractor struct {
	name  string
	typ   beans.Type
	from  string
	path  jp.Expr        // of JSON
	regex *regexp.Regexp // of text and lines
	info  beans.AttributeInfo
}

var (
	programPattern = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9_.+-]*\z`)
	envPattern     = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)
	// Each of these makes an allowed program run code of the definition's choice.
	envDenied = regexp.MustCompile(`\A(LD_.*|GLIBC_.*|GCONV_PATH|PATH|IFS|ENV|BASH_.*|SHELLOPTS|PS4|PERL.*|PYTHON.*|RUBY.*|NODE_.*|GIT_.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS)\z`)
)

// check says which option is wrong.
func (o *Options) check() (*recipe, error) {
	r := &recipe{Options: *o}
	if err := o.checkCommand(); err != nil {
		return nil, err
	}
	if !slices.Contains(formats, o.Format) {
		return nil, probe.BadOption("format", "%q is none of %s", o.Format, strings.Join(formats, ", "))
	}
	if o.SSH != nil {
		var err error
		if r.target, err = o.SSH.Check(true); err != nil {
			var bad *probe.OptionError
			if errors.As(err, &bad) {
				return nil, &probe.OptionError{Option: "ssh." + bad.Option, Err: bad.Err}
			}
			return nil, err
		}
	}
	if len(o.Env) > maxEnv {
		return nil, probe.BadOption("env", "has %d variables, more than %d", len(o.Env), maxEnv)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		value := o.Env[name]
		switch {
		case !envPattern.MatchString(name):
			return nil, probe.BadOption("env", "%q is not the name of a variable", name)
		case envDenied.MatchString(name):
			return nil, probe.BadOption("env."+name, "could make the program run other code, and is not allowed")
		case len(value) > maxArgument || strings.ContainsRune(value, 0):
			return nil, probe.BadOption("env."+name, "has more than %d bytes or a NUL", maxArgument)
		}
		r.env = append(r.env, name+"="+value)
	}
	r.env = append(r.env, "PATH="+strings.Join(program.SearchPath, ":"), "LC_ALL=C")
	if len(o.Attributes) > maxAttributes {
		return nil, probe.BadOption("attributes", "are %d, more than %d", len(o.Attributes), maxAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Attributes)) {
		x, err := o.extractor(name, o.Attributes[name])
		if err != nil {
			return nil, err
		}
		r.extract = append(r.extract, x)
	}
	return r, nil
}

func (o *Options) checkCommand() error {
	if len(o.Command) == 0 || o.Command[0] == "" {
		return probe.BadOption("command", "is needed: a list of the program and its arguments")
	}
	if len(o.Command) > maxArguments {
		return probe.BadOption("command", "has %d parts, more than %d", len(o.Command), maxArguments)
	}
	name := o.Command[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) || filepath.Clean(name) != name {
			return probe.BadOption("command", "%q is neither a name nor an absolute path without detours", name)
		}
	} else if !programPattern.MatchString(name) {
		return probe.BadOption("command", "%q is not the name of a program; no shell reads it, so arguments are list items of their own", name)
	}
	for i, a := range o.Command {
		if len(a) > maxArgument {
			return probe.BadOption("command", "part %d has %d bytes, more than %d", i+1, len(a), maxArgument)
		}
		if j := strings.IndexFunc(a, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }); j >= 0 {
			return probe.BadOption("command", "part %d has a control character (%q)", i+1, a[j:j+1])
		}
	}
	return nil
}

func (o *Options) extractor(name string, a Attribute) (extractor, error) {
	option := "attributes." + name
	x := extractor{name: name, from: a.From, typ: beans.TypeFloat}
	if !envPattern.MatchString(name) {
		return x, probe.BadOption("attributes", "%q is not a name of letters, digits and underscores", name)
	}
	for _, own := range attributesOf(o.Format) {
		if own.Name == name {
			return x, probe.BadOption(option, "the format %s has an attribute of this name", o.Format)
		}
	}
	switch a.Type {
	case "", "number":
	case "text":
		x.typ = beans.TypeString
	case "bool":
		x.typ = beans.TypeBool
	default:
		return x, probe.BadOption(option+".type", "%q is none of number, text, bool", a.Type)
	}
	if x.typ != beans.TypeFloat && (a.Unit != "" || a.Counter) {
		return x, probe.BadOption(option, "only a number has a unit or is a counter")
	}
	if a.From == "" || len(a.From) > maxPattern {
		return x, probe.BadOption(option+".from", "has no byte, or more than %d", maxPattern)
	}
	var err error
	switch o.Format {
	case formatNagios:
		if x.typ != beans.TypeFloat {
			return x, probe.BadOption(option+".type", "performance data are numbers")
		}
	case formatJSON:
		if x.path, err = jp.ParseString(a.From); err != nil {
			return x, probe.BadOption(option+".from", "%w", err)
		}
	case formatLines, formatText:
		if x.regex, err = regexp.Compile(a.From); err != nil {
			return x, probe.BadOption(option+".from", "%w", err)
		}
		if x.regex.NumSubexp() < 1 {
			return x, probe.BadOption(option+".from", "%q has no group in parentheses that says what to take", a.From)
		}
	default:
		return x, probe.BadOption("attributes", "the format %s has only its value", o.Format)
	}
	x.info = beans.AttributeInfo{Name: name, Type: x.typ, Unit: a.Unit, Readable: true, Description: fmt.Sprintf("From the output: %s.", a.From)}
	if a.Counter {
		x.info.Descriptor = map[string]string{"metricType": "counter"}
	}
	return x, nil
}

// attributesOf lists what a format yields by itself.
func attributesOf(format string) []beans.AttributeInfo {
	list := []beans.AttributeInfo{
		{Name: "exit_status", Type: beans.TypeInt, Readable: true, Description: "The exit status of the program; 128 and the number of the signal that ended it."},
		{Name: "duration", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "How long the program ran."},
		{Name: "truncated", Type: beans.TypeBool, Readable: true, Description: "1 when the output was longer than 64 KiB and was cut."},
	}
	number := func(name, description string) beans.AttributeInfo {
		return beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Readable: true, Description: description}
	}
	text := func(name, description string) beans.AttributeInfo {
		return beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: description}
	}
	switch format {
	case formatNagios:
		list = append(list,
			text("state", "OK, WARNING, CRITICAL or UNKNOWN."),
			text("text", "The first line, without performance data."),
			text("long_text", "The lines after the first, without performance data."),
			beans.AttributeInfo{Name: "perfdata", Type: beans.TypeTable, Readable: true, Key: "label", Description: "The performance data, in base units.",
				Columns: []beans.AttributeInfo{
					text("label", "The label."),
					number("value", "The number."),
					text("unit", "s, bytes, %, or what the plugin says; empty for a plain number."),
					text("state", "OK, WARNING or CRITICAL by the ranges; empty where there is neither a value nor a range."),
					text("warn", "The range outside of which the plugin warns."),
					text("crit", "The range outside of which it is critical."),
					number("min", "The least that is possible."),
					number("max", "The most that is possible."),
				}})
	case formatLines:
		list = append(list,
			text("output", "The output."),
			beans.AttributeInfo{Name: "count", Type: beans.TypeInt, Readable: true, Description: "The number of lines."},
			beans.AttributeInfo{Name: "lines", Type: beans.TypeTable, Readable: true, Key: "number", Description: "The lines, at most 1000.",
				Columns: []beans.AttributeInfo{
					{Name: "number", Type: beans.TypeInt, Readable: true, Description: "The number of the line, from 1."},
					text("text", "The line."),
				}})
	case formatText, formatJSON:
		list = append(list, text("output", "The output."))
	case formatValue:
		list = append(list, number("value", "The number that the output is."))
	}
	return list
}
