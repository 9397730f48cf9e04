package member

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"grove/notify/peer/settings"
	"grove/tree/definition/source"
)

// file is the file of peers.
type file struct {
	name string

	mu    sync.Mutex
	stamp stamp
	state State
}

// State says how the last reading of the file went.
type State struct {
	File string
	// There says that there is such a file; Errors what is wrong in it, in which case what it
	// said before goes on.
	There  bool
	Errors source.Errors
	Loaded time.Time // of what is in force; zero: none
}

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	time time.Time
}

func (f *file) look() (s stamp, there bool) {
	if i, err := os.Stat(f.name); err == nil {
		return stamp{i.Size(), i.ModTime()}, true
	}
	return stamp{}, false
}

// first reads the file when the manager starts. What is wrong with it is an error: listening
// somewhere else than was meant would be worse than not to start.
func (f *file) first() (*settings.Settings, error) {
	s, errs := f.read()
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// maxFile bounds the file.
const maxFile = 1 << 20

// read reads the file; nothing is said by one that is not there.
func (f *file) read() (*settings.Settings, source.Errors) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stamp, _ = f.look()
	f.state.File = f.name
	var errs source.Errors
	text, err := os.ReadFile(f.name)
	f.state.There = !errors.Is(err, fs.ErrNotExist)
	switch {
	case !f.state.There:
	case err != nil:
		errs.Add(source.Pos{File: f.name}, "%w", err)
	case len(text) > maxFile:
		errs.Add(source.Pos{File: f.name}, "%d bytes are more than %d, which a file of peers has at most", len(text), maxFile)
	}
	var s *settings.Settings
	if len(errs) == 0 {
		s, errs = settings.Read(f.name, text)
	}
	f.state.Errors = errs
	if len(errs) == 0 {
		f.state.Loaded = time.Now()
	}
	return s, errs
}

// State says how the last reading of the file went.
func (m *Member) State() State {
	m.file.mu.Lock()
	defer m.file.mu.Unlock()
	return m.file.state
}

// Reload reads the file again. The error is what is wrong with it, or what of it only counts
// after a restart.
func (m *Member) Reload() error {
	s, errs := m.file.read()
	if err := errs.Err(); err != nil {
		return err
	}
	before := m.said.Swap(s)
	if (s.Cluster == nil) != (before.Cluster == nil) || s.Proxy != before.Proxy {
		m.log.Warn("cluster and proxy of the file of peers count from the next start on")
	}
	if s.Cluster == nil {
		m.listen(s.Listen)
	}
	m.rules()
	m.changed()
	return nil
}

// watchFile reads the file again whenever it has changed.
func (m *Member) watchFile(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		m.file.mu.Lock()
		before, there := m.file.stamp, m.file.state.There
		m.file.mu.Unlock()
		if now, is := m.file.look(); now == before || !is && !there {
			continue
		}
		if err := m.Reload(); err != nil {
			m.log.Error("the file of peers counts no further than before", "err", err)
		} else {
			m.log.Info("the file of peers was read", "file", m.file.name)
		}
	}
}
