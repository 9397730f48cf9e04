package publish

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrNotAllowed is wrapped by the error about a place that the configuration does not
// allow.
var ErrNotAllowed = errors.New("is in none of the directories that publications may write to")

// What is published is there to be read, most often by a web server that runs as another
// user. The umask of the process narrows it, and the allowed directory can keep others
// out.
const (
	fileMode   = 0o644
	folderMode = 0o755
)

// within returns the allowed directory that holds a path, the innermost of several, and
// the path seen from there.
func within(allowed []string, path string) (dir, rest string, err error) {
	for _, a := range allowed {
		rel, err := filepath.Rel(a, path)
		if err == nil && filepath.IsLocal(rel) && len(a) > len(dir) {
			dir, rest = a, rel
		}
	}
	if dir == "" {
		return "", "", fmt.Errorf("%s %w", path, ErrNotAllowed)
	}
	return dir, rest, nil
}

// toFile replaces a file in one step.
func (p *Publisher) toFile(path string, m *Made) error {
	dir, name, err := within(p.config.Directories, path)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return replace(root, name, m.Write)
}

// replace writes a file beside its place and moves it there once it is on disk. A root
// follows no link out of its directory.
func replace(root *os.Root, name string, write func(io.Writer) error) (err error) {
	folder := filepath.Dir(name)
	beside := filepath.Join(folder, "."+filepath.Base(name)+"."+strings.ToLower(rand.Text()[:8])+".part")
	f, err := root.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(beside) // The first error says what is wrong.
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := root.Rename(beside, name); err != nil {
		return err
	}
	// The name is on disk only when the directory is.
	d, err := root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// toDirectory writes one more file and removes those that are too many.
func (p *Publisher) toDirectory(o *Options, m *Made, now time.Time) error {
	dir, name, err := within(p.config.Directories, o.To.Directory)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(name, folderMode); err != nil {
		return err
	}
	folder, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	file := o.Name + "-" + now.UTC().Format("20060102T150405Z") + "." + o.Format
	if err := replace(folder, file, m.Write); err != nil {
		return err
	}
	return prune(folder, o)
}

// prune removes the oldest files of a publication. Files with other names are not ours.
func prune(folder *os.Root, o *Options) error {
	keep := o.To.Keep
	if keep == 0 {
		keep = DefaultKeep
	}
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(o.Name) + `-\d{8}T\d{6}Z\.` + regexp.QuoteMeta(o.Format) + `$`)
	entries, err := fs.ReadDir(folder.FS(), ".")
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if ours.MatchString(e.Name()) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	var errs []error
	for _, name := range names[:max(len(names)-keep, 0)] {
		errs = append(errs, folder.Remove(name))
	}
	return errors.Join(errs...)
}
