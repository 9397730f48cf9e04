package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// applicationID marks a file as grove's: "grov", in the header field that SQLite has for
// it (https://www.sqlite.org/fileformat.html, 1.3.16).
const applicationID = 0x67726f76

// checkTime bounds the check of a file when it is opened. What is not checked by then
// is checked by Check.
const checkTime = 3 * time.Second

// openSQLite opens the file, which it makes readable by its owner alone.
func (s *Store) openSQLite(ctx context.Context) error {
	file, err := filepath.Abs(s.options.Address)
	if err != nil {
		return err
	}
	s.file = file
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	// The journal files beside it get the mode of the file itself.
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", file)
	}
	if err == nil && info.Mode().Perm() != 0o600 {
		err = f.Chmod(0o600)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "temp_store(memory)"}}
	writing := url.Values{"_pragma": append([]string{
		"auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(full)", "journal_size_limit(67108864)", "cache_size(-32768)",
	}, pragmas["_pragma"]...), "_txlock": {"immediate"}}
	reading := url.Values{"_pragma": append([]string{"query_only(1)", "cache_size(-8192)"}, pragmas["_pragma"]...)}
	if s.writer, err = openFile(file, writing, 1); err != nil {
		return err
	}
	if s.readers, err = openFile(file, reading, s.options.Readers); err != nil {
		return err
	}
	if info.Size() > 0 {
		if err := s.inspect(ctx); err != nil {
			return err
		}
	}
	_, err = s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return s.classify(err)
}

func openFile(file string, parameters url.Values, connections int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: file, RawQuery: parameters.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// statistics are what SQLite is told of the tables, in the form of its ANALYZE
// (https://www.sqlite.org/fileformat.html, 2.6.2): rows, and rows for each further
// column of the index. They are fixed, so that the same query takes the same way on the
// first day and after a year: the index of a node rather than all that happened.
var statistics = [][3]string{
	{"journal", "journal", "1000000 1000000 1"},
	{"journal", "journal_kind", "10000 10000 2000 1"},
	{"journal", "journal_node", "1000000 1000000 100 1 1"},
	{"memory", "memory", "100000 100000 1"},
	{"node", "node", "100000 100000 1"},
	{"node", "node_path", "100000 100000 1"},
}

// advise writes the statistics unless they are there.
func (s *Store) advise(ctx context.Context) error {
	var have int
	ask := "SELECT COUNT(*) FROM sqlite_stat1 WHERE (tbl, idx, stat) IN (VALUES "
	var values []any
	for i, row := range statistics {
		if i > 0 {
			ask += ", "
		}
		ask += fmt.Sprintf("($%d, $%d, $%d)", len(values)+1, len(values)+2, len(values)+3)
		values = append(values, row[0], row[1], row[2])
	}
	// Before the first ANALYZE there is no such table.
	if err := s.writer.QueryRowContext(ctx, ask+")", values...).Scan(&have); err == nil && have == len(statistics) {
		return nil
	}
	for _, statement := range []string{"PRAGMA analysis_limit = 1", "ANALYZE", "DELETE FROM sqlite_stat1"} {
		if _, err := s.writer.ExecContext(ctx, statement); err != nil {
			return s.classify(err)
		}
	}
	for _, row := range statistics {
		if _, err := s.writer.ExecContext(ctx, "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ($1, $2, $3)", row[0], row[1], row[2]); err != nil {
			return s.classify(err)
		}
	}
	_, err := s.writer.ExecContext(ctx, "ANALYZE sqlite_schema") // reads them
	return s.classify(err)
}

// inspect refuses a file of another program and one that is not whole.
func (s *Store) inspect(ctx context.Context) error {
	var id, tables int64
	if err := s.writer.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return s.classify(err)
	}
	if err := s.writer.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_master").Scan(&tables); err != nil {
		return s.classify(err)
	}
	if id != applicationID && tables > 0 {
		return fmt.Errorf("%w: %s is a database of another program: choose another file", ErrOptions, s.file)
	}
	began := time.Now()
	check, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	err := s.checkFile(check, "PRAGMA quick_check(1)")
	if err != nil && ctx.Err() == nil && check.Err() != nil {
		s.log.Warn("the database is too large to be checked at every start", "file", s.file, "tried", time.Since(began))
		return nil
	}
	return err
}

func (s *Store) checkFile(ctx context.Context, pragma string) error {
	rows, err := s.writer.QueryContext(ctx, pragma)
	if err != nil {
		return s.classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		var found string
		if err := rows.Scan(&found); err != nil {
			return s.classify(err)
		}
		if found != "ok" {
			return s.damaged(errors.New(found))
		}
	}
	return s.classify(rows.Err())
}

// Check looks whether an SQLite file is whole, down to each index. It takes a second for
// about 100 MB, in which others read and nothing is written. A server looks after itself.
func (s *Store) Check(ctx context.Context) error {
	if s.engine != engineSQLite {
		return nil
	}
	return s.Read(ctx, func(tx *Tx) error {
		return tx.Each("PRAGMA integrity_check(1)", nil, func(rows *sql.Rows) error {
			var found string
			if err := rows.Scan(&found); err != nil {
				return err
			}
			if found != "ok" {
				return s.damaged(errors.New(found))
			}
			return nil
		})
	})
}

// fileBytes is the size of the file and of what was written beside it.
func (s *Store) fileBytes() (total int64, err error) {
	for _, end := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(s.file + end)
		switch {
		case err == nil:
			total += info.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	return total, nil
}

// GiveBack returns room that deleted rows have left to the file system, in a small step.
// A server does that by itself.
func (t *Tx) GiveBack() error {
	if t.s.engine != engineSQLite {
		return nil
	}
	return t.Each("PRAGMA incremental_vacuum(256)", nil, func(*sql.Rows) error { return nil })
}
