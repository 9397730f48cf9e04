// Package storetest runs the tests of the database and of its rooms on every engine: on
// an SQLite file, and on a PostgreSQL server of their own when Debian's is installed.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"grove/tree/store"
)

// Database is a database of one test, empty at first.
type Database struct {
	Engine  string // sqlite or postgres
	Address string
	options store.Options
}

// Open opens the database as the manager "test", and closes it with the test.
func (d *Database) Open(t testing.TB) *store.Store { return d.OpenAs(t, "test") }

// OpenAs is Open under another name.
func (d *Database) OpenAs(t testing.TB, manager string) *store.Store {
	t.Helper()
	o := d.options
	o.Address, o.Manager = d.Address, manager
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// Now sets the clock of what is opened from now on.
func (d *Database) Now(now func() time.Time) { d.options.Now = now }

// Run runs a test on every engine, each time with an empty database.
func Run(t *testing.T, test func(t *testing.T, d *Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// SQLite makes an empty database in a file.
func SQLite(t testing.TB) *Database {
	return &Database{Engine: "sqlite", Address: filepath.Join(t.TempDir(), "grove.db"), options: store.Options{Log: logger(t)}}
}

var databases atomic.Int64

// Postgres makes an empty database on the server of this test program, and skips the
// test when there is none.
func Postgres(t testing.TB) *Database {
	t.Helper()
	server.once.Do(func() { server.err = server.start() })
	if errors.Is(server.err, errAbsent) {
		t.Skip(server.err)
	}
	if server.err != nil {
		t.Fatal(server.err)
	}
	name := "test" + strconv.FormatInt(databases.Add(1), 10)
	server.Exec(t, "CREATE DATABASE "+name)
	return &Database{Engine: "postgres", Address: server.address(name), options: store.Options{Log: logger(t)}}
}

// Exec runs a statement on the server, outside of any test's database.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.address("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

// Main runs the tests of a package, looks for goroutines that were left behind, and
// stops the server.
func Main(m *testing.M) {
	code := m.Run()
	if err := server.Stop(syscall.SIGINT); err != nil {
		fmt.Fprintln(os.Stderr, "stop of the PostgreSQL server:", err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if server.dir != "" {
		_ = os.RemoveAll(server.dir) // It is in the directory for what is temporary.
	}
	os.Exit(code)
}

// programs is where Debian puts those of PostgreSQL.
const programs = "/usr/lib/postgresql/*/bin"

var errAbsent = errors.New("PostgreSQL is not installed in " + programs)

var server Server

// Server is a PostgreSQL server on a socket of its own.
type Server struct {
	once sync.Once
	err  error
	bin  string
	dir  string
	user *syscall.Credential

	mu  sync.Mutex
	cmd *exec.Cmd
}

// TheServer is the one on which Postgres makes databases, for tests that take it away
// and bring it back. It is nil while there is none.
func TheServer() *Server {
	if server.dir == "" {
		return nil
	}
	return &server
}

func (s *Server) address(database string) string {
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: url.Values{"host": {s.dir}, "user": {"postgres"}}.Encode()}
	return u.String()
}

// start makes and starts the server.
func (s *Server) start() error {
	found, _ := filepath.Glob(programs + "/postgres") // The pattern is right.
	if len(found) == 0 {
		return errAbsent
	}
	s.bin = filepath.Dir(slices.Max(found))
	dir, err := os.MkdirTemp("", "grovepg") // a short name: it has to fit into a socket's
	if err != nil {
		return err
	}
	s.dir = dir
	if os.Geteuid() == 0 { // as whom it does not start
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("%w: %w", errAbsent, err)
		}
		uid, errU := strconv.ParseUint(u.Uid, 10, 32)
		gid, errG := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errU, errG, os.Chown(dir, int(uid), int(gid))); err != nil {
			return err
		}
		s.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return s.Start()
}

// Start starts the server again that Stop has stopped.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=100")
	cmd.Dir = s.dir
	log, err := os.OpenFile(s.logName(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	// It goes when the tests are killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user, Pdeathsig: syscall.SIGQUIT}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-tick.C {
		conn, err := pgx.Connect(context.Background(), s.address("postgres"))
		if err == nil {
			return conn.Close(context.Background())
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(s.logName()) // It is of use if it is there.
			return fmt.Errorf("the PostgreSQL server does not answer: %w\n%s", err, said)
		}
	}
}

func (s *Server) logName() string { return filepath.Join(s.dir, "log") }

// Stop stops the server: with SIGINT as it should be, with SIGQUIT as a crash would.
func (s *Server) Stop(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	err := s.cmd.Process.Signal(sig)
	if wait := s.cmd.Wait(); sig == syscall.SIGINT && err == nil {
		err = wait
	}
	s.cmd = nil
	return err
}

// Restart lets the server crash and recover.
func (s *Server) Restart() error {
	return errors.Join(s.Stop(syscall.SIGQUIT), s.Start())
}

// logger writes to the log of a test.
func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
