package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors that callers tell apart; each wraps what the database said.
var (
	// ErrUnique is a row that is there already.
	ErrUnique = errors.New("is there already")
	// ErrStale is a change of what somebody else has changed meanwhile.
	ErrStale = errors.New("was changed meanwhile")
	// ErrUnavailable is a database that cannot be reached, or that is too busy. What was
	// to be written may have been written when the connection broke in the middle.
	ErrUnavailable = errors.New("database is not available")
	// ErrFull is a disk without room. Nothing was written; writing works again as soon
	// as there is room.
	ErrFull = errors.New("disk of the database is full")
	// ErrDamaged is a database file that is not whole.
	ErrDamaged = errors.New("database is damaged")
	// ErrNewer is a database, or a backup, that a newer grove has written.
	ErrNewer = errors.New("was written by a newer grove")
	// ErrTaken is a manager that another process has taken over.
	ErrTaken = errors.New("another grove writes under this manager's name")
	// ErrClosed is a store that was closed.
	ErrClosed = errors.New("database is closed")

	// errAgain is a transaction that the database asks to be run again.
	errAgain = errors.New("run the transaction again")
)

// classify wraps what a database said in what it means, once.
func (s *Store) classify(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{ErrUnique, ErrStale, ErrUnavailable, ErrFull, ErrDamaged, ErrNewer, ErrTaken, ErrClosed, errAgain} {
		if errors.Is(err, known) {
			return err
		}
	}
	var lite *sqlite.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &lite):
		return s.classifySQLite(lite.Code(), err)
	case errors.As(err, &pg):
		return classifyPostgres(pg.Code, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, errLost) || pgconn.SafeToRetry(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// errLost is a connection that broke and says no more than that.
var errLost = errors.New("the connection broke")

func (s *Store) classifySQLite(code int, err error) error {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return fmt.Errorf("%w: %w", ErrUnique, err)
	}
	switch code & 0xff { // the primary code: https://www.sqlite.org/rescode.html
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return s.damaged(err)
	}
	return err
}

// damaged says what to do about a file that is not whole.
func (s *Store) damaged(err error) error {
	file := s.file
	return fmt.Errorf("%w: %s: %w; stop grove, put the file aside with\n\tmkdir %s.damaged && mv %s* %s.damaged\n"+
		"and bring the last backup back with\n\tgrove restore BACKUP\n(without a backup grove begins with an empty database)",
		ErrDamaged, file, err, shell(file), shell(file), shell(file))
}

// shell quotes a name for a command that a person may copy.
func shell(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// classifyPostgres goes by the codes of PostgreSQL's documentation, appendix A.
func classifyPostgres(code string, err error) error {
	switch code {
	case "23505":
		return fmt.Errorf("%w: %w", ErrUnique, err)
	case "53100":
		return fmt.Errorf("%w: %w", ErrFull, err)
	case "40001", "40P01":
		return fmt.Errorf("%w: %w", errAgain, err)
	case "25006": // read only: a standby
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case "XX001", "XX002":
		return fmt.Errorf("%w: %w; see what the log of the PostgreSQL server says", ErrDamaged, err)
	}
	switch {
	case len(code) != 5:
		return err
	case code[:2] == "08", code[:2] == "28", code[:2] == "53", code[:2] == "57", code[:2] == "58", code == "3D000":
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// Clean makes a text that both engines take: valid UTF-8 without NUL.
func Clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	return text
}
