package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"grove/tree"
	"grove/tree/store"
	"grove/viewer/record"
	"grove/viewer/record/archive"
)

// spoolDir is where backups are, in the data directory, while they are made or brought
// back.
const spoolDir = "spool"

// What a backup holds.
const (
	databaseFile   = "database.jsonl" // as store.Dump writes it
	historyDir     = "history"        // a snapshot of the history
	definitionsDir = "definitions"    // files of the drop-in directory
)

// backups makes backups of a manager, and brings them back.
type backups struct {
	app       *App
	restoring atomic.Bool // tuned thresholds are given up for those of a backup
}

func (b *backups) spool() string { return filepath.Join(b.app.config.Data, spoolDir) }

// clear removes what a manager left behind that was killed.
func (b *backups) clear() error {
	if err := os.RemoveAll(b.spool()); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Stage implements record.Backups.
func (b *backups) Stage(ctx context.Context) (record.Staged, error) {
	c := &b.app.config
	dir, err := b.scratch("backup-*")
	if err != nil {
		return nil, err
	}
	s := &staged{dir: dir, head: archive.Head{Version: c.Version, Manager: c.Name, Created: time.Now().Truncate(time.Millisecond)}}
	if err := b.gather(ctx, dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (b *backups) scratch(pattern string) (string, error) {
	if err := os.MkdirAll(b.spool(), 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(b.spool(), pattern)
}

// gather puts everything into a directory as it will be in the backup.
func (b *backups) gather(ctx context.Context, dir string) error {
	past := &b.app.past
	if err := past.samples.Ready(); err != nil {
		return err
	}
	if err := past.kept(ctx); err != nil {
		return err
	}
	// The database comes first: what it tells of is in the history then, too.
	f, err := os.OpenFile(filepath.Join(dir, databaseFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(past.facts.Dump(ctx, f), f.Close()); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := past.samples.Snapshot(ctx, filepath.Join(dir, historyDir)); err != nil {
		return err
	}
	return copyDropIns(b.app.config.Definitions, filepath.Join(dir, definitionsDir))
}

// staged implements record.Staged.
type staged struct {
	dir  string
	head archive.Head
}

// Head implements record.Staged.
func (s *staged) Head() archive.Head { return s.head }

// Close implements record.Staged.
func (s *staged) Close() error { return os.RemoveAll(s.dir) }

// WriteTo implements record.Staged.
func (s *staged) WriteTo(w io.Writer) (int64, error) {
	counted := &counter{w: w}
	err := s.write(counted)
	return counted.n, err
}

func (s *staged) write(w io.Writer) error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // It was only read.
	a, err := archive.NewWriter(w, s.head)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // It was only read.
		info, err := f.Stat()
		if err != nil {
			return err
		}
		return a.Add(name, info.Size(), f)
	})
	if err != nil {
		return err
	}
	return a.Close()
}

// counter counts what passes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Restore implements record.Backups. The samples come first: they are added to what is
// there, which does no harm should the database then not take what is for it.
func (b *backups) Restore(ctx context.Context, r io.ReadSeeker, o record.RestoreOptions) (done record.Restored, err error) {
	dir, err := b.scratch("restore-*")
	if err != nil {
		return done, err
	}
	defer func() {
		if left := os.RemoveAll(dir); left != nil {
			b.app.log.Warn("what was unpacked from a backup is not all removed", "error", left)
		}
	}()
	m, err := archive.Extract(ctx, r, dir)
	if err != nil {
		return done, err
	}
	if err := checkContent(ctx, dir, &m); err != nil {
		return done, err
	}
	if err := b.app.past.samples.Import(ctx, filepath.Join(dir, historyDir)); err != nil {
		return done, err
	}
	if err := b.load(ctx, filepath.Join(dir, databaseFile)); err != nil {
		return done, err
	}
	done = record.Restored{
		Version: m.Version, Manager: m.Manager, Created: m.Created.UTC().Format(time.RFC3339), Files: len(m.Files), Bytes: m.Bytes(),
	}
	warn := func(format string, args ...any) { done.Warnings = append(done.Warnings, fmt.Sprintf(format, args...)) }
	if o.DropIns {
		done.DropIns, err = putDropIns(filepath.Join(dir, definitionsDir), b.app.config.Definitions)
		if err != nil {
			warn("not all files of the drop-in directory are back: %v", err)
		}
	}
	b.app.Reload()
	if done.Nodes, err = b.remember(ctx); err != nil {
		warn("what nodes were before is not all restored: %v", err)
	}
	if strings.Contains(b.app.config.Database, "://") {
		warn("other managers that share the database write nothing until they are started again")
	}
	if err := b.app.mark(ctx, tree.Green, tree.Green, fmt.Sprintf("restored the backup by %s of %s", m.Manager, done.Created)); err != nil {
		warn("the journal does not know of it: %v", err)
	}
	return done, nil
}

// checkContent looks into what was unpacked, before anything is changed.
func checkContent(ctx context.Context, dir string, m *archive.Manifest) error {
	there := false
	for _, f := range m.Files {
		top, rest, below := strings.Cut(f.Name, "/")
		switch {
		case f.Name == databaseFile:
			there = true
		case top == historyDir && below: // Import looks at it itself before it begins.
		case top == definitionsDir && below && isDropIn(rest):
		default:
			return fmt.Errorf("%w: %.80q has no place in it", archive.ErrDamaged, f.Name)
		}
	}
	if !there {
		return fmt.Errorf("%w: it has no %s", archive.ErrDamaged, databaseFile)
	}
	// Empty directories are not in an archive.
	for _, part := range []string{"raw", "long"} {
		if err := os.MkdirAll(filepath.Join(dir, historyDir, part), 0o700); err != nil {
			return err
		}
	}
	return tryDatabase(ctx, filepath.Join(dir, databaseFile), filepath.Join(dir, "try.db"))
}

// tryDatabase loads what is for the database into one that nobody uses.
func tryDatabase(ctx context.Context, dump, address string) error {
	s, err := store.Open(ctx, store.Options{Address: address})
	if err != nil {
		return err
	}
	return errors.Join(loadFile(ctx, s, dump), s.Close())
}

func loadFile(ctx context.Context, s *store.Store, dump string) error {
	f, err := os.Open(dump)
	if err != nil {
		return err
	}
	return errors.Join(s.Load(ctx, f), f.Close())
}

// load puts what the backup holds in place of everything in the database.
func (b *backups) load(ctx context.Context, dump string) error {
	past := &b.app.past
	if err := past.kept(ctx); err != nil {
		return err
	}
	return loadFile(ctx, past.facts, dump)
}

// remember gives the nodes what the database now says of them: thresholds that were
// tuned meanwhile are those of the backup again, or of the definition.
func (b *backups) remember(ctx context.Context) (int, error) {
	past := &b.app.past
	var tuned []tree.Path
	err := b.app.Tree.Walk(tree.Root, tree.MaxDepth, func(n *tree.Node) bool {
		if n.Tuned {
			tuned = append(tuned, n.Path)
		}
		return true
	})
	b.restoring.Store(true)
	for _, p := range tuned {
		if reset := b.app.Tree.Reset(p); !errors.Is(reset, tree.ErrNoNode) { // It may be gone meanwhile.
			err = errors.Join(err, reset)
		}
	}
	b.restoring.Store(false)
	past.recalling.Add(1)
	defer past.recalling.Add(-1)
	n, restored := past.memory.Restore(ctx)
	return n, errors.Join(err, restored)
}

// tuned stands before what keeps tuned thresholds. That those of before are given up
// while a backup is restored is no news for the database, which has those of the backup.
func (b *backups) tuned(keep func(tree.Tuning) error) func(tree.Tuning) error {
	return func(t tree.Tuning) error {
		if t.Threshold == nil && b.restoring.Load() {
			return nil
		}
		return keep(t)
	}
}

// isDropIn says whether a name below the drop-in directory is one that is loaded.
func isDropIn(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".xml":
		return fs.ValidPath(name) && strings.Count(name, "/") <= 1 && !strings.HasPrefix(name, ".") && !strings.Contains(name, "/.")
	}
	return false
}

// maxDropIn bounds a file of the drop-in directory, bytes.
const maxDropIn = 16 << 20

// copyDropIns copies the files of the drop-in directory that are loaded.
func copyDropIns(from, to string) error {
	_, err := copyFiles(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // The directory is not mounted: its files are elsewhere.
	}
	return err
}

// putDropIns puts files into the drop-in directory and returns their names.
func putDropIns(from, to string) ([]string, error) {
	names, err := copyFiles(from, to)
	if errors.Is(err, fs.ErrNotExist) && len(names) == 0 {
		return nil, nil // The backup has none.
	}
	return names, err
}

// copyFiles copies what is loaded of one directory into another, each file whole.
func copyFiles(from, to string) (names []string, err error) {
	source, err := os.OpenRoot(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }() // It was only read.
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, err
	}
	target, err := os.OpenRoot(to)
	if err != nil {
		return nil, err
	}
	defer func() { _ = target.Close() }() // Its files are closed.
	err = fs.WalkDir(source.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.Count(name, "/") >= 1 || name != "." && strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case !d.Type().IsRegular() || !isDropIn(name):
			return nil
		}
		if err := copyFile(source, target, name); err != nil {
			return err
		}
		names = append(names, name)
		return nil
	})
	return names, err
}

func copyFile(source, target *os.Root, name string) error {
	in, err := source.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // It was only read.
	text, err := io.ReadAll(io.LimitReader(in, maxDropIn+1))
	if err != nil {
		return err
	}
	if len(text) > maxDropIn {
		return fmt.Errorf("%s is larger than %d bytes", name, maxDropIn)
	}
	if err := target.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	// Who watches the directory shall see the old file or the new one.
	fresh := path.Join(path.Dir(name), ".new-"+path.Base(name)+"-")
	out, err := target.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	return target.Rename(fresh, name)
}
