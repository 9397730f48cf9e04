package test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"grove/cmd/app"
)

// TestReceivers sends a whole manager what devices and programs send, by their own tools.
func TestReceivers(t *testing.T) {
	traps := freeUDP(t)
	m := serve(t, func(c *app.Config) { c.Receivers = app.ReceiverConfig{Traps: traps} })
	m.write("receivers.yaml", `
grove: 1
application: receivers
at: /sent
probes:
  traps:
    kind: traps
    traps: ["*"]
    events: [ { traps: [linkDown], text: "port {ifIndex} lost its link", status: yellow }, { text: "{trap}", status: green } ]
tree:
  Traps: { from: traps.events, mode: push }
`)
	m.loaded("receivers")
	for _, tt := range []struct {
		name, program string
		args          []string
		node, want    string
	}{
		{"a trap", "snmptrap", []string{"-v2c", "-c", "public", traps, "", "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.7", "i", "7"}, "/sent/Traps", "port 7 lost its link"},
		{"an inform", "snmpinform", []string{"-v2c", "-c", "public", "-t", "5", traps, "", "1.3.6.1.6.3.1.1.5.1"}, "/sent/Traps", "coldStart"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			program, err := exec.LookPath(tt.program)
			if err != nil {
				t.Skipf("%s is not installed", tt.program)
			}
			if out, err := exec.CommandContext(t.Context(), program, tt.args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", tt.program, err, out)
			}
			m.eventually(func() error {
				n, err := m.find(tt.node)
				if err == nil && !strings.Contains(fmt.Sprint(n.Events), tt.want) {
					err = fmt.Errorf("%s has %v, want %q", tt.node, n.Events, tt.want)
				}
				return err
			})
		})
	}
	if _, text := m.get("/metrics"); !strings.Contains(string(text), `grove_receiver_messages_total{outcome="applied",receiver="traps"} 2`) {
		t.Error("two messages are not counted as applied")
	}
}

// freeUDP returns a UDP address of loopback that nobody uses.
func freeUDP(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}
