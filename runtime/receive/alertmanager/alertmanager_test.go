package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/runtime/receive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// got collects what the nodes of a probe get.
type got struct {
	mu     sync.Mutex
	firing string
	rows   []string
	events []string
}

func attach(t *testing.T, h *Hub, instance string, edit func(*ProbeOptions)) *got {
	t.Helper()
	o := Kind(h).NewOptions().(*ProbeOptions)
	edit(o)
	p, err := Kind(h).New(o)
	if err != nil {
		t.Fatal(err)
	}
	g := &got{}
	detach, err := p.(receive.Attacher).Attach(instance, "it", func(r probe.Result) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, v := range r.Values {
			if v.Attribute == "firing" {
				g.firing = v.Value.String()
			}
			for _, e := range v.Events {
				g.events = append(g.events, e.Status.String()+" "+e.Text)
			}
		}
		g.rows = nil
		for _, row := range r.Tables[0].Rows {
			var cells []string
			for _, c := range row[1:6] {
				cells = append(cells, c.String())
			}
			g.rows = append(g.rows, strings.Join(cells, "|"))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(detach)
	return g
}

func (g *got) until(t *testing.T, h *Hub, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		g.mu.Lock()
		ok := holds()
		text := fmt.Sprintf("%s %v %v", g.firing, g.rows, g.events)
		g.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s: %s %+v", what, text, h.Stats())
		}
		select {
		case <-t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestAlertmanager lets Debian's Alertmanager send an alert as it begins and as it ends.
func TestAlertmanager(t *testing.T) {
	const program = "/usr/bin/prometheus-alertmanager"
	if _, err := os.Stat(program); err != nil {
		t.Skip("prometheus-alertmanager is not installed")
	}
	hub := NewHub(Options{})
	g := attach(t, hub, "shop", func(o *ProbeOptions) {
		o.Match, o.Text = map[string]string{"team": "sh.p"}, "{alertname} on {instance}: {summary}"
	})
	web := httptest.NewServer(hub.Handler())
	t.Cleanup(web.Close)
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	text := fmt.Sprintf("route: { receiver: grove, group_wait: 100ms, group_interval: 200ms, repeat_interval: 1h }\nreceivers:\n  - name: grove\n    webhook_configs: [ { url: %q, send_resolved: true } ]\n", web.URL+Path)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command(program, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(ends time.Duration) bool {
		body, err := json.Marshal([]map[string]any{
			{"labels": map[string]string{"alertname": "Slow", "team": "shop", "severity": "critical", "instance": "web1"}, "annotations": map[string]string{"summary": "too slow"}, "endsAt": time.Now().Add(ends).Format(time.RFC3339Nano)},
			{"labels": map[string]string{"alertname": "Other", "team": "bank"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/api/v2/alerts", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	}
	g.until(t, hub, "started", func() bool { return post(time.Hour) })
	g.until(t, hub, "firing", func() bool { return g.firing == "1" })
	if diff := cmp.Diff([]string{"Slow|critical|red|too slow|alertname=Slow, instance=web1, severity=critical, team=shop"}, g.rows); diff != "" {
		t.Errorf("rows -want +got:\n%s", diff)
	}
	post(-time.Second)
	g.until(t, hub, "resolved", func() bool { return g.firing == "0" })
	if diff := cmp.Diff([]string{"red Slow on web1: too slow", "green resolved: Slow on web1: too slow"}, g.events); diff != "" {
		t.Errorf("events -want +got:\n%s", diff)
	}
}

func TestRequests(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	hub := NewHub(Options{MaxBody: 2000, Now: func() time.Time { return now }, May: func(_ context.Context, instance string) error {
		if instance == "foreign" {
			return errors.New("not yours")
		}
		return nil
	}})
	g := attach(t, hub, "shop", func(o *ProbeOptions) { o.Match, o.Forget = map[string]string{"team": "shop"}, time.Hour })
	attach(t, hub, "foreign", func(o *ProbeOptions) { o.Match = map[string]string{"team": "bank"} })
	body := func(alerts string) string { return `{"version":"4","alerts":[` + alerts + `]}` }
	for _, tt := range []struct {
		name, method, body string
		status             int
		want               string
		firing             string
	}{
		{"an alert without a fingerprint", "POST", body(`{"status":"firing","labels":{"team":"shop","alertname":"A"},"startsAt":"2023-11-14T00:00:00Z"}`), 200, "", "1"},
		{"the same again", "POST", body(`{"status":"firing","labels":{"team":"shop","alertname":"A"}}`), 200, "", "1"},
		{"another", "POST", body(`{"status":"firing","labels":{"team":"shop","alertname":"B"},"fingerprint":"b"}`), 200, "", "2"},
		{"nobody's", "POST", body(`{"status":"firing","labels":{"team":"none"}}`), 200, "", "2"},
		{"somebody else's", "POST", body(`{"status":"firing","labels":{"team":"bank"}}`), 403, "not yours", "2"},
		{"the end of one that nobody knows", "POST", body(`{"status":"resolved","labels":{"team":"shop","alertname":"C"}}`), 200, "", "2"},
		{"its end", "POST", body(`{"status":"resolved","labels":{"team":"shop","alertname":"A"}}`), 200, "", "1"},
		{"not JSON", "POST", "[", 400, "is not Alertmanager's", "1"},
		{"another version", "POST", `{"version":"3"}`, 400, `of version 4 but of version "3"`, "1"},
		{"too long", "POST", strings.Repeat(" ", 2001), 413, "more than 2000 bytes", "1"},
		{"read", "GET", "", 405, "by POST", "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			hub.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, Path, strings.NewReader(tt.body)))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || g.firing != tt.firing {
				t.Errorf("%d %q, %s fire; want %d with %q, and %s", w.Code, w.Body, g.firing, tt.status, tt.want, tt.firing)
			}
		})
	}
	now = now.Add(2 * time.Hour)
	hub.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, strings.NewReader(body(`{"status":"firing","labels":{"team":"shop","alertname":"D"}}`))))
	if g.firing != "1" {
		t.Errorf("%s fire: what was not repeated for two hours is forgotten", g.firing)
	}
	if s := hub.Stats(); s.Applied != 6 || s.Refused[receive.NoNode] != 1 || s.Refused[receive.Denied] != 1 || s.BadRequests != 5 {
		t.Errorf("%+v", s)
	}
}

func TestContract(t *testing.T) {
	hub := NewHub(Options{})
	o := func(edit func(*ProbeOptions)) *ProbeOptions {
		o := Kind(hub).NewOptions().(*ProbeOptions)
		edit(o)
		return o
	}
	probetest.Run(t, Kind(hub), o(func(o *ProbeOptions) { o.Match = map[string]string{"team": "shop"} }))
	probetest.Refuses(t, Kind(hub),
		probetest.Bad{Name: "no expression", Options: o(func(o *ProbeOptions) { o.Match = map[string]string{"a": "("} }), Option: "match.a", Want: "match.a: error parsing regexp: missing closing ): `\\A(?:()\\z`"},
		probetest.Bad{Name: "forgets at once", Options: o(func(o *ProbeOptions) { o.Forget = time.Second }), Option: "forget", Want: "forget: 1s is outside 1m..720h"},
	)
}

func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"}}]}`))
	hub := NewHub(Options{})
	k, err := newKeeper(hub, &ProbeOptions{Forget: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	hub.attached.Join("a", "b", k)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		hub.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, bytes.NewReader(body)))
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
