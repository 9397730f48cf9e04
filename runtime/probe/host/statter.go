package host

import (
	"context"
	"errors"
	"sync"

	"github.com/shirou/gopsutil/v4/disk"
)

// maxHanging bounds how many file systems may be asked at once, those that never
// answered included; each holds an operating system thread.
const maxHanging = 64

var errTooManyHang = errors.New("too many file systems do not answer")

// statter asks file systems how full they are. A file system of a dead server may
// never answer, and the system call cannot be called off. So each is asked by a
// goroutine of its own, and never again while a question to it is open: whoever
// asks meanwhile waits for the same answer. The goroutines that are left when grove
// ends are those the kernel does not give back.
type statter struct {
	usage func(ctx context.Context, mountpoint string) (*disk.UsageStat, error)

	mu   sync.Mutex
	open map[string]*question // by mount point
}

// question is one call under way. usage and err are set before done is closed.
type question struct {
	done  chan struct{}
	usage *disk.UsageStat
	err   error
}

func newStatter() *statter {
	return &statter{usage: disk.UsageWithContext, open: map[string]*question{}}
}

// ask returns the question that is open about a mount point, or opens one.
func (s *statter) ask(mountpoint string) (*question, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ok := s.open[mountpoint]; ok {
		return q, nil
	}
	if len(s.open) >= maxHanging {
		return nil, errTooManyHang
	}
	q := &question{done: make(chan struct{})}
	s.open[mountpoint] = q
	go func() {
		// The context of a run is not passed on: the answer may serve a later one.
		q.usage, q.err = s.usage(context.Background(), mountpoint)
		s.mu.Lock()
		delete(s.open, mountpoint)
		s.mu.Unlock()
		close(q.done)
	}()
	return q, nil
}
