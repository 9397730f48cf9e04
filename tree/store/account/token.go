package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/audit"
)

// CreateToken makes a token of a user and returns its text, which is kept nowhere. Its
// grants are bounded by the owner's whenever it is used: Everything is all that he may.
func (d *Directory) CreateToken(ctx context.Context, by By, t Token) (text string, made Token, err error) {
	now := d.o.Now().Truncate(time.Millisecond)
	t.Name = strings.TrimSpace(t.Name)
	switch {
	case t.Name == "" || len(t.Name) > MaxTokenBytes || store.Clean(t.Name) != t.Name || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' }):
		return "", t, fmt.Errorf("%w: a token needs a name of at most %d bytes, which says what it is for", ErrWrong, MaxTokenBytes)
	case len(t.Grants) == 0:
		t.Grants = []grant.Grant{grant.Everything}
	}
	if err := checkGrants(t.Grants); err != nil {
		return "", t, err
	}
	if !t.Ends.After(now) || t.Ends.Sub(now) > MaxTokenLife {
		return "", t, fmt.Errorf("%w: a token ends after now, and within 5 years", ErrWrong)
	}
	text = newToken()
	t.ID, t.Created, t.hash = newID(), now, hashOf(text)
	err = d.write(ctx, t.User, func(tx *store.Tx) ([]audit.Entry, error) {
		if _, err := readUser(tx, t.User); err != nil {
			return nil, err
		}
		var count int
		if _, err := tx.Row("SELECT COUNT(*) FROM token WHERE account = $1", []any{t.User}, &count); err != nil {
			return nil, err
		}
		if count >= MaxTokens {
			return nil, fmt.Errorf("%w: %s has %d tokens, which is all there is room for; revoke one first", ErrWrong, t.User, count)
		}
		_, err := tx.Exec("INSERT INTO token (id, account, name, hash, grants, made_at, ends_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
			t.ID, t.User, t.Name, t.hash.String(), writeGrants(t.Grants), t.Created.UnixMilli(), t.Ends.UnixMilli())
		e := by.entry("token create", t.User+" "+t.Name)
		e.Became = t.may() + "; until " + t.Ends.UTC().Format(time.RFC3339)
		return []audit.Entry{e}, err
	})
	if errors.Is(err, store.ErrUnique) {
		err = fmt.Errorf("a token %s of %s %w", t.Name, t.User, ErrExists)
	}
	if err != nil {
		return "", t, err
	}
	return text, t, nil
}

// may says for the audit log what was asked for.
func (t *Token) may() string {
	if len(t.Grants) == 1 && t.Grants[0] == grant.Everything {
		return "all that its owner may"
	}
	return GrantsText(t.Grants)
}

// token finds a token by its public name.
func (d *Directory) token(id string) (Token, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range d.tokens {
		if p.Token.ID == id {
			return *p.Token, nil
		}
	}
	return Token{}, ErrNoToken
}

// TokenOf returns whose token it is that has a public name.
func (d *Directory) TokenOf(id string) (user string, err error) {
	t, err := d.token(id)
	return t.User, err
}

// RevokeToken ends a token.
func (d *Directory) RevokeToken(ctx context.Context, by By, id string) error {
	t, err := d.token(id)
	if err != nil {
		return err
	}
	return d.write(ctx, t.User, func(tx *store.Tx) ([]audit.Entry, error) {
		n, err := tx.Exec("DELETE FROM token WHERE id = $1", id)
		if err == nil && n == 0 {
			err = ErrNoToken
		}
		e := by.entry("token revoke", t.User+" "+t.Name)
		e.Was = t.may()
		return []audit.Entry{e}, err
	})
}
