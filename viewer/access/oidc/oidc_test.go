package oidc

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/access/oidc/oidctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const redirect = "http://127.0.0.1:7440/api/v1/login/oidc/callback"

func rules(t *testing.T, texts ...string) (list []Rule) {
	t.Helper()
	for _, text := range texts {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func newProvider(t *testing.T, o Options) *Provider {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// TestLogin logs in at a real provider.
func TestLogin(t *testing.T) {
	issuer := oidctest.Start(t, redirect)
	secret := func() (string, error) { return oidctest.Secret, nil }
	var skew atomic.Int64
	options := Options{
		Issuer: issuer, ClientID: oidctest.Client, Secret: secret, Grants: rules(t, "ops=editor /shop", "cn=shop,dc=example=admin / customer=acme", "ops=editor /shop"),
		Now: func() time.Time { return time.Now().Add(time.Duration(skew.Load())) },
	}
	login := func(p *Provider, user string, change func(cookie string, query url.Values) string) (Person, string, error) {
		t.Helper()
		address, cookie, err := p.Begin(t.Context(), redirect, "#/tree")
		if err != nil {
			t.Fatal(err)
		}
		back := oidctest.Login(t, address, user)
		if !strings.HasPrefix(back.String(), redirect+"?") {
			t.Fatalf("the provider sends to %s", back)
		}
		query := back.Query()
		if change != nil {
			cookie = change(cookie, query)
		}
		return p.Finish(t.Context(), cookie, query)
	}
	p := newProvider(t, options)
	who, then, err := login(p, "ada", nil)
	want := Person{Name: "Ada", Title: "Ada Lovelace", Subject: issuer + " ada", Grants: []grant.Grant{
		{Role: grant.Editor, Path: tree.MustPath("/shop")}, {Role: grant.Admin, Customer: "acme"},
	}}
	if diff := cmp.Diff(want, who, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); err != nil || then != "#/tree" || diff != "" {
		t.Errorf("ada: %v, %s\n%s", err, then, diff)
	}

	with := func(change func(*Options)) *Provider {
		o := options
		change(&o)
		return newProvider(t, o)
	}
	other := newProvider(t, options)
	for name, c := range map[string]struct {
		provider *Provider
		user     string
		change   func(cookie string, query url.Values) string
		want     error
		text     string
	}{
		"no group": {p, "eve", nil, ErrNoGrants, "eve"},
		"another state": {p, "ada", func(cookie string, q url.Values) string {
			q.Set("state", "x")
			return cookie
		}, ErrStale, ""},
		"no cookie":          {p, "ada", func(string, url.Values) string { return "" }, ErrStale, ""},
		"a cookie of before": {other, "ada", func(_ string, _ url.Values) string { _, cookie, _ := p.Begin(t.Context(), redirect, ""); return cookie }, ErrStale, ""},
		"a cookie of another login": {p, "ada", func(_ string, _ url.Values) string {
			_, cookie, _ := p.Begin(t.Context(), redirect, "")
			return cookie
		}, ErrStale, ""},
		"the code of another login": {p, "ada", func(cookie string, q url.Values) string {
			address, _, err := p.Begin(t.Context(), redirect, "")
			if err != nil {
				t.Error(err)
			}
			q.Set("code", oidctest.Login(t, address, "eve").Query().Get("code"))
			return cookie
		}, ErrUnavailable, "it refuses the code: \"invalid_grant\""},
		"no code": {p, "ada", func(cookie string, q url.Values) string { q.Del("code"); return cookie }, ErrUnavailable, "refuses"},
		"refused": {p, "ada", func(cookie string, q url.Values) string {
			q.Set("error", "access_denied")
			return cookie
		}, ErrDenied, "access_denied"},
		"another issuer": {p, "ada", func(cookie string, q url.Values) string { q.Set("iss", "https://evil"); return cookie }, ErrStale, "evil"},
		"too late": {p, "ada", func(cookie string, _ url.Values) string {
			skew.Store(int64(loginWithin + time.Second))
			return cookie
		}, ErrStale, ""},
		"a wrong secret":          {with(func(o *Options) { o.Secret = func() (string, error) { return "wrong", nil } }), "ada", nil, ErrUnavailable, "invalid_client"},
		"an address verified":     {with(func(o *Options) { o.Name = "email" }), "ada", nil, nil, "ada@example.com"},
		"an address that was not": {with(func(o *Options) { o.Name = "email" }), "bob", nil, ErrDenied, "bob@example.com"},
		"no such claim":           {with(func(o *Options) { o.Name = "nick" }), "ada", nil, ErrUnavailable, `"nick"`},
		"groups in an object":     {with(func(o *Options) { o.Groups, o.Grants = "realm_access.roles", rules(t, "chief=admin") }), "ada", nil, nil, "Ada"},
		"everybody":               {with(func(o *Options) { o.Grants = rules(t, "*=viewer") }), "eve", nil, nil, "eve"},
	} {
		t.Run(name, func(t *testing.T) {
			defer skew.Store(0)
			who, _, err := login(c.provider, c.user, c.change)
			switch {
			case !errors.Is(err, c.want):
				t.Errorf("got %v, want %v", err, c.want)
			case err == nil && who.Name != c.text, err != nil && !strings.Contains(err.Error(), c.text):
				t.Errorf("%s, %v: want %s", who.Name, err, c.text)
			case err != nil && strings.Contains(err.Error(), oidctest.Secret):
				t.Errorf("the secret is in %v", err)
			}
		})
	}
}

func TestAProviderThatIsAway(t *testing.T) {
	p := newProvider(t, Options{Issuer: "http://127.0.0.1:1", ClientID: "grove", Grants: rules(t, "*=viewer")})
	if _, _, err := p.Begin(t.Context(), redirect, ""); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestPlainHTTP: nothing is asked or sent where others could read it, whatever the
// provider's own document says, and no secret goes where an answer leads to.
func TestPlainHTTP(t *testing.T) {
	var document map[string]any
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.Path)
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(document)
		case "/there":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	begin := func(change map[string]any) (*Provider, string, string, error) {
		document = map[string]any{"issuer": server.URL, "authorization_endpoint": "https://id.example/login", "token_endpoint": server.URL + "/there", "jwks_uri": server.URL + "/keys"}
		maps.Copy(document, change)
		p := newProvider(t, Options{Issuer: server.URL, ClientID: "grove", Secret: func() (string, error) { return "s3cret", nil }, Grants: rules(t, "*=viewer")})
		address, cookie, err := p.Begin(t.Context(), redirect, "")
		return p, address, cookie, err
	}
	if _, _, _, err := begin(map[string]any{"authorization_endpoint": "http://id.example/login"}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "which is not https") {
		t.Errorf("a login by plain HTTP: %v", err)
	}
	finish := func(change map[string]any) error {
		t.Helper()
		p, address, cookie, err := begin(change)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = p.Finish(t.Context(), cookie, url.Values{"code": {"x"}, "state": u.Query()["state"]})
		return err
	}
	if err := finish(map[string]any{"token_endpoint": "http://id.example/token"}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "without https anybody in between") {
		t.Errorf("tokens by plain HTTP: %v", err)
	}
	if err := finish(nil); !errors.Is(err, ErrUnavailable) || slices.Contains(got, "POST /elsewhere") {
		t.Errorf("a code that is sent on: %v, %v", err, got)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	good := Options{Issuer: "https://id.example", ClientID: "grove", Grants: rules(t, "*=viewer")}
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no issuer":     {func(o *Options) { o.Issuer = "" }, `issuer "": https://HOST/PATH is wanted`},
		"plain HTTP":    {func(o *Options) { o.Issuer = "http://id.example" }, `issuer "http://id.example": without https anybody in between could come in as anybody`},
		"no client":     {func(o *Options) { o.ClientID = "" }, "the id of the client is missing, as the provider knows it"},
		"nobody may":    {func(o *Options) { o.Grants = nil }, "no group may do anything: at least one GROUP=GRANT is needed, such as ops=editor /shop"},
		"all is well":   {func(*Options) {}, ""},
		"loopback HTTP": {func(o *Options) { o.Issuer = "http://localhost:8080" }, ""},
	} {
		o := good
		c.change(&o)
		_, err := New(o)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestParseRule(t *testing.T) {
	for text, want := range map[string]string{
		"ops=editor /shop":               "ops|editor /shop",
		"cn=ops,dc=example=viewer":       "cn=ops,dc=example|viewer",
		"ops=viewer /shop customer=acme": "ops|viewer /shop customer=acme",
		"cn=ops=operator customer=a":     "cn=ops|operator / customer=a",
		"*=viewer":                       "*|viewer",
	} {
		r, err := ParseRule(text)
		if got := r.Group + "|" + r.Grant.String(); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"ops":        `"ops": GROUP=GRANT is wanted, such as ops=editor /shop`,
		"=viewer":    `"=viewer": GROUP=GRANT is wanted, such as ops=editor /shop`,
		"ops=edtior": `"ops=edtior": GROUP=GRANT is wanted, such as ops=editor /shop: malformed grant: unknown role "edtior": viewer, operator, editor or admin`,
	} {
		if _, err := ParseRule(text); err == nil || err.Error() != want {
			t.Errorf("%s: got %v\nwant %s", text, err, want)
		}
	}
}

func FuzzRule(f *testing.F) {
	f.Add("cn=ops,dc=example=editor /shop customer=acme")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil || strings.TrimSpace(r.Group) != r.Group || r.Group == "" {
			return
		}
		again, err := ParseRule(r.Group + "=" + r.Grant.String())
		if err != nil || again != r {
			t.Errorf("%q is read as %v, and that as %v, %v", text, r, again, err)
		}
	})
}

func FuzzSeal(f *testing.F) {
	s, err := newSeal()
	if err != nil {
		f.Fatal(err)
	}
	other, err := newSeal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(other.close(login{State: "x"}))
	f.Add("")
	f.Fuzz(func(t *testing.T, cookie string) {
		mine := s.close(login{State: "s", Then: cookie})
		if l, err := s.open(mine); len(mine) <= maxSealed && (err != nil || l.State != "s") {
			t.Errorf("%q: %v, %v", cookie, l, err)
		}
		if l, err := s.open(cookie); err == nil {
			t.Errorf("%q is opened: %v", cookie, l)
		}
	})
}
