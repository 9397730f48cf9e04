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
	text = strings.ReplaceAll("remote_write:"+text, "/srv/www/status", t.TempDir())
	e, err := readExports(writeExports(t, text))
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
		"an unknown key":    {"remote_wite: []\n", `exports.yaml:1:1: unknown key "remote_wite" (did you mean "remote_write"?)`},
		"one further down":  {"otlp:\n- name: a\n  ulr: x\n", `exports.yaml:3:3: unknown key "ulr" (did you mean "url"?)`},
		"one of access":     {"remote_write:\n- basic: { usr: x }\n", `exports.yaml:2:12: unknown key "usr" (did you mean "user"?)`},
		"no list":           {"otlp: { name: a }\n", "exports.yaml:1:7: a list, each element with a dash before it, is wanted here"},
		"no map":            {"otlp: [a]\n", "exports.yaml:1:8: a map of keys and values is wanted here"},
		"two documents":     {"otlp: []\n---\notlp: []\n", "one document is wanted"},
		"a wrong time":      {"otlp:\n- { name: a, url: 'http://x', every: soon }\n", "exports.yaml"},
		"a directory":       {"directories: [here]\n", `directories[0]: "here" is no absolute path of a directory that is there`},
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
	for name, text := range map[string]string{"an empty file": "", "comments": "# nothing\n", "an empty list": "otlp:\n"} {
		if e, err := readExports(writeExports(t, text)); err != nil || len(e.OTLP) > 0 {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if _, err := readExports(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is no error")
	}
}
