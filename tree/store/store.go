package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// engine is a kind of database.
type engine uint8

const (
	engineSQLite engine = iota
	enginePostgres
)

// String returns the name as migrations write it.
func (e engine) String() string {
	if e == enginePostgres {
		return "postgres"
	}
	return "sqlite"
}

// Store is an open database. Its methods may be called from many goroutines.
type Store struct {
	options  Options
	log      *slog.Logger
	engine   engine
	shown    string          // the address for people
	file     string          // of SQLite
	postgres *pgx.ConnConfig // of PostgreSQL, without a password
	writer   *sql.DB
	readers  *sql.DB
	hub      hub

	schema   atomic.Int64
	manager  atomic.Int64
	prepared atomic.Bool  // the tables are there
	replaced atomic.Int64 // times that Load has replaced everything

	queue chan *work
	stop  chan struct{} // closed by Close
	ended chan struct{} // closed by the writer
	once  sync.Once
	alive context.Context // ends with Close
	die   context.CancelFunc

	// What follows belongs to the writer.
	conn       *sql.Conn
	statements *statements
	epoch      int64
	kept       *work // that has to be alone, and is next

	known struct {
		sync.Mutex
		nodes map[int64]struct{} // that the table of nodes has
	}
	counts struct {
		sync.Mutex
		Stats
		lastErr error // of the last transaction; nil: it went well
	}
}

// busyTime is how long a transaction waits for another process that has the file.
const busyTime = 2 * time.Second

// maxKnown bounds the numbers of nodes that are remembered to be in the table, at about
// 40 bytes each.
const maxKnown = 1 << 20

// Open opens a database and makes its tables, or brings them up to date. A file that is
// damaged is refused with the command to run.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	isServer, err := isPostgres(o.Address)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: o, log: o.Log, shown: shown(o.Address),
		queue: make(chan *work, o.Queue), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	s.alive, s.die = context.WithCancel(context.Background())
	s.hub.watchers = map[*watcher]struct{}{}
	s.known.nodes = map[int64]struct{}{}
	if isServer {
		s.engine = enginePostgres
		err = s.openPostgres()
	} else {
		err = s.openSQLite(ctx)
	}
	if err == nil {
		err = s.prepareAgain(ctx)
		s.note(err)
		if errors.Is(err, ErrUnavailable) && o.Patient && isServer {
			s.log.Warn("the database cannot be reached yet", "address", s.shown, "err", err)
			err = nil
		}
	}
	if err != nil {
		s.dropConn()
		s.die()
		return nil, fmt.Errorf("database %s: %w", s.shown, errors.Join(err, s.closePools()))
	}
	go s.run()
	return s, nil
}

// prepareAgain makes the tables and takes the manager over, if that is still to be done.
// It is for the writer, and for Open before there is one.
func (s *Store) prepareAgain(ctx context.Context) error {
	if s.prepared.Load() {
		return nil
	}
	if err := s.migrate(ctx, s.writer); err != nil {
		return s.classify(err)
	}
	if s.engine == engineSQLite {
		if err := s.advise(ctx); err != nil {
			return err
		}
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	id, epoch, err := s.takeOver(ctx, s.conn)
	if err != nil {
		s.dropConn()
		return s.classify(err)
	}
	s.manager.Store(id)
	s.epoch = epoch
	s.prepared.Store(true)
	return nil
}

// execer is a connection or a transaction.
type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// takeOver makes this process the one that writes as its manager, under a number and an
// epoch of its own.
func (s *Store) takeOver(ctx context.Context, db execer) (id, epoch int64, err error) {
	if s.options.Manager == "" {
		return 0, 0, nil
	}
	for range maxTries {
		err = db.QueryRowContext(ctx, "UPDATE manager SET epoch = epoch + 1, opened = $1 WHERE name = $2 RETURNING id, epoch",
			s.options.Now().UnixMilli(), s.options.Manager).Scan(&id, &epoch)
		if !errors.Is(err, sql.ErrNoRows) {
			return id, epoch, err
		}
		// Another manager may take the same number at this moment: then the next one.
		_, err = db.ExecContext(ctx, "INSERT INTO manager (id, name, epoch, opened) "+
			"SELECT COALESCE(MAX(id), 0) + 1, CAST($1 AS TEXT), 0, 0 FROM manager WHERE true ON CONFLICT DO NOTHING", s.options.Manager)
		if err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, fmt.Errorf("%w: too many managers come at once", ErrUnavailable)
}

// connect makes sure that the writer has its connection, to a database with tables.
func (s *Store) connect(ctx context.Context) error {
	if !s.prepared.Load() {
		return s.prepareAgain(ctx)
	}
	return s.acquire(ctx)
}

func (s *Store) acquire(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return s.classify(err)
	}
	s.conn = conn
	if s.engine == engineSQLite {
		// Another process may hold the file for long. Who waits here is told so soon, and
		// tries again.
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTime.Milliseconds())); err != nil {
			s.dropConn()
			return s.classify(err)
		}
		s.statements = &statements{conn: conn, all: map[string]*sql.Stmt{}}
	}
	return nil
}

// Read runs do in a transaction that changes nothing and sees one state of the database.
func (s *Store) Read(ctx context.Context, do func(*Tx) error) error {
	select {
	case <-s.stop:
		return ErrClosed
	default:
	}
	if !s.prepared.Load() {
		return errors.Join(s.Ready(), ErrUnavailable)
	}
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return s.readError(ctx, err)
	}
	defer conn.Close()
	options := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	if s.engine == engineSQLite {
		options = &sql.TxOptions{ReadOnly: true} // it has one level, which is stricter
	}
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return s.readError(ctx, err)
	}
	err = do(&Tx{s: s, ctx: ctx, conn: conn})
	if end := tx.Rollback(); err == nil && !errors.Is(end, sql.ErrTxDone) {
		err = end // There was nothing to commit.
	}
	return s.readError(ctx, err)
}

// readError tells a reader who gave up from a database that is not there.
func (s *Store) readError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return s.classify(err)
}

// Ready says why the database cannot be written at present; nil is that the last
// transaction went well.
func (s *Store) Ready() error {
	s.counts.Lock()
	defer s.counts.Unlock()
	return s.counts.lastErr
}

// note remembers how the last transaction went.
func (s *Store) note(err error) {
	s.counts.Lock()
	defer s.counts.Unlock()
	if s.counts.lastErr == nil && err != nil && !errors.Is(err, errAgain) {
		s.log.Error("the database cannot be written", "address", s.shown, "err", err)
	} else if s.counts.lastErr != nil && err == nil {
		s.log.Info("the database can be written again", "address", s.shown)
	}
	s.counts.lastErr = err
	if err != nil {
		s.counts.LastError, s.counts.LastErrorAt = err.Error(), s.options.Now()
		s.counts.Errors++
	}
}

// Replaced counts how often Load has replaced everything: what somebody remembers of the
// database is of no use when it has risen.
func (s *Store) Replaced() int64 { return s.replaced.Load() }

func (s *Store) forgetKnown() {
	s.known.Lock()
	clear(s.known.nodes)
	s.known.Unlock()
}

// Close writes what waits and closes the database. It may be called more than once.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.stop) })
	s.die()
	<-s.ended
	return s.closePools()
}

func (s *Store) closePools() error {
	var errs []error
	for _, db := range []*sql.DB{s.readers, s.writer} { // the last one to go tidies up
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Stats are the counts of a store since it was opened.
type Stats struct {
	Engine      string // sqlite or postgres
	Address     string // without secrets
	Schema      int64  // version of the tables
	Bytes       int64  // on disk
	Commits     uint64
	Pieces      uint64 // of work
	Rows        uint64 // changed
	Errors      uint64 // of transactions, and of tries to reach a server
	Queue, Room int    // pieces that wait, and how many may
	LastCommit  time.Time
	LastError   string // of a transaction
	LastErrorAt time.Time
	Ready       bool // the last transaction went well
}

// Stats returns the present counts; it asks the database for its size.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	s.counts.Lock()
	stats := s.counts.Stats
	stats.Ready = s.counts.lastErr == nil
	s.counts.Unlock()
	stats.Engine, stats.Address, stats.Schema = s.engine.String(), s.shown, s.schema.Load()
	stats.Queue, stats.Room = len(s.queue), cap(s.queue)
	var err error
	if s.engine == engineSQLite {
		stats.Bytes, err = s.fileBytes()
	} else {
		err = s.Read(ctx, func(tx *Tx) error {
			_, err := tx.Row("SELECT pg_database_size(current_database())", nil, &stats.Bytes)
			return err
		})
	}
	return stats, err
}
