// Package targets is the probe kind "targets": lists of targets in files, as Prometheus
// reads them by file_sd, and plain lists.
package targets

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/discover/group"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/files"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

const (
	maxPatterns = 100
	maxFiles    = 1000
	maxSize     = 8 << 20 // bytes of one file
	maxTotal    = 64 << 20
	maxEntries  = 100_000 // names of one directory
)

// Options are the options of the kind "targets".
type Options struct {
	Files  []string `yaml:"files" jsonschema:"required,description=Absolute paths of files; in the last part * and ? stand for any text: /etc/grove/targets/*.json."`
	Format string   `yaml:"format,omitempty" jsonschema:"enum=json,enum=yaml,enum=plain,description=How they are written. By default their ends say it: .json\\, .yaml or .yml; every other is plain: an address a line."`
	Labels []string `yaml:"labels,omitempty" jsonschema:"description=Labels that become columns."`
}

func (o *Options) check() error {
	switch {
	case len(o.Files) == 0:
		return probe.BadOption("files", "is missing")
	case len(o.Files) > maxPatterns:
		return probe.BadOption("files", "%d of them, more than %d", len(o.Files), maxPatterns)
	case o.Format != "" && !slices.Contains([]string{"json", "yaml", "plain"}, o.Format):
		return probe.BadOption("format", "%q is none of json, yaml and plain", o.Format)
	}
	for i, name := range o.Files {
		option := fmt.Sprintf("files[%d]", i)
		if err := files.CheckPath(name); err != nil {
			return probe.BadOption(option, "%w", err)
		}
		if isPattern(path.Dir(name)) {
			return probe.BadOption(option, "%q: * and ? stand only in the last part", name)
		}
		if _, err := path.Match(path.Base(name), ""); err != nil {
			return probe.BadOption(option, "%q is no pattern: a bracket is not closed, or a backslash ends it", name)
		}
	}
	return group.CheckLabels(o.Labels)
}

func isPattern(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// Kind returns the kind "targets". Its probes read only what the policy allows; nil is the
// default policy.
func Kind(policy *files.Policy) probe.Kind {
	return probe.Kind{
		Name:       "targets",
		Title:      "Lists of targets in files",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			if err := o.check(); err != nil {
				return nil, err
			}
			return &targetsProbe{options: *o, policy: policy}, nil
		},
	}
}

type targetsProbe struct {
	options Options
	policy  *files.Policy
}

// Attributes implements probe.Probe.
func (p *targetsProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes("missing", "malformed"),
		beans.AttributeInfo{Name: "files", Type: beans.TypeInt, Unit: "files", Readable: true, Description: "How many files were read."})
	return append(list, group.Attributes(p.options.Labels)...)
}

// Target implements probe.Probe: it is this machine.
func (p *targetsProbe) Target() string { return "" }

// Close implements probe.Probe.
func (p *targetsProbe) Close() error { return nil }

// Run implements probe.Probe. One file that cannot be read makes the whole list unknown:
// half a list would look as if targets were gone.
func (p *targetsProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	groups, count, err := p.read(ctx)
	if errors.Is(err, files.ErrDenied) {
		return r, err
	}
	if err := answer.Add(ctx, &r, start, err); err != nil {
		return r, err
	}
	if err == nil {
		r.Number("files", float64(count))
		group.Add(&r, groups, p.options.Labels)
	}
	return r, nil
}

func (p *targetsProbe) read(ctx context.Context) (groups []group.Group, count int, err error) {
	size, targets := 0, 0
	for _, pattern := range p.options.Files {
		names, err := p.expand(pattern)
		if err != nil {
			return nil, 0, missing(err)
		}
		for _, name := range names {
			if ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			if count++; count > maxFiles {
				return nil, 0, fmt.Errorf("more than %d files", maxFiles)
			}
			text, err := p.policy.Read(name, maxSize)
			if err != nil {
				return nil, 0, missing(err)
			}
			if size += len(text); size > maxTotal {
				return nil, 0, fmt.Errorf("the files have more than %d bytes together", maxTotal)
			}
			list, err := group.Read(p.format(name), text)
			if err != nil {
				return nil, 0, &answer.Fault{State: "malformed", Err: fmt.Errorf("%s: %w", name, err)}
			}
			for _, g := range list {
				if targets += len(g.Targets); targets > group.MaxTargets {
					return nil, 0, fmt.Errorf("the files list more than %d targets together", group.MaxTargets)
				}
			}
			groups = append(groups, list...)
		}
	}
	return groups, count, nil
}

// missing gives a file that is not there a state of its own.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &answer.Fault{State: "missing", Err: err}
	}
	return err
}

// expand returns the files that a pattern stands for, sorted. None may be there yet.
func (p *targetsProbe) expand(pattern string) ([]string, error) {
	if !isPattern(path.Base(pattern)) {
		return []string{pattern}, nil
	}
	dir := path.Dir(pattern)
	d, err := p.policy.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("%s has more than %d names", dir, maxEntries)
	}
	var names []string
	for _, e := range entries {
		if ok, _ := path.Match(path.Base(pattern), e.Name()); ok && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (p *targetsProbe) format(name string) group.Format {
	if p.options.Format != "" {
		return group.Format(p.options.Format)
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		return group.JSON
	case ".yaml", ".yml":
		return group.YAML
	}
	return group.Plain
}
