package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system is a made-up /proc, 1000 s after the start of the machine.
type system struct {
	t    *testing.T
	proc string
}

func newSystem(t *testing.T) *system {
	s := &system{t, t.TempDir()}
	s.file("uptime", "1000.50 900.00\n")
	s.file("not-a-process", "")
	return s
}

func (s *system) file(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.proc, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// process is one made-up process.
type process struct {
	pid, ticks, start int
	name              string
	state             string // S when empty
	uid               string // 0 when empty
	args              string // separated by spaces
	fds               int
}

func (s *system) add(ps ...process) {
	s.t.Helper()
	for _, p := range ps {
		dir := strconv.Itoa(p.pid)
		if p.state == "" {
			p.state = "S"
		}
		if p.uid == "" {
			p.uid = "0"
		}
		s.file(dir+"/stat", fmt.Sprintf("%d (%s) %s 1 1 1 0 -1 4194560 1 0 0 0 %d %d 0 0 20 0 2 0 %d 1000 10 18446744073709551615 1 1\n",
			p.pid, p.name, p.state, p.ticks, p.ticks, p.start))
		s.file(dir+"/status", "Name:\tx\nUid:\t5\t"+p.uid+"\t5\t5\n")
		s.file(dir+"/cmdline", strings.ReplaceAll(p.args, " ", "\x00")+"\x00")
		for fd := range p.fds {
			s.file(fmt.Sprintf("%s/fd/%d", dir, fd), "")
		}
	}
}

func (s *system) probe(o Options) *processProbe {
	s.t.Helper()
	if o.By == "" {
		o.By, o.Rows = "pid", 100
	}
	p, err := newProbe(&o, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	p.proc, p.pageSize = procfs(s.proc), 4096
	p.users["0"], p.users["33"] = "root", "www-data"
	return p
}

func (s *system) look(p *processProbe, at time.Duration) string {
	s.t.Helper()
	r, err := p.look(s.t.Context(), time.Unix(1_800_000_000, 0).Add(at))
	if err != nil {
		s.t.Fatal(err)
	}
	return show(r)
}

// show writes a result as lines.
func show(r probe.Result) string {
	var b strings.Builder
	for _, v := range r.Values {
		fmt.Fprintf(&b, "%s=%s ", v.Attribute, v.Value)
	}
	b.WriteByte('\n')
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for i, cell := range row {
				if !cell.IsNone() {
					fmt.Fprintf(&b, "%s=%s ", t.Columns[i], cell)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func pids(r probe.Result) string {
	var out []string
	for _, row := range r.Tables[0].Rows {
		out = append(out, row[0].String())
	}
	return strings.Join(out, " ")
}

func TestFiguresOfTwoRuns(t *testing.T) {
	s := newSystem(t)
	s.add(
		process{pid: 10, name: "nginx", ticks: 100, start: 10000, args: "nginx: master -c /secret", fds: 3},
		process{pid: 12, name: "nginx", ticks: 500, start: 20000, uid: "33", fds: 4},
		process{pid: 13, name: "nginx", state: "Z", start: 30000},
		process{pid: 99, name: "other", ticks: 1, start: 5000},
	)
	p := s.probe(Options{Name: "nginx"})
	got := s.look(p, 0)
	want := `count=2 up=1 zombies=1 memory=81920 threads=4 fds=7 age=900.5 started=2027-01-15T07:44:59Z youngest_age=800.5 
pid=10 name=nginx user=root state=sleeping memory=40960 threads=2 fds=3 age=900.5 
pid=12 name=nginx user=www-data state=sleeping memory=40960 threads=2 fds=4 age=800.5 
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}

	t.Log("10 was started anew under its number; 12 used 5 s of 10 s; 20 came and used 1 s")
	s.file("uptime", "1010.50 900.00\n")
	s.add(
		process{pid: 10, name: "nginx", ticks: 0, start: 100500, fds: 3},
		process{pid: 12, name: "nginx", ticks: 750, start: 20000, uid: "33", state: "R", fds: 4},
		process{pid: 20, name: "nginx", ticks: 50, start: 100550},
	)
	got = s.look(p, 10*time.Second)
	want = `count=3 up=1 zombies=1 cpu=60 memory=122880 threads=6 age=810.5 started=2027-01-15T07:46:39Z youngest_age=5 
pid=12 name=nginx user=www-data state=running cpu=50 memory=40960 threads=2 fds=4 age=810.5 
pid=10 name=nginx user=root state=sleeping cpu=0 memory=40960 threads=2 fds=3 age=5.5 
pid=20 name=nginx user=root state=sleeping cpu=10 memory=40960 threads=2 age=5 
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("second run (-want +got):\n%s", diff)
	}
}

func TestNothingFitsIsAReading(t *testing.T) {
	s := newSystem(t)
	got := s.look(s.probe(Options{Name: "nginx"}), 0)
	if want := "count=0 up=0 zombies=0 cpu=0 memory=0 threads=0 fds=0 \n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConditions(t *testing.T) {
	s := newSystem(t)
	s.add(
		process{pid: 1, name: "java", args: "/usr/bin/java -jar shop.jar", uid: "33", start: 1},
		process{pid: 2, name: "java", args: "/usr/bin/java -jar bank.jar", start: 2},
		process{pid: 3, name: "a (b) c", args: "", start: 3},
		process{pid: 4, name: "systemd-network", args: "/usr/lib/systemd/systemd-networkd", start: 4},
		process{pid: 5, name: "systemd-network", args: "/usr/lib/systemd/systemd-network-generator", start: 5},
	)
	for pid, exe := range map[string]string{"1": "/opt/shop/bin/java", "2": "/usr/bin/java (deleted)"} {
		if err := os.Symlink(exe, filepath.Join(s.proc, pid, "exe")); err != nil {
			t.Fatal(err)
		}
	}
	pidFile := filepath.Join(t.TempDir(), "x.pid")
	if err := os.WriteFile(pidFile, []byte(" 2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options Options
		want    string
	}{
		{"everything", Options{}, "1 2 3 4 5"},
		{"name", Options{Name: "java"}, "1 2"},
		{"part of a name", Options{Name: "jav"}, ""},
		{"name with parentheses", Options{Name: "a (b) c"}, "3"},
		{"long name", Options{Name: "systemd-networkd"}, "4"},
		{"long name as the kernel has it", Options{Name: "systemd-network"}, "4 5"},
		{"command line", Options{Cmdline: `-jar (shop|bank)\.jar$`, Name: "java"}, "1 2"},
		{"one command line", Options{Cmdline: `shop\.jar`}, "1"},
		{"user by name", Options{User: "www-data"}, "1"},
		{"user by number", Options{User: "33"}, "1"},
		{"program file", Options{Exe: "/opt/*/bin/java"}, "1"},
		{"program file that was replaced", Options{Exe: "/usr/bin/java"}, "2"},
		{"PID file", Options{PIDFile: pidFile}, "2"},
		{"PID file of another program", Options{PIDFile: pidFile, Name: "nginx"}, ""},
		{"no PID file", Options{PIDFile: pidFile + ".old"}, ""},
		{"fewer rows than processes", Options{By: "pid", Rows: 2}, "1 2"},
		{"by name", Options{By: "name", Rows: 2}, "a (b) c java"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := s.probe(c.options).look(t.Context(), time.Unix(0, 0))
			if err != nil {
				t.Fatal(err)
			}
			if got := pids(r); got != c.want {
				t.Errorf("chose %q, want %q", got, c.want)
			}
		})
	}
}

func TestPIDFileThatIsNone(t *testing.T) {
	s := newSystem(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "shadow")
	if err := os.WriteFile(secret, []byte("root:$6$hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		secret: "pid_file: " + secret + " does not begin with the number of a process",
		pipe:   "pid_file: " + pipe + " is not a regular file",
		dir:    "pid_file: " + dir + " is not a regular file",
	} {
		_, err := s.probe(Options{PIDFile: file}).look(t.Context(), time.Unix(0, 0))
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestArgumentsAreShownOnlyWhenAskedFor(t *testing.T) {
	s := newSystem(t)
	s.add(process{pid: 1, name: "curl", args: "curl -u admin:hunter2 " + strings.Repeat("ä", 600)})
	if got := s.look(s.probe(Options{Cmdline: "hunter2"}), 0); strings.Contains(got, "hunter2") || !strings.Contains(got, "count=1") {
		t.Errorf("without arguments: %s", got)
	}
	got := s.look(s.probe(Options{By: "pid", Rows: 1, Arguments: true}), 0)
	want := "arguments=curl -u admin:hunter2 " + strings.Repeat("ä", 489) + "… \n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("with arguments: %s", got)
	}
}

func TestProcessesThatEndMeanwhileAreLeftOut(t *testing.T) {
	s := newSystem(t)
	s.add(process{pid: 1, name: "x"}, process{pid: 2, name: "x"})
	if err := os.Remove(filepath.Join(s.proc, "2/stat")); err != nil {
		t.Fatal(err)
	}
	if got := s.look(s.probe(Options{Name: "x"}), 0); !strings.HasPrefix(got, "count=1 ") {
		t.Errorf("got %s", got)
	}
}

func TestEndedContextEndsTheRun(t *testing.T) {
	s := newSystem(t)
	s.add(process{pid: 1, name: "x"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.probe(Options{}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context canceled", err)
	}
}

func TestRealProcesses(t *testing.T) {
	pattern := fmt.Sprintf("%d.25", 1000000+os.Getpid())
	for range 2 {
		cmd := exec.Command("sleep", pattern)
		if err := cmd.Start(); err != nil {
			t.Skipf("skipped: sleep does not run here: %v", err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	o := Kind(nil).NewOptions().(*Options)
	o.Name, o.Cmdline = "sleep", " "+pattern+"$"
	p, err := Kind(nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	// The child may not have become sleep yet: it does so before long.
	for {
		r, err := p.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Values[0].Value.String() != "2" {
			continue
		}
		for _, v := range r.Values {
			n, _ := v.Value.Number()
			switch {
			case v.Attribute == "memory" && (n < 1<<18 || n > 1<<26):
				t.Errorf("two sleeps have %v bytes", n)
			case v.Attribute == "threads" && n != 2:
				t.Errorf("two sleeps have %v threads", n)
			case v.Attribute == "age" && n > 60:
				t.Errorf("a fresh process is %v s old", n)
			}
		}
		return
	}
}

// TestPIDFilePolicy keeps definitions from files that the operator did not list.
func TestPIDFilePolicy(t *testing.T) {
	listed, err := files.NewPolicy([]string{t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "shop.pid")
	if err := os.WriteFile(file, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Kind(nil).NewOptions().(*Options)
	o.PIDFile = file
	p, err := Kind(listed).New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); !errors.Is(err, files.ErrDenied) || err.Error() != "pid_file: "+file+": not allowed to definitions" {
		t.Errorf("error %v", err)
	}
}

func TestContract(t *testing.T) {
	probetest.Run(t, Kind(nil), Kind(nil).NewOptions(), &Options{By: "name", Rows: 10}, &Options{By: "pid", Rows: 1000, Cmdline: ".", Arguments: true})
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "name", Options: &Options{By: "pid", Name: "/bin/sh"}, Option: "name", Want: `name: "/bin/sh" is a path, not the name of a program; see exe`},
		probetest.Bad{Name: "exe", Options: &Options{By: "pid", Exe: "java"}, Option: "exe", Want: `exe: "java" does not begin with /`},
		probetest.Bad{Name: "exe pattern", Options: &Options{By: "pid", Exe: "/opt/[a"}, Option: "exe", Want: `exe: "/opt/[a" is no pattern: a bracket is not closed, or a backslash ends it`},
		probetest.Bad{Name: "cmdline", Options: &Options{By: "pid", Cmdline: "(a"}, Option: "cmdline", Want: "cmdline: error parsing regexp: missing closing ): `(a`"},
		probetest.Bad{Name: "long cmdline", Options: &Options{By: "pid", Cmdline: strings.Repeat("a", 1001)}, Option: "cmdline", Want: "cmdline: has 1001 bytes, more than 1000"},
		probetest.Bad{Name: "pid_file", Options: &Options{By: "pid", PIDFile: "run/x.pid"}, Option: "pid_file", Want: `pid_file: "run/x.pid" is not an absolute path without detours`},
		probetest.Bad{Name: "pid_file with detours", Options: &Options{By: "pid", PIDFile: "/run/../etc/x"}, Option: "pid_file", Want: `pid_file: "/run/../etc/x" is not an absolute path without detours`},
		probetest.Bad{Name: "by", Options: &Options{By: "user"}, Option: "by", Want: `by: "user" is neither pid nor name`},
		probetest.Bad{Name: "rows", Options: &Options{By: "pid", Rows: 1001}, Option: "rows", Want: "rows: 1001 is outside 0..1000"},
		probetest.Bad{Name: "arguments by name", Options: &Options{By: "name", Arguments: true}, Option: "arguments", Want: "arguments: only a table by pid has them"},
	)
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a (b) c) S 1 1 1 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 2 0 77 1000 10 1 1\n"))
	f.Add([]byte("12 ()"))
	f.Add([]byte(") ("))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStat(b)
		if err == nil && s.state == 0 {
			t.Errorf("%q: neither a state nor an error", b)
		}
	})
}

func BenchmarkRun(b *testing.B) {
	p, err := Kind(nil).New(Kind(nil).NewOptions())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
