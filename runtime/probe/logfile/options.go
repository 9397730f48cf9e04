package logfile

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/pattern"
)

// Bounds of the options and of what is read.
const (
	maxPaths   = 20
	maxPath    = 1024     // bytes
	maxFiles   = 64       // that one probe follows
	maxNames   = 20_000   // of one directory that are looked at
	maxReading = 64 << 20 // bytes in one run, of all files
)

// Options are the options of the kind "logfile".
type Options struct {
	Path  string   `yaml:"path,omitempty" jsonschema:"description=The log file; its last part may have wildcards: /var/log/shop/*.log."`
	Paths []string `yaml:"paths,omitempty" jsonschema:"maxItems=20,description=Several of them\\, in place of path."`
	From  string   `yaml:"from,omitempty" jsonschema:"enum=end,enum=start,default=end,description=Where reading begins in a file that is there when the probe runs for the first time. One that appears later is read from its start."`

	pattern.Options `yaml:",inline"`
}

const (
	fromEnd   = "end"
	fromStart = "start"
)

// recipe is what Options come to.
type recipe struct {
	paths     []string
	fromStart bool
	set       *pattern.Set
}

// check says which option is wrong.
func (o *Options) check() (*recipe, error) {
	r := &recipe{paths: o.Paths, fromStart: o.From == fromStart}
	switch {
	case o.Path == "" && len(o.Paths) == 0:
		return nil, probe.BadOption("path", "is needed: the log file")
	case o.Path != "" && len(o.Paths) > 0:
		return nil, probe.BadOption("paths", "and path both name files: leave one out")
	case len(o.Paths) > maxPaths:
		return nil, probe.BadOption("paths", "are %d, more than %d", len(o.Paths), maxPaths)
	case o.Path != "":
		r.paths = []string{o.Path}
	}
	for i, p := range r.paths {
		option := "path"
		if o.Path == "" {
			option = fmt.Sprintf("paths[%d]", i)
		}
		dir, name := filepath.Split(p)
		if err := files.CheckPath(p); err != nil {
			return nil, probe.BadOption(option, "%w", err)
		}
		_, err := path.Match(name, "x")
		switch {
		case len(p) > maxPath:
			return nil, probe.BadOption(option, "has %d bytes, more than %d", len(p), maxPath)
		case err != nil:
			return nil, probe.BadOption(option, "%q: %w", p, err)
		case isPattern(dir):
			return nil, probe.BadOption(option, "%q has a wildcard before its last part", p)
		case name == "":
			return nil, probe.BadOption(option, "%q is a directory: name a file, such as /var/log/*.log", p)
		}
	}
	if o.From != "" && o.From != fromEnd && o.From != fromStart {
		return nil, probe.BadOption("from", "%q is none of end, start", o.From)
	}
	var err error
	r.set, err = o.Compile(fieldFile)
	return r, err
}

// isPattern says whether a name has wildcards.
func isPattern(name string) bool { return strings.ContainsAny(name, `*?[\`) }

// wants says whether one of the paths stands for a file.
func (r *recipe) wants(file string) bool {
	return slices.ContainsFunc(r.paths, func(p string) bool {
		dir, base := filepath.Split(p)
		if !isPattern(base) {
			return p == file
		}
		fits, _ := path.Match(base, filepath.Base(file))
		return fits && filepath.Dir(file) == filepath.Clean(dir)
	})
}
