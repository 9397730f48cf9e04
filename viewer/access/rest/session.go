package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/account"
	"grove/viewer/access"
	"grove/viewer/access/password"
)

// Me is the answer of GET /api/v1/me: who asks, and how to log in.
type Me struct {
	Name     string   `json:"name" doc:"Empty when nobody is logged in."`
	Title    string   `json:"title,omitempty"`
	Open     bool     `json:"open" doc:"No login is needed: there are no users, and the server listens on loopback."`
	Login    bool     `json:"login" doc:"A login is needed, and nobody is logged in."`
	Grants   []Grant  `json:"grants" nullable:"false"`
	Methods  []string `json:"methods" nullable:"false" doc:"How to log in: password, oidc, certificate."`
	OIDC     string   `json:"oidc,omitempty" doc:"What the login oidc is called."`
	Method   string   `json:"method,omitempty" enum:"open,session,basic,token,certificate" doc:"How this request came in."`
	Source   string   `json:"source,omitempty" doc:"Who knows the user: local, or oidc."`
	Password bool     `json:"password" doc:"The user may change his password here."`
	Expires  string   `json:"expires,omitempty" format:"date-time" doc:"When the session or the token ends."`
	Manager  string   `json:"manager,omitempty" doc:"Name of this grove."`
}

// LoginRequest is the body of POST /api/v1/session.
type LoginRequest struct {
	Name     string `json:"name" maxLength:"256"`
	Password string `json:"password" maxLength:"4096"`
}

// PasswordRequest is the body of PUT /api/v1/me/password.
type PasswordRequest struct {
	Current  string `json:"current" maxLength:"4096"`
	Password string `json:"password" maxLength:"4096" doc:"10 to 1,024 bytes."`
}

const tagLogin = "login"

// noSession is the answer to a login that was right while the database is away.
const noSession = "the login is right, but the database is away, so that no new session can begin; sessions of before go on, " +
	"and what is asked with a token, or by Basic, is answered; try again later"

func (a *API) registerSession(api huma.API) {
	huma.Register(api, operation(tagLogin, "get-me", http.MethodGet, access.PathMe, "Who asks", "What the one who asks may do, and how to log in. It needs no login.", http.StatusOK), a.getMe)
	huma.Register(api, operation(tagLogin, "login", http.MethodPost, access.PathSession, "Log in",
		"Begins a session, whose secret the cookie of the answer holds. What is wrong is not told, and takes as long for a name that nobody has.",
		http.StatusOK, http.StatusConflict, http.StatusTooManyRequests), a.login)
	huma.Register(api, operation(tagLogin, "logout", http.MethodDelete, access.PathSession, "Log out", "Ends the session of the cookie, if there is one.", http.StatusNoContent), a.logout)
	huma.Register(api, operation(tagLogin, "put-own-password", http.MethodPut, access.PathMe+"/password", "Change the own password",
		"All other sessions of the user end. Tokens go on.", http.StatusNoContent, http.StatusConflict, http.StatusTooManyRequests), a.putOwnPassword)
}

func (a *API) getMe(ctx context.Context, _ *struct{}) (*output[Me], error) {
	if !a.o.Directory.Loaded() {
		return nil, a.problem(access.ErrAway)
	}
	return answer(a.me(access.Of(ctx), grant.Of(ctx))), nil
}

// me says who somebody is.
func (a *API) me(i *access.Identity, s *grant.Subject) Me {
	m := Me{Open: a.o.Access.Open(), Login: i == nil, Grants: []Grant{}, Manager: a.o.Manager}
	m.Methods, m.OIDC = a.o.Access.Ways()
	if i == nil {
		return m
	}
	m.Name, m.Method, m.Grants = s.Name, i.Method, grantsOf(s.Grants)
	if i.Pass == nil {
		return m
	}
	switch p := i.Pass; {
	case p.Session != nil:
		m.Expires = stamp(p.Session.Ends)
	case p.Token != nil:
		m.Expires = stamp(p.Token.Ends)
	}
	if u, err := a.o.Directory.User(i.User()); err == nil {
		m.Title, m.Source = u.Title, u.Source
		m.Password = u.Password != "" && i.Method != access.MethodToken
	}
	return m
}

func (a *API) login(ctx context.Context, in *struct {
	Caller
	Body LoginRequest
}) (*output[Me], error) {
	if !a.o.Directory.Loaded() {
		return nil, a.problem(access.ErrAway)
	}
	if a.o.Access.Open() {
		return nil, huma.NewError(http.StatusConflict, "no login is needed here, since there are no users yet")
	}
	u, err := a.o.Access.Verify(in.request, in.Body.Name, in.Body.Password)
	if err != nil {
		return nil, a.problem(err)
	}
	i, err := a.o.Access.Begin(ctx, in.answer, in.request, account.Login{User: u.Name, Method: access.ByPassword})
	if errors.Is(err, account.ErrDisabled) || errors.Is(err, account.ErrNoUser) { // a moment ago
		err = access.ErrWrong
	}
	if errors.Is(err, store.ErrUnavailable) {
		a.log.Warn("a login could not be kept", "user", u.Name, "error", err)
		return nil, huma.ErrorWithHeaders(huma.NewError(http.StatusServiceUnavailable, noSession), http.Header{"Retry-After": {"2"}})
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return answer(a.me(i, i.Pass.Subject)), nil
}

func (a *API) logout(ctx context.Context, in *struct{ Caller }) (*struct{}, error) {
	err := a.o.Access.End(ctx, in.answer, in.request, by(ctx))
	if errors.Is(err, account.ErrNoSession) {
		err = nil
	}
	return nil, a.problem(err)
}

func (a *API) putOwnPassword(ctx context.Context, in *struct {
	Caller
	Body PasswordRequest
}) (*struct{}, error) {
	i := access.Of(ctx)
	if i.User() == "" || i.Method == access.MethodToken {
		return nil, a.problem(fmt.Errorf("%w: a password is changed by who has logged in with it", grant.ErrDenied))
	}
	name := i.User()
	if u, err := a.o.Directory.User(name); err != nil || u.Password == "" {
		return nil, huma.NewError(http.StatusConflict, "you have no password here to change: an admin may give you one")
	}
	if err := password.Check(name, in.Body.Password); err != nil {
		return nil, a.problem(err)
	}
	if _, err := a.o.Access.Verify(in.request, name, in.Body.Current); errors.Is(err, access.ErrWrong) {
		return nil, huma.NewError(http.StatusForbidden, "the current password is wrong")
	} else if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.setPassword(ctx, by(ctx), name, in.Body.Password, i.Session())
}

// setPassword gives a user a password that was checked.
func (a *API) setPassword(ctx context.Context, by account.By, name, secret, keep string) error {
	hash, err := a.o.Passwords.Hash(ctx, secret)
	if err == nil {
		err = a.o.Directory.SetPassword(ctx, by, name, hash, keep)
	}
	return a.problem(err)
}
