package app

import (
	"io/fs"
	"slices"
	"strings"
	"time"
)

// overlay is a directory with some files put in place of its own, or beside them.
type overlay struct {
	fs.FS
	files map[string]string // text by name, in the top directory
}

// Open implements fs.FS.
func (o overlay) Open(name string) (fs.File, error) {
	if text, ok := o.files[name]; ok {
		return &textFile{textInfo{name, int64(len(text))}, strings.NewReader(text)}, nil
	}
	return o.FS.Open(name)
}

// ReadDir implements fs.ReadDirFS.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	if err != nil || name != "." {
		return entries, err
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e fs.DirEntry) bool {
		_, replaced := o.files[e.Name()]
		return replaced
	})
	for name, text := range o.files {
		entries = append(entries, fs.FileInfoToDirEntry(textInfo{name, int64(len(text))}))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// textFile is one of the files that were put in.
type textFile struct {
	info textInfo
	*strings.Reader
}

func (f *textFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *textFile) Close() error               { return nil }

// textInfo implements fs.FileInfo.
type textInfo struct {
	name string
	size int64
}

func (i textInfo) Name() string       { return i.name }
func (i textInfo) Size() int64        { return i.size }
func (i textInfo) Mode() fs.FileMode  { return 0o600 }
func (i textInfo) ModTime() time.Time { return time.Time{} }
func (i textInfo) IsDir() bool        { return false }
func (i textInfo) Sys() any           { return nil }
