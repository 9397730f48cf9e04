package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/audit"
)

// refreshWithin bounds the reading of what was just written.
const refreshWithin = 5 * time.Second

// write makes a change of one user's and what belongs to it: it is committed together
// with the records of it, which do returns, and known here when write returns.
func (d *Directory) write(ctx context.Context, name string, do func(*store.Tx) ([]audit.Entry, error)) error {
	err := d.o.Store.Write(ctx, func(tx *store.Tx) error {
		// Raising the number first makes other managers wait until this is committed.
		var version int64
		if _, err := tx.Row("INSERT INTO account_version (id, version) VALUES (1, 1) "+
			"ON CONFLICT (id) DO UPDATE SET version = account_version.version + 1 RETURNING version", nil, &version); err != nil {
			return err
		}
		entries, err := do(tx)
		if err != nil {
			return err
		}
		for _, e := range entries {
			e.Outcome = "ok"
			if _, err := d.o.Audit.Add(tx, e); err != nil {
				return err
			}
		}
		tx.Notify(store.Notice{Topic: topic, Name: name, Revision: version})
		return nil
	})
	if err != nil {
		return err
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshWithin)
	defer cancel()
	if err := d.refresh(after, name); err != nil {
		d.log.Warn("a change of a user is not known here yet", "user", name, "error", err) // The notice will tell.
	}
	return nil
}

func (by By) entry(action, target string) audit.Entry {
	return audit.Entry{Who: by.Who, Origin: by.Origin, Action: action, Target: target}
}

// shown is a user as the audit log has him.
func (u *User) shown() string {
	text := GrantsText(u.Grants)
	if u.Disabled {
		text += "; disabled"
	}
	if u.Title != "" {
		text += "; title " + u.Title
	}
	return text
}

// managed says whether anybody is left in the transaction who may manage users, if there
// was one before.
func managed(tx *store.Tx, before bool) error {
	users, err := readUsers(tx, "")
	if err != nil || !before || slices.ContainsFunc(users, func(u User) bool { return u.Manages() }) {
		return err
	}
	return ErrLast
}

// Add makes a user. The first one has to be able to manage users.
func (d *Directory) Add(ctx context.Context, by By, u User) (User, error) {
	if err := u.check(); err != nil {
		return User{}, err
	}
	err := d.write(ctx, u.Name, func(tx *store.Tx) ([]audit.Entry, error) { return d.insert(tx, by, &u) })
	if errors.Is(err, store.ErrUnique) {
		err = fmt.Errorf("user %s: %w", u.Name, ErrExists)
	}
	return u, err
}

func (d *Directory) insert(tx *store.Tx, by By, u *User) ([]audit.Entry, error) {
	var count int
	if _, err := tx.Row("SELECT COUNT(*) FROM account", nil, &count); err != nil {
		return nil, err
	}
	switch {
	case count == 0 && !u.Manages() && u.Source == Local:
		return nil, ErrFirst
	case count >= MaxUsers:
		return nil, fmt.Errorf("%w: %d users are all there is room for", ErrWrong, MaxUsers)
	}
	u.Created = d.o.Now().Truncate(time.Millisecond)
	u.Changed = u.Created
	if err := d.forget(tx, u.Name); err != nil {
		return nil, err
	}
	_, err := tx.Exec("INSERT INTO account ("+userColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
		u.Name, u.Title, u.Source, u.Subject, writeGrants(u.Grants), flag(u.Disabled), u.Password, u.Created.UnixMilli(), u.Changed.UnixMilli())
	e := by.entry("user add", u.Name)
	e.Became = u.shown()
	return []audit.Entry{e}, err
}

// forget has others forget who had a name.
func (d *Directory) forget(tx *store.Tx, name string) error {
	if d.o.Forget == nil {
		return nil
	}
	return d.o.Forget(tx, name)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Change says what of a user becomes another; nil stays as it is.
type Change struct {
	Title    *string
	Grants   *[]grant.Grant
	Disabled *bool
}

// Change changes a user. One who is disabled loses his sessions; his tokens let nobody in
// until he is enabled again.
func (d *Directory) Change(ctx context.Context, by By, name string, c Change) (u User, err error) {
	err = d.write(ctx, name, func(tx *store.Tx) ([]audit.Entry, error) {
		if u, err = readUser(tx, name); err != nil {
			return nil, err
		}
		was := u
		if c.Title != nil {
			u.Title = *c.Title
		}
		if c.Grants != nil {
			if u.Source != Local && !slices.Equal(u.Grants, *c.Grants) {
				return nil, fmt.Errorf("what %s may do %w", name, ErrForeign)
			}
			u.Grants = *c.Grants
		}
		if c.Disabled != nil {
			u.Disabled = *c.Disabled
		}
		if err := u.check(); err != nil {
			return nil, err
		}
		e := by.entry("user change", name)
		e.Was, e.Became = was.shown(), u.shown()
		if e.Was == e.Became {
			return nil, nil
		}
		u.Changed = d.o.Now().Truncate(time.Millisecond)
		if _, err := tx.Exec("UPDATE account SET title = $1, grants = $2, disabled = $3, changed_at = $4 WHERE name = $5",
			u.Title, writeGrants(u.Grants), flag(u.Disabled), u.Changed.UnixMilli(), name); err != nil {
			return nil, err
		}
		if u.Disabled {
			if _, err := tx.Exec("DELETE FROM session WHERE account = $1", name); err != nil {
				return nil, err
			}
		}
		return []audit.Entry{e}, managed(tx, was.Manages())
	})
	return u, err
}

// SetPassword gives a user another password, by its hash; his sessions end but the one
// to keep, which may be empty.
func (d *Directory) SetPassword(ctx context.Context, by By, name, hash, keep string) error {
	return d.write(ctx, name, func(tx *store.Tx) ([]audit.Entry, error) {
		u, err := readUser(tx, name)
		if err != nil {
			return nil, err
		}
		if u.Source != Local {
			return nil, fmt.Errorf("the password of %s %w", name, ErrForeign)
		}
		if _, err := tx.Exec("UPDATE account SET password = $1, changed_at = $2 WHERE name = $3", hash, d.o.Now().UnixMilli(), name); err != nil {
			return nil, err
		}
		_, err = tx.Exec("DELETE FROM session WHERE account = $1 AND id <> $2", name, keep)
		return []audit.Entry{by.entry("user password", name)}, err
	})
}

// Rehash puts a stronger hash of the same password in the place of the one that it was
// made from. Nothing else is changed by it, so the audit log does not tell of it.
func (d *Directory) Rehash(ctx context.Context, name, from, to string) error {
	return d.write(ctx, name, func(tx *store.Tx) ([]audit.Entry, error) {
		_, err := tx.Exec("UPDATE account SET password = $1 WHERE name = $2 AND password = $3", to, name, from)
		return nil, err
	})
}

// Remove removes a user with his sessions and tokens.
func (d *Directory) Remove(ctx context.Context, by By, name string) error {
	return d.write(ctx, name, func(tx *store.Tx) ([]audit.Entry, error) {
		u, err := readUser(tx, name)
		if err != nil {
			return nil, err
		}
		for _, query := range []string{"DELETE FROM session WHERE account = $1", "DELETE FROM token WHERE account = $1", "DELETE FROM account WHERE name = $1"} {
			if _, err := tx.Exec(query, name); err != nil {
				return nil, err
			}
		}
		if err := d.forget(tx, name); err != nil {
			return nil, err
		}
		e := by.entry("user remove", name)
		e.Was = u.shown()
		return []audit.Entry{e}, managed(tx, u.Manages())
	})
}
