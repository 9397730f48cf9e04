package fabric_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/fabric"
	"grove/notify/peer/peertest"
)

var natsFolder string

// natsServer builds the NATS server as a program of its own, once.
var natsServer = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "grove-nats")
	if err != nil {
		return "", err
	}
	natsFolder = folder
	program := filepath.Join(folder, "nats-server")
	said, err := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return program, nil
})

// external is a NATS cluster that an operator runs, with TLS, and a user for each manager
// that may do what fabric.Cluster says.
type external struct {
	folder  string
	servers []string // host:port
	nodes   []*exec.Cmd
}

func newExternal(t *testing.T, ca *ca, nodes int, managers ...peer.ID) *external {
	t.Helper()
	program, err := natsServer()
	if err != nil {
		t.Fatal(err)
	}
	x := &external{folder: t.TempDir()}
	key, cert := ca.make(t, "nats", uriOf("nats"), hour)
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"key.pem": {Type: "PRIVATE KEY", Bytes: text}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert.Raw}, "ca.pem": {Type: "CERTIFICATE", Bytes: ca.cert.Raw},
	} {
		x.write(t, name, pem.EncodeToMemory(block))
	}
	type permission map[string]any
	var users []map[string]any
	for _, id := range managers {
		users = append(users, map[string]any{
			"user": "manager-" + string(id), "password": "password of " + string(id),
			"permissions": permission{
				"publish":         []string{"grove.m.*." + string(id) + ".>", "grove.b.*." + string(id) + ".>", "grove.a." + string(id) + ".>", "grove.s." + string(id) + ".>"},
				"subscribe":       []string{"grove.m." + string(id) + ".>", "grove.b." + string(id) + ".>", "grove.a.>", "grove.s.>", "grove.inbox." + string(id) + ".>"},
				"allow_responses": permission{"max": 1, "expires": "10m"},
			},
		})
	}
	routes := freePorts(t, nodes)
	for i := range nodes {
		ports := filepath.Join(x.folder, fmt.Sprint("ports", i))
		if err := os.Mkdir(ports, 0o700); err != nil {
			t.Fatal(err)
		}
		config := map[string]any{
			"server_name": fmt.Sprint("n", i), "listen": "127.0.0.1:-1", "ports_file_dir": ports,
			"authorization": map[string]any{"users": users},
			"tls":           map[string]any{"cert_file": x.file("cert.pem"), "key_file": x.file("key.pem"), "ca_file": x.file("ca.pem"), "verify": true},
		}
		if nodes > 1 {
			var all []string
			for _, port := range routes {
				all = append(all, fmt.Sprint("nats://127.0.0.1:", port))
			}
			config["cluster"] = map[string]any{"name": "c", "listen": fmt.Sprint("127.0.0.1:", routes[i]), "routes": all}
		}
		var body bytes.Buffer
		text := json.NewEncoder(&body)
		text.SetEscapeHTML(false) // its reader does not know \u003e
		if err := text.Encode(config); err != nil {
			t.Fatal(err)
		}
		x.write(t, fmt.Sprint("nats", i, ".conf"), body.Bytes())
		c := exec.Command(program, "-c", x.file(fmt.Sprint("nats", i, ".conf")), "-l", x.file(fmt.Sprint("nats", i, ".log")))
		var output bytes.Buffer
		c.Stdout, c.Stderr = &output, &output
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = c.Process.Kill()
			_ = c.Wait()
			if t.Failed() {
				log, _ := os.ReadFile(x.file(fmt.Sprint("nats", i, ".log")))
				t.Logf("nats-server %d: %s%s", i, &output, log)
			}
		})
		x.nodes = append(x.nodes, c)
		var said struct {
			Nats []string `json:"nats"`
		}
		peertest.Until(t, "nats-server says its ports", func() bool {
			files, _ := filepath.Glob(ports + "/*.ports")
			if len(files) != 1 {
				return false
			}
			text, err := os.ReadFile(files[0])
			return err == nil && json.Unmarshal(text, &said) == nil && len(said.Nats) > 0
		})
		_, address, _ := strings.Cut(said.Nats[0], "://")
		x.servers = append(x.servers, address)
	}
	return x
}

func freePorts(t *testing.T, n int) (ports []int) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (x *external) file(name string) string { return filepath.Join(x.folder, name) }

func (x *external) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(x.file(name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// options are those of a manager in the cluster.
func (x *external) options(id peer.ID, servers ...string) fabric.Options {
	c := &fabric.Cluster{
		CA: x.file("ca.pem"), Certificate: x.file("cert.pem"), Key: x.file("key.pem"), User: "manager-" + string(id),
		Password: func() (string, error) { return "password of " + string(id), nil },
	}
	for _, s := range servers {
		c.Servers = append(c.Servers, "tls://"+s)
	}
	return fabric.Options{Self: id, Cluster: c, Pings: patient}
}

// TestClusterKeepsTheContract runs the contract over an external NATS server, the program.
func TestClusterKeepsTheContract(t *testing.T) {
	t.Parallel()
	x := newExternal(t, newCA(t), 1, first, second, third)
	peertest.Contract(t, func(t *testing.T) peertest.World {
		between := newPass(t, x.servers[0])
		w := peertest.World{
			Break: func(*testing.T) { between.set(true, false) },
			Mend:  func(*testing.T) { between.set(false, false) },
		}
		var all []*fabric.Fabric
		for i, id := range []peer.ID{first, second, third} {
			server := x.servers[0]
			if id == second {
				server = between.listener.Addr().String()
			}
			f := manager(t, x.options(id, server))
			for _, other := range all {
				linked(t, f, other)
			}
			all, w.Fabrics[i] = append(all, f), f
		}
		return w
	})
}

// TestClusterOutlivesANode holds that managers reach each other over different nodes of a
// cluster of three, and again when the nodes that they were on are killed.
func TestClusterOutlivesANode(t *testing.T) {
	t.Parallel()
	x := newExternal(t, newCA(t), 3, first, second)
	one := manager(t, x.options(first, x.servers[0], x.servers[2]))
	two := manager(t, x.options(second, x.servers[1], x.servers[2]))
	linked(t, one, two)
	for _, n := range x.nodes[:2] {
		_ = n.Process.Kill()
	}
	peertest.Until(t, "they reach each other over the third node", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := one.Ask(ctx, second, "fabric.ping", nil)
		_, back := two.Ask(ctx, first, "fabric.ping", nil)
		return err == nil && back == nil
	})
	linked(t, one, two)
}

// TestClusterSaysWhatIsWrong holds that a wrong password is said, without it.
func TestClusterSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	x := newExternal(t, newCA(t), 1, first)
	o := x.options(first, x.servers[0])
	o.Cluster.Password = func() (string, error) { return "guessed secret", nil }
	f := manager(t, o)
	var l peer.Link
	peertest.Until(t, "the link says why it is down", func() bool {
		l, _ = linkTo(f, "")
		return l.Error != ""
	})
	if l.Error != "the other side refuses this manager: its certificate or password is not good there" {
		t.Errorf("%+v", l)
	}
}

// TestClusterShutsOut holds that what a manager says is not heard that is not admitted, that
// both say so, and that it is heard again once it is admitted.
func TestClusterShutsOut(t *testing.T) {
	t.Parallel()
	x := newExternal(t, newCA(t), 1, first, second)
	var out atomic.Bool
	o := x.options(first, x.servers[0])
	o.Admits = func(from peer.ID, kind string) error {
		if from == second && out.Load() && kind != "authority.join" {
			return errors.New("it was revoked")
		}
		return nil
	}
	one, two := manager(t, o), manager(t, x.options(second, x.servers[0]))
	var heard atomic.Int64
	for _, kind := range []string{"authority.join", "test.kind"} {
		one.Handle(kind, func(context.Context, peer.ID, []byte) ([]byte, error) { heard.Add(1); return nil, nil })
	}
	linked(t, one, two)
	ask := func(kind string) error { _, err := two.Ask(t.Context(), first, kind, nil); return err }
	if err := ask("test.kind"); err != nil {
		t.Fatal(err)
	}
	out.Store(true)
	if err := ask("test.kind"); !peer.IsRefusal(err, peer.Refused) || err.Error() != "it was revoked" || heard.Load() != 1 {
		t.Errorf("%v, heard %d", err, heard.Load())
	}
	for from, to := range map[*fabric.Fabric]peer.ID{one: second, two: first} {
		peertest.Until(t, "the link is down, with the reason", func() bool {
			l, _ := linkTo(from, to)
			return !l.Up && l.Error == "it was revoked"
		})
	}
	if err := two.Send(first, "test.kind", nil); err != nil && !errors.Is(err, peer.ErrNobody) {
		t.Error(err)
	}
	if err := ask("authority.join"); err != nil || heard.Load() != 2 {
		t.Errorf("%v, heard %d", err, heard.Load())
	}
	out.Store(false)
	peertest.Until(t, "it is heard again", func() bool { return ask("test.kind") == nil })
	linked(t, one, two)
}
