package fabric_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/fabric"
)

// door is a stand-in for a manager on a machine that has no time: what it does with the first
// connections is said, and those that come later go on to a real one.
type door struct {
	address string
	came    atomic.Int64 // connections
}

// newDoor opens one that does something with so many connections.
func newDoor(t *testing.T, to string, times int64, first func(net.Conn)) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{address: "tls://" + l.Addr().String()}
	behind := newPass(t, to)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				if d.came.Add(1) > times {
					behind.serve(c)
					return
				}
				defer func() { _ = c.Close() }()
				first(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		behind.set(true, false)
		running.Wait()
	})
	return d
}

// TestAskOnceOfABusyManagerStandIn holds that a question is asked, once, of a manager whose
// first connections fail since it has no time, and that there is an end to it.
func TestAskOnceOfABusyManagerStandIn(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Pings: patient, Listen: []string{"tls://127.0.0.1:0"}})
	var asked atomic.Int64
	hub.Handle("test.echo", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) {
		asked.Add(1)
		return body, nil
	})
	one := manager(t, fabric.Options{Self: second})
	config, err := ca.security(t, second, hour).ClientConfig(first)
	if err != nil {
		t.Fatal(err)
	}
	// greets says hello, hears who calls, and does something else than to let it in.
	greets := func(says string) func(net.Conn) {
		server := ca.security(t, first, hour).ServerConfig()
		return func(c net.Conn) {
			c = tls.Server(c, server)
			lines := bufio.NewReader(c)
			if _, err := io.WriteString(c, `INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"tls_required":true,"max_payload":1048576}`+"\r\n"); err != nil {
				return
			}
			if line, err := lines.ReadString('\n'); err == nil && strings.HasPrefix(line, "CONNECT ") {
				_, _ = io.WriteString(c, says)
			}
			_, _ = lines.ReadString('\n')
		}
	}
	ends := func(net.Conn) {}
	for _, c := range []struct {
		name  string
		first func(net.Conn)
		times int64
		came  int64  // connections
		want  string // of the error
	}{
		{"it pings before it answers", greets("PING\r\n"), 2, 3, ""},
		{"it took too long to say who calls", greets("-ERR 'Authentication Timeout'\r\n"), 1, 2, ""},
		{"it misses pings", greets("-ERR 'Stale Connection'\r\n"), 1, 2, ""},
		{"it ends what takes too long", ends, 2, 3, ""},
		{"it has never time", greets("PING\r\n"), 99, 6, "6 times: expected 'PONG', got 'PING'"},
		{"it does not let this manager in", greets("-ERR 'Authorization Violation'\r\n"), 99, 1, "the other side refuses this manager"},
		{"another one listens", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n"); _, _ = io.Copy(io.Discard, c) }, 99, 1, "TLS: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t, hostOf(t, hub.Addresses()[0]), c.times, c.first)
			before := asked.Load()
			answer, err := one.AskOnce(t.Context(), d.address, config, first, "test.echo", []byte("x"))
			switch {
			case c.want == "" && (string(answer) != "x" || err != nil || asked.Load()-before != 1):
				t.Errorf("answer %q, %v; it was asked %d times", answer, err, asked.Load()-before)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), d.address) || asked.Load() != before):
				t.Errorf("answer %q, %v; it was asked %d times", answer, err, asked.Load()-before)
			}
			if got := d.came.Load(); got != c.came {
				t.Errorf("%d connections were made, not %d", got, c.came)
			}
		})
	}
	t.Run("no time is left", func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer stop()
		d := newDoor(t, hostOf(t, hub.Addresses()[0]), 99, ends)
		if answer, err := one.AskOnce(ctx, d.address, config, first, "test.echo", nil); err == nil || d.came.Load() >= 6 {
			t.Errorf("answer %q, %v after %d connections", answer, err, d.came.Load())
		}
	})
}
