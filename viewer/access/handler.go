package access

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/tree/grant"
	"grove/tree/store/account"
	"grove/viewer/access/attempt"
	"grove/viewer/access/password"
)

// Addresses that everybody may ask for, to learn who he is and to log in.
const (
	PathMe       = "/api/v1/me"
	PathSession  = "/api/v1/session"
	pathOIDC     = "/api/v1/login/oidc"
	pathCallback = pathOIDC + "/callback"
)

// isFree says whether a request is answered whoever asks.
func (a *Access) isFree(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch r.URL.Path {
	case PathMe, pathOIDC, pathCallback:
		return read
	case PathSession:
		return r.Method == http.MethodPost || r.Method == http.MethodDelete
	}
	return false
}

// isFile says whether a request is for a file of the page, or for the health of the
// server, which say nothing about anybody.
func (a *Access) isFile(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return a.free[r.URL.Path] || r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
}

// longSecurity is how long a browser asks for nothing but TLS (RFC 6797): half a year.
const longSecurity = "max-age=15552000"

// Handler stands before every route: it says in the context who asks, and refuses who
// may not.
func (a *Access) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && !isLoopback(r.Host) { // On loopback it would hold for every other server there.
			w.Header().Set("Strict-Transport-Security", longSecurity)
		}
		if a.isFile(r) {
			next.ServeHTTP(w, r)
			return
		}
		if a.Open() {
			if h := forwarded(r); h != "" {
				a.o.Refuse(w, r, http.StatusForbidden, "this grove has no users yet, so that everybody on its machine may do everything; "+
					"a request "+h+" comes through a proxy, which may be open to others: add a user first, with grove user add NAME --role admin")
				return
			}
			next.ServeHTTP(w, r.WithContext(With(r.Context(), Opened, a.anonymous, Address(r))))
			return
		}
		who, subject, err := a.identify(r)
		switch {
		case err == nil && who != nil:
			next.ServeHTTP(w, r.WithContext(With(r.Context(), who, subject, Address(r))))
		case a.isFree(r):
			next.ServeHTTP(w, r.WithContext(grant.WithOrigin(r.Context(), Address(r))))
		default:
			a.refuse(w, r, err)
		}
	})
}

func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// Reasons for which nobody is let in.
var (
	errToken       = errors.New("the token is not known here: it has ended, was revoked, or was not copied whole")
	errScheme      = errors.New("the header Authorization is malformed, or of a kind that is not known here: Bearer and Basic are")
	errCertificate = errors.New("the certificate is that of nobody who may come in")
	ErrAway        = errors.New("the database has not been read yet, so nobody can be let in; try again later")
)

// identify returns who asks; nil when the request does not say.
func (a *Access) identify(r *http.Request) (*Identity, *grant.Subject, error) {
	if !a.o.Directory.Loaded() {
		return nil, nil, ErrAway
	}
	if c := parseAuthorization(r.Header["Authorization"]); c.scheme != schemeNone {
		return a.authorized(r, c)
	}
	if secret := readCookie(r, sessionCookie); secret != "" {
		if p := a.o.Directory.Session(secret); p != nil {
			return &Identity{MethodSession, p}, p.Subject, nil
		}
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && a.o.Certificates != "" {
		return a.certified(r)
	}
	return nil, nil, nil
}

// authorized returns who the header Authorization says.
func (a *Access) authorized(r *http.Request, c credential) (*Identity, *grant.Subject, error) {
	switch {
	case c.scheme == schemeOther:
		return nil, nil, errScheme
	case c.scheme == schemeBearer, strings.HasPrefix(c.password, account.TokenPrefix):
		token := c.token
		if c.scheme == schemeBasic {
			token = c.password // For programs that know Basic alone.
		}
		p := a.o.Directory.Token(token)
		if p == nil {
			a.book.Failed(r.Context(), attempt.Failure{Address: Address(r), Method: MethodToken, Why: "no such token"})
			return nil, nil, errToken
		}
		return &Identity{MethodToken, p}, p.Subject, nil
	}
	p, err := a.byBasic(r.Context(), c.name, c.password, Address(r))
	if err != nil {
		return nil, nil, err
	}
	return &Identity{MethodBasic, p}, p.Subject, nil
}

// certified returns whose certificate it is.
func (a *Access) certified(r *http.Request) (*Identity, *grant.Subject, error) {
	name, ok := a.o.Certificates.of(r)
	if p := a.o.Directory.Pass(name); ok && p != nil {
		chains := r.TLS.VerifiedChains
		ends := chains[0][0].NotAfter
		valid := func() bool { return p.Subject.Still() && a.o.Now().Before(ends) && a.trusts(chains) }
		subject := &grant.Subject{Name: p.Subject.Name, Grants: p.Subject.Grants, Valid: valid}
		if !subject.Still() {
			return nil, nil, errCertificate
		}
		return &Identity{MethodCertificate, p}, subject, nil
	}
	f := attempt.Failure{Address: Address(r), Method: MethodCertificate, Why: "the certificate names no user who may come in"}
	if _, err := a.o.Directory.User(name); err == nil {
		f.Name = name
	}
	a.book.Failed(r.Context(), f)
	return nil, nil, errCertificate
}

// trusts says whether a certificate still leads to an authority that is trusted: it was
// verified when the connection began, which may be long ago.
func (a *Access) trusts(chains [][]*x509.Certificate) bool {
	return a.o.Trusts == nil || slices.ContainsFunc(chains, func(c []*x509.Certificate) bool { return a.o.Trusts(c[len(c)-1]) })
}

// refuse answers who may not come in.
func (a *Access) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var wait *WaitError
	switch {
	case errors.As(err, &wait):
		w.Header().Set("Retry-After", Seconds(wait.Wait))
		a.o.Refuse(w, r, http.StatusTooManyRequests, err.Error())
		return
	case errors.Is(err, ErrAway), errors.Is(err, password.ErrBusy):
		w.Header().Set("Retry-After", "2")
		a.o.Refuse(w, r, http.StatusServiceUnavailable, err.Error())
		return
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		a.o.Refuse(w, r, http.StatusServiceUnavailable, "the request was given up")
		return
	}
	// A browser asks its user by a window of its own when Basic is offered to a page.
	w.Header().Add("WWW-Authenticate", `Bearer realm="grove"`)
	if !isBrowser(r) {
		w.Header().Add("WWW-Authenticate", `Basic realm="grove", charset="UTF-8"`)
	}
	detail := "log in first"
	if err != nil {
		detail = err.Error()
	} else if !isBrowser(r) {
		detail = "log in first: show a token as Authorization: Bearer grove_…, or the name and password of a user"
	}
	a.o.Refuse(w, r, http.StatusUnauthorized, detail)
}

// Seconds writes a wait for the header Retry-After (RFC 9110, section 10.2.3).
func Seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }

// isBrowser says whether a request comes from a browser, which names itself so, and
// mostly says for what it asks.
func isBrowser(r *http.Request) bool {
	return r.Header["Sec-Fetch-Mode"] != nil || r.Header["Origin"] != nil || strings.HasPrefix(r.UserAgent(), "Mozilla/")
}
