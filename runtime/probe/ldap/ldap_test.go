package ldap_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/ldap"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/runtime/probe/servertest"
	"grove/runtime/probe/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type attributes = map[string]extract.Attribute

func build(t *testing.T, o *ldap.Options) probe.Probe {
	t.Helper()
	p, err := ldap.Kind(nil, nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// values runs a probe once and returns what it read as text, tables by key and column.
func values(t *testing.T, p probe.Probe) (map[string]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = table.Columns[i] + "=" + c.String()
			}
			got[table.Attribute] += strings.Join(cells, ",") + " "
		}
	}
	return got, err
}

func passwordFile(t *testing.T, text string) secret.Ref {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.Ref("file:" + file)
}

func TestOpenLDAP(t *testing.T) {
	s := servertest.OpenLDAP(t)
	password := passwordFile(t, servertest.Password)
	with := func(change func(*ldap.Options)) *ldap.Options {
		o := &ldap.Options{Options: session.Options{Address: s.Address, User: servertest.DirectoryReader, Password: password}, Searches: map[string]ldap.Search{
			"connections": {Base: "cn=Current,cn=Connections,cn=Monitor", Attributes: attributes{"current": {From: "monitorCounter", Unit: "connections"}}},
			"operations": {Base: "cn=Operations,cn=Monitor", Scope: "one", Result: "table",
				Attributes: attributes{"done": {From: "monitorOpCompleted", Type: "counter"}}},
			"people":  {Base: "ou=people,dc=example,dc=org", Scope: "sub", Filter: "(employeeNumber=*)", Attributes: attributes{"people": {From: "entries"}, "first": {From: "dn", Type: "text"}}},
			"numbers": {Base: "ou=people,dc=example,dc=org", Scope: "one", Filter: "(uid=p3)", Result: "table", Key: "uid", Attributes: attributes{"number": {From: "EMPLOYEENUMBER"}, "kinds": {From: "objectClass", Type: "text"}}},
			"nobody":  {Base: "ou=people,dc=example,dc=org", Scope: "sub", Filter: "(uid=nobody)", Attributes: attributes{"nobody": {From: "cn", Type: "text"}}},
			"started": {Base: "cn=Start,cn=Time,cn=Monitor", Attributes: attributes{"up_for": {From: "monitorTimestamp", Type: "age"}}},
		}}
		change(o)
		return o
	}
	plain := with(func(*ldap.Options) {})
	probetest.Run(t, ldap.Kind(nil, nil), plain, with(func(o *ldap.Options) { o.Encryption, o.TLS = "starttls", secure.Options{CA: s.CA} }))

	t.Run("readings", func(t *testing.T) {
		got, err := values(t, build(t, plain))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"up": "1", "state": "up", "people": "10", "first": "uid=p0,ou=people,dc=example,dc=org", "numbers": "kinds=inetOrgPerson,number=3,uid=p3 "} {
			if got[name] != want {
				t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
		if got["current"] == "" || !strings.Contains(got["operations"], "rdn=Search") || got["up_for"] == "" {
			t.Errorf("%v", got)
		}
		if _, there := got["nobody"]; there {
			t.Error("nobody is there")
		}
	})
	t.Run("logins", func(t *testing.T) {
		wrong := passwordFile(t, "not-the-right-one")
		for name, tt := range map[string]struct {
			options      *ldap.Options
			state, error string
		}{
			"a login alone":             {with(func(o *ldap.Options) { o.Searches = nil }), "up", ""},
			"everybody":                 {with(func(o *ldap.Options) { o.Searches, o.User, o.Password = nil, "", "" }), "up", ""},
			"a wrong password":          {with(func(o *ldap.Options) { o.Password = wrong }), "denied", "Invalid Credentials"},
			"a user that is not there":  {with(func(o *ldap.Options) { o.User = "cn=nobody,dc=example,dc=org" }), "denied", "Invalid Credentials"},
			"an authority not known":    {with(func(o *ldap.Options) { o.Encryption = "starttls" }), "tls", "unknown authority"},
			"LDAPS where there is none": {with(func(o *ldap.Options) { o.Encryption = "tls" }), "tls", ""},
		} {
			t.Run(name, func(t *testing.T) {
				got, err := values(t, build(t, tt.options))
				if err != nil || got["state"] != tt.state || !strings.Contains(got["error"], tt.error) || strings.Contains(got["error"], "not-the-right-one") {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
	})
	t.Run("a password that cannot be read", func(t *testing.T) {
		got, err := values(t, build(t, with(func(o *ldap.Options) { o.Password = "file:/nowhere/at/all" })))
		if err == nil || !strings.HasPrefix(err.Error(), "password: ") || got["up"] != "" {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("searches", func(t *testing.T) {
		got, err := values(t, build(t, with(func(o *ldap.Options) {
			o.Searches = map[string]ldap.Search{
				"gone":   {Base: "ou=gone,dc=example,dc=org", Attributes: attributes{"a": {From: "entries"}}},
				"quiet":  {Base: "ou=gone,dc=example,dc=org", Optional: true, Attributes: attributes{"b": {From: "entries"}}},
				"number": {Base: "uid=p3,ou=people,dc=example,dc=org", Attributes: attributes{"c": {From: "cn"}}},
				"good":   {Base: "", Attributes: attributes{"root": {From: "entries"}}},
			}
		})))
		if err == nil || !strings.Contains(err.Error(), "searches.gone: LDAP Result Code 32") || !strings.Contains(err.Error(), `searches.number: c: "Person 3" is not a number`) || strings.Contains(err.Error(), "quiet") {
			t.Errorf("got %v", err)
		}
		if got["up"] != "1" || got["root"] != "1" {
			t.Errorf("%v", got)
		}
	})
	t.Run("a connection is kept, and made anew", func(t *testing.T) {
		p := build(t, with(func(o *ldap.Options) {
			o.Searches = map[string]ldap.Search{"total": {Base: "cn=Total,cn=Connections,cn=Monitor", Attributes: attributes{"total": {From: "monitorCounter"}}}}
		}))
		first, err := values(t, p)
		if err != nil || first["total"] == "" {
			t.Fatal(first, err)
		}
		if second, err := values(t, p); err != nil || second["total"] != first["total"] {
			t.Errorf("%v, then %v, %v", first, second, err)
		}
		s.Stop()
		if got, err := values(t, p); err != nil || got["state"] != "refused" || got["up"] != "0" {
			t.Errorf("%v, %v", got, err)
		}
		s.Start()
		if got, err := values(t, p); err != nil || got["up"] != "1" {
			t.Errorf("%v, %v", got, err)
		}
		s.Stop()
		s.Start()
		if got, err := values(t, p); err != nil || got["up"] != "1" {
			t.Errorf("after a restart between two runs: %v, %v", got, err)
		}
	})
}

// answers is a stand-in that says the same to everybody; an empty text is silence.
func answers(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := c.Write([]byte(text)); err != nil || text != "" {
				_ = c.Close()
			}
		}
	}()
	return l.Addr().String()
}

func TestStrangeAnswersStandIn(t *testing.T) {
	for name, text := range map[string]string{
		"another protocol": "220 mail.example ESMTP\r\n",
		"a huge answer":    "\x30\x84\x7f\xff\xff\xff",
		"nested for ever":  strings.Repeat("\x30\x80", 3<<20),
		"nothing":          "x",
	} {
		t.Run(name, func(t *testing.T) {
			o := &ldap.Options{Options: session.Options{Address: answers(t, text)}}
			if got, err := values(t, build(t, o)); err != nil || got["up"] != "0" || got["error"] == "" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestContract(t *testing.T) {
	silent := answers(t, "")
	probetest.Stops(t, ldap.Kind(nil, nil), &ldap.Options{Options: session.Options{Address: silent}})
	probetest.Stops(t, ldap.Kind(nil, nil), &ldap.Options{Options: session.Options{Address: silent, Encryption: "tls"}})
	probetest.Stops(t, ldap.Kind(nil, nil), &ldap.Options{Options: session.Options{Address: silent, Encryption: "starttls"}})
	with := func(change func(*ldap.Options)) *ldap.Options {
		o := &ldap.Options{Options: session.Options{Address: "ldap1:389"}}
		change(o)
		return o
	}
	search := func(s ldap.Search) *ldap.Options {
		return with(func(o *ldap.Options) { o.Searches = map[string]ldap.Search{"s": s} })
	}
	a := attributes{"a": {}}
	probetest.Refuses(t, ldap.Kind(nil, nil),
		probetest.Bad{Name: "no address", Options: &ldap.Options{}, Option: "address", Want: `address: "": is needed: host and port, such as db1:5432`},
		probetest.Bad{Name: "no password", Options: with(func(o *ldap.Options) { o.User = "cn=a" }), Option: "password", Want: "password: is missing: a login without one is none"},
		probetest.Bad{Name: "no user", Options: with(func(o *ldap.Options) { o.Password = "env:A" }), Option: "user", Want: "user: is missing: the name to log in with, such as cn=grove,dc=example,dc=org"},
		probetest.Bad{Name: "a user", Options: with(func(o *ldap.Options) { o.User, o.Password = "grove", "env:A" }), Option: "user",
			Want: "user: is not the name of an entry, such as cn=grove,dc=example,dc=org"},
		probetest.Bad{Name: "a filter", Options: search(ldap.Search{Filter: "(a", Attributes: a}), Option: "searches.s.filter", Want: "searches.s.filter: LDAP Result Code 201 \"Filter Compile Error\": ldap: unexpected end of filter"},
		probetest.Bad{Name: "a base", Options: search(ldap.Search{Base: "x", Attributes: a}), Option: "searches.s.base", Want: "searches.s.base: DN ended with incomplete type, value pair"},
		probetest.Bad{Name: "a scope", Options: search(ldap.Search{Scope: "all", Attributes: a}), Option: "searches.s.scope", Want: `searches.s.scope: "all" is none of base, one, sub`},
		probetest.Bad{Name: "a result", Options: search(ldap.Search{Result: "row", Attributes: a}), Option: "searches.s.result", Want: `searches.s.result: "row" is none of entry, table`},
		probetest.Bad{Name: "a key", Options: search(ldap.Search{Key: "a", Attributes: a}), Option: "searches.s.key", Want: "searches.s.key: only a result that is a table has a key"},
		probetest.Bad{Name: "nothing", Options: search(ldap.Search{}), Option: "searches.s.attributes", Want: "searches.s.attributes: is empty: nothing would be read"},
	)
}

func TestPolicyIsAFailure(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ldap.Kind(policy, nil).New(&ldap.Options{Options: session.Options{Address: answers(t, "")}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(t.Context()); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("got %v", err)
	}
}
