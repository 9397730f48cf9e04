package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/tree/store"
	"grove/tree/store/storetest"
)

// crashAddress makes this test program the one that is killed: it writes to the database
// there, and prints each name once it is acknowledged.
const crashAddress = "GROVE_TEST_CRASH_ADDRESS"

func TestCrashHelper(t *testing.T) {
	address := os.Getenv(crashAddress)
	if address == "" {
		t.Skip("only as the child of TestWhatWasAcknowledgedOutlivesAKill")
	}
	s, err := store.Open(t.Context(), store.Options{Address: address, Manager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", os.Getenv("GROVE_TEST_CRASH_ROUND"), worker, i)
				if err := s.Write(context.Background(), put(name)); err != nil {
					fmt.Println("error", err)
					return
				}
				mu.Lock()
				_, _ = io.WriteString(os.Stdout, "acknowledged "+name+"\n")
				mu.Unlock()
			}
		}()
	}
	select {}
}

// TestWhatWasAcknowledgedOutlivesAKill kills a writing process again and again.
func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		if err := d.Open(t).Close(); err != nil { // makes the tables
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
		acknowledged := map[string]bool{}
		for round := range 6 {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestCrashHelper$", "-test.v")
			cmd.Env = append(os.Environ(), crashAddress+"="+d.Address, fmt.Sprintf("GROVE_TEST_CRASH_ROUND=%d", round))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines, until := bufio.NewScanner(out), 100+random.IntN(900)
			for n := 0; lines.Scan(); {
				name, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
				if !ok {
					continue
				}
				acknowledged[name] = true
				if n++; n == until {
					if err := cmd.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = cmd.Wait() // It was killed.
			s := d.Open(t)
			if err := s.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			have := map[string]bool{}
			for _, name := range names(t, s) {
				have[name] = true
			}
			for name := range acknowledged {
				if !have[name] {
					t.Errorf("round %d: %s was acknowledged and is lost", round, name)
				}
			}
			if len(acknowledged) < 100*(round+1) {
				t.Fatalf("round %d: only %d were acknowledged", round, len(acknowledged))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAServerThatCrashesKeepsWhatWasAcknowledged(t *testing.T) {
	d := storetest.Postgres(t)
	s := d.Open(t)
	for round := range 3 {
		if err := s.Write(t.Context(), put(fmt.Sprint("before", round))); err != nil {
			t.Fatal(err)
		}
		server := storetest.TheServer()
		if err := server.Stop(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), put("never")); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("without a server: %v", err)
		}
		if err := s.Read(t.Context(), func(tx *store.Tx) error { _, err := tx.Row("SELECT 1", nil, new(int)); return err }); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("reading without a server: %v", err)
		}
		if !errors.Is(s.Ready(), store.ErrUnavailable) {
			t.Errorf("ready: %v", s.Ready())
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		// The first one after it is back goes through, over a new connection.
		if err := s.Write(t.Context(), put(fmt.Sprint("after", round))); err != nil {
			t.Errorf("after it is back: %v", err)
		}
	}
	if got := names(t, s); len(got) != 6 {
		t.Errorf("%v", got)
	}
}

func TestAServerThatIsNotThereYet(t *testing.T) {
	d := storetest.Postgres(t)
	server := storetest.TheServer()
	if err := server.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Options{Address: d.Address, Manager: "test"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("one who is not patient: %v", err)
	}
	s, err := store.Open(t.Context(), store.Options{Address: d.Address, Manager: "test", Patient: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Read(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("reading: %v", err)
	}
	if err := s.Write(t.Context(), put("never")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("writing: %v", err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), put("one")); err != nil {
		t.Errorf("when it is there: %v", err)
	}
	if got := names(t, s); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestADamagedFileIsRefusedWithWhatToDo(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"no database":      func(b []byte) []byte { return []byte(strings.Repeat("hello ", 1000)) },
		"a broken header":  func(b []byte) []byte { b[18], b[0] = 99, 'X'; return b },
		"cut off":          func(b []byte) []byte { return b[:len(b)/2+100] },
		"a page of zeroes": func(b []byte) []byte { clear(b[3*4096 : 5*4096]); return b },
		"pages of rubbish": func(b []byte) []byte { copy(b[len(b)-8192:], strings.Repeat("rubbish!", 1024)); return b },
		"two pages swapped": func(b []byte) []byte {
			p := string(b[4096:8192])
			copy(b[4096:], b[8192:12288])
			copy(b[8192:], p)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := storetest.SQLite(t)
			s := d.Open(t)
			filled(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(d.Address)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(d.Address, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err = store.Open(t.Context(), store.Options{Address: d.Address, Manager: "test"})
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			for _, part := range []string{"database " + d.Address, "is damaged", "mv " + d.Address + "*", "grove restore BACKUP"} {
				if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
		})
	}
}

func TestFilesThatAreNotOurs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE x (y TEXT)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	_, err = store.Open(t.Context(), store.Options{Address: file})
	if want := "database " + file + ": database: " + file + " is a database of another program: choose another file"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := store.Open(t.Context(), store.Options{Address: t.TempDir()}); err == nil {
		t.Error("a directory was opened")
	}
}

func TestTablesOfANewerGroveAreRefused(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		if err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec("INSERT INTO grove_schema (version_id, is_applied) VALUES (99, true)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Open(t.Context(), store.Options{Address: d.Address, Manager: "test", Patient: true})
		want := fmt.Sprintf("was written by a newer grove: the tables have version 99, this grove knows version %d: run the newer grove again, or restore a backup of before", stats.Schema)
		if !errors.Is(err, store.ErrNewer) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAPasswordIsNeverShown(t *testing.T) {
	const secret = "hunter2-canary"
	// Nobody listens there.
	address := "postgres://grove@127.0.0.1:1/grove?connect_timeout=1"
	for name, o := range map[string]store.Options{
		"in the address":    {Address: "postgres://grove:" + secret + "@127.0.0.1:1/grove"},
		"as a parameter":    {Address: address + "&password=" + secret},
		"in a bad address":  {Address: "postgres://grove:" + secret + "@127.0.0.1:port/grove"},
		"by reference":      {Address: address, Password: func(context.Context) (string, error) { return secret, nil }},
		"that is not found": {Address: address, Password: func(context.Context) (string, error) { return "", errors.New("no such file") }},
	} {
		var log strings.Builder
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		s, err := store.Open(t.Context(), o)
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		if strings.Contains(err.Error()+log.String(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for address, want := range map[string]string{
		"":              "database: no address: give a file, or postgres://user@host/database",
		"mysql://x@y/z": `database: "mysql://" is no kind of database: give a file, or postgres://user@host/database`,
		"postgres://a:b@h/d": "database postgres://a:xxxxx@h/d: database: the address holds a password, which others could read there: take it out, " +
			"and give it by reference (file:/path, env:NAME or credential:NAME) or in the file that PGPASSFILE names",
	} {
		if _, err := store.Open(t.Context(), store.Options{Address: address}); !errors.Is(err, store.ErrOptions) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestAFullDiskRefusesAndRecovers fills a small file system of memory.
// TestAHeldFileIsToldSoon has another process hold the file: what is written meanwhile is
// refused as unavailable, and the next is taken once it is free.
func TestAHeldFileIsToldSoon(t *testing.T) {
	d := storetest.SQLite(t)
	s := d.Open(t)
	other, err := sql.Open("sqlite", "file:"+d.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, held := range []bool{false, true, false} {
		if held {
			if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
		}
		var asked int
		err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Row("SELECT 1", nil, &asked)
			return err
		})
		if held != errors.Is(err, store.ErrUnavailable) || held != (err != nil) || held != (s.Ready() != nil) {
			t.Errorf("held %v: %v, ready: %v", held, err, s.Ready())
		}
		var wait int64
		if err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Row("PRAGMA busy_timeout", nil, &wait)
			return err
		}); err == nil && wait > 2000 {
			t.Errorf("a transaction waits for %d ms", wait)
		}
		if held {
			if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWhoeverWaitsForAHeldFileIsToldAtOnce has more wait than one transaction takes: they
// do not wait for one another.
func TestWhoeverWaitsForAHeldFileIsToldAtOnce(t *testing.T) {
	d := storetest.SQLite(t)
	s := d.Open(t)
	other, err := sql.Open("sqlite", "file:"+d.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	const writers = 300
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			if err := s.Write(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	// One transaction takes 60 of them.
	if stats, err := s.Stats(t.Context()); err != nil || stats.Errors >= writers/60 {
		t.Errorf("%d transactions were tried for %d writers, %v", stats.Errors, writers, err)
	}
	if err := s.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may make a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(t.Context(), store.Options{Address: filepath.Join(dir, "grove.db"), Manager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ballast := filepath.Join(dir, "ballast")
	for round := range 3 {
		// As much of it as there is room for.
		if err := os.WriteFile(ballast, make([]byte, 1_000_000), 0o600); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		n := 0
		for err = nil; err == nil && n < 10_000; n++ {
			err = s.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec("INSERT INTO definition (name, revision) VALUES ($1, 1)", fmt.Sprintf("%d-%d-%s", round, n, strings.Repeat("x", 2000)))
				return err
			})
		}
		if !errors.Is(err, store.ErrFull) || !errors.Is(s.Ready(), store.ErrFull) {
			t.Fatalf("round %d: after %d rows: %v", round, n, err)
		}
		if got := len(names(t, s)); got != n-1 {
			t.Errorf("round %d: %d rows of %d that were acknowledged", round, got, n-1)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec("DELETE FROM definition"); return err }); err != nil {
			t.Errorf("round %d: with room again: %v", round, err)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// FuzzShownAddress puts a password where passwords stand, into addresses of any kind.
func FuzzShownAddress(f *testing.F) {
	f.Add("grove", "host/db?sslmode=disable")
	f.Add("a/b", "host:port")
	f.Add("%zz", "[::1")
	f.Fuzz(func(t *testing.T, user, rest string) {
		const secret = "hunter2-canary"
		if strings.ContainsAny(user, "@:/?#") || strings.Contains(rest, secret) {
			t.Skip()
		}
		if got := store.Shown("postgres://" + user + ":" + secret + "@" + rest); strings.Contains(got, secret) {
			t.Errorf("shown as %q", got)
		}
	})
}
