package access

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/account"
	"grove/tree/store/audit"
	"grove/viewer/access/attempt"
	"grove/viewer/access/password"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cheap makes tests fast.
var cheap = password.Params{Memory: 64, Time: 1, Threads: 1}

const secret = "correct horse battery"

// world is an Access on a database, with a clock, before a handler that says who asks.
type world struct {
	*Access
	at        atomic.Int64 // Unix milliseconds
	audit     *audit.Log
	directory *account.Directory
	passwords *password.Hasher
	handler   http.Handler
	last      *grant.Subject // that was let in
}

func (w *world) now() time.Time { return time.UnixMilli(w.at.Load()) }

func grow(t testing.TB, change func(*Options)) *world {
	t.Helper()
	w := &world{passwords: password.New(cheap, 2)}
	w.at.Store(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).UnixMilli())
	s, err := store.Open(t.Context(), store.Options{Address: filepath.Join(t.TempDir(), "facts.db"), Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w.audit = audit.New(s, "north", w.now)
	w.directory = account.New(account.Options{Store: s, Audit: w.audit, Now: w.now})
	if err := w.directory.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Directory: w.directory, Passwords: w.passwords, Audit: w.audit, Loopback: true, Free: []string{"/", "/app.js"}, Now: w.now,
		Refuse: func(w http.ResponseWriter, _ *http.Request, status int, detail string) {
			w.WriteHeader(status)
			fmt.Fprint(w, detail)
		},
	}
	if change != nil {
		change(&o)
	}
	w.Access = New(o)
	w.handler = w.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.last = grant.Of(r.Context())
		fmt.Fprintf(rw, "%s from %s", w.last.Name, grant.Origin(r.Context()))
	}))
	return w
}

var rootBy = account.By{Who: "root", Origin: "test"}

func (w *world) add(t testing.TB, name string, texts ...string) {
	t.Helper()
	hash, err := w.passwords.Hash(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	u := account.User{Name: name, Password: hash}
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		u.Grants = append(u.Grants, g)
	}
	if _, err := w.directory.Add(t.Context(), rootBy, u); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request; header is a list of names and values.
func (w *world) ask(method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "192.0.2.1:1234"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	w.last = nil
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func basicHeader(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func TestWithoutUsersEverybodyOnTheMachineComesIn(t *testing.T) {
	w := grow(t, nil)
	if rec := w.ask("GET", "/api/v1/tree"); rec.Body.String() != "anonymous from 192.0.2.1" || !w.last.Whole(grant.Admin) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	stream := w.last
	for _, header := range forwarding {
		rec := w.ask("GET", "/api/v1/tree", header, "1.1 192.0.2.7")
		if rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), header) || !strings.Contains(rec.Body.String(), "grove user add NAME --role admin") {
			t.Errorf("%s: %d %s", header, rec.Code, rec.Body)
		}
	}
	old := httptest.NewRequest("GET", "/api/v1/tree", nil)
	old.Proto, old.ProtoMajor, old.ProtoMinor = "HTTP/1.0", 1, 0
	if rec := w.serve(old); rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), "a request by HTTP/1.0 comes through a proxy") {
		t.Errorf("HTTP/1.0: %d %s", rec.Code, rec.Body)
	}
	if rec := w.ask("GET", "/healthz", "X-Forwarded-For", "192.0.2.7"); rec.Code != http.StatusOK {
		t.Errorf("health through a proxy: %d", rec.Code)
	}
	w.add(t, "ada", "admin")
	if stream.Still() {
		t.Error("a stream of nobody goes on although a login is needed now")
	}
	if rec := w.ask("GET", "/api/v1/tree"); rec.Code != http.StatusUnauthorized {
		t.Errorf("with a user: %d", rec.Code)
	}
}

func TestOnOtherAddressesNobodyComesInWithoutALogin(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"another address": func(o *Options) { o.Loopback = false },
		"certificates":    func(o *Options) { o.Certificates = SubjectName },
	} {
		if rec := grow(t, change).ask("GET", "/api/v1/tree"); rec.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
}

// TestUntilTheUsersAreReadNobodyComesIn: an empty directory that was not read is not one
// without users.
func TestUntilTheUsersAreReadNobodyComesIn(t *testing.T) {
	w := grow(t, func(o *Options) { o.Directory = account.New(account.Options{}) })
	rec := w.ask("GET", "/api/v1/tree")
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := w.ask("GET", "/app.js"); rec.Code != http.StatusOK {
		t.Errorf("the page: %d", rec.Code)
	}
}

func TestWhoComesIn(t *testing.T) {
	w := grow(t, func(o *Options) { o.Certificates = SubjectName })
	w.add(t, "ada", "admin")
	w.add(t, "bob", "viewer /shop")
	yes := true
	w.add(t, "old", "admin")
	if _, err := w.directory.Change(t.Context(), rootBy, "old", account.Change{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	token, _, err := w.directory.CreateToken(t.Context(), rootBy, account.Token{User: "bob", Name: "ci", Ends: w.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	late, made, err := w.directory.CreateToken(t.Context(), rootBy, account.Token{User: "bob", Name: "revoked", Ends: w.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.directory.RevokeToken(t.Context(), rootBy, made.ID); err != nil {
		t.Fatal(err)
	}
	session, _, err := w.directory.Login(t.Context(), account.Login{User: "ada", Method: "password", Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const asMozilla = "Mozilla/5.0 (X11; Linux x86_64)"
	both := []string{`Bearer realm="grove"`, `Basic realm="grove", charset="UTF-8"`}
	for name, c := range map[string]struct {
		method, target string
		header         []string
		status         int
		body           string // a part
		challenges     []string
	}{
		"nobody":                      {"GET", "/metrics", nil, 401, "log in first: show a token", both},
		"a page's request":            {"GET", "/api/v1/tree", []string{"Sec-Fetch-Mode", "cors"}, 401, "log in first", both[:1]},
		"a browser":                   {"GET", "/api/v1/report", []string{"User-Agent", asMozilla}, 401, "log in first", both[:1]},
		"a websocket":                 {"GET", "/api/v1/live", []string{"Origin", "http://grove"}, 401, "log in first", both[:1]},
		"the page":                    {"GET", "/", nil, 200, "nobody", nil},
		"a script":                    {"GET", "/app.js", nil, 200, "nobody", nil},
		"another script":              {"GET", "/other.js", nil, 401, "log in", both},
		"a post to the page":          {"POST", "/", nil, 401, "log in", both},
		"health":                      {"HEAD", "/healthz", nil, 200, "", nil},
		"who am I":                    {"GET", "/api/v1/me", nil, 200, "nobody from 192.0.2.1", nil},
		"my password":                 {"PUT", "/api/v1/me/password", nil, 401, "log in", both},
		"log in":                      {"POST", "/api/v1/session", nil, 200, "nobody", nil},
		"log out":                     {"DELETE", "/api/v1/session", nil, 200, "nobody", nil},
		"read the session":            {"GET", "/api/v1/session", nil, 401, "log in", both},
		"another way to log in":       {"GET", "/api/v1/login/oidc", nil, 200, "nobody", nil},
		"who am I, wrongly":           {"GET", "/api/v1/me", []string{"Authorization", "Bearer x"}, 200, "nobody", nil},
		"a session":                   {"GET", "/metrics", []string{"Cookie", "grove=" + session}, 200, "ada from 192.0.2.1", nil},
		"a session at a port":         {"GET", "/metrics", []string{"Host", "grove:7440", "Cookie", "grove-7440=" + session}, 200, "ada", nil},
		"a session of another port":   {"GET", "/metrics", []string{"Host", "grove:7440", "Cookie", "grove=" + session}, 401, "log in", both},
		"a session behind TLS":        {"GET", "/metrics", []string{"X-Forwarded-Proto", "https", "Cookie", "__Host-grove=" + session}, 200, "ada", nil},
		"a plain cookie behind TLS":   {"GET", "/metrics", []string{"X-Forwarded-Proto", "https", "Cookie", "grove=" + session}, 401, "log in", both},
		"two sessions":                {"GET", "/metrics", []string{"Cookie", "grove=" + session + "; grove=" + session}, 401, "log in", both},
		"another session":             {"GET", "/metrics", []string{"Cookie", "grove=" + strings.Repeat("A", 43)}, 401, "log in", both},
		"a token":                     {"GET", "/metrics", []string{"Authorization", "Bearer " + token}, 200, "token ci of bob", nil},
		"a token in lower case":       {"GET", "/metrics", []string{"Authorization", "bearer " + token}, 200, "token ci of bob", nil},
		"a token as a password":       {"GET", "/metrics", []string{"Authorization", basicHeader("whoever", token)}, 200, "token ci of bob", nil},
		"a token cut off":             {"GET", "/metrics", []string{"Authorization", "Bearer " + token[:50]}, 401, "the token is not known here", both},
		"a token that was revoked":    {"GET", "/metrics", []string{"Authorization", "Bearer " + late}, 401, "the token is not known here", both},
		"a wrong token and a session": {"GET", "/metrics", []string{"Authorization", "Bearer x", "Cookie", "grove=" + session}, 401, "the token is not known here", both},
		"a password":                  {"GET", "/metrics", []string{"Authorization", basicHeader("bob", secret)}, 200, "bob from", nil},
		"a password and a capital":    {"GET", "/metrics", []string{"Authorization", basicHeader("Bob", secret)}, 200, "bob from", nil},
		"a wrong password":            {"GET", "/metrics", []string{"Authorization", basicHeader("bob", "wrong")}, 401, "the name or the password is wrong", both},
		"no such user":                {"GET", "/metrics", []string{"Authorization", basicHeader("eve", secret)}, 401, "the name or the password is wrong", both},
		"a user who is disabled":      {"GET", "/metrics", []string{"Authorization", basicHeader("old", secret)}, 401, "the name or the password is wrong", both},
		"another scheme":              {"GET", "/metrics", []string{"Authorization", "Digest x"}, 401, "of a kind that is not known here", both},
		"two headers":                 {"GET", "/metrics", []string{"Authorization", "Bearer " + token, "Authorization", "Bearer " + token}, 401, "malformed", both},
	} {
		t.Run(name, func(t *testing.T) {
			rec := w.ask(c.method, c.target, c.header...)
			if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.body) {
				t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, c.status, c.body)
			}
			if diff := cmp.Diff(c.challenges, rec.Header().Values("WWW-Authenticate")); len(c.challenges) > 0 && diff != "" {
				t.Error(diff)
			}
			if strings.Contains(rec.Body.String(), secret) || strings.Contains(rec.Body.String(), "grove_") && !strings.Contains(rec.Body.String(), "grove_…") {
				t.Errorf("a secret is in %s", rec.Body)
			}
		})
	}
}

func TestCertificatesOfUsers(t *testing.T) {
	w := grow(t, func(o *Options) { o.Certificates = EmailName })
	w.add(t, "ada@example.com", "admin")
	certified := func(c *x509.Certificate) *http.Request {
		r := httptest.NewRequest("GET", "https://grove/metrics", nil)
		r.TLS = &tls.ConnectionState{}
		if c != nil {
			r.TLS.VerifiedChains = [][]*x509.Certificate{{c}}
		}
		return r
	}
	until := w.now().Add(time.Hour)
	for name, c := range map[string]struct {
		cert   *x509.Certificate
		status int
	}{
		"none":                       {nil, 401},
		"of a user":                  {&x509.Certificate{EmailAddresses: []string{"Ada@example.com"}, NotAfter: until}, 200},
		"of somebody else":           {&x509.Certificate{EmailAddresses: []string{"eve@example.com"}, NotAfter: until}, 401},
		"with it in the wrong place": {&x509.Certificate{Subject: pkix.Name{CommonName: "ada@example.com"}, NotAfter: until}, 401},
	} {
		rec := w.serve(certified(c.cert))
		if rec.Code != c.status {
			t.Errorf("a certificate %s: %d %s", name, rec.Code, rec.Body)
		}
		if rec.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("a certificate %s: no HSTS", name)
		}
	}
	w.serve(certified(&x509.Certificate{EmailAddresses: []string{"ada@example.com"}, NotAfter: until}))
	stream := w.last
	if !stream.Still() {
		t.Fatal("it ends at once")
	}
	w.at.Add(time.Hour.Milliseconds())
	if stream.Still() {
		t.Error("a stream outlives the certificate")
	}
	w.at.Add(-time.Hour.Milliseconds())
	w.o.Trusts = func(authority *x509.Certificate) bool { return authority.IsCA }
	if stream.Still() {
		t.Error("a stream goes on by an authority that is trusted no more")
	}
	leaf := &x509.Certificate{EmailAddresses: []string{"ada@example.com"}, NotAfter: until}
	for _, trusted := range []bool{false, true} {
		r := certified(leaf)
		r.TLS.VerifiedChains = [][]*x509.Certificate{{leaf, {Raw: []byte("old")}}, {leaf, {IsCA: trusted}}}
		if rec := w.serve(r); (rec.Code == 200) != trusted {
			t.Errorf("an authority that is trusted (%t): %d %s", trusted, rec.Code, rec.Body)
		}
	}
	r := certified(nil)
	r.Host = "localhost:7440"
	if rec := w.serve(r); rec.Header().Get("Strict-Transport-Security") != "" {
		t.Error("HSTS for localhost would hold for every other server of the machine")
	}
}

// TestPasswordsOfProgramsAreRemembered: a program shows its password with each request,
// and its hash is made once, until the user has another.
func TestPasswordsOfProgramsAreRemembered(t *testing.T) {
	w := grow(t, nil)
	w.add(t, "ada", "admin")
	w.add(t, "bob", "viewer")
	right := []string{"Authorization", basicHeader("bob", secret)}
	wrong := []string{"Authorization", basicHeader("bob", "of yesterday")}
	for range 100 {
		if rec := w.ask("GET", "/metrics", right...); rec.Code != 200 {
			t.Fatal(rec.Code, rec.Body)
		}
		// An old password that is tried again is no guess.
		if rec := w.ask("GET", "/metrics", wrong...); rec.Code != 401 {
			t.Fatal(rec.Code, rec.Body)
		}
	}
	w.ask("GET", "/metrics", right...)
	stream := w.last
	hash, err := w.passwords.Hash(t.Context(), "another horse")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.directory.SetPassword(t.Context(), rootBy, "bob", hash, ""); err != nil {
		t.Fatal(err)
	}
	if rec := w.ask("GET", "/metrics", right...); rec.Code != 401 || stream.Still() {
		t.Errorf("the old password: %d, stream %t", rec.Code, stream.Still())
	}
	if rec := w.ask("GET", "/metrics", "Authorization", basicHeader("bob", "another horse")); rec.Code != 200 {
		t.Errorf("the new password: %d", rec.Code)
	}
	for i := range 3 * maxVerdicts {
		w.basic.put(w.basic.sum("x", fmt.Sprint(i)), false, "")
	}
	if n := len(w.basic.all); n > maxVerdicts {
		t.Errorf("%d are remembered", n)
	}
}

// TestNobodyLearnsWhichNamesThereAre: what is asked again is answered at once, and is no
// guess, whether there is such a user, or he is disabled, or not.
func TestNobodyLearnsWhichNamesThereAre(t *testing.T) {
	w := grow(t, func(o *Options) { o.Limits = attempt.Options{Name: attempt.Rate{Burst: 2, Every: time.Hour}} })
	w.add(t, "ada", "admin")
	w.add(t, "old", "viewer")
	w.add(t, "bot", "viewer")
	set := func(name string, disabled bool) {
		t.Helper()
		if _, err := w.directory.Change(t.Context(), rootBy, name, account.Change{Disabled: &disabled}); err != nil {
			t.Fatal(err)
		}
	}
	set("old", true)
	if err := w.directory.SetPassword(t.Context(), rootBy, "bot", "", ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, password string }{{"ada", "wrong"}, {"eve", "wrong"}, {"E v e", "wrong"}, {"old", "wrong"}, {"old", secret}, {"bot", "wrong"}} {
		for range 5 {
			if rec := w.ask("GET", "/metrics", "Authorization", basicHeader(c.name, c.password)); rec.Code != 401 || rec.Body.String() != ErrWrong.Error() {
				t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
			}
			name, _ := account.Name(c.name)
			if _, kept := w.basic.get(w.basic.sum(name, c.password)); !kept {
				t.Errorf("%s: the password is hashed again each time", c.name)
			}
		}
	}
	set("old", false)
	if rec := w.ask("GET", "/metrics", "Authorization", basicHeader("old", secret)); rec.Code != 200 {
		t.Errorf("who is enabled again: %d %s", rec.Code, rec.Body)
	}
	hash, err := w.passwords.Hash(t.Context(), "wrong")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.directory.Add(t.Context(), rootBy, account.User{Name: "eve", Password: hash}); err != nil {
		t.Fatal(err)
	}
	if rec := w.ask("GET", "/metrics", "Authorization", basicHeader("eve", "wrong")); rec.Code != 200 {
		t.Errorf("who is a user now: %d %s", rec.Code, rec.Body)
	}
}

func TestGuessesAreSlowedDown(t *testing.T) {
	w := grow(t, func(o *Options) {
		o.Limits = attempt.Options{Name: attempt.Rate{Burst: 3, Every: time.Minute}, Address: attempt.Rate{Burst: 100, Every: time.Second}}
	})
	w.add(t, "ada", "admin")
	for _, name := range []string{"ada", "eve"} { // The answers to both are the same.
		var got []string
		for i := range 4 {
			rec := w.ask("GET", "/metrics", "Authorization", basicHeader(name, fmt.Sprint("guess", i)))
			got = append(got, fmt.Sprint(rec.Code, " ", rec.Header().Get("Retry-After"), " ", rec.Body))
		}
		wrong := "401  the name or the password is wrong"
		if diff := cmp.Diff([]string{wrong, wrong, wrong, "429 60 too many logins have failed: try again in 1m0s"}, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	w.at.Add(time.Minute.Milliseconds())
	if rec := w.ask("GET", "/metrics", "Authorization", basicHeader("ada", secret)); rec.Code != 200 {
		t.Errorf("a minute later: %d", rec.Code)
	}
	w.book.Flush(t.Context())
	records, err := w.audit.Read(t.Context(), audit.Query{Action: "login"})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range records {
		lines = append(lines, r.Who+" "+r.Origin+" "+r.Target+" "+r.Became+": "+r.Outcome)
	}
	want := []string{
		"ada 192.0.2.1 ada password: failed: wrong password", "unknown user 192.0.2.1  password: failed: no such user",
		"ada 192.0.2.1 ada password: failed: wrong password, 2 times within a minute", "unknown user 192.0.2.1  password: failed: no such user, 2 times within a minute",
	}
	if diff := cmp.Diff(sorted(want), sorted(lines)); diff != "" {
		t.Error(diff)
	}
}

func sorted(lines []string) map[string]bool {
	set := map[string]bool{}
	for _, l := range lines {
		set[l] = true
	}
	return set
}

// TestWeakHashesAreMadeAnew: who logs in with a password whose hash is of weaker costs
// has a stronger one then, and stays logged in.
func TestWeakHashesAreMadeAnew(t *testing.T) {
	w := grow(t, nil)
	w.add(t, "ada", "admin")
	before, err := w.directory.User("ada")
	if err != nil {
		t.Fatal(err)
	}
	w.o.Passwords = password.New(password.Params{Memory: 128, Time: 1, Threads: 1}, 1)
	for range 2 {
		if _, err := w.Verify(httptest.NewRequestWithContext(t.Context(), "POST", PathSession, nil), "ada", secret); err != nil {
			t.Fatal(err)
		}
	}
	after, err := w.directory.User("ada")
	if err != nil || after.Password == before.Password || !strings.Contains(after.Password, "m=128,") {
		t.Errorf("%s, %v", after.Password, err)
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct{ remote, through, want string }{
		{"192.0.2.1:80", "", "192.0.2.1"},
		{"[2001:db8::1]:80", "", "2001:db8::1"},
		{"127.0.0.1:80", "198.51.100.7, 192.0.2.9", "192.0.2.9"}, // the proxy saw the last, the client said the first
		{"[::1]:80", "::ffff:192.0.2.9", "192.0.2.9"},
		{"127.0.0.1:80", "unknown", "127.0.0.1"},
		{"192.0.2.1:80", "198.51.100.7", "192.0.2.1"}, // anybody may say that
		{"@", "198.51.100.7", "@"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.through != "" {
			r.Header.Set("X-Forwarded-For", c.through)
		}
		if got := Address(r); got != c.want {
			t.Errorf("%s through %s: %s, want %s", c.remote, c.through, got, c.want)
		}
	}
}

func TestDeviceOf(t *testing.T) {
	ada := &account.User{Name: "ada", Password: "$argon2id$1"}
	id := strings.Repeat("x", deviceDigits)
	cookie := sealDevice(ada, id)
	for name, c := range map[string]struct {
		user   *account.User
		cookie string
		want   string
	}{
		"the browser":             {ada, cookie, id},
		"of somebody else":        {&account.User{Name: "bob", Password: ada.Password}, cookie, ""},
		"of an old password":      {&account.User{Name: "ada", Password: "$argon2id$2"}, cookie, ""},
		"of nobody":               {&account.User{}, sealDevice(&account.User{}, id), ""},
		"without a password":      {&account.User{Name: "ada"}, sealDevice(&account.User{Name: "ada"}, id), ""},
		"made up":                 {ada, id + "." + strings.Repeat("A", deviceSum), ""},
		"another one's sum":       {ada, strings.Repeat("y", deviceDigits) + cookie[deviceDigits:], ""},
		"a longer one":            {ada, sealDevice(ada, id+"x"), ""},
		"nothing":                 {ada, "", ""},
		"with something after it": {ada, cookie + "x", ""},
	} {
		if got := deviceOf(c.user, c.cookie); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestThen(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"#/tree?open=/a/b&find=x%20y":    "#/tree?open=/a/b&find=x%20y",
		"https://evil.example":           "",
		"//evil.example":                 "",
		"#/x\r\nSet-Cookie: a=b":         "#/x%0D%0ASet-Cookie:%20a=b",
		"#/" + strings.Repeat("x", 1024): "",
	} {
		if got := thenOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("Bearer grove_abc")
	f.Add(basicHeader("ada", "x:y"))
	f.Add("Basic !")
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		c := parseAuthorization([]string{value})
		switch c.scheme {
		case schemeNone:
			t.Errorf("%q is taken for no header", value)
		case schemeBasic:
			if again := parseAuthorization([]string{basicHeader(c.name, c.password)}); again != c {
				t.Errorf("%q is read as %v, and that as %v", value, c, again)
			}
			if strings.Contains(c.name, ":") {
				t.Errorf("%q has a name with a colon", value)
			}
		case schemeBearer:
			if c.token == "" || c.name != "" {
				t.Errorf("%q is read as %v", value, c)
			}
		}
	})
}

// FuzzCookie sends cookies and hosts that somebody made up: nobody comes in by them.
func FuzzCookie(f *testing.F) {
	w := grow(f, nil)
	w.add(f, "ada", "admin")
	f.Add("grove=x", "grove:7440")
	f.Add("grove-1=\"", "[::1]:1")
	f.Fuzz(func(t *testing.T, cookie, host string) {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header["Cookie"] = []string{cookie}
		r.Host = host
		if rec := w.serve(r); rec.Code != http.StatusUnauthorized {
			t.Errorf("cookie %q at %q: %d", cookie, host, rec.Code)
		}
		rec := httptest.NewRecorder()
		setCookie(rec, r, sessionCookie, "value", 10)
		if set := rec.Result().Cookies(); len(set) != 1 || set[0].Value != "value" || !set[0].HttpOnly {
			t.Errorf("at %q the cookie is %v", host, set)
		}
	})
}

// BenchmarkHandler is the cost of the middleware for one request.
func BenchmarkHandler(b *testing.B) {
	w := grow(b, func(o *Options) { o.Now = nil })
	w.add(b, "ada", "admin")
	token, _, err := w.directory.CreateToken(b.Context(), rootBy, account.Token{User: "ada", Name: "ci", Ends: w.now().Add(time.Hour)})
	if err != nil {
		b.Fatal(err)
	}
	session, _, err := w.directory.Login(b.Context(), account.Login{User: "ada", Life: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	next := w.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, header := range map[string][2]string{
		"none": {"X", "x"}, "session": {"Cookie", "grove=" + session}, "token": {"Authorization", "Bearer " + token}, "basic": {"Authorization", basicHeader("ada", secret)},
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/app.js", nil)
			if name != "none" {
				r.URL.Path = "/metrics"
			}
			r.Header.Set(header[0], header[1])
			rec := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				next.ServeHTTP(rec, r)
			}
			if rec.Code != 200 {
				b.Fatal(rec.Code)
			}
		})
	}
}
