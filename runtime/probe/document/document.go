// Package document is the probe kind "document": XML, JSON, CSV, INI and properties from
// files and web servers, as configuration and reports are written. What is in them
// becomes attributes and tables, and what changed between two readings is told.
package document

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secret"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

const attributeChanges = "changes"

// own are the attributes that every probe of the kind has.
var own = append(answer.Attributes(append(endpoint.States(), "missing", "malformed")...),
	beans.AttributeInfo{Name: "age", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "Since the document was written: the time of the file, or Last-Modified of the server."},
	beans.AttributeInfo{Name: "size", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "Size of the document."},
	beans.AttributeInfo{Name: "checksum", Type: beans.TypeString, Readable: true, Description: "SHA-256 of the document."},
	beans.AttributeInfo{Name: "changed", Type: beans.TypeBool, Readable: true, Description: "Whether it is another than when it was read last."},
	beans.AttributeInfo{Name: attributeChanges, Type: beans.TypeStrings, Readable: true, Description: "What was added, changed and removed since it was read last, by path."},
)

// Policies are what the kind may read; nil ones are the defaults.
type Policies struct {
	Dial    *dial.Policy
	Files   *files.Policy
	Secrets *secret.Policy
}

// Kind returns the kind "document".
func Kind(policies Policies) probe.Kind {
	return probe.Kind{
		Name:       "document",
		Title:      "XML, JSON, CSV, INI and properties from files and URLs",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{MaxSize: defaultSize} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			plan, err := o.check()
			if err != nil {
				return nil, err
			}
			p := &documentProbe{plan: plan}
			if plan.url == nil {
				p.source = &file{policy: policies.Files, name: plan.file, size: plan.size}
				return p, nil
			}
			p.client = endpoint.New(plan.endpoint, plan.url, policies.Dial, policies.Secrets)
			p.source = &remote{client: p.client}
			return p, nil
		},
	}
}

type documentProbe struct {
	plan   *plan
	source source
	client *endpoint.Client // nil for a file

	parsed document // what was read last; nil when that failed
	size   int
	last   *state // of the last document that could be parsed
}

// Target implements probe.Probe.
func (p *documentProbe) Target() string {
	if p.client == nil {
		return ""
	}
	return p.client.Target()
}

// Attributes implements probe.Probe.
func (p *documentProbe) Attributes() []beans.AttributeInfo { return p.plan.infos }

// Close implements probe.Probe.
func (p *documentProbe) Close() error {
	if p.client != nil {
		p.client.Close()
	}
	return nil
}

// Recall implements probe.Rememberer: what changed over a restart is told, too.
func (p *documentProbe) Recall(memory []byte) { p.last = recall(memory) }

// Memory implements probe.Rememberer.
func (p *documentProbe) Memory() []byte { return p.last.memory() }

// Run implements probe.Probe. A document that is not there or cannot be parsed is a
// reading. A place of the definition where nothing is found is an error, beside what else
// was found.
func (p *documentProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	absent, err := p.look(ctx, start, &r)
	if p.client != nil {
		if failure := p.client.Finish(ctx, &r, start, err); failure != nil {
			return r, failure
		}
	} else {
		var local *endpoint.LocalError
		if errors.As(err, &local) {
			return r, local.Err
		}
		if failure := answer.Add(ctx, &r, start, err); failure != nil {
			return r, failure
		}
	}
	if err != nil {
		return r, nil
	}
	return r, absent
}

// look reads the document as far as it changed. The first error is of places where
// nothing is, the second of a document that is not there or cannot be parsed.
func (p *documentProbe) look(ctx context.Context, now time.Time, r *probe.Result) (absent, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := p.source.read(ctx)
	if err != nil {
		p.forget()
		return nil, err
	}
	if !c.modified.IsZero() {
		r.Number("age", now.Sub(c.modified).Seconds())
	}
	var lines []string
	if !c.unchanged {
		p.size = len(c.body)
		sum := sha256.Sum256(c.body)
		text := hex.EncodeToString(sum[:])
		if p.parsed == nil || p.last == nil || p.last.Sum != text {
			d, err := p.plan.parse(c.body, c.contentType)
			if err != nil {
				p.forget()
				return nil, &answer.Fault{State: "malformed", Err: errors.New(extract.Clean(err.Error(), 500))}
			}
			next := stateOf(text, d)
			if p.last != nil {
				lines = next.changes(p.last)
			}
			p.parsed, p.last = d, next
		}
	}
	r.Number("size", float64(p.size))
	r.Text("checksum", p.last.Sum)
	r.Add("changed", tree.Bool(len(lines) > 0))
	if len(lines) > 0 {
		r.Values = append(r.Values, events(lines, now))
	}
	return p.read(r), nil
}

// forget lets the next run begin anew; what was there last is still compared with.
func (p *documentProbe) forget() {
	p.parsed = nil
	p.source.forget()
}

// read adds the attributes and tables of the document.
func (p *documentProbe) read(r *probe.Result) error {
	var errs []error
	for _, f := range p.plan.fields {
		found, err := p.parsed.find(f.place)
		if err != nil {
			errs = append(errs, fmt.Errorf("attributes.%s: %s %w", f.Name, extract.Clean(f.From, 100), err))
			continue
		}
		v, err := f.Value(found)
		if err != nil {
			errs = append(errs, fmt.Errorf("attributes.%s: %w", f.Name, err))
			continue
		}
		if !v.IsNone() {
			r.Add(f.Name, v)
		}
	}
	for _, t := range p.plan.tables {
		if err := p.table(t, r); err != nil {
			errs = append(errs, fmt.Errorf("tables.%s: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (p *documentProbe) table(t table, r *probe.Result) error {
	found, err := p.parsed.rows(t.rows)
	if err != nil && !errors.Is(err, errNothing) { // A list may be empty.
		return err
	}
	rows := t.Rows()
	for _, one := range found {
		if err := rows.Add(func(f extract.Field) any { return one.find(t.places[f.Name]) }); err != nil {
			return err
		}
	}
	return rows.Result(r)
}
