package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store/storetest"
)

// pair is two managers, the second of which has joined the first, each with a clock.
type pair struct {
	berlin, hamburg   *Authority
	berlins, hamburgs *clock
	database          *storetest.Database
	berlinTop         string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	db := storetest.SQLite(t)
	p := &pair{berlins: newClock(), hamburgs: newClock(), database: db, berlinTop: t.TempDir()}
	p.berlin = openOn(t, db.OpenAs(t, "berlin"), p.berlinTop, "berlin", p.berlins)
	p.hamburg = open(t, db, "hamburg", p.hamburgs)
	join(t, p.hamburg, p.berlin)
	return p
}

// certificate is the one that hamburg has from berlin.
func (p *pair) certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	u, err := p.hamburg.upper(p.berlin.ID())
	if err != nil {
		t.Fatal(err)
	}
	return u.certificate
}

// state is a connection on which somebody showed a certificate.
func state(c ...*x509.Certificate) tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: c}
}

// newKey makes a key and its ID.
func newKey(t *testing.T) (*ecdsa.PrivateKey, peer.ID) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := IDOf(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, id
}

// has says whether an error says something.
func has(err error, want string) bool {
	if want == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), want)
}

func TestWhoIsRefused(t *testing.T) {
	p := newPair(t)
	a := p.berlin
	key, id := newKey(t)
	now := p.berlins.Now()
	make := func(change func(c *x509.Certificate), signer *ecdsa.PrivateKey, parent *x509.Certificate, own *ecdsa.PrivateKey) *x509.Certificate {
		t.Helper()
		c := &x509.Certificate{
			SerialNumber: serialOf(a.next()), URIs: []*url.URL{uriOf(id)}, NotBefore: now.Add(-Apart), NotAfter: now.Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
		}
		change(c)
		made, err := create(c, parent, own.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	ours := func(change func(c *x509.Certificate)) *x509.Certificate {
		return make(change, a.keys.root, a.keys.authority, key)
	}
	same := func(*x509.Certificate) {}
	rsaLike, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	alike := *a.keys.authority
	alike.PublicKey = p.hamburg.keys.root.Public()
	for name, test := range map[string]struct {
		chain []*x509.Certificate
		want  string // of the error; empty is a member
	}{
		"a member":                     {[]*x509.Certificate{ours(same)}, ""},
		"no certificate":               {nil, "without a certificate"},
		"another authority":            {[]*x509.Certificate{make(same, p.hamburg.keys.root, p.hamburg.keys.authority, key)}, "is not from here"},
		"another with our name":        {[]*x509.Certificate{make(same, p.hamburg.keys.root, &alike, key)}, "is not from here"},
		"signed by a member":           {[]*x509.Certificate{make(same, p.hamburg.keys.identity, p.certificate(t), key), p.certificate(t)}, "is not from here"},
		"signed by itself, no invited": {[]*x509.Certificate{make(same, key, nil, key)}, "nobody is invited"},
		"no name":                      {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs = nil })}, "does not name a manager"},
		"the name of a host":           {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{string(id)} })}, "does not name a manager"},
		"a second name of a host":      {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.DNSNames = []string{"berlin.example"} })}, "does not name a manager"},
		"an address":                   {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })}, "does not name a manager"},
		"two names":                    {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs = append(c.URIs, uriOf(p.hamburg.ID())) })}, "does not name a manager"},
		"another scheme":               {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs[0] = &url.URL{Scheme: "https", Host: string(id)} })}, "does not name a manager"},
		"more than the name":           {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs[0] = &url.URL{Scheme: scheme, Host: string(id), Path: "/x"} })}, "does not name a manager"},
		"a name in capitals":           {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs[0] = uriOf("ABCDEF0123456789") })}, "does not name a manager"},
		"the name in the subject":      {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs = nil; c.Subject.CommonName = string(id) })}, "does not name a manager"},
		"the name of another":          {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.URIs[0] = uriOf(p.hamburg.ID()) })}, "with a key that belongs to another"},
		"another kind of key":          {[]*x509.Certificate{make(same, a.keys.root, a.keys.authority, rsaLike)}, "not on the curve P-256"},
		"for a server":                 {[]*x509.Certificate{ours(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, "is not from here"},
		"this manager itself":          {[]*x509.Certificate{make(func(c *x509.Certificate) { c.URIs[0] = uriOf(a.ID()) }, a.keys.root, a.keys.authority, a.keys.identity)}, "does not link to itself"},
		"the authority":                {[]*x509.Certificate{a.keys.authority}, "with a key that belongs to another"},
		"a number beyond all": {[]*x509.Certificate{ours(func(c *x509.Certificate) {
			c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 150)
		})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := a.Judge(state(test.chain...))
			if !has(err, test.want) {
				t.Errorf("%+v, %v; want %q", c, err, test.want)
			}
			if err == nil && (c.ID != id || c.Only != nil) || err != nil && c.ID != "" {
				t.Errorf("%+v with %v", c, err)
			}
		})
	}
}

// TestCertificatesEnd goes through the life of one on the authority's clock.
func TestCertificatesEnd(t *testing.T) {
	for name, test := range map[string]struct {
		later time.Duration
		only  string
		want  string
	}{
		"new":                         {0, "", ""},
		"a clock that was put back":   {-48 * time.Hour, "", ""},
		"at its end":                  {DefaultLife, "", ""},
		"with patience for the clock": {DefaultLife + Apart, "", ""},
		"over":                        {DefaultLife + Apart + time.Second, "authority.renew", ""},
		"off for a week":              {7 * 24 * time.Hour, "authority.renew", ""},
		"at the end of the grace":     {DefaultLife + Grace, "authority.renew", ""},
		"beyond the grace":            {DefaultLife + Grace + time.Second, "", "too long to be renewed: invite it again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.berlins.add(test.later)
			c, err := p.berlin.Judge(state(p.certificate(t)))
			if !has(err, test.want) || strings.Join(c.Only, " ") != test.only {
				t.Errorf("%+v, %v; want %q, %q", c, err, test.only, test.want)
			}
		})
	}
}

// TestClocksApart: who joins must have the time of the one that it joins, and who has joined
// goes on when a clock is wrong.
func TestClocksApart(t *testing.T) {
	for name, test := range map[string]struct {
		apart time.Duration // the caller's clock
		want  string
	}{
		"the same":            {0, ""},
		"5 minutes behind":    {-Apart, ""},
		"5 minutes ahead":     {Apart, ""},
		"6 hours behind":      {-6 * time.Hour, "too far apart: set them: the one here is behind that of manager"},
		"two days ahead":      {48 * time.Hour, "too far apart: set them: the one here is ahead of that of manager"},
		"4 minutes, both way": {-4 * time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.hamburgs.add(test.apart)
			if c, err := dial(t, p.hamburg, p.berlin); err != nil || c.Only != nil {
				t.Errorf("linking: %+v, %v", c, err)
			}
			_, err := p.hamburg.Join(t.Context(), admin, "tls://berlin:7443", invite(t, p.berlin, "hamburg"), me(p.hamburg), direct(p.berlin))
			if !has(err, test.want) {
				t.Errorf("joining: %v; want %q", err, test.want)
			}
		})
	}
}

// TestCallerTakesNobodyElse: who calls is sure of whom it called.
func TestCallerTakesNobodyElse(t *testing.T) {
	p := newPair(t)
	db := p.database
	bremen := open(t, db, "bremen", p.hamburgs)
	join(t, bremen, p.berlin)
	config, err := p.hamburg.ClientConfig(p.berlin.ID())
	if err != nil {
		t.Fatal(err)
	}
	// Bremen has a certificate of the same authority, and is not berlin for all that.
	u, err := bremen.upper(p.berlin.ID())
	if err != nil {
		t.Fatal(err)
	}
	pretend := func(c *x509.Certificate, more ...[]byte) *tls.Config {
		s := bremen.ServerConfig()
		s.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: append([][]byte{c.Raw}, more...), PrivateKey: bremen.keys.identity}, nil
		}
		return s
	}
	forged, err := create(&x509.Certificate{
		SerialNumber: serialOf(1), URIs: []*url.URL{uriOf(p.berlin.ID())}, NotBefore: p.berlins.Now(), NotAfter: p.berlins.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}, bremen.keys.authority, bremen.keys.identity.Public(), bremen.keys.root)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		server *tls.Config
		want   string
	}{
		"another manager":                        {bremen.ServerConfig(), "answers where"},
		"another member of the same authority":   {pretend(u.certificate, p.berlin.keys.authority.Raw), "answers where"},
		"one that names itself like it":          {pretend(forged, p.berlin.keys.authority.Raw), "with a key that belongs to another"},
		"one that shows berlin's certificate":    {pretend(mustServe(t, p.berlin), p.berlin.keys.authority.Raw), ""},
		"one whose authority it does not have":   {pretend(forged, bremen.keys.authority.Raw), "with a key that belongs to another"},
		"one with the authority as certificate":  {pretend(p.berlin.keys.authority), ""},
		"one with hamburg's own, thrown back":    {pretend(p.certificate(t)), ""},
		"one with the authority of another only": {pretend(bremen.keys.authority), ""},
	} {
		t.Run(name, func(t *testing.T) {
			near, far, err := wire()
			if err != nil {
				t.Fatal(err)
			}
			server := tls.Server(far, test.server)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer far.Close()
				_ = server.Handshake() // What matters is what the caller says.
			}()
			err = tls.Client(near, config).Handshake()
			near.Close()
			<-ended
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}

func mustServe(t *testing.T, a *Authority) *x509.Certificate {
	t.Helper()
	c, err := a.serve()
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// TestNothingIsResumed: with every version of TLS, a caller that remembers its sessions is
// judged anew, so a revoked one stays out.
func TestNothingIsResumed(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			config, err := p.hamburg.ClientConfig(p.berlin.ID())
			if err != nil {
				t.Fatal(err)
			}
			config.MaxVersion, config.ClientSessionCache, config.ServerName = version, tls.NewLRUClientSessionCache(8), "berlin"
			for range 3 {
				if _, err := shake(p.berlin, config); err != nil {
					t.Fatal(err)
				}
			}
			if s, ok := config.ClientSessionCache.Get("berlin"); ok {
				t.Errorf("a session may be resumed: %v", s)
			}
			if _, err := p.berlin.Revoke(t.Context(), admin, p.hamburg.ID(), "stolen"); err != nil {
				t.Fatal(err)
			}
			if _, err := shake(p.berlin, config); err == nil || !strings.Contains(err.Error(), "was revoked") {
				t.Errorf("after that: %v", err)
			}
		})
	}
	t.Run("older versions", func(t *testing.T) {
		p := newPair(t)
		config, err := p.hamburg.ClientConfig(p.berlin.ID())
		if err != nil {
			t.Fatal(err)
		}
		config.MinVersion, config.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
		if _, err := shake(p.berlin, config); err == nil {
			t.Error("TLS 1.1 is taken")
		}
	})
}

// TestServedCertificateIsRenewed: who is called for years shows a certificate of today.
func TestServedCertificateIsRenewed(t *testing.T) {
	p := newPair(t)
	first := mustServe(t, p.berlin)
	p.berlins.add(DefaultLife / 2)
	if !mustServe(t, p.berlin).Equal(first) {
		t.Error("it was made anew too soon")
	}
	p.berlins.add(DefaultLife / 4)
	if mustServe(t, p.berlin).Equal(first) {
		t.Error("it was not made anew after two thirds of its life")
	}
	p.berlins.add(-365 * 24 * time.Hour) // The clock was wrong, and is right now.
	if c := mustServe(t, p.berlin); c.NotBefore.After(p.berlins.Now()) {
		t.Error("it is one of the future")
	}
}

func TestSerialNumbers(t *testing.T) {
	for _, number := range []int64{0, 1, 1_700_000_000_000, 1<<63 - 1} {
		if got := numberOf(&x509.Certificate{SerialNumber: serialOf(number)}); got != number {
			t.Errorf("%d comes back as %d", number, got)
		}
	}
	if id := nameIn(&x509.Certificate{URIs: []*url.URL{uriOf("0123456789012345")}}); id != "0123456789012345" {
		t.Errorf("an ID of digits alone is %q", id)
	}
}
