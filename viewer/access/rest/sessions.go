package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/store/account"
	"grove/viewer/access"
)

// Session is a login that has not ended.
type Session struct {
	ID       string `json:"id"`
	User     string `json:"user"`
	Method   string `json:"method" doc:"password, or oidc."`
	Address  string `json:"address" doc:"Of the browser that logged in."`
	Agent    string `json:"agent,omitempty" doc:"As the browser calls itself."`
	Created  string `json:"created" format:"date-time"`
	LastSeen string `json:"last_seen" format:"date-time"`
	Expires  string `json:"expires" format:"date-time" doc:"At the latest: it ends sooner when nothing is asked for."`
	Current  bool   `json:"current" doc:"That which asks."`
}

// Sessions is the answer of GET /api/v1/sessions.
type Sessions struct {
	Sessions []Session `json:"sessions" nullable:"false" doc:"Who was seen last comes first."`
}

const (
	tagSessions  = "sessions"
	pathSessions = "/api/v1/sessions"
)

func (a *API) registerSessions(api huma.API) {
	huma.Register(api, operation(tagSessions, "list-sessions", http.MethodGet, pathSessions, "Who is logged in", "The own sessions, or those of others for admins.", http.StatusOK), a.listSessions)
	huma.Register(api, operation(tagSessions, "end-session", http.MethodDelete, pathSessions+"/{id}", "End a session", "An own one, or one of others for admins. What is open of it ends within a second.",
		http.StatusNoContent, http.StatusNotFound), a.endSession)
	huma.Register(api, operation(tagSessions, "end-sessions", http.MethodDelete, pathSessions, "End the other sessions",
		"All of who asks but that which asks; or all of another user, for admins.", http.StatusNoContent, http.StatusNotFound), a.endSessions)
}

func (a *API) listSessions(ctx context.Context, in *aboutUser) (*output[Sessions], error) {
	name, all, err := about(ctx, in.User)
	if err != nil {
		return nil, a.problem(err)
	}
	list := Sessions{[]Session{}}
	if name != "" || all {
		for _, s := range a.o.Directory.Sessions(name) {
			list.Sessions = append(list.Sessions, Session{
				ID: s.ID, User: s.User, Method: s.Method, Address: s.Address, Agent: s.Agent,
				Created: stamp(s.Created), LastSeen: stamp(s.Seen), Expires: stamp(s.Ends), Current: s.ID == access.Of(ctx).Session(),
			})
		}
	}
	return answer(list), nil
}

func (a *API) endSession(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*struct{}, error) {
	if err := a.own(ctx, in.ID, a.o.Directory.SessionOf, account.ErrNoSession); err != nil {
		return nil, err
	}
	return nil, a.problem(a.o.Directory.EndSession(ctx, by(ctx), "session end", in.ID))
}

func (a *API) endSessions(ctx context.Context, in *aboutUser) (*struct{}, error) {
	name, all, err := about(ctx, in.User)
	if err == nil && all {
		err = fmt.Errorf("%w: name one user", account.ErrWrong)
	}
	if err == nil {
		_, err = a.o.Directory.User(name)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	keep := ""
	if name == access.Of(ctx).User() {
		keep = access.Of(ctx).Session()
	}
	return nil, a.problem(a.o.Directory.EndSessions(ctx, by(ctx), name, keep))
}
