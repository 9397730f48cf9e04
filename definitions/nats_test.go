package definitions_test

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"grove/tree"
)

// TestNATS runs the definition of NATS on two of Debian's nats-server that make up a
// cluster, lets a client send, and takes first one and then the other away.
func TestNATS(t *testing.T) {
	t.Parallel()
	program := installed(t, "nats-server", "nats-server")
	port, cluster, monitor := freePort(t), freePort(t), freePort(t)
	first := newDaemon(t, func() *exec.Cmd {
		return exec.Command(program, "-a", "127.0.0.1", "-p", strconv.Itoa(port), "-m", strconv.Itoa(monitor), "-n", "first",
			"--cluster_name", "shop", "--cluster", "nats://"+loopback(cluster))
	})
	second := newDaemon(t, func() *exec.Cmd {
		return exec.Command(program, "-a", "127.0.0.1", "-p", strconv.Itoa(freePort(t)), "-n", "second",
			"--cluster_name", "shop", "--cluster", "nats://"+loopback(freePort(t)), "--routes", "nats://"+loopback(cluster))
	})
	first.start()
	second.start()
	reachable(t, loopback(monitor))
	reachable(t, loopback(port))
	w := grow(t, fmt.Sprintf("use: nats\nat: /bus\nwith: { url: \"http://%s\", every: 200ms, routes: 1 }\n", loopback(monitor)))
	w.is("/bus/Answer/Up", tree.Green)
	w.is("/bus/Answer/Healthy", tree.Green)
	w.says("/bus/Answer/Version", "2.")
	w.within("/bus/Server/Routes", 100, 1000)
	w.within("/bus/Server/Memory", 1<<20, 1<<32)
	w.within("/bus/Clients/Connections", 0, 0)

	conn, err := net.Dial("tcp", loopback(port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "CONNECT {\"verbose\":false}\r\nSUB shop.orders 1\r\n", strings.Repeat("PUB shop.orders 5\r\nhello\r\n", 1000), "PING\r\n"); err != nil {
		t.Fatal(err)
	}
	for answers := bufio.NewScanner(conn); answers.Scan() && answers.Text() != "PONG"; {
	}
	w.within("/bus/Clients/Connections", 1, 1)
	w.within("/bus/Clients/Used", 1e-4, 1)
	w.within("/bus/Clients/Subscriptions", 1, 1e6)
	w.within("/bus/Traffic/Messages in", 0, 1e9)
	w.within("/bus/Clients/Slow consumers", 0, 0)
	w.is("/bus", tree.Green)
	w.exported()

	second.stop()
	w.within("/bus/Server/Routes", 0, 0)
	first.stop()
	w.is("/bus/Answer/Up", tree.Red)
	w.is("/bus/Answer/Healthy", tree.Red)
	w.says("/bus/Answer/Error", "connection refused")
	w.is("/bus", tree.Red)
}

// TestJetStream runs the definition of NATS on Debian's nats-server with JetStream.
func TestJetStream(t *testing.T) {
	t.Parallel()
	program := installed(t, "nats-server", "nats-server")
	monitor := freePort(t)
	server := newDaemon(t, func() *exec.Cmd {
		return exec.Command(program, "-a", "127.0.0.1", "-p", strconv.Itoa(freePort(t)), "-m", strconv.Itoa(monitor), "-js", "-sd", t.TempDir())
	})
	server.start()
	reachable(t, loopback(monitor))
	w := grow(t, fmt.Sprintf("use: nats\nat: /bus\nwith: { url: \"http://%s\", every: 200ms, jetstream: true }\n", loopback(monitor)))
	w.within("/bus/JetStream/Storage", 0, 0)
	w.within("/bus/JetStream/Memory", 0, 0)
	w.within("/bus/JetStream/Streams", 0, 0)
	w.within("/bus/JetStream/Errors", 0, 0)
	w.is("/bus", tree.Green)
}
