package definitions_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/tree"
)

// TestRabbitMQ runs the definition of RabbitMQ on Debian's rabbitmq-server with its plugin:
// a client fills a queue and sends what fits none, and then the server is taken away.
// Erlang needs ten seconds to start, beside which other tests run.
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	const program = "/usr/lib/rabbitmq/bin/rabbitmq-server" // The one in the path wants to be run by the system.
	installed(t, "rabbitmq-server", "rabbitmq-server")
	names := installed(t, "epmd", "erlang-base")
	dir, namePort, distribution, port, monitor := t.TempDir(), fmt.Sprint(freePort(t)), fmt.Sprint(freePort(t)), freePort(t), freePort(t)
	directory := newDaemon(t, func() *exec.Cmd { return exec.Command(names, "-port", namePort, "-address", "127.0.0.1") })
	directory.start() // RabbitMQ would leave one behind.
	reachable(t, net.JoinHostPort("127.0.0.1", namePort))
	config := configure(t, filepath.Join(dir, "rabbitmq.conf"), fmt.Sprintf(`
listeners.tcp.1 = 127.0.0.1:%d
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = %d
management_agent.disable_metrics_collector = true
collect_statistics_interval = 500
`, port, monitor))
	plugins := configure(t, filepath.Join(dir, "plugins"), "[rabbitmq_prometheus].\n")
	server := newDaemon(t, func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "HOME="+dir, "RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "mnesia"), "RABBITMQ_LOG_BASE="+filepath.Join(dir, "log"), "RABBITMQ_LOGS=-",
			"RABBITMQ_CONFIG_FILE="+config, "RABBITMQ_ENABLED_PLUGINS_FILE="+plugins, "RABBITMQ_CONF_ENV_FILE="+filepath.Join(dir, "none"), "RABBITMQ_PID_FILE="+filepath.Join(dir, "pid"),
			"RABBITMQ_NODENAME=grove@localhost", "RABBITMQ_DIST_PORT="+distribution, "ERL_EPMD_PORT="+namePort, "ERL_EPMD_ADDRESS=127.0.0.1")
		return cmd
	})
	w := grow(t, fmt.Sprintf("use: rabbitmq\nat: /bus\nwith: { url: \"http://%s\", every: 500ms, messages_yellow: 100 }\n", loopback(monitor)))
	w.is("/bus/Answer/Up", tree.Red)

	server.start()
	w.is("/bus/Answer/Up", tree.Green)
	w.says("/bus/Answer/Version", "3.")
	w.within("/bus/Resources/Memory used", 0.01, 80)
	w.within("/bus/Resources/Free disk", 200, 1e9)
	w.within("/bus/Resources/Files used", 1e-4, 80)
	w.within("/bus/Resources/Processes used", 1e-4, 80)
	w.is("/bus/Alarms/Memory alarm", tree.Green)
	w.is("/bus/Alarms", tree.Green)

	reachable(t, loopback(port))
	client := dialAMQP(t, loopback(port))
	client.declare("orders")
	w.within("/bus/Queues/~1 orders/Waiting", 0, 0)
	w.within("/bus/Clients/Connections", 1, 1)
	w.is("/bus", tree.Green)
	client.publish("orders", 150)
	client.publish("nobody", 1)
	client.declare("orders") // Everything before was taken when this is answered.
	w.within("/bus/Queues/~1 orders/Waiting", 150, 150)
	w.is("/bus/Queues/~1 orders/Waiting", tree.Yellow)
	w.within("/bus/Queues/~1 orders/Forgotten", 150, 150)
	w.is("/bus/Messages/Unroutable", tree.Yellow)
	w.within("/bus/Messages/Ready", 150, 150)
	w.is("/bus", tree.Yellow)
	w.exported()

	server.stop()
	w.is("/bus/Answer/Up", tree.Red)
	w.says("/bus/Answer/Error", "connection refused")
}

// amqp is as much of a client of AMQP 0-9-1 as the test needs.
type amqp struct {
	t    *testing.T
	conn net.Conn
}

func dialAMQP(t *testing.T, address string) *amqp {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &amqp{t, conn}
	c.write("AMQP\x00\x00\x09\x01")
	c.await(10, 10)                                                                                               // start
	c.method(0, 10, 11, "\x00\x00\x00\x00", short("PLAIN"), "\x00\x00\x00\x0c\x00guest\x00guest", short("en_US")) // start-ok
	c.await(10, 30)                                                                                               // tune
	c.method(0, 10, 31, "\x00\x01\x00\x02\x00\x00\x00\x00")                                                       // tune-ok: a channel, frames of 128 KiB, no heartbeat
	c.method(0, 10, 40, short("/"), short(""), "\x00")                                                            // open
	c.await(10, 41)
	c.method(1, 20, 10, short("")) // open a channel
	c.await(20, 11)
	return c
}

func short(s string) string { return string(rune(len(s))) + s }

func (c *amqp) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *amqp) frame(kind byte, channel uint16, payload string) {
	c.t.Helper()
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16([]byte{kind}, channel), uint32(len(payload)))
	c.write(string(head) + payload + "\xce")
}

func (c *amqp) method(channel, class, method uint16, arguments ...string) {
	c.t.Helper()
	c.frame(1, channel, string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), method))+strings.Join(arguments, ""))
}

// await reads frames until a method comes.
func (c *amqp) await(class, method uint16) {
	c.t.Helper()
	for {
		var head [7]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			c.t.Fatal(err)
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
		if _, err := io.ReadFull(c.conn, payload); err != nil {
			c.t.Fatal(err)
		}
		if head[0] == 1 && binary.BigEndian.Uint16(payload) == class && binary.BigEndian.Uint16(payload[2:]) == method {
			return
		}
	}
}

// declare makes a queue, if it is not there yet.
func (c *amqp) declare(queue string) {
	c.t.Helper()
	c.method(1, 50, 10, "\x00\x00", short(queue), "\x00", "\x00\x00\x00\x00")
	c.await(50, 11)
}

// publish sends messages by the default exchange.
func (c *amqp) publish(queue string, n int) {
	c.t.Helper()
	for range n {
		c.method(1, 60, 40, "\x00\x00", short(""), short(queue), "\x00")
		c.frame(2, 1, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00")
		c.frame(3, 1, "hello")
	}
}
