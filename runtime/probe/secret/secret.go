// Package secret reads the secrets that a definition names but does not hold:
// "file:/etc/grove/token" stands for what that file holds, "env:SHOP_TOKEN" for that
// environment variable of the manager, "credential:shop" for that credential which
// systemd hands to the manager's unit (LoadCredential=shop:/path, or encrypted with
// LoadCredentialEncrypted=). A secret is read where it is used and not kept, so that
// changing it needs no restart.
package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"grove/runtime/probe/files"
)

const (
	// MaxSize bounds a secret, and each file that a Policy opens, in bytes.
	MaxSize = 1 << 20
	// ownPrefix begins the variables by which grove itself is configured.
	ownPrefix = "GROVE_"
	// credentialsVariable names the directory in which systemd puts the credentials of a
	// unit: see systemd.exec(5), CREDENTIALS.
	credentialsVariable = "CREDENTIALS_DIRECTORY"
	// maxCredential is the longest name that systemd allows: that of a file.
	maxCredential = 255
)

// Forms says how a secret is referred to, for messages.
const Forms = "file:/path, env:NAME or credential:NAME"

// ErrDenied is what a Policy's refusals wrap.
var ErrDenied = files.ErrDenied

// Ref refers to a secret: "file:/absolute/path", "env:NAME" or "credential:NAME". The
// empty Ref refers to none. A Ref is no secret itself and may be shown, once Check has found no mistake.
type Ref string

// Looks says whether a text is meant to be a Ref.
func Looks(s string) bool {
	return strings.HasPrefix(s, "file:") || strings.HasPrefix(s, "env:") || strings.HasPrefix(s, "credential:")
}

// Check says whether r is well formed. Its error does not repeat r, which may be the
// secret itself, written there by mistake.
func (r Ref) Check() error {
	file, isFile := strings.CutPrefix(string(r), "file:")
	name, isEnv := strings.CutPrefix(string(r), "env:")
	credential, isCredential := strings.CutPrefix(string(r), "credential:")
	switch {
	case r == "":
		return nil
	case isFile && (!filepath.IsAbs(file) || filepath.Clean(file) != file || strings.ContainsRune(file, 0)):
		return errors.New("after file: there must be an absolute path without detours")
	case isEnv && !isVariable(name):
		return errors.New("after env: there must be the name of an environment variable")
	case isCredential && !isCredentialName(credential):
		return errors.New("after credential: there must be the name of a credential: letters, digits, dots, - and _, not beginning with a dot")
	case !isFile && !isEnv && !isCredential:
		return errors.New("a secret is given by reference: " + Forms)
	}
	return nil
}

// isCredentialName holds for the names that a unit may give to credentials and that do
// not lead out of their directory.
func isCredentialName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' && i > 0) {
			return false
		}
	}
	return s != "" && len(s) <= maxCredential
}

func isVariable(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	return s != ""
}

// Policy is what definitions may read. It never changes once it was made. A nil
// Policy is the default: every file that the manager may read, and every variable
// but those that begin with "GROVE_". Credentials may always be read: who wrote the
// unit gave them to the manager, and none reaches it otherwise.
type Policy struct {
	files *files.Policy
	env   []string
}

// NewPolicy allows the files in the given directories and the variables of the given
// names. An empty list of directories allows every file, and an empty list of names
// every variable but those that begin with "GROVE_".
func NewPolicy(dirs, variables []string) (*Policy, error) {
	allowed, err := files.NewPolicy(dirs)
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	for _, v := range variables {
		if !isVariable(v) {
			return nil, fmt.Errorf("variable %q: is not the name of an environment variable", v)
		}
	}
	return &Policy{files: allowed, env: slices.Clone(variables)}, nil
}

// Read returns the secret that r refers to, without the line break at its end. The
// error does not hold the secret.
func (p *Policy) Read(r Ref) (string, error) {
	if err := r.Check(); err != nil || r == "" {
		return "", err
	}
	if name, ok := strings.CutPrefix(string(r), "env:"); ok {
		return p.variable(name)
	}
	if name, ok := strings.CutPrefix(string(r), "credential:"); ok {
		return credential(name)
	}
	file := strings.TrimPrefix(string(r), "file:")
	b, err := p.ReadFile(file)
	if err != nil {
		return "", err
	}
	return content(b, file)
}

// content is the secret that a file holds.
func content(b []byte, file string) (string, error) {
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if s == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return s, nil
}

// credential reads what systemd handed over. Its directory is not that of a definition,
// so that the Policy has no say; a link does not lead out of it.
func credential(name string) (string, error) {
	dir := os.Getenv(credentialsVariable)
	if dir == "" {
		return "", fmt.Errorf("credential %s: the manager has none: start it by systemd, with LoadCredential=%s:/path in its unit", name, name)
	}
	within, err := files.NewPolicy([]string{dir})
	if err != nil {
		return "", fmt.Errorf("credential %s: %s: %w", name, credentialsVariable, err)
	}
	b, err := within.Read(filepath.Join(dir, name), MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("credential %s: the manager's unit has none of this name: LoadCredential=%s:/path: %w", name, name, err)
	}
	if err != nil {
		return "", fmt.Errorf("credential %s: %w", name, err)
	}
	return content(b, "credential "+name)
}

func (p *Policy) variable(name string) (string, error) {
	allowed := !strings.HasPrefix(name, ownPrefix)
	if p != nil && len(p.env) > 0 {
		allowed = slices.Contains(p.env, name)
	}
	if !allowed {
		return "", fmt.Errorf("environment variable %s: %w", name, ErrDenied)
	}
	s := os.Getenv(name)
	if s == "" {
		return "", fmt.Errorf("environment variable %s is not set, or empty", name)
	}
	return s, nil
}

// ReadFile returns what a file holds that a definition names. Links are followed only
// within the directory that is allowed.
func (p *Policy) ReadFile(file string) ([]byte, error) { return p.allowed().Read(file, MaxSize) }

// Stat describes a file that ReadFile would read. What may not be read it says nothing of,
// not even whether it is there.
func (p *Policy) Stat(file string) (fs.FileInfo, error) {
	f, err := p.allowed().Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

func (p *Policy) allowed() *files.Policy {
	if p == nil {
		return nil
	}
	return p.files
}
