package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"grove/cmd/app"
	"grove/tree/grant"
	"grove/viewer"
)

// sentOf is a definition whose probes take what others send; WORD is what they want.
const sentOf = `
grove: 1
application: WORD
at: AT
probes:
  written: { kind: remote_write, values: { v: WORD } }
  metrics: { kind: otlp, values: { v: WORD } }
  logs: { kind: otlp_logs, match: { severity: WORD } }
  alerts: { kind: alertmanager, match: { alertname: WORD } }
  events: { kind: cloudevents, match: { type: WORD } }
tree:
  Written: { from: written.v, mode: push }
  Metrics: { from: metrics.v, mode: push }
  Logs: { from: logs.events, mode: push }
  Alerts: { from: alerts.events, mode: push }
  Events: { from: events.events, mode: push }
`

// TestSendersAndGrants sends to probes of two subtrees as everybody: what comes reaches
// the tree for operators of where the probe hangs, those who see the place are told that
// they may not, and for all others the answer is the one for what nobody wants.
func TestSendersAndGrants(t *testing.T) {
	t.Parallel()
	mine, theirs := word("wanted"), word("secret")
	e := newEstate(t, func(c *app.Config) {
		c.Definitions = t.TempDir()
		for name, at := range map[string]string{mine: "/plant/North/Sent", theirs: "/" + theirs} {
			text := strings.NewReplacer("WORD", name, "AT", at).Replace(sentOf)
			if err := os.WriteFile(filepath.Join(c.Definitions, name+".yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})

	routes := []struct {
		node, path, kind string
		body             func(word string, n int) []byte
	}{
		{"Written", "/api/v1/write", "application/x-protobuf", func(word string, n int) []byte {
			r := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
				Labels:  []prompb.Label{{Name: "__name__", Value: word}},
				Samples: []prompb.Sample{{Value: float64(n), Timestamp: time.Now().UnixMilli() + int64(n)}},
			}}}
			b, err := r.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			return snappy.Encode(nil, b)
		}},
		{"Metrics", "/otlp/v1/metrics", "application/json", func(word string, n int) []byte {
			return fmt.Appendf(nil, `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"%s","gauge":{"dataPoints":[{"asDouble":%d,"timeUnixNano":"%d"}]}}]}]}]}`, word, n, time.Now().UnixNano()+int64(n)*1e6)
		}},
		{"Logs", "/otlp/v1/logs", "application/json", func(word string, n int) []byte {
			return fmt.Appendf(nil, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"%s","body":{"stringValue":"it is %d"}}]}]}]}`, word, n)
		}},
		{"Alerts", "/api/v1/alertmanager", "application/json", func(word string, n int) []byte {
			return fmt.Appendf(nil, `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"%s","n":"%d"},"annotations":{"summary":"it is %d"}}]}`, word, n, n)
		}},
		{"Events", "/api/v1/cloudevents", "application/cloudevents+json", func(word string, n int) []byte {
			return fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/test","type":"%s","data":"it is %d"}`, n, word, n)
		}},
	}
	post := func(a *asker, path, kind string, body []byte, header ...string) (int, string) {
		req, err := http.NewRequestWithContext(e.Context(), http.MethodPost, e.url+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		if kind == "application/x-protobuf" {
			req.Header.Set("Content-Encoding", "snappy")
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		a.sign(req)
		code, text := e.do(req)
		return code, string(text)
	}
	// has says whether a number arrived at a node.
	has := func(at string, n int) bool {
		e.Helper()
		var node viewer.Details
		e.send(nil, http.MethodGet, "/api/v1/nodes"+at, nil, http.StatusOK, &node)
		return strings.Contains(fmt.Sprintf("%v %v ", node.Value, node.Events), fmt.Sprintf("%d ", n)) || strings.Contains(fmt.Sprint(node.Events), fmt.Sprintf("it is %d", n))
	}
	n := 1000
	for _, a := range e.askers {
		for _, r := range routes {
			absentCode, absent := post(a, r.path, r.kind, r.body(word("nobody"), 1))
			for _, target := range []struct{ word, at string }{{mine, "/plant/North/Sent/"}, {theirs, "/" + theirs + "/"}} {
				n++
				code, text := post(a, r.path, r.kind, r.body(target.word, n))
				may, sees := false, false
				for _, g := range a.grants {
					// What hangs in the North belongs to acme.
					covers := g.Customer == "acme" && target.word == mine || g.Customer == "" && (g.Path.IsRoot() || strings.HasPrefix(target.at, g.Path.String()+"/"))
					may, sees = may || covers && g.Role >= grant.Operator, sees || covers
				}
				told := strings.Contains(text, "you may not send")
				switch arrived := has(target.at+r.node, n); {
				case arrived != may:
					t.Errorf("%s to %s%s: arrived %t, want %t (%d %s)", a.name, target.at, r.node, arrived, may, code, text)
				case may && code/100 != 2:
					t.Errorf("%s to %s%s: %d %s", a.name, target.at, r.node, code, text)
				case sees && !may && !told:
					t.Errorf("%s to %s%s is not told why: %d %s", a.name, target.at, r.node, code, text)
				case !sees && (code != absentCode || text != absent):
					t.Errorf("%s learns of %s%s: %d %s, and for what nobody wants %d %s", a.name, target.at, r.node, code, text, absentCode, absent)
				}
			}
		}
	}

	// A page of another site sends the cookie of whoever looks at it along.
	person := e.askers[len(e.askers)-1]
	for _, r := range routes {
		n++
		for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
			if code, text := post(person, r.path, r.kind, r.body(mine, n), header...); code != http.StatusForbidden || has("/plant/North/Sent/"+r.node, n) {
				t.Errorf("%s from another site (%s): %d %s", r.path, header[0], code, text)
			}
		}
	}
}
