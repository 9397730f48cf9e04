package peers

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"grove/test/grovetest"
)

// proxy is Squid, in a namespace of its own.
type proxy struct {
	testing.TB
	program, config string
	space           *space
	process         *exec.Cmd
}

// newProxy starts one.
func newProxy(t testing.TB, n *network) *proxy {
	t.Helper()
	program, err := exec.LookPath("squid")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/squid"); err != nil {
			t.Skip("squid is not installed")
		}
	}
	p := &proxy{TB: t, program: program, space: n.add(t)}
	p.config = filepath.Join(t.TempDir(), "squid.conf")
	if err := os.WriteFile(p.config, fmt.Appendf(nil, `http_port %s
http_access allow all
cache_mem 8 MB
cache_log /dev/null
access_log none
pid_filename none
netdb_filename none
visible_hostname localhost
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir none
`, p.address()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.process != nil {
			p.kill()
		}
	})
	p.start()
	return p
}

// address is where it listens.
func (p *proxy) address() netip.AddrPort { return netip.AddrPortFrom(p.space.address, 3128) }

// start starts it and waits until it listens.
func (p *proxy) start() {
	p.Helper()
	// The name is for what Squid keeps in shared memory, which another namespace does not hide.
	c := exec.Command(p.program, "-N", "-f", p.config, "-n", fmt.Sprintf("grove%d", os.Getpid()))
	c.Stderr, c.SysProcAttr = p.Output(), &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.space.in(c.Start); err != nil {
		p.Fatal(err)
	}
	p.process = c
	ctx, cancel := context.WithTimeout(p.Context(), grovetest.Patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := p.space.dial(ctx, "tcp", p.address().String())
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			p.Fatalf("squid does not listen: %v", err)
		case <-again.C:
		}
	}
}

// kill ends it as nothing can prepare for.
func (p *proxy) kill() {
	p.Helper()
	_ = p.process.Process.Kill()
	_ = p.process.Wait() // says that it was killed
	p.process = nil
}

// TestProxy joins two managers that reach each other through a proxy alone, over a websocket,
// and has the proxy be slow, lose packets, die and come back; the manager that listens dies,
// too.
func TestProxy(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	p := newProxy(t, n)
	berlin := newManager(t, n, "berlin", "listen: [\"wss://ADDRESS:8443/peer\"]\n", nil)
	hamburg := newManager(t, n, "hamburg", leaf+fmt.Sprintf("proxy: \"http://%s\"\n", p.address()), map[string]string{"shop.yaml": watched})
	all := []*manager{berlin, hamburg}
	n.between(berlin, hamburg, way{cut: true}) // for good
	twist{}.start(all)
	step := steps(t, all)
	l := newLedger(t, hamburg, log, number)
	both := func() {
		hamburg.linked(berlin)
		berlin.linked(hamburg)
	}

	step("join", func(t *testing.T) {
		hamburg.joins(berlin)
		both()
		if err := hamburg.Push(map[string]any{"path": number, "value": 700}); err != nil {
			t.Fatal(err)
		}
		berlin.Is(hungNumber, "700", "red")
	})

	step("a proxy that is slow and loses packets", func(t *testing.T) {
		for _, m := range all {
			n.set(p.space, m.space, way{delay: 100 * time.Millisecond, loss: 0.02})
			n.set(m.space, p.space, way{delay: 100 * time.Millisecond, loss: 0.02})
		}
		l.begin()
		l.more(100)
		l.end(t)
		l.holds(t, berlin, hungLog, hungNumber)
		for _, m := range all {
			n.set(p.space, m.space, way{})
			n.set(m.space, p.space, way{})
		}
		both()
	})

	step("a proxy that dies and comes back", func(t *testing.T) {
		l.begin()
		p.kill()
		hamburg.lost(berlin)
		berlin.lost(hamburg)
		berlin.reason(hungNumber, "white", "hamburg lost")
		p.start()
		both()
		l.end(t)
		l.holds(t, berlin, hungLog, hungNumber)
	})

	step("kill berlin", func(t *testing.T) {
		l.begin()
		berlin.Kill()
		berlin.Start()
		both()
		l.end(t)
		l.holds(t, berlin, hungLog, hungNumber)
	})
}
