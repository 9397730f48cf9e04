// Package program runs programs for probes: without a shell, in a process group of their
// own, with bounds on what they may use, and only such as the operator allows.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a command may use, beside the time that it is given.
const (
	limitMemory = 4 << 30  // bytes of address space
	limitFile   = 64 << 20 // bytes of a file that it writes
)

// waitDelay is how long a process that left the group may keep the output open.
const waitDelay = 500 * time.Millisecond

// Command is a program that is run.
type Command struct {
	Path string   // as Policy.Resolve returned it
	Args []string // with the name of the program first
	Env  []string // name=value
	// Output and Errors take what it writes. When one fails, the program is told that
	// nobody reads any more.
	Output, Errors io.Writer
}

// Finding is how a program ended.
type Finding struct {
	Status   int // 128 and the signal's number when a signal ended it
	Duration time.Duration
}

// Run runs one program to its end, or to the end of the context.
//
// The program leads a process group of its own. When it ends, or when the context
// does, the whole group is killed before its leader is reaped: as long as nobody has
// waited for the leader, its number, which is the group's, cannot belong to anybody
// else. The kernel kills the program if grove dies. It reads nothing, its directory is
// the root, and it inherits no file but its output.
func Run(ctx context.Context, c Command) (Finding, error) {
	if err := ctx.Err(); err != nil {
		return Finding{}, err
	}
	output, errs := &noted{to: c.Output}, &noted{to: c.Errors}
	cmd := &exec.Cmd{
		Path: c.Path, Args: c.Args, Env: c.Env, Dir: "/",
		Stdout: output, Stderr: errs,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
		WaitDelay:   waitDelay,
	}
	// What Go opens is closed in the program anyhow; this is for files that grove itself
	// inherited. An old kernel (before 5.11) does without.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return Finding{}, err
	}
	pid := cmd.Process.Pid
	limitProcess(ctx, pid)

	var mu sync.Mutex
	reaped := false
	kill := func() {
		mu.Lock()
		defer mu.Unlock()
		if !reaped {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
	stop := context.AfterFunc(ctx, kill)
	awaitExit(pid)
	stop()
	kill() // what it left in the background
	mu.Lock()
	reaped = true
	mu.Unlock()
	err := cmd.Wait()

	f := Finding{Duration: time.Since(start)}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	f.Status = status.ExitStatus()
	if status.Signaled() {
		f.Status = 128 + int(status.Signal())
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return f, fmt.Errorf("killed after %v: %w", f.Duration.Round(time.Millisecond), ctx.Err())
	case output.failure() != nil || errs.failure() != nil:
		return f, errors.Join(output.failure(), errs.failure())
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		return f, err
	}
	return f, nil
}

// awaitExit returns when the process has ended, and leaves it to be reaped.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// limitProcess sets limits from outside: Go has no way to set them between fork and
// exec. What the program does in its first microseconds is not limited.
func limitProcess(ctx context.Context, pid int) {
	set := func(resource int, n uint64) {
		_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
	set(unix.RLIMIT_CORE, 0)
	set(unix.RLIMIT_AS, limitMemory)
	set(unix.RLIMIT_FSIZE, limitFile)
	if deadline, ok := ctx.Deadline(); ok {
		set(unix.RLIMIT_CPU, uint64(time.Until(deadline).Seconds())+2)
	}
}

// noted remembers why a writer failed: how the program ended then, by the signal that
// tells it so, hides it.
type noted struct {
	to io.Writer

	mu  sync.Mutex // guards err: a process that left the group may still write
	err error
}

// Write implements io.Writer.
func (w *noted) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = err
	}
	return n, err
}

func (w *noted) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
