package logfile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	o.Limit = 100_000
	change(o)
	return o
}

// journal is a log file of a test, and the probe that follows it.
type journal struct {
	*testing.T
	path    string
	options *Options
	policy  *files.Policy
	probe   *logProbe
	memory  []byte
	last    map[string]string // of the last run, by attribute
}

func newJournal(t *testing.T, change func(*Options)) *journal {
	t.Helper()
	j := &journal{T: t, path: filepath.Join(t.TempDir(), "a.log")}
	j.options = options(func(o *Options) {
		o.Path = j.path
		change(o)
	})
	j.restart()
	t.Cleanup(func() { j.probe.Close() })
	return j
}

// restart ends the probe and makes another that remembers.
func (j *journal) restart() {
	j.Helper()
	if j.probe != nil {
		if err := j.probe.Close(); err != nil {
			j.Fatal(err)
		}
	}
	p, err := Kind(j.policy).New(j.options)
	if err != nil {
		j.Fatal(err)
	}
	j.probe = p.(*logProbe)
	j.probe.Recall(j.memory)
}

// run runs the probe once and returns the events.
func (j *journal) run() []string {
	j.Helper()
	r, err := j.probe.Run(context.Background())
	if err != nil {
		j.Fatal(err)
	}
	var events []string
	j.last = map[string]string{}
	for _, v := range r.Values {
		j.last[v.Attribute] = v.Value.String()
		for _, e := range v.Events {
			events = append(events, e.Text)
		}
	}
	j.memory = j.probe.Memory()
	if len(j.memory) > probe.MaxMemory {
		j.Errorf("%d bytes are remembered", len(j.memory))
	}
	return events
}

// finds wants these events of a run.
func (j *journal) finds(want ...string) {
	j.Helper()
	if diff := cmp.Diff(want, j.run(), cmp.Transformer("nil", func(s []string) string { return strings.Join(s, "|") })); diff != "" {
		j.Errorf("-want +got:\n%s", diff)
	}
}

func (j *journal) write(lines ...string) { j.writeTo(j.path, lines...) }

func (j *journal) writeTo(path string, lines ...string) {
	j.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(strings.Join(lines, ""))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		j.Fatal(err)
	}
}

func (j *journal) must(err error) {
	j.Helper()
	if err != nil {
		j.Fatal(err)
	}
}

func (j *journal) rename(to string) {
	j.Helper()
	j.must(os.Rename(j.path, j.path+to))
}

func TestContract(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("one\ntwo error 5\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kind := Kind(nil)
	probetest.Run(t, kind,
		options(func(o *Options) { o.Path = filepath.Join(dir, "a.log") }),
		options(func(o *Options) {
			o.Path, o.From, o.Repeat, o.Multiline = filepath.Join(dir, "*.log"), "start", time.Minute, &pattern.Multiline{Start: "^o"}
			o.Rules = []pattern.Rule{{Match: `error (?P<n>\d+)`, Status: "red", Count: "errors", Values: map[string]pattern.Value{"n": {}}}}
		}),
		options(func(o *Options) { o.Paths = []string{filepath.Join(dir, "none.log")} }),
	)
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: option + ": " + want, Options: options(change)}
	}
	probetest.Refuses(t, kind,
		bad("no path", "path", "is needed: the log file", func(*Options) {}),
		bad("both", "paths", "and path both name files: leave one out", func(o *Options) { o.Path, o.Paths = "/a", []string{"/b"} }),
		bad("relative", "path", `"a.log" is not an absolute path without detours`, func(o *Options) { o.Path = "a.log" }),
		bad("detour", "paths[1]", `"/a/../b" is not an absolute path without detours`, func(o *Options) { o.Paths = []string{"/a", "/a/../b"} }),
		bad("wildcard in a directory", "path", `"/var/*/a.log" has a wildcard before its last part`, func(o *Options) { o.Path = "/var/*/a.log" }),
		bad("bad wildcard", "path", `"/var/[a": syntax error in pattern`, func(o *Options) { o.Path = "/var/[a" }),
		bad("too many", "paths", "are 21, more than 20", func(o *Options) { o.Paths = make([]string, 21) }),
		bad("from", "from", `"middle" is none of end, start`, func(o *Options) { o.Path, o.From = "/a", "middle" }),
		bad("bad rule", "rules[0].match", "error parsing regexp: missing closing ): `(`", func(o *Options) { o.Path, o.Rules = "/a", []pattern.Rule{{Match: "("}} }),
	)
}

func TestWhatIsWrittenIsReadOnce(t *testing.T) {
	j := newJournal(t, func(*Options) {})
	j.write("before\n")
	j.finds()
	j.write("one\n", "two\nthr")
	j.finds("one", "two")
	j.write("ee\n")
	j.finds("three")
	j.finds()
	if j.last["found"] != "1" || j.last["lines"] != "3" || j.last["size"] != "21" || j.last["behind"] != "0" {
		t.Errorf("got %v", j.last)
	}
}

func TestFileAppearsLater(t *testing.T) {
	j := newJournal(t, func(*Options) {})
	j.finds()
	if j.last["found"] != "0" {
		t.Errorf("found is %s", j.last["found"])
	}
	j.restart()
	j.write("first\n")
	j.finds("first")
}

func TestFromStart(t *testing.T) {
	j := newJournal(t, func(o *Options) { o.From = "start" })
	j.write("first\n")
	j.finds("first")
}

func TestRotationByName(t *testing.T) {
	j := newJournal(t, func(o *Options) { o.From = "start" })
	j.write("1\n")
	j.finds("1")
	j.write("2\n")
	j.rename(".1")
	j.write("4\n")
	j.writeTo(j.path+".1", "3\n") // who writes has not noticed yet
	j.finds("2", "3", "4")
	j.writeTo(j.path+".1", "late\n")
	j.write("5\n")
	j.finds("late", "5")
	if j.last["rotations"] != "1" || j.last["gaps"] != "0" {
		t.Errorf("got %v", j.last)
	}
}

func TestNothingAtThePathForAWhile(t *testing.T) {
	j := newJournal(t, func(o *Options) { o.From = "start" })
	j.write("1\n")
	j.finds("1")
	j.rename(".1")
	j.writeTo(j.path+".1", "2\n")
	j.finds("2")
	j.restart()
	j.finds()
	j.writeTo(j.path+".1", "3\n")
	j.write("4\n")
	j.finds("3", "4")
}

func TestSeveralRotationsBetweenTwoRuns(t *testing.T) {
	for _, restart := range []bool{false, true} {
		j := newJournal(t, func(o *Options) { o.From = "start" })
		j.write("1\n")
		j.finds("1")
		at := time.Now().Add(-time.Hour)
		for k := range 3 {
			j.write(fmt.Sprintf("%d\n", k+2))
			for n := k; n > 0; n-- {
				j.must(os.Rename(fmt.Sprintf("%s.%d", j.path, n), fmt.Sprintf("%s.%d", j.path, n+1)))
			}
			j.must(os.Chtimes(j.path, at, at.Add(time.Duration(k)*time.Minute)))
			j.rename(".1")
		}
		j.write("5\n")
		if restart {
			j.restart()
		}
		j.finds("2", "3", "4", "5")
	}
}

func TestEmptied(t *testing.T) {
	j := newJournal(t, func(o *Options) { o.From = "start" })
	j.write("1\n2\n3\n")
	j.finds("1", "2", "3")
	j.must(os.Truncate(j.path, 0))
	j.write("4\n")
	j.finds("4")
	if j.last["gaps"] != "1" {
		t.Error("nobody knows what was written before it was emptied")
	}
	// Emptied and written beyond the place where reading stopped.
	j.must(os.Truncate(j.path, 0))
	j.write("5 is longer\n6\n")
	j.finds("5 is longer", "6")
	// And in the pause of a restart.
	j.must(os.Truncate(j.path, 0))
	j.write("7 is longer than all before it\n")
	j.restart()
	j.finds("7 is longer than all before it")
}

func TestManyFiles(t *testing.T) {
	j := newJournal(t, func(o *Options) { o.Path, o.From = filepath.Join(filepath.Dir(o.Path), "*.log*"), "start" })
	j.options.Rules = []pattern.Rule{{Match: ".", Text: "{file}: {line}"}}
	j.restart()
	dir := filepath.Dir(j.path) + "/"
	j.writeTo(dir+"a.log", "a1\n")
	j.writeTo(dir+"a.log.1", "old\n") // a rotated file is not a log of its own
	j.writeTo(dir+"other", "no\n")
	j.finds(dir + "a.log: a1")
	j.writeTo(dir+"b.log", "b1\n")
	j.writeTo(dir+"a.log", "a2\n")
	j.must(os.Rename(dir+"a.log", dir+"a.log.1"))
	j.writeTo(dir+"a.log", "a3\n")
	j.finds(dir+"a.log: a2", dir+"a.log: a3", dir+"b.log: b1")
	j.restart()
	j.writeTo(dir+"b.log", "b2\n")
	j.finds(dir + "b.log: b2")
	if j.last["files"] != "2" {
		t.Errorf("%s files", j.last["files"])
	}
}

func TestPolicy(t *testing.T) {
	allowed, other := t.TempDir(), t.TempDir()
	policy, err := files.NewPolicy([]string{allowed})
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(other, "secret.log")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(allowed, "link.log")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{secret, link, filepath.Join(other, "*.log")} {
		p, err := Kind(policy).New(options(func(o *Options) { o.Path, o.From = path, "start" }))
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Run(context.Background())
		if !errors.Is(err, files.ErrDenied) || strings.Contains(fmt.Sprint(r), "secret") {
			t.Errorf("%s: got %v, %v", path, r, err)
		}
		if len(r.Values) > 0 {
			t.Errorf("%s: what could not be read yields %v, which would look well", path, r.Values)
		}
		p.Close()
	}
}

func TestWatchAnnouncesWhatIsWritten(t *testing.T) {
	j := newJournal(t, func(*Options) {})
	ctx, cancel := context.WithCancel(context.Background())
	told, ended := make(chan struct{}, 1), make(chan error)
	go func() {
		ended <- j.probe.Watch(ctx, func() {
			select {
			case told <- struct{}{}:
			default:
			}
		})
	}()
	tick := time.NewTicker(10 * time.Millisecond) // until the watch stands
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-told:
			waiting = false
		case <-tick.C:
			j.write("x\n")
		case <-t.Context().Done():
			t.Fatal("nothing is announced")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// logrotate runs Debian's logrotate on the log of a journal.
func (j *journal) logrotate(how string) {
	j.Helper()
	dir := filepath.Dir(j.path)
	config := filepath.Join(dir, "conf")
	j.must(os.WriteFile(config, fmt.Appendf(nil, "%s {\n\trotate 20\n\tmissingok\n\t%s\n}\n", j.path, how), 0o600))
	out, err := exec.Command("logrotate", "--force", "--state", filepath.Join(dir, "state"), config).CombinedOutput()
	if err != nil {
		j.Fatalf("%v:\n%s", err, out)
	}
}

// TestLogrotate writes, rotates, reads and restarts in any order: every line is read once,
// and in its order.
func TestLogrotate(t *testing.T) {
	if _, err := exec.LookPath("logrotate"); err != nil {
		t.Skip("logrotate is not installed")
	}
	for _, how := range []string{"create 0644", "copytruncate", "nocreate", "create 0644\n\tdateext\n\tdateformat -%Y%m%d-%s"} {
		t.Run(strings.Fields(how)[0]+fmt.Sprint(strings.Contains(how, "dateext")), func(t *testing.T) {
			t.Parallel()
			j := newJournal(t, func(o *Options) { o.From = "start" })
			random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
			var want, got []string
			rotations := 0
			j.write("the first\n")
			j.finds("the first")
			for len(want) < 400 {
				for range random.IntN(20) {
					line := fmt.Sprintf("line %d of the log", len(want))
					want = append(want, line)
					j.write(line + "\n")
				}
				switch k := random.IntN(4); {
				case k == 0 && (rotations == 0 || !strings.Contains(how, "dateext")) && rotations < 15:
					j.logrotate(how)
					rotations++
				case k == 1:
					j.restart()
				default:
					got = append(got, j.run()...)
				}
			}
			j.write("the last\n")
			got = append(got, j.run()...)
			if diff := cmp.Diff(append(want, "the last"), got); diff != "" {
				t.Errorf("after %d rotations and %s gaps -want +got:\n%s", rotations, j.last["gaps"], diff)
			}
		})
	}
}
