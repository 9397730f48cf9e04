package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/program"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a journal that systemd-journal-remote writes.
type store struct {
	*testing.T
	dir     string
	entries int
}

func newStore(t *testing.T) *store {
	t.Helper()
	if _, err := exec.LookPath("journalctl"); err != nil {
		t.Skip("journalctl is not installed")
	}
	if _, err := os.Stat(remote); err != nil {
		t.Skip("systemd-journal-remote is not installed")
	}
	return &store{T: t, dir: t.TempDir()}
}

const remote = "/lib/systemd/systemd-journal-remote"

// first is the time of the first entry; each is a second later.
var first = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// add adds entries; each is priority, identifier and message.
func (s *store) add(entries ...[3]string) {
	s.Helper()
	var b strings.Builder
	for _, e := range entries {
		at := first.Add(time.Duration(s.entries) * time.Second)
		s.entries++
		// The export format: https://systemd.io/JOURNAL_EXPORT_FORMATS/
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\nPRIORITY=%s\nSYSLOG_IDENTIFIER=%s\n_SYSTEMD_UNIT=%s.service\n_HOSTNAME=web1\n_PID=7\n",
			at.UnixMicro(), s.entries*1_000_000, e[0], e[1], e[1])
		// What may hold anything is written with its length.
		n := len(e[2])
		fmt.Fprintf(&b, "MESSAGE\n%s%s\n\n", string([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0, 0, 0, 0, 0}), e[2])
	}
	cmd := exec.Command(remote, "-o", filepath.Join(s.dir, "test.journal"), "-")
	cmd.Stdin = strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
}

func options(change func(*Options)) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	change(o)
	return o
}

// run runs a probe once and returns its events, and its readings as text.
func run(t *testing.T, p probe.Probe) (events []string, readings map[string]string) {
	t.Helper()
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	readings = map[string]string{}
	for _, v := range r.Values {
		readings[v.Attribute] = v.Value.String()
		for _, e := range v.Events {
			events = append(events, fmt.Sprintf("%s %s %s", e.Time.UTC().Format("05"), e.Status, e.Text))
		}
	}
	return events, readings
}

func (s *store) probe(change func(*Options)) probe.Probe {
	s.Helper()
	p, err := Kind(nil, nil).New(options(func(o *Options) { o.Directory = s.dir; change(o) }))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { p.Close() })
	return p
}

func finds(t *testing.T, p probe.Probe, want ...string) map[string]string {
	t.Helper()
	events, readings := run(t, p)
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(events, "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	return readings
}

func TestEntriesAreReadOnce(t *testing.T) {
	s := newStore(t)
	s.add([3]string{"6", "app", "before"})
	p := s.probe(func(*Options) {})
	finds(t, p)
	s.add([3]string{"6", "app", "one"}, [3]string{"4", "app", "two"})
	s.add([3]string{"2", "db", "three\nfour \xff"})
	readings := finds(t, p, "01 green one", "02 yellow two", "03 red three\nfour �")
	if readings["lines"] != "3" || readings["gaps"] != "0" || readings["behind"] != "0" {
		t.Errorf("got %v", readings)
	}
	finds(t, p)
	memory := p.(probe.Rememberer).Memory()
	s.add([3]string{"6", "app", "in the pause"})
	again := s.probe(func(*Options) {})
	again.(probe.Rememberer).Recall(memory)
	finds(t, again, "04 green in the pause")

	other := s.probe(func(o *Options) { o.From = "start" })
	if events, _ := run(t, other); len(events) != 5 {
		t.Errorf("from the start: %q", events)
	}
	// A place that is not there any more: reading goes on at the end.
	lost := s.probe(func(*Options) {})
	lost.(probe.Rememberer).Recall(fmt.Appendf(nil, `{"directory":%q,"cursor":"nonsense"}`, s.dir))
	if readings := finds(t, lost); readings["gaps"] != "1" {
		t.Errorf("got %v", readings)
	}
	s.add([3]string{"6", "app", "after"})
	finds(t, lost, "05 green after")
}

func TestMoreThanOneRunReads(t *testing.T) {
	s := newStore(t)
	var entries [][3]string
	for k := range 25 {
		entries = append(entries, [3]string{"6", "app", fmt.Sprintf("entry %d", k)})
	}
	s.add(entries...)
	p := s.probe(func(o *Options) { o.From = "start" })
	p.(*journalProbe).most = 10
	var got []string
	for _, behind := range []string{"1", "1", "0"} {
		events, readings := run(t, p)
		if readings["behind"] != behind {
			t.Errorf("behind is %s, want %s", readings["behind"], behind)
		}
		got = append(got, events...)
	}
	if len(got) != 25 || got[24] != "24 green entry 24" {
		t.Errorf("got %q", got)
	}
}

func TestSelection(t *testing.T) {
	s := newStore(t)
	s.add([3]string{"6", "app", "app info"}, [3]string{"3", "app", "app error"}, [3]string{"6", "db", "db info"}, [3]string{"3", "db", "db error"}, [3]string{"6", "app", strings.Repeat("x", 9000)})
	for name, tt := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"unit":       {func(o *Options) { o.Units = []string{"d*.service"} }, []string{"02 green db info", "03 red db error"}},
		"identifier": {func(o *Options) { o.Identifiers, o.Priority = []string{"app"}, "err" }, []string{"01 red app error"}},
		"priority":   {func(o *Options) { o.Priority = "warning" }, []string{"01 red app error", "03 red db error"}},
		"match":      {func(o *Options) { o.Matches = []string{"SYSLOG_IDENTIFIER=db", "PRIORITY=6"} }, []string{"02 green db info"}},
		"fields in a text": {func(o *Options) {
			o.Rules = []pattern.Rule{{Match: "db e", Text: "{host} {unit} {identifier}[{pid}] {priority}: {line}"}}
		}, []string{"03 red web1 db.service db[7] 3: db error"}},
		"nothing": {func(o *Options) { o.Units = []string{"none"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.probe(func(o *Options) { o.From = "start"; tt.change(o) })
			finds(t, p, tt.want...)
			finds(t, p)
		})
	}
	long := s.probe(func(o *Options) { o.From, o.Rules = "start", []pattern.Rule{{Match: "x{1000}", Text: "long"}} })
	finds(t, long, "04 green long")
}

func TestPolicies(t *testing.T) {
	s := newStore(t)
	s.add([3]string{"6", "app", "secret"})
	nothing, err := program.ParsePolicy(nil)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := files.NewPolicy([]string{t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]probe.Kind{"program": Kind(nothing, nil), "files": Kind(nil, elsewhere)} {
		for _, dir := range []string{s.dir, ""} {
			p, err := kind.New(options(func(o *Options) { o.Directory, o.From = dir, "start" }))
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Run(context.Background())
			if !errors.Is(err, program.ErrDenied) && !errors.Is(err, files.ErrDenied) {
				t.Errorf("%s, directory %q: got %v", name, dir, err)
			}
			if len(r.Values) > 0 {
				t.Errorf("%s, directory %q: what could not be read yields %v, which would look well", name, dir, r.Values)
			}
			p.Close()
		}
	}
}

func TestContract(t *testing.T) {
	s := newStore(t)
	s.add([3]string{"6", "app", "hello"})
	kind := Kind(nil, nil)
	probetest.Run(t, kind,
		options(func(o *Options) { o.Directory = s.dir }),
		options(func(o *Options) {
			o.Directory, o.From, o.Units, o.Priority, o.Identifiers, o.Matches = s.dir, "start", []string{"app"}, "info", []string{"app"}, []string{"_PID=7"}
		}),
	)
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: option + ": " + want, Options: options(change)}
	}
	probetest.Refuses(t, kind,
		bad("unit", "units", `"--file=/x" is not the name of a unit`, func(o *Options) { o.Units = []string{"--file=/x"} }),
		bad("match", "matches", `"--file=/x" is not a field and its value, such as _TRANSPORT=kernel`, func(o *Options) { o.Matches = []string{"--file=/x"} }),
		bad("empty", "identifiers", `"" is empty, longer than 1000 bytes or has a control character`, func(o *Options) { o.Identifiers = []string{""} }),
		bad("many", "units", "are 51, more than 50", func(o *Options) { o.Units = make([]string, 51) }),
		bad("priority", "priority", `"bad" is none of emerg, alert, crit, err, warning, notice, info, debug`, func(o *Options) { o.Priority = "bad" }),
		bad("directory", "directory", `"x" is not an absolute path without detours`, func(o *Options) { o.Directory = "x" }),
		bad("from", "from", `"x" is none of end, start`, func(o *Options) { o.From = "x" }),
	)
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"MESSAGE":"a","PRIORITY":"3","__CURSOR":"s"}`+"\n"), 3)
	f.Add([]byte(`{"MESSAGE":[104,105,300],"PRIORITY":["3","4"],"_PID":null}`+"\n{}\n"), 1000)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		step = max(1, step%1000)
		count := func(step int) (n int) {
			r := &reader{most: maxEntries, take: func(e entry) {
				n++
				if s := e.record().Status; s > tree.Red {
					t.Errorf("status %v", s)
				}
			}}
			for rest := b; len(rest) > 0; rest = rest[min(step, len(rest)):] {
				if _, err := r.Write(rest[:min(step, len(rest))]); err != nil {
					break
				}
			}
			return n
		}
		if a, b := count(step), count(1<<30); a != b {
			t.Errorf("%d entries in pieces and %d at once", a, b)
		}
	})
}
