package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC
	goleak.VerifyTestMain(m)
}

// run runs a command line and returns what it wrote.
func run(t *testing.T, args ...string) (code Exit, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(context.Background(), Process{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
	})
	return code, out.String(), errs.String()
}

func TestConfigurationFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("listen: [a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none.yaml")
	for file, want := range map[string]string{
		broken: "grove: configuration: " + broken + ":2:1: ",
		none:   "grove: configuration: open " + none + ": no such file or directory\n",
	} {
		code, _, stderr := run(t, "serve", "--config", file)
		if code != Usage || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: exit code %d, %s", file, code, stderr)
		}
	}
}

// TestGetShowsTheWholeValue since the reason why a definition is not loaded is one.
func TestGetShowsTheWholeValue(t *testing.T) {
	long := "data/definitions/backup.yaml:9:5: unknown setting \"yelow\" (did you mean \"yellow\"?)"
	body := `{"path":"/grove/Definitions/backup","name":"backup","kind":"status","status":"red","value":` + strconv.Quote(long) +
		`,"cause":["/grove/Definitions/backup"]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	code, stdout, stderr := run(t, "get", "--server", strings.TrimPrefix(server.URL, "http://"), "/grove/Definitions/backup")
	want := "■ /grove/Definitions/backup\n  status  red\n  value   " + long + "\n  kind    status\n"
	if code != OK || stdout != want {
		t.Errorf("exit code %d, got\n%s\nwant\n%s%s", code, stdout, want, stderr)
	}
}

func TestListenOnNoPort(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:99999": "grove: configuration: --listen \"127.0.0.1:99999\": a port is a number from 0 to 65535, and 0 picks a free one\n",
		"7440":            "grove: configuration: --listen \"7440\": host:port is wanted, such as 127.0.0.1:7440: address 7440: missing port in address\n",
	} {
		if code, _, stderr := run(t, "serve", "--listen", address, "--data", t.TempDir()); code != Usage || stderr != want {
			t.Errorf("%s: exit code %d, %s", address, code, stderr)
		}
	}
}
