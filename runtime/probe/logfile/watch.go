package logfile

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"grove/runtime/probe"
)

// gather is how long more lines are waited for before what was written is announced, so
// that a busy log costs few runs.
const gather = 100 * time.Millisecond

var _ probe.Announcer = (*logProbe)(nil)

// Watch implements probe.Announcer: the system tells when something in the directories of
// the files changes.
func (p *logProbe) Watch(ctx context.Context, announce func()) (err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, path := range p.recipe.paths {
		dir := filepath.Dir(path)
		d, err := p.policy.Open(dir)
		if err == nil {
			err = errors.Join(w.Add(dir), d.Close())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			waiting = false
			announce()
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("the watch ended")
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return err
			}
			announce() // something changed
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("the watch ended")
			}
			if !waiting && p.recipe.wants(e.Name) {
				waiting = true
				timer.Reset(gather)
			}
		}
	}
}
