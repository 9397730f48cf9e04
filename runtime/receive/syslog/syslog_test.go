package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/probetest"
	"grove/runtime/receive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*ProbeOptions)) *ProbeOptions {
	o := Kind(NewHub(Options{})).NewOptions().(*ProbeOptions)
	o.Limit = 100_000
	change(o)
	return o
}

// box is an attached probe and what it was given.
type box struct {
	t      *testing.T
	mu     sync.Mutex
	events []string
	times  []time.Time
	more   chan struct{}
}

// attach makes a probe of the hub whose events are kept.
func attach(t *testing.T, h *Hub, change func(*ProbeOptions)) *box {
	t.Helper()
	p, err := Kind(h).New(options(change))
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, more: make(chan struct{}, 1)}
	detach, err := p.(receive.Attacher).Attach("test", "syslog", func(r probe.Result) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, v := range r.Values {
			for _, e := range v.Events {
				b.events = append(b.events, e.Status.String()+" "+e.Text)
				b.times = append(b.times, e.Time)
			}
		}
		select {
		case b.more <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { detach(); p.Close() })
	return b
}

// gets waits for these events, in any order.
func (b *box) gets(want ...string) {
	b.t.Helper()
	late := time.After(2 * time.Minute)
	for {
		b.mu.Lock()
		got := slices.Clone(b.events)
		b.mu.Unlock()
		if len(got) >= len(want) {
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				b.t.Errorf("-want +got:\n%s", diff)
			}
			return
		}
		select {
		case <-b.more:
		case <-late:
			b.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// listen serves a hub on loopback by UDP and TCP, and by TLS when there is a config.
func listen(t *testing.T, h *Hub, config *tls.Config) (udp, tcp string) {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, tcp = packets.LocalAddr().String(), l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.Serve(ctx, packets); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		if err := h.ServeStream(ctx, l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return udp, tcp
}

func TestContract(t *testing.T) {
	kind := Kind(NewHub(Options{}))
	probetest.Run(t, kind, options(func(*ProbeOptions) {}), options(func(o *ProbeOptions) {
		o.Facilities, o.Severity, o.Hosts, o.Sources, o.Apps = []string{"auth"}, "err", []string{"web*"}, []string{"10.0.0.0/8", "::1"}, []string{"sshd"}
		o.Data, o.Fields = map[string]string{"origin.software": "x"}, map[string]string{"user": "auth@32473.user"}
		o.Rules = []pattern.Rule{{Match: "x", Text: "{user}", Count: "xs"}}
	}))
	bad := func(name, option, want string, change func(*ProbeOptions)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: option + ": " + want, Options: options(change)}
	}
	probetest.Refuses(t, kind,
		bad("facility", "facilities", `"local8" is none of `+strings.Join(facilities, ", "), func(o *ProbeOptions) { o.Facilities = []string{"local8"} }),
		bad("severity", "severity", `"bad" is none of emerg, alert, crit, err, warning, notice, info, debug`, func(o *ProbeOptions) { o.Severity = "bad" }),
		bad("host", "hosts", `"[a" is not a name, with * for any text`, func(o *ProbeOptions) { o.Hosts = []string{"[a"} }),
		bad("source", "sources", `"web1" is neither an address nor a prefix such as 192.0.2.0/24`, func(o *ProbeOptions) { o.Sources = []string{"web1"} }),
		bad("data", "data", `"software" is not the id and the name of structured data, such as origin.software`, func(o *ProbeOptions) { o.Data = map[string]string{"software": "x"} }),
		bad("field", "fields", `"host" is not a name of letters, digits and underscores, or is one that every message has`, func(o *ProbeOptions) { o.Fields = map[string]string{"host": "a.b"} }),
		bad("many", "apps", "are 101, more than 100", func(o *ProbeOptions) { o.Apps = make([]string, 101) }),
	)
}

func TestParse(t *testing.T) {
	modern := time.Date(2026, 1, 31, 12, 0, 0, 250_000_000, time.UTC)
	for _, tt := range []struct {
		name, message string
		want          message
	}{
		{"RFC 5424", `<165>1 2026-01-31T12:00:00.25Z web1 app 77 ID47 [a@32473 user="me \"x\"" n="2"][b k="v"] ` + "\ufeffhello", message{
			facility: 20, severity: 5, time: modern, host: "web1", app: "app", pid: "77", id: "ID47", text: "hello",
			data: map[string]map[string]string{"a@32473": {"user": `me "x"`, "n": "2"}, "b": {"k": "v"}},
		}},
		{"RFC 5424 with nothing", "<0>1 - - - - - -", message{}},
		{"RFC 3164", "<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed\n", message{facility: 4, severity: 2, host: "mymachine", app: "su", pid: "12", text: "'su root' failed"}},
		{"of rsyslog", "<13>2026-01-31T12:00:00.25+00:00 web1 app: hello", message{facility: 1, severity: 5, time: modern, host: "web1", app: "app", text: "hello"}},
		{"only a priority", "<13>hello: there", message{facility: 1, severity: 5, text: "hello: there"}},
		{"nothing", "hello", message{facility: 1, severity: 5, text: "hello"}},
		{"no such priority", "<192>hello", message{facility: 1, severity: 5, text: "<192>hello"}},
		{"of Cisco", "<189>45: Jan 31 12:00:00.123: %LINK-3-UPDOWN: Interface up", message{facility: 23, severity: 5, text: "45: Jan 31 12:00:00.123: %LINK-3-UPDOWN: Interface up"}},
	} {
		got := newParser().parse([]byte(tt.message))
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(message{}), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("%s -want +got:\n%s", tt.name, diff)
		}
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", MaxMessage+5)
	for _, tt := range []struct {
		name, stream string
		want         []string
		err          string
	}{
		{"line ends", "<1>a\n<2>b\r\n\n<3>c", []string{"<1>a", "<2>b", "<3>c"}, "EOF"},
		{"lengths", "4 <1>a7 <2>b\nc\n", []string{"<1>a", "<2>b\nc"}, "EOF"},
		{"both", "4 <1>a\n<2>b\n4 <3>c", []string{"<1>a", "<2>b", "<3>c"}, "EOF"},
		{"too long a line", "<1>" + long + "\n<2>b\n", []string{("<1>" + long)[:MaxMessage], "<2>b"}, "EOF"},
		{"too long by its length", fmt.Sprintf("%d %s4 <2>b", len(long), long), []string{long[:MaxMessage], "<2>b"}, "EOF"},
		{"cut", "10 <1>", nil, "unexpected EOF"},
		{"no length", "12x", nil, `not a stream of syslog messages: 'x' in the length of a message`},
		{"much too long", "99999999999 ", nil, "not a stream of syslog messages: a message of 9999999 bytes or more, more than 1048576"},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.stream), iotest.HalfReader(strings.NewReader(tt.stream))} {
			f := newFrames(r)
			var got []string
			var err error
			for err == nil {
				var b []byte
				if b, _, err = f.next(); err == nil {
					got = append(got, strings.TrimRight(string(b), "\r\n"))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err.Error() != tt.err {
				t.Errorf("%s: %v, -want +got:\n%s", tt.name, err, diff)
			}
		}
	}
}

// logger runs the logger of util-linux.
func logger(t *testing.T, address string, args ...string) {
	t.Helper()
	program, err := exec.LookPath("logger")
	if err != nil {
		t.Skip("logger is not installed (Debian package bsdutils)")
	}
	host, port, _ := net.SplitHostPort(address)
	if out, err := exec.Command(program, append([]string{"--server", host, "--port", port, "--socket-errors=on"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("logger: %v: %s", err, out)
	}
}

func TestLogger(t *testing.T) {
	h := NewHub(Options{})
	udp, tcp := listen(t, h, nil)
	all := attach(t, h, func(o *ProbeOptions) {
		o.Rules = []pattern.Rule{{Match: ".", Text: "{facility} {severity} {app}: {line}"}}
	})
	some := attach(t, h, func(o *ProbeOptions) {
		o.Facilities, o.Severity, o.Apps = []string{"local3", "auth"}, "warning", []string{"shop*"}
		o.Fields, o.Data = map[string]string{"user": "auth@32473.user"}, map[string]string{"auth@32473.ok": "no"}
		o.Rules = []pattern.Rule{{Match: ".", Text: "{user} {source} {line}"}}
	})
	logger(t, udp, "--udp", "--rfc5424", "-p", "local3.err", "-t", "shop", "by UDP and RFC 5424")
	logger(t, udp, "--udp", "--rfc3164", "-p", "local3.warning", "-t", "shop", "by UDP and RFC 3164")
	logger(t, tcp, "--tcp", "--rfc3164", "-p", "auth.info", "-t", "shop", "by TCP and RFC 3164")
	logger(t, tcp, "--tcp", "--octet-count", "--rfc5424", "-p", "auth.crit", "-t", "shopper", "--sd-id", "auth@32473", "--sd-param", `user="me"`, "--sd-param", `ok="no"`, "counted")
	all.gets("red local3 err shop: by UDP and RFC 5424", "yellow local3 warning shop: by UDP and RFC 3164", "green auth info shop: by TCP and RFC 3164", "red auth crit shopper: counted")
	some.gets("red me 127.0.0.1 counted")
	if c := h.Stats(); c.Received != 4 || c.Applied != 4 {
		t.Errorf("got %+v", c)
	}
	for _, at := range all.times {
		if d := time.Since(at); d < -time.Minute || d > time.Hour {
			t.Errorf("an event of %v", at)
		}
	}
}

// TestRsyslog lets Debian's rsyslog pass on messages by TLS.
func TestRsyslog(t *testing.T) {
	program := "/usr/sbin/rsyslogd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("rsyslogd is not installed (Debian package rsyslog)")
	}
	if found, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); len(found) == 0 {
		t.Skip("rsyslog has no TLS (Debian package rsyslog-gnutls)")
	}
	s := httptest.NewTLSServer(nil)
	s.Close()
	h := NewHub(Options{})
	_, secure := listen(t, h, &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12})
	b := attach(t, h, func(o *ProbeOptions) { o.Rules = []pattern.Rule{{Match: ".", Text: "{app}[{pid}] {line}"}} })

	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, in, _ := net.SplitHostPort(l.LocalAddr().String())
	l.Close()
	_, out, _ := net.SplitHostPort(secure)
	config := fmt.Sprintf(`global(workDirectory=%q defaultNetstreamDriverCAFile=%q)
module(load="imudp")
input(type="imudp" address="127.0.0.1" port=%q)
action(type="omfwd" target="127.0.0.1" port=%q protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"
	StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid" action.resumeInterval="1")
`, dir, ca, in, out)
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-n", "-f", file, "-i", filepath.Join(dir, "pid"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("rsyslogd said:\n%s", said.String())
		}
	})
	// Until it listens what is sent to it is lost.
	conn, err := net.Dial("udp", "127.0.0.1:"+in)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute)
	for waiting := true; waiting; {
		_, _ = io.WriteString(conn, "<13>Jan 31 12:00:00 web1 app[7]: hello")
		select {
		case <-b.more:
			waiting = false
		case <-tick.C:
		case <-late:
			t.Fatal("nothing arrives")
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events[0] != "green app[7] hello" {
		t.Errorf("got %q", b.events[0])
	}
}

func TestWhatIsRefusedIsCounted(t *testing.T) {
	only := []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
	h := NewHub(Options{Sources: only})
	udp, tcp := listen(t, h, nil)
	send := func(network, address, text string) net.Conn {
		t.Helper()
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil && network == "udp" {
			t.Fatal(err)
		}
		return conn
	}
	until := func(h *Hub, what string, done func(Stats) bool) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for late := time.Now().Add(2 * time.Minute); !done(h.Stats()); <-tick.C {
			if time.Now().After(late) {
				t.Fatalf("%s: %+v", what, h.Stats())
			}
		}
	}
	send("udp", udp, "<13>a").Close()
	until(h, "a foreign datagram", func(s Stats) bool { return s.Refused[receive.Denied] == 1 })
	send("tcp", tcp, "<13>a\n").Close()
	until(h, "a foreign connection", func(s Stats) bool { return s.Turned == 1 })

	h = NewHub(Options{Rate: 5, Connections: 1})
	udp, tcp = listen(t, h, nil)
	conn := send("udp", udp, "<13>a")
	defer conn.Close()
	until(h, "nobody wants it", func(s Stats) bool { return s.Refused[receive.NoNode] == 1 })
	for range 30 {
		if _, err := io.WriteString(conn, "<13>b"); err != nil {
			t.Fatal(err)
		}
	}
	until(h, "too fast", func(s Stats) bool { return s.Refused[receive.RateLimited] > 0 && s.Received == 31 })
	first := send("tcp", tcp, "")
	defer first.Close()
	until(h, "one connection", func(s Stats) bool { return s.Connections == 1 })
	send("tcp", tcp, "").Close()
	until(h, "too many connections", func(s Stats) bool { return s.Turned == 1 })
	if _, err := io.WriteString(first, "77777777777"); err != nil {
		t.Fatal(err)
	}
	until(h, "no stream of messages", func(s Stats) bool { return s.Broken == 1 && s.Connections == 0 })
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("<34>Oct 11 22:14:15 mymachine su: failed"))
	f.Add([]byte(`<165>1 2026-01-31T12:00:00Z web1 app 77 ID47 [a@1 user="me"] hi`))
	f.Add([]byte("<13>2026-01-31T12:00:00+00:00 web1 app: hello"))
	p := newParser()
	f.Fuzz(func(t *testing.T, b []byte) {
		m := p.parse(b)
		if m.facility < 0 || m.facility >= len(facilities) || m.severity < 0 || m.severity >= len(pattern.Severities) {
			t.Errorf("%q: facility %d, severity %d", b, m.facility, m.severity)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("4 <1>a<2>b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := newFrames(bytes.NewReader(b))
		for n := 0; ; n++ {
			m, _, err := fr.next()
			if len(m) > MaxMessage || n > len(b) {
				t.Fatalf("%d bytes in message %d", len(m), n)
			}
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errFrame) {
					t.Fatal(err)
				}
				return
			}
		}
	})
}

// BenchmarkParse prints messages per second of one goroutine.
func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"rfc5424": `<165>1 2026-01-31T12:00:00.25Z web1.example app 77 ID47 [a@32473 user="me" n="2"] an application event log entry`,
		"rfc3164": "<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed for lonvick on /dev/pts/8",
	} {
		b.Run(name, func(b *testing.B) {
			p, message := newParser(), []byte(text)
			for b.Loop() {
				p.parse(message)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
