package definition

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"grove/tree/definition/source"
)

// root is a directory of definition files: the drop-in directory, the directory of
// a file that is named, or the catalogue.
type root struct {
	fsys    fs.FS
	prefix  string // put before names in messages
	builtIn bool
}

// input is a file of a root.
type input struct {
	root *root
	name string // slash-separated, inside the root
}

// display is the name of the file for people.
func (i input) display() string { return i.root.display(i.name) }

func (r *root) display(name string) string {
	if r.builtIn || r.prefix == "" {
		return r.prefix + name
	}
	return filepath.Join(r.prefix, filepath.FromSlash(name))
}

// isDefinitionName says whether a file of this name is looked at: not hidden, no
// editor's backup, and of a known ending.
func isDefinitionName(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") {
		return false
	}
	switch path.Ext(name) {
	case ".yaml", ".yml", ".xml":
		return true
	}
	return false
}

// list finds the definition files of a root: in it and in its directories, one level
// deep. What cannot be looked at is an error, and the rest is listed.
func (r *root) list() ([]input, source.Errors) {
	var errs source.Errors
	var out []input
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		entries, err := fs.ReadDir(r.fsys, dir)
		if err != nil {
			errs.Add(source.Pos{File: r.display(dir)}, "%w", bare(err))
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			switch {
			case strings.HasPrefix(e.Name(), "."):
			case e.IsDir():
				if depth < 1 && e.Name() != "testdata" {
					walk(name, depth+1)
				}
			case !isDefinitionName(e.Name()):
			case !e.Type().IsRegular():
				errs.Add(source.Pos{File: r.display(name)}, "%s, which is not followed; only regular files are read", describe(e.Type()))
			case len(out) == MaxFiles:
				errs.Add(source.Pos{File: r.display(name)}, "more than %d definition files", MaxFiles)
				return
			default:
				out = append(out, input{r, name})
			}
		}
	}
	walk(".", 0)
	slices.SortStableFunc(out, func(a, b input) int { return strings.Compare(a.name, b.name) })
	return out, errs
}

func describe(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "the file is a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "the file is a named pipe"
	case m&fs.ModeSocket != 0:
		return "the file is a socket"
	case m&fs.ModeDevice != 0:
		return "the file is a device"
	}
	return "the file is not a regular one"
}

// bare takes the operation and the name off an error about a file: its position
// names the file already.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// errEmpty keeps what runs while a program that writes a file anew has only got so far
// as to truncate it. A file that has nothing but comments asks for nothing.
var errEmpty = errors.New("the file is empty: remove it, or write a comment, when nothing is wanted of it")

// read reads a file into documents. Budget is how many bytes may still be read.
func (i input) read(budget *int64) ([]source.Document, source.Errors) {
	text, err := i.text(budget)
	if err != nil {
		return nil, source.Errors{source.Errorf(source.Pos{File: i.display()}, "%w", bare(err))}
	}
	docs, errs := source.Read(i.display(), text)
	return docs, errs
}

func (i input) text(budget *int64) ([]byte, error) {
	if s, ok := i.root.fsys.(fs.ReadLinkFS); ok {
		if info, err := s.Lstat(i.name); err != nil {
			return nil, err
		} else if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s, which is not followed; only regular files are read", describe(info.Mode()))
		}
	}
	f, err := i.root.fsys.Open(i.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s, which is not followed; only regular files are read", describe(info.Mode()))
	}
	text, err := io.ReadAll(io.LimitReader(f, source.MaxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) == 0 {
		return nil, errEmpty
	}
	if len(text) > source.MaxFileBytes {
		return nil, fmt.Errorf("the file is larger than %d MiB", source.MaxFileBytes>>20)
	}
	if *budget -= int64(len(text)); *budget < 0 {
		return nil, fmt.Errorf("all definition files together are larger than %d MiB", MaxBytes>>20)
	}
	return text, nil
}
