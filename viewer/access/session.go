package access

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"grove/tree/store/account"
)

// Begin begins a session of somebody who is known to be who he says, and gives the
// browser its cookie; that of before ends. A zero life of the login is the longest.
func (a *Access) Begin(ctx context.Context, w http.ResponseWriter, r *http.Request, l account.Login) (*Identity, error) {
	if l.Life <= 0 {
		l.Life = a.o.Life
	}
	l.Address, l.Agent, l.Replaces = Address(r), r.UserAgent(), readCookie(r, sessionCookie)
	before := a.o.Directory.Session(l.Replaces)
	secret, s, err := a.o.Directory.Login(ctx, l)
	if err != nil {
		return nil, err
	}
	if before != nil && before.User != s.User { // Nobody else has its cookie any more.
		if err := a.o.Directory.EndSession(ctx, account.By{Who: before.User, Origin: l.Address}, "logout", before.Session.ID); err != nil {
			a.log.Warn("the session of before goes on until its time is over", "user", before.User, "error", err)
		}
	}
	p := a.o.Directory.Session(secret)
	if p == nil {
		return nil, fmt.Errorf("the session of %s has ended at once", s.User)
	}
	setCookie(w, r, sessionCookie, secret, int(l.Life/time.Second))
	if l.Method == ByPassword {
		a.keepDevice(w, r, s.User)
	}
	return &Identity{MethodSession, p}, nil
}

// End takes the cookie of a session away, and ends the session if it is that which asks.
func (a *Access) End(ctx context.Context, w http.ResponseWriter, r *http.Request, by account.By) error {
	setCookie(w, r, sessionCookie, "", -1)
	if id := Of(ctx).Session(); id != "" {
		return a.o.Directory.EndSession(ctx, by, "logout", id)
	}
	return nil
}
