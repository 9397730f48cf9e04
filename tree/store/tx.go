package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"grove/tree"
)

// Tx is what one piece of work does in a transaction. It is of no use after the function
// that it was given to has returned, and it is for the goroutine of that function alone.
type Tx struct {
	s    *Store
	ctx  context.Context
	conn *sql.Conn
	// statements are the prepared ones of the writer's connection; nil for a reader.
	statements *statements
	notices    []Notice
	learned    []int64 // nodes that the table has once the transaction is committed
	rows       int64   // changed
	committed  func()  // called by the writer after the commit; nil is nothing
	ended      []func(error)
}

// Context ends when the work should.
func (t *Tx) Context() context.Context { return t.ctx }

// Ended has do called once it is known what became of the piece of work: nil when it is
// committed, else why it was undone. ErrUnavailable may mean that it was committed
// nonetheless, when the connection broke at that moment. A piece that is run again begins
// without what it had asked for. Do is called in the goroutine of the writer, before
// Write returns: it must be quick, and must not use the store. Only Write calls it.
func (t *Tx) Ended(do func(err error)) { t.ended = append(t.ended, do) }

// end tells those who asked, once.
func (t *Tx) end(err error) {
	for _, do := range t.ended {
		do(err)
	}
	t.ended = nil
}

// Exec runs a statement and returns how many rows it changed.
func (t *Tx) Exec(query string, args ...any) (int64, error) {
	var result sql.Result
	prepared, err := t.prepare(query)
	switch {
	case err != nil:
	case prepared != nil:
		result, err = prepared.ExecContext(t.ctx, args...)
	default:
		result, err = t.conn.ExecContext(t.ctx, query, args...)
	}
	if err != nil {
		return 0, t.s.classify(err)
	}
	n, err := result.RowsAffected()
	t.rows += n
	return n, err
}

// Row scans the first row of a query into dest; found is false when there is none.
func (t *Tx) Row(query string, args []any, dest ...any) (found bool, err error) {
	var row *sql.Row
	prepared, err := t.prepare(query)
	switch {
	case err != nil:
		return false, t.s.classify(err)
	case prepared != nil:
		row = prepared.QueryRowContext(t.ctx, args...)
	default:
		row = t.conn.QueryRowContext(t.ctx, query, args...)
	}
	err = row.Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, t.s.classify(err)
}

// Each calls row for each row of a query until it returns an error.
func (t *Tx) Each(query string, args []any, row func(*sql.Rows) error) error {
	rows, err := t.conn.QueryContext(t.ctx, query, args...)
	if err != nil {
		return t.s.classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return t.s.classify(err)
		}
	}
	return t.s.classify(rows.Err())
}

// insertRows is how many rows one INSERT has: one statement a row costs a round trip
// each, and very long ones are slow to read.
const insertRows = 64

// Insert inserts many rows: head is "INSERT INTO table (a, b)", tail what follows the
// values, such as "ON CONFLICT DO NOTHING", and args the values, width for each row. It
// returns how many rows were inserted or changed.
func (t *Tx) Insert(head, tail string, width int, args []any) (rows int64, err error) {
	for len(args) > 0 {
		// Powers of two keep the number of different statements small.
		n := insertRows
		for n*width > len(args) {
			n /= 2
		}
		done, err := t.Exec(insertion(head, tail, width, n, t.s.engine == engineSQLite), args[:n*width]...)
		if err != nil {
			return rows, err
		}
		rows += done
		args = args[n*width:]
	}
	return rows, nil
}

// insertion writes the statement. SQLite's driver looks for the name of each parameter
// among all of them, unless they have none.
func insertion(head, tail string, width, rows int, nameless bool) string {
	var b strings.Builder
	b.Grow(len(head) + len(tail) + rows*width*6)
	b.WriteString(head)
	b.WriteString(" VALUES ")
	for i := range rows {
		for j := range width {
			switch {
			case j > 0:
				b.WriteByte(',')
			case i > 0:
				b.WriteString("),(")
			default:
				b.WriteByte('(')
			}
			if nameless {
				b.WriteByte('?')
				continue
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i*width + j + 1))
		}
	}
	b.WriteString(") ")
	b.WriteString(tail)
	return b.String()
}

// Manager is the number of the manager that this process writes as; zero is none.
func (t *Tx) Manager() int64 { return t.s.manager.Load() }

// NodeNumber is the number under which the database knows a path: 63 bits of its
// SHA-256, so that a number is known without asking. Two of a million paths share one
// with a chance of 1 to 20 million.
func NodeNumber(p tree.Path) int64 {
	sum := sha256.Sum256([]byte(p.String()))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// Place is a path with its number.
type Place struct {
	Number int64
	Path   tree.Path
}

// Know makes sure that the table of nodes has these paths. What the process has written
// already costs nothing.
func (t *Tx) Know(places []Place) error {
	var args []any
	t.s.known.Lock()
	for i := range places {
		n := places[i].Number
		if _, ok := t.s.known.nodes[n]; !ok {
			args = append(args, t.Manager(), n, places[i].Path.String())
			t.learned = append(t.learned, n)
		}
	}
	t.s.known.Unlock()
	_, err := t.Insert("INSERT INTO node (manager, id, path)", "ON CONFLICT DO NOTHING", 3, args)
	return err
}

// Analyze has a server look at how large tables are, and what is in them, so that it plans
// well for what has grown much since it did so by itself. SQLite is told once and for all.
func (s *Store) Analyze(ctx context.Context, tables ...string) error {
	if s.engine != enginePostgres {
		return nil
	}
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec("ANALYZE " + strings.Join(tables, ", "))
		return err
	})
}

// ForgetKnown must be called by who removes rows from the table of nodes.
func (t *Tx) ForgetKnown() { t.s.forgetKnown() }

// statements are the prepared statements of one connection, since SQLite takes as long
// to read a statement as to run it. PostgreSQL's driver keeps its own.
type statements struct {
	conn *sql.Conn
	all  map[string]*sql.Stmt
}

const maxStatements = 128

// prepare returns nil where preparing is of no use.
func (t *Tx) prepare(query string) (*sql.Stmt, error) {
	c := t.statements
	if c == nil {
		return nil, nil
	}
	if prepared := c.all[query]; prepared != nil {
		return prepared, nil
	}
	if len(c.all) >= maxStatements { // No program of ours has so many: statements are constant but for their rows.
		for _, old := range c.all {
			_ = old.Close() // It was only read.
		}
		clear(c.all)
	}
	prepared, err := c.conn.PrepareContext(t.ctx, query)
	if err == nil {
		c.all[query] = prepared
	}
	return prepared, err
}
