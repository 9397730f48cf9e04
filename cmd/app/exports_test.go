package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportsOfTheREADME sees that the file which people copy is understood whole.
func TestExportsOfTheREADME(t *testing.T) {
	readme, err := os.ReadFile("../../viewer/export/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```yaml\nremote_write:")
	text, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the README has no file of exports")
	}
	e, err := readExports(writeExports(t, "remote_write:"+text))
	if err != nil {
		t.Fatal(err)
	}
	if len(e.RemoteWrite) != 1 || len(e.OTLP) != 1 || len(e.Publish) != 2 || len(e.Directories) != 1 {
		t.Errorf("understood %+v", e)
	}
}

func writeExports(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "exports.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExportsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key":    {"remote_wite: []\n", "remote_wite"},
		"a wrong type":      {"otlp: 3\n", "line 1"},
		"a bad target":      {"otlp:\n- { name: a, url: 'ftp://x' }\n", "otlp[0]: a: url: http://HOST:PORT or https://HOST is wanted"},
		"a bad store":       {"remote_write:\n- { name: a, url: 'ftp://x' }\n", "remote_write[0]: url"},
		"a bad publication": {"publish:\n- { name: a, what: poem }\n", `what: "poem": document or report`},
		"too large":         {strings.Repeat("# x\n", maxExportsBytes/4+1), "is larger than 1048576 bytes"},
	} {
		if _, err := readExports(writeExports(t, c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if e, err := readExports(""); err != nil || len(e.OTLP) > 0 {
		t.Errorf("no file: %+v, %v", e, err)
	}
	if _, err := readExports(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is no error")
	}
}
