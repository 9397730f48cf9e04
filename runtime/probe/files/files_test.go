package files_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"grove/runtime/probe/files"
)

func write(t *testing.T, file, content string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRead(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	in, out := write(t, dir+"/in", "1234"), write(t, outside+"/out", "x")
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink(out, link), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	listed, err := files.NewPolicy([]string{outside + "/none", dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		policy *files.Policy
		file   string
		most   int64
		want   string // part of the error
		denied bool
	}{
		{"by default everything", nil, out, 9, "", false},
		{"what is listed", listed, in, 4, "", false},
		{"what is not", listed, out, 9, "not allowed to definitions", true},
		{"a link that leads out", listed, link, 9, "not allowed to definitions", true},
		{"a way out", listed, dir + "/../x", 9, "not allowed to definitions", true},
		{"a pipe", nil, pipe, 9, "is not a regular file", false},
		{"a directory", nil, dir, 9, "is not a regular file", false},
		{"more than wanted", nil, in, 3, "has 4 bytes, more than 3", false},
		{"more than its size says", nil, "/proc/self/status", 10, "has more than 10 bytes", false},
		{"a file that is not there", listed, dir + "/none", 9, "no such file", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.policy.Read(tt.file, tt.most)
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("error %v, want one with %q", err, tt.want)
			case errors.Is(err, files.ErrDenied) != tt.denied:
				t.Errorf("%v: refused by the policy is %v, want %v", err, !tt.denied, tt.denied)
			}
		})
	}
	if _, err := files.NewPolicy([]string{"var/log"}); err == nil {
		t.Error("a relative directory is taken")
	}
	if files.CheckPath("/var/log/../x") == nil || files.CheckPath("x") == nil || files.CheckPath("/var/log/x") != nil {
		t.Error("CheckPath takes a detour or a relative path, or refuses a plain one")
	}
}
