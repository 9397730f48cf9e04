// Package rest is the REST interface of who may come in: logins, users, tokens and
// sessions. Who asks is known by package access, which stands before it.
package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/account"
	"grove/viewer/access"
	"grove/viewer/access/password"
)

// Options are the surroundings of the operations.
type Options struct {
	Access    *access.Access
	Directory *account.Directory
	Passwords *password.Hasher
	// Manager is the name of this manager.
	Manager string
	// Problem makes answers of errors that this room does not know.
	Problem func(error) error
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is nowhere
}

// API holds the operations; Register adds them.
type API struct {
	o   Options
	log *slog.Logger
}

// New returns the operations.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Problem == nil {
		o.Problem = func(err error) error { return err }
	}
	return &API{o, o.Log}
}

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	a.registerSession(api)
	a.registerUsers(api)
	a.registerTokens(api)
	a.registerSessions(api)
}

// operation describes one of them; more are the statuses of errors besides the common.
func operation(tag, id, method, path, summary, description string, status int, more ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{tag}, DefaultStatus: status,
		Errors: append(more, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable),
	}
}

// Caller is who asks. It is part of the input of operations.
type Caller struct {
	request *http.Request
	answer  http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (c *Caller) Resolve(ctx huma.Context) []error {
	c.request, c.answer = humago.Unwrap(ctx)
	return nil
}

// by is who asks, for the audit log.
func by(ctx context.Context) account.By {
	return account.By{Who: grant.Of(ctx).Name, Origin: grant.Origin(ctx)}
}

// Grant is what somebody may do, and where.
type Grant struct {
	Role     string `json:"role" enum:"viewer,operator,editor,admin"`
	Path     string `json:"path,omitempty" default:"/" maxLength:"1024" doc:"With everything below it." example:"/shop"`
	Customer string `json:"customer,omitempty" maxLength:"128" doc:"Only what is this customer's there."`
}

func grantsOf(list []grant.Grant) []Grant {
	grants := make([]Grant, len(list))
	for i, g := range list {
		grants[i] = Grant{g.Role.String(), g.Path.String(), g.Customer}
	}
	return grants
}

// parseGrants reads grants that a client sent.
func parseGrants(list []Grant) ([]grant.Grant, error) {
	grants := make([]grant.Grant, len(list))
	for i, g := range list {
		role, err := grant.ParseRole(g.Role)
		if err != nil {
			return nil, huma.NewError(http.StatusUnprocessableEntity, err.Error())
		}
		path, err := tree.ParsePath(g.Path)
		if err != nil {
			return nil, huma.NewError(http.StatusUnprocessableEntity, err.Error())
		}
		grants[i] = grant.Grant{Role: role, Path: path, Customer: g.Customer}
	}
	return grants, nil
}

// stamp writes a time as all of the REST interface does; a zero one is no time.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// output is an answer that nobody keeps.
type output[T any] struct {
	CacheControl string `header:"Cache-Control"`
	Body         T
}

func answer[T any](body T) *output[T] { return &output[T]{"no-store", body} }

// told are errors whose whole text is for the client.
var told = []struct {
	err    error
	status int
}{
	{grant.ErrDenied, http.StatusForbidden},
	{account.ErrNoUser, http.StatusNotFound},
	{account.ErrNoToken, http.StatusNotFound},
	{account.ErrNoSession, http.StatusNotFound},
	{account.ErrExists, http.StatusConflict},
	{account.ErrLast, http.StatusConflict},
	{account.ErrForeign, http.StatusConflict},
	{account.ErrDisabled, http.StatusConflict},
	{account.ErrFirst, http.StatusUnprocessableEntity},
	{account.ErrWrong, http.StatusUnprocessableEntity},
	{password.ErrWeak, http.StatusUnprocessableEntity},
	{password.ErrBusy, http.StatusServiceUnavailable},
	{access.ErrAway, http.StatusServiceUnavailable},
}

// kept are errors of the database, of which the client is told the kind alone.
var kept = []struct {
	err    error
	status int
	text   string
}{
	{store.ErrFull, http.StatusInsufficientStorage, "the disk of the database is full"},
	{store.ErrTaken, http.StatusServiceUnavailable, "another grove writes under the name of this one"},
	{store.ErrUnavailable, http.StatusServiceUnavailable, "the database is not available; try again later"},
	{store.ErrClosed, http.StatusServiceUnavailable, "grove is stopping"},
}

// problem makes the answer of an error.
func (a *API) problem(err error) error {
	var wait *access.WaitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wait):
		return huma.ErrorWithHeaders(huma.NewError(http.StatusTooManyRequests, err.Error()), http.Header{"Retry-After": {access.Seconds(wait.Wait)}})
	case errors.Is(err, access.ErrWrong):
		return huma.ErrorWithHeaders(huma.NewError(http.StatusUnauthorized, err.Error()), http.Header{"WWW-Authenticate": {`Bearer realm="grove"`}})
	}
	for _, t := range told {
		if errors.Is(err, t.err) {
			return huma.NewError(t.status, err.Error())
		}
	}
	for _, k := range kept {
		if errors.Is(err, k.err) {
			a.log.Warn("a request failed", "error", err)
			return huma.NewError(k.status, k.text)
		}
	}
	return a.o.Problem(err)
}

// admin says whether who asks may manage users.
func admin(ctx context.Context) error { return grant.DemandWhole(grant.Of(ctx), grant.Admin) }

// person returns the user who asks by himself: with a token nobody changes what lets him
// in, unless it is that of who may manage users.
func person(ctx context.Context) (string, error) {
	i := access.Of(ctx)
	switch name := i.User(); {
	case name == "":
		return "", huma.NewError(http.StatusUnprocessableEntity, "no login is needed here, so you are no user: say whom you mean")
	case i.Method == access.MethodToken && admin(ctx) != nil:
		return "", fmt.Errorf("%w: a token may not do this: log in", grant.ErrDenied)
	default:
		return name, nil
	}
}

// about returns the user whom an operation is about: whom the client named, which only
// who manages users may when it is another, or who asks. A star is all.
func about(ctx context.Context, named string) (name string, all bool, err error) {
	if named == "" {
		name, err = person(ctx)
		return name, false, err
	}
	if named == "*" {
		return "", true, admin(ctx)
	}
	if name, err = account.Name(named); err != nil {
		return "", false, err
	}
	if i := access.Of(ctx); i.User() == name && i.Method != access.MethodToken {
		return name, false, nil
	}
	return name, false, admin(ctx)
}
