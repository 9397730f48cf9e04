// Package audit is the log of who did what: append-only, each record chained to the one
// before by a hash, so that editing, deleting, reordering or inserting records shows, and
// so does a missing end to whoever kept the head of the chain.
//
// The hash of a record is the SHA-256, in hexadecimal, of
//
//	grove audit 1
//	LENGTH:FIELD
//	...
//
// with a line for each of the fields seq, time (Unix milliseconds), manager, who, origin,
// action, target, was, became, outcome and previous, in this order. LENGTH is the number
// of bytes of the field in decimal; each line ends with a line feed. The first record has
// an empty previous, each further one the hash of the record before.
package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"grove/tree/store"
)

// Entry is what is told to the log.
type Entry struct {
	Who     string // the name of a user, or of a part of grove
	Origin  string // where from: an address, "command line"
	Action  string // what: "definition put", "login"
	Target  string // on what: a path, the name of a definition
	Was     string // before and after, without secrets
	Became  string
	Outcome string // "ok", or what went wrong
}

// Record is an Entry in the log.
type Record struct {
	Seq     int64     // from 1 on, without gaps
	Time    time.Time // to the millisecond
	Manager string    // that wrote it
	Entry
	Previous, Hash string
}

// Bounds of what is kept; what is longer is cut, and says so.
const (
	MaxFieldBytes = 1024
	MaxStateBytes = 16 << 10 // Was and Became
	MaxPage       = 1000
)

// Log is the audit log of one database, of all managers that share it.
type Log struct {
	s       *store.Store
	manager string
	now     func() time.Time
}

// New returns the log of a database, to which manager writes. A nil clock is time.Now.
func New(s *store.Store, manager string, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	return &Log{s, manager, now}
}

// Append writes an entry; it is committed on return. What cannot be written must not
// happen either.
func (l *Log) Append(ctx context.Context, e Entry) (r Record, err error) {
	err = l.s.Write(ctx, func(tx *store.Tx) error {
		r, err = l.Add(tx, e)
		return err
	})
	return r, err
}

// Add writes an entry in a transaction of the caller's, so that what is audited and its
// record are committed together.
func (l *Log) Add(tx *store.Tx, e Entry) (Record, error) {
	r := Record{Time: l.now().Truncate(time.Millisecond), Manager: l.manager, Entry: e}
	for _, field := range []*string{&r.Manager, &r.Who, &r.Origin, &r.Action, &r.Target, &r.Outcome} {
		*field = cut(*field, MaxFieldBytes)
	}
	for _, field := range []*string{&r.Was, &r.Became} {
		*field = cut(*field, MaxStateBytes)
	}
	// Raising the number first makes other managers wait until this is committed.
	found, err := tx.Row("UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash", nil, &r.Seq, &r.Previous)
	if err != nil {
		return Record{}, err
	}
	if !found {
		return Record{}, &BrokenError{Reason: "the head of the log is missing"}
	}
	r.Hash = r.sum()
	if _, err := tx.Exec("UPDATE audit_head SET hash = $1 WHERE id = 1", r.Hash); err != nil {
		return Record{}, err
	}
	_, err = tx.Exec("INSERT INTO audit ("+columns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		r.Seq, r.Time.UnixMilli(), r.Manager, r.Who, r.Origin, r.Action, r.Target, r.Was, r.Became, r.Outcome, r.Previous, r.Hash)
	return r, err
}

const columns = "seq, made_at, manager, who, origin, action, target, was, became, outcome, previous, hash"

func scan(rows *sql.Rows) (r Record, err error) {
	var at int64
	err = rows.Scan(&r.Seq, &at, &r.Manager, &r.Who, &r.Origin, &r.Action, &r.Target, &r.Was, &r.Became, &r.Outcome, &r.Previous, &r.Hash)
	r.Time = time.UnixMilli(at)
	return r, err
}

// cut bounds a text and makes it one that the database takes.
func cut(text string, most int) string {
	text = store.Clean(text)
	if len(text) <= most {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	mark := fmt.Sprintf("… (%d bytes, sha256 %x)", len(text), sum)
	return strings.ToValidUTF8(text[:most-len(mark)], "") + mark
}

// sum is the hash that the record should have.
func (r *Record) sum() string {
	h := sha256.New()
	fmt.Fprint(h, "grove audit 1\n")
	for _, field := range []string{
		strconv.FormatInt(r.Seq, 10), strconv.FormatInt(r.Time.UnixMilli(), 10), r.Manager,
		r.Who, r.Origin, r.Action, r.Target, r.Was, r.Became, r.Outcome, r.Previous,
	} {
		fmt.Fprintf(h, "%d:%s\n", len(field), field)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Head is the newest record, to be kept elsewhere: a log that does not hold it any more
// was cut off or rewritten.
type Head struct {
	Seq  int64
	Hash string
}

// String writes the head as "SEQ:HASH".
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// ParseHead reads what String writes.
func ParseHead(text string) (Head, error) {
	seq, hash, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	raw, errHash := hex.DecodeString(hash)
	// An empty log has the head "0:".
	if err != nil || errHash != nil || n < 0 || seq != strconv.FormatInt(n, 10) || strings.ToLower(hash) != hash || len(raw) != sha256.Size && (n != 0 || hash != "") {
		return Head{}, fmt.Errorf("%.40q is no head of an audit log, which is a number, a colon and 64 hexadecimal digits", text)
	}
	return Head{n, hash}, nil
}

// Head returns the newest record.
func (l *Log) Head(ctx context.Context) (h Head, err error) {
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.Row("SELECT seq, hash FROM audit_head WHERE id = 1", nil, &h.Seq, &h.Hash)
		return err
	})
	return h, err
}

// BrokenError says which record is the first that is not as it was written.
type BrokenError struct {
	Seq    int64
	Reason string
}

// Error implements error.
func (e *BrokenError) Error() string {
	if e.Seq == 0 {
		return "audit log: " + e.Reason
	}
	return fmt.Sprintf("audit log: record %d: %s", e.Seq, e.Reason)
}

// Verify reads the whole log and returns its head, or a BrokenError about the first
// record that was edited, deleted, moved or inserted. Heads that were kept elsewhere are
// held against it, which shows an end that was cut off, and a log that was written anew.
func (l *Log) Verify(ctx context.Context, kept ...Head) (head Head, err error) {
	byNumber := map[int64]string{}
	for _, h := range kept {
		if other, ok := byNumber[h.Seq]; ok && other != h.Hash {
			return Head{}, &BrokenError{h.Seq, "of the heads that were kept, two differ in its hash"}
		}
		byNumber[h.Seq] = h.Hash
	}
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		last := Head{}
		err := tx.Each("SELECT "+columns+" FROM audit ORDER BY seq", nil, func(rows *sql.Rows) error {
			r, err := scan(rows)
			if err != nil {
				return err
			}
			broken := func(seq int64, reason string) error { return &BrokenError{seq, reason} }
			switch {
			case r.Seq != last.Seq+1:
				return broken(last.Seq+1, "is missing")
			case r.Previous != last.Hash && r.sum() == r.Hash:
				return broken(r.Seq, "does not continue the record before: one of the two was put there later")
			case r.Previous != last.Hash, r.sum() != r.Hash:
				return broken(r.Seq, "was edited, or moved here from another place")
			}
			if hash, ok := byNumber[r.Seq]; ok && hash != r.Hash {
				return broken(r.Seq, "is not the one whose hash was kept: the log was written anew up to here")
			}
			last = Head{r.Seq, r.Hash}
			return nil
		})
		if err != nil {
			return err
		}
		found, err := tx.Row("SELECT seq, hash FROM audit_head WHERE id = 1", nil, &head.Seq, &head.Hash)
		switch {
		case err != nil:
			return err
		case !found:
			return &BrokenError{Reason: "the head of the log is missing"}
		case head.Seq > last.Seq:
			return &BrokenError{last.Seq + 1, fmt.Sprintf("is missing, and all after it up to %d: the end was cut off", head.Seq)}
		case head != last:
			return &BrokenError{head.Seq, "is not the last, as the head of the log says"}
		}
		for _, h := range kept {
			if h.Seq > last.Seq {
				return &BrokenError{last.Seq + 1, fmt.Sprintf("is missing, and all after it up to %d, whose hash was kept: the end was cut off", h.Seq)}
			}
		}
		return nil
	})
	if err != nil {
		return Head{}, err
	}
	return head, nil
}

// ErrQuery is wrapped by errors about what is searched for.
var ErrQuery = errors.New("search of the audit log")

// Query says which records are read.
type Query struct {
	From, To time.Time // from the first on, before the second; zero is no bound
	// Who, Action and Target are these exactly; empty is any.
	Who, Action, Target string
	// Before is the number of a record: those before it are read. Zero is from the newest.
	Before int64
	Limit  int // 100 when zero, MaxPage at most
}

// Read returns records, newest first. The next page is before the last one's number.
func (l *Log) Read(ctx context.Context, q Query) (records []Record, err error) {
	if q.Limit < 0 || q.Limit > MaxPage || q.Before < 0 {
		return nil, fmt.Errorf("%w: 1 to %d records at a time, not %d, before a number that is not negative", ErrQuery, MaxPage, q.Limit)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Before == 0 {
		q.Before = 1<<63 - 1
	}
	condition, args := "seq < $1", []any{q.Before}
	and := func(what string, value any) {
		args = append(args, value)
		condition += fmt.Sprintf(" AND %s $%d", what, len(args))
	}
	if !q.From.IsZero() {
		and("made_at >=", q.From.UnixMilli())
	}
	if !q.To.IsZero() {
		and("made_at <", q.To.UnixMilli())
	}
	for _, field := range []struct{ column, value string }{{"who", q.Who}, {"action", q.Action}, {"target", q.Target}} {
		if field.value != "" {
			and(field.column+" =", store.Clean(field.value))
		}
	}
	args = append(args, int64(q.Limit))
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		records = records[:0]
		return tx.Each(fmt.Sprintf("SELECT %s FROM audit WHERE %s ORDER BY seq DESC LIMIT $%d", columns, condition, len(args)), args, func(rows *sql.Rows) error {
			r, err := scan(rows)
			records = append(records, r)
			return err
		})
	})
	return records, err
}
