package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAlertmanagerKeepsQuiet gives alerts to a real Alertmanager with the configuration,
// and asks which of them it holds back.
func TestAlertmanagerKeepsQuiet(t *testing.T) {
	const program = "/usr/bin/prometheus-alertmanager"
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	text, err := Alertmanager(AlertmanagerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.conf")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // It was only to find a free port.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, program, "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // It was sent away.
		if t.Failed() {
			t.Logf("alertmanager says:\n%s", log.String())
		}
	})

	type alert struct {
		Labels map[string]string `json:"labels"`
		Status struct {
			InhibitedBy []string `json:"inhibitedBy"`
		} `json:"status"`
	}
	var alerts []alert
	for _, a := range []string{
		"instance critical /a /a /a/Up",        // it cannot be asked
		"node warning /a /a/Load /a/Load/1",    // below it
		"node critical /a /a/Disk /a/Disk/sda", // below it
		"group critical /b /b/Ports /b/Ports",  // a roll-up of its own
		"node critical /b /b/Ports /b/Ports/1", // directly below it
		"node critical /b /b/Ports/2 /b/Ports/2/In",
		"node critical /b /b/Load /b/Load/1", // the same node twice
		"node warning /b /b/Load /b/Load/1",
		"node warning /b /b/Load /b/Load/5",
		"instance warning /c /c /c/Up", // a warning keeps nobody quiet
		"node warning /c /c/Load /c/Load/1",
	} {
		f := strings.Fields(a)
		alerts = append(alerts, alert{Labels: map[string]string{
			"alertname": "X", "application": "it", "scope": f[0], "severity": f[1], "at": f[2], "parent": f[3], "path": f[4],
		}})
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	ask := func() error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v2/alerts", bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res, err = http.Get("http://" + address + "/api/v2/alerts"); err != nil { //nolint:noctx // The test's own server.
			return err
		}
		defer res.Body.Close()
		var back []alert
		if err := json.NewDecoder(res.Body).Decode(&back); err != nil {
			return err
		}
		got = nil
		for _, a := range back {
			if len(a.Status.InhibitedBy) > 0 {
				got = append(got, fmt.Sprintf("%s %s", a.Labels["severity"], a.Labels["path"]))
			}
		}
		slices.Sort(got)
		if len(back) != len(alerts) {
			return fmt.Errorf("%d alerts of %d", len(back), len(alerts))
		}
		return nil
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	want := []string{"critical /a/Disk/sda", "critical /b/Ports/1", "warning /a/Load/1", "warning /b/Load/1"}
	for err := ask(); err != nil || !slices.Equal(got, want); err = ask() {
		select {
		case <-ctx.Done():
			t.Fatalf("%v -want +got\n%s", err, cmp.Diff(want, got))
		case <-tick.C:
		}
	}
}
