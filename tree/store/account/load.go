package account

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"grove/tree/grant"
	"grove/tree/store"
)

// topic is that of the notices of changes; their name is the user's.
const topic = "account"

func readVersion(tx *store.Tx) (version int64, err error) {
	_, err = tx.Row("SELECT version FROM account_version WHERE id = 1", nil, &version)
	return version, err
}

// Load reads everything.
func (d *Directory) Load(ctx context.Context) error {
	d.reading.Lock()
	defer d.reading.Unlock()
	var version int64
	var fresh map[string]*member
	err := d.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if version, err = readVersion(tx); err == nil {
			fresh, err = d.read(tx, "")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.members {
		if fresh[name] == nil {
			d.put(name, nil)
		}
	}
	for name, m := range fresh {
		d.put(name, m)
	}
	d.version = version
	d.changed.Store(true)
	if was := source(d.source.Swap(int32(fromDatabase))); was == fromCopy {
		d.log.Info("the users are those of the database again", "users", len(d.members))
	}
	return nil
}

// refresh reads one user.
func (d *Directory) refresh(ctx context.Context, name string) error {
	d.reading.Lock()
	defer d.reading.Unlock()
	var fresh map[string]*member
	err := d.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		fresh, err = d.read(tx, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(name, fresh[name])
	d.changed.Store(true)
	return nil
}

// put sets what is known of a user, nil that he is gone. A pass whose meaning is the same
// stays the same, so that streams go on. The lock is held.
func (d *Directory) put(name string, fresh *member) {
	old := d.members[name]
	if old == nil {
		old = &member{}
	}
	if fresh == nil {
		fresh = &member{}
		delete(d.members, name)
	} else {
		d.members[name] = fresh
	}
	d.count.Store(int64(len(d.members)))
	same := old.self != nil && fresh.self != nil && old.user.Disabled == fresh.user.Disabled && slices.Equal(old.user.Grants, fresh.user.Grants)
	if same && old.user.Password == fresh.user.Password {
		fresh.self = old.self
	} else if old.self != nil {
		old.self.gone.Store(true)
	}
	exchange(d.sessions, old.sessions, fresh.sessions, func(a, b *Pass) bool { return same && a.Session.Ends.Equal(b.Session.Ends) })
	exchange(d.tokens, old.tokens, fresh.tokens, func(a, b *Pass) bool {
		return same && a.Token.Ends.Equal(b.Token.Ends) && slices.Equal(a.Token.Grants, b.Token.Grants)
	})
}

// exchange puts fresh passes in the place of old ones, but for those that are the same.
func exchange(all, old, fresh map[hash]*Pass, same func(a, b *Pass) bool) {
	for h, p := range old {
		if next := fresh[h]; next != nil && same(p, next) {
			p.kept.Store(max(p.kept.Load(), next.kept.Load()))
			fresh[h] = p
			continue
		}
		p.gone.Store(true)
		delete(all, h)
	}
	for h, p := range fresh {
		all[h] = p
	}
}

// read returns what the database has of a user, or of all when the name is empty. What
// cannot be read lets nobody in.
func (d *Directory) read(tx *store.Tx, name string) (map[string]*member, error) {
	where, args := "", []any(nil)
	if name != "" {
		where, args = " WHERE account = $1", []any{name}
	}
	members := map[string]*member{}
	users, err := readUsers(tx, name)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		members[u.Name] = d.member(u)
	}
	err = tx.Each("SELECT id, account, hash, method, address, agent, made_at, seen_at, ends_at FROM session"+where, args, func(rows *sql.Rows) error {
		var s Session
		var text string
		var made, seen, ends int64
		if err := rows.Scan(&s.ID, &s.User, &text, &s.Method, &s.Address, &s.Agent, &made, &seen, &ends); err != nil {
			return err
		}
		m := members[s.User]
		h, err := parseHash(text)
		if m == nil || m.user.Disabled || err != nil {
			return nil
		}
		s.hash, s.Created, s.Seen, s.Ends = h, time.UnixMilli(made), time.UnixMilli(seen), time.UnixMilli(ends)
		m.addSession(d, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = tx.Each("SELECT id, account, name, hash, grants, made_at, ends_at, used_at FROM token"+where, args, func(rows *sql.Rows) error {
		var t Token
		var text, grants string
		var made, ends, used int64
		if err := rows.Scan(&t.ID, &t.User, &t.Name, &text, &grants, &made, &ends, &used); err != nil {
			return err
		}
		m := members[t.User]
		h, err := parseHash(text)
		if m == nil || err != nil {
			return nil
		}
		if t.Grants, err = readGrants(grants); err != nil {
			d.log.Error("a token lets nobody in, since its grants cannot be read", "user", t.User, "token", t.Name, "error", err)
			t.Grants = nil
		}
		t.hash, t.Created, t.Ends = h, time.UnixMilli(made), time.UnixMilli(ends)
		m.addToken(d, t, used)
		return nil
	})
	return members, err
}

// member makes a user without sessions and tokens.
func (d *Directory) member(u User) *member {
	return &member{user: u, self: d.pass(u.Name, u.Name, u.Grants), sessions: map[hash]*Pass{}, tokens: map[hash]*Pass{}}
}

func (m *member) addSession(d *Directory, s Session) {
	p := d.pass(s.User, s.User, m.user.Grants)
	p.Session = &s
	p.kept.Store(s.Seen.UnixMilli())
	m.sessions[s.hash] = p
}

// addToken adds a token that was used last at a time in Unix milliseconds.
func (m *member) addToken(d *Directory, t Token, used int64) {
	p := d.pass(t.User, "token "+t.Name+" of "+t.User, grant.Meet(t.Grants, m.user.Grants))
	p.Token = &t
	p.kept.Store(used)
	if m.user.Disabled {
		p.gone.Store(true)
	}
	m.tokens[t.hash] = p
}

// pass makes a pass of a user.
func (d *Directory) pass(user, subject string, grants []grant.Grant) *Pass {
	p := &Pass{User: user, d: d}
	p.Subject = &grant.Subject{Name: subject, Grants: grants, Valid: p.valid}
	return p
}

const userColumns = "name, title, source, subject, grants, disabled, password, made_at, changed_at, login_at"

// readUsers returns one user, or all when the name is empty.
func readUsers(tx *store.Tx, name string) (users []User, err error) {
	query, args := "SELECT "+userColumns+" FROM account", []any(nil)
	if name != "" {
		query, args = query+" WHERE name = $1", []any{name}
	}
	err = tx.Each(query, args, func(rows *sql.Rows) error {
		var u User
		var grants string
		var disabled, made, changed, login int64
		if err := rows.Scan(&u.Name, &u.Title, &u.Source, &u.Subject, &grants, &disabled, &u.Password, &made, &changed, &login); err != nil {
			return err
		}
		if u.Grants, err = readGrants(grants); err != nil {
			u.Grants = nil // He may do nothing, and is there to be mended.
		}
		u.Disabled, u.Created, u.Changed = disabled != 0, time.UnixMilli(made), time.UnixMilli(changed)
		if login != 0 {
			u.LastLogin = time.UnixMilli(login)
		}
		users = append(users, u)
		return nil
	})
	return users, err
}

// readUser returns a user, in the transaction of a change.
func readUser(tx *store.Tx, name string) (User, error) {
	users, err := readUsers(tx, name)
	if err == nil && len(users) == 0 {
		err = ErrNoUser
	}
	if err != nil {
		return User{}, err
	}
	return users[0], nil
}

// flush tells the database when sessions and tokens were last used, takes out sessions
// that have ended, and hears of uses that other managers saw. It returns how many of
// their own were told.
func (d *Directory) flush(ctx context.Context) int {
	type use struct {
		table, column string
		pass          *Pass
		id            string
		at            int64
	}
	var uses []use
	d.mu.RLock()
	for _, p := range d.sessions {
		if at := p.used.Load(); at > p.kept.Load() {
			uses = append(uses, use{"session", "seen_at", p, p.Session.ID, at})
		}
	}
	for _, p := range d.tokens {
		if at := p.used.Load(); at > p.kept.Load() {
			uses = append(uses, use{"token", "used_at", p, p.Token.ID, at})
		}
	}
	none := len(d.sessions) == 0
	d.mu.RUnlock()
	if none && len(uses) == 0 {
		return 0
	}
	now := d.o.Now()
	seen := map[hash]int64{}
	err := d.o.Store.Write(ctx, func(tx *store.Tx) error {
		for _, u := range uses {
			if _, err := tx.Exec("UPDATE "+u.table+" SET "+u.column+" = $1 WHERE id = $2 AND "+u.column+" < $3", u.at, u.id, u.at); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("DELETE FROM session WHERE ends_at <= $1 OR seen_at <= $2", now.UnixMilli(), now.Add(-d.o.Idle-2*flushEvery).UnixMilli()); err != nil {
			return err
		}
		clear(seen)
		return tx.Each("SELECT hash, seen_at FROM session WHERE seen_at >= $1", []any{now.Add(-2 * flushEvery).UnixMilli()}, func(rows *sql.Rows) error {
			var text string
			var at int64
			if err := rows.Scan(&text, &at); err != nil {
				return err
			}
			if h, err := parseHash(text); err == nil {
				seen[h] = at
			}
			return nil
		})
	})
	if err != nil {
		d.log.Debug("when users were last seen is not kept yet", "error", err)
		return 0
	}
	for _, u := range uses {
		u.pass.kept.Store(max(u.pass.kept.Load(), u.at))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for h, at := range seen {
		if p := d.sessions[h]; p != nil {
			p.kept.Store(max(p.kept.Load(), at))
		}
	}
	d.forgetEnded(now)
	if len(uses) > 0 || len(seen) > 0 {
		d.changed.Store(true)
	}
	return len(uses)
}

// forgetEnded drops sessions that have ended. The lock is held.
func (d *Directory) forgetEnded(now time.Time) {
	for h, p := range d.sessions {
		if !now.Before(p.Session.Ends) || now.Sub(p.seen()) >= d.o.Idle+2*flushEvery {
			p.gone.Store(true)
			delete(d.sessions, h)
			if m := d.members[p.User]; m != nil {
				delete(m.sessions, h)
			}
		}
	}
}
