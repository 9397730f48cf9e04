package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"grove/tree/history/shelf"
)

// Parts of a snapshot: a directory of blocks for each shelf.
const (
	rawPart  = "raw"
	longPart = "long"
)

// ErrSnapshot is wrapped by the refusal of a directory that is no snapshot.
var ErrSnapshot = errors.New("not a snapshot of a history")

// Snapshot writes everything that was given before into dir, which it makes, while the
// store runs. On the disk of the store it takes little room at first: blocks never
// change, so that they are shared.
func (s *Store) Snapshot(ctx context.Context, dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("snapshot of the history into %s: %w", dir, err)
		}
	}()
	if err := s.Sync(ctx); err != nil {
		return err
	}
	s.keeping.busy.Lock()
	defer s.keeping.busy.Unlock()
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return errors.Join(err, errors.New("the directory is not empty"))
	}
	// The TSDB makes links, so it works on its own disk.
	staging := s.staging()
	if err := os.RemoveAll(staging); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	for part, from := range map[string]*shelf.Shelf{rawPart: s.raw, longPart: s.long} {
		blocks := filepath.Join(staging, part)
		if err := from.Snapshot(ctx, blocks); err != nil {
			return err
		}
		if err := place(ctx, blocks, filepath.Join(dir, part)); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// place makes a copy of a directory, by links where that is possible.
func place(ctx context.Context, from, to string) error {
	var dirs []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir():
			dirs = append(dirs, target)
			return os.MkdirAll(target, 0o750)
		case !d.Type().IsRegular():
			return fmt.Errorf("%w: %s is not a file", ErrSnapshot, path)
		}
		if os.Link(path, target) == nil {
			return nil
		}
		return copyFile(path, target)
	})
	for _, d := range dirs {
		if err == nil {
			err = syncDir(d)
		}
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// blockName is the name of a block's directory: a ULID (github.com/ulid/spec).
var blockName = regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)

// Import adds the samples of a snapshot to those of the running store, which keeps what
// it has. Importing the same twice changes nothing. What Keep and MaxBytes do not allow
// goes again with the next deletion.
func (s *Store) Import(ctx context.Context, dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("import of the history from %s: %w", dir, err)
		}
	}()
	blocks, err := s.checkSnapshot(dir)
	if err != nil {
		return err
	}
	if err := s.Sync(ctx); err != nil {
		return err
	}
	s.keeping.busy.Lock()
	defer s.keeping.busy.Unlock()
	staging := s.staging()
	if err := os.RemoveAll(staging); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	// The TSDB takes for granted that its log holds nothing older than its blocks, so
	// what is in memory becomes a block first.
	if err := s.raw.Flush(ctx); err != nil {
		return err
	}
	for part, into := range map[string]*shelf.Shelf{rawPart: s.raw, longPart: s.long} {
		for _, block := range blocks[part] {
			final := filepath.Join(into.Dir(), block)
			if _, err := os.Stat(final); err == nil {
				continue
			}
			if err := into.Room(); err != nil {
				return err
			}
			if err := place(ctx, filepath.Join(dir, part, block), filepath.Join(staging, block)); err != nil {
				return err
			}
			// One that cannot be opened would keep all others from it.
			if err := shelf.CheckBlock(filepath.Join(staging, block)); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrSnapshot, filepath.Join(part, block), err)
			}
			if err := os.Rename(filepath.Join(staging, block), final); err != nil {
				return err
			}
		}
		if err := errors.Join(syncDir(into.Dir()), into.Reload(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// checkSnapshot lists the blocks of a snapshot, by part.
func (s *Store) checkSnapshot(dir string) (map[string][]string, error) {
	blocks := map[string][]string{}
	now := millis(s.opts.Now())
	for _, part := range []string{rawPart, longPart} {
		entries, err := os.ReadDir(filepath.Join(dir, part))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: it has no directory %q", ErrSnapshot, part)
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() || !blockName.MatchString(e.Name()) {
				return nil, fmt.Errorf("%w: %s is not a block", ErrSnapshot, filepath.Join(part, e.Name()))
			}
			if err := checkBlock(filepath.Join(dir, part, e.Name()), now); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrSnapshot, filepath.Join(part, e.Name()), err)
			}
			blocks[part] = append(blocks[part], e.Name())
		}
	}
	return blocks, nil
}

// maxMeta bounds the file that describes a block, bytes.
const maxMeta = 1 << 20

// checkBlock looks whether a block is whole and not from the future.
func checkBlock(dir string, now int64) error {
	f, err := os.Open(filepath.Join(dir, "meta.json"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var meta struct {
		ULID    string `json:"ulid"`
		MinTime int64  `json:"minTime"`
		MaxTime int64  `json:"maxTime"`
		Version int    `json:"version"`
	}
	if err := json.NewDecoder(io.LimitReader(f, maxMeta)).Decode(&meta); err != nil {
		return err
	}
	switch {
	case meta.Version != 1:
		return fmt.Errorf("version %d is not known", meta.Version)
	case !strings.EqualFold(meta.ULID, filepath.Base(dir)):
		return fmt.Errorf("it says that it is %q", meta.ULID)
	case meta.MinTime > meta.MaxTime || meta.MaxTime > now+(10*time.Minute).Milliseconds()+window.Milliseconds():
		return errors.New("it is from the future")
	}
	for _, name := range []string{"index", "chunks"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
