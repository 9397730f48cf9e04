package test

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"grove/cmd/app"
)

// TestReceiversOverARestart: nobody repeats the trap of an alarm, and Alertmanager repeats
// an alert after hours. A manager that comes back shows both at once, and their ends end
// them.
func TestReceiversOverARestart(t *testing.T) {
	t.Parallel()
	snmptrap, err := exec.LookPath("snmptrap")
	if err != nil {
		t.Skip("snmptrap is not installed")
	}
	traps, data := freeUDP(t), t.TempDir()
	begin := func(c *app.Config) { c.Data, c.Receivers.Traps = data, traps }
	m := serve(t, begin)
	m.write("sent.yaml", `
grove: 1
application: sent
at: /sent
probes:
  traps:
    kind: traps
    tables: { ports: { key: "{ifIndex}", states: { linkDown: down, linkUp: up } } }
    alarms: [ { raise: [upsTrapAlarmEntryAdded], clear: [upsTrapAlarmEntryRemoved], key: "ups {upsAlarmId}", severity: critical } ]
  alerts: { kind: alertmanager }
tree:
  Ports:
    "Port ${row.key}": { each: traps.ports, from: row.state, mode: push, states: { up: green, down: yellow } }
  Alarms:
    "${row.key}": { each: traps.alarms, from: row.status, mode: push, states: { white: white, yellow: yellow, red: red } }
  Alerts:
    "${row.name}": { each: alerts.alerts, from: row.status, mode: push, states: { yellow: yellow, red: red } }
`)
	m.loaded("sent")
	trap := func(oid string, varbind ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), snmptrap, append([]string{"-v2c", "-c", "public", traps, "", oid}, varbind...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("snmptrap: %v\n%s", err, out)
		}
	}
	alert := func(name, status, severity string) {
		t.Helper()
		body := fmt.Sprintf(`{"version":"4","alerts":[{"status":%q,"labels":{"alertname":%q,"severity":%q}}]}`, status, name, severity)
		res, err := m.http.Post(m.url+"/api/v1/alertmanager", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
	ups := func(id string) []string { return []string{"1.3.6.1.2.1.33.1.6.2.1.1." + id, "i", id} }
	trap("1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.7", "i", "7")
	trap("1.3.6.1.2.1.33.2.3", ups("4")...)
	trap("1.3.6.1.2.1.33.2.3", ups("5")...)
	alert("Slow", "firing", "critical")
	alert("Late", "firing", "warning")
	m.is("/sent/Ports/Port 7", "down", "yellow")
	m.is("/sent/Alarms/ups 4", "red", "red")
	m.is("/sent/Alarms/ups 5", "red", "red")
	m.is("/sent/Alerts/Slow", "red", "red")
	m.is("/sent/Alerts/Late", "yellow", "yellow")

	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	m = serve(t, begin)
	m.is("/sent/Ports/Port 7", "down", "yellow")
	m.is("/sent/Alarms/ups 4", "red", "red")
	m.is("/sent/Alarms/ups 5", "red", "red")
	m.is("/sent/Alerts/Slow", "red", "red")
	m.is("/sent/Alerts/Late", "yellow", "yellow")
	trap("1.3.6.1.6.3.1.1.5.4", "1.3.6.1.2.1.2.2.1.1.7", "i", "7")
	trap("1.3.6.1.2.1.33.2.4", ups("4")...)
	alert("Slow", "resolved", "critical")
	m.is("/sent/Ports/Port 7", "up", "green")
	m.gone("/sent/Alarms/ups 4")
	m.gone("/sent/Alerts/Slow")
	m.is("/sent/Alarms/ups 5", "red", "red")
	m.is("/sent/Alerts/Late", "yellow", "yellow")
}
