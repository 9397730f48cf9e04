package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"grove/runtime/probe/secret"
	"grove/tree/store"
	"grove/tree/store/account"
	"grove/viewer"
	"grove/viewer/access"
	"grove/viewer/access/oidc"
	"grove/viewer/access/password"
	"grove/viewer/access/rest"
	"grove/viewer/certificate"
)

// AccessConfig says how people and programs come in.
type AccessConfig struct {
	// TLSCert and TLSKey are the PEM files of the server's certificate and its key;
	// empty: it speaks plain HTTP.
	TLSCert, TLSKey string
	// ClientCA is a PEM file with the authorities of certificates by which clients come
	// in, and ClientName the part of a certificate that is the name of the user:
	// subject, email or dns.
	ClientCA, ClientName string
	// SessionIdle ends a session in which nothing was asked for so long, and SessionLife
	// each one. Zero is the default of each.
	SessionIdle, SessionLife time.Duration
	OIDC                     OIDCConfig
}

// OIDCConfig is an OpenID provider that knows users; without an issuer there is none.
type OIDCConfig struct {
	Issuer, Client string
	Secret         string // where it is: file:/path, env:NAME or credential:NAME; empty: the client has none
	Title          string // how people call it
	Address        string // of this manager, as browsers know it; empty: as they ask for it
	Name, Groups   string // claims
	Scopes         []string
	Grants         []string // GROUP=GRANT
}

// door is what lets in.
type door struct {
	directory   *account.Directory
	access      *access.Access
	rest        *rest.API
	certificate *certificate.Keeper // nil: plain HTTP
	provider    *oidc.Provider      // nil: none
}

// checkAccess refuses what cannot work; every error says which flag to change. An address
// that others can reach needs TLS, unless Insecure says otherwise.
func (c *Config) checkAccess() error {
	a := &c.Access
	switch {
	case (a.TLSCert == "") != (a.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together: a certificate and its private key")
	case a.ClientCA != "" && a.TLSCert == "":
		return errors.New("--client-ca: clients show certificates by TLS alone: give --tls-cert and --tls-key, too")
	case !viewer.IsLoopback(c.Listen) && a.TLSCert == "" && !c.Insecure:
		return fmt.Errorf("--listen %s: others could reach this address, and read the passwords on their way to it: give --tls-cert and --tls-key, "+
			"or listen on 127.0.0.1 behind a proxy that speaks TLS, or say --insecure where the network is as safe as TLS", c.Listen)
	}
	switch access.CertificateName(a.ClientName) {
	case "", access.SubjectName, access.EmailName, access.DNSName:
	default:
		return fmt.Errorf("--client-name %.40q: subject, email or dns is wanted", a.ClientName)
	}
	if a.OIDC.Secret != "" {
		if err := secret.Ref(a.OIDC.Secret).Check(); err != nil {
			return fmt.Errorf("--oidc-secret: %w", err)
		}
	}
	return nil
}

// readWithin bounds the wait for the users when grove starts.
const readWithin = 10 * time.Second

// accountsFile is, in the data directory, the copy of the users of a database that is a
// server. A file is never away without the copy, so it has none. No backup has it:
// the database is in there.
const accountsFile = "accounts.json"

// copyOf says where the copy of the users is, and of which database; a password in its
// address is no part of that.
func (c *Config) copyOf() (file, database string) {
	if !strings.Contains(c.Database, "://") {
		return "", "" // It is a file.
	}
	address := c.Database
	if u, err := url.Parse(address); err == nil {
		query := u.Query()
		for _, secret := range []string{"password", "sslpassword"} {
			query.Del(secret)
		}
		u.RawQuery = query.Encode()
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		address = u.String()
	}
	sum := sha256.Sum256([]byte(address))
	return filepath.Join(c.Data, accountsFile), hex.EncodeToString(sum[:])
}

// openAccess reads who may come in, once the database is open, or from the copy of it
// while it is away. An address that others can reach is refused while nobody could log in.
func (a *App) openAccess(page fs.FS) (err error) {
	c := &a.config
	d := &a.door
	file, database := c.copyOf()
	d.directory = account.New(account.Options{
		Store: a.past.facts, Audit: a.past.audit, Idle: c.Access.SessionIdle, Copy: file, Database: database, Forget: forgetUser, Log: a.log,
	})
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	switch err := d.directory.Load(ctx); {
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded) && file != "":
		_ = d.directory.Recall() // It has told why nobody comes in until the database answers.
	case err != nil:
		return err
	}
	if c.Access.TLSCert != "" {
		d.certificate, err = certificate.Open(certificate.Options{Cert: c.Access.TLSCert, Key: c.Access.TLSKey, ClientCA: c.Access.ClientCA, Changed: a.tellAccess, Log: a.log})
		if err != nil {
			return fmt.Errorf("%w: TLS: %w", ErrConfig, err)
		}
	}
	if d.provider, err = openProvider(c.Access.OIDC); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if d.provider != nil {
		a.onStop("OpenID provider", func(context.Context) error { d.provider.Close(); return nil })
	}
	if !viewer.IsLoopback(c.Listen) && d.provider == nil && d.directory.Loaded() && d.directory.Len() == 0 {
		return fmt.Errorf("%w: --listen %s: others could reach this address, and there are no users yet, so that nobody could log in: add one first, with\n\tgrove user add NAME --role admin%s",
			ErrConfig, c.Listen, c.where())
	}
	passwords := password.New(password.Params{}, 0)
	o := access.Options{
		Directory: d.directory, Passwords: passwords, Audit: a.past.audit, Loopback: viewer.IsLoopback(c.Listen),
		OIDC: d.provider, OIDCTitle: c.Access.OIDC.Title, Address: c.Access.OIDC.Address,
		Life: c.Access.SessionLife, Free: pageFiles(page), Refuse: viewer.WriteProblem, Log: a.log,
	}
	if c.Access.ClientCA != "" {
		o.Certificates = access.CertificateName(c.Access.ClientName)
		if o.Certificates == "" {
			o.Certificates = access.SubjectName
		}
		o.Trusts = d.certificate.Trusts
	}
	d.access = access.New(o)
	d.rest = rest.New(rest.Options{
		Access: d.access, Directory: d.directory, Passwords: passwords, Manager: c.Name, Problem: viewer.Problem, Log: a.log,
	})
	return nil
}

// where are the flags of grove user that lead to the same database.
func (c *Config) where() string {
	switch {
	case c.Database != "":
		return " --database " + c.Database
	case c.Data != "data":
		return " --data " + c.Data
	}
	return ""
}

// openProvider makes the client of an OpenID provider; nil when there is none.
func openProvider(c OIDCConfig) (*oidc.Provider, error) {
	if c.Issuer == "" {
		return nil, nil
	}
	o := oidc.Options{Issuer: c.Issuer, ClientID: c.Client, Scopes: c.Scopes, Name: c.Name, Groups: c.Groups}
	if c.Secret != "" {
		o.Secret = func() (string, error) { return readSecret(c.Secret) }
	}
	for _, text := range c.Grants {
		r, err := oidc.ParseRule(text)
		if err != nil {
			return nil, fmt.Errorf("--oidc-grant %w", err)
		}
		o.Grants = append(o.Grants, r)
	}
	p, err := oidc.New(o)
	if err != nil {
		return nil, fmt.Errorf("--oidc-issuer and the flags beside it: %w", err)
	}
	return p, nil
}

// pageFiles are the addresses of the files of the page, which show its login to those who
// are not logged in.
func pageFiles(page fs.FS) []string {
	files := []string{"/"}
	if page == nil {
		return files
	}
	err := fs.WalkDir(page, ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, "/"+name)
		}
		return err
	})
	if err != nil {
		return files[:1] // The server says what is wrong with the page.
	}
	slices.Sort(files)
	return files
}

// tlsConfig is for the listener; nil is plain HTTP.
func (a *App) tlsConfig() *tls.Config {
	if a.door.certificate == nil {
		return nil
	}
	return a.door.certificate.Config()
}

// Scheme is how the manager is asked: http, or https.
func (a *App) Scheme() string {
	if a.door.certificate == nil {
		return "http"
	}
	return "https"
}

// loginMounts serve the login by an OpenID provider, where there is one.
func (a *App) loginMounts() []viewer.Mount {
	if a.door.provider == nil {
		return nil
	}
	return []viewer.Mount{{Prefix: "/api/v1/login/oidc", Handler: a.door.access.OpenID()}}
}

// runAccess keeps who may come in like the database, until Stop.
func (a *App) runAccess() {
	a.run("users", a.door.directory.Run)
	a.run("logins", a.door.access.Run)
	a.run("access", a.keepAccess)
	if a.door.certificate != nil {
		a.run("certificate", a.door.certificate.Run)
	}
	if a.door.access.Open() {
		a.log.Warn("no login is needed: everybody on this machine may do everything; a first user ends that", "command", "grove user add NAME --role admin"+a.config.where())
	}
}
