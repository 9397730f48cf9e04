package host

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/disk"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

const (
	// statTimeout is how long one run waits for the file systems.
	statTimeout = 2 * time.Second
	// maxFilesystems bounds the rows of the table.
	maxFilesystems = 1000
)

// pseudoTypes are the file systems that hold no files of their own, that are full by
// nature, or that show another one again.
var pseudoTypes = []string{
	"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cramfs", "debugfs", "devfs", "devpts",
	"devtmpfs", "ecryptfs", "efivarfs", "erofs", "fdescfs", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal",
	"fuse.snapfuse", "fusectl", "hugetlbfs", "iso9660", "mqueue", "none", "nsfs", "overlay", "proc", "procfs",
	"pstore", "ramfs", "rootfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sunrpc", "sysfs",
	"tmpfs", "tracefs", "udf",
}

var filesystemTable = table("filesystems", "One row a mounted file system.",
	text("mountpoint", "Where it is mounted."),
	text("device", "What is mounted."),
	text("fstype", "Type of the file system, such as ext4."),
	number("total", "bytes", "Size."),
	number("used", "bytes", "Space in use."),
	number("free", "bytes", "Space that is free for ordinary users."),
	number("used_percent", "%", "Space in use, of the space that ordinary users may use, as df(1) counts."),
	number("inodes_used_percent", "%", "Inodes in use; not known where the file system has no fixed number of them."),
	truth("read_only", "Whether it is mounted read-only."),
	truth("responding", "Whether it answers within 2 s; a file system of a dead server does not."),
)

var filesystemAttributes = []beans.AttributeInfo{filesystemTable}

func readFilesystems(ctx context.Context, p *hostProbe, _ time.Time, into *probe.Result) error {
	mounts, err := disk.PartitionsWithContext(ctx, true)
	if err != nil {
		return err
	}
	mounts = p.options.Filesystems.choose(mounts)
	ctx, cancel := context.WithTimeout(ctx, statTimeout)
	defer cancel()
	questions := make([]*question, len(mounts))
	var tooMany error
	for i, m := range mounts {
		q, err := p.stat.ask(m.Mountpoint)
		if err != nil {
			tooMany = err
		}
		questions[i] = q
	}
	t := probe.Table{Attribute: filesystemTable.Name, Columns: columnNames(filesystemTable)}
	for i, m := range mounts {
		if row := filesystemRow(ctx, m, questions[i]); row != nil {
			t.Rows = append(t.Rows, row)
		}
	}
	into.Tables = append(into.Tables, t)
	return tooMany
}

// choose returns the mounts to list, one a mount point, sorted.
func (o FilesystemOptions) choose(mounts []disk.PartitionStat) []disk.PartitionStat {
	last := make(map[string]disk.PartitionStat, len(mounts))
	for _, m := range mounts {
		// Of two on the same mount point, the later hides the earlier.
		last[m.Mountpoint] = m
	}
	var chosen []disk.PartitionStat
	for _, m := range last {
		// The root counts whatever it is: in a container it is an overlay.
		usual := m.Mountpoint == "/" || !matches(pseudoTypes, m.Fstype) && !slices.Contains(m.Opts, "bind")
		filter := Filter{Include: o.Include, Exclude: o.Exclude}
		if matches(o.ExcludeTypes, m.Fstype) || len(o.Include) == 0 && !usual || !filter.chooses(m.Mountpoint) {
			continue
		}
		chosen = append(chosen, m)
	}
	slices.SortFunc(chosen, func(a, b disk.PartitionStat) int { return strings.Compare(a.Mountpoint, b.Mountpoint) })
	return chosen[:min(len(chosen), maxFilesystems)]
}

// filesystemRow waits for the answer about one mount. It returns nil for a mount
// that grove may not look into, or that is gone meanwhile.
func filesystemRow(ctx context.Context, m disk.PartitionStat, q *question) []tree.Value {
	row := make([]tree.Value, len(filesystemTable.Columns))
	row[0], row[1], row[2] = tree.Text(m.Mountpoint), tree.Text(m.Device), tree.Text(m.Fstype)
	row[8] = tree.Bool(slices.Contains(m.Opts, "ro"))
	if q == nil {
		return row
	}
	select {
	case <-q.done:
	default:
		select {
		case <-q.done:
		case <-ctx.Done():
			row[9] = tree.Bool(false)
			return row
		}
	}
	if errors.Is(q.err, fs.ErrPermission) || errors.Is(q.err, fs.ErrNotExist) {
		return nil
	}
	row[9] = tree.Bool(q.err == nil)
	if q.err != nil {
		return row
	}
	row[3] = tree.Number(float64(q.usage.Total))
	row[4] = tree.Number(float64(q.usage.Used))
	row[5] = tree.Number(float64(q.usage.Free))
	if q.usage.Total > 0 {
		row[6] = tree.Number(q.usage.UsedPercent)
	}
	if q.usage.InodesTotal > 0 {
		row[7] = tree.Number(q.usage.InodesUsedPercent)
	}
	return row
}
