// Package watch notices changes of a directory of definition files.
package watch

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher watches a directory and its directories, one level deep, as
// definition.Loader.Dir reads them. Its zero durations stand for the defaults.
type Watcher struct {
	Dir string
	// Quiet is how long the directory must be still before Changed is called, so
	// that a file is not read half written; 200 ms.
	Quiet time.Duration
	// Most is the longest that changes wait when the directory is never still; 2 s.
	Most time.Duration
	// Rescan is how often the directory is looked at without being told, for file
	// systems that tell nothing and for a directory that is not there yet; 10 s.
	Rescan time.Duration
	// Changed is called when something changed, one call at a time, and once when
	// the watch stands: what changed before that is seen by this call.
	Changed func()
}

// Run watches until the context ends; it returns the context's error. No change is
// lost: what happens during a call of Changed leads to another call.
func (w *Watcher) Run(ctx context.Context) error {
	quiet, most, rescan := orDefault(w.Quiet, 200*time.Millisecond), orDefault(w.Most, 2*time.Second), orDefault(w.Rescan, 10*time.Second)
	events, errs := (<-chan fsnotify.Event)(nil), (<-chan error)(nil)
	notify, err := fsnotify.NewWatcher()
	if err == nil { // else the rescan alone has to do
		defer notify.Close()
		events, errs = notify.Events, notify.Errors
	}
	w.add(notify)
	seen := w.look()
	w.Changed()

	ticker := time.NewTicker(rescan)
	defer ticker.Stop()
	still := time.NewTimer(quiet)
	still.Stop()
	defer still.Stop()
	var first time.Time // of the changes that wait; zero: none
	note := func() {
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		still.Reset(max(0, min(quiet, most-now.Sub(first))))
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-events:
			switch {
			case !ok:
				events = nil
			case matters(e):
				note()
			}
		case err, ok := <-errs:
			if !ok {
				errs = nil
			} else if err != nil { // such as a queue that overflowed: look at everything
				note()
			}
		case <-ticker.C:
			if w.look() != seen {
				note()
			}
		case <-still.C:
			first = time.Time{}
			w.add(notify)
			seen = w.look()
			w.Changed()
		}
	}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// matters says whether an event may change what the loader reads. A name without a
// known ending counts too: it may be a directory.
func matters(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	name := filepath.Base(e.Name)
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
		return false
	}
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".xml", "":
		return true
	}
	return false
}

// add watches the directory and those in it. Watching one twice does nothing; one
// that cannot be watched is left to the rescan.
func (w *Watcher) add(notify *fsnotify.Watcher) {
	if notify == nil {
		return
	}
	if err := notify.Add(w.Dir); err != nil {
		return
	}
	entries, err := os.ReadDir(w.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			if err := notify.Add(filepath.Join(w.Dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return // no watches are left: the rescan looks at the rest
			}
		}
	}
}

// look returns a number that changes when the names, sizes or times of the files do.
func (w *Watcher) look() uint64 {
	h := fnv.New64a()
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			fmt.Fprintf(h, "%s: %v\n", dir, err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			name := filepath.Join(dir, e.Name())
			if e.IsDir() {
				if depth == 0 {
					walk(name, depth+1)
				}
				continue
			}
			if info, err := e.Info(); err == nil {
				fmt.Fprintf(h, "%s %d %d %v\n", name, info.Size(), info.ModTime().UnixNano(), info.Mode())
			}
		}
	}
	walk(w.Dir, 0)
	return h.Sum64()
}
