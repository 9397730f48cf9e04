// Package ldap is the probe kind "ldap": a login to a directory, searches whose entries
// become attributes and tables, and so also what OpenLDAP says of itself in cn=Monitor.
package ldap

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

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

// Kind returns the kind "ldap". Its probes connect only where the policy allows, and read
// secrets only as far as theirs does; nil is the default of either. Referrals are not
// followed.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "ldap",
		Title:      "Directories by LDAP",
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
			return &ldapProbe{plan: plan, dialer: session.NewDialer(plan.server, policy, secrets)}, nil
		},
	}
}

// ldapProbe keeps one connection between runs.
type ldapProbe struct {
	plan   *plan
	dialer *session.Dialer
	below  *session.Conn
	conn   *ldap.Conn // nil while there is none
}

// Target implements probe.Probe.
func (p *ldapProbe) Target() string { return strings.ToLower(p.plan.server.Host) }

// Attributes implements probe.Probe.
func (p *ldapProbe) Attributes() []beans.AttributeInfo { return p.plan.infos }

// Close implements probe.Probe.
func (p *ldapProbe) Close() error {
	if p.conn == nil {
		return nil
	}
	// The library says goodbye, and it waits for whom it says that to.
	_ = p.below.SetDeadline(time.Now().Add(time.Second))
	_ = p.conn.Close() // It was of no use, or nobody needs it any more.
	p.conn, p.below = nil, nil
	return nil
}

// Run implements probe.Probe. A server that does not answer or lets nobody in is a
// reading. A search that it refuses is an error, beside what the others found.
func (p *ldapProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	found, refused, err := p.ask(ctx)
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

// ask does everything of a run, once more over a new connection when one that was kept
// turns out to be closed.
func (p *ldapProbe) ask(ctx context.Context) (found probe.Result, refused, down error) {
	for {
		kept := p.conn != nil
		found, refused, down = p.once(ctx)
		if down == nil {
			return found, refused, nil
		}
		if p.below != nil && p.below.Exceeded() != nil {
			down = p.below.Exceeded()
		}
		_ = p.Close()
		switch {
		case ctx.Err() != nil:
			return found, nil, errors.Join(ctx.Err(), down)
		case !kept || !ldap.IsErrorWithCode(down, ldap.ErrorNetwork):
			return found, nil, down
		}
	}
}

func (p *ldapProbe) once(ctx context.Context) (found probe.Result, refused, down error) {
	if p.conn == nil {
		if err := p.connect(ctx); err != nil {
			return found, nil, err
		}
	}
	p.below.Renew()
	below := p.below
	stop := context.AfterFunc(ctx, func() { _ = below.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var errs []error
	for i := range p.plan.searches {
		s := &p.plan.searches[i]
		err := p.search(ctx, s, &found)
		if err != nil && isDown(err) {
			return found, nil, fmt.Errorf("searches.%s: %w", s.name, err)
		}
		if err != nil && !s.optional {
			errs = append(errs, fmt.Errorf("searches.%s: %w", s.name, err))
		}
	}
	if len(p.plan.searches) == 0 {
		// Somebody has to be asked something: the root DSE is there for everybody.
		_, err := p.conn.Search(&ldap.SearchRequest{Filter: "(objectClass=*)", Attributes: []string{"1.1"}, TimeLimit: seconds(ctx)})
		if err != nil {
			return found, nil, err
		}
	}
	if !stop() {
		return found, nil, ctx.Err() // The connection has a deadline now and is of no use.
	}
	return found, errors.Join(errs...), nil
}

// connect connects, encrypts and logs in. While it does, the context ends it.
func (p *ldapProbe) connect(ctx context.Context) error {
	below, err := p.dialer.Dial(ctx, maxRun)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = below.SetDeadline(time.Unix(1, 0)) })()
	server := p.plan.server
	p.below = below
	if server.Encryption == session.TLS {
		secured, err := p.dialer.Secure(ctx, below)
		if err != nil {
			_ = below.Close() // It is of no use.
			p.below = nil
			return err
		}
		p.conn = ldap.NewConn(secured, true)
	} else {
		p.conn = ldap.NewConn(below, false)
	}
	p.conn.Start()
	if server.Encryption == session.StartTLS {
		config, err := p.dialer.Config()
		if err != nil {
			return err
		}
		if err := p.conn.StartTLS(config); err != nil {
			return &answer.Fault{State: "tls", Err: fmt.Errorf("StartTLS: %w; encryption: none does without", err)}
		}
	}
	if server.User == "" {
		return nil
	}
	password, err := p.dialer.Password()
	if err != nil {
		return err
	}
	return p.conn.Bind(server.User, password)
}

// seconds is what a server is told that a search may take: at least one.
func seconds(ctx context.Context) int {
	if deadline, ok := ctx.Deadline(); ok {
		return max(1, int(time.Until(deadline).Seconds()+0.9))
	}
	return 30
}

// search does one search and adds what it declares.
func (p *ldapProbe) search(ctx context.Context, s *search, r *probe.Result) error {
	request := s.request
	request.TimeLimit = seconds(ctx)
	result, err := p.conn.Search(&request)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return fmt.Errorf("more entries than are allowed: %d here, or less by the server's own limit", maxEntries)
	}
	if err != nil {
		return err
	}
	entries := result.Entries
	if len(entries) > maxEntries {
		return fmt.Errorf("more than %d entries", maxEntries)
	}
	count := len(entries)
	if s.table != nil {
		rows := s.table.Rows()
		for _, e := range entries {
			if err := rows.Add(func(f extract.Field) any { return find(f, e, count) }); err != nil {
				return err
			}
		}
		return rows.Result(r)
	}
	var first *ldap.Entry
	if count > 0 {
		first = entries[0]
	}
	var errs []error
	for _, f := range s.fields {
		v, err := f.Value(find(f, first, count))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, err))
			continue
		}
		if !v.IsNone() && !has(r, f.Name) {
			r.Add(f.Name, v)
		}
	}
	return errors.Join(errs...)
}

func has(r *probe.Result, attribute string) bool {
	for _, v := range r.Values {
		if v.Attribute == attribute {
			return true
		}
	}
	return false
}

// find returns what an entry has for a field; nil for nothing. Several values are one
// text.
func find(f extract.Field, e *ldap.Entry, count int) any {
	from := strings.ToLower(f.From)
	switch {
	case from == fromCount:
		return int64(count)
	case e == nil:
		return nil
	case from == fromDN:
		return e.DN
	case from == fromRDN:
		if dn, err := ldap.ParseDN(e.DN); err == nil && len(dn.RDNs) > 0 && len(dn.RDNs[0].Attributes) > 0 {
			return dn.RDNs[0].Attributes[0].Value
		}
		return nil
	}
	values := e.GetEqualFoldAttributeValues(f.From)
	switch len(values) {
	case 0:
		return nil
	case 1:
		return values[0]
	}
	return strings.Join(values, ", ")
}

// isDown says whether an error is one of the connection or of the server, and not an
// answer to a search.
func isDown(err error) bool {
	var answered *ldap.Error
	if !errors.As(err, &answered) {
		return errors.Is(err, session.ErrTooMuch) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	switch answered.ResultCode {
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultProtocolError:
		return true
	}
	return answered.ResultCode >= ldap.ErrorNetwork // The library's own numbers begin there.
}

// fault gives an answer of the server the state that it means.
func fault(err error) error {
	var answered *ldap.Error
	if !errors.As(err, &answered) {
		return err
	}
	var known *answer.Fault
	if errors.As(err, &known) {
		return err
	}
	switch answered.ResultCode {
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultStrongAuthRequired,
		ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultAuthMethodNotSupported, ldap.LDAPResultNoSuchObject:
		return &answer.Fault{State: "denied", Err: err}
	case ldap.LDAPResultTimeLimitExceeded:
		return &answer.Fault{State: "timeout", Err: err}
	case ldap.ErrorNetwork:
		if answer.State(err) == "failed" {
			return &answer.Fault{State: "closed", Err: err}
		}
	}
	return err
}
