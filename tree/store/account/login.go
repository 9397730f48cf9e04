package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/tree/store"
	"grove/tree/store/audit"
)

// Login is somebody whom the caller knows to be who he says.
type Login struct {
	User string
	// Provided, in the place of User, is somebody whom another provider knows: who is
	// found by Source and Subject, has its Title and Grants from now on, and is made with
	// its Name when he is new.
	Provided       *User
	Method         string // "password", "oidc"
	Address, Agent string
	Life           time.Duration // of the session, at most
	// Replaces is the secret of the session that the browser had before; it ends.
	Replaces string
}

const maxAgentBytes = 200

// Login begins a session and returns what the cookie is to hold.
func (d *Directory) Login(ctx context.Context, l Login) (secret string, s Session, err error) {
	name := l.User
	if l.Provided != nil {
		if err := l.Provided.check(); err != nil {
			return "", s, err
		}
		// Another process may know him under another name than this one.
		if name, err = d.nameOf(ctx, l.Provided); err != nil {
			return "", s, err
		}
	}
	secret = newSecret()
	err = d.write(ctx, name, func(tx *store.Tx) ([]audit.Entry, error) {
		by := By{Who: name, Origin: l.Address}
		var entries []audit.Entry
		if l.Provided != nil {
			more, err := d.provide(tx, By{Who: l.Method, Origin: l.Address}, name, l.Provided)
			if err != nil {
				return nil, err
			}
			entries = more
		}
		u, err := readUser(tx, name)
		if err != nil {
			return nil, err
		}
		if u.Disabled {
			return nil, ErrDisabled
		}
		now := d.o.Now().Truncate(time.Millisecond)
		h := hashOf(secret)
		agent := store.Clean(l.Agent)
		if len(agent) > maxAgentBytes {
			agent = store.Clean(agent[:maxAgentBytes])
		}
		s = Session{ID: newID(), User: name, Method: l.Method, Address: l.Address, Agent: agent, Created: now, Seen: now, Ends: now.Add(l.Life), hash: h}
		if _, err := tx.Exec("DELETE FROM session WHERE account = $1 AND (hash = $2 OR id IN "+
			"(SELECT id FROM session WHERE account = $3 ORDER BY seen_at DESC, id LIMIT 1000 OFFSET $4))",
			name, hashOf(l.Replaces).String(), name, MaxSessions-1); err != nil {
			return nil, err
		}
		if _, err := tx.Exec("INSERT INTO session (id, account, hash, method, address, agent, made_at, seen_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			s.ID, name, h.String(), s.Method, s.Address, s.Agent, now.UnixMilli(), now.UnixMilli(), s.Ends.UnixMilli()); err != nil {
			return nil, err
		}
		if _, err := tx.Exec("UPDATE account SET login_at = $1 WHERE name = $2", now.UnixMilli(), name); err != nil {
			return nil, err
		}
		e := by.entry("login", name)
		e.Became = l.Method
		return append(entries, e), nil
	})
	if errors.Is(err, store.ErrUnique) {
		err = fmt.Errorf("user %s: %w", name, ErrTaken)
	}
	if err != nil {
		return "", s, err
	}
	return secret, s, nil
}

// nameOf returns under which name the user of another provider is known, or will be.
func (d *Directory) nameOf(ctx context.Context, u *User) (name string, err error) {
	name = u.Name
	err = d.o.Store.Read(ctx, func(tx *store.Tx) error {
		found, err := tx.Row("SELECT name FROM account WHERE source = $1 AND subject = $2", []any{u.Source, u.Subject}, &name)
		if err != nil || found {
			return err
		}
		other, err := readUser(tx, u.Name)
		if err == nil && (other.Source != u.Source || other.Subject != u.Subject) {
			return fmt.Errorf("user %s: %w", u.Name, ErrTaken)
		}
		if errors.Is(err, ErrNoUser) {
			return nil
		}
		return err
	})
	return name, err
}

// provide makes the user of another provider, or gives him what it says of him now.
func (d *Directory) provide(tx *store.Tx, by By, name string, p *User) ([]audit.Entry, error) {
	u, err := readUser(tx, name)
	if errors.Is(err, ErrNoUser) {
		fresh := *p
		return d.insert(tx, by, &fresh)
	}
	if err != nil {
		return nil, err
	}
	if u.Source != p.Source || u.Subject != p.Subject {
		return nil, ErrTaken
	}
	was := u.shown()
	if u.Title == p.Title && slices.Equal(u.Grants, p.Grants) {
		return nil, nil
	}
	u.Title, u.Grants = p.Title, p.Grants
	_, err = tx.Exec("UPDATE account SET title = $1, grants = $2, changed_at = $3 WHERE name = $4", u.Title, writeGrants(u.Grants), d.o.Now().UnixMilli(), name)
	e := by.entry("user change", name)
	e.Was, e.Became = was, u.shown()
	return []audit.Entry{e}, err
}

// Withdraw takes everything from the user of another provider, who lets him in no more:
// his sessions and tokens may do nothing from then on. One who is not there has nothing.
func (d *Directory) Withdraw(ctx context.Context, by By, source, subject string) error {
	if source == Local || subject == "" {
		return nil // Nobody else decides on those.
	}
	var name string
	var found bool
	err := d.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Row("SELECT name FROM account WHERE source = $1 AND subject = $2", []any{source, subject}, &name)
		return err
	})
	if err != nil || !found {
		return err
	}
	return d.write(ctx, name, func(tx *store.Tx) ([]audit.Entry, error) {
		u, err := readUser(tx, name)
		if errors.Is(err, ErrNoUser) || err == nil && (u.Source != source || u.Subject != subject || len(u.Grants) == 0) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return d.provide(tx, by, name, &User{Source: source, Subject: subject, Title: u.Title})
	})
}

// EndSession ends a session; action is "logout" or "session end".
func (d *Directory) EndSession(ctx context.Context, by By, action, id string) error {
	s, err := d.session(id)
	if err != nil {
		return err
	}
	return d.write(ctx, s.User, func(tx *store.Tx) ([]audit.Entry, error) {
		n, err := tx.Exec("DELETE FROM session WHERE id = $1", id)
		if err == nil && n == 0 {
			err = ErrNoSession
		}
		e := by.entry(action, s.User)
		e.Was = s.Method + " from " + s.Address
		return []audit.Entry{e}, err
	})
}

// session finds a session by its public name.
func (d *Directory) session(id string) (Session, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range d.sessions {
		if p.Session.ID == id {
			return *p.Session, nil
		}
	}
	return Session{}, ErrNoSession
}

// SessionOf returns whose session it is that has a public name.
func (d *Directory) SessionOf(id string) (user string, err error) {
	s, err := d.session(id)
	return s.User, err
}

// EndSessions ends all sessions of a user but the one to keep, which may be empty.
func (d *Directory) EndSessions(ctx context.Context, by By, name, keep string) error {
	return d.write(ctx, name, func(tx *store.Tx) ([]audit.Entry, error) {
		n, err := tx.Exec("DELETE FROM session WHERE account = $1 AND id <> $2", name, keep)
		if err != nil || n == 0 {
			return nil, err
		}
		e := by.entry("session end", name)
		e.Was = fmt.Sprintf("%d sessions", n)
		return []audit.Entry{e}, nil
	})
}
