package secure_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// TestPolicy: of a file that definitions may not read they do not even learn whether it
// is there, nor whether it changes.
func TestPolicy(t *testing.T) {
	allowed, other := t.TempDir(), t.TempDir()
	policy, err := secret.NewPolicy([]string{allowed}, nil)
	if err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(other, "there.pem")
	if err := os.WriteFile(there, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(allowed, "link.pem")
	if err := os.Symlink(there, link); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{there, filepath.Join(other, "absent.pem"), link} {
		for option, o := range map[string]secure.Options{
			"tls.ca": {CA: file}, "tls.certificate": {Certificate: file, Key: file},
		} {
			var f secure.Files
			_, err := f.Load(o, policy)
			if !errors.Is(err, secret.ErrDenied) || errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s %s: got %v, want a refusal", option, file, err)
			}
		}
	}
	var f secure.Files
	if _, err := f.Load(secure.Options{CA: filepath.Join(allowed, "absent.pem")}, policy); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that may be read: got %v", err)
	}
}
