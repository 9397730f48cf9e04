package host

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/shirou/gopsutil/v4/disk"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// maxDisks bounds the rows of the table.
const maxDisks = 1000

// unusualDisks are left out unless a definition includes them.
var unusualDisks = []string{"loop*", "ram*", "sr*", "fd*", "nbd*"}

var diskTable = table("disks", "One row a block device that was used since the machine started.",
	text("name", "Name of the device, such as sda."),
	number("read", "bytes/s", "Bytes that were read."),
	number("write", "bytes/s", "Bytes that were written."),
	number("read_ops", "operations/s", "Reads that ended."),
	number("write_ops", "operations/s", "Writes that ended."),
	number("busy", "%", "Share of the time in which the device had something to do."),
	number("in_flight", "operations", "Operations under way."),
)

var diskAttributes = []beans.AttributeInfo{diskTable}

func readDisks(ctx context.Context, p *hostProbe, now time.Time, into *probe.Result) error {
	names, err := p.diskNames()
	if err != nil {
		return err
	}
	t := probe.Table{Attribute: diskTable.Name, Columns: columnNames(diskTable)}
	p.disks.begin(now)
	if len(names) > 0 { // no names would mean all of them
		counters, err := disk.IOCountersWithContext(ctx, names...)
		if err != nil {
			return err
		}
		for _, name := range names {
			c, ok := counters[name]
			if !ok {
				continue
			}
			rates := p.disks.rates(name, c.ReadBytes, c.WriteBytes, c.ReadCount, c.WriteCount, c.IoTime)
			row := append(append(make([]tree.Value, 0, len(t.Columns)), tree.Text(name)), rates...)
			// IoTime is in milliseconds; the kernel counts in ticks, so that it may pass the time by a little.
			if ms, ok := row[5].Number(); ok {
				row[5] = tree.Number(min(100, ms/10))
			}
			t.Rows = append(t.Rows, append(row, tree.Number(float64(c.IopsInProgress))))
		}
	}
	into.Tables = append(into.Tables, t)
	return nil
}

// diskNames lists the devices to read, sorted.
func (p *hostProbe) diskNames() ([]string, error) {
	dir := filepath.Join(p.sys, "class/block")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	filter := Filter{Include: p.options.Disks.Include, Exclude: p.options.Disks.Exclude}
	var names []string
	for _, e := range entries {
		if !filter.chooses(e.Name(), unusualDisks...) {
			continue
		}
		if !p.options.Disks.Partitions {
			// sysfs has a file of this name in the folder of each partition, and only there.
			if _, err := os.Stat(filepath.Join(dir, e.Name(), "partition")); err == nil {
				continue
			}
		}
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names[:min(len(names), maxDisks)], nil
}
