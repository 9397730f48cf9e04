package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grove/cmd/app"
	"grove/viewer/system"
)

// TestSystemTellsOfItself asks a manager how it is, and for the files that it knows.
func TestSystemTellsOfItself(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"shop.yaml":   "grove: 1\napplication: shop\nat: /shop\ninclude: [part.yaml]\ntree:\n  Load: { kind: performance, mode: push }\n",
		"part.yaml":   "grove: 1\nparameters:\n  level: { default: 5 }\n",
		"broken.yaml": "grove: 1\napplication: broken\npassword: hunter2\n",
		"notes.txt":   "not a definition",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: data, Definitions: dir, NoHost: true, Name: "north"})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	get := func(path string, into any) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}

	var s system.System
	if status := get("/api/v1/system", &s); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	found := map[string]bool{}
	for _, g := range s.Groups {
		for _, f := range g.Figures {
			found[g.Name+"/"+f.Name] = true
			if f.Value != nil && f.Unit == "" {
				t.Errorf("%s/%s is %v without a unit", g.Name, f.Name, *f.Value)
			}
			if f.Value == nil && f.Text == "" && f.Time == "" && f.Name != "Version" && f.Name != "Revision" {
				t.Errorf("%s/%s says nothing", g.Name, f.Name)
			}
		}
	}
	for _, name := range []string{
		"manager/Up for", "manager/Access", "process/Memory resident", "tree/Readings", "schedule/Lateness", "definitions/Errors",
		"history/State", "history/Disk limit", "database/Journal queue", "viewers/Live viewers",
	} {
		if !found[name] {
			t.Errorf("no figure %s", name)
		}
	}

	var m system.Managers
	get("/api/v1/managers", &m)
	if len(m.Managers) != 1 || m.Managers[0].Name != "north" || len(m.Managers[0].Ways) == 0 || len(m.Managers[0].Capabilities) == 0 || len(m.Links) != 0 {
		t.Errorf("managers: %+v", m)
	}

	outside := filepath.Join(data, "facts.db")
	for file, want := range map[string]string{
		filepath.Join(dir, "shop.yaml"):   "200 shop.yaml at: /shop",
		filepath.Join(dir, "part.yaml"):   "200 part.yaml level",
		filepath.Join(dir, "broken.yaml"): "200 broken.yaml password: ••••",
		"builtin:grove/grove.yaml":        "200  application: grove",
		filepath.Join(dir, "notes.txt"):   "404",
		filepath.Join(dir, "none.yaml"):   "404",
		outside:                           "404",
		filepath.Join(dir, "../x.yaml"):   "404",
		"shop.yaml":                       "404",
		"builtin:../app.go":               "404",
	} {
		var source system.SourceText
		status := get("/api/v1/sources?file="+url.QueryEscape(file), &source)
		got := fmt.Sprint(status)
		if status == http.StatusOK {
			got += " " + source.DropIn + " " + source.Text
		}
		parts := strings.SplitN(want, " ", 3)
		if status == http.StatusOK && len(parts) == 3 {
			if !strings.HasPrefix(got, parts[0]+" "+parts[1]) || !strings.Contains(got, parts[2]) {
				t.Errorf("%s: %s, want %s", file, got, want)
			}
		} else if got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}
