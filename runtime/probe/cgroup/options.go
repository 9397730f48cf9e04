package cgroup

import (
	"regexp"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
)

// The bounds of the options and of what is read.
const (
	maxExpression = 2000    // bytes of a regular expression
	maxDepth      = 32      // levels
	maxMost       = 10_000  // groups that are shown
	maxMet        = 100_000 // groups that are looked at
	maxFile       = 1 << 20 // bytes of a file
)

// defaultInclude takes services, containers and pods, and leaves out slices, which only
// hold others.
const defaultInclude = `\.(service|scope)$|(^|/)(docker|libpod|lxc|machine\.slice)/[^/]+$|kubepods.*/`

// Options are the options of the kind "cgroup".
type Options struct {
	Root    string `yaml:"root,omitempty" jsonschema:"description=Where the hierarchy is mounted; when empty the kernel is asked."`
	Include string `yaml:"include" jsonschema:"description=Regular expression (RE2) for the paths of the groups that are shown; by default services\\, scopes\\, containers and pods."`
	Exclude string `yaml:"exclude,omitempty" jsonschema:"description=Regular expression (RE2) for the paths of groups that are not shown all the same."`
	Depth   int    `yaml:"depth" jsonschema:"minimum=1,maximum=32,default=8,description=How many levels below the top are looked at."`
	Most    int    `yaml:"most" jsonschema:"minimum=1,maximum=10000,default=1000,description=How many groups are shown at most."`
	Docker  string `yaml:"docker,omitempty" jsonschema:"default=/var/lib/docker/containers,description=Where Docker keeps its containers; read to know their names\\, when grove may."`
}

// plan is what Options come to.
type plan struct {
	Options
	include, exclude *regexp.Regexp
}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	for _, dir := range []struct{ option, path string }{{"root", o.Root}, {"docker", o.Docker}} {
		if dir.path != "" {
			if err := files.CheckPath(dir.path); err != nil {
				return nil, probe.BadOption(dir.option, "%w", err)
			}
		}
	}
	for _, e := range []struct {
		option, text string
		into         **regexp.Regexp
	}{{"include", o.Include, &p.include}, {"exclude", o.Exclude, &p.exclude}} {
		if e.option == "exclude" && e.text == "" {
			continue
		}
		if len(e.text) > maxExpression {
			return nil, probe.BadOption(e.option, "has %d bytes, more than %d", len(e.text), maxExpression)
		}
		re, err := regexp.Compile(e.text)
		if err != nil {
			return nil, probe.BadOption(e.option, "%w", err)
		}
		*e.into = re
	}
	switch {
	case o.Depth < 1 || o.Depth > maxDepth:
		return nil, probe.BadOption("depth", "%d is outside 1..%d", o.Depth, maxDepth)
	case o.Most < 1 || o.Most > maxMost:
		return nil, probe.BadOption("most", "%d is outside 1..%d", o.Most, maxMost)
	}
	return p, nil
}
