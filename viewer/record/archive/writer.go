package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Writer writes an archive from its beginning to its end.
type Writer struct {
	zip      *zstd.Encoder
	tar      *tar.Writer
	manifest Manifest
	names    map[string]bool
	bytes    int64
}

// NewWriter begins an archive with its head, whose format is set here.
func NewWriter(w io.Writer, h Head) (*Writer, error) {
	// What takes room, blocks of samples, is compressed already.
	zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	h.Format, h.Created = Format, h.Created.UTC()
	a := &Writer{zip: zip, tar: tar.NewWriter(zip), manifest: Manifest{Head: h, Files: []File{}}, names: map[string]bool{headName: true, manifestName: true}}
	return a, a.describe(headName, h)
}

// describe writes a file of the format's own.
func (a *Writer) describe(name string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	return a.write(name, int64(len(text))+1, bytes.NewReader(append(text, '\n')))
}

func (a *Writer) write(name string, size int64, r io.Reader) error {
	err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: a.manifest.Created, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	if n, err := io.Copy(a.tar, r); err != nil || n != size {
		return errors.Join(err, fmt.Errorf("%s has %d bytes, not %d", name, n, size))
	}
	return nil
}

// Add adds a file of so many bytes.
func (a *Writer) Add(name string, size int64, r io.Reader) error {
	if err := checkName(name); err != nil {
		return err
	}
	a.bytes += size
	switch {
	case a.names[name]:
		return fmt.Errorf("%s is in the backup already", name)
	case len(a.manifest.Files) >= MaxFiles:
		return fmt.Errorf("%w: more than %d files", ErrTooLarge, MaxFiles)
	case a.bytes > MaxBytes:
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, int64(MaxBytes))
	}
	a.names[name] = true
	sum := sha256.New()
	if err := a.write(name, size, io.TeeReader(io.LimitReader(r, size), sum)); err != nil {
		return err
	}
	a.manifest.Files = append(a.manifest.Files, File{name, size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// Close writes the manifest and the end, without which the archive is none. It does not
// close what it writes to. After an error of Add there is no need to call it.
func (a *Writer) Close() error {
	return errors.Join(a.describe(manifestName, a.manifest), a.tar.Close(), a.zip.Close())
}
