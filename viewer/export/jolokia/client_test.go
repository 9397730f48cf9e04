package jolokia

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/tree/grant"
)

// TestRealClients asks an agent with npm's jolokia.js and @jolokia.js/simple.
func TestRealClients(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	installClients(t)
	r := newRig(t, nil)
	agent := httptest.NewServer(as(r.server, grant.Anonymous))
	defer agent.Close()
	defer r.server.Close() // ends the streams before the server waits for them
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "client.mjs", agent.URL+"/jolokia")
	cmd.Dir = "testdata/client"
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("FAILED")) {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := strings.Count(string(out), "ok "); got != 12 {
		t.Errorf("%d checks passed, want 12:\n%s", got, out)
	}
}

// installClients brings the packages that package-lock.json names, unless they are
// there.
func installClients(t *testing.T) {
	t.Helper()
	const dir = "testdata/client"
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "jolokia.js", "package.json")); err == nil {
		return
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed, and so jolokia.js is not there")
	}
	if os.Getenv("INSTALL") == "no" {
		t.Skip("jolokia.js is not there, and INSTALL=no keeps it from being installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}
