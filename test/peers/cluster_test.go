package peers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/authority"
	"grove/notify/peer/member"
	"grove/test/grovetest"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/storetest"
)

// carrier is an external cluster of NATS servers, Debian's, with TLS: each is in a namespace
// of its own, and each manager has a user that may do what PEERS.md says and no more.
type carrier struct {
	testing.TB
	program, folder string
	spaces          []*space
	nodes           []*exec.Cmd // nil: it was killed

	mu    sync.Mutex
	users []map[string]any
}

// newCarrier starts one of so many servers.
func newCarrier(t testing.TB, n *network, servers int) *carrier {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/nats-server")
	if err != nil {
		t.Skip("nats-server is not installed")
	}
	c := &carrier{TB: t, program: program, folder: t.TempDir(), nodes: make([]*exec.Cmd, servers)}
	for range servers {
		c.spaces = append(c.spaces, n.add(t))
	}
	n.carriers = c.spaces
	c.certify()
	// A server without users would let everybody in.
	c.users = []map[string]any{{"user": "nobody", "password": "of no use", "permissions": map[string]any{"publish": []string{"none"}, "subscribe": []string{"none"}}}}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.kill(i)
		}
		if t.Failed() {
			for i := range c.nodes {
				text, _ := os.ReadFile(c.file("log", i)) // It is of use if it is there.
				t.Logf("nats-server %d says\n%s", i, text)
			}
		}
	})
	for i := range servers {
		c.configure(i)
		c.start(i)
	}
	return c
}

// file is a file of a server.
func (c *carrier) file(kind string, i int) string {
	return filepath.Join(c.folder, fmt.Sprintf("nats%d.%s", i, kind))
}

// address is where a server takes clients.
func (c *carrier) address(i int) string { return c.spaces[i].address.String() + ":4222" }

func (c *carrier) write(name string, text []byte) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.folder, name), text, 0o600); err != nil {
		c.Fatal(err)
	}
}

// certify makes the certificate of the servers, which signs itself.
func (c *carrier) certify() {
	c.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, s := range c.spaces {
		template.IPAddresses = append(template.IPAddresses, net.IP(s.address.AsSlice()))
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		c.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.Fatal(err)
	}
	c.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
	c.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
}

// configure writes the file of a server.
func (c *carrier) configure(i int) {
	c.Helper()
	var routes []string
	for _, s := range c.spaces {
		routes = append(routes, "nats://"+s.address.String()+":6222")
	}
	var body bytes.Buffer
	text := json.NewEncoder(&body)
	text.SetEscapeHTML(false) // its reader does not know \u003e
	if err := text.Encode(map[string]any{
		"server_name": fmt.Sprint("n", i), "listen": c.address(i), "authorization": map[string]any{"users": c.users},
		"tls":     map[string]any{"cert_file": filepath.Join(c.folder, "cert.pem"), "key_file": filepath.Join(c.folder, "key.pem")},
		"cluster": map[string]any{"name": "c", "listen": c.spaces[i].address.String() + ":6222", "routes": routes},
	}); err != nil {
		c.Fatal(err)
	}
	c.write(fmt.Sprintf("nats%d.conf", i), body.Bytes())
}

// start starts a server and waits until it listens.
func (c *carrier) start(i int) {
	c.Helper()
	p := exec.Command(c.program, "-c", c.file("conf", i), "-l", c.file("log", i))
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.spaces[i].in(p.Start); err != nil {
		c.Fatal(err)
	}
	c.nodes[i] = p
	ctx, cancel := context.WithTimeout(c.Context(), grovetest.Patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := c.spaces[i].dial(ctx, "tcp", c.address(i))
		if err == nil {
			_ = conn.Close() // It was only to see.
			return
		}
		select {
		case <-ctx.Done():
			c.Fatalf("nats-server %d does not listen: %v", i, err)
		case <-again.C:
		}
	}
}

// kill ends a server as nothing can prepare for.
func (c *carrier) kill(i int) {
	if c.nodes[i] == nil {
		return
	}
	_ = c.nodes[i].Process.Kill() // It may have ended by itself.
	_ = c.nodes[i].Wait()         // It was killed.
	c.nodes[i] = nil
}

// admit gives a manager a user, and has its file of peers name the cluster.
func (c *carrier) admit(m *manager) {
	m.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	id, password := string(identity(m)), "password of "+m.Name
	c.users = append(c.users, map[string]any{
		"user": m.Name, "password": password,
		"permissions": map[string]any{
			"publish":         []string{"grove.m.*." + id + ".>", "grove.b.*." + id + ".>", "grove.a." + id + ".>", "grove.s." + id + ".>"},
			"subscribe":       []string{"grove.m." + id + ".>", "grove.b." + id + ".>", "grove.a.>", "grove.s.>", "grove.inbox." + id + ".>"},
			"allow_responses": map[string]any{"max": 1, "expires": "10m"},
		},
	})
	var servers []string
	for i, p := range c.nodes {
		c.configure(i)
		if p != nil {
			if err := p.Process.Signal(syscall.SIGHUP); err != nil { // It reads its file again.
				m.Fatal(err)
			}
		}
		servers = append(servers, fmt.Sprintf("%q", "tls://"+c.address(i)))
	}
	m.Write("nats", password)
	said, err := os.ReadFile(filepath.Join(m.Data, "peers.yaml"))
	if err != nil {
		m.Fatal(err)
	}
	lines := strings.SplitAfter(string(said), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "listen:") {
			lines[i] = "integrate: true\n"
		}
	}
	m.Write("peers.yaml", strings.Join(lines, "")+fmt.Sprintf("cluster: { servers: [%s], ca: %q, user: %s, password: %q }\n",
		strings.Join(servers, ", "), filepath.Join(c.folder, "cert.pem"), m.Name, "file:"+filepath.Join(m.Data, "nats")))
}

// identity is the ID that a manager will have, whose keys are made here.
func identity(m *manager) peer.ID {
	m.Helper()
	s, err := store.Open(m.Context(), store.Options{Address: filepath.Join(m.TempDir(), "keys.db"), Manager: m.Name})
	if err != nil {
		m.Fatal(err)
	}
	a, err := authority.Open(m.Context(), authority.Options{Dir: member.Keys(m.Data), Store: s, Audit: audit.New(s, m.Name, nil), Name: m.Name, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		m.Fatal(err)
	}
	if err := s.Close(); err != nil {
		m.Fatal(err)
	}
	return a.ID()
}

// postgresTurn has an element while a test has the PostgreSQL server, which it may stop;
// postgresDir is where that is.
var (
	postgresTurn = make(chan struct{}, 1)
	postgresDir  string
	postgresEnds = make(chan struct{}) // is closed when all tests have ended
)

// lasting does something in a thread that outlives the tests: a server that is started there is
// not ended by the end of its thread, as threads of namespaces end.
func lasting(do func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		func() {
			defer close(done)
			do()
		}()
		<-postgresEnds
	}()
	<-done
}

// revive starts the server that was stopped.
func revive(server *storetest.Server) (err error) {
	lasting(func() { err = server.Start() })
	return err
}

// postgres returns the address of an empty database on a real PostgreSQL, which is the test's
// own until it ends.
func postgres(t testing.TB) (address string, server *storetest.Server) {
	t.Helper()
	postgresTurn <- struct{}{}
	t.Cleanup(func() { <-postgresTurn })
	lasting(func() { address = storetest.Postgres(t).Address })
	if t.Skipped() {
		t.SkipNow()
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if postgresDir = u.Query().Get("host"); !strings.Contains(postgresDir, "grovepg") {
		t.Fatalf("the socket of %s is nowhere", address)
	}
	return address, storetest.TheServer()
}

// endPostgres ends the server that tests may have started, and removes what it wrote.
func endPostgres() error {
	close(postgresEnds)
	server := storetest.TheServer()
	if server == nil {
		return nil
	}
	if err := server.Stop(syscall.SIGINT); err != nil {
		return fmt.Errorf("stop of the PostgreSQL server: %w", err)
	}
	return os.RemoveAll(postgresDir)
}

// sharing has managers keep their facts in one database.
func sharing(address string) []string { return []string{"GROVE_DATABASE=" + address} }

// greeting is a definition that managers share.
func greeting(word string) string {
	return fmt.Sprintf("grove: 1\napplication: greeting\nat: /greeting\ntree:\n  %s: { kind: performance, red: \"> 10\" }\n", word)
}

// put gives a manager a definition to share.
func (m *manager) put(text string, more ...string) error {
	m.Write("greeting.yaml", text)
	_, err := m.Command(append([]string{"definitions", "put", filepath.Join(m.Data, "greeting.yaml")}, more...)...)
	return err
}

// greets waits until a manager has one greeting and no other; none is empty.
func (m *manager) greets(word string) {
	m.Helper()
	m.Eventually(func() error {
		for _, other := range []string{"All", "North", "South", "Later"} {
			_, err := m.Node("/greeting/" + other)
			if there := err == nil; there != (other == word) {
				return fmt.Errorf("%s: /greeting/%s is there: %v, and %q should be", m.Name, other, there, word)
			}
		}
		return nil
	})
}

// hears waits until a manager has a message of another in its journal, and says how often.
func (m *manager) hears(text string) {
	m.Helper()
	m.Eventually(func() error {
		entries, err := m.journal("/grove/Peers", "manager")
		if err != nil {
			return err
		}
		heard := 0
		for _, e := range entries {
			if strings.HasSuffix(e.Text, ": "+text) {
				heard++
			}
		}
		if heard != 1 {
			return fmt.Errorf("%s has heard %q %d times", m.Name, text, heard)
		}
		return nil
	})
}

// sharedNode says whether definitions are those of the database.
const sharedNode = "/grove/Database/Shared definitions"

// TestCluster has three managers on an external cluster of three NATS servers and one
// PostgreSQL, two of one site and one of another: they join, share trees, definitions,
// messages and devices, while a server of the cluster, the database and a manager are killed.
func TestCluster(t *testing.T) {
	t.Parallel()
	address, database := postgres(t)
	n := newNetwork(t)
	c := newCarrier(t, n, 3)
	w := newTarget(t, n)
	stands := "stand_in: [\"*\"]\n"
	berlin := newManager(t, n, "berlin", hub+"site: north\n", nil)
	hamburg := newManager(t, n, "hamburg", leaf+stands+"site: north\n", map[string]string{
		"shop.yaml": watched, "pages.yaml": pages, "one.yaml": page(w, "one"), "two.yaml": page(w, "two"),
	})
	bremen := newManager(t, n, "bremen", leaf+stands+"site: south\n", nil)
	all := []*manager{berlin, hamburg, bremen}
	for _, m := range all {
		m.Program.Env = sharing(address)
		m.Write("alerts.yaml", hook(w))
		c.admit(m)
		m.Start()
	}
	step := steps(t, all)
	l := newLedger(t, hamburg, log, number)
	everywhere := func(since time.Time, watchers map[string]*manager) {
		t.Helper()
		for name, m := range watchers {
			w.watchedBy(name, m, since)
			agree(name, m, all...)
		}
	}

	step("join", func(t *testing.T) {
		for _, m := range all[1:] {
			m.joins(berlin)
			m.linked(berlin)
			berlin.linked(m)
		}
		for _, m := range all {
			m.knows(all...)
			var said struct{ Clustered bool }
			if err := m.Ask("/api/v1/peers", &said); err != nil || !said.Clustered {
				t.Errorf("%s does not say that it is in a cluster: %v", m.Name, err)
			}
		}
		if err := hamburg.Push(map[string]any{"path": number, "value": 700}); err != nil {
			t.Fatal(err)
		}
		berlin.Is(hungNumber, "700", "red")
		everywhere(time.Time{}, map[string]*manager{"one": hamburg, "two": hamburg})
	})

	step("messages to one and to all", func(t *testing.T) {
		berlin.Must("peer", "message", "hamburg", "to one")
		hamburg.Must("peer", "message", "all", "to all")
		hamburg.hears("to one")
		berlin.hears("to all")
		bremen.hears("to all")
		if entries, err := bremen.journal("/grove/Peers", "manager"); err != nil || slices.ContainsFunc(entries, func(e grovetest.Entry) bool { return strings.HasSuffix(e.Text, "to one") }) {
			t.Errorf("bremen was told what was for hamburg: %v, %v", entries, err)
		}
	})

	step("definitions of a site", func(t *testing.T) {
		for _, put := range []struct {
			by   *manager
			text string
			more []string
		}{{berlin, "All", []string{"--all-sites"}}, {berlin, "North", nil}} {
			if err := put.by.put(greeting(put.text), put.more...); err != nil {
				t.Fatal(err)
			}
		}
		berlin.greets("North")
		hamburg.greets("North")
		bremen.greets("All")
		if err := bremen.put(greeting("South")); err != nil {
			t.Fatal(err)
		}
		bremen.greets("South")
		hamburg.greets("North")
		hamburg.Is(sharedNode, "as in the database", "green")
	})

	step("give, and kill a server of the cluster", func(t *testing.T) {
		l.begin()
		given := time.Now()
		for _, name := range []string{"shop", "one"} {
			hamburg.Must("peer", "give", name, "bremen")
		}
		agree("shop", bremen, all...)
		everywhere(given, map[string]*manager{"one": bremen, "two": hamburg})
		for i := range c.nodes {
			if i > 0 && !thorough() {
				break
			}
			c.kill(i)
			killed := time.Now()
			for _, m := range all[1:] {
				m.linked(berlin)
				berlin.linked(m)
			}
			everywhere(killed, map[string]*manager{"one": bremen, "two": hamburg})
			c.start(i)
		}
		returned := time.Now()
		for _, name := range []string{"shop", "one"} {
			hamburg.Eventually(func() error { _, err := hamburg.Command("peer", "return", name); return err })
		}
		agree("shop", hamburg, all...)
		everywhere(returned, map[string]*manager{"one": hamburg, "two": hamburg})
		l.more(20)
		l.end(t)
		l.holds(t, berlin, hungLog, hungNumber)
	})

	step("kill the owner", func(t *testing.T) {
		l.begin()
		killed := time.Now()
		hamburg.Kill()
		l.end(t)
		for _, name := range []string{"shop", "one", "two"} {
			var by *manager
			berlin.Eventually(func() error {
				d, err := berlin.device(name)
				for _, m := range []*manager{berlin, bremen} {
					if err == nil && d.Watcher == m.Name {
						by = m
						return nil
					}
				}
				return fmt.Errorf("nobody has taken %s over: %+v, %w", name, d, err)
			})
			if name == "shop" {
				continue // Nobody asks for that: events are sent.
			}
			t.Logf("%s asks for %s after %v", by.Name, name, w.watchedBy(name, by, killed).Sub(killed).Round(time.Millisecond))
		}
	})

	step("kill the database, and start the owner without it", func(t *testing.T) {
		if err := database.Stop(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		back := false
		defer func() {
			if !back {
				_ = revive(database) // for the tests that come
			}
		}()
		hamburg.Start()
		hamburg.greets("North")
		hamburg.Is(sharedNode, "a copy of before, since the database does not answer", "yellow")
		if err := revive(database); err != nil {
			t.Fatal(err)
		}
		back = true
		began := time.Now()
		l.begin() // as soon as the shop is back
		berlin.Eventually(func() error { return berlin.put(greeting("Later")) })
		hamburg.greets("Later")
		bremen.greets("South")
		hamburg.Is(sharedNode, "as in the database", "green")
		hamburg.linked(berlin)
		berlin.linked(hamburg)
		everywhere(began, map[string]*manager{"one": hamburg, "two": hamburg})
		agree("shop", hamburg, all...)
		l.more(20)
		l.end(t)
		l.holds(t, hamburg, log, number)
		l.holds(t, berlin, hungLog, hungNumber)
	})
}

// thorough says whether everything is tested, which takes minutes.
func thorough() bool { return os.Getenv("GROVE_TEST_FABRICS") != "" }

// TestFabrics goes through everything that TestLinks and TestDuty do, on each fabric and each
// database. It takes minutes, so it is done only when GROVE_TEST_FABRICS asks for it.
func TestFabrics(t *testing.T) {
	t.Parallel()
	if !thorough() {
		t.Skip("GROVE_TEST_FABRICS=yes tests every fabric with every database, which takes minutes")
	}
	for name, scenario := range map[string]func(*testing.T, twist){"links": links, "duty": duty} {
		for _, servers := range []int{0, 1, 3} {
			for _, shared := range []bool{false, true} {
				if servers == 0 && !shared {
					continue // This is what TestLinks and TestDuty do.
				}
				t.Run(fmt.Sprintf("%s with %d servers, database shared %v", name, servers, shared), func(t *testing.T) {
					var odd twist
					var c *carrier
					var env []string
					if shared {
						address, _ := postgres(t)
						env = sharing(address)
					}
					if servers > 0 {
						odd.laid = func(n *network) { c = newCarrier(t, n, servers) }
					}
					odd.made = func(m *manager) {
						m.Program.Env = env
						if c != nil {
							c.admit(m)
						}
					}
					scenario(t, odd)
				})
			}
		}
	}
}
