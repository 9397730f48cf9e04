package app_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/cmd/app"
	"grove/viewer"
	"grove/viewer/record"
)

// TestActsOnANode tunes, restarts, asks and undoes over the web, and looks into the
// audit log.
func TestActsOnANode(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	const shop = "grove: 1\napplication: shop\nat: /shop\nprobes:\n  host: { kind: host, every: 1h }\ntree:\n  Load: { from: host.load_1, yellow: \"> 1e6\" }\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	var a *app.App
	start := func() {
		t.Helper()
		var err error
		if a, err = app.New(app.Config{Listen: "127.0.0.1:0", Data: data, Definitions: dir, NoHost: true}); err != nil {
			t.Fatal(err)
		}
		a.Start()
	}
	stop := func() {
		t.Helper()
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	call := func(method, path, body string, into any) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatalf("%s %s: %d, %v", method, path, res.StatusCode, err)
		}
		return res.StatusCode
	}
	start()
	var n viewer.Details
	if status := call("POST", "/api/v1/ask/shop/Load", "", &n); status != http.StatusOK || n.Value == nil || n.Status != "green" {
		t.Fatalf("asked: %d %+v", status, n)
	}
	if len(n.Beans) != 1 {
		t.Fatalf("the beans are %+v", n.Beans)
	}
	b := n.Beans[0]
	if b.Source != "host" || b.Kind != "host" || b.Instance != "shop" || b.Every != "1h" || !b.Started || b.Runs == 0 || b.Bean != `grove:type=RuntimeBean,instance="shop",name=host,kind=host` {
		t.Errorf("the bean is %+v", b)
	}
	var names []string
	for _, o := range n.Operations {
		names = append(names, strings.TrimPrefix(o.Source+"."+o.Name, "."))
	}
	if d := cmp.Diff([]string{"refresh", "reset", "causes", "events", "host.start", "host.stop", "host.run", "host.announce"}, names); d != "" {
		t.Errorf("operations (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"ask", "operate", "thresholds"}, n.May); d != "" {
		t.Errorf("may (-want +got):\n%s", d)
	}

	if status := call("PUT", "/api/v1/thresholds/shop/Load", `{"red": "> -1"}`, &n); status != http.StatusOK || n.Status != "red" {
		t.Fatalf("tuned: %d %+v", status, n)
	}
	stop()
	start()
	defer stop()
	n = viewer.Details{}
	if call("GET", "/api/v1/nodes/shop/Load", "", &n); n.Thresholds == nil || n.Thresholds.Red != "> -1" || !n.Thresholds.Tuned {
		t.Errorf("after a restart: %+v", n.Thresholds)
	}
	n = viewer.Details{}
	if status := call("DELETE", "/api/v1/thresholds/shop/Load", "", &n); status != http.StatusOK || n.Thresholds.Yellow != "> 1e+06" || n.Thresholds.Tuned {
		t.Errorf("undone: %d %+v", status, n.Thresholds)
	}
	var log record.Audited
	call("GET", "/api/v1/audit?target=/shop/Load", "", &log)
	var got []string
	for _, r := range log.Records {
		got = append(got, r.Who+" "+r.Action+" "+r.Outcome)
	}
	want := []string{"anonymous thresholds delete ok", "anonymous thresholds delete begun", "anonymous thresholds put ok", "anonymous thresholds put begun"}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("the audit log (-want +got):\n%s", d)
	}
	if put := log.Records[2]; !strings.Contains(put.Became, `"red":"> -1"`) || !strings.Contains(put.Was, `"yellow":"> 1e+06"`) {
		t.Errorf("thresholds put: was %s, became %s", put.Was, put.Became)
	}
}
