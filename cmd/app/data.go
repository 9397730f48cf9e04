package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// dataDir is the data directory of a running manager. Its lock keeps a second
// manager away: two would write the same files.
type dataDir struct {
	path string
	lock *os.File
}

// ErrInUse is wrapped by the error of a data directory on which a manager runs.
var ErrInUse = errors.New("another grove uses it")

// lockWait is how long a manager that was killed a moment ago may still hold the lock
// while the system takes it down.
const lockWait = time.Second

// openData makes the directory if need be, readable by its owner alone, and locks it.
func openData(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	name := filepath.Join(path, "grove.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s: %w; give this one its own with --data", path, ErrInUse)
		}
		return nil, fmt.Errorf("data directory: lock %s: %w", name, err)
	}
	return &dataDir{path, f}, nil
}

// lock takes the lock of a file, which another may hold for lockWait at most.
func lock(f *os.File) error {
	again := time.NewTicker(lockWait / 20)
	defer again.Stop()
	for end := time.Now().Add(lockWait); ; <-again.C {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			return err
		}
	}
}

// Close gives the directory up. The file stays: whoever finds it takes the lock, not
// the file, as the sign.
func (d *dataDir) Close() error { return d.lock.Close() }
