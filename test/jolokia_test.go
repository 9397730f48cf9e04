package test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/cmd/app"
	"grove/tree/store"
	"grove/tree/store/audit"
)

// nodeBean is the name of the bean of a node.
func nodeBean(path string) string {
	return "grove:type=Node,path=" + beans.Quote(path)
}

// jolokiaAnswer is one answer of the Jolokia protocol.
type jolokiaAnswer struct {
	Status int
	Value  json.RawMessage
	Error  string
	Type   string `json:"error_type"`
}

// jolokia posts one request of the Jolokia protocol. What cannot be read at all is answered
// by plain text, which is the error then.
func (m *manager) jolokia(request map[string]any) (a jolokiaAnswer) {
	m.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		m.Fatal(err)
	}
	req, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.url+"/jolokia/", bytes.NewReader(text))
	if err != nil {
		m.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	code, body := m.do(req)
	if code == http.StatusBadRequest {
		return jolokiaAnswer{Status: code, Error: string(body)}
	}
	if err := json.Unmarshal(body, &a); err != nil || code != http.StatusOK {
		m.Fatalf("%s: %d %s", text, code, body)
	}
	return a
}

// jmxRules allow what the client of the test does.
const jmxRules = `grove:type=Node,* write YellowToRed
grove.monitor:* write *
grove.monitor:* exec *
jolokia:* exec *
`

// readAudit reads the audit log in a data directory.
func readAudit(t testing.TB, data, manager string) []audit.Record {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Address: filepath.Join(data, "facts.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	log := audit.New(s, manager, nil)
	if _, err := log.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	records, err := log.Read(context.Background(), audit.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// TestJMXClient is a session of npm's jolokia.js with a running manager. What it tuned
// outlives a restart, and the audit log knows of it.
func TestJMXClient(t *testing.T) {
	t.Parallel()
	node := installed(t, "node", "nodejs")
	client := filepath.Join(root, "viewer/export/jolokia/testdata/client")
	if _, err := os.Stat(filepath.Join(client, "node_modules/jolokia.js/package.json")); err != nil {
		t.Skip("skipped: jolokia.js is not there; the tests of viewer/export/jolokia install it")
	}
	script, err := os.ReadFile("testdata/jmx.mjs")
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	rules := filepath.Join(data, "policy")
	if err := os.WriteFile(rules, []byte(jmxRules), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := func(c *app.Config) { c.Data, c.Name, c.Jolokia = data, "jmx", rules }
	m := serve(t, begin)
	m.write("other.yaml", other)
	m.loaded("other")
	m.push(reading{"path": "/other/Level", "value": 3})

	cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "-")
	cmd.Dir, cmd.Stdin = client, bytes.NewReader(script)
	cmd.Env = append(os.Environ(), "GROVE_URL="+m.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := `{"value":3,"before":10,"after":20,"made":{"objectName":"grove.monitor:name=level,type=GaugeMonitor"},` +
		`"alarm":["jmx.monitor.gauge.high","grove:path=\"/other/Level\",type=Node","Value",16,15,"grove.monitor:name=level,type=GaugeMonitor"]}`
	if diff := cmp.Diff(want, strings.TrimSpace(string(out))); diff != "" {
		t.Errorf("the client got something else (- want, + got):\n%s", diff)
	}
	m.is("/other/Level", "16", "green")

	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	m = serve(t, begin)
	m.is("/other/Level", "16", "green")
	if n, err := m.find("/other/Level"); err != nil || n.Thresholds.Red != "> 20" || !n.Thresholds.Tuned {
		t.Errorf("after a restart the threshold is %+v, %v", n.Thresholds, err)
	}
	m.push(reading{"path": "/other/Level", "value": 21})
	m.is("/other/Level", "21", "red")
	// That it is tuned again at a restart is no news.
	if told := m.journal("/other/Level", "tuning"); len(told) != 1 || told[0].Text != "the threshold is tuned: red > 20" {
		t.Errorf("the journal tells of tuned thresholds: %+v", told)
	}

	acts := map[string]int{}
	for _, r := range readAudit(t, data, "jmx") {
		acts[r.Action+" "+r.Target]++
		if r.Origin == "" || r.Who == "" {
			t.Errorf("the audit log does not say who: %+v", r)
		}
	}
	const gauge = "grove.monitor:type=GaugeMonitor,name=level"
	for _, act := range []string{"jolokia write " + nodeBean("/other/Level") + " YellowToRed", "jolokia exec grove.monitor:type=MonitorFactory createGauge", "jolokia exec " + gauge + " start"} {
		found := 0
		for known, n := range acts {
			if strings.HasPrefix(known, act) {
				found += n
			}
		}
		if found != 2 {
			t.Errorf("the audit log knows %d of %q, not that it begins and that it ended: %v", found, act, acts)
		}
	}
}

// TestJMXClientsChangeNothingUnasked: without a policy nothing can be changed, by no way
// of asking, and no answer says otherwise.
func TestJMXClientsChangeNothingUnasked(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	m := serve(t, func(c *app.Config) { c.Data, c.Name = data, "jmx" })
	m.write("other.yaml", other)
	m.loaded("other")
	m.push(reading{"path": "/other/Level", "value": 3})
	before := m.subtree("/")
	level := nodeBean("/other/Level")
	for name, request := range map[string]map[string]any{
		"write":        {"type": "write", "mbean": level, "attribute": "YellowToRed", "value": 20},
		"exec":         {"type": "exec", "mbean": level, "operation": "reset"},
		"factory":      {"type": "exec", "mbean": "grove.monitor:type=MonitorFactory", "operation": "createGauge", "arguments": []any{"x"}},
		"timer":        {"type": "exec", "mbean": "grove:type=Timer", "operation": "start"},
		"another case": {"type": "WRITE", "mbean": level, "attribute": "YellowToRed", "value": 20},
		"a proxy":      {"type": "write", "mbean": level, "attribute": "YellowToRed", "value": 20, "target": map[string]any{"url": "service:jmx:rmi:///jndi/rmi://127.0.0.1/x"}},
	} {
		if a := m.jolokia(request); a.Status != http.StatusForbidden && a.Status != http.StatusBadRequest || a.Error == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	for _, path := range []string{"/jolokia/write/grove:type=Node,path=%22!/other!/Level%22/YellowToRed/20", "/jolokia/exec/grove:type=Timer/start"} {
		if code, body := m.get(path); code == http.StatusOK && !strings.Contains(string(body), `"status":403`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if a := m.jolokia(map[string]any{"type": "read", "mbean": level, "attribute": "YellowToRed"}); string(a.Value) != "10.0" {
		t.Errorf("the threshold is %s", a.Value)
	}
	if diff := cmp.Diff(before, m.subtree("/")); strings.Contains(diff, "/other") {
		t.Errorf("something was changed:\n%s", diff)
	}
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range readAudit(t, data, "jmx") {
		if strings.HasPrefix(r.Action, "jolokia") && r.Outcome == "begun" {
			t.Errorf("the audit log has %+v", r)
		}
	}
}
