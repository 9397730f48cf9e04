package definitions_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"grove/tree"
)

// agent is Debian's snmpd with a configuration of the test's.
type agent struct {
	t       *testing.T
	dir     string
	address string
	stop    func()
}

// newAgent makes an agent that is not started yet.
func newAgent(t *testing.T) *agent {
	t.Helper()
	installed(t, "snmpd", "snmpd")
	a := &agent{t: t, dir: t.TempDir()}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.address = socket.LocalAddr().String()
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	config := "rocommunity secret-of-sw1 127.0.0.1\nsysName sw1\nsysLocation rack 7\ndontLogTCPWrappersConnects yes\n"
	if err := os.WriteFile(filepath.Join(a.dir, "agent.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// start starts the program; whoever waits for its answers waits long enough.
func (a *agent) start() {
	a.t.Helper()
	cmd := exec.Command(installed(a.t, "snmpd", "snmpd"), "-f", "-Lo", "-C",
		"-c", filepath.Join(a.dir, "agent.conf"), "-p", filepath.Join(a.dir, "pid"), "udp:"+a.address)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+a.dir, "MIBS=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	a.stop = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	a.t.Cleanup(func() {
		a.stop()
		if a.t.Failed() {
			a.t.Logf("snmpd said:\n%s", output.String())
		}
	})
}

// TestSwitch runs the definition of a switch on Debian's snmpd: on an agent that is
// not there yet, comes, goes and comes again.
func TestSwitch(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	w := grow(t, fmt.Sprintf(`
use: snmp-switch
at: /network/sw1
with: { address: "%s", community: secret-of-sw1, every: 500ms, timeout: 150ms, restarted: 3, net_snmp: true, port_down: green }
`, a.address))
	w.is("/network/sw1", tree.Red)
	w.is("/network/sw1/Agent/Answers", tree.Red)

	a.start()
	w.is("/network/sw1/Agent/Answers", tree.Green)
	w.is("/network/sw1/Agent/Up for", tree.Yellow)
	w.says("/network/sw1/Agent/Name", "sw1")
	w.says("/network/sw1/Agent/Location", "rack 7")
	w.says("/network/sw1/Agent/Description", "Linux")
	w.within("/network/sw1/Agent/Response time", 1e-6, 1)
	w.within("/network/sw1/Memory/Used", 0.1, 100)
	for _, i := range interfaces(t) {
		port := "/network/sw1/Ports/" + i
		w.within(port+"/In", 0, 1e12)
		w.within(port+"/Out", 0, 1e12)
		w.within(port+"/Errors", 0, 1e6)
		w.is(port+"/Link", tree.Green)
	}
	if _, there := w.node("/network/sw1/Ports/lo"); there {
		t.Error("the loopback interface is shown")
	}
	w.within("/network/sw1/Agent/Up for", 3.01, 3600)
	w.is("/network/sw1/Agent/Up for", tree.Green)
	w.is("/network/sw1/Agent", tree.Green)
	w.exported()

	a.stop()
	w.is("/network/sw1/Agent/Answers", tree.Red)
	w.is("/network/sw1/Agent/Up for", tree.White)
	w.is("/network/sw1/Memory/Used", tree.White)
	w.is("/network/sw1", tree.Red)

	a.start()
	w.is("/network/sw1/Agent/Answers", tree.Green)
	w.within("/network/sw1/Agent/Up for", 0, 3) // it was restarted
	w.is("/network/sw1/Agent/Up for", tree.Green)
}

// interfaces are those of this machine that the definition shows: switched on, and
// no loopback.
func interfaces(t *testing.T) []string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			names = append(names, i.Name)
		}
	}
	return names
}

// TestWrongCommunity has a switch that hears and does not answer.
func TestWrongCommunity(t *testing.T) {
	a := newAgent(t)
	a.start()
	w := grow(t, fmt.Sprintf(`
use: snmp-switch
at: /sw1
name: right
with: { address: "%s", community: secret-of-sw1, every: 500ms, timeout: 150ms }
---
use: snmp-switch
at: /sw2
name: wrong
with: { address: "%[1]s", community: guess, every: 500ms, timeout: 150ms }
`, a.address))
	w.is("/sw1/Agent/Answers", tree.Green)
	w.is("/sw2/Agent/Answers", tree.Red)
	w.says("/sw2/Agent/Error", "answer")
}
