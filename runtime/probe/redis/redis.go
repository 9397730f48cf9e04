// Package redis is the probe kind "redis": what a server of Redis or Valkey says of
// itself by INFO, and single keys.
//
// It speaks the protocol by itself: the few commands need no client of clusters and
// pools, which would ask for more rights, and take what the server says of the length of
// an answer at its word.
package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/session"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// own are the attributes that every probe of the kind has, beside those of INFO.
var own = append(answer.Attributes("denied", "loading"),
	beans.AttributeInfo{Name: "saved_ago", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "Since the last snapshot was written."})

// Kind returns the kind "redis". Its probes connect only where the policy allows, and
// read secrets only as far as theirs does; nil is the default of either.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "redis",
		Title:      "Redis and Valkey",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			plan, err := o.check()
			if err != nil {
				return nil, err
			}
			p := &redisProbe{plan: plan, dialer: session.NewDialer(plan.server, policy, secrets)}
			p.keeper = session.NewKeeper(p.dialer, maxRun, p.login)
			return p, nil
		},
	}
}

type redisProbe struct {
	plan   *plan
	dialer *session.Dialer
	keeper *session.Keeper
}

// Target implements probe.Probe.
func (p *redisProbe) Target() string { return strings.ToLower(p.plan.server.Host) }

// Attributes implements probe.Probe.
func (p *redisProbe) Attributes() []beans.AttributeInfo { return p.plan.infos }

// Close implements probe.Probe.
func (p *redisProbe) Close() error {
	p.keeper.Close()
	return nil
}

// Run implements probe.Probe. A server that does not answer or lets nobody in is a
// reading. A command of the definition that it refuses is an error, beside what else was
// found.
func (p *redisProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	var refused error
	var found probe.Result
	err := p.keeper.Run(ctx, func(l *session.Link) error {
		found = probe.Result{}
		var err error
		refused, err = p.ask(l, &found)
		return err
	})
	if err == nil {
		r.Values, r.Tables = found.Values, found.Tables
	}
	if err := p.dialer.Finish(ctx, &r, start, fault(err)); err != nil {
		return r, err
	}
	if err != nil {
		return r, nil
	}
	return r, p.dialer.HideError(refused)
}

// do sends one command and waits for its answer.
func do(l *session.Link, args ...string) (any, error) {
	if err := send(l, args...); err != nil {
		return nil, err
	}
	return receive(l.Reader)
}

// login says who is there.
func (p *redisProbe) login(l *session.Link) error {
	password, err := p.dialer.Password()
	if err != nil {
		return err
	}
	switch {
	case p.plan.server.User != "":
		_, err = do(l, "AUTH", p.plan.server.User, password)
	case password != "":
		_, err = do(l, "AUTH", password)
	}
	if err != nil {
		return err
	}
	if p.plan.database != 0 {
		_, err = do(l, "SELECT", strconv.Itoa(p.plan.database))
	}
	return err
}

// ask asks everything of a run. The first error is of what the server refuses to a
// definition, the second of a server that is down.
func (p *redisProbe) ask(l *session.Link, r *probe.Result) (refused, down error) {
	text, err := do(l, "INFO", "all")
	if err != nil {
		return nil, err
	}
	all, ok := text.(string)
	if !ok {
		return nil, errProtocol
	}
	m := parseInfo(all)
	var errs []error
	for _, f := range p.plan.fields {
		value, there := m[f.From]
		if !there {
			continue // of another version, or of a server that has another role
		}
		errs = append(errs, add(r, f, value))
	}
	if saved, err := strconv.ParseFloat(m["rdb_last_save_time"], 64); err == nil && saved > 0 {
		r.Number("saved_ago", max(0, float64(time.Now().UnixMilli())/1000-saved))
	}
	errs = append(errs, m.tables(slices.Sorted(maps.Keys(m)), r))
	for _, x := range p.plan.reads {
		found, err := do(l, x.command...)
		var no refusal
		switch {
		case errors.As(err, &no):
			errs = append(errs, fmt.Errorf("reads.%s: %w", x.field.Name, err))
		case err != nil:
			return nil, err
		default:
			errs = append(errs, add(r, x.field, found))
		}
	}
	return errors.Join(errs...), nil
}

func add(r *probe.Result, f extract.Field, found any) error {
	v, err := f.Value(found)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	if !v.IsNone() {
		r.Add(f.Name, v)
	}
	return nil
}

// fault gives a refusal the state that it means.
func fault(err error) error {
	var no refusal
	if !errors.As(err, &no) {
		return err
	}
	text := errors.New(extract.Clean(string(no), 300))
	word, _, _ := strings.Cut(string(no), " ")
	switch word {
	case "NOAUTH", "WRONGPASS", "NOPERM", "DENIED":
		return &answer.Fault{State: "denied", Err: text}
	case "LOADING", "MASTERDOWN", "BUSY":
		return &answer.Fault{State: "loading", Err: text}
	case "ERR":
		if strings.Contains(string(no), "AUTH") || strings.Contains(string(no), "invalid password") {
			return &answer.Fault{State: "denied", Err: text}
		}
	}
	return text
}

// behind is how far an offset is behind that of the master; empty when it is not known.
func (m info) behind(offset string) string {
	at, err1 := strconv.ParseInt(m["master_repl_offset"], 10, 64)
	its, err2 := strconv.ParseInt(offset, 10, 64)
	if err1 != nil || err2 != nil {
		return ""
	}
	return strconv.FormatInt(max(0, at-its), 10)
}
