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
	o      Options
	config atomic.Pointer[tls.Config]

	mu     sync.Mutex // guards the fields below
	tried  [sha256.Size]byte
	status Status
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
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.config.Load(), nil },
	}
}

var protocols = []string{"h2", "http/1.1"}

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
	var config *tls.Config
	var names []string
	var ends time.Time
	if err == nil {
		config, names, ends, err = k.make(texts[0], texts[1], texts[2])
	}
	k.status.Err = err
	if err == nil {
		k.status = Status{Names: names, Ends: ends}
		// A new one has its own keys of tickets: nobody resumes a session of before, with
		// a certificate of an authority that is gone.
		k.config.Store(config)
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
func (k *Keeper) make(cert, key, ca []byte) (c *tls.Config, names []string, ends time.Time, err error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, ends, fmt.Errorf("%s and %s: %w", k.o.Cert, k.o.Key, err)
	}
	leaf := pair.Leaf
	if now := k.o.Now(); now.After(leaf.NotAfter) {
		return nil, nil, ends, fmt.Errorf("%s: the certificate has ended at %s", k.o.Cert, leaf.NotAfter.UTC().Format(time.RFC3339))
	} else if now.Before(leaf.NotBefore) {
		return nil, nil, ends, fmt.Errorf("%s: the certificate begins at %s", k.o.Cert, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	c = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, Certificates: []tls.Certificate{pair}}
	if k.o.ClientCA != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, nil, ends, fmt.Errorf("%s: there is no certificate in PEM in it", k.o.ClientCA)
		}
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, pool
	}
	names = slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{leaf.Subject.CommonName}
	}
	return c, names, leaf.NotAfter, nil
}
