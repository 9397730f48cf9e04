package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"grove/notify/peer"
)

// scheme begins the URI that names a manager in a certificate.
const scheme = "grove"

func uriOf(id peer.ID) *url.URL { return &url.URL{Scheme: scheme, Host: string(id)} }

// nameIn is the ID that a certificate names; empty is none. It is the only name there is.
func nameIn(c *x509.Certificate) peer.ID {
	return nameOf(c.URIs, c.DNSNames, c.EmailAddresses, len(c.IPAddresses))
}

func nameOf(uris []*url.URL, dns, mail []string, addresses int) peer.ID {
	if len(uris) != 1 || len(dns)+len(mail)+addresses > 0 {
		return ""
	}
	text, ok := strings.CutPrefix(uris[0].String(), scheme+"://")
	id := peer.ID(text)
	if !ok || id.Check() != nil {
		return ""
	}
	return id
}

// proven is the ID that a certificate names, when its key is that of the ID.
func proven(c *x509.Certificate) (peer.ID, error) {
	id := nameIn(c)
	if id == "" {
		return "", errors.New("the certificate does not name a manager of grove")
	}
	of, err := IDOf(c.PublicKey)
	if err != nil {
		return "", fmt.Errorf("the certificate: %w", err)
	}
	if of != id {
		return "", fmt.Errorf("the certificate names manager %s with a key that belongs to another", id)
	}
	return id, nil
}

// serialOf makes a serial number (RFC 5280, section 4.1.2.2): the number of the certificate,
// which is what revoking goes by, and 64 random bits, which nobody can foretell.
func serialOf(number int64) *big.Int {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(number))
	_, _ = rand.Read(b[8:]) // It never fails: package crypto/rand ends the program first.
	return new(big.Int).SetBytes(b[:])
}

// numberOf is the number in a serial number.
func numberOf(c *x509.Certificate) int64 {
	n := new(big.Int).Rsh(c.SerialNumber, 64)
	if !n.IsInt64() {
		return 0
	}
	return n.Int64()
}

// certifyRoot makes the certificate of the authority. One that takes the place of another
// begins when that did, so that what was signed meanwhile lies within it.
func (k *keys) certifyRoot(name string, now time.Time) error {
	begins := now.Add(-Apart)
	if k.authority != nil {
		begins = k.authority.NotBefore
	}
	c, err := create(&x509.Certificate{
		SerialNumber: serialOf(0),
		Subject:      pkix.Name{Organization: []string{"grove"}, CommonName: "peers of " + name},
		URIs:         []*url.URL{uriOf(k.id)},
		NotBefore:    begins, NotAfter: now.Add(rootLife),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, MaxPathLenZero: true, BasicConstraintsValid: true,
	}, nil, k.root.Public(), k.root)
	k.authority = c
	return err
}

// certify makes a certificate of a manager for one use.
func (k *keys) certify(id peer.ID, key crypto.PublicKey, number int64, use x509.ExtKeyUsage, now time.Time, life time.Duration) (*x509.Certificate, error) {
	return create(&x509.Certificate{
		SerialNumber: serialOf(number),
		Subject:      pkix.Name{Organization: []string{"grove"}, CommonName: string(id)},
		URIs:         []*url.URL{uriOf(id)},
		NotBefore:    now.Add(-Apart), NotAfter: now.Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}, BasicConstraintsValid: true,
	}, k.authority, key, k.root)
}

// introduce makes a certificate that this manager signs itself: it proves its ID to an
// authority that does not know it yet.
func (k *keys) introduce(now time.Time) (*x509.Certificate, error) {
	return create(&x509.Certificate{
		SerialNumber: serialOf(0),
		Subject:      pkix.Name{Organization: []string{"grove"}, CommonName: string(k.id)},
		URIs:         []*url.URL{uriOf(k.id)},
		NotBefore:    now.Add(-Apart), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}, nil, k.identity.Public(), k.identity)
}

// create signs a certificate; a nil parent is the certificate itself.
func create(c, parent *x509.Certificate, key crypto.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// request makes a certificate request (RFC 2986), whose signature proves that this manager
// has its key.
func (k *keys) request() ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{Organization: []string{"grove"}, CommonName: string(k.id)}, URIs: []*url.URL{uriOf(k.id)},
	}, k.identity)
}

// readRequest returns the key of a request of a manager. Nothing else is taken from it.
func readRequest(der []byte, of peer.ID) (crypto.PublicKey, error) {
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, errors.New("the certificate request cannot be read")
	}
	if err := r.CheckSignature(); err != nil {
		return nil, errors.New("the certificate request is not signed with its own key")
	}
	id, err := IDOf(r.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("the certificate request: %w", err)
	}
	if id != of || nameOf(r.URIs, r.DNSNames, r.EmailAddresses, len(r.IPAddresses)) != of {
		return nil, fmt.Errorf("the certificate request is not one of manager %s, who sent it", of)
	}
	return r.PublicKey, nil
}

// signed says whether a certificate was made by an authority, for one use. Time is left to
// the caller, who knows what it means: it is taken to be within that of the certificate.
func signed(c, root *x509.Certificate, use x509.ExtKeyUsage) error {
	roots := x509.NewCertPool()
	roots.AddCert(root)
	at := c.NotAfter
	if root.NotAfter.Before(at) {
		at = root.NotAfter
	}
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use}})
	return err
}
