package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"grove/tree/alert"
	"grove/tree/store"
)

// Position is the place of a resolved alert in the order of a search: when it ended, in Unix
// milliseconds, and its number. The zero Position is before all.
type Position struct {
	Resolved int64
	ID       alert.ID
}

// searchTime bounds how long one search takes.
const searchTime = time.Minute

// readAtOnce is how many rows are read at once, at least: of what is read much may not be
// what is asked for.
const readAtOnce = 500

// sparse is the most alerts of a subtree that are sorted rather than picked from those of
// all nodes in their order.
const sparse = 20_000

// Search yields the resolved alerts that a query takes, what ended last first, from those
// after a position on, until yield returns false.
func (l *Ledger) Search(ctx context.Context, q *alert.Query, after Position, yield func(*alert.Alert, Position) bool) error {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	return l.s.Read(ctx, func(tx *store.Tx) error {
		few, err := isSparse(tx, q)
		if err != nil {
			return err
		}
		for {
			statement, args := statement(tx.Manager(), few, q, after, readAtOnce)
			read, done := 0, false
			err := tx.Each(statement, args, func(r *sql.Rows) error {
				var id, resolved int64
				var text string
				if err := r.Scan(&id, &resolved, &text); err != nil || done {
					return err
				}
				read++
				after = Position{resolved, alert.ID(id)}
				a, err := parse(text)
				if err == nil && q.Takes(a) {
					done = !yield(a, after)
				}
				return err
			})
			if err != nil || done || read < readAtOnce {
				return err
			}
		}
	})
}

// isSparse says whether few alerts are below a node: then they are found by their paths and
// sorted, else picked from all in the order of time.
func isSparse(tx *store.Tx, q *alert.Query) (bool, error) {
	if q.Under.IsRoot() {
		return false, nil
	}
	var n int64
	_, high := below(q.Under)
	_, err := tx.Row("SELECT COUNT(*) FROM (SELECT 1 FROM alert WHERE manager = $1 AND path >= $2 AND path < $3 LIMIT $4) AS counted",
		[]any{tx.Manager(), q.Under.String(), high, int64(sparse + 1)}, &n)
	return n <= sparse, err
}

// statement writes a query in SQL. What the database finds is a little too much. An
// expression in place of a column keeps an engine from the index on it; the cast is none to
// PostgreSQL, which knows itself how many are below a node.
func statement(manager int64, few bool, q *alert.Query, after Position, limit int) (string, []any) {
	args := []any{manager}
	var where strings.Builder
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where.WriteString(" AND " + condition)
	}
	from := int64(1)
	if !q.From.IsZero() {
		from = max(from, q.From.UnixMilli())
	}
	resolved, path := "resolved", "CAST(path AS TEXT)"
	if few {
		resolved, path = "(resolved + 0)", "path"
	}
	and(resolved+" >= ?", from)
	if after != (Position{}) {
		and("("+resolved+", id) < (?, ?)", after.Resolved, int64(after.ID))
	}
	if !q.To.IsZero() {
		and("opened <= ?", q.To.UnixMilli())
	}
	if !q.Under.IsRoot() {
		low, high := below(q.Under)
		and(path+" >= ? AND "+path+" < ?", q.Under.String(), high) // the range that an index knows
		and("("+path+" = ? OR "+path+" >= ?)", q.Under.String(), low)
	}
	if len(q.Statuses) > 0 {
		and("status IN (" + list(q.Statuses) + ")")
	}
	if len(q.Severities) > 0 {
		and("severity IN (" + list(q.Severities) + ")")
	}
	if len(q.Kinds) > 0 {
		marks := make([]string, len(q.Kinds))
		values := make([]any, len(q.Kinds))
		for i, k := range q.Kinds {
			marks[i], values[i] = "?", store.Clean(string(k))
		}
		and("kind IN ("+strings.Join(marks, ",")+")", values...)
	}
	if q.Instance != "" {
		and("instance = ?", store.Clean(q.Instance))
	}
	if q.Cause != 0 {
		and("cause = ?", int64(q.Cause))
	}
	if name := strings.TrimSpace(q.Customer); name != "" {
		and(`customers LIKE ? ESCAPE '\'`, "%\n"+escape(strings.ToLower(name), false)+"\n%")
	}
	if q.Text != "" {
		and(`lower(document) LIKE ? ESCAPE '\'`, "%"+escape(strings.ToLower(q.Text), true)+"%")
	}
	args = append(args, int64(limit))
	return fmt.Sprintf("SELECT id, resolved, document FROM alert WHERE manager = $1%s ORDER BY %s DESC, id DESC LIMIT $%d", where.String(), resolved, len(args)), args
}

func list[N ~uint8](numbers []N) string {
	var b strings.Builder
	for i, n := range numbers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", n)
	}
	return b.String()
}

// escape makes a pattern of a text. What JSON writes otherwise stands for anything, and so
// do letters beyond ASCII, of which the engines know other small ones than Go.
func escape(text string, inJSON bool) string {
	var b strings.Builder
	for _, r := range store.Clean(text) {
		switch {
		case r >= utf8.RuneSelf, inJSON && (r < ' ' || strings.ContainsRune(`"\<>&`, r)):
			b.WriteByte('%')
			continue
		case r == '%' || r == '_' || r == '\\':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
