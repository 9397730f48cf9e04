// Package tcp is the probe kind "tcp": a port that is connected to, with TLS and an
// expected answer where they are asked for.
package tcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secure"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind returns the kind "tcp". Its probes connect only where the policy allows; nil
// is the default policy.
func Kind(policy *dial.Policy) probe.Kind {
	return probe.Kind{
		Name:       "tcp",
		Title:      "TCP ports, with TLS and an expected answer",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Verify: true} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			t, err := o.check()
			if err != nil {
				return nil, err
			}
			return &tcpProbe{target: t, dialer: policy.Dialer(0)}, nil
		},
	}
}

// tcpProbe keeps no connection between runs.
type tcpProbe struct {
	target *target
	dialer *net.Dialer
	roots  *x509.CertPool // nil: the system's; set by tests
}

// Target implements probe.Probe.
func (p *tcpProbe) Target() string { return p.target.host }

// Close implements probe.Probe.
func (p *tcpProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *tcpProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes("mismatch"),
		beans.AttributeInfo{Name: "connect_time", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "Until the connection stood, with the look-up of the name."})
	if p.target.expect != nil {
		list = append(list, beans.AttributeInfo{Name: "response", Type: beans.TypeString, Readable: true, Description: "The first line of the answer."})
	}
	if p.target.TLS {
		list = append(list,
			beans.AttributeInfo{Name: "tls_version", Type: beans.TypeString, Readable: true, Description: "The version of TLS that was agreed on."},
			beans.AttributeInfo{Name: "certificate_trusted", Type: beans.TypeBool, Readable: true, Description: "1 when the certificate is trusted, valid now and of the right name."},
			beans.AttributeInfo{Name: "certificate_expires_in", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "Until the first certificate of the chain expires; negative afterwards."},
			beans.AttributeInfo{Name: "certificate_subject", Type: beans.TypeString, Readable: true, Description: "Whom the certificate names."},
		)
	}
	return list
}

// Run implements probe.Probe.
func (p *tcpProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	err := answer.Add(ctx, &r, start, p.talk(ctx, start, &r))
	return r, err
}

// talk does what the options ask for; what it finds on the way is added to r.
func (p *tcpProbe) talk(ctx context.Context, start time.Time, r *probe.Result) error {
	conn, err := p.dialer.DialContext(ctx, "tcp", p.target.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	r.Number("connect_time", time.Since(start).Seconds())
	// A read or write under way ends with the context.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if p.target.TLS {
		session, err := p.handshake(ctx, conn, r)
		if err != nil {
			return err
		}
		conn = session
	}
	if p.target.Send != "" {
		if _, err := io.WriteString(conn, p.target.Send); err != nil {
			return err
		}
	}
	if p.target.expect != nil {
		return p.await(conn, r)
	}
	return nil
}

// handshake speaks TLS. The certificate is judged here and not by crypto/tls, so that
// one which is not trusted is described all the same.
func (p *tcpProbe) handshake(ctx context.Context, conn net.Conn, r *probe.Result) (net.Conn, error) {
	session := tls.Client(conn, &tls.Config{
		ServerName:         p.target.ServerName,
		InsecureSkipVerify: true, //nolint:gosec // verified below
		MinVersion:         tls.VersionTLS10,
	})
	if err := session.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, &answer.Fault{State: "tls", Err: err}
	}
	state := session.ConnectionState()
	now := time.Now()
	err := secure.Verify(state.PeerCertificates, p.target.ServerName, p.roots, now)
	r.Text("tls_version", tls.VersionName(state.Version))
	r.Add("certificate_trusted", tree.Bool(err == nil))
	if first, ok := secure.Expiry(state.PeerCertificates); ok {
		r.Number("certificate_expires_in", first.Sub(now).Seconds())
		r.Text("certificate_subject", strings.ToValidUTF8(state.PeerCertificates[0].Subject.String(), "�"))
	}
	if err != nil && p.target.Verify {
		return nil, &answer.Fault{State: "tls", Err: err}
	}
	return session, nil
}

// await reads until the answer fits, ends, or is too long.
func (p *tcpProbe) await(conn net.Conn, r *probe.Result) error {
	var got []byte
	buf := make([]byte, 4096)
	defer func() { r.Text("response", firstLine(got)) }()
	for {
		n, err := conn.Read(buf[:min(len(buf), maxAnswer-len(got))])
		got = append(got, buf[:n]...)
		switch {
		case p.target.expect.Match(got):
			return nil
		case errors.Is(err, io.EOF):
			return &answer.Fault{State: "mismatch", Err: fmt.Errorf("the connection ended and nothing in %d bytes fits %q", len(got), p.target.Expect)}
		case err != nil:
			return err
		case len(got) >= maxAnswer:
			return &answer.Fault{State: "mismatch", Err: fmt.Errorf("nothing in the first %d bytes fits %q", maxAnswer, p.target.Expect)}
		}
	}
}

func firstLine(b []byte) string {
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		b = b[:i]
	}
	return strings.ToValidUTF8(string(b[:min(len(b), maxLine)]), "�")
}
