// Package secure is TLS as a definition asks for it: the options that kinds of probes
// have in common, the files behind them, and the judgement of a certificate.
package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
)

// Options say how the server's certificate is checked, and what is shown to the server.
type Options struct {
	CA          string `yaml:"ca,omitempty" jsonschema:"description=File of the certificate authorities to trust in place of the system's (PEM)."`
	ServerName  string `yaml:"server_name,omitempty" jsonschema:"description=Name that the certificate must be for; the host that is asked when empty."`
	Insecure    bool   `yaml:"insecure,omitempty" jsonschema:"description=Take any certificate\\, also an expired or foreign one."`
	Certificate string `yaml:"certificate,omitempty" jsonschema:"description=File of the certificate to present (PEM)."`
	Key         string `yaml:"key,omitempty" jsonschema:"description=File of the key of that certificate (PEM)."`
}

// Check says which option is wrong, as an option of the mapping "tls".
func (o Options) Check() error {
	for _, f := range []struct{ option, path string }{
		{"tls.ca", o.CA}, {"tls.certificate", o.Certificate}, {"tls.key", o.Key},
	} {
		if f.path != "" && (!filepath.IsAbs(f.path) || filepath.Clean(f.path) != f.path) {
			return probe.BadOption(f.option, "%q is not an absolute path without detours", f.path)
		}
	}
	switch {
	case o.Certificate != "" && o.Key == "":
		return probe.BadOption("tls.key", "is missing: a certificate needs its key")
	case o.Key != "" && o.Certificate == "":
		return probe.BadOption("tls.certificate", "is missing: a key needs its certificate")
	case o.Insecure && o.CA != "":
		return probe.BadOption("tls.insecure", "makes tls.ca useless: leave one of them out")
	}
	return nil
}

// Files are what the files of Options hold. They are read again when one of them
// changes, so that a certificate is renewed without a restart. The zero value trusts the
// system's authorities; it may be used from many goroutines.
type Files struct {
	mu          sync.Mutex
	stamp       string
	roots       *x509.CertPool // nil: the system's
	certificate *tls.Certificate
}

// Load reads what changed since the last Load, as far as the policy allows. What was
// read before stays when it fails.
func (f *Files) Load(o Options, policy *secret.Policy) (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp := ""
	for _, f := range []struct{ option, name string }{{"tls.ca", o.CA}, {"tls.certificate", o.Certificate}, {"tls.key", o.Key}} {
		if f.name == "" {
			continue
		}
		info, err := policy.Stat(f.name)
		if err != nil {
			return false, fmt.Errorf("%s: %w", f.option, err)
		}
		stamp += fmt.Sprintf("%s %d %d\n", f.name, info.Size(), info.ModTime().UnixNano())
	}
	if stamp == f.stamp {
		return false, nil
	}
	var roots *x509.CertPool
	var certificate *tls.Certificate
	if o.CA != "" {
		if roots, err = readRoots(o.CA, policy); err != nil {
			return false, fmt.Errorf("tls.ca: %w", err)
		}
	}
	if o.Certificate != "" {
		if certificate, err = readPair(o, policy); err != nil {
			return false, err
		}
	}
	f.roots, f.certificate, f.stamp = roots, certificate, stamp
	return true, nil
}

func readRoots(file string, policy *secret.Policy) (*x509.CertPool, error) {
	pem, err := policy.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return roots, nil
}

func readPair(o Options, policy *secret.Policy) (*tls.Certificate, error) {
	certificate, err := policy.ReadFile(o.Certificate)
	if err != nil {
		return nil, fmt.Errorf("tls.certificate: %w", err)
	}
	key, err := policy.ReadFile(o.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("tls.certificate: %s: %w", o.Certificate, err)
	}
	return &pair, nil
}

// Roots returns the authorities that were loaded; nil is the system's.
func (f *Files) Roots() *x509.CertPool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.roots
}

// Certificates returns the certificate to present, as a tls.Config takes it.
func (f *Files) Certificates() []tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.certificate == nil {
		return nil
	}
	return []tls.Certificate{*f.certificate}
}

// Config loads what changed and returns a fresh configuration for one host.
func (f *Files) Config(o Options, policy *secret.Policy, host string) (*tls.Config, error) {
	if _, err := f.Load(o, policy); err != nil {
		return nil, err
	}
	name := o.ServerName
	if name == "" {
		name = host
	}
	return &tls.Config{
		ServerName:         name,
		RootCAs:            f.Roots(),
		Certificates:       f.Certificates(),
		InsecureSkipVerify: o.Insecure, //nolint:gosec // the writer of the definition asked for it
		MinVersion:         tls.VersionTLS12,
	}, nil
}

// Verify checks a chain as package tls does: against the roots (nil is the system's),
// for the name, at a time.
func Verify(chain []*x509.Certificate, name string, roots *x509.CertPool, now time.Time) error {
	if len(chain) == 0 {
		return errors.New("the server sent no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between, CurrentTime: now})
	return err
}

// Expiry is when the first certificate of a chain expires; ok is false for an empty one.
func Expiry(chain []*x509.Certificate) (at time.Time, ok bool) {
	for k, c := range chain {
		if k == 0 || c.NotAfter.Before(at) {
			at = c.NotAfter
		}
	}
	return at, len(chain) > 0
}
