package account

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/storetest"
)

const theDatabase = "the database of these tests"

// start opens a directory with a copy, as a manager does that starts, whether the
// database is there or not.
func start(t *testing.T, address, file, database string, log *bytes.Buffer) *world {
	t.Helper()
	w := &world{}
	w.at.Store(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).UnixMilli())
	var err error
	if w.store, err = store.Open(t.Context(), store.Options{Address: address, Manager: "north", Patient: true, Now: w.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	w.audit = audit.New(w.store, "north", w.now)
	w.Directory = New(Options{Store: w.store, Audit: w.audit, Now: w.now, Copy: file, Database: database, Log: slog.New(slog.NewTextHandler(log, nil))})
	switch err := w.Load(t.Context()); {
	case errors.Is(err, store.ErrUnavailable):
		_ = w.Recall() // What it says is in the log.
	case err != nil:
		t.Fatal(err)
	}
	return w
}

// away takes the server of the database away, until the end of the test at the latest.
func away(t *testing.T) (back func()) {
	t.Helper()
	server := storetest.TheServer()
	if err := server.Stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	back = sync.OnceFunc(func() {
		if err := server.Start(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(back)
	return back
}

// run runs a directory until stop, which writes its copy.
func (w *world) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = w.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(stop)
	return stop
}

// TestAStartWithoutTheDatabase: those whom the copy has come in as before, nothing can be
// changed, and what the database says counts as soon as it answers.
func TestAStartWithoutTheDatabase(t *testing.T) {
	db := storetest.Postgres(t)
	file := filepath.Join(t.TempDir(), "accounts.json")
	var log bytes.Buffer
	first := start(t, db.Address, file, theDatabase, &log)
	stop := first.run(t)
	first.add(t, "ada", "admin")
	for _, name := range []string{"bob", "eve", "off"} {
		first.add(t, name, "viewer /shop", "editor /bank")
	}
	secrets, tokens := map[string]string{}, map[string]string{}
	for _, name := range []string{"ada", "bob", "eve"} {
		secrets[name], _ = first.login(t, name)
		tokens[name], _ = first.token(t, name, "viewer /shop")
	}
	tokens["off"], _ = first.token(t, "off")
	yes := true
	if _, err := first.Change(t.Context(), by, "off", Change{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	until(t, "the copy has the last change", func() bool {
		c, err := readCopy(file)
		return err == nil && len(c.Users) == 4 && !first.changed.Load()
	})
	stop()
	knew := first.Users()

	// Somebody is disabled, another demoted and a token revoked while it does not run.
	other := open(t, db, "south")
	if _, err := other.Change(t.Context(), by, "bob", Change{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	less := grants(t, "viewer /shop")
	if _, err := other.Change(t.Context(), by, "eve", Change{Grants: &less}); err != nil {
		t.Fatal(err)
	}
	if err := other.RevokeToken(t.Context(), by, other.Tokens("ada")[0].ID); err != nil {
		t.Fatal(err)
	}

	back := away(t)
	log.Reset()
	w := start(t, db.Address, file, theDatabase, &log)
	if !w.Loaded() || !w.Copied() {
		t.Fatalf("loaded %t, from the copy %t: %s", w.Loaded(), w.Copied(), &log)
	}
	if diff := cmp.Diff(knew, w.Users(), cmp.Comparer(func(a, b grant.Grant) bool { return a == b })); diff != "" {
		t.Errorf("users: -want +got\n%s", diff)
	}
	for _, name := range []string{"ada", "bob", "eve"} {
		if p := w.Session(secrets[name]); p == nil || p.User != name {
			t.Errorf("the session of %s: %+v", name, p)
		}
		if p := w.Token(tokens[name]); p == nil || p.User != name || GrantsText(p.Subject.Grants) != "viewer /shop" {
			t.Errorf("the token of %s: %+v", name, p)
		}
		u, err := w.User(name)
		if err != nil || u.Password != "hash of "+name || w.Pass(name) == nil {
			t.Errorf("the password of %s: %+v, %v", name, u, err)
		}
	}
	if w.Token(tokens["off"]) != nil || w.Pass("off") != nil {
		t.Error("who was disabled comes in")
	}
	if w.Session(newSecret()) != nil || w.Token(newToken()) != nil || w.Pass("mallory") != nil {
		t.Error("somebody unknown comes in")
	}
	if _, _, err := w.Login(t.Context(), Login{User: "ada", Method: "password", Life: time.Hour}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a new session: %v", err)
	}
	if _, err := w.Change(t.Context(), by, "eve", Change{Disabled: &yes}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a change: %v", err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.changed.Store(true)
	if err := w.writeCopy(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a copy of the copy was written, %v", err)
	}
	if n := strings.Count(log.String(), "level=WARN msg=\"the database is away"); n != 1 {
		t.Errorf("told %d times: %s", n, &log)
	}
	ada, bob, eve := w.Session(secrets["ada"]).Subject, w.Session(secrets["bob"]).Subject, w.Token(tokens["eve"]).Subject

	back()
	stop = w.run(t)
	until(t, "the database is read", func() bool { return !w.Copied() })
	if !ada.Still() || w.Session(secrets["ada"]) == nil {
		t.Error("the session of ada did not go on")
	}
	if bob.Still() || w.Session(secrets["bob"]) != nil || w.Token(tokens["bob"]) != nil || w.Pass("bob") != nil {
		t.Error("who was disabled meanwhile still comes in")
	}
	if eve.Still() {
		t.Error("who was demoted meanwhile keeps what he could do")
	}
	if p := w.Pass("eve"); p == nil || GrantsText(p.Subject.Grants) != "viewer /shop" {
		t.Errorf("who was demoted: %+v", p)
	}
	if w.Token(tokens["ada"]) != nil {
		t.Error("a token that was revoked meanwhile lets in")
	}
	stop()
	c, err := readCopy(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range c.Users {
		if u.Disabled != (u.Name == "bob" || u.Name == "off") {
			t.Errorf("the copy of then has %+v", u)
		}
	}
}

// TestACopyHasNoSecret: neither a secret nor the password in clear is in it, and it is
// its owner's alone.
func TestACopyHasNoSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "accounts.json")
	var log bytes.Buffer
	w := start(t, storetest.SQLite(t).Address, file, theDatabase, &log)
	left := filepath.Join(filepath.Dir(file), temporary+"1")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := w.run(t)
	w.add(t, "ada", "admin")
	secret, _ := w.login(t, "ada")
	token, _ := w.token(t, "ada")
	until(t, "what a killed process left is gone", func() bool { _, err := os.Stat(left); return err != nil })
	stop()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]string{"session": secret, "token": token, "token without its prefix": strings.TrimPrefix(token, TokenPrefix)} {
		if bytes.Contains(text, []byte(s)) {
			t.Errorf("the copy has the %s", what)
		}
		if what != "token without its prefix" && !bytes.Contains(text, []byte(hashOf(s).String())) {
			t.Errorf("the copy does not have the hash of the %s", what)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(file)); err != nil || len(files) != 1 {
		t.Errorf("beside it are %v, %v", files, err)
	}
}

// TestWhichCopiesAreUsed: one that is not as it was written lets nobody in, and one that
// says that there are no users says so.
func TestWhichCopiesAreUsed(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	w := start(t, storetest.SQLite(t).Address, "", theDatabase, &log)
	none, err := w.content().encode()
	if err != nil {
		t.Fatal(err)
	}
	w.add(t, "ada", "admin")
	whole, err := w.content().encode()
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(whole, []byte(`"name":"ada"`), []byte(`"name":"eve"`), 1)
	unsaid, err := (&content{Database: theDatabase}).encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text     []byte
		mode     os.FileMode
		database string
		want     string // in the log; empty: it is used
		users    int
	}{
		"whole":                      {whole, 0o600, theDatabase, "", 1},
		"without users":              {none, 0o600, theDatabase, "", 0},
		"not there":                  {nil, 0o600, theDatabase, "there is none", 0},
		"empty":                      {[]byte{}, 0o600, theDatabase, "damaged", 0},
		"cut off":                    {whole[:len(whole)-9], 0o600, theDatabase, "damaged", 0},
		"with another name":          {other, 0o600, theDatabase, "its sum is wrong", 0},
		"with something behind it":   {append(bytes.Clone(whole), "{}"...), 0o600, theDatabase, "damaged", 0},
		"of another version":         {bytes.Replace(whole, []byte(`accounts":1`), []byte(`accounts":2`), 1), 0o600, theDatabase, "version 2", 0},
		"of another database":        {whole, 0o600, "another", "another database", 0},
		"that others may write":      {whole, 0o620, theDatabase, "others may write", 0},
		"that does not say if users": {unsaid, 0o600, theDatabase, "does not say", 0},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if c.text != nil {
				if err := os.WriteFile(file, c.text, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(file, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			d := New(Options{Copy: file, Database: c.database, Log: slog.New(slog.NewTextHandler(&log, nil))})
			err := d.Recall()
			if used := c.want == ""; used != (err == nil) || d.Loaded() != used || d.Copied() != used || d.Len() != c.users {
				t.Errorf("%v; loaded %t, copied %t, %d users", err, d.Loaded(), d.Copied(), d.Len())
			}
			if !strings.Contains(log.String(), c.want) {
				t.Errorf("the log has %s, not %s", &log, c.want)
			}
			if d.Pass("eve") != nil || (d.Pass("ada") != nil) != (c.users == 1) {
				t.Error("the wrong ones come in")
			}
		})
	}
}

// FuzzCopy: what is taken is written as it was read, and lets nobody in who may not.
func FuzzCopy(f *testing.F) {
	c := content{Database: theDatabase, Written: 1, Users: []copiedUser{{
		Name: "ada", Source: Local, Sessions: []copiedSession{{ID: "a", Hash: hashOf("a").String()}}, Tokens: []copiedToken{{ID: "b", Hash: hashOf("b").String()}},
	}}}
	text, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"grove_accounts":1,"sha256":"","content":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCopy(text)
		if err != nil {
			if !errors.Is(err, errCopy) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseCopy(again)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := back.encode(); err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%s became %s, %v", again, twice, err)
		}
	})
}
