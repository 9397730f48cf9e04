// Package files holds the one rule about which files the probes may read: those of the
// directories that the operator of the manager lists. It is checked when a file is
// opened, not when its name is read, so that a link that leads out of a directory is
// refused whenever it was made.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// ErrDenied is what the refusals wrap.
var ErrDenied = errors.New("not allowed to definitions")

// MaxDirs bounds the directories of one policy.
const MaxDirs = 1000

// Policy is what definitions may read. It never changes once it was made. A nil Policy
// is the default: every file that the manager may read.
type Policy struct{ dirs []string }

// NewPolicy allows the files in the given directories and below them; none allows every
// file.
func NewPolicy(dirs []string) (*Policy, error) {
	if len(dirs) > MaxDirs {
		return nil, fmt.Errorf("%d directories, more than %d", len(dirs), MaxDirs)
	}
	for _, d := range dirs {
		if !filepath.IsAbs(d) {
			return nil, fmt.Errorf("directory %q: is not an absolute path", d)
		}
	}
	return &Policy{dirs: slices.Clone(dirs)}, nil
}

// CheckPath says whether a definition may name a file so.
func CheckPath(file string) error {
	if !filepath.IsAbs(file) || filepath.Clean(file) != file {
		return fmt.Errorf("%q is not an absolute path without detours", file)
	}
	return nil
}

// Open opens a file for reading. Links are followed only within the directory that is
// allowed. The error wraps ErrDenied for what the policy refuses; a file that is neither
// regular nor a directory is refused, too, since reading it may wait for ever.
func (p *Policy) Open(file string) (*os.File, error) {
	f, err := p.open(file)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fmt.Errorf("%s is not a regular file", file)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read returns what a file holds, of at most so many bytes.
func (p *Policy) Read(file string, most int64) ([]byte, error) {
	f, err := p.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is not a regular file", file)
	case info.Size() > most:
		return nil, fmt.Errorf("%s has %d bytes, more than %d", file, info.Size(), most)
	}
	// A file of /proc has no size, and another may be growing.
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", file, most)
	}
	return b, err
}

func (p *Policy) open(file string) (*os.File, error) {
	// Without O_NONBLOCK a named pipe would hold the caller for ever.
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	if p == nil || len(p.dirs) == 0 {
		return os.OpenFile(file, flags, 0)
	}
	for _, dir := range p.dirs {
		relative, err := filepath.Rel(dir, file)
		if err != nil || !filepath.IsLocal(relative) {
			continue
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		f, err := root.OpenFile(relative, flags, 0)
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return f, err
		}
		return nil, fmt.Errorf("%s: %w: %w", file, ErrDenied, err)
	}
	return nil, fmt.Errorf("%s: %w", file, ErrDenied)
}
