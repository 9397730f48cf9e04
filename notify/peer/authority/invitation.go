package authority

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"grove/notify/peer"
	"grove/tree/store"
)

// How long an invitation holds.
const (
	DefaultInvitation = 24 * time.Hour
	MaxInvitation     = 30 * 24 * time.Hour
)

// keepUsed is how long invitations that were used, or are over, are still listed.
const keepUsed = 30 * 24 * time.Hour

// Invitation lets one manager join, without its secret.
type Invitation struct {
	ID         string // public
	Name       string // of the manager that is expected, for people
	By         string // who invited
	Made, Ends time.Time
	Used       time.Time // zero: not yet
	UsedBy     peer.ID   // empty: not yet
}

// Open says whether somebody can still join by it.
func (i *Invitation) Open(now time.Time) bool { return i.Used.IsZero() && now.Before(i.Ends) }

// opening is an invitation by which somebody can join.
type opening struct {
	id   string
	ends time.Time
	by   peer.ID // who used it, and alone may do so again; empty: nobody yet
}

// used returns what is left of an opening once somebody has used it.
func (o opening) used(by peer.ID, at time.Time) opening { return opening{o.id, at.Add(repeatFor), by} }

// checkName says whether something can be the name of a manager.
func checkName(name string) error {
	if name == "" || len(name) > MaxNameBytes || strings.TrimSpace(name) != name || store.Clean(name) != name ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '/' }) {
		return fmt.Errorf("%.80q is none: it has 1 to %d bytes that can be printed, no slash, and no space at its ends", name, MaxNameBytes)
	}
	return nil
}

// Invite makes a token with which one manager can join until it is used or its time is over;
// zero is DefaultInvitation. The token is returned once and kept nowhere. A *peer.Refusal says
// what cannot be.
func (a *Authority) Invite(ctx context.Context, by By, name string, span time.Duration) (token string, made Invitation, err error) {
	if span == 0 {
		span = DefaultInvitation
	}
	if err := checkName(name); err != nil {
		return "", made, peer.Refuse(peer.Invalid, "the name of the manager: %v", err)
	}
	if span < time.Minute || span > MaxInvitation {
		return "", made, peer.Refuse(peer.Invalid, "an invitation for %v: a minute to %d days is possible", span, MaxInvitation/24/time.Hour)
	}
	now := a.o.Now().Truncate(time.Millisecond)
	made = Invitation{ID: strings.ToLower(rand.Text()[:13]), Name: name, By: by.Who, Made: now, Ends: now.Add(span).Truncate(time.Millisecond)}
	t := a.newToken()
	err = a.o.Store.Write(ctx, func(tx *store.Tx) error {
		if err := a.pruneInvitations(tx, now); err != nil {
			return err
		}
		var count int
		if _, err := tx.Row("SELECT COUNT(*) FROM peer_invitation WHERE manager = $1 AND authority = $2", []any{tx.Manager(), string(a.keys.id)}, &count); err != nil {
			return err
		}
		if count >= MaxInvitations {
			return peer.Refuse(peer.Refused, "there are %d invitations, which is all there is room for: withdraw some", count)
		}
		if _, err := tx.Exec("INSERT INTO peer_invitation (manager, authority, id, hash, name, made_by, made_at, ends_at, used_by, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0)",
			tx.Manager(), string(a.keys.id), made.ID, t.secret.hash(), name, store.Clean(by.Who), now.UnixMilli(), made.Ends.UnixMilli()); err != nil {
			return err
		}
		e := by.entry("peer invite", name)
		e.Became = "invitation " + made.ID + " until " + made.Ends.UTC().Format(time.RFC3339)
		_, err := a.o.Audit.Add(tx, e)
		return err
	})
	if err != nil {
		return "", Invitation{}, fmt.Errorf("invitation of %s: %w", name, err)
	}
	a.mu.Lock()
	a.open = slices.DeleteFunc(a.open, func(o opening) bool { return !now.Before(o.ends) })
	a.open = append(a.open, opening{id: made.ID, ends: made.Ends})
	a.mu.Unlock()
	return t.text(), made, nil
}

// newToken makes a token of this authority.
func (a *Authority) newToken() token {
	return token{newSecret(), sha256.Sum256(a.keys.authority.RawSubjectPublicKeyInfo), a.keys.id}
}

// pruneInvitations takes out what is of no use any more.
func (a *Authority) pruneInvitations(tx *store.Tx, now time.Time) error {
	_, err := tx.Exec("DELETE FROM peer_invitation WHERE manager = $1 AND authority = $2 AND ends_at < $3",
		tx.Manager(), string(a.keys.id), now.Add(-keepUsed).UnixMilli())
	return err
}

// Invitations lists what was made in the last weeks, the newest first; what was used or is
// over is among it.
func (a *Authority) Invitations(ctx context.Context) (list []Invitation, err error) {
	err = a.o.Store.Read(ctx, func(tx *store.Tx) error {
		list = nil
		return tx.Each("SELECT id, name, made_by, made_at, ends_at, used_by, used_at FROM peer_invitation WHERE manager = $1 AND authority = $2 ORDER BY made_at DESC, id",
			[]any{tx.Manager(), string(a.keys.id)}, func(rows *sql.Rows) error {
				var i Invitation
				var made, ends, used int64
				if err := rows.Scan(&i.ID, &i.Name, &i.By, &made, &ends, &i.UsedBy, &used); err != nil {
					return err
				}
				i.Made, i.Ends, i.Used = time.UnixMilli(made), time.UnixMilli(ends), timeOf(used)
				list = append(list, i)
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("invitations: %w", err)
	}
	return list, nil
}

// timeOf reads a time of the database; zero is none.
func timeOf(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli)
}

// Withdraw ends an invitation that was not used. A *peer.Refusal says that there is none.
func (a *Authority) Withdraw(ctx context.Context, by By, id string) error {
	err := a.o.Store.Write(ctx, func(tx *store.Tx) error {
		var name string
		found, err := tx.Row("DELETE FROM peer_invitation WHERE manager = $1 AND authority = $2 AND id = $3 AND used_at = 0 RETURNING name",
			[]any{tx.Manager(), string(a.keys.id), id}, &name)
		if err != nil {
			return err
		}
		if !found {
			return peer.Refuse(peer.NotFound, "there is no invitation %.40q that was not used", id)
		}
		e := by.entry("peer withdraw", name)
		e.Was = "invitation " + id
		_, err = a.o.Audit.Add(tx, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	a.mu.Lock()
	a.open = slices.DeleteFunc(a.open, func(o opening) bool { return o.id == id })
	a.mu.Unlock()
	return nil
}
