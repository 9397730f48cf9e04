package authority

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"grove/notify/peer"
)

// served is the certificate that this manager shows to those who call it.
type served struct {
	certificate tls.Certificate
	renew       time.Time
}

// ServerConfig is for a listener: it lets in whom Judge lets in. Connections are never
// resumed, so each has shown its certificate and was judged.
func (a *Authority) ServerConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Who signed the certificate is for Judge: one that is over may still be renewed, and who
		// joins has none yet.
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.serve() },
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := a.Judge(state)
			return err
		},
	}
}

// serve returns the certificate of this manager as one that is called, made anew after two
// thirds of its life.
func (a *Authority) serve() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.o.Now().Round(0) // by the wall: a clock that is put back has to be noticed
	if s := a.server; s != nil && now.Before(s.renew) && s.renew.Sub(now) <= a.o.Life {
		return &s.certificate, nil
	}
	c, err := a.keys.certify(a.keys.id, a.keys.identity.Public(), now.UnixMilli(), x509.ExtKeyUsageServerAuth, now, a.o.Life)
	if err != nil {
		return nil, err
	}
	a.server = &served{
		tls.Certificate{Certificate: [][]byte{c.Raw, a.keys.authority.Raw}, PrivateKey: a.keys.identity, Leaf: c}, now.Add(a.o.Life * 2 / 3),
	}
	return &a.server.certificate, nil
}

// ClientConfig is for calling a manager that this one has joined. It shows the newest
// certificate at each call, and takes the called manager by its ID and by the key that was
// pinned when this one joined, whatever its address is.
func (a *Authority) ClientConfig(id peer.ID) (*tls.Config, error) {
	if _, err := a.upper(id); err != nil {
		return nil, err
	}
	return a.clientConfig(func(state tls.ConnectionState) error {
		u, err := a.upper(id)
		if err != nil {
			return err
		}
		if err := checkServer(state.PeerCertificates, u.root, id); err != nil {
			return err
		}
		// A manager whose clock is wrong goes on, with those that know it: without the link others
		// would watch its devices, too. The times would prove nothing: who has the key by which it
		// proves its ID has the key that signs them, too.
		if err := checkClocks(state.PeerCertificates[0], id, a.o.Now()); err != nil {
			a.log.Warn("the times of a manager are not those of this one", "manager", id, "name", u.Name, "error", err)
		}
		return nil
	}, func() (*tls.Certificate, error) {
		u, err := a.upper(id)
		if err != nil {
			return nil, err
		}
		return &tls.Certificate{Certificate: [][]byte{u.certificate.Raw}, PrivateKey: a.keys.identity, Leaf: u.certificate}, nil
	}), nil
}

func (a *Authority) clientConfig(verify func(tls.ConnectionState) error, show func() (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The names of package crypto/tls are those of hosts; VerifyConnection checks by ID and
		// key. It is called for each connection.
		InsecureSkipVerify:   true,
		VerifyConnection:     verify,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return show() },
	}
}

// checkServer checks the certificate of a manager that was called against the certificate of
// its authority, but for its times.
func checkServer(chain []*x509.Certificate, root *x509.Certificate, want peer.ID) error {
	if len(chain) == 0 {
		return errors.New("the manager that was called shows no certificate")
	}
	c := chain[0]
	id, err := proven(c)
	if err != nil {
		return err
	}
	if id != want {
		return fmt.Errorf("manager %s answers where %s was called", id, want)
	}
	if err := signed(c, root, x509.ExtKeyUsageServerAuth); err != nil {
		return fmt.Errorf("manager %s answers with a certificate that is not from the authority that was joined", id)
	}
	return nil
}

// checkClocks holds the times of the certificate of a manager that was called against the
// clock here.
func checkClocks(c *x509.Certificate, id peer.ID, now time.Time) error {
	switch {
	case now.Before(c.NotBefore.Add(-Apart)):
		return fmt.Errorf("%w: the one here is behind that of manager %s by %v or more", ErrClocks, id, c.NotBefore.Sub(now).Round(time.Second))
	case now.After(c.NotAfter.Add(Apart)):
		return fmt.Errorf("%w: the one here is ahead of that of manager %s by %v or more", ErrClocks, id, now.Sub(c.NotAfter).Round(time.Second))
	}
	return nil
}

// found is what a joining manager has found out about the one that it called.
type found struct {
	mu   sync.Mutex
	root *x509.Certificate // of its authority, once it is known to be the right one
	err  error             // why it is not
}

func (f *found) is(root *x509.Certificate, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.root, f.err = root, err
	return err
}

func (f *found) out() (*x509.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.root, f.err
}

// joinConfig is for calling a manager in order to join it: all that is known of it is in the
// token.
func (a *Authority) joinConfig(t *token, f *found) (*tls.Config, error) {
	own, err := a.keys.introduce(a.o.Now())
	if err != nil {
		return nil, err
	}
	return a.clientConfig(func(state tls.ConnectionState) error {
		for _, c := range state.PeerCertificates[min(1, len(state.PeerCertificates)):] {
			if !t.pins(sha256.Sum256(c.RawSubjectPublicKeyInfo)) || !signsItself(c) {
				continue
			}
			if err := checkServer(state.PeerCertificates, c, t.authority); err != nil {
				return f.is(nil, err)
			}
			if err := checkClocks(state.PeerCertificates[0], t.authority, a.o.Now()); err != nil {
				return f.is(nil, err)
			}
			return f.is(c, nil)
		}
		return f.is(nil, fmt.Errorf("%w: manager %s did; look at the address, and at what is between", ErrFingerprint, t.authority))
	}, func() (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{own.Raw}, PrivateKey: a.keys.identity, Leaf: own}, nil
	}), nil
}
