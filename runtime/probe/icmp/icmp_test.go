package icmp

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// allowed skips a test where the process may not ping.
func allowed(t testing.TB, six bool) {
	t.Helper()
	s, err := openSocket(six)
	if err != nil {
		t.Skip(err)
	}
	_ = s.close()
	if six {
		c, err := net.ListenPacket("udp6", "[::1]:0")
		if err != nil {
			t.Skipf("this machine has no IPv6: %v", err)
		}
		_ = c.Close()
	}
}

func options(change func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	o.Host, o.Interval, o.Wait = "127.0.0.1", minInterval, 200*time.Millisecond
	change(o)
	return o
}

func TestContract(t *testing.T) {
	allowed(t, false)
	good := []any{options(func(*Options) {}), options(func(o *Options) { o.Host, o.Family, o.Count, o.Size = "localhost", "ipv4", 1, maxSize })}
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err == nil {
		_ = c.Close()
		good = append(good, options(func(o *Options) { o.Host = "::1" }))
	}
	probetest.Run(t, Kind(nil), good...)
	probetest.Stops(t, Kind(nil), options(func(o *Options) { o.Host, o.Wait, o.Count = nobody, maxWait, 2; o.Interval = maxInterval }))
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no host", Options: options(func(o *Options) { o.Host = "" }), Option: "host",
			Want: `host: "": is needed: a name or an address, such as db1 or 192.0.2.7`},
		probetest.Bad{Name: "a port", Options: options(func(o *Options) { o.Host = "db1:80" }), Option: "host", Want: `host: "db1:80": a ping has no port`},
		probetest.Bad{Name: "a URL", Options: options(func(o *Options) { o.Host = "http://db1/" }), Option: "host", Want: `host: "http://db1/": is neither a name nor an address`},
		probetest.Bad{Name: "a wrong family", Options: options(func(o *Options) { o.Family = "ipx" }), Option: "family", Want: `family: "ipx" is none of any, ipv4 and ipv6`},
		probetest.Bad{Name: "the other family", Options: options(func(o *Options) { o.Family = "ipv6" }), Option: "family",
			Want: `family: the host 127.0.0.1 is an address of the other family`},
		probetest.Bad{Name: "too many", Options: options(func(o *Options) { o.Count = 101 }), Option: "count", Want: "count: 101 is outside 1..100"},
		probetest.Bad{Name: "too fast", Options: options(func(o *Options) { o.Interval = 1 }), Option: "interval", Want: "interval: 1ns is outside 10ms..1m0s"},
		probetest.Bad{Name: "no wait", Options: options(func(o *Options) { o.Wait = 0 }), Option: "wait", Want: "wait: 0s is outside 10ms..1m0s"},
		probetest.Bad{Name: "too big", Options: options(func(o *Options) { o.Size = 9000 }), Option: "size", Want: "size: 9000 is outside 8..1472"},
	)
}

// nobody is an address that packets are sent to and that does not answer: the broadcast
// address of loopback.
const nobody = "127.255.255.255"

// ask runs a probe once and returns its readings as text.
func ask(t *testing.T, kind probe.Kind, o *Options) (map[string]string, error) {
	t.Helper()
	p, err := kind.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got, err
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct{ host, address string }{{"127.0.0.1", "127.0.0.1"}, {"127.9.8.7", "127.9.8.7"}, {"::1", "::1"}, {"::ffff:127.0.0.1", "127.0.0.1"}} {
		t.Run(tt.host, func(t *testing.T) {
			allowed(t, tt.host == "::1")
			got, err := ask(t, Kind(nil), options(func(o *Options) { o.Host, o.Count = tt.host, 4 }))
			if err != nil {
				t.Fatal(err)
			}
			for attribute, want := range map[string]string{
				"up": "1", "state": "up", "error": "", "address": tt.address, "sent": "4", "received": "4", "loss": "0", "ttl": "64",
			} {
				if got[attribute] != want {
					t.Errorf("%s is %q, want %q", attribute, got[attribute], want)
				}
			}
			for _, attribute := range []string{"rtt_min", "rtt", "rtt_max", "jitter"} {
				if got[attribute] == "" || strings.HasPrefix(got[attribute], "-") {
					t.Errorf("%s is %q", attribute, got[attribute])
				}
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	allowed(t, false)
	// Sending to the address of a network needs permission that the socket has not asked for.
	got, err := ask(t, Kind(nil), options(func(o *Options) { o.Host = nobody }))
	if err != nil {
		t.Fatal(err)
	}
	if got["up"] != "0" || got["received"] != "0" || got["loss"] != "100" || got["error"] == "" {
		t.Errorf("got %v", got)
	}
	got, err = ask(t, Kind(nil), options(func(o *Options) { o.Host = "nobody.invalid" }))
	if err != nil || got["up"] != "0" || got["state"] != "unresolved" && got["state"] != "timeout" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestPolicy(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1"} {
		_, err = ask(t, Kind(policy), options(func(o *Options) { o.Host = host }))
		if err == nil || !strings.Contains(err.Error(), `the rule "!loopback" refuses it`) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestManyAtOnce has probes that share the engine: each gets its own answers.
func TestManyAtOnce(t *testing.T) {
	allowed(t, false)
	kind := Kind(nil)
	var wg sync.WaitGroup
	for i := range 500 {
		p, err := kind.New(options(func(o *Options) {
			o.Host, o.Count, o.Wait = fmt.Sprintf("127.1.%d.%d", i/250, i%250+1), 3, 5*time.Second
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			r, err := p.Run(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			for _, v := range r.Values {
				if v.Attribute == "received" && v.Value.String() != "3" {
					t.Errorf("%s: %s answers", p.Target(), v.Value)
				}
			}
		})
	}
	wg.Wait()
}

// TestRouterStandInComplains says by a raw socket what a router would say: the kernel of
// this machine sends no such errors to itself.
func TestRouterStandInComplains(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		t.Skip("no raw socket for the stand-in: ", err)
	}
	defer unix.Close(fd)
	// Forged first: an answer with another token, one from another address, an error about another target.
	target := netip.MustParseAddr("127.255.255.255")
	l, err := newLine(false)
	if err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}()
	owner := newFlights(series{to: target, count: 1}, newSockaddr(target), time.Minute)
	owner.list = append(owner.list, flight{key: 0x5678, token: 99, owner: owner, sent: time.Now()})
	l.mu.Lock()
	f := &owner.list[0]
	key := uint32(l.id)<<16 | uint32(f.key)
	l.under[f.key] = f
	l.count++
	forged := make([]byte, 20)
	encode(forged, false, key, 98)
	forged[0] = echoReply4
	l.takeLocked(packet{from: target, body: forged}, time.Now())
	encode(forged, false, key, 99)
	forged[0] = echoReply4
	l.takeLocked(packet{from: netip.MustParseAddr("127.0.0.9"), body: forged}, time.Now())
	l.takeLocked(packet{from: target, body: complaint(key, netip.MustParseAddr("127.0.0.9"), unreachable4, 1)}, time.Now())
	over := f.over
	l.mu.Unlock()
	if over {
		t.Fatal("a forged message ended the request")
	}
	if !l.raw {
		t.Skip("without rights the kernel sorts the errors")
	}
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Sendto(fd, complaint(key, target, unreachable4, 1), 0, to); err != nil {
		t.Fatal(err)
	}
	<-owner.change
	want := "127.0.0.1 says: host unreachable"
	if got := l.land(owner); len(got) != 1 || got[0].fault == nil || got[0].fault.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// complaint is an error message about an echo request.
func complaint(key uint32, to netip.Addr, kind, code byte) []byte {
	b := make([]byte, headerLen+20+headerLen)
	b[0], b[1] = kind, code
	inner := b[headerLen:]
	inner[0], inner[9] = 0x45, 1
	copy(inner[16:], to.AsSlice())
	inner[20] = echoRequest4
	binary.BigEndian.PutUint32(inner[24:], key)
	binary.BigEndian.PutUint16(b[2:], ^checksum(b))
	return b
}

// TestWithoutRights runs in a network of its own, where it may allow pings to everybody,
// and takes the socket that needs no rights.
func TestWithoutRights(t *testing.T) {
	if os.Getenv("PING_NETWORK") == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestWithoutRights$", "-test.v")
		cmd.Env = append(os.Environ(), "PING_NETWORK=own")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		out, err := cmd.CombinedOutput()
		switch {
		case err != nil && len(out) == 0:
			t.Skip("this process may not make a network: ", err)
		case err != nil:
			t.Fatalf("%v\n%s", err, out)
		case strings.Contains(string(out), "--- SKIP"):
			t.Skipf("%s", out)
		}
		return
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Skipf("ip (iproute2): %v %s", err, out)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0); err != nil {
		t.Skip(err)
	}
	for _, to := range []string{"127.0.0.1", "::1"} {
		address := netip.MustParseAddr(to)
		s, err := open(!address.Is4(), false)
		if err != nil {
			t.Fatal(err)
		}
		l := startLine(s)
		got, err := l.ping(t.Context(), series{to: address, count: 3, interval: minInterval, size: 56, wait: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 {
			t.Errorf("%s: %d requests", to, len(got))
		}
		for _, e := range got {
			if !e.ok || e.ttl != 64 || e.rtt <= 0 {
				t.Errorf("%s: %+v", to, e)
			}
		}
		// There is no way out of this network: the kernel says so, one request at a time.
		out := netip.MustParseAddr("192.0.2.1")
		if !address.Is4() {
			out = netip.MustParseAddr("2001:db8::1")
		}
		got, err = l.ping(t.Context(), series{to: out, count: 2, interval: minInterval, size: 56, wait: 5 * time.Second})
		if err != nil || len(got) != 2 || got[0].fault == nil || got[1].fault == nil {
			t.Errorf("%s: %+v, %v", out, got, err)
		}
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDecode(t *testing.T) {
	to := netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		name string
		body []byte
		want message
		ok   bool
	}{
		{"nothing", nil, message{}, false},
		{"an answer without a token", []byte{0, 0, 0, 0, 1, 2, 3, 4}, message{}, false},
		{"an answer", []byte{0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9}, message{key: 0x01020304, token: 9}, true},
		{"no route", complaint(7, to, unreachable4, 0), message{key: 7, fault: "network unreachable", to: to}, true},
		{"a new code", complaint(7, to, unreachable4, 99), message{key: 7, fault: "unreachable (code 99)", to: to}, true},
		{"a loop", complaint(7, to, exceeded4, 0), message{key: 7, fault: "time to live exceeded: too many hops, or a loop of routes", to: to}, true},
		{"an error without the request", complaint(7, to, unreachable4, 0)[:30], message{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := decode(tt.body, false)
			if ok != tt.ok {
				t.Fatalf("ok is %v", ok)
			}
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(message{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); ok && d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzDecode holds that whatever comes from the network is either refused or about a request.
func FuzzDecode(f *testing.F) {
	f.Add(complaint(7, netip.MustParseAddr("192.0.2.1"), unreachable4, 1), false)
	f.Add([]byte{129, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9}, true)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		m, ok := decode(b, six)
		if ok && (m.fault == "") == m.to.IsValid() {
			t.Errorf("an error without a target, or an answer with one: %+v", m)
		}
	})
}
