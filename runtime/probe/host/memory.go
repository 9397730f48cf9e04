package host

import (
	"context"
	"time"

	"github.com/shirou/gopsutil/v4/mem"

	"grove/beans"
	"grove/runtime/probe"
)

var memoryAttributes = []beans.AttributeInfo{
	number("memory_total", "bytes", "Memory of the machine."),
	number("memory_used", "bytes", "Memory that programs and the kernel use and cannot give back: total less available."),
	number("memory_available", "bytes", "Memory that programs can still get without swapping."),
	number("memory_free", "bytes", "Memory that is used for nothing at all; a healthy machine has little."),
	number("memory_buffers", "bytes", "Memory in buffers of block devices."),
	number("memory_cached", "bytes", "Memory that caches files."),
	number("memory_used_percent", "%", "memory_used of memory_total."),
}

func readMemory(ctx context.Context, _ *hostProbe, _ time.Time, into *probe.Result) error {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	// Not gopsutil's Used, whose meaning changed between its versions; free(1) of
	// procps 4 counts as here.
	used := float64(m.Total) - float64(m.Available)
	into.Number("memory_total", float64(m.Total))
	into.Number("memory_used", used)
	into.Number("memory_available", float64(m.Available))
	into.Number("memory_free", float64(m.Free))
	into.Number("memory_buffers", float64(m.Buffers))
	into.Number("memory_cached", float64(m.Cached))
	if m.Total > 0 {
		into.Number("memory_used_percent", 100*used/float64(m.Total))
	}
	return nil
}

var swapAttributes = []beans.AttributeInfo{
	number("swap_total", "bytes", "Swap space of the machine."),
	number("swap_used", "bytes", "Swap space in use."),
	number("swap_free", "bytes", "Swap space that is free."),
	number("swap_used_percent", "%", "swap_used of swap_total; 0 when there is no swap space."),
	number("swap_in", "bytes/s", "Memory that was read back from swap space."),
	number("swap_out", "bytes/s", "Memory that was written to swap space."),
}

func readSwap(ctx context.Context, p *hostProbe, now time.Time, into *probe.Result) error {
	s, err := mem.SwapMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	into.Number("swap_total", float64(s.Total))
	into.Number("swap_used", float64(s.Used))
	into.Number("swap_free", float64(s.Free))
	into.Number("swap_used_percent", s.UsedPercent)
	p.swap.begin(now)
	addKnown(into, []string{"swap_in", "swap_out"}, p.swap.rates("", s.Sin, s.Sout))
	return nil
}
