package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"grove/cmd/app"
)

// TestReceivers sends a whole manager what devices and programs send, by their own tools
// where there are some.
func TestReceivers(t *testing.T) {
	t.Parallel()
	traps, syslog, statsd, graphite := freeUDP(t), freeUDP(t), freeUDP(t), freeUDP(t)
	m := serve(t, func(c *app.Config) {
		c.Receivers = app.ReceiverConfig{Traps: traps, Syslog: syslog, StatsD: statsd, Graphite: graphite}
	})
	m.write("receivers.yaml", `
grove: 1
application: receivers
at: /sent
probes:
  traps:
    kind: traps
    traps: ["*"]
    events: [ { traps: [linkDown], text: "port {ifIndex} lost its link", status: yellow }, { text: "{trap}", status: green } ]
  syslog: { kind: syslog }
  counts: { kind: statsd, values: { orders: shop_orders }, attributes: { orders: { type: counter } } }
  paths: { kind: graphite, values: { load: '{p2="web1"}' } }
  otlp: { kind: otlp, values: { load: load } }
  logs: { kind: otlp_logs }
  events: { kind: cloudevents }
  alerts: { kind: alertmanager }
tree:
  Traps: { from: traps.events, mode: push }
  Syslog: { from: syslog.events, mode: push }
  Orders: { from: counts.orders, mode: push }
  Load: { from: paths.load, mode: push }
  Program: { from: otlp.load, mode: push }
  Log: { from: logs.events, mode: push }
  Events: { from: events.events, mode: push }
  Alerts: { from: alerts.events, mode: push }
`)
	m.loaded("receivers")
	tool := func(name string, args ...string) func(*testing.T) {
		return func(t *testing.T) {
			program, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("%s is not installed", name)
			}
			if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
		}
	}
	line := func(network, address, text string) func(*testing.T) {
		return func(t *testing.T) {
			conn, err := net.Dial(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	post := func(path, kind, body string) func(*testing.T) {
		return func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", kind)
			if code, text := m.do(req); code/100 != 2 {
				t.Fatalf("%s answers %d: %s", path, code, text)
			}
		}
	}
	now := time.Now()
	_, port, err := net.SplitHostPort(syslog)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name       string
		send       func(*testing.T)
		node, want string
		counted    string // the receiver, as the metrics call it
	}{
		{"a trap", tool("snmptrap", "-v2c", "-c", "public", traps, "", "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.7", "i", "7"), "Traps", "port 7 lost its link", "traps"},
		{"an inform", tool("snmpinform", "-v2c", "-c", "public", "-t", "5", traps, "", "1.3.6.1.6.3.1.1.5.1"), "Traps", "coldStart", "traps"},
		{"syslog by UDP", tool("logger", "--udp", "--server", "127.0.0.1", "--port", port, "--rfc5424", "out of paper"), "Syslog", "out of paper", "syslog"},
		{"syslog by TCP", tool("logger", "--tcp", "--server", "127.0.0.1", "--port", port, "--rfc3164", "out of ink"), "Syslog", "out of ink", "syslog"},
		{"StatsD", line("udp", statsd, "shop.orders:7|c\n"), "Orders", "7", "statsd"},
		{"Graphite", line("tcp", graphite, "servers.web1 0.25\n"), "Load", "0.25", "graphite"},
		{"OpenTelemetry metrics", post("/otlp/v1/metrics", "application/json", fmt.Sprintf(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"load","gauge":{"dataPoints":[{"asDouble":0.75,"timeUnixNano":"%d"}]}}]}]}]}`, now.UnixNano())), "Program", "0.75", "otlp_metrics"},
		{"OpenTelemetry logs", post("/otlp/v1/logs", "application/json", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"no more stock"}}]}]}]}`), "Log", "no more stock", "otlp_logs"},
		{"a CloudEvent", post("/api/v1/cloudevents", "application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/shop","type":"order.failed"}`), "Events", "order.failed", "cloudevents"},
		{"an alert", post("/api/v1/alertmanager", "application/json", `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"Slow"},"annotations":{"summary":"too slow"}}]}`), "Alerts", "Slow: too slow", "alertmanager"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.send(t)
			m.eventually(func() error {
				n, err := m.find("/sent/" + tt.node)
				if err == nil && !strings.Contains(fmt.Sprint(n.Value, n.Events), tt.want) {
					err = fmt.Errorf("%s has %v %v, want %q", tt.node, n.Value, n.Events, tt.want)
				}
				return err
			})
			if _, text := m.get("/metrics"); strings.Contains(string(text), `grove_receiver_messages_total{outcome="applied",receiver="`+tt.counted+`"} 0`) {
				t.Errorf("what came is not counted as applied by %s", tt.counted)
			}
		})
	}
}

// freeUDP returns an address of loopback that nobody uses by UDP nor TCP.
func freeUDP(t *testing.T) string {
	t.Helper()
	for range 100 {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := conn.LocalAddr().String()
		_ = conn.Close()
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		_ = l.Close()
		return address
	}
	t.Fatal("no port is free")
	return ""
}
