package documenttest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"grove/viewer/export/document/static"
)

// Tool finds a program, or skips the test.
func Tool(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return p
}

// Validate holds XML to the schema with xmllint.
func Validate(t *testing.T, xml []byte) {
	t.Helper()
	program := Tool(t, "xmllint")
	schema, _ := static.File(static.SchemaXSD)
	file := filepath.Join(t.TempDir(), static.SchemaXSD)
	if err := os.WriteFile(file, schema, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--noout", "--nonet", "--schema", file, "-")
	cmd.Stdin = bytes.NewReader(xml)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, clipLines(string(out)))
	}
}

func clipLines(s string) string {
	if lines := strings.SplitAfterN(s, "\n", 20); len(lines) == 20 {
		return strings.Join(lines[:19], "")
	}
	return s
}
