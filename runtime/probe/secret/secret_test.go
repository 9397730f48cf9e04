package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReferencesThatAreWrong(t *testing.T) {
	for _, c := range []struct{ ref, want string }{
		{"hunter2", "a secret is given by reference: file:/path, env:NAME or credential:NAME"},
		{"file:token", "after file: there must be an absolute path without detours"},
		{"file:/etc/../hunter2", "after file: there must be an absolute path without detours"},
		{"file:", "after file: there must be an absolute path without detours"},
		{"env:", "after env: there must be the name of an environment variable"},
		{"env:hunter 2", "after env: there must be the name of an environment variable"},
		{"credential:", "after credential: there must be the name of a credential: letters, digits, dots, - and _, not beginning with a dot"},
		{"credential:../hunter2", "after credential: there must be the name of a credential: letters, digits, dots, - and _, not beginning with a dot"},
		{"credential:.hunter2", "after credential: there must be the name of a credential: letters, digits, dots, - and _, not beginning with a dot"},
		{"env:2X", "after env: there must be the name of an environment variable"},
	} {
		for _, err := range []error{Ref(c.ref).Check(), second((*Policy)(nil).Read(Ref(c.ref)))} {
			if err == nil || err.Error() != c.want {
				t.Errorf("%q: error %v, want %s", c.ref, err, c.want)
			}
		}
	}
}

func second(_ string, err error) error { return err }

func write(t *testing.T, file, content string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRead(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	in := write(t, filepath.Join(dir, "token"), "s3cret\r\n")
	out := write(t, filepath.Join(outside, "token"), "other")
	empty := write(t, filepath.Join(dir, "empty"), "\n")
	huge := write(t, filepath.Join(dir, "huge"), strings.Repeat("x", MaxSize+1))
	link, inner, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "inner"), filepath.Join(dir, "pipe")
	for _, err := range []error{os.Symlink(out, link), os.Symlink("token", inner), syscall.Mkfifo(pipe, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SHOP_TOKEN", "from env")
	t.Setenv("GROVE_PASSWORD", "own")
	t.Setenv("EMPTY", "")
	listed, err := NewPolicy([]string{outside + "/none", dir}, []string{"GROVE_PASSWORD"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		policy *Policy
		ref    string
		want   string // of the secret
		err    string
	}{
		{"none", nil, "", "", ""},
		{"file", nil, "file:" + in, "s3cret", ""},
		{"any file", nil, "file:" + link, "other", ""},
		{"variable", nil, "env:SHOP_TOKEN", "from env", ""},
		{"grove's own variable", nil, "env:GROVE_PASSWORD", "", "environment variable GROVE_PASSWORD: not allowed to definitions"},
		{"empty variable", nil, "env:EMPTY", "", "environment variable EMPTY is not set, or empty"},
		{"empty file", nil, "file:" + empty, "", empty + " is empty"},
		{"huge file", nil, "file:" + huge, "", huge + " has 1048577 bytes, more than 1048576"},
		{"pipe", nil, "file:" + pipe, "", pipe + " is not a regular file"},
		{"directory", nil, "file:" + dir, "", dir + " is not a regular file"},
		{"missing file", nil, "file:" + in + "x", "", "open " + in + "x: no such file or directory"},
		{"listed file", listed, "file:" + in, "s3cret", ""},
		{"link within", listed, "file:" + inner, "s3cret", ""},
		{"link out", listed, "file:" + link, "", link + ": not allowed to definitions: openat link: path escapes from parent"},
		{"other file", listed, "file:" + out, "", out + ": not allowed to definitions"},
		{"listed variable", listed, "env:GROVE_PASSWORD", "own", ""},
		{"other variable", listed, "env:SHOP_TOKEN", "", "environment variable SHOP_TOKEN: not allowed to definitions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.policy.Read(Ref(c.ref))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != c.want || text != c.err {
				t.Errorf("got %q, error %q; want %q, error %q", got, text, c.want, c.err)
			}
			if denied := strings.Contains(c.err, "not allowed"); denied != errors.Is(err, ErrDenied) {
				t.Errorf("error is ErrDenied: %t, want %t", !denied, denied)
			}
		})
	}
}

// TestCredentials reads what systemd puts into a directory for a unit: see
// systemd.exec(5), CREDENTIALS.
func TestCredentials(t *testing.T) {
	listed, err := NewPolicy([]string{t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err = listed.Read("credential:shop")
	if err == nil || err.Error() != "credential shop: the manager has none: start it by systemd, with LoadCredential=shop:/path in its unit" {
		t.Error(err)
	}
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	write(t, filepath.Join(dir, "shop.password"), "s3cret\n")
	write(t, filepath.Join(dir, "empty"), "")
	outside := write(t, filepath.Join(t.TempDir(), "token"), "other")
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[Ref]string{
		"credential:empty": "credential empty is empty",
		"credential:none":  "credential none: the manager's unit has none of this name: LoadCredential=none:/path: openat none: no such file or directory",
		"credential:link":  "credential link: " + filepath.Join(dir, "link") + ": not allowed to definitions: openat link: path escapes from parent",
	} {
		if got, err := listed.Read(ref); got != "" || err == nil || err.Error() != want {
			t.Errorf("%s: %q, error %v, want %s", ref, got, err, want)
		}
	}
	got, err := listed.Read("credential:shop.password") // although no directory of the policy has it
	if got != "s3cret" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPoliciesThatAreWrong(t *testing.T) {
	if _, err := NewPolicy([]string{"secrets"}, nil); err == nil || err.Error() != `secrets: directory "secrets": is not an absolute path` {
		t.Error(err)
	}
	if _, err := NewPolicy(nil, []string{"A B"}); err == nil || err.Error() != `variable "A B": is not the name of an environment variable` {
		t.Error(err)
	}
}
