package host

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// addKnown adds the values that are known.
func addKnown(into *probe.Result, names []string, values []tree.Value) {
	for i, v := range values {
		if !v.IsNone() {
			into.Add(names[i], v)
		}
	}
}

var loadAttributes = []beans.AttributeInfo{
	number("load_1", "", "Load average over 1 minute: threads that run or wait for a processor or a disk."),
	number("load_5", "", "Load average over 5 minutes."),
	number("load_15", "", "Load average over 15 minutes."),
	number("load_1_per_core", "", "load_1 by the number of cores; above 1, work waits."),
	number("load_5_per_core", "", "load_5 by the number of cores."),
	number("load_15_per_core", "", "load_15 by the number of cores."),
}

func readLoad(ctx context.Context, _ *hostProbe, _ time.Time, into *probe.Result) error {
	l, err := load.AvgWithContext(ctx)
	if err != nil {
		return err
	}
	cores := onlineCPUs(ctx)
	into.Number("load_1", l.Load1)
	into.Number("load_5", l.Load5)
	into.Number("load_15", l.Load15)
	into.Number("load_1_per_core", l.Load1/cores)
	into.Number("load_5_per_core", l.Load5/cores)
	into.Number("load_15_per_core", l.Load15/cores)
	return nil
}

var uptimeAttributes = []beans.AttributeInfo{
	number("uptime", "s", "Time since the machine started."),
	text("boot_time", "When the machine started, as RFC 3339 in UTC."),
}

// clockSlack is how far the computed moment of the start may wander, since the
// uptime comes in whole seconds and the clock is adjusted, before it counts as new.
const clockSlack = 2 * time.Second

func readUptime(ctx context.Context, p *hostProbe, now time.Time, into *probe.Result) error {
	up, err := host.UptimeWithContext(ctx)
	if err != nil {
		return err
	}
	into.Number("uptime", float64(up))
	// Not host.BootTime, which looks for signs of virtualization each time.
	boot := now.Add(-time.Duration(up) * time.Second).Truncate(time.Second)
	if boot.Sub(p.boot).Abs() > clockSlack {
		p.boot = boot
	}
	into.Text("boot_time", p.boot.UTC().Format(time.RFC3339))
	return nil
}

var systemAttributes = []beans.AttributeInfo{
	text("hostname", "Name of the host."),
	text("operating_system", "Name and version of the operating system."),
	text("kernel", "Version of the kernel."),
	text("architecture", "Instruction set of the kernel, such as x86_64."),
}

func readSystem(ctx context.Context, _ *hostProbe, _ time.Time, into *probe.Result) error {
	var errs []error
	add := func(attribute, v string, err error) {
		if err != nil {
			errs = append(errs, err)
		} else if v != "" {
			into.Text(attribute, v)
		}
	}
	name, err := os.Hostname()
	add("hostname", name, err)
	// Not host.PlatformInformation, which may start a program.
	system, err := osRelease("/etc/os-release")
	add("operating_system", system, err)
	kernel, err := host.KernelVersionWithContext(ctx)
	add("kernel", kernel, err)
	arch, err := host.KernelArch()
	add("architecture", arch, err)
	return errors.Join(errs...)
}

// osRelease returns PRETTY_NAME of a file as os-release(5) describes it; empty when
// the system has none.
func osRelease(file string) (string, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"'`), nil
		}
	}
	return "", lines.Err()
}

var processAttributes = []beans.AttributeInfo{
	number("process_count", "processes", "Processes that exist."),
	number("processes_running", "threads", "Threads that run or wait for a processor."),
	number("processes_blocked", "threads", "Threads that wait for a disk."),
	number("processes_created", "processes/s", "Processes and threads that were started."),
	number("context_switches", "switches/s", "Changes from one thread to another."),
}

func readProcesses(ctx context.Context, p *hostProbe, now time.Time, into *probe.Result) error {
	m, err := load.MiscWithContext(ctx)
	if err != nil {
		return err
	}
	into.Number("process_count", float64(m.ProcsTotal))
	into.Number("processes_running", float64(m.ProcsRunning))
	into.Number("processes_blocked", float64(m.ProcsBlocked))
	p.processes.begin(now)
	addKnown(into, []string{"processes_created", "context_switches"}, p.processes.rates("", uint64(m.ProcsCreated), uint64(m.Ctxt)))
	return nil
}
