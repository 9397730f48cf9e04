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
	"sync"
	"time"

	"grove/tree/store"
)

// mirror is what is known of the files of the directory.
type mirror struct {
	wake chan struct{} // has an element when the site may be another one

	turn  sync.Mutex        // held by who compares the files with the database
	files map[string]string // name of a file -> SHA-256 of what it holds; nil: not looked yet; guarded by turn

	mu    sync.Mutex
	state State
}

// State says how far the files of the directory are like the current definitions.
type State struct {
	// Like says that they were when they were compared last; Since is since when it is so,
	// or is not, zero before the first time.
	Like  bool
	Since time.Time
	Err   error  // why they are not
	Files int    // how many there are
	Site  string // whose definitions they are, besides those for all
}

// State says how far the files of the directory are like the current definitions.
func (d *Definitions) State() State {
	d.mirror.mu.Lock()
	defer d.mirror.mu.Unlock()
	return d.mirror.state
}

// compared notes how a comparison went.
func (m *mirror) compared(now time.Time, site string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if like := err == nil; like != m.state.Like || m.state.Since.IsZero() {
		m.state.Like, m.state.Since = like, now
	}
	m.state.Err, m.state.Files = err, len(m.files)
	if err == nil {
		m.state.Site = site
	}
}

// Resite has Run look again, since this manager may be of another site.
func (d *Definitions) Resite() {
	select {
	case d.mirror.wake <- struct{}{}:
	default:
	}
}

// Run keeps the files of the directory like the current definitions until ctx ends, whose
// error it returns. While the database is away the files stay as they are.
func (d *Definitions) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var woken sync.WaitGroup
	defer woken.Wait()
	defer cancel()
	woken.Go(func() {
		for {
			select {
			case <-d.mirror.wake:
				d.follow(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return d.o.Store.Watch(ctx, Topic, func(store.Notice) { d.follow(ctx) })
}

// follow makes the files like the current definitions, as soon as that is possible.
func (d *Definitions) follow(ctx context.Context) {
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
}

// Mirror makes the files of the directory like the current definitions, and says whether
// anything changed. Run calls it.
func (d *Definitions) Mirror(ctx context.Context) (changed bool, err error) {
	d.mirror.turn.Lock()
	defer d.mirror.turn.Unlock()
	site := d.site()
	changed, err = d.renew(ctx, site)
	d.mirror.compared(d.o.Now(), site, err)
	return changed, err
}

// renew makes the files like the definitions that a manager of a site has.
func (d *Definitions) renew(ctx context.Context, site string) (changed bool, err error) {
	list, err := d.list(ctx, site, false)
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
	text, err := d.text(ctx, r)
	if err != nil {
		return "", err
	}
	file := FileName(r.Name, text)
	if err := writeFile(d.o.Dir, file, text); err != nil {
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
