package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// finding is what a command left behind.
type finding struct {
	status    int // 128 and the signal's number when a signal ended it
	output    []byte
	errors    []byte // from the error output
	truncated bool   // the output was longer
	duration  time.Duration
}

// execute runs one program to its end, or to the end of the context.
//
// The program leads a process group of its own. When it ends, or when the context
// does, the whole group is killed before its leader is reaped: as long as nobody has
// waited for the leader, its number, which is the group's, cannot belong to anybody
// else. The kernel kills the program if grove dies. It reads nothing, its directory is
// the root, and it inherits no file but its output.
func execute(ctx context.Context, path string, r *recipe) (*finding, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, errs := &bounded{max: maxOutput}, &bounded{max: maxErrors}
	cmd := &exec.Cmd{
		Path: path, Args: r.Command, Env: r.env, Dir: "/",
		Stdout: out, Stderr: errs,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
		WaitDelay:   waitDelay,
	}
	// What Go opens is closed in the program anyhow; this is for files that grove itself
	// inherited. An old kernel (before 5.11) does without.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
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

	f := &finding{duration: time.Since(start), output: out.bytes(), errors: errs.bytes(), truncated: out.cut()}
	if ctx.Err() != nil {
		return f, fmt.Errorf("killed after %v: %w", f.duration.Round(time.Millisecond), ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return f, err
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	f.status = status.ExitStatus()
	if status.Signaled() {
		f.status = 128 + int(status.Signal())
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

// bounded keeps the first bytes that are written to it and takes the rest without
// keeping it, so that the writer never stalls. A process that outlives the wait may
// still write when it is read.
type bounded struct {
	max int

	mu   sync.Mutex
	buf  bytes.Buffer
	more bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.max - b.buf.Len()
	b.buf.Write(p[:min(len(p), room)])
	b.more = b.more || len(p) > room
	return len(p), nil
}

func (b *bounded) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

func (b *bounded) cut() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.more
}
