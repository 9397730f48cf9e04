// Package process is the probe kind "process": processes of this host, chosen by
// name, program file, command line, user or PID file. It reads Linux' /proc.
package process

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

const (
	// maxProcesses bounds how many processes one run looks at.
	maxProcesses = 1 << 17
	// maxUsers bounds the remembered names of users.
	maxUsers = 1000
	// commLength is what the kernel keeps of a name: TASK_COMM_LEN less the zero.
	commLength = 15
)

// Kind returns the kind "process". Its probes read PID files only where the policy
// allows; nil is the default policy.
func Kind(policy *files.Policy) probe.Kind {
	return probe.Kind{
		Name:       "process",
		Title:      "Processes of this host",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{By: "pid", Rows: 100} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return newProbe(o, policy)
		},
	}
}

// identity tells processes apart, also when a number is used again.
type identity struct {
	pid   int
	start uint64
}

// found is one process that was chosen.
type found struct {
	stat
	cpu  tree.Value // %, of one processor
	fds  tree.Value
	age  tree.Value // s
	args []string   // only when they are wanted
}

type processProbe struct {
	selector   *selector
	policy     *files.Policy
	attributes []beans.AttributeInfo
	table      beans.AttributeInfo
	proc       procfs
	pageSize   float64

	users  map[string]string // names by number
	before time.Time         // the run before
	ticks  map[identity]uint64
	oldest identity // whose start is in started
	start  string
}

func newProbe(o *Options, policy *files.Policy) (*processProbe, error) {
	s, err := o.check()
	if err != nil {
		return nil, err
	}
	p := &processProbe{selector: s, policy: policy, proc: "/proc", pageSize: float64(os.Getpagesize()), users: map[string]string{}}
	p.table = tableByPID(o.Arguments)
	if o.By == "name" {
		p.table = tableByName
	}
	p.attributes = append(slices.Clone(sums), p.table)
	return p, nil
}

// Attributes implements probe.Probe.
func (p *processProbe) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe: it is this machine.
func (p *processProbe) Target() string { return "" }

// Close implements probe.Probe.
func (p *processProbe) Close() error { return nil }

// Run implements probe.Probe. That no process was found is a reading.
func (p *processProbe) Run(ctx context.Context) (probe.Result, error) {
	return p.look(ctx, time.Now())
}

func (p *processProbe) look(ctx context.Context, now time.Time) (probe.Result, error) {
	result := probe.Result{Time: now}
	pids, err := p.candidates()
	if err != nil {
		return result, err
	}
	uptime, err := p.proc.uptime()
	if err != nil {
		return result, fmt.Errorf("read the time since the start: %w", err)
	}
	ticks := make(map[identity]uint64)
	var processes []found
	zombies := 0
	for i, pid := range pids[:min(len(pids), maxProcesses)] {
		if i%256 == 0 && ctx.Err() != nil {
			return result, ctx.Err()
		}
		f, ok, err := p.choose(pid)
		if errors.Is(err, errGone) || err == nil && !ok {
			continue
		}
		if err != nil {
			return result, fmt.Errorf("process %d: %w", pid, err)
		}
		// A zombie has ended; its parent has not noticed.
		if f.state == 'Z' {
			zombies++
			continue
		}
		ticks[identity{pid, f.stat.start}] = f.ticks
		f.cpu = p.share(f.stat, now)
		if age := uptime - float64(f.stat.start)/ticksPerSecond; age >= 0 {
			f.age = tree.Number(age)
		}
		// Only root and the same user may count them.
		if n, err := p.proc.fds(pid); err == nil {
			f.fds = tree.Number(float64(n))
		}
		processes = append(processes, f)
	}
	p.before, p.ticks = now, ticks
	slices.SortFunc(processes, func(a, b found) int {
		if a.stat.start != b.stat.start {
			return compare(a.stat.start, b.stat.start)
		}
		return a.pid - b.pid
	})
	p.addSums(&result, processes, zombies, now)
	if p.selector.By == "name" {
		p.addNames(&result, processes)
	} else {
		p.addProcesses(&result, processes)
	}
	return result, nil
}

func compare(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

// candidates lists the processes to look at.
func (p *processProbe) candidates() ([]int, error) {
	if p.selector.PIDFile == "" {
		return p.proc.pids()
	}
	pid, err := readPIDFile(p.policy, p.selector.PIDFile)
	if err != nil {
		return nil, fmt.Errorf("pid_file: %w", err)
	}
	if pid == 0 {
		return nil, nil
	}
	return []int{pid}, nil
}

// choose reads one process and says whether it fits. The cheap conditions come first.
func (p *processProbe) choose(pid int) (found, bool, error) {
	s := p.selector
	st, err := p.proc.stat(pid)
	if err != nil {
		return found{}, false, err
	}
	f := found{stat: st}
	comm := s.Name
	if len(comm) > commLength {
		comm = comm[:commLength]
	}
	if s.Name != "" && st.name != comm {
		return f, false, nil
	}
	if s.cmdline != nil || s.Arguments || len(s.Name) > commLength {
		if f.args, err = p.proc.arguments(pid); err != nil {
			return f, false, err
		}
	}
	if len(s.Name) > commLength {
		if len(f.args) == 0 || path.Base(f.args[0]) != s.Name {
			return f, false, nil
		}
		f.name = s.Name
	}
	if s.cmdline != nil && !s.cmdline.MatchString(strings.Join(f.args, " ")) {
		return f, false, nil
	}
	if s.Exe != "" {
		exe, err := p.proc.exe(pid)
		if errors.Is(err, os.ErrPermission) {
			return f, false, nil
		}
		if err != nil {
			return f, false, err
		}
		if ok, _ := path.Match(s.Exe, exe); !ok {
			return f, false, nil
		}
	}
	if s.User != "" {
		uid, err := p.proc.uid(pid)
		if err != nil {
			return f, false, err
		}
		if uid != s.User && p.userName(uid) != s.User {
			return f, false, nil
		}
	}
	return f, true, nil
}

// userName returns the name of a user, or the number when there is none.
func (p *processProbe) userName(uid string) string {
	if name, ok := p.users[uid]; ok {
		return name
	}
	name := uid
	if u, err := user.LookupId(uid); err == nil {
		name = u.Username
	}
	if len(p.users) >= maxUsers {
		clear(p.users)
	}
	p.users[uid] = name
	return name
}

// share returns the processor time since the run before in percent of one processor.
// A process that started meanwhile has spent all its time since then.
func (p *processProbe) share(s stat, now time.Time) tree.Value {
	interval := now.Sub(p.before)
	if p.ticks == nil || interval < time.Millisecond {
		return tree.Value{}
	}
	old := p.ticks[identity{s.pid, s.start}]
	if s.ticks < old {
		return tree.Value{}
	}
	return tree.Number(100 * float64(s.ticks-old) / ticksPerSecond / interval.Seconds())
}

// addSums adds what all processes come to.
func (p *processProbe) addSums(r *probe.Result, processes []found, zombies int, now time.Time) {
	r.Number("count", float64(len(processes)))
	r.Add("up", tree.Bool(len(processes) > 0))
	r.Number("zombies", float64(zombies))
	t := total(processes)
	if !t.cpu.IsNone() {
		r.Add("cpu", t.cpu)
	}
	r.Number("memory", t.pages*p.pageSize)
	r.Number("threads", float64(t.threads))
	if !t.fds.IsNone() {
		r.Add("fds", t.fds)
	}
	if len(processes) == 0 {
		return
	}
	oldest, youngest := processes[0], processes[len(processes)-1]
	if age, ok := oldest.age.Number(); ok {
		r.Number("age", age)
		// It is computed once a process, since it would wander with the clock.
		if id := (identity{oldest.pid, oldest.stat.start}); id != p.oldest {
			p.oldest = id
			p.start = now.Add(-time.Duration(age * float64(time.Second))).UTC().Format(time.RFC3339)
		}
		r.Text("started", p.start)
	}
	if !youngest.age.IsNone() {
		r.Add("youngest_age", youngest.age)
	}
}

// sum is what several processes come to. A figure that is not known of one of them
// is not known of all.
type sum struct {
	cpu, fds tree.Value
	pages    float64
	threads  int
}

func total(processes []found) sum {
	s := sum{cpu: tree.Number(0), fds: tree.Number(0)}
	plus := func(a, b tree.Value) tree.Value {
		x, ok1 := a.Number()
		y, ok2 := b.Number()
		if !ok1 || !ok2 {
			return tree.Value{}
		}
		return tree.Number(x + y)
	}
	for _, f := range processes {
		s.cpu, s.fds = plus(s.cpu, f.cpu), plus(s.fds, f.fds)
		s.pages += float64(f.rss)
		s.threads += f.threads
	}
	return s
}

// addProcesses adds a row a process.
func (p *processProbe) addProcesses(r *probe.Result, processes []found) {
	t := probe.Table{Attribute: p.table.Name, Columns: columnNames(p.table)}
	for _, f := range processes[:min(len(processes), p.selector.Rows)] {
		var owner tree.Value
		if uid, err := p.proc.uid(f.pid); err == nil {
			owner = tree.Text(p.userName(uid))
		}
		row := []tree.Value{
			tree.Text(strconv.Itoa(f.pid)), tree.Text(f.name), owner, tree.Text(stateName(f.state)), f.cpu,
			tree.Number(float64(f.rss) * p.pageSize), tree.Number(float64(f.threads)), f.fds, f.age,
		}
		if p.selector.Arguments {
			row = append(row, tree.Text(shorten(f.args)))
		}
		t.Rows = append(t.Rows, row)
	}
	r.Tables = append(r.Tables, t)
}

// addNames adds a row a name.
func (p *processProbe) addNames(r *probe.Result, processes []found) {
	byName := map[string][]found{}
	var names []string
	for _, f := range processes {
		if byName[f.name] == nil {
			names = append(names, f.name)
		}
		byName[f.name] = append(byName[f.name], f)
	}
	slices.Sort(names)
	t := probe.Table{Attribute: p.table.Name, Columns: columnNames(p.table)}
	for _, name := range names[:min(len(names), p.selector.Rows)] {
		same := byName[name]
		s := total(same)
		t.Rows = append(t.Rows, []tree.Value{
			tree.Text(name), tree.Number(float64(len(same))), s.cpu, tree.Number(s.pages * p.pageSize),
			tree.Number(float64(s.threads)), s.fds, same[0].age,
		})
	}
	r.Tables = append(r.Tables, t)
}

// stateName puts a state of proc_pid_stat(5) into words.
func stateName(state byte) string {
	switch state {
	case 'R':
		return "running"
	case 'S':
		return "sleeping"
	case 'D':
		return "waiting for disk"
	case 'T', 't':
		return "stopped"
	case 'I':
		return "idle"
	case 'X', 'x':
		return "dead"
	}
	return string(state)
}
