// Package logfile is the probe kind "logfile": files that lines are appended to. It
// follows them when they are renamed, copied and emptied, or cut short, and goes on where
// it was after a restart.
package logfile

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/pattern"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind returns the kind "logfile". Its probes read only what the policy allows; nil is the
// default policy.
func Kind(policy *files.Policy) probe.Kind {
	return probe.Kind{
		Name:       "logfile",
		Title:      "Log files, through rotation and restart",
		Doc:        doc + pattern.Doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			r, err := o.check()
			if err != nil {
				return nil, err
			}
			return &logProbe{recipe: r, policy: policy, matcher: r.set.NewMatcher(), tails: map[string]*tail{}}, nil
		},
	}
}

type logProbe struct {
	recipe  *recipe
	policy  *files.Policy
	matcher *pattern.Matcher
	tails   map[string]*tail // by path
	began   bool             // a run looked for the files: one that is new from now on is read from its start
	counts  counts
}

// counts are what the tails of a probe have come to.
type counts struct {
	bytes, rotations, gaps uint64
}

// Target implements probe.Probe.
func (p *logProbe) Target() string { return "" }

// Attributes implements probe.Probe.
func (p *logProbe) Attributes() []beans.AttributeInfo {
	counter := map[string]string{"metricType": "counter"}
	return append([]beans.AttributeInfo{
		{Name: "found", Type: beans.TypeBool, Readable: true, Description: "1 when there is a file."},
		{Name: "files", Type: beans.TypeFloat, Unit: "files", Readable: true, Description: "Files that are followed."},
		{Name: "size", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "How much they hold."},
		{Name: "age", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "Since something was written to one of them."},
		{Name: "behind", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "What is there and not read yet."},
		{Name: "bytes", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "What was read.", Descriptor: counter},
		{Name: "rotations", Type: beans.TypeFloat, Unit: "rotations", Readable: true, Description: "Times that a file was replaced, emptied or cut short.", Descriptor: counter},
		{Name: "gaps", Type: beans.TypeFloat, Unit: "gaps", Readable: true, Description: "Rotations of which the rest of the old file was not found: lines may be missing.", Descriptor: counter},
	}, p.recipe.set.Attributes()...)
}

// Close implements probe.Probe.
func (p *logProbe) Close() error {
	var errs []error
	for _, t := range p.tails {
		errs = append(errs, t.close())
	}
	clear(p.tails)
	return errors.Join(errs...)
}

// Run implements probe.Probe.
func (p *logProbe) Run(ctx context.Context) (probe.Result, error) {
	var r probe.Result
	if err := ctx.Err(); err != nil {
		return r, err
	}
	now := time.Now()
	var errs []error
	if err := p.look(); err != nil {
		errs = append(errs, err)
	}
	var size, behind int64
	var written time.Time
	found := 0
	budget := int64(maxReading)
	before := p.counts.bytes
	for _, name := range slices.Sorted(maps.Keys(p.tails)) {
		t := p.tails[name]
		if err := t.run(ctx, now, &budget); err != nil {
			errs = append(errs, err)
		}
		if t.there {
			found++
			size += t.size
			if t.written.After(written) {
				written = t.written
			}
		}
		behind += t.behind()
	}
	// A file that does not exist yet is read from its start, unless nobody could look.
	p.began = p.began || len(errs) == 0
	if found == 0 && len(errs) > 0 && p.counts.bytes == before {
		// Nothing could be read: that no line came says nothing.
		return probe.Result{}, errors.Join(errs...)
	}
	r.Number("found", float64(min(found, 1)))
	r.Number("files", float64(found))
	r.Number("size", float64(size))
	if !written.IsZero() {
		r.Number("age", max(0, now.Sub(written).Seconds()))
	}
	r.Number("behind", float64(behind))
	r.Number("bytes", float64(p.counts.bytes))
	r.Number("rotations", float64(p.counts.rotations))
	r.Number("gaps", float64(p.counts.gaps))
	p.matcher.Add(&r)
	return r, errors.Join(errs...)
}

// look finds the files that the paths stand for and begins to follow those that are new.
func (p *logProbe) look() error {
	var errs []error
	for _, pattern := range p.recipe.paths {
		if !isPattern(filepath.Base(pattern)) {
			if p.tails[pattern] == nil {
				p.tails[pattern] = p.newTail(pattern)
			}
			continue
		}
		names, err := p.match(pattern)
		if err != nil {
			errs = append(errs, err)
		}
		for _, name := range names {
			switch {
			case p.tails[name] != nil:
			case slices.ContainsFunc(names, func(of string) bool { return isRotated(of, name) }):
				// It was read under its former name.
			case len(p.tails) >= maxFiles:
				return errors.Join(append(errs, fmt.Errorf("more than %d files: %s is not followed", maxFiles, name))...)
			default:
				p.tails[name] = p.newTail(name)
			}
		}
	}
	// Files that went away make room; their rest was read.
	for name, t := range p.tails {
		if t.finished() && !slices.Contains(p.recipe.paths, name) {
			delete(p.tails, name)
		}
	}
	return errors.Join(errs...)
}

// match lists the regular files that fit a path with wildcards in its last part.
func (p *logProbe) match(pattern string) ([]string, error) {
	dir, base := filepath.Split(pattern)
	entries, err := list(p.policy, filepath.Clean(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if fits, _ := path.Match(base, e.Name()); fits && !e.IsDir() {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// list reads a directory that is allowed.
func list(policy *files.Policy, dir string) ([]fs.DirEntry, error) {
	d, err := policy.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxNames)
	if len(entries) > 0 {
		err = nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries, err
}
