package authority

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
)

// MaxCommentBytes bounds the comment of a revocation.
const MaxCommentBytes = 1024

// Revoke ends all certificates of a manager, and its links at once. It has to be invited
// again to come back. A *peer.Refusal says that it never joined. Should the database be away
// the manager is shut out nevertheless; the error then says that it is to be repeated.
func (a *Authority) Revoke(ctx context.Context, by By, id peer.ID, comment string) (Revocation, error) {
	return a.shutOut(ctx, by, id, comment, func() { a.cut(id, "it was revoked") })
}

// shutOut ends the certificates of a manager; done is called when they are over.
func (a *Authority) shutOut(ctx context.Context, by By, id peer.ID, comment string, done func()) (Revocation, error) {
	if err := id.Check(); err != nil {
		return Revocation{}, peer.Refuse(peer.Invalid, "%v", err)
	}
	if len(comment) > MaxCommentBytes {
		return Revocation{}, peer.Refuse(peer.Invalid, "a comment has at most %d bytes", MaxCommentBytes)
	}
	name, err := a.memberName(ctx, id)
	if err != nil {
		return Revocation{}, fmt.Errorf("revoke %s: %w", id, err)
	}
	e, err := a.revoke(ctx, by, id, name, comment)
	done()
	a.nudge()
	if err != nil {
		return e, fmt.Errorf("revoke %s: %w", id, err)
	}
	return e, nil
}

// memberName is by which name a manager was invited.
func (a *Authority) memberName(ctx context.Context, id peer.ID) (name string, err error) {
	err = a.o.Store.Read(ctx, func(tx *store.Tx) error {
		row, found, err := a.readMember(tx, id)
		if err == nil && !found {
			err = peer.Refuse(peer.NotFound, "no manager of that ID has joined this one")
		}
		name = row.name
		return err
	})
	return name, err
}

// revoke writes it down: in the file first, since then nothing can let the manager in again,
// then in the database.
func (a *Authority) revoke(ctx context.Context, by By, id peer.ID, name, comment string) (Revocation, error) {
	a.issuing.Lock()
	defer a.issuing.Unlock()
	number := a.next() // above all that were made, so that a later one is above it
	now := a.o.Now().Truncate(time.Millisecond)
	a.mu.RLock()
	e := Revocation{
		ID: id, Entry: max(a.revoked.last()+1, now.UnixMilli()), UpTo: number, Time: now, By: clip(store.Clean(by.Who), 4*MaxNameBytes), Comment: store.Clean(comment),
	}
	all := a.revoked.with(e)
	a.mu.RUnlock()
	fileErr := all.write(a.revokedFile())
	a.mu.Lock()
	a.revoked = all
	delete(a.ends, id)
	a.mu.Unlock()
	err := a.o.Store.Write(ctx, func(tx *store.Tx) error {
		if err := a.putRevocation(tx, e); err != nil {
			return err
		}
		entry := by.entry("peer revoke", string(id))
		entry.Was, entry.Became = name, comment
		_, err := a.o.Audit.Add(tx, entry)
		return err
	})
	switch {
	case err != nil && fileErr != nil:
		return e, fmt.Errorf("the manager is shut out until grove is started again, since it cannot be written down: %w; %w; do it again", err, fileErr)
	case err != nil:
		return e, fmt.Errorf("the manager is shut out, but the database does not know of it yet: %w; do it again", err)
	case fileErr != nil:
		a.log.Warn("a revocation is in the database alone", "manager", id, "error", fileErr)
	}
	return e, nil
}

// clip bounds a text that was cleaned.
func clip(text string, most int) string {
	if len(text) > most {
		return store.Clean(text[:most])
	}
	return text
}

func (a *Authority) putRevocation(tx *store.Tx, e Revocation) error {
	_, err := tx.Exec("INSERT INTO peer_revocation (manager, authority, id, entry, up_to, made_at, made_by, comment) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "+
		"ON CONFLICT (manager, authority, id) DO UPDATE SET entry = excluded.entry, up_to = excluded.up_to, made_at = excluded.made_at, made_by = excluded.made_by, comment = excluded.comment",
		tx.Manager(), string(a.keys.id), string(e.ID), e.Entry, e.UpTo, e.Time.UnixMilli(), e.By, e.Comment)
	return err
}

// cut has the links of a manager ended.
func (a *Authority) cut(id peer.ID, why string) {
	if told := a.told().Cut; told != nil {
		told(id, why)
	}
}

// Kinds of messages.
const (
	kindJoin    = "authority.join"
	kindRenew   = "authority.renew"
	kindRevoked = "authority.revoked"
	kindLeave   = "authority.leave"
)

// revokedQuestion tells a member what its authority revoked, after what the member has.
type revokedQuestion struct {
	Entries []Revocation `json:"entries"`
}

// revokedAnswer says up to which entry the member has them.
type revokedAnswer struct {
	Have int64 `json:"have"`
}

// maxPushed bounds the entries of one message.
const maxPushed = 500

// HandleRevoked answers "authority.revoked" of an authority that this manager has joined.
func (a *Authority) HandleRevoked(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q revokedQuestion
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	have, err := a.learn(from, q.Entries)
	if err != nil {
		return nil, err
	}
	return json.Marshal(revokedAnswer{have})
}

// HandleLeave answers "authority.leave" of a member that goes: its certificates end. Its link
// stands until it had the time to hear so.
func (a *Authority) HandleLeave(ctx context.Context, from peer.ID, _ []byte) ([]byte, error) {
	if _, err := a.shutOut(ctx, By{string(from), "peer"}, from, "it left", func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.left[from] = a.o.Now()
	}); err != nil {
		return nil, err
	}
	return []byte("{}"), nil
}

// decode reads the body of a message from elsewhere.
func decode(body []byte, to any) error {
	if len(body) > peer.MaxBody {
		return peer.Refuse(peer.Invalid, "%v", peer.ErrTooLong)
	}
	if err := json.Unmarshal(body, to); err != nil {
		return peer.Refuse(peer.Invalid, "the message cannot be read")
	}
	return nil
}
