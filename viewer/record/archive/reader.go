package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"
)

// Check reads an archive to its end and returns its manifest, which everything in it
// agrees with.
func Check(ctx context.Context, r io.Reader) (Manifest, error) {
	return read(ctx, r, func(string) (io.WriteCloser, error) { return nothing{}, nil })
}

// Extract is Check that also puts the content into a directory, which must be there and
// empty. After an error what is in the directory is of no use.
func Extract(ctx context.Context, r io.Reader, dir string) (Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, err
	}
	defer func() { _ = root.Close() }()
	return read(ctx, r, func(name string) (io.WriteCloser, error) {
		if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return nil, err
		}
		return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	})
}

// nothing takes what is only checked.
type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) Close() error                { return nil }

// cancelled is a reader that ends with its context.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelled) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// reader is an archive that is being read.
type reader struct {
	tar   *tar.Reader
	files []File
	names map[string]bool
	bytes int64
}

func read(ctx context.Context, r io.Reader, create func(name string) (io.WriteCloser, error)) (Manifest, error) {
	zip, err := zstd.NewReader(cancelled{ctx, r}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return Manifest{}, damaged("%w", err)
	}
	defer zip.Close()
	a := &reader{tar: tar.NewReader(zip), names: map[string]bool{}}
	m, err := a.everything(create)
	if err == nil {
		// The checksum of the last frame comes after the end of the tar.
		if n, rest := io.Copy(io.Discard, io.LimitReader(zip, 1<<20)); rest != nil || n == 1<<20 {
			err = damaged("something follows after its end (%w)", errors.Join(rest, errors.New("more than padding")))
		}
	}
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return Manifest{}, ctx.Err()
	}
	return Manifest{}, err
}

func (a *reader) everything(create func(name string) (io.WriteCloser, error)) (Manifest, error) {
	h, err := a.next()
	if err != nil {
		return Manifest{}, err
	}
	var head Head
	if h.Name != headName {
		return Manifest{}, damaged("it does not begin with %s: it is no backup of grove", headName)
	}
	if err := a.describe(h, maxHeadBytes, &head); err != nil {
		return Manifest{}, err
	}
	switch {
	case head.Format <= 0:
		return Manifest{}, damaged("%s has no format", headName)
	case head.Format > Format:
		return Manifest{}, fmt.Errorf("%w: it has format %d, made by grove %.40q, and this one reads up to %d", ErrNewer, head.Format, head.Version, Format)
	}
	for {
		h, err := a.next()
		if err != nil {
			return Manifest{}, err
		}
		if h.Name != manifestName {
			if err := a.file(h, create); err != nil {
				return Manifest{}, err
			}
			continue
		}
		var m Manifest
		if err := a.describe(h, maxManifestBytes, &m); err != nil {
			return Manifest{}, err
		}
		if m.Head != head {
			return Manifest{}, damaged("%s and %s differ", headName, manifestName)
		}
		if err := a.compare(m.Files); err != nil {
			return Manifest{}, err
		}
		if _, err := a.tar.Next(); !errors.Is(err, io.EOF) {
			return Manifest{}, damaged("something follows after %s", manifestName)
		}
		return m, nil
	}
}

// next returns the header of the next file.
func (a *reader) next() (*tar.Header, error) {
	h, err := a.tar.Next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, damaged("it ends before %s: it is not whole", manifestName)
	case err != nil:
		return nil, damaged("%w", err)
	case h.Typeflag != tar.TypeReg:
		return nil, damaged("%.80q is no regular file", h.Name)
	}
	if err := checkName(h.Name); err != nil {
		return nil, damaged("%w", err)
	}
	if a.names[h.Name] {
		return nil, damaged("%s is in it twice", h.Name)
	}
	a.names[h.Name] = true
	return h, nil
}

// describe reads a file of the format's own.
func (a *reader) describe(h *tar.Header, most int64, into any) error {
	if h.Size > most {
		return fmt.Errorf("%w: %s has %d bytes, more than %d", ErrTooLarge, h.Name, h.Size, most)
	}
	text, err := io.ReadAll(a.tar)
	if err != nil {
		return damaged("%s: %w", h.Name, err)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil {
		return damaged("%s: %w", h.Name, err)
	}
	return nil
}

// file reads one file of the content.
func (a *reader) file(h *tar.Header, create func(name string) (io.WriteCloser, error)) error {
	if len(a.files) >= MaxFiles {
		return fmt.Errorf("%w: more than %d files", ErrTooLarge, MaxFiles)
	}
	if a.bytes += h.Size; a.bytes > MaxBytes || h.Size < 0 {
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, int64(MaxBytes))
	}
	out, err := create(h.Name)
	if err != nil {
		return err
	}
	sum := sha256.New()
	written := &kept{w: io.MultiWriter(out, sum)}
	_, err = io.Copy(written, a.tar)
	if err != nil && written.err == nil {
		err = damaged("%s: %w", h.Name, err)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	a.files = append(a.files, File{h.Name, h.Size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// kept remembers whether it was the writing that failed.
type kept struct {
	w   io.Writer
	err error
}

func (k *kept) Write(b []byte) (int, error) {
	n, err := k.w.Write(b)
	k.err = err
	return n, err
}

// compare holds what was read against what the manifest says.
func (a *reader) compare(said []File) error {
	for i, f := range a.files {
		switch {
		case i >= len(said) || said[i].Name != f.Name:
			return damaged("%s is not in the manifest at its place", f.Name)
		case said[i] != f:
			return damaged("%s is not as the manifest says", f.Name)
		}
	}
	if len(said) > len(a.files) {
		return damaged("%s is missing", said[len(a.files)].Name)
	}
	return nil
}
