package definitions_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemon is a real server that a test runs, stops and runs again.
type daemon struct {
	t       *testing.T
	command func() *exec.Cmd
	stop    func() // kills it and waits; harmless when it does not run
}

// newDaemon makes one that is not started yet. The command is made anew for each start.
func newDaemon(t *testing.T, command func() *exec.Cmd) *daemon {
	d := &daemon{t: t, command: command, stop: func() {}}
	t.Cleanup(func() { d.stop() })
	return d
}

// start starts the program with a process group of its own. Whoever needs its answers
// waits for them, as reachable does; what it says is told when the test fails.
func (d *daemon) start() {
	d.t.Helper()
	var output locked
	cmd := d.command()
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	d.stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		if d.t.Failed() {
			d.t.Logf("%s said:\n%s", cmd.Path, output.String())
		}
	})
}

// locked is a buffer that may be read while a program writes to it.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// freePort returns a port of loopback that nobody listens on, by TCP or UDP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		packets, err := net.ListenPacket("udp", l.Addr().String())
		_ = l.Close()
		if err != nil {
			continue
		}
		_ = packets.Close()
		return port
	}
	t.Fatal("no port is free")
	return 0
}

// loopback is the address of a port of this machine.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// reachable waits until a TCP address takes connections.
func reachable(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing takes connections at %s: %v", address, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// configure writes a file of a daemon's directory.
func configure(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
