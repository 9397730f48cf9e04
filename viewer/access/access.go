// Package access lets people and programs in: it stands before every route of the server,
// and says who asks (package grant). The REST interface of logins, users and tokens is
// package rest.
//
// A browser has a session, whose secret is in a cookie. A program shows a token as
// "Authorization: Bearer grove_…", or the name and password of a user, or his name and a
// token, by Basic authentication. Either may show a certificate, where the server asks
// for one.
//
// As long as there are no users, and no other way to log in, a server that listens on
// loopback needs no login; what a proxy forwards is refused then, since the proxy may be
// open to others.
package access

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"grove/tree/grant"
	"grove/tree/store/account"
	"grove/tree/store/audit"
	"grove/viewer/access/attempt"
	"grove/viewer/access/oidc"
	"grove/viewer/access/password"
)

// How somebody came in.
const (
	MethodOpen        = "open" // no login is needed
	MethodSession     = "session"
	MethodBasic       = "basic"
	MethodToken       = "token"
	MethodCertificate = "certificate"
)

// The ways to log in.
const (
	ByPassword = "password"
	ByOIDC     = "oidc"
)

// Audit takes records of failed logins; *audit.Log has it.
type Audit interface {
	Append(ctx context.Context, e audit.Entry) (audit.Record, error)
}

// Options are the surroundings of an Access.
type Options struct {
	Directory *account.Directory
	Passwords *password.Hasher // nil makes the default
	Audit     Audit
	// Loopback says that the server can be reached from this machine alone.
	Loopback bool
	// OIDC, unless nil, is another way to log in. OIDCTitle is how people call it, and
	// Address the address of this server as browsers know it, "https://grove.example",
	// when it is not that which they ask for.
	OIDC               *oidc.Provider
	OIDCTitle, Address string
	// Certificates says which part of the certificate of a client is the name of a user;
	// empty: certificates let nobody in.
	Certificates CertificateName
	// Trusts says whether an authority of clients' certificates is trusted at present; nil:
	// as it was when the connection began.
	Trusts func(authority *x509.Certificate) bool
	// Life is how long a session lasts at most, 30 days when zero. One of OIDC lasts a
	// day: then the provider is asked again for the groups.
	Life time.Duration
	// Free are the addresses of files that everybody may get: the page, up to its login.
	Free []string
	// Refuse answers a request with a problem.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
	Limits attempt.Options  // Record is not used
	Now    func() time.Time // nil is time.Now
	Log    *slog.Logger     // nil is nowhere
}

// lifeOfOIDC is how long the groups that a provider told are believed.
const lifeOfOIDC = 24 * time.Hour

// Access lets in. Its methods may be called from many goroutines.
type Access struct {
	o         Options
	log       *slog.Logger
	free      map[string]bool
	anonymous *grant.Subject
	book      *attempt.Book
	basic     *basic
}

// New returns an Access.
func New(o Options) *Access {
	if o.Passwords == nil {
		o.Passwords = password.New(password.Params{}, 0)
	}
	if o.Life <= 0 {
		o.Life = 30 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, detail string) { http.Error(w, detail, status) }
	}
	a := &Access{o: o, log: o.Log, free: map[string]bool{}, basic: newBasic(o.Now)}
	for _, path := range o.Free {
		a.free[path] = true
	}
	a.anonymous = &grant.Subject{Name: grant.Anonymous.Name, Grants: grant.Anonymous.Grants, Valid: a.Open}
	o.Limits.Record, o.Limits.Now = a.failed, o.Now
	a.book = attempt.New(o.Limits)
	return a
}

// Run does what is to be done now and then until ctx ends, whose error it returns.
func (a *Access) Run(ctx context.Context) error { return a.book.Run(ctx) }

// Open says that no login is needed: nobody could.
func (a *Access) Open() bool {
	d := a.o.Directory
	return a.o.Loopback && a.o.OIDC == nil && a.o.Certificates == "" && d.Loaded() && d.Len() == 0
}

// Ways returns how somebody may log in, and how people call the login ByOIDC.
func (a *Access) Ways() (ways []string, title string) {
	ways = []string{}
	if !a.Open() {
		ways = append(ways, ByPassword)
	}
	if a.o.OIDC != nil {
		ways, title = append(ways, ByOIDC), a.o.OIDCTitle
	}
	if a.o.Certificates != "" {
		ways = append(ways, MethodCertificate)
	}
	return ways, title
}

// recordWithin bounds the writing of a failed login into the audit log.
const recordWithin = 5 * time.Second

// failed tells of failed logins.
func (a *Access) failed(ctx context.Context, f attempt.Failure) {
	who := f.Name
	if who == "" {
		who = "unknown user"
	}
	a.log.Warn("login", "user", who, "address", f.Address, "method", f.Method, "outcome", f.String())
	if a.o.Audit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	_, err := a.o.Audit.Append(ctx, audit.Entry{Who: who, Origin: f.Address, Action: "login", Target: f.Name, Became: f.Method, Outcome: f.String()})
	if err != nil {
		a.log.Error("a failed login is not in the audit log", "error", err)
	}
}

// Identity is who asks, and how he came in.
type Identity struct {
	Method string
	Pass   *account.Pass // nil when no login is needed
}

// User is the name of the user; empty when no login is needed.
func (i *Identity) User() string {
	if i == nil || i.Pass == nil {
		return ""
	}
	return i.Pass.User
}

type key struct{}

// Of returns who asks; nil is nobody.
func Of(ctx context.Context) *Identity {
	i, _ := ctx.Value(key{}).(*Identity)
	return i
}

// With returns a context in which somebody asks, from an address.
func With(ctx context.Context, i *Identity, s *grant.Subject, from string) context.Context {
	return context.WithValue(grant.WithOrigin(grant.With(ctx, s), from), key{}, i)
}

// Session is the public name of the session that asks; empty when it is none.
func (i *Identity) Session() string {
	if i == nil || i.Pass == nil || i.Pass.Session == nil {
		return ""
	}
	return i.Pass.Session.ID
}

// Opened is the identity of everybody where no login is needed.
var Opened = &Identity{Method: MethodOpen}
