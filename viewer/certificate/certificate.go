// Package certificate keeps the certificate of a server that speaks TLS, from files that
// may be changed while it runs: a certificate that was renewed is used from the next
// connection on. A new pair that is no pair, or cannot be read, leaves the one in use as
// it is, and is told.
package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say which files.
type Options struct {
	// Cert and Key are PEM files: the certificate with those between it and its authority,
	// and its private key.
	Cert, Key string
	// ClientCA is a PEM file with the authorities of clients' certificates; empty asks
	// for none. A client without one comes in without one.
	ClientCA string
	// Every is how often the files are looked at; two seconds when zero.
	Every time.Duration
	// Changed, unless nil, is called when Status says something else, by the goroutine of
	// Run.
	Changed func()
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is nowhere
}

// maxFile bounds each file in bytes.
const maxFile = 1 << 20

// Keeper keeps a certificate. Its methods may be called from many goroutines.
type Keeper struct {
	o    Options
	used atomic.Pointer[inUse]

	mu     sync.Mutex // guards the fields below
	tried  [sha256.Size]byte
	status Status
}

// inUse is what the files held when they were whole.
type inUse struct {
	config      *tls.Config
	leaf        *x509.Certificate
	names       []string
	authorities map[[sha256.Size]byte]bool // of clients, by the SHA-256 of the certificate of each
}

// Status is what is in use.
type Status struct {
	Names []string  // that the certificate is for
	Ends  time.Time // of the certificate
	// Err says why the files are not in use as they are now.
	Err error
}

// Open reads the files.
func Open(o Options) (*Keeper, error) {
	if o.Every <= 0 {
		o.Every = 2 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{o: o}
	if _, err := k.look(); err != nil {
		return nil, err
	}
	return k, nil
}

// Config is for a listener of TLS.
func (k *Keeper) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12, // RFC 9325, section 3.1.1
		NextProtos:         protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.used.Load().config, nil },
	}
}

var protocols = []string{"h2", "http/1.1"}

// Trusts says whether an authority of clients' certificates is in the file at present: one
// that was taken out is so for connections, too, that began before.
func (k *Keeper) Trusts(authority *x509.Certificate) bool {
	return k.used.Load().authorities[sha256.Sum256(authority.Raw)]
}

// Status returns what is in use.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// Run looks at the files until ctx ends, whose error it returns.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			changed, err := k.look()
			switch {
			case !changed:
				continue
			case err != nil:
				k.o.Log.Error("the new certificate is not used, the one before still is", "error", err)
			default:
				k.o.Log.Info("a new certificate is in use", "names", k.Status().Names, "ends", k.Status().Ends)
			}
			if k.o.Changed != nil {
				k.o.Changed()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look reads the files, and uses what they hold if it is something else than before and
// whole. Its error says why it is not used.
func (k *Keeper) look() (changed bool, err error) {
	sum := sha256.New()
	var texts [3][]byte
	for i, name := range []string{k.o.Cert, k.o.Key, k.o.ClientCA} {
		text, failed := readFile(name)
		if failed != nil {
			err = errors.Join(err, failed)
			text = []byte(failed.Error())
		}
		texts[i] = text
		one := sha256.Sum256(text)
		sum.Write(one[:])
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := [sha256.Size]byte(sum.Sum(nil))
	if bytes.Equal(now[:], k.tried[:]) {
		return false, nil
	}
	k.tried = now
	var next *inUse
	if err == nil {
		next, err = k.make(texts[0], texts[1], texts[2])
	}
	k.status.Err = err
	if err == nil {
		k.status = Status{Names: next.names, Ends: next.leaf.NotAfter}
		// A new one has its own keys of tickets: nobody resumes a session of before, with
		// a certificate of an authority that is gone.
		k.used.Store(next)
	}
	return true, err
}

func readFile(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s is longer than %d bytes", name, maxFile)
	}
	return text, nil
}

// make puts a configuration together.
func (k *Keeper) make(cert, key, ca []byte) (*inUse, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", k.o.Cert, k.o.Key, err)
	}
	u := &inUse{leaf: pair.Leaf, names: slices.Clone(pair.Leaf.DNSNames)}
	if now := k.o.Now(); now.After(u.leaf.NotAfter) {
		return nil, fmt.Errorf("%s: the certificate has ended at %s", k.o.Cert, u.leaf.NotAfter.UTC().Format(time.RFC3339))
	} else if now.Before(u.leaf.NotBefore) {
		return nil, fmt.Errorf("%s: the certificate begins at %s", k.o.Cert, u.leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	u.config = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, Certificates: []tls.Certificate{pair}}
	if k.o.ClientCA != "" {
		u.config.ClientAuth = tls.VerifyClientCertIfGiven
		if u.config.ClientCAs, u.authorities, err = readAuthorities(ca); err != nil {
			return nil, fmt.Errorf("%s: %w", k.o.ClientCA, err)
		}
	}
	for _, ip := range u.leaf.IPAddresses {
		u.names = append(u.names, ip.String())
	}
	if len(u.names) == 0 {
		u.names = []string{u.leaf.Subject.CommonName}
	}
	return u, nil
}

// readAuthorities reads certificates in PEM. One that cannot be read spoils all: who wrote
// it there wants it to count.
func readAuthorities(text []byte) (*x509.CertPool, map[[sha256.Size]byte]bool, error) {
	pool, known := x509.NewCertPool(), map[[sha256.Size]byte]bool{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate %d in it: %w", len(known)+1, err)
		}
		pool.AddCert(c)
		known[sha256.Sum256(c.Raw)] = true
	}
	if len(known) == 0 {
		return nil, nil, errors.New("there is no certificate in PEM in it")
	}
	return pool, known, nil
}
