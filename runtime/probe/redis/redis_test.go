package redis_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/redis"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/runtime/probe/servertest"
	"grove/runtime/probe/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func build(t *testing.T, o *redis.Options) probe.Probe {
	t.Helper()
	p, err := redis.Kind(nil, nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// values runs a probe once and returns what it read as text, tables as lines.
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
				cells[i] = c.String()
			}
			got[table.Attribute+"["+cells[0]+"]"] = strings.Join(cells[1:], ",")
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

func at(address string) *redis.Options {
	return &redis.Options{Options: session.Options{Address: address}}
}

func TestRedis(t *testing.T) {
	s := servertest.Redis(t, "--maxclients", "50", "--maxmemory", "50mb")
	client := goredis.NewClient(&goredis.Options{Addr: s.Address})
	defer client.Close()
	do := func(args ...any) {
		t.Helper()
		if err := client.Do(t.Context(), args...).Err(); err != nil && !errors.Is(err, goredis.Nil) {
			t.Fatal(args, err)
		}
	}
	do("SET", "stock", "42")
	do("SET", "made", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	do("RPUSH", "jobs", "a", "b", "c")
	do("ZADD", "board", "1.5", "x")
	do("GET", "nothing")
	do("SELECT", "3")
	do("SET", "other", "word", "EX", "1000")
	do("SELECT", "0")
	do("ACL", "SETUSER", "grove", "on", ">"+servertest.Password, "-@all", "+info", "%R~jobs", "+llen")

	good := at(s.Address)
	good.Attributes = map[string]extract.Attribute{"threads": {From: "io_threads_active"}}
	good.Reads = map[string]redis.Read{
		"stock":  {Command: []string{"get", "stock"}},
		"made":   {Command: []string{"GET", "made"}, Type: "age"},
		"jobs":   {Command: []string{"LLEN", "jobs"}, Unit: "jobs"},
		"score":  {Command: []string{"ZSCORE", "board", "x"}},
		"absent": {Command: []string{"GET", "absent"}},
		"kind":   {Command: []string{"TYPE", "jobs"}, Type: "text"},
	}
	probetest.Run(t, redis.Kind(nil, nil), good)

	t.Run("readings", func(t *testing.T) {
		got, err := values(t, build(t, good))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"up": "1", "state": "up", "error": "", "stock": "42", "jobs": "3", "score": "1.5", "kind": "list", "maxclients": "50", "role": "master",
			"maxmemory": "5.24288e+07", "rdb_last_bgsave_status": "1", "threads": "0", "aof_enabled": "0"} {
			if got[name] != want {
				t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
		if got["absent"] != "" || !strings.HasPrefix(got["made"], "36") || got["used_memory"] == "" || got["saved_ago"] == "" {
			t.Errorf("%v", got)
		}
		if db := got["databases[db3]"]; !strings.HasPrefix(db, "1,1,") {
			t.Errorf("db3 is %q", db)
		}
		if !strings.HasPrefix(got["commands[set]"], "3,") {
			t.Errorf("commands[set] is %q", got["commands[set]"])
		}
	})
	t.Run("another database", func(t *testing.T) {
		o := at(s.Address)
		o.Database = 3
		o.Reads = map[string]redis.Read{"other": {Command: []string{"GET", "other"}}, "size": {Command: []string{"DBSIZE"}}}
		got, err := values(t, build(t, o))
		if err == nil || err.Error() != `other: "word" is not a number` || got["size"] != "1" || got["up"] != "1" {
			t.Errorf("%v, %v", got["size"], err)
		}
	})
	t.Run("a user of few rights", func(t *testing.T) {
		o := at(s.Address)
		o.User, o.Password = "grove", passwordFile(t, servertest.Password)
		o.Reads = map[string]redis.Read{"jobs": {Command: []string{"LLEN", "jobs"}}, "stock": {Command: []string{"GET", "stock"}}}
		got, err := values(t, build(t, o))
		if err == nil || !strings.HasPrefix(err.Error(), "reads.stock: NOPERM ") || got["jobs"] != "3" || got["up"] != "1" {
			t.Errorf("%v, %v", got["jobs"], err)
		}
		o.Password = passwordFile(t, "not-the-right-one")
		got, err = values(t, build(t, o))
		if err != nil || got["state"] != "denied" || strings.Contains(got["error"], "not-the-right") {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("replicas", func(t *testing.T) {
		replica := servertest.Redis(t, "--replicaof", "127.0.0.1 "+s.Port())
		p, below := build(t, at(s.Address)), build(t, at(replica.Address))
		waitFor(t, "the replica is online", func() bool {
			got, err := values(t, p)
			if err != nil {
				t.Fatal(err)
			}
			return strings.HasPrefix(got["replicas[127.0.0.1:"+replica.Port()+"]"], "online,")
		})
		got, err := values(t, below)
		if err != nil || got["role"] != "slave" || got["master_link_status"] != "up" {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("a connection is kept, and made anew", func(t *testing.T) {
		p := build(t, good)
		first, err := values(t, p)
		if err != nil {
			t.Fatal(err)
		}
		second, err := values(t, p)
		if err != nil || first["total_connections_received"] != second["total_connections_received"] {
			t.Errorf("it connects anew: %s, %s, %v", first["total_connections_received"], second["total_connections_received"], err)
		}
		s.Stop()
		if got, err := values(t, p); err != nil || got["state"] != "refused" || got["up"] != "0" {
			t.Errorf("%v, %v", got, err)
		}
		s.Start()
		if got, err := values(t, p); err != nil || got["up"] != "1" {
			t.Errorf("%v, %v", got, err)
		}
		// One that was restarted between two runs is no failure.
		s.Stop()
		s.Start()
		if got, err := values(t, p); err != nil || got["up"] != "1" {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestTLS(t *testing.T) {
	s := servertest.RedisTLS(t)
	o := at(s.Address)
	o.TLS = secure.Options{CA: s.CA}
	if got, err := values(t, build(t, o)); err != nil || got["up"] != "1" {
		t.Errorf("%v, %v", got, err)
	}
	o = at(s.Address)
	o.Encryption = "tls"
	if got, err := values(t, build(t, o)); err != nil || got["state"] != "tls" {
		t.Errorf("%v, %v", got, err)
	}
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); !holds(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("never: %s", what)
		}
	}
}

// answers is a stand-in that says the same to everything; an empty one says nothing.
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
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, text)
			if text != "" {
				_ = c.Close()
			}
		}
	}()
	return l.Addr().String()
}

func TestStrangeAnswersStandIn(t *testing.T) {
	for name, tt := range map[string]struct{ answer, state, err string }{
		"loading":           {"-LOADING Redis is loading the dataset in memory\r\n", "loading", "LOADING Redis is loading the dataset in memory"},
		"a password":        {"-NOAUTH Authentication required.\r\n", "denied", "NOAUTH Authentication required."},
		"a huge answer":     {"$99999999999\r\n", "failed", "an answer of 99999999999 bytes, more than 4194304"},
		"an array":          {"*1\r\n$1\r\na\r\n", "failed", "the answer is not one of Redis"},
		"another protocol":  {"HTTP/1.1 400 Bad Request\r\n", "failed", "the answer is not one of Redis"},
		"a line for ever":   {"+" + strings.Repeat("x", 70<<10), "failed", "a line of more than 65536 bytes"},
		"half an answer":    {"$10\r\nabc", "closed", ""},
		"a wrong end":       {"$3\r\nabcxx", "failed", "the answer is not one of Redis"},
		"a negative length": {"$-2\r\n", "failed", "the answer is not one of Redis"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := values(t, build(t, at(answers(t, tt.answer))))
			if err != nil || got["up"] != "0" || got["state"] != tt.state || tt.err != "" && got["error"] != tt.err {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestContract(t *testing.T) {
	probetest.Stops(t, redis.Kind(nil, nil), at(answers(t, "")))
	with := func(change func(*redis.Options)) *redis.Options {
		o := at("cache1:6379")
		change(o)
		return o
	}
	read := func(command ...string) *redis.Options {
		return with(func(o *redis.Options) { o.Reads = map[string]redis.Read{"x": {Command: command}} })
	}
	probetest.Refuses(t, redis.Kind(nil, nil),
		probetest.Bad{Name: "no address", Options: at(""), Option: "address", Want: `address: "": is needed: host and port, such as db1:5432`},
		probetest.Bad{Name: "no password", Options: with(func(o *redis.Options) { o.User = "grove" }), Option: "password", Want: "password: is missing: a user has one"},
		probetest.Bad{Name: "a database", Options: with(func(o *redis.Options) { o.Database = -1 }), Option: "database", Want: "database: -1 is outside 0..1048576"},
		probetest.Bad{Name: "a command that writes", Options: read("SET", "a", "b"), Option: "reads.x.command",
			Want: `reads.x.command: "SET" is none of the commands that only read: BITCOUNT, DBSIZE, EXISTS, GET, GETBIT, HEXISTS, HGET, HLEN, LINDEX, LLEN, PFCOUNT, PTTL, SCARD, SISMEMBER, STRLEN, TTL, TYPE, XLEN, ZCARD, ZCOUNT, ZRANK, ZSCORE`},
		probetest.Bad{Name: "no command", Options: read(), Option: "reads.x.command", Want: "reads.x.command: has 0 parts: there must be from 1 to 10"},
		probetest.Bad{Name: "no key", Options: read("LLEN"), Option: "reads.x.command", Want: "reads.x.command: LLEN has from 1 to 1 arguments, not 0"},
		probetest.Bad{Name: "a name that is taken", Options: with(func(o *redis.Options) { o.Attributes = map[string]extract.Attribute{"used_memory": {}} }), Option: "attributes.used_memory",
			Want: `attributes.used_memory: "used_memory" is an attribute that every probe of the kind has`},
	)
}

func TestPolicyIsAFailure(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := redis.Kind(policy, nil).New(at(answers(t, "")))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(t.Context()); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("got %v", err)
	}
}
