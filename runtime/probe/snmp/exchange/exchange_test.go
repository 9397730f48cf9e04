package exchange

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe/snmp/ber"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent answers each datagram with what answer makes of it.
func agent(t testing.TB, network, address string, answer func(request []byte) [][]byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Skipf("no socket: %v", err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		b := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			for _, a := range answer(b[:n]) {
				_, _ = conn.WriteTo(a, from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); done.Wait() })
	to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
}

var sysUpTime, _ = ber.ParseOID("1.3.6.1.2.1.1.3.0")

// calls makes so many requests.
func calls(n int) []Call {
	all := make([]Call, n)
	for i := range all {
		r := ber.Request{Version: ber.Version2c, Community: "public", PDU: ber.Get, Names: []ber.Name{{Column: sysUpTime}}}
		all[i].Version, all[i].Community = r.Version, r.Community
		all[i].Message, all[i].ID = r.Append(nil)
	}
	return all
}

// reply turns a request into an answer to it: only the tag of the PDU differs.
func reply(request []byte) []byte {
	b := append([]byte(nil), request...)
	b[2+3+2+len("public")] = ber.Response
	return b
}

func member(t testing.TB) *Exchange {
	e := new(Exchange)
	e.Join()
	t.Cleanup(e.Leave)
	return e
}

func TestEachCallGetsItsAnswer(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			host := map[string]string{"udp4": "127.0.0.1:0", "udp6": "[::1]:0"}[network]
			e := member(t)
			var all sync.WaitGroup
			for range 20 {
				to := agent(t, network, host, func(q []byte) [][]byte { return [][]byte{reply(q), reply(q)} })
				all.Go(func() {
					for range 10 {
						c := calls(40)
						if err := e.Ask(t.Context(), to, c, 10*time.Second, 2); err != nil {
							t.Error(err)
						}
						for i := range c {
							h, err := ber.ReadHead(c[i].Answer)
							if c[i].Err != nil || err != nil || h.ID != c[i].id {
								t.Errorf("%v, %v, id %d of %d", c[i].Err, err, h.ID, c[i].id)
							}
							c[i].Free()
						}
					}
				})
			}
			all.Wait()
			if got := e.Counts(); got.Answers != 20*10*40 || got.Sent < got.Answers {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestOnlyTheAnswerOfTheAgentCounts(t *testing.T) {
	var stranger net.PacketConn
	stranger, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	change := func(at int, to byte) func(q []byte) [][]byte {
		return func(q []byte) [][]byte { b := reply(q); b[at] = to; return [][]byte{b} }
	}
	tests := []struct {
		name   string
		answer func(q []byte) [][]byte
		want   error // nil: an answer
	}{
		{"good", func(q []byte) [][]byte { return [][]byte{reply(q)} }, nil},
		{"nothing", func([]byte) [][]byte { return nil }, ErrSilent},
		{"a request", func(q []byte) [][]byte { return [][]byte{q} }, ErrSilent},
		{"another id", func(q []byte) [][]byte { b := reply(q); b[2+3+8+2+3]++; return [][]byte{b} }, ErrSilent},
		{"another community", change(7, 'x'), ErrSilent},
		{"another version", change(4, 0), ErrSilent},
		{"too long", func(q []byte) [][]byte { return [][]byte{append(reply(q), make([]byte, MaxAnswer)...)} }, ErrTooLong},
		{"rubbish and then a good one", func(q []byte) [][]byte { return [][]byte{{1, 2, 3}, reply(q)} }, nil},
	}
	e := member(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := agent(t, "udp4", "127.0.0.1:0", tt.answer)
			c := calls(2)
			if err := e.Ask(t.Context(), to, c, 50*time.Millisecond, 1); err != nil {
				t.Fatal(err)
			}
			for i := range c {
				if !errors.Is(c[i].Err, tt.want) || (c[i].Answer == nil) != (tt.want != nil) {
					t.Errorf("%v, answer % x", c[i].Err, c[i].Answer)
				}
				c[i].Free()
			}
		})
	}
	t.Run("from another address", func(t *testing.T) {
		to := agent(t, "udp4", "127.0.0.1:0", func(q []byte) [][]byte {
			_, _ = stranger.WriteTo(reply(q), e.lines[0][0].conn.LocalAddr())
			return nil
		})
		c := calls(1)
		if err := e.Ask(t.Context(), to, c, 50*time.Millisecond, 0); err != nil || !errors.Is(c[0].Err, ErrSilent) {
			t.Errorf("%v, %v", err, c[0].Err)
		}
	})
	t.Run("rubbish only", func(t *testing.T) {
		to := agent(t, "udp4", "127.0.0.1:0", func([]byte) [][]byte { return [][]byte{{1, 2, 3}} })
		c := calls(1)
		var bad *UnreadableError
		if err := e.Ask(t.Context(), to, c, 50*time.Millisecond, 0); err != nil || !errors.As(c[0].Err, &bad) || string(bad.Datagram) != "\x01\x02\x03" {
			t.Errorf("%v, %v", err, c[0].Err)
		}
	})
}

func TestALostRequestIsSentAgain(t *testing.T) {
	seen := map[string]bool{}
	to := agent(t, "udp4", "127.0.0.1:0", func(q []byte) [][]byte {
		if !seen[string(q)] {
			seen[string(q)] = true
			return nil
		}
		return [][]byte{reply(q)}
	})
	e, c := member(t), calls(3)
	if err := e.Ask(t.Context(), to, c, 50*time.Millisecond, 3); err != nil {
		t.Fatal(err)
	}
	for i := range c {
		if c[i].Err != nil {
			t.Error(c[i].Err)
		}
		c[i].Free()
	}
}

// What the network says of one device is told to its own calls, and to no other.
func TestNothingListens(t *testing.T) {
	gone, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := gone.LocalAddr().(*net.UDPAddr).AddrPort()
	gone.Close()
	alive := agent(t, "udp4", "127.0.0.1:0", func(q []byte) [][]byte { return [][]byte{reply(q)} })
	e := member(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				c := calls(3)
				err := e.Ask(t.Context(), closed, c, 10*time.Second, 0)
				for i := range c {
					if err != nil || !errors.Is(c[i].Err, syscall.ECONNREFUSED) {
						t.Errorf("closed: %v, %v", err, c[i].Err)
					}
				}
			}
		})
		all.Go(func() {
			for range 20 {
				c := calls(3)
				err := e.Ask(t.Context(), alive, c, 10*time.Second, 0)
				for i := range c {
					if err != nil || c[i].Err != nil {
						t.Errorf("alive: %v, %v", err, c[i].Err)
					}
					c[i].Free()
				}
			}
		})
	}
	all.Wait()
}

func TestAskEndsWithItsContext(t *testing.T) {
	to := agent(t, "udp4", "127.0.0.1:0", func([]byte) [][]byte { return nil })
	e, c := member(t), calls(2)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := e.Ask(ctx, to, c, time.Hour, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ask: %v", err)
	}
	if n := len(e.lines[0][0].pending); n != 0 {
		t.Errorf("%d calls still wait", n)
	}
}

func TestTheLastMemberClosesTheSockets(t *testing.T) {
	to := agent(t, "udp4", "127.0.0.1:0", func(q []byte) [][]byte { return [][]byte{reply(q)} })
	e := new(Exchange)
	for range 3 {
		e.Join()
		e.Join()
		c := calls(1)
		if err := e.Ask(t.Context(), to, c, 10*time.Second, 0); err != nil || c[0].Err != nil {
			t.Errorf("%v, %v", err, c[0].Err)
		}
		c[0].Free()
		e.Leave()
		if len(e.lines[0]) != 1 {
			t.Error("closed too early")
		}
		e.Leave()
		if len(e.lines[0]) != 0 {
			t.Error("still open")
		}
	}
}

func TestManyMembersHaveSeveralSockets(t *testing.T) {
	to := agent(t, "udp4", "127.0.0.1:0", func(q []byte) [][]byte { return [][]byte{reply(q)} })
	e := new(Exchange)
	for range 3 * membersPerLine {
		e.Join()
	}
	c := calls(1)
	if err := e.Ask(t.Context(), to, c, 10*time.Second, 0); err != nil || c[0].Err != nil {
		t.Errorf("%v, %v", err, c[0].Err)
	}
	c[0].Free()
	if n := len(e.lines[0]); n != 4 {
		t.Errorf("%d sockets", n)
	}
	for range 3 * membersPerLine {
		e.Leave()
	}
}

// FuzzTake gives anything to a socket that waits for one answer.
func FuzzTake(f *testing.F) {
	c := calls(1)
	ber.PutID(c[0].Message, c[0].ID, ber.MinID)
	f.Add(c[0].Message)
	f.Add(reply(c[0].Message))
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	from := netip.MustParseAddrPort("192.0.2.1:161")
	f.Fuzz(func(t *testing.T, b []byte) {
		var counts counts
		c := calls(1)
		w := &wait{ready: make(chan struct{}, 1)}
		l := &line{counts: &counts, pending: map[uint32]*Call{}}
		l.expect(c, from, w)
		ber.PeekID(b)
		l.take(b, from, len(b) > 40)
		if answered := c[0].Answer != nil || c[0].Err != nil; answered == c[0].open || answered != (len(w.ready) == 1) {
			t.Fatalf("answered %v, open %v", answered, c[0].open)
		}
		c[0].Free()
	})
}
