package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func build(t *testing.T, o *Options) probe.Probe {
	t.Helper()
	p, err := Kind(nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// values runs a probe once and returns what it read as text, tables as lines by key.
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
			for i, c := range row {
				got[table.Attribute+"["+row[0].String()+"]."+table.Columns[i]] = c.String()
			}
		}
	}
	return got, err
}

func TestMemcached(t *testing.T) {
	s := servertest.Memcached(t, "-c", "30")
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	say := func(command, want string) {
		t.Helper()
		if _, err := io.WriteString(conn, command); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || strings.TrimSpace(line) != want {
			t.Fatalf("%q, %v, want %q", line, err, want)
		}
	}
	say("set a 0 0 5\r\nhello\r\n", "STORED")
	say("set b 0 0 5\r\nworld\r\n", "STORED")
	say("get nothing\r\n", "END")

	good := &Options{Address: s.Address, Attributes: map[string]extract.Attribute{"pid": {}, "now": {From: "time", Type: "age"}}}
	probetest.Run(t, Kind(nil), good)
	p := build(t, good)
	got, err := values(t, p)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"up": "1", "state": "up", "curr_items": "2", "get_misses": "1", "get_hits": "0", "cmd_set": "2", "max_connections": "30", "limit_maxbytes": "4.194304e+06",
		"accepting_conns": "1", "evictions": "0", "items[1].number": "2", "slabs[1].used_chunks": "2", "slabs[1].chunk_size": "96"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if got["pid"] == "" || got["now"] == "" || !strings.HasPrefix(got["version"], "1.") {
		t.Errorf("%v", got)
	}
	again, err := values(t, p)
	if err != nil || again["total_connections"] != got["total_connections"] {
		t.Errorf("it connects anew: %v", err)
	}
	s.Stop()
	if got, err := values(t, p); err != nil || got["state"] != "refused" {
		t.Errorf("%v, %v", got, err)
	}
	s.Start()
	if got, err := values(t, p); err != nil || got["up"] != "1" {
		t.Errorf("%v, %v", got, err)
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
			if text == "" {
				continue
			}
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c) // until the probe has enough
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestStrangeAnswersStandIn(t *testing.T) {
	for name, tt := range map[string]struct{ answer, state, err string }{
		"a refusal":        {"ERROR\r\n", "failed", "ERROR"},
		"another protocol": {"-ERR unknown command\r\n", "failed", "the answer is not one of memcached"},
		"a line for ever":  {"STAT x " + strings.Repeat("x", 5000) + "\r\n", "failed", "a line of more than 4096 bytes"},
		"half an answer":   {"STAT uptime 3\r\n", "closed", "EOF"},
		"lines for ever":   {strings.Repeat("STAT x 1\r\n", 20001), "failed", "an answer of more than 20000 lines"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := values(t, build(t, &Options{Address: answers(t, tt.answer)}))
			if err != nil || got["up"] != "0" || got["state"] != tt.state || got["error"] != tt.err {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	got, err := values(t, build(t, &Options{Address: answers(t, "STAT uptime soon\r\nEND\r\nERROR\r\nERROR\r\n")}))
	if err == nil || err.Error() != `uptime: "soon" is not a number` || got["up"] != "1" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestContract(t *testing.T) {
	probetest.Stops(t, Kind(nil), &Options{Address: answers(t, "")})
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no address", Options: &Options{}, Option: "address", Want: `address: "": is needed: host and port, such as db1:5432`},
		probetest.Bad{Name: "a name that is taken", Options: &Options{Address: "a:1", Attributes: map[string]extract.Attribute{"bytes": {}}}, Option: "attributes.bytes",
			Want: `attributes.bytes: "bytes" is an attribute that every probe of the kind has`},
	)
}

func TestPolicyIsAFailure(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kind(policy).New(&Options{Address: answers(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(t.Context()); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add("STAT items:1:number 2\r\nSTAT 3:chunk_size 96\r\nEND\r\n")
	f.Add("SERVER_ERROR out of memory\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := receive(bufio.NewReader(strings.NewReader(s)))
		if (m == nil) != (err != nil) {
			t.Fatalf("%q: %v and %v", s, m, err)
		}
		var r probe.Result
		_ = fmt.Sprint(m.classes(items, "items:", &r), m.classes(slabs, "", &r))
	})
}
