package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/cmd/app"
	"grove/tree"
	"grove/viewer"
)

// TestBrokenDefinitionIsKept shows a definition that is its own instance as kept, with
// what is wrong, and plans nothing that has no room beside it.
func TestBrokenDefinitionIsKept(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const shop = "grove: 1\napplication: shop\nat: /shop\ntree:\n  Load: { kind: performance, mode: push, yellow: \"> 5\" }\n"
	write("shop.yaml", shop)
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Definitions: dir, NoHost: true})
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
	a.Reload()
	write("shop.yaml", strings.Replace(shop, "yellow", "yelow", 1))
	write("another.yaml", strings.Replace(shop, "application: shop", "application: another", 1))
	a.Reload()
	wrong := viewer.Fault{File: filepath.Join(dir, "shop.yaml"), Line: 5, Column: 42, Message: `unknown setting "yelow" (did you mean "yellow"?)`}
	found := false
	for _, i := range a.Definitions().Instances {
		if i.Name != "shop" {
			continue
		}
		found = true
		if d := cmp.Diff([]viewer.Fault{wrong}, i.Errors); d != "" || i.State != "kept" {
			t.Errorf("shop is %s: %s", i.State, d)
		}
	}
	if !found {
		t.Error("shop is not there")
	}

	res, err := http.Post("http://"+a.Addr().String()+"/api/v1/plan", "application/json", bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var plan app.PlanAnswer
	if err := json.NewDecoder(res.Body).Decode(&plan); err != nil {
		t.Fatal(err)
	}
	want := app.PlanAnswer{Text: "nothing would change\n", Errors: []viewer.Fault{
		{File: filepath.Join(dir, "another.yaml"), Line: 1, Column: 1, Message: `node /shop of instance "another" is there already: instance "shop" has it, and goes on as it was`}, wrong,
	}}
	if d := cmp.Diff(want, plan); d != "" {
		t.Errorf("plan: -want +got\n%s", d)
	}
}

// TestDefinitionsThatAreGoneAreKept since a directory that is not mounted asks nobody
// to stop watching.
func TestDefinitionsThatAreGoneAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "definitions")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const shop = "grove: 1\napplication: shop\nat: /shop\ntree:\n  Load: { kind: performance, mode: push }\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Definitions: dir, NoHost: true})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	defer func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	state := func() (state string) {
		a.Reload()
		for _, i := range a.Definitions().Instances {
			if i.Name == "shop" {
				state = i.State
				if len(i.Errors) > 0 {
					state += ": " + i.Errors[0].Message
				}
			}
		}
		return state
	}
	if got := state(); got != "running" {
		t.Errorf("before: %q", got)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if got, want := state(), "kept: the directory is gone: what it asked for goes on as it was"; got != want {
		t.Errorf("while it is away: %q, want %q", got, want)
	}
	if _, err := a.Tree.Node(tree.MustPath("/shop/Load")); err != nil {
		t.Error(err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != "running" {
		t.Errorf("after: %q", got)
	}
}
