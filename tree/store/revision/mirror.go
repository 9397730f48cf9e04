package revision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"grove/tree/store"
)

// mirror is what the files of the directory are known to hold.
type mirror struct {
	files map[string]string // name of a file -> SHA-256 of what it holds; nil: not looked yet
}

// Run keeps the files of the directory like the current definitions until ctx ends, whose
// error it returns. While the database is away the files stay as they are.
func (d *Definitions) Run(ctx context.Context) error {
	return d.o.Store.Watch(ctx, Topic, func(store.Notice) {
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
			changed, err := d.Mirror(ctx)
			if changed && d.o.Changed != nil {
				d.o.Changed()
			}
			if err == nil || ctx.Err() != nil {
				return
			}
			d.o.Log.Warn("the files of the definitions stay as they are for now", "dir", d.o.Dir, "err", err)
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
	})
}

// Mirror makes the files of the directory like the current definitions, and says whether
// anything changed. Run calls it; it is for those who run nothing, one call at a time.
func (d *Definitions) Mirror(ctx context.Context) (changed bool, err error) {
	list, err := d.List(ctx, false)
	if err != nil {
		return false, err
	}
	if d.o.Dir == "" {
		return true, nil
	}
	if err := d.look(); err != nil {
		return false, err
	}
	wanted := map[string]bool{}
	for _, r := range list {
		file, err := d.mirrorOne(ctx, r, &changed)
		if err != nil {
			return changed, err
		}
		wanted[file] = true
	}
	for file := range d.mirror.files {
		if wanted[file] {
			continue
		}
		if err := os.Remove(filepath.Join(d.o.Dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return changed, err
		}
		delete(d.mirror.files, file)
		changed = true
	}
	if changed {
		err = syncDir(d.o.Dir)
	}
	return changed, err
}

// FileName is the name of the file of a definition: the loader tells the languages apart
// by its end.
func FileName(name, text string) string {
	if strings.HasPrefix(strings.TrimLeft(text, "\ufeff \t\r\n"), "<") {
		return name + ".xml"
	}
	return name + ".yaml"
}

// mirrorOne makes sure that a revision has its file, whose name it returns.
func (d *Definitions) mirrorOne(ctx context.Context, r Revision, changed *bool) (string, error) {
	for _, file := range []string{r.Name + ".yaml", r.Name + ".xml"} {
		if d.mirror.files[file] == r.SHA256 {
			return file, nil
		}
	}
	full, err := d.Get(ctx, r.Name, r.Number)
	if err != nil {
		return "", err
	}
	file := FileName(r.Name, full.Text)
	if err := writeFile(d.o.Dir, file, full.Text); err != nil {
		return "", err
	}
	d.mirror.files[file] = r.SHA256
	*changed = true
	return file, nil
}

// look reads what the files hold that are there already.
func (d *Definitions) look() error {
	if d.mirror.files != nil {
		return nil
	}
	if err := os.MkdirAll(d.o.Dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.o.Dir)
	if err != nil {
		return err
	}
	files := map[string]string{}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, temporary) { // of a process that was killed
			if err := os.Remove(filepath.Join(d.o.Dir, name)); err != nil {
				return err
			}
			continue
		}
		if end := filepath.Ext(name); !e.Type().IsRegular() || end != ".yaml" && end != ".xml" || !nameForm.MatchString(strings.TrimSuffix(name, end)) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(d.o.Dir, name))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		files[name] = hex.EncodeToString(sum[:])
	}
	d.mirror.files = files
	return nil
}

// temporary begins the names of files that are being written.
const temporary = ".new-"

// writeFile puts a whole file in place of the one before, readable by its owner alone.
func writeFile(dir, name, text string) (err error) {
	f, err := os.CreateTemp(dir, temporary+"*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // It is no file of ours yet.
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("definition file %s: %w", name, err)
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// syncDir makes what happened to the names of files outlive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
