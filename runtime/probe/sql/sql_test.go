package sql_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/runtime/probe/servertest"
	"grove/runtime/probe/session"
	"grove/runtime/probe/sql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// passwordFile holds the password of the test's servers.
func passwordFile(t *testing.T, text string) secret.Ref {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.Ref("file:" + file)
}

type attributes = map[string]extract.Attribute

func options(system, address string, password secret.Ref, queries map[string]sql.Query) *sql.Options {
	return &sql.Options{System: system, Options: session.Options{Address: address, User: "grove", Password: password}, Queries: queries}
}

// values runs a probe once and returns what it read as text, tables as lines.
func values(t *testing.T, p probe.Probe) (map[string]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return valuesWithin(ctx, t, p)
}

func valuesWithin(ctx context.Context, t *testing.T, p probe.Probe) (map[string]string, error) {
	t.Helper()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	for _, table := range r.Tables {
		var lines []string
		for _, row := range table.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = c.String()
			}
			lines = append(lines, strings.Join(cells, ","))
		}
		got[table.Attribute] = strings.Join(table.Columns, ",") + ": " + strings.Join(lines, " ")
	}
	return got, err
}

func build(t *testing.T, o *sql.Options) probe.Probe {
	t.Helper()
	p, err := sql.Kind(nil, nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// system is what differs between the two.
type system struct {
	name     string
	start    func(testing.TB, ...string) *servertest.Database
	types    string // a query of every type
	sleep    string
	write    string // a query that begins harmlessly and writes
	sessions string // how many connections the probe has
	refused  string // part of what it says of a table that is not there
}

var systems = []system{
	{
		name: "postgresql", start: servertest.PostgreSQL,
		types:    "SELECT 1::int AS i, 2.5::float8 AS f, 3.25::numeric AS n, 'hé'::text AS s, true AS b, NULL::int AS none, to_timestamp(86400) AS t, 'x' AS other",
		sleep:    "SELECT pg_sleep(20) AS i",
		write:    "WITH gone AS (DELETE FROM stock RETURNING 1) SELECT count(*) AS i FROM gone",
		sessions: "SELECT count(*) FROM pg_stat_activity WHERE usename = 'grove'",
		refused:  `relation "nowhere" does not exist`,
	},
	{
		name: "mysql", start: servertest.MariaDB,
		types:    "SELECT 1 AS i, 2.5e0 AS f, 3.25 AS n, 'hé' AS s, true AS b, NULL AS none, TIMESTAMP '1970-01-02 00:00:00' AS t, 'x' AS other",
		sleep:    "SELECT SLEEP(20) AS i",
		write:    "SELECT NEXTVAL(shop.numbers) AS i",
		sessions: "SELECT count(*) FROM information_schema.processlist WHERE user = 'grove'",
		refused:  "doesn't exist",
	},
}

func TestServers(t *testing.T) {
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			d := s.start(t)
			if s.name == "mysql" {
				d.Exec("CREATE DATABASE shop", "CREATE SEQUENCE shop.numbers", "GRANT SELECT, INSERT ON shop.* TO grove@'%'")
			} else {
				d.Exec("CREATE TABLE stock (n int)", "INSERT INTO stock VALUES (1)", "GRANT ALL ON stock TO grove")
			}
			good := passwordFile(t, servertest.Password)
			all := map[string]sql.Query{
				"types": {SQL: s.types, Attributes: attributes{
					"i": {}, "f": {Unit: "s"}, "n": {Type: "counter"}, "s": {Type: "text"}, "b": {Type: "bool"}, "none": {}, "t": {}, "last": {From: "missing|OTHER", Type: "text"},
				}},
				"pairs": {SQL: "SELECT 'Threads', 7 UNION ALL SELECT 'Queries', 8", Result: "names", Attributes: attributes{"threads": {}, "q": {From: "Queries", Type: "counter"}}},
				"shelf": {SQL: "SELECT 'a' AS name, 1 AS n UNION ALL SELECT 'b', NULL ORDER BY 1", Result: "table", Key: "name", Attributes: attributes{"n": {}}},
				"none":  {SQL: "SELECT 1 AS nobody WHERE 1 = 0", Attributes: attributes{"nobody": {}}},
				"later": {SQL: "SELECT 1 AS i FROM nowhere", Since: "99", Attributes: attributes{"never": {}}},
			}
			o := options(s.name, d.Address, good, all)
			overTLS := *o
			overTLS.TLS = secure.Options{CA: d.CA}
			probetest.Run(t, sql.Kind(nil, nil), o, &overTLS)

			t.Run("readings", func(t *testing.T) {
				got, err := values(t, build(t, o))
				if err != nil {
					t.Fatal(err)
				}
				if got["duration"] == "" || !strings.ContainsAny(got["version"], "0123456789") {
					t.Errorf("duration %q, version %q", got["duration"], got["version"])
				}
				delete(got, "duration")
				delete(got, "version")
				want := map[string]string{"up": "1", "state": "up", "error": "", "i": "1", "f": "2.5", "n": "3.25", "s": "hé", "b": "1", "t": "86400", "last": "x",
					"threads": "7", "q": "8", "shelf": "n,name: 1,a ,b"}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
			t.Run("one connection is kept, and made anew", func(t *testing.T) {
				p := build(t, o)
				for range 3 {
					if got, err := values(t, p); err != nil || got["up"] != "1" {
						t.Fatalf("%v, %v", got, err)
					}
				}
				var n int
				if err := d.Admin.QueryRow(s.sessions).Scan(&n); err != nil || n < 1 {
					t.Fatalf("%d connections, %v", n, err)
				}
				d.Stop()
				got, err := values(t, p)
				if err != nil || got["up"] != "0" || got["state"] == "up" || got["error"] == "" {
					t.Errorf("while it is down: %v, %v", got, err)
				}
				if got, _ := values(t, p); got["state"] != "refused" {
					t.Errorf("while it is down: %v", got)
				}
				d.Start()
				if got, err := values(t, p); err != nil || got["up"] != "1" {
					t.Errorf("when it is up again: %v, %v", got, err)
				}
			})
			t.Run("logins", func(t *testing.T) {
				wrong := *o
				wrong.Password = passwordFile(t, "not-the-right-one")
				got, err := values(t, build(t, &wrong))
				if err != nil || got["state"] != "denied" || strings.Contains(got["error"], "not-the-right-one") {
					t.Errorf("a wrong password: %v, %v", got, err)
				}
				// A server may repeat what it was told: here the password is the user's name.
				named := *o
				named.User, named.Password = "not-the-right-one", wrong.Password
				got, err = values(t, build(t, &named))
				if err != nil || got["state"] != "denied" || strings.Contains(got["error"], "not-the-right-one") || !strings.Contains(got["error"], "[secret]") {
					t.Errorf("a password that is shown: %v, %v", got, err)
				}
				gone := *o
				gone.Database = "nowhere"
				got, err = values(t, build(t, &gone))
				if err != nil || got["up"] != "0" || !strings.Contains(got["error"], "nowhere") {
					t.Errorf("a database that is not there: %v, %v", got, err)
				}
				missing := *o
				missing.Password = "file:/nowhere/at/all"
				got, err = values(t, build(t, &missing))
				if err == nil || got["up"] != "" || !strings.HasPrefix(err.Error(), "password: ") || !strings.Contains(err.Error(), "/nowhere/at/all") {
					t.Errorf("no password: %v, %v", got, err)
				}
				stranger := *o
				stranger.Encryption = "tls"
				if got, _ := values(t, build(t, &stranger)); got["state"] != "tls" {
					t.Errorf("an authority that is not known: %v", got)
				}
			})
			t.Run("queries", func(t *testing.T) {
				got, err := values(t, build(t, options(s.name, d.Address, good, map[string]sql.Query{
					"bad":     {SQL: "SELECT 1 AS i FROM shop.nowhere", Attributes: attributes{"i": {}}},
					"quiet":   {SQL: "SELECT 1 AS j FROM shop.nowhere", Optional: true, Attributes: attributes{"j": {}}},
					"columns": {SQL: "SELECT 1 AS a, 'x' AS b", Attributes: attributes{"a": {}, "b": {}, "c": {}}},
					"many":    {SQL: "SELECT 1 AS m UNION ALL SELECT 2", Attributes: attributes{"m": {}}},
					"keys":    {SQL: "SELECT 1 AS k UNION ALL SELECT 1 UNION ALL SELECT NULL", Result: "table", Key: "k", Attributes: attributes{"k": {}}},
					"good":    {SQL: "SELECT 5 AS five", Attributes: attributes{"five": {}}},
				})))
				if err == nil {
					t.Fatalf("no error: %v", got)
				}
				for _, want := range []string{"queries.bad: ", `queries.columns: b: "x" is not a number`, "c: the result has no column c, only a, b",
					"queries.many: the result has more than one row", "the key \"1\" was there before", "its key k is empty"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q is not in the error:\n%v", want, err)
					}
				}
				if strings.Contains(err.Error(), "quiet") {
					t.Errorf("what is optional is an error: %v", err)
				}
				if got["up"] != "1" || got["five"] != "5" || got["a"] != "1" || got["keys"] != "k: 1" {
					t.Errorf("%v", got)
				}
			})
			t.Run("nothing is written", func(t *testing.T) {
				got, err := values(t, build(t, options(s.name, d.Address, good, map[string]sql.Query{"w": {SQL: s.write, Attributes: attributes{"i": {}}}})))
				if err == nil || !strings.Contains(strings.ToLower(err.Error()), "read-only") && !strings.Contains(strings.ToLower(err.Error()), "read only") || got["i"] != "" {
					t.Errorf("%v, %v", got, err)
				}
			})
			t.Run("the server ends what takes too long", func(t *testing.T) {
				p := build(t, options(s.name, d.Address, good, map[string]sql.Query{"w": {SQL: s.sleep, Attributes: attributes{"i": {}}}}))
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				got, err := valuesWithin(ctx, t, p)
				if err != nil || got["state"] != "timeout" {
					t.Errorf("%v, %v", got, err)
				}
				waitFor(t, "no statement is left", func() bool {
					var n int
					busy := map[string]string{"postgresql": " AND state = 'active'", "mysql": " AND command = 'Query'"}[s.name]
					if err := d.Admin.QueryRow(s.sessions + busy).Scan(&n); err != nil {
						t.Fatal(err)
					}
					return n == 0
				})
			})
			t.Run("a table has a bound", func(t *testing.T) {
				bounded := func(statement string) *sql.Options {
					o := options(s.name, d.Address, good, map[string]sql.Query{"t": {SQL: statement, Result: "table", Key: "n", Attributes: attributes{"n": {}}}})
					o.Database = map[string]string{"mysql": "shop"}[s.name]
					return o
				}
				numbers := map[string]string{"postgresql": "SELECT n FROM generate_series(1, 10001) AS n", "mysql": "SELECT seq AS n FROM seq_1_to_10001"}[s.name]
				got, err := values(t, build(t, bounded(numbers)))
				if err == nil || err.Error() != "queries.t: has more than 10000 rows" || got["t"] != "" {
					t.Errorf("%.100v, %v", got, err)
				}
				big := map[string]string{"postgresql": "SELECT 1 AS n, repeat('x', 9000000) AS s", "mysql": "SELECT seq AS n, REPEAT('x', 9000000) AS s FROM seq_1_to_10"}[s.name]
				got, err = values(t, build(t, bounded(big)))
				if err != nil || got["up"] != "0" || !strings.Contains(got["error"], map[string]string{"postgresql": "8388608", "mysql": "more than 33554432 bytes in one run"}[s.name]) {
					t.Errorf("%.200v, %v", got, err)
				}
			})
		})
	}
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); !holds(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("never: %s", what)
		}
	}
}

// silent accepts connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestContract(t *testing.T) {
	one := map[string]sql.Query{"q": {SQL: "SELECT 1 AS i", Attributes: attributes{"i": {}}}}
	for _, system := range []string{"postgresql", "mysql"} {
		probetest.Stops(t, sql.Kind(nil, nil), options(system, silent(t), "", one))
	}
	with := func(change func(*sql.Options)) *sql.Options {
		o := options("postgresql", "db1:5432", "", one)
		change(o)
		return o
	}
	query := func(q sql.Query) *sql.Options {
		return with(func(o *sql.Options) { o.Queries = map[string]sql.Query{"q": q} })
	}
	probetest.Refuses(t, sql.Kind(nil, nil),
		probetest.Bad{Name: "no system", Options: with(func(o *sql.Options) { o.System = "" }), Option: "system", Want: `system: "" is none of postgresql, mysql`},
		probetest.Bad{Name: "no address", Options: with(func(o *sql.Options) { o.Address = "" }), Option: "address", Want: `address: "": is needed: host and port, such as db1:5432`},
		probetest.Bad{Name: "no user", Options: with(func(o *sql.Options) { o.User = "" }), Option: "user", Want: "user: is missing: whom to log in as"},
		probetest.Bad{Name: "a password", Options: with(func(o *sql.Options) { o.Password = "guess" }), Option: "password", Want: "password: " + secret.Ref("guess").Check().Error()},
		probetest.Bad{Name: "encryption", Options: with(func(o *sql.Options) { o.Encryption = "starttls" }), Option: "encryption", Want: `encryption: "starttls" is none of none, tls`},
		probetest.Bad{Name: "tls without it", Options: with(func(o *sql.Options) { o.Encryption, o.TLS.ServerName = "none", "x" }), Option: "tls", Want: "tls: is of no use with encryption: none"},
		probetest.Bad{Name: "no queries", Options: with(func(o *sql.Options) { o.Queries = nil }), Option: "queries", Want: "queries: there are none: at least one is needed, such as {a: {sql: SELECT 1 AS one, attributes: {one: {}}}}"},
		probetest.Bad{Name: "a statement that writes", Options: query(sql.Query{SQL: "DROP TABLE x", Attributes: attributes{"i": {}}}), Option: "queries.q.sql",
			Want: "queries.q.sql: must begin with SELECT, SHOW, TABLE, VALUES or WITH: only reading is allowed"},
		probetest.Bad{Name: "nothing is read", Options: query(sql.Query{SQL: "SELECT 1"}), Option: "queries.q.attributes", Want: "queries.q.attributes: is empty: nothing would be read"},
		probetest.Bad{Name: "a table without a key", Options: query(sql.Query{SQL: "SELECT 1", Result: "table", Attributes: attributes{"i": {}}}), Option: "queries.q.key",
			Want: "queries.q.key: is missing: the column that tells rows apart"},
		probetest.Bad{Name: "a key without a table", Options: query(sql.Query{SQL: "SELECT 1", Key: "i", Attributes: attributes{"i": {}}}), Option: "queries.q.key",
			Want: "queries.q.key: only a result that is a table has a key"},
		probetest.Bad{Name: "another result", Options: query(sql.Query{SQL: "SELECT 1", Result: "x", Attributes: attributes{"i": {}}}), Option: "queries.q.result",
			Want: `queries.q.result: "x" is none of row, names, table`},
		probetest.Bad{Name: "a version", Options: query(sql.Query{SQL: "SELECT 1", Since: "new", Attributes: attributes{"i": {}}}), Option: "queries.q.since",
			Want: "queries.q.since: is not a version such as 17 or 10.5.2"},
		probetest.Bad{Name: "a name that is taken", Options: query(sql.Query{SQL: "SELECT 1", Attributes: attributes{"up": {}}}), Option: "queries.q",
			Want: `queries.q: "up" is declared twice, and not in the same way`},
		probetest.Bad{Name: "two types", Options: with(func(o *sql.Options) {
			o.Queries = map[string]sql.Query{"a": {SQL: "SELECT 1", Attributes: attributes{"i": {}}}, "b": {SQL: "SELECT 1", Attributes: attributes{"i": {Type: "text"}}}}
		}), Option: "queries.b", Want: `queries.b: "i" is declared twice, and not in the same way`},
	)
}

func TestPolicyIsAFailure(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{"postgresql", "mysql"} {
		p, err := sql.Kind(policy, nil).New(options(system, silent(t), "", map[string]sql.Query{"q": {SQL: "SELECT 1 AS i", Attributes: attributes{"i": {}}}}))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, err := p.Run(t.Context()); !errors.Is(err, dial.ErrDenied) {
			t.Errorf("%s: %v", system, err)
		}
	}
}
