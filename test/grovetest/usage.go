package grovetest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Memory is what a process takes of the machine's memory, bytes: a field of
// /proc/PID/status, such as VmRSS, VmHWM (its most so far) or RssAnon (without what it shares
// with others of the same program).
func Memory(t testing.TB, pid int, field string) float64 {
	t.Helper()
	for line := range strings.Lines(proc(t, pid, "status")) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes * 1024
		}
	}
	t.Fatalf("process %d has no %s", pid, field)
	return 0
}

// Worked is for how long a process has kept processors busy, in and out of the kernel. That
// of this one, whose pid may be 0, is exact; that of others is in hundredths of a second.
func Worked(t testing.TB, pid int) time.Duration {
	t.Helper()
	if pid == 0 || pid == os.Getpid() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	// The second field of proc_pid_stat(5) is the name of the program, in parentheses; the 14th
	// and 15th are the times of the process and of the system for it. They are in hundredths of
	// a second on all of Linux.
	text := proc(t, pid, "stat")
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		t.Fatalf("process %d has no times: %q", pid, text)
	}
	var sum time.Duration
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(ticks) * 10 * time.Millisecond
	}
	return sum
}

// proc reads what the system says of a process.
func proc(t testing.TB, pid int, file string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
