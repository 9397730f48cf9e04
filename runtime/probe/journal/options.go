package journal

import (
	"regexp"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/pattern"
)

const (
	maxList  = 50
	maxMatch = 1000 // bytes
)

// Options are the options of the kind "journal".
type Options struct {
	Units       []string `yaml:"units,omitempty" jsonschema:"maxItems=50,description=Units of systemd whose entries count; with * for any text: ssh*.service. All when empty."`
	Identifiers []string `yaml:"identifiers,omitempty" jsonschema:"maxItems=50,description=Names that programs gave in syslog\\, such as sshd."`
	Priority    string   `yaml:"priority,omitempty" jsonschema:"enum=emerg,enum=alert,enum=crit,enum=err,enum=warning,enum=notice,enum=info,enum=debug,description=Least serious priority that counts."`
	Matches     []string `yaml:"matches,omitempty" jsonschema:"maxItems=50,description=Fields that entries must have\\, such as _TRANSPORT=kernel. Of the same field one of its values\\, of different fields all."`
	Directory   string   `yaml:"directory,omitempty" jsonschema:"description=Directory of journal files\\, in place of this machine's journal."`
	From        string   `yaml:"from,omitempty" jsonschema:"enum=end,enum=start,default=end,description=Where reading begins at the first run."`

	pattern.Options `yaml:",inline"`
}

// recipe is what Options come to.
type recipe struct {
	Options
	selection []string // arguments of journalctl
	set       *pattern.Set
}

var (
	unitPattern  = regexp.MustCompile(`\A[A-Za-z0-9*?@][A-Za-z0-9:_.\\@*?-]*\z`)
	matchPattern = regexp.MustCompile(`\A[A-Z_][A-Z0-9_]*=`)
)

// check says which option is wrong.
func (o *Options) check() (*recipe, error) {
	r := &recipe{Options: *o}
	for _, list := range []struct {
		option string
		values []string
	}{{"units", o.Units}, {"identifiers", o.Identifiers}, {"matches", o.Matches}} {
		if len(list.values) > maxList {
			return nil, probe.BadOption(list.option, "are %d, more than %d", len(list.values), maxList)
		}
		for _, v := range list.values {
			switch {
			case v == "" || len(v) > maxMatch || strings.ContainsFunc(v, func(c rune) bool { return c < ' ' }):
				return nil, probe.BadOption(list.option, "%q is empty, longer than %d bytes or has a control character", v, maxMatch)
			case list.option == "units" && !unitPattern.MatchString(v):
				return nil, probe.BadOption("units", "%q is not the name of a unit", v)
			case list.option == "matches" && !matchPattern.MatchString(v):
				return nil, probe.BadOption("matches", "%q is not a field and its value, such as _TRANSPORT=kernel", v)
			}
			switch list.option {
			case "units":
				r.selection = append(r.selection, "--unit="+v)
			case "identifiers":
				r.selection = append(r.selection, "--identifier="+v)
			}
		}
	}
	if o.Priority != "" {
		if !slices.Contains(pattern.Severities, o.Priority) {
			return nil, probe.BadOption("priority", "%q is none of %s", o.Priority, strings.Join(pattern.Severities, ", "))
		}
		r.selection = append(r.selection, "--priority="+o.Priority)
	}
	r.selection = append(r.selection, o.Matches...)
	if o.Directory != "" {
		if err := files.CheckPath(o.Directory); err != nil {
			return nil, probe.BadOption("directory", "%w", err)
		}
	}
	if o.From != "" && o.From != "end" && o.From != "start" {
		return nil, probe.BadOption("from", "%q is none of end, start", o.From)
	}
	var err error
	r.set, err = o.Compile(fieldNames...)
	return r, err
}
