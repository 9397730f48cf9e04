package host

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// maxCores bounds the rows of the table of cores.
const maxCores = 4096

// The modes of a processor's time, as in proc_stat(5). Guests are part of user and
// nice there; irq is the sum of hard and soft interrupts.
var modes = []beans.AttributeInfo{
	number("used", "%", "Share of the time in which it did not idle; waiting for disks counts as idling."),
	number("user", "%", "Share of the time in user mode, virtual guests included."),
	number("nice", "%", "Share of the time in user mode at low priority."),
	number("system", "%", "Share of the time in the kernel."),
	number("iowait", "%", "Share of the time idle while a disk was awaited."),
	number("irq", "%", "Share of the time in interrupts."),
	number("steal", "%", "Share of the time that the hypervisor gave to others."),
}

var coreTable = table("cores", "One row a processor core.", append([]beans.AttributeInfo{text("core", "Name of the core: cpu0, cpu1, …")}, modes...)...)

var cpuAttributes = func() []beans.AttributeInfo {
	var infos []beans.AttributeInfo
	for _, m := range modes {
		infos = append(infos, number("cpu_"+m.Name, m.Unit, "All processors together: "+lowerFirst(m.Description)))
	}
	return append(infos, number("cpu_count", "processors", "Processor cores that are on line."), coreTable)
}()

func lowerFirst(s string) string { return string(s[0]|0x20) + s[1:] }

// cpuTimes are the times of the run before: of all processors and by core.
type cpuTimes struct {
	all   cpu.TimesStat
	cores map[string]cpu.TimesStat
}

func readCPU(ctx context.Context, p *hostProbe, _ time.Time, into *probe.Result) error {
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return err
	}
	cores, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return err
	}
	// gopsutil answers with nothing when it cannot read the times.
	if len(all) == 0 || len(cores) == 0 {
		return errors.New("the system gives no processor times")
	}
	before := p.cpu
	p.cpu = cpuTimes{all: all[0], cores: make(map[string]cpu.TimesStat, len(cores))}
	if before.cores != nil {
		for i, v := range shares(before.all, all[0]) {
			if !v.IsNone() {
				into.Add("cpu_"+modes[i].Name, v)
			}
		}
	}
	into.Number("cpu_count", float64(len(cores)))
	t := probe.Table{Attribute: coreTable.Name, Columns: columnNames(coreTable)}
	for _, c := range cores[:min(len(cores), maxCores)] {
		p.cpu.cores[c.CPU] = c
		row := make([]tree.Value, 1+len(modes))
		row[0] = tree.Text(c.CPU)
		if old, ok := before.cores[c.CPU]; ok {
			copy(row[1:], shares(old, c))
		}
		t.Rows = append(t.Rows, row)
	}
	into.Tables = append(into.Tables, t)
	return nil
}

// shares returns what share of the time between two readings fell to each of modes,
// in percent. There are no values when no time passed. The kernel lets iowait and
// idle fall now and then: what fell counts as nothing.
func shares(old, now cpu.TimesStat) []tree.Value {
	rise := func(a, b float64) float64 { return max(0, b-a) }
	user, nice := rise(old.User, now.User), rise(old.Nice, now.Nice)
	system, iowait := rise(old.System, now.System), rise(old.Iowait, now.Iowait)
	irq, steal := rise(old.Irq+old.Softirq, now.Irq+now.Softirq), rise(old.Steal, now.Steal)
	used := user + nice + system + irq + steal
	total := used + iowait + rise(old.Idle, now.Idle)
	out := make([]tree.Value, len(modes))
	if total <= 0 {
		return out
	}
	for i, v := range []float64{used, user, nice, system, iowait, irq, steal} {
		out[i] = tree.Number(100 * v / total)
	}
	return out
}

// onlineCPUs is what the load is divided by. Not cpu.Counts, which reads all of
// /proc/cpuinfo: that takes milliseconds on a large machine.
func onlineCPUs(ctx context.Context) float64 {
	if cores, err := cpu.TimesWithContext(ctx, true); err == nil && len(cores) > 0 {
		return float64(len(cores))
	}
	return float64(runtime.NumCPU())
}
