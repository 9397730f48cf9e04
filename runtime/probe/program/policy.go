package program

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ErrDenied is what every refusal of a policy wraps.
var ErrDenied = errors.New("command is not allowed")

// SearchPath is where a program that is given by its name alone is looked for, and
// the PATH that commands get.
var SearchPath = []string{
	"/usr/local/lib/nagios/plugins", "/usr/lib/nagios/plugins", "/usr/lib64/nagios/plugins", "/usr/lib/monitoring-plugins",
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
}

// defaultAllowed are the directories of monitoring plugins in the usual distributions.
var defaultAllowed = SearchPath[:4]

// maxRules bounds the rules of a policy.
const maxRules = 1000

// Policy decides which files may be run. It never changes once it was parsed. A nil
// Policy is the default: what lies in the directories where distributions keep
// monitoring plugins.
type Policy struct {
	all         bool
	files, dirs []string
}

// ParsePolicy reads rules: the absolute path of a file allows the file, that of a
// directory with a slash at its end ("/usr/lib/nagios/plugins/") allows the files in it
// and below, and "all" allows every file. No rules allow nothing.
func ParsePolicy(rules []string) (*Policy, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d command rules, more than %d", len(rules), maxRules)
	}
	p := &Policy{}
	for i, r := range rules {
		path, isDir := strings.CutSuffix(r, "/")
		switch {
		case r == "all":
			p.all = true
		case !filepath.IsAbs(r) || r != "/" && filepath.Clean(path) != path:
			return nil, fmt.Errorf("command rule %d: %q is neither all nor an absolute path without detours", i+1, r)
		case r == "/":
			return nil, fmt.Errorf("command rule %d: say all to allow every file", i+1)
		case isDir:
			p.dirs = append(p.dirs, path)
		default:
			p.files = append(p.files, path)
		}
	}
	return p, nil
}

// Resolve finds the file of a program at the moment of its use and judges what was
// found, not its name: it follows every link by opening the file, and returns the path
// without links. To change what is at that path takes the right to write in a
// directory that is allowed.
func (p *Policy) Resolve(program string) (string, error) {
	name := program
	if !strings.Contains(program, "/") {
		name = ""
		for _, dir := range SearchPath {
			full := filepath.Join(dir, program)
			if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() {
				name = full
				break
			}
		}
		if name == "" {
			return "", fmt.Errorf("no program %q in %s", program, strings.Join(SearchPath, ":"))
		}
	}
	// Not to block on a pipe that somebody put there.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return "", err
	}
	shown := real
	if real != program {
		shown = fmt.Sprintf("%s (%s)", program, real)
	}
	switch mode := info.Mode(); {
	case !p.allows(real):
		return "", fmt.Errorf("%w: %s is not in the list of allowed commands (flag --commands of grove serve)", ErrDenied, shown)
	case !mode.IsRegular():
		return "", fmt.Errorf("%w: %s is not a regular file", ErrDenied, shown)
	case mode&(os.ModeSetuid|os.ModeSetgid) != 0:
		return "", fmt.Errorf("%w: %s would run with the rights of its owner (setuid or setgid)", ErrDenied, shown)
	case mode.Perm()&0o002 != 0:
		return "", fmt.Errorf("%w: everybody may write to %s", ErrDenied, shown)
	case mode.Perm()&0o111 == 0:
		return "", fmt.Errorf("%w: %s is not executable", ErrDenied, shown)
	}
	return real, nil
}

// ResolveOwn is Resolve for a program that grove itself names, and not a definition: where
// nobody gave a list it is allowed wherever the system has it.
func (p *Policy) ResolveOwn(program string) (string, error) {
	if p == nil {
		p = &Policy{all: true}
	}
	return p.Resolve(program)
}

// allows judges a path without links. The rules may contain links.
func (p *Policy) allows(real string) bool {
	dirs, files := defaultAllowed, []string(nil)
	if p != nil {
		dirs, files = p.dirs, p.files
		if p.all {
			return true
		}
	}
	same := func(rule string) (string, bool) {
		resolved, err := filepath.EvalSymlinks(rule)
		return resolved, err == nil
	}
	return slices.ContainsFunc(files, func(rule string) bool {
		file, ok := same(rule)
		return ok && file == real
	}) || slices.ContainsFunc(dirs, func(rule string) bool {
		dir, ok := same(rule)
		return ok && strings.HasPrefix(real, strings.TrimSuffix(dir, "/")+"/")
	})
}
