package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/drawer"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var by = By{Who: "root", Origin: "test"}

// world is a directory on a database, with a clock.
type world struct {
	*Directory
	at    atomic.Int64 // Unix milliseconds
	store *store.Store
	audit *audit.Log
}

func (w *world) now() time.Time        { return time.UnixMilli(w.at.Load()) }
func (w *world) after(d time.Duration) { w.at.Add(d.Milliseconds()) }
func open(t *testing.T, db *storetest.Database, manager string) *world {
	t.Helper()
	w := &world{}
	w.at.Store(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).UnixMilli())
	db.Now(w.now)
	w.store = db.OpenAs(t, manager)
	w.audit = audit.New(w.store, manager, w.now)
	w.Directory = New(Options{Store: w.store, Audit: w.audit, Now: w.now})
	if err := w.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func grants(t *testing.T, texts ...string) (list []grant.Grant) {
	t.Helper()
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, g)
	}
	return list
}

// add makes a user.
func (w *world) add(t *testing.T, name string, texts ...string) {
	t.Helper()
	if _, err := w.Add(t.Context(), by, User{Name: name, Grants: grants(t, texts...), Password: "hash of " + name}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) login(t *testing.T, name string) (string, Session) {
	t.Helper()
	secret, s, err := w.Login(t.Context(), Login{User: name, Method: "password", Address: "192.0.2.1", Agent: "browser", Life: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return secret, s
}

func (w *world) token(t *testing.T, name string, texts ...string) (string, Token) {
	t.Helper()
	text, made, err := w.CreateToken(t.Context(), by, Token{User: name, Name: "ci", Grants: grants(t, texts...), Ends: w.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return text, made
}

// records are the audit log, oldest first, without what differs.
func (w *world) records(t *testing.T) (lines []string) {
	t.Helper()
	all, err := w.audit.Read(t.Context(), audit.Query{Limit: audit.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		lines = append([]string{strings.Join([]string{r.Who, r.Origin, r.Action, r.Target, r.Was, r.Became, r.Outcome}, "|")}, lines...)
	}
	return lines
}

func TestEveryChangeIsInTheAuditLogOnce(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := open(t, db, "north")
		ctx := t.Context()
		w.add(t, "ada", "admin")
		w.add(t, "bob", "viewer /shop")
		yes, title, more := true, "Bob B.", grants(t, "editor /shop", "viewer")
		for _, c := range []Change{{Title: &title}, {Grants: &more}, {Grants: &more}, {Disabled: &yes}} {
			if _, err := w.Change(ctx, by, "bob", c); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.SetPassword(ctx, by, "bob", "other", ""); err != nil {
			t.Fatal(err)
		}
		if err := w.Rehash(ctx, "bob", "other", "stronger"); err != nil {
			t.Fatal(err)
		}
		_, s := w.login(t, "ada")
		_, again := w.login(t, "ada")
		_, _ = w.login(t, "ada")
		_, token := w.token(t, "ada", "viewer /shop")
		if _, _, err := w.CreateToken(ctx, by, Token{User: "ada", Name: "all", Ends: token.Ends}); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			w.EndSession(ctx, By{"ada", "192.0.2.1"}, "logout", s.ID), w.EndSessions(ctx, by, "ada", again.ID), w.EndSessions(ctx, by, "ada", again.ID),
			w.RevokeToken(ctx, by, token.ID), w.Remove(ctx, by, "bob"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		want := []string{
			"root|test|user add|ada||admin|ok",
			"root|test|user add|bob||viewer /shop|ok",
			"root|test|user change|bob|viewer /shop|viewer /shop; title Bob B.|ok",
			"root|test|user change|bob|viewer /shop; title Bob B.|editor /shop, viewer; title Bob B.|ok",
			"root|test|user change|bob|editor /shop, viewer; title Bob B.|editor /shop, viewer; disabled; title Bob B.|ok",
			"root|test|user password|bob|||ok",
			"ada|192.0.2.1|login|ada||password|ok",
			"ada|192.0.2.1|login|ada||password|ok",
			"ada|192.0.2.1|login|ada||password|ok",
			"root|test|token create|ada ci||viewer /shop; until 2026-03-02T13:00:00Z|ok",
			"root|test|token create|ada all||all that its owner may; until 2026-03-02T13:00:00Z|ok",
			"ada|192.0.2.1|logout|ada|password from 192.0.2.1||ok",
			"root|test|session end|ada|1 sessions||ok",
			"root|test|token revoke|ada ci|viewer /shop||ok",
			"root|test|user remove|bob|editor /shop, viewer; disabled; title Bob B.||ok",
		}
		if diff := cmp.Diff(want, w.records(t)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if _, err := w.audit.Verify(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := open(t, db, "north")
		ctx := t.Context()
		add := func(u User) error { _, err := w.Add(ctx, by, u); return err }
		if err := add(User{Name: "ada", Grants: grants(t, "admin /shop")}); !errors.Is(err, ErrFirst) {
			t.Errorf("the first user: %v", err)
		}
		w.add(t, "Ada", "admin")
		w.add(t, "bob", "viewer")
		change := func(name string, c Change) error { _, err := w.Change(ctx, by, name, c); return err }
		token := func(t Token) error { _, _, err := w.CreateToken(ctx, by, t); return err }
		none, yes, bad := []grant.Grant{}, true, []grant.Grant{{}}
		soon := w.now().Add(time.Hour)
		if err := token(Token{User: "bob", Name: "twice", Ends: soon}); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			err  error
			want error
		}{
			"there already":          {add(User{Name: "ADA"}), ErrExists},
			"no name":                {add(User{}), ErrWrong},
			"a name with a space":    {add(User{Name: "a b"}), ErrWrong},
			"a name of grove's":      {add(User{Name: "Grove"}), ErrWrong},
			"a long name":            {add(User{Name: strings.Repeat("a", 65)}), ErrWrong},
			"a long title":           {add(User{Name: "x", Title: strings.Repeat("a", 201)}), ErrWrong},
			"a grant without a role": {add(User{Name: "x", Grants: bad}), ErrWrong},
			"too many grants":        {add(User{Name: "x", Grants: make([]grant.Grant, 101)}), ErrWrong},
			"change nobody":          {change("eve", Change{}), ErrNoUser},
			"disable the last admin": {change("ada", Change{Disabled: &yes}), ErrLast},
			"the last admin's role":  {change("ada", Change{Grants: &none}), ErrLast},
			"remove the last admin":  {w.Remove(ctx, by, "ada"), ErrLast},
			"remove nobody":          {w.Remove(ctx, by, "eve"), ErrNoUser},
			"password of nobody":     {w.SetPassword(ctx, by, "eve", "x", ""), ErrNoUser},
			"token of nobody":        {token(Token{User: "eve", Name: "x", Ends: soon}), ErrNoUser},
			"token without a name":   {token(Token{User: "bob", Name: " ", Ends: soon}), ErrWrong},
			"token that is there":    {token(Token{User: "bob", Name: "twice", Ends: soon}), ErrExists},
			"token that has ended":   {token(Token{User: "bob", Name: "x", Ends: w.now()}), ErrWrong},
			"token for ever":         {token(Token{User: "bob", Name: "x", Ends: w.now().Add(MaxTokenLife + time.Second)}), ErrWrong},
			"no such token":          {w.RevokeToken(ctx, by, "x"), ErrNoToken},
			"no such session":        {w.EndSession(ctx, by, "logout", "x"), ErrNoSession},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: got %v, want %v", name, c.err, c.want)
			}
		}
		if records := w.records(t); len(records) != 3 {
			t.Errorf("what was refused is in the audit log: %q", records)
		}
		if u := w.Users(); len(u) != 2 || w.Len() != 2 {
			t.Errorf("%d users, %d", len(u), w.Len())
		}
	})
}

func TestName(t *testing.T) {
	for text, want := range map[string]string{
		"Ada": "ada", "ada@example.com": "ada@example.com", "zoë": "zoë", "ольга": "ольга", "ελένη": "ελένη", "山田太郎": "山田太郎", "7of9": "7of9", "\u212a": "k", "İ": "i",
		"аda": "", "αda": "", "ａｄａ": "", "𝒶da": "", "a①": "", "ada\n": "", "ada ": "", "-ada": "", "a/b": "", "": "", "ada\u0301": "", "ada\u200b": "", "nobody": "", "Anonymous": "",
	} {
		got, err := Name(text)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrWrong) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// TestAPassEnds holds that a subject stops being valid as soon as what it stands on is
// changed, and goes on while it is not.
func TestAPassEnds(t *testing.T) {
	ctx := context.Background()
	less, yes, title := []grant.Grant{}, true, "B."
	for name, c := range map[string]struct {
		do                   func(w *world, s Session, k Token) error
		session, token, self bool // still valid
	}{
		"nothing": {func(*world, Session, Token) error { return nil }, true, true, true},
		"the title": {func(w *world, _ Session, _ Token) error {
			_, err := w.Change(ctx, by, "bob", Change{Title: &title})
			return err
		}, true, true, true},
		"another's grants": {func(w *world, _ Session, _ Token) error {
			_, err := w.Change(ctx, by, "eve", Change{Grants: &less})
			return err
		}, true, true, true},
		"another session": {func(w *world, _ Session, _ Token) error {
			_, _, err := w.Login(ctx, Login{User: "bob", Life: time.Hour})
			return err
		}, true, true, true},
		"everything is read": {func(w *world, _ Session, _ Token) error { return w.Load(ctx) }, true, true, true},
		"the grants": {func(w *world, _ Session, _ Token) error {
			_, err := w.Change(ctx, by, "bob", Change{Grants: &less})
			return err
		}, false, false, false},
		"disabled": {func(w *world, _ Session, _ Token) error {
			_, err := w.Change(ctx, by, "bob", Change{Disabled: &yes})
			return err
		}, false, false, false},
		"removed":             {func(w *world, _ Session, _ Token) error { return w.Remove(ctx, by, "bob") }, false, false, false},
		"logout":              {func(w *world, s Session, _ Token) error { return w.EndSession(ctx, by, "logout", s.ID) }, false, true, true},
		"all sessions":        {func(w *world, _ Session, _ Token) error { return w.EndSessions(ctx, by, "bob", "") }, false, true, true},
		"all sessions but it": {func(w *world, s Session, _ Token) error { return w.EndSessions(ctx, by, "bob", s.ID) }, true, true, true},
		"the token":           {func(w *world, _ Session, k Token) error { return w.RevokeToken(ctx, by, k.ID) }, true, false, true},
		"a password":          {func(w *world, _ Session, _ Token) error { return w.SetPassword(ctx, by, "bob", "new", "") }, false, true, false},
		"the own password":    {func(w *world, s Session, _ Token) error { return w.SetPassword(ctx, by, "bob", "new", s.ID) }, true, true, false},
		"an hour":             {func(w *world, _ Session, _ Token) error { w.after(time.Hour); return nil }, true, false, true},
		"a day":               {func(w *world, _ Session, _ Token) error { w.after(24 * time.Hour); return nil }, false, false, true},
		"a day, and its end":  {func(w *world, _ Session, _ Token) error { w.after(24 * time.Hour); w.flush(ctx); return nil }, false, false, true},
		"a clock set back":    {func(w *world, _ Session, _ Token) error { w.after(-24 * time.Hour); w.flush(ctx); return nil }, true, true, true},
		"a clock that jumped": {func(w *world, _ Session, _ Token) error {
			w.after(24 * time.Hour)
			w.after(-24 * time.Hour)
			return nil
		}, true, true, true},
		"a flush": {func(w *world, _ Session, _ Token) error { w.after(time.Minute); w.flush(ctx); return nil }, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, storetest.SQLite(t), "north")
			w.add(t, "ada", "admin")
			w.add(t, "bob", "editor /shop")
			w.add(t, "eve", "viewer")
			secret, s := w.login(t, "bob")
			text, k := w.token(t, "bob", "viewer")
			session, token, self := w.Session(secret), w.Token(text), w.Pass("bob")
			for _, p := range []*Pass{session, token, self} {
				if p == nil || !p.Subject.Still() {
					t.Fatal("nobody comes in")
				}
			}
			if err := c.do(w, s, k); err != nil {
				t.Fatal(err)
			}
			if got := session.Subject.Still(); got != c.session {
				t.Errorf("the session is valid: %t", got)
			}
			if got := token.Subject.Still(); got != c.token {
				t.Errorf("the token is valid: %t", got)
			}
			if got := self.Subject.Still(); got != c.self {
				t.Errorf("the user is valid: %t", got)
			}
			if c.session && w.Session(secret) != session || c.token && w.Token(text) != token || c.self && w.Pass("bob") != self {
				t.Error("another pass though nothing changed")
			}
		})
	}
}

func TestATokenIsNeverMoreThanItsOwner(t *testing.T) {
	w := open(t, storetest.SQLite(t), "north")
	w.add(t, "ada", "admin")
	w.add(t, "bob", "editor /shop", "viewer / customer=acme")
	text, _ := w.token(t, "bob", "admin /shop/a", "viewer /bank")
	got := GrantsText(w.Token(text).Subject.Grants)
	if want := "editor /shop/a, viewer /shop/a customer=acme, viewer /bank customer=acme"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if name := w.Token(text).Subject.Name; name != "token ci of bob" {
		t.Errorf("it is called %s", name)
	}
	less := grants(t, "viewer /shop/a/b")
	if _, err := w.Change(t.Context(), by, "bob", Change{Grants: &less}); err != nil {
		t.Fatal(err)
	}
	if got, want := GrantsText(w.Token(text).Subject.Grants), "viewer /shop/a/b"; got != want {
		t.Errorf("later: got %s, want %s", got, want)
	}
}

// until waits for something that another goroutine does.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestManagersShareUsers: what one changes the other knows, by a notice, and by asking
// where no notice comes: two processes on one SQLite file.
func TestManagersShareUsers(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		north, south := open(t, db, "north"), open(t, db, "south")
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		all.Go(func() { _ = south.Run(ctx) })
		north.add(t, "ada", "admin")
		secret, s := north.login(t, "ada")
		until(t, "south knows the session", func() bool { return south.Session(secret) != nil })
		subject := south.Session(secret).Subject
		if err := north.EndSession(t.Context(), by, "logout", s.ID); err != nil {
			t.Fatal(err)
		}
		until(t, "south knows of its end", func() bool { return !subject.Still() })
		if south.Session(secret) != nil {
			t.Error("it lets in who has logged out")
		}
	})
}

func TestALostNoticeIsFound(t *testing.T) {
	db := storetest.SQLite(t)
	north, south := open(t, db, "north"), open(t, db, "south")
	north.add(t, "ada", "admin")
	if behind := south.poll(t.Context(), false); !behind || south.Len() != 0 {
		t.Errorf("the first time: %t, %d users", behind, south.Len())
	}
	south.poll(t.Context(), true)
	if south.Len() != 1 {
		t.Error("the second time nothing was read")
	}
	north.add(t, "bob", "viewer")
	north.add(t, "eve", "viewer")
	south.heard(t.Context(), store.Notice{Topic: topic, Name: "eve", Revision: 3})
	if south.Len() != 3 {
		t.Errorf("after a gap there are %d users", south.Len())
	}
}

func TestABackupHasUsersAndTokensAndNoSessions(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := open(t, db, "north")
		w.add(t, "ada", "admin")
		text, _ := w.token(t, "ada")
		secret, _ := w.login(t, "ada")
		var backup bytes.Buffer
		if err := w.store.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(backup.String(), "192.0.2.1") && strings.Contains(backup.String(), hashOf(secret).String()) {
			t.Error("a session is in the backup")
		}
		w.add(t, "eve", "admin")
		subject := w.Session(secret).Subject
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		all.Go(func() { _ = w.Run(ctx) })
		if err := w.store.Load(t.Context(), bytes.NewReader(backup.Bytes())); err != nil {
			t.Fatal(err)
		}
		until(t, "the session has ended", func() bool { return !subject.Still() })
		if w.Len() != 1 || w.Token(text) == nil {
			t.Errorf("%d users, token %v", w.Len(), w.Token(text))
		}
		w.add(t, "bob", "viewer") // the numbers go on
	})
}

// TestAnOldBackupLetsNobodyIn: a backup from before there were users leaves them as they
// are.
func TestAnOldBackupLetsNobodyIn(t *testing.T) {
	w := open(t, storetest.SQLite(t), "north")
	w.add(t, "ada", "admin")
	old := `{"grove_backup":1,"schema":2,"time":"2026-03-01T12:00:00Z"}` + "\n"
	sum := fmt.Sprintf("%x", sha(old))
	if err := w.store.Load(t.Context(), strings.NewReader(old+`{"end":"backup","rows":0,"sha256":"`+sum+`"}`+"\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Load(t.Context()); err != nil || w.Len() != 1 {
		t.Errorf("%d users, %v", w.Len(), err)
	}
}

func sha(text string) []byte { h := hashOf(text); return h[:] }

func TestUsersOfAnotherProvider(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := open(t, db, "north")
		w.add(t, "ada", "admin")
		login := func(name, subject string, texts ...string) (Session, error) {
			_, s, err := w.Login(t.Context(), Login{
				Provided: &User{Name: name, Source: "oidc", Subject: subject, Grants: grants(t, texts...)}, Method: "oidc", Address: "192.0.2.1", Life: time.Hour,
			})
			return s, err
		}
		for _, c := range []struct {
			name, subject string
			grants        []string
			user          string
			err           error
		}{
			{"Bob@Example.com", "https://id bob", []string{"viewer"}, "bob@example.com", nil},
			{"robert@example.com", "https://id bob", []string{"editor /shop"}, "bob@example.com", nil}, // he keeps his name
			{"bob@example.com", "https://id eve", []string{"admin"}, "", ErrTaken},
			{"ada", "https://id eve", []string{"admin"}, "", ErrTaken},
			{"grove", "https://id eve", []string{"admin"}, "", ErrWrong},
		} {
			s, err := login(c.name, c.subject, c.grants...)
			if !errors.Is(err, c.err) || s.User != c.user {
				t.Errorf("%s of %s: %s, %v", c.name, c.subject, s.User, err)
			}
		}
		u, err := w.User("bob@example.com")
		if err != nil || GrantsText(u.Grants) != "editor /shop" {
			t.Errorf("%v, %v", u, err)
		}
		more, yes := grants(t, "admin"), true
		if _, err := w.Change(t.Context(), by, u.Name, Change{Grants: &more}); !errors.Is(err, ErrForeign) {
			t.Errorf("its grants: %v", err)
		}
		if err := w.SetPassword(t.Context(), by, u.Name, "x", ""); !errors.Is(err, ErrForeign) {
			t.Errorf("its password: %v", err)
		}
		// Who is let in no more by the provider keeps nothing; others have nothing to lose.
		for _, subject := range []string{"https://id bob", "https://id bob", "https://id nobody", ""} {
			if err := w.Withdraw(t.Context(), by, "oidc", subject); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Withdraw(t.Context(), by, Local, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Change(t.Context(), by, u.Name, Change{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		if _, err := login("bob@example.com", "https://id bob", "viewer"); !errors.Is(err, ErrDisabled) {
			t.Errorf("who is disabled: %v", err)
		}
		want := []string{
			"root|test|user add|ada||admin|ok",
			"oidc|192.0.2.1|user add|bob@example.com||viewer|ok",
			"bob@example.com|192.0.2.1|login|bob@example.com||oidc|ok",
			"oidc|192.0.2.1|user change|bob@example.com|viewer|editor /shop|ok",
			"bob@example.com|192.0.2.1|login|bob@example.com||oidc|ok",
			"root|test|user change|bob@example.com|editor /shop|nothing|ok",
			"root|test|user change|bob@example.com|nothing|nothing; disabled|ok",
		}
		if diff := cmp.Diff(want, w.records(t)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := open(t, db, "north")
		w.add(t, "ada", "admin")
		var secrets []string
		for range MaxSessions + 2 {
			w.after(time.Second)
			secret, _ := w.login(t, "ada")
			secrets = append(secrets, secret)
		}
		if n := len(w.Sessions("ada")); n != MaxSessions {
			t.Errorf("%d sessions", n)
		}
		if w.Session(secrets[1]) != nil || w.Session(secrets[2]) == nil {
			t.Error("not the oldest have ended")
		}
		// The browser that logs in again has one session.
		secret, _, err := w.Login(t.Context(), Login{User: "ada", Life: time.Hour, Replaces: secrets[50]})
		if err != nil || w.Session(secrets[50]) != nil || w.Session(secret) == nil {
			t.Errorf("the session before is still there, %v", err)
		}
	})
}

// TestUsesAreKept: what one manager sees of a session, and when a token was used, another
// knows after it was flushed.
func TestUsesAreKept(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		north, south := open(t, db, "north"), open(t, db, "south")
		north.add(t, "ada", "admin")
		secret, _ := north.login(t, "ada")
		text, _ := north.token(t, "ada")
		if err := south.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 30 { // a day and more
			for _, w := range []*world{north, south} {
				w.after(50 * time.Minute)
			}
			if north.Session(secret) == nil {
				t.Fatal("a session that is used ends")
			}
			north.flush(t.Context())
			south.flush(t.Context())
		}
		if south.Session(secret) == nil {
			t.Error("another manager takes the session for idle")
		}
		if north.Token(text) != nil {
			t.Error("a token that has ended lets in")
		}
		if used := north.Tokens("ada")[0].Used; !used.IsZero() {
			t.Errorf("the token was used at %s", used)
		}
		if s := north.Sessions("ada"); len(s) != 1 || !s[0].Seen.Equal(north.now()) {
			t.Errorf("sessions %v", s)
		}
	})
}

// TestOthersForgetAUser: what others keep of a name goes when its user goes, and when
// another one takes it, unless that is undone.
func TestOthersForgetAUser(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := open(t, db, "north")
		items := drawer.New(w.store, "desk", 10)
		other := drawer.New(db.OpenAs(t, "south"), "desk", 10)
		w.o.Forget = func(tx *store.Tx, name string) error { return drawer.Take(tx, "desk", name) }
		put := func(names ...string) {
			t.Helper()
			for _, name := range names {
				for _, d := range []*drawer.Drawer{items, other} {
					if err := d.Change(t.Context(), []drawer.Item{{Name: name, Text: "theirs"}}, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		left := func(want ...string) {
			t.Helper()
			for _, d := range []*drawer.Drawer{items, other} {
				all, err := d.All(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, i := range all {
					names = append(names, i.Name)
				}
				if diff := cmp.Diff(want, names); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			}
		}
		put("ada", "bob", "eve")
		w.add(t, "ada", "admin")
		left("bob", "eve")
		w.add(t, "bob", "viewer")
		put("ada", "bob")
		if err := w.Remove(t.Context(), by, "bob"); err != nil {
			t.Fatal(err)
		}
		if err := w.Remove(t.Context(), by, "ada"); !errors.Is(err, ErrLast) {
			t.Error(err)
		}
		left("ada", "eve")
	})
}

func TestADirectoryThatWasNotReadLetsNobodyIn(t *testing.T) {
	d := New(Options{Store: storetest.SQLite(t).Open(t)})
	if d.Loaded() || d.Session(newSecret()) != nil || d.Token(newToken()) != nil || d.Pass("ada") != nil {
		t.Error("somebody comes in")
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		have, want []string
		covers     bool
	}{
		{[]string{"admin"}, []string{"viewer /shop", "editor / customer=acme"}, true},
		{[]string{"viewer /shop"}, []string{"viewer /shop/a"}, true},
		{[]string{"viewer /shop"}, []string{"viewer"}, false},
		{[]string{"viewer /shop"}, []string{"operator /shop"}, false},
		{[]string{"viewer / customer=acme"}, []string{"viewer"}, false},
		{nil, nil, true},
		{nil, []string{"viewer"}, false},
	} {
		if got := Covers(grants(t, c.have...), grants(t, c.want...)); got != c.covers {
			t.Errorf("%q covers %q: %t", c.have, c.want, got)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(newToken())
	f.Add(TokenPrefix + strings.Repeat("0", 49))
	f.Fuzz(func(t *testing.T, text string) {
		if !IsToken(text) {
			return
		}
		if len(text) != len(TokenPrefix)+randomDigits+sumDigits {
			t.Errorf("%q is taken for a token", text)
		}
		last := text[len(text)-1] ^ 1
		if IsToken(text[:len(text)-1] + string(last)) {
			t.Errorf("%q with another end is taken for a token, too", text)
		}
	})
}

func FuzzGrants(f *testing.F) {
	f.Add(`[{"role":"editor","path":"/shop","customer":"acme"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readGrants(text)
		if err != nil {
			return
		}
		again, err := readGrants(writeGrants(list))
		if err != nil || len(again) != len(list) || !Covers(list, again) || !Covers(again, list) {
			t.Errorf("%q is read as %v, and that as %v, %v", text, list, again, err)
		}
	})
}

func BenchmarkSession(b *testing.B) {
	d := New(Options{})
	secret := newSecret()
	p := d.pass("ada", "ada", []grant.Grant{{Role: grant.Viewer, Path: tree.Root}})
	p.Session = &Session{Ends: time.Now().Add(time.Hour)}
	p.kept.Store(time.Now().UnixMilli())
	d.sessions[hashOf(secret)] = p
	b.ReportAllocs()
	for b.Loop() {
		if d.Session(secret) == nil {
			b.Fatal("nobody")
		}
	}
}
