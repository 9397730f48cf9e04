package access

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"grove/tree/store"
	"grove/tree/store/account"
	"grove/viewer/access/attempt"
	"grove/viewer/access/oidc"
)

// OpenID serves the login by another provider, at /api/v1/login/oidc and below it: the
// browser goes there, to the provider, and comes back.
func (a *Access) OpenID() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := r.URL.Path == pathOIDC || r.URL.Path == pathCallback
		switch {
		case a.o.OIDC == nil || !known:
			a.o.Refuse(w, r, http.StatusNotFound, "there is nothing at this address")
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			a.o.Refuse(w, r, http.StatusMethodNotAllowed, "only GET is served here")
		case r.URL.Path == pathOIDC:
			a.toProvider(w, r)
		default:
			a.fromProvider(w, r)
		}
	})
}

// maxThen bounds the place on the page to come back to, in bytes.
const maxThen = 1024

// thenOf makes what a client sent a place on the page: nobody is sent elsewhere.
func thenOf(text string) string {
	if !strings.HasPrefix(text, "#/") || len(text) > maxThen {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path != "" {
		return ""
	}
	return (&url.URL{Fragment: u.Fragment}).String()
}

// guesses is the name under which tries to log in by a provider are counted, for each
// address. They take nothing from the logins by a password there.
const guesses = "openid"

func (a *Access) toProvider(w http.ResponseWriter, r *http.Request) {
	then := thenOf(r.URL.Query().Get("then"))
	address := strings.TrimSuffix(a.o.Address, "/")
	if address == "" {
		u := url.URL{Scheme: "http", Host: r.Host}
		if secure(r) {
			u.Scheme = "https"
		}
		address = u.String()
	}
	to, cookie, err := a.o.OIDC.Begin(r.Context(), address+pathCallback, then)
	if err != nil {
		a.failedLogin(w, r, "", then, err)
		return
	}
	setCookie(w, r, loginCookie, cookie, 600)
	redirect(w, to)
}

func (a *Access) fromProvider(w http.ResponseWriter, r *http.Request) {
	cookie := readCookie(r, loginCookie)
	setCookie(w, r, loginCookie, "", -1)
	guess := attempt.Guess{Name: guesses, Address: Address(r), Device: attempt.Network(Address(r))}
	if wait := a.book.Begin(guess); wait > 0 {
		w.Header().Set("Retry-After", Seconds(wait))
		a.o.Refuse(w, r, http.StatusTooManyRequests, (&WaitError{wait}).Error())
		return
	}
	who, then, err := a.o.OIDC.Finish(r.Context(), cookie, r.URL.Query())
	if err == nil {
		_, err = a.Begin(r.Context(), w, r, account.Login{
			Provided: &account.User{Name: who.Name, Title: clipped(who.Title), Source: ByOIDC, Subject: who.Subject, Grants: who.Grants},
			Method:   ByOIDC, Life: min(lifeOfOIDC, a.o.Life),
		})
	}
	if errors.Is(err, oidc.ErrStale) {
		a.book.Return(guess) // The provider was not asked: any page can send a browser here.
	}
	if errors.Is(err, oidc.ErrNoGrants) {
		// The provider knows who it is, and says that he may do nothing from now on.
		if failed := a.o.Directory.Withdraw(r.Context(), account.By{Who: ByOIDC, Origin: Address(r)}, ByOIDC, who.Subject); failed != nil {
			a.log.Error("a user keeps for now what the provider does not grant any more", "user", who.Name, "error", failed)
		}
	}
	if err != nil {
		a.failedLogin(w, r, who.Name, then, err)
		return
	}
	a.book.Return(guess)
	redirect(w, "/"+then)
}

// clipped shortens a title that a provider tells.
func clipped(title string) string {
	if len(title) > account.MaxTitleBytes {
		return strings.ToValidUTF8(title[:account.MaxTitleBytes], "")
	}
	return title
}

// redirect sends a browser on; where it came from is in no history.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// reason is why a login failed: a word for the page, which has its own text for it, and
// one for the audit log.
type reason struct {
	err       error
	code, why string
}

var reasons = []reason{
	{oidc.ErrDenied, "denied", "the provider refused it"},
	{oidc.ErrStale, "stale", "it took too long, or was begun in another browser"},
	{oidc.ErrNoGrants, "grants", "none of the groups has a role here"},
	{account.ErrTaken, "taken", "the name belongs to another user"},
	{account.ErrDisabled, "disabled", "the user is disabled"},
	{oidc.ErrUnavailable, "unavailable", "the provider does not answer as it should"},
	{store.ErrUnavailable, "unavailable", "the database is not available"},
}

func reasonOf(err error) reason {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r
		}
	}
	return reason{err, "failed", "see the log"}
}

// failedLogin sends a browser back to the page, which says why.
func (a *Access) failedLogin(w http.ResponseWriter, r *http.Request, name, then string, err error) {
	a.oidcFailed(r, name, err)
	query := url.Values{"problem": {reasonOf(err).code}}
	if then != "" {
		query.Set("then", then)
	}
	redirect(w, "/#/login?"+query.Encode())
}

// oidcFailed tells of a login by another provider that failed.
func (a *Access) oidcFailed(r *http.Request, name string, err error) {
	a.log.Warn("login by OpenID failed", "address", Address(r), "error", err)
	f := attempt.Failure{Address: Address(r), Method: ByOIDC, Why: reasonOf(err).why}
	if _, unknown := a.o.Directory.User(name); unknown == nil {
		f.Name = name
	}
	a.book.Failed(r.Context(), f)
}
