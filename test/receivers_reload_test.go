package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestReloadWhileSending changes a definition again and again while others send to its
// probes by three receivers: nobody waits for another for ever, nothing is answered with
// an error, and in the end all is as the last definition says.
func TestReloadWhileSending(t *testing.T) {
	t.Parallel()
	m := serve(t)
	define := func(n int) {
		m.write("sent.yaml", fmt.Sprintf(`
grove: 1
application: sent
at: /sent
probes:
  metrics: { kind: otlp, values: { load: 'load{round=~".*|%d"}' } }
  events: { kind: cloudevents, match: { type: ".*|%d" } }
  alerts: { kind: alertmanager, match: { alertname: ".*|%d" } }
tree:
  Load%d: { from: metrics.load, mode: push }
  Events%d: { from: events.events, mode: push }
  Alerts%d: { from: alerts.firing, mode: push }
`, n, n, n, n, n, n))
	}
	define(0)
	m.loaded("sent")
	post := func(path, kind, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", kind)
		res, err := m.http.Do(req)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		defer res.Body.Close()
		if res.StatusCode/100 != 2 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	var stop atomic.Bool
	var n atomic.Int64
	senders := []func(){
		func() {
			post("/otlp/v1/metrics", "application/json", fmt.Sprintf(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"load","gauge":{"dataPoints":[{"asDouble":7,"timeUnixNano":"%d"}]}}]}]}]}`, time.Now().UnixNano()))
		},
		func() {
			post("/api/v1/cloudevents", "application/cloudevents+json", fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/test","type":"x"}`, n.Add(1)))
		},
		func() {
			post("/api/v1/alertmanager", "application/json", `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"x"}}]}`)
		},
	}
	var running sync.WaitGroup
	for _, send := range senders {
		for range 2 {
			running.Go(func() {
				for !stop.Load() {
					send()
				}
			})
		}
	}
	const rounds = 6
	for k := 1; k <= rounds; k++ {
		define(k)
		m.eventually(func() error { _, err := m.find(fmt.Sprintf("/sent/Load%d", k)); return err })
	}
	stop.Store(true)
	running.Wait()
	// The node is there a moment before what is sent is given to it.
	m.eventually(func() error {
		for _, send := range senders {
			send()
		}
		for name, want := range map[string]string{"Load": "7", "Alerts": "1"} {
			if n, err := m.find(fmt.Sprintf("/sent/%s%d", name, rounds)); err != nil || fmt.Sprint(n.Value) != want || n.Status != "green" {
				return fmt.Errorf("%s is %v, %s, want %s: %w", name, n.Value, n.Status, want, err)
			}
		}
		return nil
	})
}
