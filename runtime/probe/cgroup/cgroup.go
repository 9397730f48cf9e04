// Package cgroup is the probe kind "cgroup": what the containers and services of this
// host use, read from the kernel's control groups, version 2, without an agent.
//
// The files are described in the kernel's Documentation/admin-guide/cgroup-v2.rst, the
// pressure files in Documentation/accounting/psi.rst. The names of groups are those that
// systemd, Docker, Podman, containerd, CRI-O and the kubelet give them.
package cgroup

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
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

// Kind returns the kind "cgroup". Its probes read the files that the policy allows; nil
// is the default policy.
func Kind(policy *files.Policy) probe.Kind {
	return probe.Kind{
		Name:    "cgroup",
		Title:   "Containers and services of this host, by control groups",
		Doc:     doc,
		Example: example,
		NewOptions: func() any {
			return &Options{Include: defaultInclude, Depth: 8, Most: 1000, Docker: "/var/lib/docker/containers"}
		},
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return newProbe(o, policy)
		},
	}
}

// groupProbe keeps the names of Docker's containers between runs.
type groupProbe struct {
	*plan
	files *files.Policy
	names map[string]string // of Docker's containers by id; empty: it has none that we may read
}

func newProbe(o *Options, policy *files.Policy) (*groupProbe, error) {
	p, err := o.check()
	if err != nil {
		return nil, err
	}
	return &groupProbe{plan: p, files: policy, names: map[string]string{}}, nil
}

// Target implements probe.Probe: this machine.
func (p *groupProbe) Target() string { return "" }

// Close implements probe.Probe.
func (p *groupProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *groupProbe) Attributes() []beans.AttributeInfo {
	return []beans.AttributeInfo{
		{Name: "controllers", Type: beans.TypeString, Readable: true, Description: "What the kernel accounts for at the top: cpu, io, memory, pids and others. What is not among them has no values."},
		{Name: "count", Type: beans.TypeFloat, Unit: "groups", Readable: true, Description: "Groups that fit and have processes."},
		{Name: "left_out", Type: beans.TypeFloat, Unit: "groups", Readable: true, Description: "Groups that fit and are not shown, since there are more than most."},
		{Name: "groups", Type: beans.TypeTable, Key: "path", Readable: true, Columns: columns, Description: "The groups that fit, in the order of their paths."},
	}
}

// found is one group of the hierarchy.
type found struct {
	path        string  // from the top: "system.slice/nginx.service"
	memoryLimit float64 // bytes; the least of its own and of those above; 0: none
	cpuLimit    float64 // cores; likewise
}

// Run implements probe.Probe.
func (p *groupProbe) Run(ctx context.Context) (probe.Result, error) {
	r := probe.Result{Time: time.Now()}
	root := p.Root
	if root == "" {
		var err error
		if root, err = mounted(p.files); err != nil {
			return probe.Result{}, err
		}
	}
	controllers, err := p.files.Read(path.Join(root, "cgroup.controllers"), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return probe.Result{}, fmt.Errorf("%s is not the top of a hierarchy of control groups, version 2: it has no cgroup.controllers", root)
	}
	if err != nil {
		return probe.Result{}, err
	}
	r.Text("controllers", strings.TrimSpace(string(controllers)))
	w := walk{ctx: ctx, p: p, root: root}
	if err := w.down(found{}, 0); err != nil {
		return probe.Result{}, err
	}
	slices.SortFunc(w.fit, func(a, b found) int { return strings.Compare(a.path, b.path) })
	left := max(0, len(w.fit)-p.Most)
	table := probe.Table{Attribute: "groups", Columns: columnNames}
	seen := map[string]string{}
	for _, g := range w.fit[:len(w.fit)-left] {
		if err := ctx.Err(); err != nil {
			return probe.Result{}, err
		}
		if row, ok := p.row(root, g, seen); ok {
			table.Rows = append(table.Rows, row)
		}
	}
	p.names = seen // Those of containers that are gone are forgotten.
	r.Number("count", float64(len(table.Rows)))
	r.Number("left_out", float64(left))
	r.Tables = []probe.Table{table}
	return r, nil
}

// walk finds the groups that fit.
type walk struct {
	ctx  context.Context
	p    *groupProbe
	root string
	met  int
	fit  []found
}

// down looks at a group and those below it. A group that goes meanwhile is none.
func (w *walk) down(g found, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.met++; w.met > maxMet {
		return fmt.Errorf("there are more than %d control groups below %s: a smaller depth meets fewer", maxMet, w.root)
	}
	dir := path.Join(w.root, g.path)
	entries, err := w.p.list(dir)
	if errors.Is(err, fs.ErrNotExist) && g.path != "" {
		return nil
	}
	if err != nil {
		return err
	}
	if g.path != "" {
		g.memoryLimit = least(g.memoryLimit, w.p.number(dir, "memory.max"))
		g.cpuLimit = least(g.cpuLimit, w.p.quota(dir))
		if w.p.include.MatchString(g.path) && (w.p.exclude == nil || !w.p.exclude.MatchString(g.path)) {
			w.fit = append(w.fit, g)
		}
	}
	if depth >= w.p.Depth {
		return nil
	}
	for _, name := range entries {
		below := g
		below.path = path.Join(g.path, name)
		if err := w.down(below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// list returns the names of the directories in a directory.
func (p *groupProbe) list(dir string) ([]string, error) {
	f, err := p.files.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// least is the smaller of two limits, of which 0 is none.
func least(a, b float64) float64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// columns are those of the table; row makes them in this order.
var columns = readable([]beans.AttributeInfo{
	{Name: "path", Type: beans.TypeString, Description: "Where the group is in the hierarchy."},
	{Name: "name", Type: beans.TypeString, Description: "What people call it: nginx for nginx.service, the name of a container of Docker, else the first twelve digits of its id."},
	{Name: "kind", Type: beans.TypeString, Description: "service, container, pod, machine, scope, slice or group."},
	{Name: "runtime", Type: beans.TypeString, Description: "Of a container: docker, podman, containerd, crio or kubernetes."},
	{Name: "id", Type: beans.TypeString, Description: "Of a container or pod: its whole id."},
	{Name: "cpu", Type: beans.TypeFloat, Unit: "s", Descriptor: counter, Description: "Processor time."},
	{Name: "cpu_user", Type: beans.TypeFloat, Unit: "s", Descriptor: counter, Description: "Of it, outside the kernel."},
	{Name: "cpu_limit", Type: beans.TypeFloat, Unit: "cores", Description: "Processors that it may use; no value without a limit."},
	{Name: "periods", Type: beans.TypeFloat, Unit: "periods", Descriptor: counter, Description: "Periods in which it ran under a limit."},
	{Name: "throttled_periods", Type: beans.TypeFloat, Unit: "periods", Descriptor: counter, Description: "Of them, those in which the limit stopped it."},
	{Name: "throttled", Type: beans.TypeFloat, Unit: "s", Descriptor: counter, Description: "How long the limit stopped it."},
	{Name: "memory", Type: beans.TypeFloat, Unit: "bytes", Description: "Memory in use, without file pages that the kernel would give up at once (the working set, as the kubelet counts)."},
	{Name: "memory_all", Type: beans.TypeFloat, Unit: "bytes", Description: "All memory that it is charged with."},
	{Name: "memory_limit", Type: beans.TypeFloat, Unit: "bytes", Description: "The least of its own limit and those of the groups above; no value without one."},
	{Name: "memory_used", Type: beans.TypeFloat, Unit: "%", Description: "memory, of memory_limit; no value without a limit."},
	{Name: "swap", Type: beans.TypeFloat, Unit: "bytes", Description: "Swap in use."},
	{Name: "oom_kills", Type: beans.TypeFloat, Unit: "processes", Descriptor: counter, Description: "Processes that were killed because memory ran out."},
	{Name: "processes", Type: beans.TypeFloat, Unit: "threads", Description: "Processes and threads."},
	{Name: "processes_limit", Type: beans.TypeFloat, Unit: "threads", Description: "How many there may be; no value without a limit."},
	{Name: "read", Type: beans.TypeFloat, Unit: "bytes", Descriptor: counter, Description: "What was read from block devices."},
	{Name: "written", Type: beans.TypeFloat, Unit: "bytes", Descriptor: counter, Description: "What was written to them."},
	{Name: "cpu_pressure", Type: beans.TypeFloat, Unit: "%", Description: "Share of the last 10 s in which some process waited for a processor."},
	{Name: "memory_pressure", Type: beans.TypeFloat, Unit: "%", Description: "Likewise for memory."},
	{Name: "io_pressure", Type: beans.TypeFloat, Unit: "%", Description: "Likewise for block devices."},
	{Name: "frozen", Type: beans.TypeBool, Description: "1 when its processes are stopped (paused)."},
})

func readable(list []beans.AttributeInfo) []beans.AttributeInfo {
	for k := range list {
		list[k].Readable = true
	}
	return list
}

var counter = map[string]string{"metricType": "counter"}

var columnNames = func() (names []string) {
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}()

// row reads one group; ok is false when it went meanwhile, or has no process.
func (p *groupProbe) row(root string, g found, names map[string]string) (row []tree.Value, ok bool) {
	dir := path.Join(root, g.path)
	events := p.pairs(dir, "cgroup.events")
	if events["populated"] != 1 {
		return nil, false
	}
	who := identify(g.path)
	if who.runtime == "docker" {
		if names[who.id] = p.names[who.id]; names[who.id] == "" {
			names[who.id] = p.dockerName(who.id)
		}
		if name := names[who.id]; name != "" {
			who.name = name
		}
	}
	cpu, memory := p.pairs(dir, "cpu.stat"), p.pairs(dir, "memory.stat")
	all := p.value(dir, "memory.current")
	used, share := all, tree.Value{}
	if n, ok := all.Number(); ok {
		n = max(0, n-memory["inactive_file"])
		used = tree.Number(n)
		if g.memoryLimit > 0 {
			share = tree.Number(n / g.memoryLimit * 100)
		}
	}
	read, written := p.io(dir)
	return []tree.Value{
		tree.Text(g.path), tree.Text(who.name), tree.Text(who.kind), tree.Text(who.runtime), tree.Text(who.id),
		seconds(cpu, "usage_usec"), seconds(cpu, "user_usec"), some(g.cpuLimit), of(cpu, "nr_periods"), of(cpu, "nr_throttled"), seconds(cpu, "throttled_usec"),
		used, all, some(g.memoryLimit), share, p.value(dir, "memory.swap.current"), of(p.pairs(dir, "memory.events"), "oom_kill"),
		p.value(dir, "pids.current"), some(p.number(dir, "pids.max")), read, written,
		p.pressure(dir, "cpu.pressure"), p.pressure(dir, "memory.pressure"), p.pressure(dir, "io.pressure"),
		tree.Bool(events["frozen"] == 1),
	}, true
}

// some is a limit as a value: 0 is none.
func some(limit float64) tree.Value {
	if limit == 0 {
		return tree.Value{}
	}
	return tree.Number(limit)
}

func of(pairs map[string]float64, key string) tree.Value {
	if v, ok := pairs[key]; ok {
		return tree.Number(v)
	}
	return tree.Value{}
}

// seconds makes microseconds seconds.
func seconds(pairs map[string]float64, key string) tree.Value {
	if v, ok := pairs[key]; ok {
		return tree.Number(v / 1e6)
	}
	return tree.Value{}
}
