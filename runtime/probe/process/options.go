package process

import (
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"grove/runtime/probe"
)

// The bounds of the options.
const (
	maxRows    = 1000
	maxPattern = 1000 // bytes of a regular expression or pattern
)

// Options are the options of the kind "process". A process is chosen when it fits
// everything that is given; without anything every process is.
type Options struct {
	Name      string `yaml:"name,omitempty" jsonschema:"description=Name of the program\\, such as nginx: what ps -o comm shows."`
	Exe       string `yaml:"exe,omitempty" jsonschema:"description=Path of the program's file\\, or a pattern such as /opt/*/bin/java; needs the right to see it."`
	Cmdline   string `yaml:"cmdline,omitempty" jsonschema:"description=Regular expression (RE2) that the command line contains\\, its arguments separated by single spaces."`
	User      string `yaml:"user,omitempty" jsonschema:"description=Name or number of the user that the process runs as."`
	PIDFile   string `yaml:"pid_file,omitempty" jsonschema:"description=Absolute path of the file that holds the number of the process; no process while there is no such file."`
	By        string `yaml:"by" jsonschema:"enum=pid,enum=name,default=pid,description=What a row of the table stands for: one process (pid) or all of one name (name)."`
	Rows      int    `yaml:"rows" jsonschema:"minimum=0,maximum=1000,default=100,description=The most rows that the table has: the processes that started first\\, or the names that come first."`
	Arguments bool   `yaml:"arguments,omitempty" jsonschema:"description=Add a column with the command line to the table by pid. Command lines hold passwords now and then."`
}

// selector is what Options come to.
type selector struct {
	Options
	cmdline *regexp.Regexp
}

// check says which option is wrong.
func (o *Options) check() (*selector, error) {
	s := &selector{Options: *o}
	switch {
	case strings.ContainsAny(o.Name, "/\x00"):
		return nil, probe.BadOption("name", "%q is a path, not the name of a program; see exe", o.Name)
	case len(o.Exe) > maxPattern:
		return nil, probe.BadOption("exe", "has %d bytes, more than %d", len(o.Exe), maxPattern)
	case o.Exe != "" && !strings.HasPrefix(o.Exe, "/"):
		return nil, probe.BadOption("exe", "%q does not begin with /", o.Exe)
	case o.PIDFile != "" && (!filepath.IsAbs(o.PIDFile) || filepath.Clean(o.PIDFile) != o.PIDFile):
		return nil, probe.BadOption("pid_file", "%q is not an absolute path without detours", o.PIDFile)
	case o.By != "pid" && o.By != "name":
		return nil, probe.BadOption("by", "%q is neither pid nor name", o.By)
	case o.Rows < 0 || o.Rows > maxRows:
		return nil, probe.BadOption("rows", "%d is outside 0..%d", o.Rows, maxRows)
	case o.Arguments && o.By != "pid":
		return nil, probe.BadOption("arguments", "only a table by pid has them")
	case len(o.Cmdline) > maxPattern:
		return nil, probe.BadOption("cmdline", "has %d bytes, more than %d", len(o.Cmdline), maxPattern)
	}
	if _, err := path.Match(o.Exe, ""); err != nil {
		return nil, probe.BadOption("exe", "%q is no pattern: a bracket is not closed, or a backslash ends it", o.Exe)
	}
	if o.Cmdline != "" {
		re, err := regexp.Compile(o.Cmdline)
		if err != nil {
			return nil, probe.BadOption("cmdline", "%w", err)
		}
		s.cmdline = re
	}
	return s, nil
}
