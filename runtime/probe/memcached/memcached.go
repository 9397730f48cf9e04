// Package memcached is the probe kind "memcached": what the server says of itself by its
// stats commands.
package memcached

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/session"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind "memcached".
type Options struct {
	Address    string                       `yaml:"address" jsonschema:"required,description=Host and port\\, such as cache1:11211."`
	Attributes map[string]extract.Attribute `yaml:"attributes,omitempty" jsonschema:"description=Further figures of stats\\, by name; from is the name of the figure."`
}

// Kind returns the kind "memcached". Its probes connect only where the policy allows; nil
// is the default policy.
func Kind(policy *dial.Policy) probe.Kind {
	return probe.Kind{
		Name:       "memcached",
		Title:      "memcached",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return o.build(policy)
		},
	}
}

func (o *Options) build(policy *dial.Policy) (probe.Probe, error) {
	server, err := session.Options{Address: o.Address, Encryption: session.Plain}.Check()
	if err != nil {
		return nil, err
	}
	p := &memcachedProbe{host: strings.ToLower(server.Host)}
	p.infos = append(answer.Attributes(), extract.Infos(known)...)
	p.infos = append(p.infos, items.Info(), slabs.Info())
	more, err := extract.Fields("attributes", o.Attributes, p.infos...)
	if err != nil {
		return nil, err
	}
	p.infos = append(p.infos, extract.Infos(more)...)
	p.fields = append(slices.Clone(known), more...)
	p.keeper = session.NewKeeper(session.NewDialer(server, policy, nil), maxRun, nil)
	return p, nil
}

type memcachedProbe struct {
	host   string
	infos  []beans.AttributeInfo
	fields []extract.Field
	keeper *session.Keeper
}

// Target implements probe.Probe.
func (p *memcachedProbe) Target() string { return p.host }

// Attributes implements probe.Probe.
func (p *memcachedProbe) Attributes() []beans.AttributeInfo { return p.infos }

// Close implements probe.Probe.
func (p *memcachedProbe) Close() error {
	p.keeper.Close()
	return nil
}

// Run implements probe.Probe.
func (p *memcachedProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	var all, byItems, bySlabs stats
	down := p.keeper.Run(ctx, func(l *session.Link) (err error) {
		if all, err = ask(l, "stats"); err != nil {
			return err
		}
		// Proxies and servers with a login do not answer these.
		var no refusal
		if byItems, err = ask(l, "stats items"); err != nil && !errors.As(err, &no) {
			return err
		}
		if bySlabs, err = ask(l, "stats slabs"); err != nil && !errors.As(err, &no) {
			return err
		}
		return nil
	})
	if err := answer.Add(ctx, &r, start, down); err != nil || down != nil {
		return r, err
	}
	var errs []error
	for _, f := range p.fields {
		value, there := all[f.From]
		if !there {
			continue // of another version
		}
		v, err := f.Value(value)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, err))
			continue
		}
		r.Add(f.Name, v)
	}
	errs = append(errs, byItems.classes(items, "items:", &r), bySlabs.classes(slabs, "", &r))
	return r, errors.Join(errs...)
}

// ask does one stats command.
func ask(l *session.Link, command string) (stats, error) {
	if _, err := io.WriteString(l, command+"\r\n"); err != nil {
		return nil, err
	}
	return receive(l.Reader)
}
