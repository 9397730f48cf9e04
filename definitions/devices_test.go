package definitions_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"grove/runtime/probe/builtin"
	"grove/runtime/receive/trap"
	"grove/tree"
)

// device is Debian's snmpd with objects that no module of it has: what a device of a kind
// that is not at hand would say of itself. SNMP itself is real.
type device struct {
	*daemon
	top     string // group of what the agent says of itself
	address string
	objects string // file of the objects that it has at present
}

// newDevice makes a device that is not started yet, with the definition's group of what the
// agent says of itself, with the objects of a file of
// testdata/agent below some places.
func newDevice(t *testing.T, top, file string, places ...string) *device {
	t.Helper()
	installed(t, "snmpd", "snmpd")
	python := installed(t, "python3", "python3")
	dir := t.TempDir()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &device{top: "/x/" + top, address: socket.LocalAddr().String(), objects: filepath.Join(dir, "objects")}
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata/agent", file))
	if err != nil {
		t.Fatal(err)
	}
	configure(t, d.objects, string(text))
	script, err := filepath.Abs("testdata/agent/agent.py")
	if err != nil {
		t.Fatal(err)
	}
	config := "rocommunity public 127.0.0.1\ndontLogTCPWrappersConnects yes\nsysName device1\nsysDescr Example\nsysLocation rack 7\n"
	for _, place := range places {
		config += fmt.Sprintf("pass_persist %s %s -u %s %s\n", place, python, script, d.objects)
	}
	configure(t, filepath.Join(dir, "agent.conf"), config)
	d.daemon = newDaemon(t, func() *exec.Cmd {
		cmd := exec.Command(installed(t, "snmpd", "snmpd"), "-f", "-Lo", "-C", "-c", filepath.Join(dir, "agent.conf"), "-p", filepath.Join(dir, "pid"), "udp:"+d.address)
		cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
		return cmd
	})
	return d
}

// change gives objects of the device other values; a line of a new object is added, and an
// empty value takes one away.
func (d *device) change(oid, kind, value string) {
	d.t.Helper()
	text, err := os.ReadFile(d.objects)
	if err != nil {
		d.t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, oid+"|") {
			out.WriteString(line)
		}
	}
	if value != "" {
		fmt.Fprintf(&out, "%s|%s|%s\n", oid, kind, value)
	}
	// The agent must see all of it or nothing.
	configure(d.t, d.objects+".new", out.String())
	if err := os.Rename(d.objects+".new", d.objects); err != nil {
		d.t.Fatal(err)
	}
}

// grow runs a definition on the device.
func (d *device) grow(app, with string) *world {
	d.t.Helper()
	return grow(d.t, fmt.Sprintf("use: %s\nat: /x\nwith: { address: %q, every: 500ms, timeout: 300ms, restarted: 0%s }\n", app, d.address, with))
}

// goes stops the device.
func (d *device) goes(w *world) {
	d.t.Helper()
	d.stop()
	w.is(d.top+"/Answers", tree.Red)
	w.is("/x", tree.Red)
}

// TestSwitchReports has snmpd send its own traps: that it started, and that somebody asked
// with a wrong community.
func TestSwitchReports(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hub := trap.NewHub(trap.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- hub.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	config, err := os.OpenFile(filepath.Join(a.dir, "agent.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(config, "trap2sink %s trap-secret\nauthtrapenable 1\n", conn.LocalAddr())
	if err := errors.Join(err, config.Close()); err != nil {
		t.Fatal(err)
	}
	w := growWith(t, builtin.Registry(builtin.Options{Traps: hub}), fmt.Sprintf(`
use: snmp-switch
at: /sw1
with: { address: "%s", community: secret-of-sw1, every: 500ms, timeout: 150ms, traps: true, trap_communities: [trap-secret] }
---
use: snmp-switch
at: /sw2
name: other
with: { address: "%[1]s", community: guess, every: 500ms, timeout: 150ms, traps: true, trap_communities: [other] }
`, a.address))
	w.is("/sw1/Agent/Answers", tree.Red)
	a.start()
	for _, want := range []string{"the device started: coldStart", "somebody asked with a wrong community or password"} {
		w.until("the log has "+want, func() bool {
			events, _ := w.tree.Events(tree.MustPath("/sw1/Reports/Log"))
			return slices.ContainsFunc(events, func(e tree.Event) bool { return e.Text == want })
		})
	}
	w.is("/sw1/Reports/Log", tree.Yellow)
	w.is("/sw1/Agent/Answers", tree.Green)
	if n, _ := w.node("/sw2/Reports/Log"); !n.Value.IsNone() {
		t.Errorf("a trap of another community is in the log: %s", n.Value)
	}
}

func TestUPSStandIn(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "Device", "ups.objects", ".1.3.6.1.2.1.33")
	d.start()
	w := d.grow("snmp-ups", "")
	w.is(d.top+"/Answers", tree.Green)
	w.says("/x/Device/Model", "Example Power Smart 1500")
	w.within("/x/Battery/Lasts", 2460, 2460)
	w.within("/x/Battery/Voltage", 27.29, 27.31)
	w.within("/x/Input/Line 1/Frequency", 50, 50)
	w.within("/x/Output/Line 1/Load", 32, 32)
	w.is("/x/Output/Source", tree.Green)
	w.is("/x", tree.Green)
	w.exported()

	d.change("1.3.6.1.2.1.33.1.4.1.0", "integer", "5")
	d.change("1.3.6.1.2.1.33.1.2.2.0", "integer", "61")
	d.change("1.3.6.1.2.1.33.1.6.2.1.2.1", "objectid", ".1.3.6.1.2.1.33.1.6.3.2")
	d.change("1.3.6.1.2.1.33.1.6.1.0", "gauge", "1")
	w.is("/x/Output/Source", tree.Yellow)
	w.is("/x/Battery/On battery", tree.Red)
	w.says("/x/Alarms/Alarm 1", "upsAlarmOnBattery")
	w.is("/x/Alarms/Present", tree.Yellow)
	d.goes(w)
}

func TestPrinterStandIn(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "Printer", "printer.objects", ".1.3.6.1.2.1.43")
	d.start()
	w := d.grow("snmp-printer", "")
	w.is(d.top+"/Answers", tree.Green)
	w.within("/x/Supplies/Black toner", 60, 60)
	w.within("/x/Trays/Tray 1", 50, 50)
	w.within("/x/Pages/Counter 1.1/All", 10234, 10234)
	w.says("/x/Printers/Serial number 1", "SN-4711")
	w.is("/x/Covers/Front cover", tree.Green)
	w.is("/x", tree.Green)
	for _, path := range []string{"/x/Supplies/Waste toner", "/x/Trays/Bypass"} {
		if _, there := w.node(path); there {
			t.Errorf("%s is shown, though the printer does not say how full it is", path)
		}
	}
	w.exported()

	d.change("1.3.6.1.2.1.43.11.1.1.9.1.1", "integer", "1000")
	w.is("/x/Supplies/Black toner", tree.Yellow)
	d.change("1.3.6.1.2.1.43.6.1.1.3.1.1", "integer", "3")
	w.is("/x/Covers/Front cover", tree.Red)
	d.change("1.3.6.1.2.1.43.18.1.1.8.1.7", "string", "Paper jam in tray 1")
	d.change("1.3.6.1.2.1.43.18.1.1.2.1.7", "integer", "3")
	w.is("/x/Alerts/Alert 1.7/Severity", tree.Red)
	w.says("/x/Alerts/Alert 1.7/Text", "Paper jam")
	d.goes(w)
}

// TestRouterStandIn has real interfaces and counts of forwarding, and peers and neighbours
// of no real router.
func TestRouterStandIn(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "Router", "router.objects", ".1.3.6.1.2.1.15", ".1.3.6.1.2.1.14")
	d.start()
	w := d.grow("snmp-router", ", interface_down: green, routes_yellow: 0")
	w.is(d.top+"/Answers", tree.Green)
	w.is("/x/BGP/192.0.2.1/Session", tree.Green)
	w.within("/x/BGP/192.0.2.1/Up for", 4000, 4000)
	w.is("/x/OSPF/10.0.0.2/State", tree.Green)
	w.is("/x/OSPF/10.0.0.3/State", tree.Green)
	if _, there := w.node("/x/BGP/192.0.2.9"); there {
		t.Error("a peer that is switched off is shown")
	}
	w.within("/x/Routing/Received", 0, 1e9)
	for _, i := range interfaces(t) {
		w.is("/x/Interfaces/"+i+"/Link", tree.Green)
	}
	w.exported()

	d.change("1.3.6.1.2.1.15.3.1.2.192.0.2.1", "integer", "3")
	w.is("/x/BGP/192.0.2.1/Session", tree.Red)
	d.change("1.3.6.1.2.1.14.10.1.6.10.0.0.2.0", "integer", "6")
	w.is("/x/OSPF/10.0.0.2/State", tree.Yellow)
	d.goes(w)
}

// TestWindowsStandIn has snmpd's own HOST-RESOURCES-MIB but for the processor, which snmpd
// measures for a minute first, and services that no Windows runs.
func TestWindowsStandIn(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "Host", "windows.objects", ".1.3.6.1.4.1.77", ".1.3.6.1.2.1.25.3.3")
	d.start()
	w := d.grow("windows-host-snmp", ", services: [Print Spooler, DHCP Client], memory_yellow: 100, memory_red: 100")
	w.is(d.top+"/Answers", tree.Green)
	w.within("/x/System/Processes", 1, 1e6)
	w.within("/x/Volumes/~1/Used", 0, 100)
	w.within("/x/Memory/Physical memory", 1, 100)
	w.within("/x/Processors/3", 12, 12)
	w.is("/x/Services/Print Spooler", tree.Green)
	w.is("/x/Services", tree.Green)
	w.exported()

	d.change("1.3.6.1.4.1.77.1.2.3.1.3.11.68.72.67.80.32.67.108.105.101.110.116", "integer", "4")
	w.is("/x/Services/DHCP Client", tree.Yellow)
	const spooler = ".13.80.114.105.110.116.32.83.112.111.111.108.101.114"
	d.change("1.3.6.1.4.1.77.1.2.3.1.1"+spooler, "", "")
	d.change("1.3.6.1.4.1.77.1.2.3.1.3"+spooler, "", "")
	w.is("/x/Services/Print Spooler", tree.White)
	w.is("/x/Services", tree.Red)
	d.goes(w)
}
