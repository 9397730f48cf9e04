// Package journal is the probe kind "journal": the entries of systemd's journal, read by
// journalctl from where reading stopped.
package journal

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/program"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// limit is how many probes run at once: each is a process.
const limit = 4

// Kind returns the kind "journal". Its probes run journalctl as far as the one policy
// allows and read journals as far as the other does; nil is the default of each.
func Kind(programs *program.Policy, policy *files.Policy) probe.Kind {
	return probe.Kind{
		Name:       "journal",
		Title:      "Entries of systemd's journal",
		Doc:        doc + pattern.Doc,
		Example:    example,
		Limit:      limit,
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
			return &journalProbe{recipe: r, programs: programs, policy: policy, matcher: r.set.NewMatcher(), most: maxEntries}, nil
		},
	}
}

type journalProbe struct {
	recipe   *recipe
	programs *program.Policy
	policy   *files.Policy
	matcher  *pattern.Matcher
	began    bool   // the end of the journal was looked for
	cursor   string // of the last entry that was read; empty: none
	advanced time.Time
	gaps     uint64
	most     int // entries of one run
}

var _ probe.Rememberer = (*journalProbe)(nil)

// Target implements probe.Probe.
func (p *journalProbe) Target() string { return "" }

// Close implements probe.Probe.
func (p *journalProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *journalProbe) Attributes() []beans.AttributeInfo {
	return append([]beans.AttributeInfo{
		{Name: "behind", Type: beans.TypeBool, Readable: true, Description: "1 when there are more entries than one run reads; the next goes on."},
		{Name: "gaps", Type: beans.TypeFloat, Unit: "gaps", Readable: true, Description: "Times that the place where reading stopped was not found: entries may be missing.", Descriptor: map[string]string{"metricType": "counter"}},
	}, p.recipe.set.Attributes()...)
}

// idle is how long nothing may fit before the place moves on nevertheless: journalctl
// looks at every entry after it.
const idle = 5 * time.Minute

// Run implements probe.Probe.
func (p *journalProbe) Run(ctx context.Context) (probe.Result, error) {
	var r probe.Result
	if err := ctx.Err(); err != nil {
		return r, err
	}
	before := p.cursor
	behind, err := p.read(ctx)
	if err != nil && p.cursor == before {
		return r, err // nothing could be read: that no entry came says nothing
	}
	if err == nil {
		value := 0.0
		if behind {
			value = 1
		}
		r.Number("behind", value)
	}
	r.Number("gaps", float64(p.gaps))
	p.matcher.Add(&r)
	return r, err
}

// read takes the entries after the cursor.
func (p *journalProbe) read(ctx context.Context) (behind bool, err error) {
	end := ""
	if first := !p.began && p.recipe.From != "start"; first || time.Since(p.advanced) > idle {
		if end, err = p.last(ctx); err != nil {
			return false, err
		}
		p.advanced = time.Now()
		if first {
			p.began, p.cursor = true, end
			return false, nil
		}
	}
	out := &reader{most: p.most, take: func(e entry) {
		p.matcher.Record(e.record())
		p.cursor = string(e.text("__CURSOR"))
	}}
	args := append([]string{"--output-fields=" + outputFields}, p.recipe.selection...)
	if p.cursor != "" {
		args = append(args, "--after-cursor="+p.cursor)
	}
	err = p.journalctl(ctx, out, args...)
	switch {
	case errors.Is(err, errEnough):
		p.began = true
		return true, nil
	case err != nil && strings.Contains(err.Error(), "seek to cursor"):
		p.gaps++
		p.began, p.cursor = false, "" // at the end again
		if p.recipe.From == "start" {
			p.cursor, err = p.last(ctx)
			return false, err
		}
		return p.read(ctx)
	case err != nil:
		return false, err
	}
	p.began = true
	// Everything up to the end was looked at, and nothing of it fits.
	if out.entries == 0 && end != "" {
		p.cursor = end
	}
	return false, nil
}

// last returns the cursor of the last entry of the journal; empty when it has none.
func (p *journalProbe) last(ctx context.Context) (cursor string, err error) {
	err = p.journalctl(ctx, &reader{most: maxEntries, take: func(e entry) { cursor = string(e.text("__CURSOR")) }}, "--lines=1", "--output-fields=PRIORITY")
	return cursor, err
}

// maxErrors bounds what is kept of the error output, in bytes.
const maxErrors = 4 << 10

// systemJournals are where this machine keeps its journal: journald.conf(5), Storage.
var systemJournals = []string{"/var/log/journal", "/run/log/journal"}

// journalctl runs the program. The entries come as JSON.
func (p *journalProbe) journalctl(ctx context.Context, out io.Writer, args ...string) error {
	command := []string{"journalctl", "--output=json", "--all", "--no-pager", "--quiet"}
	if p.recipe.Directory != "" {
		command = append(command, "--directory="+p.recipe.Directory)
	}
	if err := p.allowed(); err != nil {
		return err
	}
	path, err := p.programs.ResolveOwn("journalctl")
	if err != nil {
		return err
	}
	errs := &program.Bounded{Max: maxErrors}
	f, err := program.Run(ctx, program.Command{
		Path: path, Args: append(command, args...), Env: []string{"LC_ALL=C", "TZ=UTC"}, Output: out, Errors: errs,
	})
	if err != nil {
		return err
	}
	said, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(errs.Bytes()), "�")), "\n")
	// An empty journal is no failure, though some versions end with 1 and say nothing.
	if f.Status != 0 && said != "" {
		return fmt.Errorf("journalctl: %s", said)
	}
	return nil
}

// allowed says whether the journal may be read by what the operator allows of files.
func (p *journalProbe) allowed() error {
	dirs := systemJournals
	if p.recipe.Directory != "" {
		dirs = []string{p.recipe.Directory}
	}
	var denied error
	for _, dir := range dirs {
		f, err := p.policy.Open(dir)
		if err == nil {
			return f.Close()
		}
		if errors.Is(err, files.ErrDenied) || p.recipe.Directory != "" {
			denied = err
		}
	}
	return denied // what cannot be opened for another reason journalctl explains
}

// memory is what a probe remembers.
type memory struct {
	Directory string `json:"directory,omitempty"`
	Cursor    string `json:"cursor"`
}

// Recall implements probe.Rememberer.
func (p *journalProbe) Recall(text []byte) {
	var m memory
	if len(text) > 0 && json.Unmarshal(text, &m) == nil && m.Directory == p.recipe.Directory {
		p.began, p.cursor = true, m.Cursor
	}
}

// Memory implements probe.Rememberer.
func (p *journalProbe) Memory() []byte {
	if !p.began {
		return nil
	}
	text, err := json.Marshal(memory{p.recipe.Directory, p.cursor})
	if err != nil {
		return nil // texts always become JSON
	}
	return text
}
