package definitions_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"grove/tree"
)

// bgpd is a router of FRRouting with one neighbour, which routes nothing in the kernel.
func bgpd(t *testing.T, dir, address string, as int, neighbour string, neighbourAS, port, neighbourPort int, agentx bool) *daemon {
	t.Helper()
	name := fmt.Sprintf("as%d", as)
	config := fmt.Sprintf(`router bgp %d
 bgp router-id 10.9.9.%d
 no bgp ebgp-requires-policy
 neighbor %[3]s remote-as %[4]d
 neighbor %[3]s port %[5]d
 neighbor %[3]s ebgp-multihop 2
 neighbor %[3]s update-source %[6]s
 neighbor %[3]s timers connect 1
!
`, as, as-65000, neighbour, neighbourAS, neighbourPort, address)
	args := []string{"-f", filepath.Join(dir, name+".conf"), "-i", filepath.Join(dir, name+".pid"), "--vty_socket", dir, "-P", "0", "-p", fmt.Sprint(port), "-l", address, "-n", "-Z", "--log", "stdout"}
	if agentx {
		config += "agentx\n"
		args = append(args, "-M", "snmp")
	}
	public(t, filepath.Join(dir, name+".conf"), config)
	return newDaemon(t, func() *exec.Cmd {
		cmd := exec.Command("/usr/lib/frr/bgpd", args...)
		cmd.Env = append(os.Environ(), "SNMPCONFPATH="+dir, "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
		return cmd
	})
}

// public writes a file that programs of other users may read.
func public(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // Another user's program reads it.
		t.Fatal(err)
	}
}

// TestRouter runs the definition on a router of Debian's FRRouting, whose peer comes and goes.
func TestRouter(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/lib/frr/bgpd"); err != nil {
		t.Skip("frr is not installed")
	}
	if modules, _ := filepath.Glob("/usr/lib/*/frr/modules/bgpd_snmp.so"); len(modules) == 0 {
		t.Skip("frr-snmp is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("bgpd runs as a user of its own, which only root can start it as")
	}
	snmpd := installed(t, "snmpd", "snmpd")
	dir, err := os.MkdirTemp("", "router") //nolint:usetesting // others than root must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // bgpd puts its sockets there.
		t.Fatal(err)
	}
	socket, first, second := filepath.Join(dir, "agentx"), freePort(t), freePort(t)
	address := loopback(freePort(t))
	public(t, filepath.Join(dir, "frr.conf"), "agentXSocket "+socket+"\n")
	public(t, filepath.Join(dir, "agent.conf"), "rocommunity public 127.0.0.1\ndontLogTCPWrappersConnects yes\nmaster agentx\nagentXSocket "+socket+"\nagentXPerms 0777 0777\n")
	agent := newDaemon(t, func() *exec.Cmd {
		cmd := exec.Command(snmpd, "-f", "-Lo", "-C", "-c", filepath.Join(dir, "agent.conf"), "-p", filepath.Join(dir, "pid"), "udp:"+address)
		cmd.Env = append(os.Environ(), "SNMPCONFPATH="+dir, "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
		return cmd
	})
	router := bgpd(t, dir, "127.0.0.1", 65001, "127.0.0.2", 65002, first, second, true)
	peer := bgpd(t, dir, "127.0.0.2", 65002, "127.0.0.1", 65001, second, first, false)

	w := grow(t, fmt.Sprintf("use: snmp-router\nat: /x\nwith: { address: %q, every: 500ms, timeout: 300ms, restarted: 0, interface_down: green }\n", address))
	agent.start()
	w.is("/x/Router/Answers", tree.Green)
	router.start()
	w.is("/x/BGP/127.0.0.2/Session", tree.Red) // its peer is not there yet
	peer.start()
	w.is("/x/BGP/127.0.0.2/Session", tree.Green)
	w.within("/x/BGP/127.0.0.2/Up for", 0, 60)
	if n, _ := w.node("/x/BGP/127.0.0.2"); n.Spec.Description != "AS 65002" {
		t.Errorf("the peer is described as %q", n.Spec.Description)
	}
	peer.stop()
	w.is("/x/BGP/127.0.0.2/Session", tree.Red)
	w.is("/x/BGP", tree.Red)
}
