package targets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
)

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// read runs a probe once and writes what it found.
func read(t *testing.T, policy *files.Policy, o *Options) (string, error) {
	t.Helper()
	p, err := Kind(policy).New(o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Run(t.Context())
	var b strings.Builder
	for _, v := range r.Values {
		if v.Attribute == "state" || v.Attribute == "error" || v.Attribute == "files" || v.Attribute == "count" {
			b.WriteString(v.Value.String() + " ")
		}
	}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			b.WriteString("| " + row[0].String() + " " + row[3].String())
		}
	}
	return strings.Join(strings.Fields(b.String()), " "), err
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.json"), `[{"targets":["web1:80","web2:80"],"labels":{"shop":"berlin"}}]`)
	b := write(t, filepath.Join(dir, "b.yml"), "- targets: [web3:80]\n")
	plain := write(t, filepath.Join(dir, "list"), "web4\nweb1:80 # again\n")
	broken := write(t, filepath.Join(dir, "broken.json"), `[{"targets":`)
	write(t, filepath.Join(dir, ".hidden.txt"), "x\n")
	write(t, filepath.Join(dir, "one.txt"), "web5\n")
	if err := os.Mkdir(filepath.Join(dir, "dir.txt"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"all forms":      {Options{Files: []string{a, b, plain}}, "up 3 4 | web1:80 berlin| web2:80 berlin| web3:80 | web4"},
		"a pattern":      {Options{Files: []string{dir + "/*.txt"}}, "up 1 1 | web5"},
		"nothing yet":    {Options{Files: []string{dir + "/*.none"}}, "up 0 0"},
		"another format": {Options{Files: []string{b}, Format: "plain"}, "malformed " + b + `: "- targets: [web3:80]" is no target: an address such as web1:80, of at most 512 bytes`},
		"one is broken":  {Options{Files: []string{a, broken}}, "malformed " + broken + `: it is no list of groups such as [{"targets": ["web1:80"], "labels": {}}]: unexpected EOF`},
		"one is missing": {Options{Files: []string{a, dir + "/c"}}, "missing open " + dir + "/c: no such file or directory"},
		"no directory":   {Options{Files: []string{dir + "/c/*"}}, "missing open " + dir + "/c: no such file or directory"},
		"a directory":    {Options{Files: []string{dir}}, "failed " + dir + " is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Labels = []string{"shop"}
			got, err := read(t, nil, &c.options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPolicy keeps definitions from lists that the operator did not allow, links included.
func TestPolicy(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	secret := write(t, filepath.Join(outside, "secret.txt"), "web1\n")
	if err := os.Symlink(secret, filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	policy, err := files.NewPolicy([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{secret, outside + "/*.txt", dir + "/*.txt"} {
		got, err := read(t, policy, &Options{Files: []string{name}, Labels: []string{"x"}})
		if !errors.Is(err, files.ErrDenied) || got != "" {
			t.Errorf("%s: %q, error %v", name, got, err)
		}
	}
}

func TestContract(t *testing.T) {
	list := write(t, filepath.Join(t.TempDir(), "list"), "web1:80\n")
	probetest.Run(t, Kind(nil), &Options{Files: []string{list}, Labels: []string{"shop"}})
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no files", Options: &Options{}, Option: "files", Want: "files: is missing"},
		probetest.Bad{Name: "many files", Options: &Options{Files: make([]string, 101)}, Option: "files", Want: "files: 101 of them, more than 100"},
		probetest.Bad{Name: "relative", Options: &Options{Files: []string{"a"}}, Option: "files[0]", Want: `files[0]: "a" is not an absolute path without detours`},
		probetest.Bad{Name: "pattern of directories", Options: &Options{Files: []string{"/a*/b"}}, Option: "files[0]", Want: `files[0]: "/a*/b": * and ? stand only in the last part`},
		probetest.Bad{Name: "no pattern", Options: &Options{Files: []string{"/a/[b"}}, Option: "files[0]", Want: `files[0]: "/a/[b" is no pattern: a bracket is not closed, or a backslash ends it`},
		probetest.Bad{Name: "format", Options: &Options{Files: []string{"/a"}, Format: "xml"}, Option: "format", Want: `format: "xml" is none of json, yaml and plain`},
		probetest.Bad{Name: "label", Options: &Options{Files: []string{"/a"}, Labels: []string{"port"}}, Option: "labels[0]", Want: `labels[0]: "port" is a column already`},
	)
	var _ probe.Probe = &targetsProbe{}
}
