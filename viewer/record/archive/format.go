package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode"
)

// Format is the version of the format that is written, and the newest that is read.
const Format = 1

// Names of the files that every archive has.
const (
	headName     = "grove-backup.json"
	manifestName = "manifest.json"
)

// Bounds of an archive.
const (
	MaxFiles     = 200_000
	MaxBytes     = 256 << 30 // of all files together, unpacked
	maxNameBytes = 512
	maxHeadBytes = 64 << 10
	// maxManifestBytes is MaxFiles lines with names of usual length.
	maxManifestBytes = 64 << 20
	// maxWindow bounds the memory that a decoder takes for what somebody else packed.
	maxWindow = 32 << 20
)

// Errors that callers tell apart; each says more.
var (
	// ErrDamaged is a file that is no archive, or not the whole one, or not as it was
	// written.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNewer is an archive in a format that this program does not know.
	ErrNewer = errors.New("the backup was made by a newer grove")
	// ErrTooLarge is content beyond the bounds.
	ErrTooLarge = errors.New("the backup is too large")
)

// Head says what an archive is.
type Head struct {
	Format  int       `json:"grove_backup"`
	Version string    `json:"version"` // of the program that made it
	Manager string    `json:"manager"` // its name
	Created time.Time `json:"created"`
}

// File is one file of the content.
type File struct {
	Name   string `json:"name"` // "history/raw/01…/index"
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Manifest says what is in an archive.
type Manifest struct {
	Head
	Files []File `json:"files"`
}

// Bytes is the size of all files together, unpacked.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// checkName refuses names that would lead out of a directory, or hide something.
func checkName(name string) error {
	switch {
	case len(name) > maxNameBytes:
		return fmt.Errorf("a name has %d bytes, more than %d", len(name), maxNameBytes)
	case !fs.ValidPath(name), name == ".", strings.ContainsRune(name, '\\'), strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%.80q is no name of a file in a backup", name)
	}
	return nil
}
