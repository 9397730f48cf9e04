package account

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// source is where what the directory knows comes from.
type source int32

const (
	fromNowhere source = iota
	fromCopy
	fromDatabase
)

// Recall reads the copy of a manager that starts while its database is away: those whom
// it has come in until Load, or Run, has read the database, whose word counts from then
// on. Without a copy, or with one that is damaged or of another database, nobody comes in
// until then. It does nothing once the database was read.
func (d *Directory) Recall() error {
	if d.o.Copy == "" || d.source.Load() != int32(fromNowhere) {
		return nil
	}
	c, err := readCopy(d.o.Copy)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: there is none", errCopy)
	}
	if err == nil && c.Database != d.o.Database {
		err = fmt.Errorf("%w: it is that of another database", errCopy)
	}
	if err != nil {
		d.log.Error("nobody can be let in until the database answers", "copy", d.o.Copy, "error", err)
		return err
	}
	d.reading.Lock()
	defer d.reading.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.source.CompareAndSwap(int32(fromNowhere), int32(fromCopy)) {
		return nil
	}
	for i := range c.Users {
		d.put(c.Users[i].Name, d.recalled(&c.Users[i]))
	}
	d.log.Warn("the database is away: until it answers, those come in whom the copy of the users has", "copy", d.o.Copy, "written", timeOf(c.Written), "users", len(c.Users))
	return nil
}

// recalled is a user of a copy.
func (d *Directory) recalled(c *copiedUser) *member {
	m := d.member(User{
		Name: c.Name, Title: c.Title, Source: c.Source, Subject: c.Subject, Grants: c.Grants, Disabled: c.Disabled, Password: c.Password,
		Created: timeOf(c.Created), Changed: timeOf(c.Changed), LastLogin: timeOf(c.Login),
	})
	for _, s := range c.Sessions {
		h, err := parseHash(s.Hash)
		if err != nil {
			continue // Cannot be after a check.
		}
		m.addSession(d, Session{
			ID: s.ID, User: c.Name, Method: s.Method, Address: s.Address, Agent: s.Agent,
			Created: timeOf(s.Created), Seen: timeOf(s.Seen), Ends: timeOf(s.Ends), hash: h,
		})
	}
	for _, t := range c.Tokens {
		h, err := parseHash(t.Hash)
		if err != nil {
			continue // Cannot be after a check.
		}
		m.addToken(d, Token{ID: t.ID, User: c.Name, Name: t.Name, Grants: t.Grants, Created: timeOf(t.Created), Ends: timeOf(t.Ends), hash: h}, t.Used)
	}
	return m
}

// Copied says whether the directory works from its copy, since the database was not read
// yet.
func (d *Directory) Copied() bool { return d.source.Load() == int32(fromCopy) }

// copyEvery is how long a change may wait until the copy has it, and copyAgain the
// longest wait after one that could not be written.
const (
	copyEvery = 500 * time.Millisecond
	copyAgain = 30 * time.Second
)

// keepCopy keeps the copy like the directory until ctx ends.
func (d *Directory) keepCopy(ctx context.Context) {
	if err := removeUnfinished(filepath.Dir(d.o.Copy)); err != nil {
		d.log.Warn("what is left of copies of the users cannot be removed", "error", err)
	}
	for wait := copyEvery; ; {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		err := d.writeCopy()
		switch {
		case err == nil:
			wait = copyEvery
			continue
		case wait == copyEvery: // It is told once.
			d.log.Error("the copy of the users cannot be written; it stays as it is, for a start without the database", "copy", d.o.Copy, "error", err)
		}
		wait = min(2*wait, copyAgain)
	}
}

// writeCopy writes the copy if anything has changed that the database has.
func (d *Directory) writeCopy() error {
	if d.o.Copy == "" || d.source.Load() != int32(fromDatabase) || !d.changed.Swap(false) {
		return nil
	}
	text, err := d.content().encode()
	if err != nil {
		// The copy of before would let in who is not to come in any more.
		if gone := os.Remove(d.o.Copy); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	} else {
		err = writeCopy(d.o.Copy, text)
	}
	if err != nil {
		d.changed.Store(true)
	}
	return err
}

// content is what the directory knows, as a copy has it.
func (d *Directory) content() *content {
	c := &content{Database: d.o.Database, Written: d.o.Now().UnixMilli(), Users: []copiedUser{}}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, m := range d.members {
		u := &m.user
		to := copiedUser{
			Name: u.Name, Title: u.Title, Source: u.Source, Subject: u.Subject, Grants: u.Grants, Disabled: u.Disabled, Password: u.Password,
			Created: milli(u.Created), Changed: milli(u.Changed), Login: milli(u.LastLogin),
		}
		for h, p := range m.sessions {
			s := p.Session
			to.Sessions = append(to.Sessions, copiedSession{
				ID: s.ID, Hash: h.String(), Method: s.Method, Address: s.Address, Agent: s.Agent,
				Created: milli(s.Created), Seen: milli(p.seen()), Ends: milli(s.Ends),
			})
		}
		for h, p := range m.tokens {
			t := p.Token
			to.Tokens = append(to.Tokens, copiedToken{
				ID: t.ID, Name: t.Name, Hash: h.String(), Grants: t.Grants, Created: milli(t.Created), Ends: milli(t.Ends), Used: max(p.used.Load(), p.kept.Load()),
			})
		}
		c.Users = append(c.Users, to)
	}
	return c
}
