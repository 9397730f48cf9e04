package authority

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"grove/notify/peer"
)

// standing is what a manager may do over its link.
type standing uint8

// The standings.
const (
	// joiner has proven its ID and is not known yet.
	joiner standing = iota + 1
	// expired was let in before, and its certificate is over.
	expired
	member
)

// only are the kinds that it may ask; nil is all.
func (s standing) only() []string {
	switch s {
	case member:
		return nil
	case expired:
		return []string{kindRenew}
	case joiner:
		return []string{kindJoin}
	}
	return []string{}
}

// verdict is what is known of who calls.
type verdict struct {
	id       peer.ID
	standing standing
	ends     time.Time // of the certificate
}

// ErrRevoked is wrapped by the error of a certificate that was revoked.
var ErrRevoked = errors.New("was revoked")

// Judge says who is at the other end of a connection that was made with ServerConfig, by the
// certificate of its handshake, and what it may ask; an error is that it may not link. It
// looks at the revocations of now, so it can be asked again of a connection that stands.
func (a *Authority) Judge(state tls.ConnectionState) (peer.Caller, error) {
	if len(state.PeerCertificates) == 0 {
		return peer.Caller{}, errors.New("a link without a certificate")
	}
	v, err := a.judge(state.PeerCertificates[0])
	if err != nil {
		return peer.Caller{}, err
	}
	return peer.Caller{ID: v.id, Only: v.standing.only(), Ends: v.ends}, nil
}

func (a *Authority) judge(c *x509.Certificate) (verdict, error) {
	id, err := proven(c)
	if err != nil {
		return verdict{}, err
	}
	now := a.o.Now()
	v := verdict{id: id, ends: c.NotAfter}
	if err := signed(c, a.keys.authority, x509.ExtKeyUsageClientAuth); err != nil {
		if signsItself(c) {
			return a.judgeJoiner(v, now)
		}
		return verdict{}, fmt.Errorf("the certificate of manager %s is not from here: invite it, and let it join", id)
	}
	if id == a.keys.id {
		return verdict{}, errors.New("a manager does not link to itself")
	}
	if err := a.notRevoked(id, numberOf(c)); err != nil {
		return verdict{}, err
	}
	// When it begins is of no interest: it was this manager that made it, whose clock may
	// have been put back since.
	switch {
	case now.After(c.NotAfter.Add(Grace)):
		return verdict{}, fmt.Errorf("the certificate of manager %s is over since %s, too long to be renewed: invite it again", id, c.NotAfter.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter.Add(Apart)):
		v.standing = expired
	default:
		v.standing = member
		a.saw(id, c.NotAfter)
	}
	return v, nil
}

// signsItself says whether a certificate is signed with its own key.
func signsItself(c *x509.Certificate) bool {
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// judgeJoiner lets somebody in who is not known, as long as somebody is expected.
func (a *Authority) judgeJoiner(v verdict, now time.Time) (verdict, error) {
	if v.id == a.keys.id {
		return verdict{}, errors.New("a manager does not join itself")
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, o := range a.open {
		if now.Before(o.ends) && (o.by == "" || o.by == v.id) {
			v.standing = joiner
			return v, nil
		}
	}
	return verdict{}, fmt.Errorf("manager %s wants to join, and nobody is invited: grove peer invite NAME", v.id)
}

func (a *Authority) notRevoked(id peer.ID, number int64) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.revoked.covers(id, number) {
		return fmt.Errorf("the certificate of manager %s %w at %s: invite it again to let it in", id, ErrRevoked, a.revoked.of[id].Time.UTC().Format(time.RFC3339))
	}
	return nil
}

// saw remembers until when a manager has a certificate.
func (a *Authority) saw(id peer.ID, ends time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ends.After(a.ends[id]) {
		a.ends[id] = ends
	}
}

// Valid says whether a link of a manager may stand: nil, or why not. It is for links that
// stand for longer than the certificate with which they were made.
func (a *Authority) Valid(id peer.ID) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	ends, known := a.ends[id]
	e, revoked := a.revoked.of[id]
	switch {
	case !known && revoked:
		return fmt.Errorf("manager %s %w at %s", id, ErrRevoked, e.Time.UTC().Format(time.RFC3339))
	case !known:
		return fmt.Errorf("manager %s has no certificate from here", id)
	case a.o.Now().After(ends.Add(Apart)):
		return fmt.Errorf("the certificate of manager %s is over since %s", id, ends.UTC().Format(time.RFC3339))
	}
	return nil
}

// Admits says whether a manager that comes by a way without certificates, such as a cluster, is
// to be heard: it is not when this authority has revoked it and it has not joined again, which
// it may. A request to renew is judged by the certificate that is in it.
func (a *Authority) Admits(id peer.ID, kind string) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	e, revoked := a.revoked.of[id]
	if _, again := a.ends[id]; !revoked || again || kind == kindJoin || kind == kindRenew {
		return nil
	}
	return fmt.Errorf("manager %s %w at %s: invite it again to let it in", id, ErrRevoked, e.Time.UTC().Format(time.RFC3339))
}

// Revoked says whether a manager was revoked by this authority, or by one that this manager
// has joined, and has not joined again since as far as it is known here.
func (a *Authority) Revoked(id peer.ID) (Revocation, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if e, ok := a.revoked.of[id]; ok {
		if _, again := a.ends[id]; !again {
			return e, true
		}
	}
	for _, u := range a.uppers {
		if e, ok := u.revoked.of[id]; ok {
			return e, true
		}
	}
	return Revocation{}, false
}
