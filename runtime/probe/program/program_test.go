package program

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script writes an executable shell script and returns its path, free of links.
func script(t *testing.T, body string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "check")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func allow(t *testing.T, rules ...string) *Policy {
	t.Helper()
	p, err := ParsePolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicy(t *testing.T) {
	good := script(t, "exit 0")
	dir := filepath.Dir(good)
	link := filepath.Join(dir, "link")
	outside := filepath.Join(dir, "outside")
	other := script(t, "exit 0")
	for _, err := range []error{os.Symlink(good, link), os.Symlink(other, outside)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mode := func(m os.FileMode) string {
		path := script(t, "exit 0")
		if err := os.Chmod(path, m); err != nil {
			t.Fatal(err)
		}
		return path
	}
	setuid, loose, plain := mode(0o755|os.ModeSetuid), mode(0o757), mode(0o644)
	for _, tt := range []struct {
		name   string
		policy *Policy
		file   string
		want   string // the whole error; empty: allowed
	}{
		{"all", allow(t, "all"), good, ""},
		{"the file", allow(t, good), good, ""},
		{"its directory", allow(t, dir+"/"), good, ""},
		{"a directory above", allow(t, filepath.Dir(dir)+"/"), good, ""},
		{"a link within", allow(t, dir+"/"), link, ""},
		{"a rule that is a link", allow(t, link), good, ""},
		{"nothing", allow(t), good, "command is not allowed: " + good + " is not in the list of allowed commands (flag --commands of grove serve)"},
		{"the default", nil, good, "command is not allowed: " + good + " is not in the list of allowed commands (flag --commands of grove serve)"},
		{"a link that leads out", allow(t, dir+"/"), outside, "command is not allowed: " + outside + " (" + other + ") is not in the list of allowed commands (flag --commands of grove serve)"},
		{"a name that only begins alike", allow(t, strings.TrimSuffix(good, "k")), good, "command is not allowed: " + good + " is not in the list of allowed commands (flag --commands of grove serve)"},
		{"setuid", allow(t, "all"), setuid, "command is not allowed: " + setuid + " would run with the rights of its owner (setuid or setgid)"},
		{"writable by everybody", allow(t, "all"), loose, "command is not allowed: everybody may write to " + loose},
		{"not executable", allow(t, "all"), plain, "command is not allowed: " + plain + " is not executable"},
		{"a directory", allow(t, "all"), dir, "command is not allowed: " + dir + " is not a regular file"},
		{"nowhere", allow(t, "all"), "no-such-program", `no program "no-such-program" in ` + strings.Join(SearchPath, ":")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.policy.Resolve(tt.file)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.want {
				t.Errorf("got  %q, %q\nwant %q", got, text, tt.want)
			}
			if strings.HasPrefix(tt.want, "command is not allowed") && !errors.Is(err, ErrDenied) {
				t.Error("it is not ErrDenied")
			}
		})
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	for rule, want := range map[string]string{
		"ls":           `command rule 1: "ls" is neither all nor an absolute path without detours`,
		"/usr/../bin/": `command rule 1: "/usr/../bin/" is neither all nor an absolute path without detours`,
		"/":            `command rule 1: say all to allow every file`,
	} {
		if _, err := ParsePolicy([]string{rule}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", rule, err, want)
		}
	}
}

// TestAProgramOfGrovesOwn: what grove itself names needs no list, unless there is one.
func TestAProgramOfGrovesOwn(t *testing.T) {
	good := script(t, "exit 0")
	for name, tt := range map[string]struct {
		policy *Policy
		denied bool
	}{"no list": {nil, false}, "a list with it": {allow(t, good), false}, "another list": {allow(t), true}} {
		got, err := tt.policy.ResolveOwn(good)
		if errors.Is(err, ErrDenied) != tt.denied || (got == good) == tt.denied {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// TestRun: what a program writes, how it ended, and that it is told when nobody reads.
func TestRun(t *testing.T) {
	run := func(body string, output io.Writer) (Finding, string, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		errs := &Bounded{Max: 100}
		path := script(t, body)
		f, err := Run(ctx, Command{Path: path, Args: []string{"check", "a b"}, Env: []string{"A=1", "PATH=/usr/bin:/bin"}, Output: output, Errors: errs})
		return f, string(errs.Bytes()), err
	}
	out := &Bounded{Max: 10}
	f, errs, err := run(`echo "$1 $A 0123456789"; echo no >&2; exit 3`, out)
	if err != nil || f.Status != 3 || errs != "no\n" || string(out.Bytes()) != "a b 1 0123" || !out.Cut() || f.Duration <= 0 {
		t.Errorf("got %+v, %q, %q, %v", f, out.Bytes(), errs, err)
	}
	if f, _, err := run("kill -TERM $$", out); err != nil || f.Status != 128+15 {
		t.Errorf("got %+v, %v", f, err)
	}
	enough := errors.New("enough")
	if _, _, err := run("while echo more; do :; done 2>/dev/null", refusing{enough}); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

// refusing takes nothing.
type refusing struct{ err error }

func (r refusing) Write([]byte) (int, error) { return 0, r.err }
