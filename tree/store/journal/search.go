package journal

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal/block"
)

// Bounds of a search.
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
	MaxTextBytes = 256
)

// unseenBatch is how many entries are read at once, at least, where not all are seen.
const unseenBatch = 1000

// searchTime bounds how long one search takes.
const searchTime = time.Minute

// ErrQuery is wrapped by every error about what is searched for.
var ErrQuery = errors.New("search of the journal")

// Query says what is searched for. The zero Query is the newest of everything.
type Query struct {
	From, To time.Time // from the first on, before the second; zero is no bound
	// Under is the node and everything below it.
	Under tree.Path
	// Only leaves out what is below.
	Only     bool
	Kinds    []Kind        // one of these; empty is any
	Statuses []tree.Status // To is one of these; empty is any
	// Text stands in the text or the value, in any case.
	Text string
	// Sees says of which nodes entries are found; nil: of all. It is asked while the
	// search reads, and must not search. Another makes no other query: a page goes on
	// where the one before ended, by what is seen now.
	Sees   func(tree.Path) bool
	Oldest bool   // first
	Limit  int    // of entries; DefaultLimit when zero
	After  string // Page.Next of the page before, to the same query
}

// Page is what a search found, in order.
type Page struct {
	Entries []Entry
	Next    string // for Query.After; empty: there is no more
}

// Search looks for entries. A page begins where the one before ended, whatever was
// written or deleted meanwhile.
func (j *Journal) Search(ctx context.Context, q Query) (Page, error) {
	limit, after, err := q.check()
	if err != nil {
		return Page{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	var page Page
	err = j.o.Store.Read(ctx, func(tx *store.Tx) error {
		s := newSearch(&q, tx, limit, j.o.Log)
		low, high := q.bounds(after)
		from, few, err := q.from(tx)
		switch {
		case err != nil:
		case q.Text != "" && !few:
			err = s.grep(low, high)
		default:
			err = s.scan(from, low, high)
		}
		page.Entries = s.found
		return err
	})
	if err != nil {
		return Page{}, err
	}
	if len(page.Entries) > limit {
		page.Entries = page.Entries[:limit]
		page.Next = q.cursor(page.Entries[limit-1].ID)
	}
	return page, nil
}

// search is one search that goes on.
type search struct {
	q       *Query
	tx      *store.Tx
	manager int64
	limit   int
	pattern string // that the database compares with; empty: every text will do
	needle  string // the text, folded
	found   []Entry
	pointed []ID // by blocks, and not read yet
	log     *slog.Logger
}

func newSearch(q *Query, tx *store.Tx, limit int, log *slog.Logger) *search {
	return &search{q: q, tx: tx, manager: tx.Manager(), limit: limit, pattern: likePattern(q.Text), needle: block.Fold(q.Text), log: log}
}

// content says that there is enough: one more than asked for, which tells that there is a
// next page.
func (s *search) content() bool { return len(s.found) > s.limit }

// take takes an entry, if it is one.
func (s *search) take(e *Entry) {
	if s.content() || s.q.Sees != nil && !s.q.Sees(e.Path) {
		return
	}
	// The database finds a little too much when the text is not ASCII.
	if s.needle == "" || strings.Contains(block.Fold(e.Text), s.needle) || strings.Contains(block.Fold(e.Value.String()), s.needle) {
		s.found = append(s.found, *e)
	}
}

// scan looks at one entry after the other, from low up to high.
func (s *search) scan(from string, low, high ID) error {
	for low < high {
		// Of what is read much may not be seen.
		most := s.limit + 1
		if s.q.Sees != nil {
			most = max(most, unseenBatch)
		}
		statement, args := s.q.statement(s.manager, from, low, high, s.pattern, most)
		read := 0
		err := s.tx.Each(statement, args, func(rows *sql.Rows) error {
			e, err := Scan(rows)
			if err != nil {
				return err
			}
			read++
			if s.q.Oldest {
				low = e.ID + 1
			} else {
				high = e.ID
			}
			s.take(&e)
			return nil
		})
		if err != nil || read < most || s.content() {
			return err
		}
	}
	return nil
}

// check says what is wrong with a query.
func (q *Query) check() (limit int, after ID, err error) {
	switch {
	case q.Limit < 0 || q.Limit > MaxLimit:
		return 0, 0, fmt.Errorf("%w: 1 to %d entries at a time, not %d", ErrQuery, MaxLimit, q.Limit)
	case len(q.Text) > MaxTextBytes:
		return 0, 0, fmt.Errorf("%w: a text of %d bytes at most, not %d", ErrQuery, MaxTextBytes, len(q.Text))
	case !utf8.ValidString(q.Text) || strings.IndexByte(q.Text, 0) >= 0:
		return 0, 0, fmt.Errorf("%w: the text is not UTF-8", ErrQuery)
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		return 0, 0, fmt.Errorf("%w: it begins at %s, which is not before its end at %s", ErrQuery, q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	for _, s := range q.Statuses {
		if s > tree.Red {
			return 0, 0, fmt.Errorf("%w: %w %d", ErrQuery, tree.ErrStatus, s)
		}
	}
	for _, k := range q.Kinds {
		if !slices.Contains(Kinds, k) {
			return 0, 0, fmt.Errorf("%w: unknown kind %d", ErrQuery, k)
		}
	}
	limit = q.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	if q.After == "" {
		return limit, 0, nil
	}
	after, err = q.parseCursor(q.After)
	return limit, after, err
}

// cursorVersion is the first byte of a cursor.
const cursorVersion = 1

// cursor makes the token that continues after an entry: a version, the number of the
// entry, and a sum over the query, in base64.
func (q *Query) cursor(id ID) string {
	b := []byte{cursorVersion}
	b = binary.BigEndian.AppendUint64(b, uint64(id))
	b = binary.BigEndian.AppendUint32(b, q.sum())
	return base64.RawURLEncoding.EncodeToString(b)
}

func (q *Query) parseCursor(token string) (ID, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 13 || b[0] != cursorVersion || int64(binary.BigEndian.Uint64(b[1:])) <= 0 {
		return 0, fmt.Errorf("%w: %q does not continue any search: leave it out to begin anew", ErrQuery, clip(token))
	}
	if binary.BigEndian.Uint32(b[9:]) != q.sum() {
		return 0, fmt.Errorf("%w: %q continues another search: repeat what was searched for, or leave it out to begin anew", ErrQuery, clip(token))
	}
	return ID(binary.BigEndian.Uint64(b[1:])), nil
}

// sum tells queries apart; another limit makes no other query.
func (q *Query) sum() uint32 {
	kinds, statuses := slices.Sorted(slices.Values(q.Kinds)), slices.Sorted(slices.Values(q.Statuses))
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%d %d %q %t %d %d %q %t",
		milliseconds(q.From), milliseconds(q.To), q.Under, q.Only, kinds, statuses, q.Text, q.Oldest))
}

// sparse is the most entries of a subtree that are sorted rather than picked from those
// of all nodes in their order.
const sparse = 20_000

// What a query selects from: the order of the tables is the order in which SQLite goes
// through them.
const fromJournal, fromNode = "journal j CROSS JOIN node n", "node n CROSS JOIN journal j"

// from is what a query selects from; few says that its nodes have so few entries that
// each can be looked at.
func (q *Query) from(tx *store.Tx) (from string, few bool, err error) {
	var n int64
	switch {
	case q.Only && q.Text == "":
		return fromNode, true, nil
	case q.Only:
		_, err = tx.Row("SELECT COUNT(*) FROM (SELECT 1 FROM journal WHERE manager = $1 AND node = $2 LIMIT $3) AS counted",
			[]any{tx.Manager(), store.NodeNumber(q.Under), int64(sparse + 1)}, &n)
	case q.Under.IsRoot():
		return fromJournal, false, nil
	default:
		low, high := below(q.Under)
		_, err = tx.Row("SELECT COUNT(*) FROM (SELECT 1 FROM node n CROSS JOIN journal j WHERE n.manager = $1 AND (n.path = $2 OR n.path >= $3 AND n.path < $4)"+
			" AND j.manager = $1 AND j.node = n.id LIMIT $5) AS counted", []any{tx.Manager(), q.Under.String(), low, high, int64(sparse + 1)}, &n)
	}
	if n > sparse {
		return fromJournal, false, err
	}
	return fromNode, true, err
}

// bounds are the numbers of what a query can find: from low up to high. After is the entry
// that was found last; zero: none.
func (q *Query) bounds(after ID) (low, high ID) {
	high = maxNumber
	if !q.From.IsZero() {
		low = FirstID(q.From)
	}
	if !q.To.IsZero() {
		high = FirstID(q.To)
	}
	switch {
	case after == 0:
	case q.Oldest:
		low = max(low, after+1)
	default:
		high = min(high, after)
	}
	return low, high
}

// order is that of a query, in SQL.
func (q *Query) order() string {
	if q.Oldest {
		return "ASC"
	}
	return "DESC"
}

// below are the bounds of the paths below a node: "/" is followed by "0" in ASCII.
func below(p tree.Path) (low, high string) { return p.String() + "/", p.String() + "0" }

// Columns are what Scan reads, of the tables journal j and node n.
const Columns = "j.id, n.path, j.kind, j.was, j.status, j.form, j.value, j.text"

// statement writes the query in SQL, for entries from low up to high.
func (q *Query) statement(manager int64, from string, low, high ID, pattern string, limit int) (string, []any) {
	args := []any{manager}
	var where strings.Builder
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where.WriteString(" AND " + condition)
	}
	and("j.id >= ?", int64(low))
	and("j.id < ?", int64(high))
	switch {
	case q.Only:
		and("j.node = ?", store.NodeNumber(q.Under))
		and("n.id = ?", store.NodeNumber(q.Under))
	case !q.Under.IsRoot():
		first, last := below(q.Under)
		and("(n.path = ? OR n.path >= ? AND n.path < ?)", q.Under.String(), first, last)
	}
	if len(q.Kinds) > 0 {
		if !slices.Contains(q.Kinds, Status) {
			where.WriteString(" AND j.kind <> 1") // in the words of the index of the rarer kinds
		}
		where.WriteString(" AND j.kind IN (" + list(q.Kinds) + ")")
	}
	if len(q.Statuses) > 0 {
		where.WriteString(" AND j.status IN (" + list(q.Statuses) + ")")
	}
	if pattern != "" {
		and(`(lower(j.text) LIKE ? ESCAPE '\' OR lower(j.value) LIKE ? ESCAPE '\')`, pattern, pattern)
	}
	args = append(args, int64(limit))
	return fmt.Sprintf("SELECT %s FROM %s WHERE j.manager = $1 AND n.manager = $1 AND n.id = j.node%s ORDER BY j.id %s LIMIT $%d",
		Columns, from, where.String(), q.order(), len(args)), args
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

// likePattern is what the database compares with. Engines differ in the case of letters
// beyond ASCII, so each of those stands for anything, and what is found is looked at again.
func likePattern(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	b.WriteByte('%')
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= utf8.RuneSelf:
			b.WriteByte('%')
			continue
		case r == '%' || r == '_' || r == '\\':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteByte('%')
	return b.String()
}

// Scan reads a row of Columns, for who asks the database for entries that stand in a table
// of its own. What comes before them in the row goes to before.
func Scan(rows *sql.Rows, before ...any) (Entry, error) {
	var id, kind, was, status, form int64
	var path, value, text string
	if err := rows.Scan(append(before, &id, &path, &kind, &was, &status, &form, &value, &text)...); err != nil {
		return Entry{}, err
	}
	p, err := tree.ParsePath(path)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		ID: ID(id), Time: ID(id).Time(), Path: p, Kind: Kind(kind), From: tree.Status(was), To: tree.Status(status),
		Value: valueOf(form, value), Text: text,
	}, nil
}
