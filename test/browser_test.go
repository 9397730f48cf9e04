package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestPage uses the page in Debian's chromium, served by the real program: see
// viewer/web/test/real.mjs.
func TestPage(t *testing.T) {
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		chromium = "/usr/bin/chromium"
	}
	web := filepath.Join(root, "viewer", "web")
	node, err := exec.LookPath("node")
	for _, needed := range []string{chromium, filepath.Join(web, "node_modules", "playwright-core"), filepath.Join(web, "dist", "index.html"), node} {
		if _, missing := os.Stat(needed); missing != nil || err != nil {
			t.Skipf("there is no %s: make test brings it", needed)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "test/real.mjs")
	cmd.Dir = web
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
}
