package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Options say which database, and who writes to it.
type Options struct {
	// Address is a file, or the address of a PostgreSQL database without a password:
	// postgres://user@host:port/database?sslmode=verify-full.
	Address string
	// Password returns the password of the PostgreSQL user. It is asked at each
	// connection, so that a changed one needs no restart. Nil leaves it to PGPASSFILE.
	Password func(ctx context.Context) (string, error)
	// Manager is the name under which this process writes what belongs to its own tree.
	// It is empty for tools, which write what belongs to all and take nobody over.
	Manager string
	// Patient makes Open return although a PostgreSQL server cannot be reached: until it
	// can be, everything returns ErrUnavailable.
	Patient bool
	// Queue is how many pieces of work may wait, after which Write waits; 4096 when zero.
	Queue int
	// Readers is how many read at the same time; 4 when zero.
	Readers int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what happens without being asked for; nil is nowhere.
	Log *slog.Logger
}

// ErrOptions is wrapped by every error about options.
var ErrOptions = errors.New("database")

var managerName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$`)

// check fills in defaults and says what is wrong.
func (o *Options) check() error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Queue, o.Readers = cmp.Or(max(o.Queue, 0), 4096), cmp.Or(max(o.Readers, 0), 4)
	if o.Manager != "" && !managerName.MatchString(o.Manager) {
		return fmt.Errorf("%w: the name of a manager is 1 to 64 letters, digits, dots, underscores and hyphens, not %q", ErrOptions, clip(o.Manager))
	}
	if o.Address == "" {
		return fmt.Errorf("%w: no address: give a file, or postgres://user@host/database", ErrOptions)
	}
	return nil
}

// isPostgres tells the two kinds of address apart. Anything else that looks like an
// address of a server is refused, lest a misspelt one become a file.
func isPostgres(address string) (bool, error) {
	scheme, _, ok := strings.Cut(address, "://")
	switch {
	case !ok:
		return false, nil
	case scheme == "postgres", scheme == "postgresql":
		return true, nil
	}
	return false, fmt.Errorf("%w: %q is no kind of database: give a file, or postgres://user@host/database", ErrOptions, clip(scheme+"://"))
}

// postgresAddress parses the address of a server. Its errors do not repeat the address,
// which may hold a password by mistake.
func postgresAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: the address is not of the form postgres://user@host:port/database", ErrOptions)
	}
	_, inUser := u.User.Password()
	if inUser || u.Query().Has("password") || u.Query().Has("sslpassword") {
		return nil, fmt.Errorf("%w: the address holds a password, which others could read there: take it out, and give it by reference "+
			"(file:/path, env:NAME or credential:NAME) or in the file that PGPASSFILE names", ErrOptions)
	}
	return u, nil
}

// shown is an address as it may be shown to people.
func shown(address string) string {
	scheme, _, isServer := strings.Cut(address, "://")
	if !isServer {
		return filepath.Clean(address)
	}
	u, err := url.Parse(address)
	if err != nil { // what it holds is not known
		return scheme + "://…"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
