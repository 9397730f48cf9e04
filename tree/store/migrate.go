package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"regexp"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migration/*.sql
var migrations embed.FS

// engineMark is a comment that holds for one engine alone.
var engineMark = regexp.MustCompile(`/\*(sqlite|postgres) ([^*]*)\*/`)

// dialect is the migrations in the words of one engine.
type dialect struct {
	engine engine
	files  fs.FS
}

// Open implements fs.FS.
func (d dialect) Open(name string) (fs.File, error) {
	f, err := d.files.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	text = engineMark.ReplaceAllFunc(text, func(mark []byte) []byte {
		m := engineMark.FindSubmatch(mark)
		if string(m[1]) == d.engine.String() {
			return bytes.TrimSpace(m[2])
		}
		return nil
	})
	return spoken{f, bytes.NewReader(text)}, nil
}

// spoken is a file with another text.
type spoken struct {
	fs.File
	text io.Reader
}

func (s spoken) Read(b []byte) (int, error) { return s.text.Read(b) }

// migrate brings the tables to what this program knows, and refuses those of a newer one.
func (s *Store) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migration")
	if err != nil {
		return err
	}
	words := goose.DialectSQLite3
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable), goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	if s.engine == enginePostgres {
		words = goose.DialectPostgres
		// Several managers that start at once migrate one after the other.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(words, db, dialect{s.engine, files}, options...)
	if err != nil {
		return err
	}
	has, wants, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("version of the tables: %w", err)
	}
	if has > wants {
		return fmt.Errorf("%w: the tables have version %d, this grove knows version %d: run the newer grove again, or restore a backup of before",
			ErrNewer, has, wants)
	}
	s.schema.Store(wants)
	if has == wants {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the tables from version %d to %d: %w", has, wants, err)
	}
	s.log.Info("tables of the database are up to date", "from", has, "to", wants)
	return nil
}

// versionTable is where the version of the tables is kept.
const versionTable = "grove_schema"
