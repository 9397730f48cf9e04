package certificate

import (
	"crypto/dsa" //nolint:staticcheck // it is looked for because it is deprecated
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// The least bits of keys that NIST SP 800-131A allows.
	leastRSA, leastEC = 2048, 224
	// maxCertificates bounds those of a file and of a chain.
	maxCertificates = 100
)

// parse reads the certificates of a PEM file.
func parse(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" {
			continue
		}
		if len(chain) == maxCertificates {
			return nil, fmt.Errorf("has more than %d certificates", maxCertificates)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return chain, nil
}

// key describes a public key: its algorithm and size.
func key(c *x509.Certificate) (algorithm string, bits int) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "ECDSA", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "Ed25519", 256
	case *dsa.PublicKey:
		return "DSA", k.P.BitLen()
	}
	return c.PublicKeyAlgorithm.String(), 0
}

func selfSigned(c *x509.Certificate) bool {
	return slices.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(c) == nil
}

// weaknesses says what in a chain is no longer taken for safe. The signature of a
// self-signed authority does not count, as nobody relies on it.
func weaknesses(chain []*x509.Certificate, version uint16) []string {
	var found []string
	for i, c := range chain {
		switch algorithm, bits := key(c); {
		case algorithm == "RSA" && bits < leastRSA, algorithm == "ECDSA" && bits < leastEC, algorithm == "DSA":
			found = append(found, fmt.Sprintf("certificate %d has a key of %s with %d bits", i+1, algorithm, bits))
		}
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
			if i == 0 || !slices.Equal(c.RawSubject, c.RawIssuer) {
				found = append(found, fmt.Sprintf("certificate %d is signed with %s", i+1, c.SignatureAlgorithm))
			}
		}
	}
	if version != 0 && version < tls.VersionTLS12 {
		found = append(found, tls.VersionName(version)+" is deprecated (RFC 8996)")
	}
	return found
}

// names are all that a certificate is for, in its order.
func names(c *x509.Certificate) []string {
	list := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	list = append(list, c.EmailAddresses...)
	for _, u := range c.URIs {
		list = append(list, u.String())
	}
	if len(list) == 0 && c.Subject.CommonName != "" {
		list = append(list, c.Subject.CommonName)
	}
	return list
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// stapled says what a stapled OCSP response says of a certificate: none, good, revoked,
// unknown, expired or invalid.
func stapled(response []byte, chain []*x509.Certificate, now time.Time) string {
	if len(response) == 0 {
		return "none"
	}
	var issuer *x509.Certificate
	if len(chain) > 1 {
		issuer = chain[1]
	}
	r, err := ocsp.ParseResponseForCert(response, chain[0], issuer)
	switch {
	case err != nil:
		return "invalid"
	case r.Status == ocsp.Revoked:
		return "revoked"
	case r.Status != ocsp.Good:
		return "unknown"
	case !r.NextUpdate.IsZero() && now.After(r.NextUpdate):
		return "expired"
	}
	return "good"
}

// clean is a text of a certificate as it may be shown.
func clean(text string) string {
	const most = 1000
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "�")
}
