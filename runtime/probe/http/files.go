package http

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"

	"grove/runtime/probe/secret"
)

// tlsFiles are what the files of TLS hold. They are read again when one of them
// changes, so that a certificate is renewed without a restart.
type tlsFiles struct {
	current atomic.Pointer[loadedFiles]
	stamp   string
}

type loadedFiles struct {
	roots       *x509.CertPool // nil: the system's
	certificate *tls.Certificate
}

func (f *tlsFiles) get() *loadedFiles {
	if l := f.current.Load(); l != nil {
		return l
	}
	return &loadedFiles{}
}

// load reads what changed. It is called before each run, not beside one.
func (f *tlsFiles) load(o TLS, policy *secret.Policy) (changed bool, err error) {
	stamp := ""
	for _, name := range []string{o.CA, o.Certificate, o.Key} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return false, err
		}
		stamp += fmt.Sprintf("%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
	if stamp == f.stamp {
		return false, nil
	}
	l := &loadedFiles{}
	if o.CA != "" {
		pem, err := policy.ReadFile(o.CA)
		if err != nil {
			return false, fmt.Errorf("tls.ca: %w", err)
		}
		l.roots = x509.NewCertPool()
		if !l.roots.AppendCertsFromPEM(pem) {
			return false, fmt.Errorf("tls.ca: %s holds no certificate", o.CA)
		}
	}
	if o.Certificate != "" {
		certificate, err := policy.ReadFile(o.Certificate)
		if err != nil {
			return false, fmt.Errorf("tls.certificate: %w", err)
		}
		key, err := policy.ReadFile(o.Key)
		if err != nil {
			return false, fmt.Errorf("tls.key: %w", err)
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return false, fmt.Errorf("tls.certificate: %s: %w", o.Certificate, err)
		}
		l.certificate = &pair
	}
	f.current.Store(l)
	f.stamp = stamp
	return true, nil
}
