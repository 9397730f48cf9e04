// Package certificate is the probe kind "certificate": the chain of certificates of any
// TLS port, also behind STARTTLS, or of a file: how long it is good, whether it is
// trusted, and whether it is still the same.
package certificate

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// maxFile bounds a file of certificates, in bytes.
const maxFile = 1 << 20

// Kind returns the kind "certificate". Its probes connect where the first policy allows,
// read the files of option tls that the second does, and option file as the third does;
// nil is the default of each.
func Kind(policy *dial.Policy, secrets *secret.Policy, allowed *files.Policy) probe.Kind {
	return probe.Kind{
		Name:       "certificate",
		Title:      "TLS certificates of any protocol, and of files",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &certificateProbe{plan: p, dialer: policy.Dialer(0), secrets: secrets, allowed: allowed}, nil
		},
	}
}

type certificateProbe struct {
	plan    *plan
	dialer  *net.Dialer
	secrets *secret.Policy
	allowed *files.Policy
	files   secure.Files
	last    string // fingerprint of the last run that saw one
}

// Target implements probe.Probe.
func (p *certificateProbe) Target() string { return strings.ToLower(p.plan.host) }

// Close implements probe.Probe.
func (p *certificateProbe) Close() error { return nil }

func readable(list ...beans.AttributeInfo) []beans.AttributeInfo {
	for i := range list {
		list[i].Readable = true
	}
	return list
}

// Attributes implements probe.Probe.
func (p *certificateProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes("protocol", "missing"), readable(
		beans.AttributeInfo{Name: "expires_in", Type: beans.TypeFloat, Unit: "s", Description: "Until the first certificate of the chain expires; negative afterwards."},
		beans.AttributeInfo{Name: "expires_days", Type: beans.TypeFloat, Unit: "days", Description: "The same in whole days."},
		beans.AttributeInfo{Name: "valid_share", Type: beans.TypeFloat, Unit: "%", Description: "How much of the first certificate's time is left."},
		beans.AttributeInfo{Name: "trusted", Type: beans.TypeBool, Description: "1 when the chain is trusted, valid now and of the right name."},
		beans.AttributeInfo{Name: "reason", Type: beans.TypeString, Description: "Why it is not trusted; empty when it is."},
		beans.AttributeInfo{Name: "subject", Type: beans.TypeString, Description: "Whom the first certificate names."},
		beans.AttributeInfo{Name: "issuer", Type: beans.TypeString, Description: "Who signed it."},
		beans.AttributeInfo{Name: "names", Type: beans.TypeString, Description: "What it is for: host names and addresses, with commas between them."},
		beans.AttributeInfo{Name: "key", Type: beans.TypeString, Description: "Algorithm of its key: RSA, ECDSA, Ed25519 or DSA."},
		beans.AttributeInfo{Name: "key_bits", Type: beans.TypeInt, Unit: "bits", Description: "Size of its key."},
		beans.AttributeInfo{Name: "signature", Type: beans.TypeString, Description: "Algorithm of the signature on it, such as SHA256-RSA."},
		beans.AttributeInfo{Name: "weak", Type: beans.TypeBool, Description: "1 when a key, a signature or the version of TLS is no longer taken for safe."},
		beans.AttributeInfo{Name: "weaknesses", Type: beans.TypeString, Description: "What is weak; empty when nothing is."},
		beans.AttributeInfo{Name: "self_signed", Type: beans.TypeBool, Description: "1 when the first certificate is signed by itself."},
		beans.AttributeInfo{Name: "fingerprint", Type: beans.TypeString, Description: "SHA-256 of the first certificate."},
		beans.AttributeInfo{Name: "changed", Type: beans.TypeBool, Description: "1 when it is not the certificate of the run before."},
		beans.AttributeInfo{Name: "chain", Type: beans.TypeTable, Key: "position", Description: "All certificates, the server's own first.", Columns: readable(
			beans.AttributeInfo{Name: "position", Type: beans.TypeInt, Description: "1 is the server's own."},
			beans.AttributeInfo{Name: "subject", Type: beans.TypeString, Description: "Whom it names."},
			beans.AttributeInfo{Name: "issuer", Type: beans.TypeString, Description: "Who signed it."},
			beans.AttributeInfo{Name: "expires_in", Type: beans.TypeFloat, Unit: "s", Description: "Until it expires; negative afterwards."},
			beans.AttributeInfo{Name: "key", Type: beans.TypeString, Description: "Algorithm of its key."},
			beans.AttributeInfo{Name: "key_bits", Type: beans.TypeInt, Unit: "bits", Description: "Size of its key."},
			beans.AttributeInfo{Name: "signature", Type: beans.TypeString, Description: "Algorithm of the signature on it."},
			beans.AttributeInfo{Name: "fingerprint", Type: beans.TypeString, Description: "Its SHA-256."},
		)},
	)...)
	if p.plan.File == "" {
		list = append(list, readable(
			beans.AttributeInfo{Name: "tls_version", Type: beans.TypeString, Description: "The version of TLS that was agreed on."},
			beans.AttributeInfo{Name: "cipher", Type: beans.TypeString, Description: "The cipher suite that was agreed on."},
			beans.AttributeInfo{Name: "ocsp", Type: beans.TypeString, Description: "What the server staples about revocation: none, good, revoked, unknown, expired or invalid."},
		)...)
	}
	return list
}

// Run implements probe.Probe.
func (p *certificateProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	// The files are the manager's, not the server's.
	if _, err := p.files.Load(p.plan.TLS, p.secrets); err != nil {
		return r, err
	}
	look := p.ask
	if p.plan.File != "" {
		look = p.read
	}
	err := answer.Add(ctx, &r, start, look(ctx, &r))
	return r, err
}

// read looks at a file.
func (p *certificateProbe) read(_ context.Context, r *probe.Result) error {
	text, err := p.allowed.Read(p.plan.File, maxFile)
	if err != nil {
		return &answer.Fault{State: "missing", Err: err}
	}
	chain, err := parse(text)
	if err != nil {
		return &answer.Fault{State: "missing", Err: fmt.Errorf("%s %w", p.plan.File, err)}
	}
	return p.add(r, chain, nil)
}

// ask connects, and looks at what the server shows. The certificate is judged here and not
// by package tls, so that one which is not trusted is described all the same.
func (p *certificateProbe) ask(ctx context.Context, r *probe.Result) error {
	config, err := p.files.Config(p.plan.TLS, p.secrets, p.plan.host)
	if err != nil {
		return err
	}
	config.InsecureSkipVerify = true //nolint:gosec // verified by add
	config.MinVersion = tls.VersionTLS10
	conn, err := p.dialer.DialContext(ctx, "tcp", p.plan.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	reader := bufio.NewReader(io.LimitReader(conn, maxPreamble))
	if err := p.plan.begin(reader, conn, p.plan.name()); err != nil {
		if ctx.Err() != nil || answer.State(err) != "failed" {
			return err
		}
		return &answer.Fault{State: "protocol", Err: err}
	}
	if n := reader.Buffered(); n > 0 {
		return &answer.Fault{State: "protocol", Err: fmt.Errorf("the server said %d bytes more before TLS began: somebody may be in between", n)}
	}
	session := tls.Client(conn, config)
	if err := session.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &answer.Fault{State: "tls", Err: err}
	}
	state := session.ConnectionState()
	return p.add(r, state.PeerCertificates, &state)
}

// add adds what a chain says. The error is why it is not trusted, when that counts.
func (p *certificateProbe) add(r *probe.Result, chain []*x509.Certificate, state *tls.ConnectionState) error {
	now := time.Now()
	first, ok := secure.Expiry(chain)
	if !ok {
		return &answer.Fault{State: "missing", Err: fmt.Errorf("%s shows no certificate", p.plan.where())}
	}
	chain = chain[:min(len(chain), maxCertificates)]
	leaf := chain[0]
	left := first.Sub(now).Seconds()
	r.Number("expires_in", left)
	r.Number("expires_days", math.Floor(left/86400))
	if whole := leaf.NotAfter.Sub(leaf.NotBefore); whole > 0 {
		r.Number("valid_share", max(0, leaf.NotAfter.Sub(now).Seconds()/whole.Seconds()*100))
	}
	trust := secure.Verify(chain, p.plan.name(), p.files.Roots(), now)
	r.Add("trusted", tree.Bool(trust == nil))
	reason := ""
	if trust != nil {
		reason = clean(trust.Error())
	}
	r.Text("reason", reason)
	r.Text("subject", clean(leaf.Subject.String()))
	r.Text("issuer", clean(leaf.Issuer.String()))
	r.Text("names", clean(strings.Join(names(leaf), ", ")))
	algorithm, bits := key(leaf)
	r.Text("key", algorithm)
	r.Number("key_bits", float64(bits))
	r.Text("signature", leaf.SignatureAlgorithm.String())
	version := uint16(0)
	if state != nil {
		version = state.Version
		r.Text("tls_version", tls.VersionName(version))
		r.Text("cipher", tls.CipherSuiteName(state.CipherSuite))
		r.Text("ocsp", stapled(state.OCSPResponse, chain, now))
	}
	weak := weaknesses(chain, version)
	r.Add("weak", tree.Bool(len(weak) > 0))
	r.Text("weaknesses", strings.Join(weak, "; "))
	r.Add("self_signed", tree.Bool(selfSigned(leaf)))
	seen := fingerprint(leaf)
	r.Text("fingerprint", seen)
	r.Add("changed", tree.Bool(p.last != "" && p.last != seen))
	p.last = seen
	r.Tables = append(r.Tables, table(chain, now))
	if trust != nil && !p.plan.TLS.Insecure {
		return &answer.Fault{State: "tls", Err: trust}
	}
	return nil
}

func table(chain []*x509.Certificate, now time.Time) probe.Table {
	t := probe.Table{Attribute: "chain", Columns: []string{"position", "subject", "issuer", "expires_in", "key", "key_bits", "signature", "fingerprint"}}
	for i, c := range chain {
		algorithm, bits := key(c)
		t.Rows = append(t.Rows, []tree.Value{
			tree.Number(float64(i + 1)), tree.Text(clean(c.Subject.String())), tree.Text(clean(c.Issuer.String())), tree.Number(c.NotAfter.Sub(now).Seconds()),
			tree.Text(algorithm), tree.Number(float64(bits)), tree.Text(c.SignatureAlgorithm.String()), tree.Text(fingerprint(c)),
		})
	}
	return t
}
