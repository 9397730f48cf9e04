package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"grove/runtime/probe/files"
)

const (
	// ticksPerSecond is USER_HZ, in which /proc counts processor time and starts: 100
	// on every architecture that Go runs on.
	ticksPerSecond = 100
	// maxFile bounds what is read of one file of /proc.
	maxFile = 64 << 10
	// maxArguments bounds a command line that is shown, in bytes.
	maxArguments = 1000
)

// errGone is returned for a process that ended while it was looked at.
var errGone = errors.New("the process is gone")

// stat is what is read of a process's stat file; see proc_pid_stat(5).
type stat struct {
	pid     int
	name    string // as the kernel has it: the first 15 bytes
	state   byte   // R, S, D, Z, …
	ticks   uint64 // of processor time, user and system
	threads int
	start   uint64 // ticks after the machine started
	rss     uint64 // pages
}

// parseStat reads the text of a stat file. The name stands in parentheses and may
// itself hold spaces and parentheses.
func parseStat(b []byte) (stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return stat{}, errors.New("stat has no name in parentheses")
	}
	s := stat{name: strings.ToValidUTF8(string(b[open+1:end]), "�")}
	f := bytes.Fields(b[end+1:])
	if len(f) < 22 || len(f[0]) != 1 {
		return stat{}, fmt.Errorf("stat has %d fields after the name, want at least 22", len(f))
	}
	s.state = f[0][0]
	var err error
	if s.pid, err = strconv.Atoi(string(bytes.TrimSpace(b[:open]))); err != nil {
		return stat{}, fmt.Errorf("stat: %w", err)
	}
	// The fields count from 3 in the manual, which the first after the name is.
	number := func(field int) uint64 {
		n, e := strconv.ParseUint(string(f[field-3]), 10, 64)
		if e != nil && err == nil {
			err = fmt.Errorf("field %d of stat: %w", field, e)
		}
		return n
	}
	s.ticks = number(14) + number(15)
	s.threads = int(number(20))
	s.start = number(22)
	s.rss = number(24)
	return s, err
}

// procfs reads files of /proc.
type procfs string

func (p procfs) read(name ...string) ([]byte, error) {
	f, err := os.Open(filepath.Join(append([]string{string(p)}, name...)...))
	if err != nil {
		return nil, gone(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	return b, gone(err)
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return errGone
	}
	return err
}

// pids lists all processes, in the order of /proc.
func (p procfs) pids() ([]int, error) {
	dir, err := os.Open(string(p))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func (p procfs) stat(pid int) (stat, error) {
	b, err := p.read(strconv.Itoa(pid), "stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

// arguments returns the command line; it is empty for threads of the kernel.
func (p procfs) arguments(pid int) ([]string, error) {
	b, err := p.read(strconv.Itoa(pid), "cmdline")
	if err != nil {
		return nil, err
	}
	b = bytes.TrimRight(b, "\x00 ")
	if len(b) == 0 {
		return nil, nil
	}
	return strings.Split(string(b), "\x00"), nil
}

// exe returns the path of the program's file, also when that was replaced meanwhile.
func (p procfs) exe(pid int) (string, error) {
	link, err := os.Readlink(filepath.Join(string(p), strconv.Itoa(pid), "exe"))
	return strings.TrimSuffix(link, " (deleted)"), gone(err)
}

// uid returns the effective user's number.
func (p procfs) uid(pid int) (string, error) {
	b, err := p.read(strconv.Itoa(pid), "status")
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
			if f := bytes.Fields(rest); len(f) >= 2 {
				return string(f[1]), nil
			}
		}
	}
	return "", errors.New("status has no Uid")
}

// fds counts the open files.
func (p procfs) fds(pid int) (int, error) {
	dir, err := os.Open(filepath.Join(string(p), strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0, gone(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names), gone(err)
}

// uptime returns the seconds since the machine started.
func (p procfs) uptime() (float64, error) {
	b, err := p.read("uptime")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(b), " ")
	return strconv.ParseFloat(strings.TrimSpace(first), 64)
}

// readPIDFile returns the number in a PID file; 0 when there is no such file. The
// error does not repeat what the file holds: it may be any file.
func readPIDFile(policy *files.Policy, file string) (int, error) {
	f, err := policy.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file", file)
	}
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("%s does not begin with the number of a process", file)
	}
	return pid, nil
}

// shorten makes a command line fit to be shown.
func shorten(args []string) string {
	s := strings.ToValidUTF8(strings.Join(args, " "), "�")
	if len(s) <= maxArguments {
		return s
	}
	cut := maxArguments
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
