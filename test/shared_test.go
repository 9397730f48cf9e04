package test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"grove/cmd/app"
	"grove/tree/store"
	"grove/tree/store/revision"
	"grove/tree/store/storetest"
)

// endPostgres ends the server that tests of this package may have started, and removes
// what it wrote.
func endPostgres() error {
	server := storetest.TheServer()
	if server == nil {
		return nil
	}
	if err := server.Stop(syscall.SIGINT); err != nil {
		return fmt.Errorf("stop of the PostgreSQL server: %w", err)
	}
	return os.RemoveAll(postgresDir)
}

// postgresDir is the directory of that server.
var postgresDir string

// postgresTurn has an element while a test has that server, which it may stop.
var postgresTurn = make(chan struct{}, 1)

// postgres returns the address of an empty database on a real PostgreSQL, which is the
// test's own until it ends.
func postgres(t testing.TB) (address string, server *storetest.Server) {
	t.Helper()
	postgresTurn <- struct{}{}
	t.Cleanup(func() { <-postgresTurn })
	address = storetest.Postgres(t).Address
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if postgresDir = u.Query().Get("host"); !strings.Contains(postgresDir, "grovepg") {
		t.Fatalf("the socket of %s is nowhere", address)
	}
	return address, storetest.TheServer()
}

// greeting is a definition that managers share.
func greeting(word string) string {
	return fmt.Sprintf("grove: 1\napplication: greeting\nat: /greeting\ntree:\n  %s: { kind: performance, red: \"> 10\" }\n", word)
}

// TestManagersShareADatabase lets two managers share a PostgreSQL: a definition that
// one is given grows on both. Without the database both go on, and one of them starts
// with what it knew; with it again nothing is missing.
func TestManagersShareADatabase(t *testing.T) {
	t.Parallel()
	address, server := postgres(t)
	data := t.TempDir()
	configure := func(name string) func(*app.Config) {
		return func(c *app.Config) {
			c.Name, c.Database = name, address
			if name == "one" {
				c.Data = data
			}
		}
	}
	one, two := serve(t, configure("one")), serve(t, configure("two"))
	shared, err := store.Open(t.Context(), store.Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shared.Close() })
	definitions := revision.New(revision.Options{Store: shared})
	put := func(text string) error {
		_, err := definitions.Put(t.Context(), revision.Change{Name: "greeting", Text: text, Expected: revision.Any, Who: "test"})
		return err
	}
	if err := put(greeting("Hello")); err != nil {
		t.Fatal(err)
	}
	both := func(check func(*manager)) {
		t.Helper()
		check(one)
		check(two)
	}
	both(func(m *manager) { m.is("/greeting/Hello", "", "white") })
	both(func(m *manager) { m.push(reading{"path": "/greeting/Hello", "value": 1}) })
	both(func(m *manager) { m.is("/greeting/Hello", "1", "green") })

	// What is each one's own stays so, in the same database.
	one.push(reading{"path": "/greeting/Hello", "value": 11})
	if changes := one.journal("/greeting/Hello", "status"); len(changes) != 2 || changes[1].To != "red" {
		t.Errorf("the journal of one has %+v", changes)
	}
	if changes := two.journal("/greeting/Hello", "status"); len(changes) != 1 || changes[0].To != "green" {
		t.Errorf("the journal of two has %+v", changes)
	}

	// Without the database they go on, and say so.
	if err := server.Stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	back := false
	t.Cleanup(func() {
		if !back {
			_ = server.Start()
		}
	})
	both(func(m *manager) {
		// Whether that is acknowledged depends on whether anything else changed meanwhile.
		if code, body := m.post(reading{"path": "/greeting/Hello", "value": 5}); code != http.StatusOK && code != http.StatusServiceUnavailable {
			t.Errorf("without the database a reading is answered %d: %s", code, body)
		}
		m.is("/greeting/Hello", "5", "green")
		m.eventually(func() error {
			n, err := m.find("/grove/Database/State")
			if err != nil || n.Status != "red" {
				return errors.Join(fmt.Errorf("/grove/Database/State is %s", n.Status), err)
			}
			return nil
		})
	})
	// A change of status has no place on any disk: who pushed it is told so.
	if code, body := two.post(reading{"path": "/greeting/Hello", "value": 12}); code != http.StatusServiceUnavailable {
		t.Errorf("without the database a change of status is answered %d: %s", code, body)
	}
	two.is("/greeting/Hello", "12", "red")

	// One of them starts without it, and has its definitions.
	one.hurt = true
	if err := one.Stop(t.Context()); err == nil {
		t.Error("the manager did not say that its journal could not be written")
	}
	one = serve(t, configure("one"))
	one.is("/greeting/Hello", "", "white")
	if code, body := one.post(reading{"path": "/greeting/Hello", "value": 7}); code != http.StatusServiceUnavailable {
		t.Errorf("a first reading without the database is answered %d: %s", code, body)
	}
	one.is("/greeting/Hello", "7", "green")

	// With the database again nothing is missing, and news arrive.
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	back = true
	both(func(m *manager) {
		m.is("/grove/Database/State", "working", "green")
	})
	two.eventually(func() error {
		if changes := two.journal("/greeting/Hello", "status"); len(changes) != 2 || changes[1].To != "red" {
			return fmt.Errorf("the journal of two has %+v", changes)
		}
		return nil
	})
	one.eventually(func() error { return put(greeting("Goodbye")) })
	both(func(m *manager) { m.is("/greeting/Goodbye", "", "white"); m.gone("/greeting/Hello") })
	both(func(m *manager) { m.push(reading{"path": "/greeting/Goodbye", "value": 11}) })
}
