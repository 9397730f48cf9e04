package host

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/net"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// maxNetworks bounds the rows of the table.
const maxNetworks = 1000

// unusualNetworks are left out unless a definition includes them.
var unusualNetworks = []string{"lo", "veth*"}

var networkTable = table("networks", "One row a network interface.",
	text("name", "Name of the interface, such as eth0."),
	number("rx", "bytes/s", "Bytes that were received."),
	number("tx", "bytes/s", "Bytes that were sent."),
	number("rx_packets", "packets/s", "Packets that were received."),
	number("tx_packets", "packets/s", "Packets that were sent."),
	number("rx_errors", "packets/s", "Packets that were received damaged."),
	number("tx_errors", "packets/s", "Packets that could not be sent."),
	number("rx_drops", "packets/s", "Packets that were received and dropped."),
	number("tx_drops", "packets/s", "Packets that were dropped before they were sent."),
	truth("enabled", "Whether the administrator has switched the interface on."),
	truth("up", "Whether the interface works."),
	number("speed", "bit/s", "Speed of the link; not known of virtual interfaces."),
	number("used_percent", "%", "The larger of rx and tx, of the speed."),
)

var networkAttributes = []beans.AttributeInfo{networkTable}

func readNetworks(ctx context.Context, p *hostProbe, now time.Time, into *probe.Result) error {
	counters, err := net.IOCountersWithContext(ctx, true)
	if err != nil {
		return err
	}
	counters = slices.DeleteFunc(counters, func(c net.IOCountersStat) bool {
		return !p.options.Networks.chooses(c.Name, unusualNetworks...)
	})
	slices.SortFunc(counters, func(a, b net.IOCountersStat) int { return strings.Compare(a.Name, b.Name) })
	t := probe.Table{Attribute: networkTable.Name, Columns: columnNames(networkTable)}
	p.networks.begin(now)
	for _, c := range counters[:min(len(counters), maxNetworks)] {
		row := make([]tree.Value, 0, len(t.Columns))
		row = append(row, tree.Text(c.Name))
		row = append(row, p.networks.rates(c.Name, c.BytesRecv, c.BytesSent, c.PacketsRecv, c.PacketsSent,
			c.Errin, c.Errout, c.Dropin, c.Dropout)...)
		speed := p.linkSpeed(c.Name)
		t.Rows = append(t.Rows, append(row, p.linkEnabled(c.Name), p.linkUp(c.Name), speed, linkUse(row[1], row[2], speed)))
	}
	into.Tables = append(into.Tables, t)
	return nil
}

// linkUp says whether an interface works: by RFC 2863's operational state, and where
// the driver does not know that (loopback, tunnels), by the administrator's flag.
func (p *hostProbe) linkUp(name string) tree.Value {
	switch p.netFile(name, "operstate") {
	case "":
		return tree.Value{}
	case "up":
		return tree.Bool(true)
	case "unknown":
		return p.linkEnabled(name)
	}
	return tree.Bool(false)
}

// linkEnabled returns the administrator's flag, IFF_UP of netdevice(7).
func (p *hostProbe) linkEnabled(name string) tree.Value {
	const iffUp = 1
	flags, err := strconv.ParseUint(p.netFile(name, "flags"), 0, 32)
	if err != nil {
		return tree.Value{}
	}
	return tree.Bool(flags&iffUp != 0)
}

// linkSpeed returns the speed in bit/s; sysfs has it in Mbit/s, and -1 or an error
// when it is not known.
func (p *hostProbe) linkSpeed(name string) tree.Value {
	mbit, err := strconv.ParseInt(p.netFile(name, "speed"), 10, 64)
	if err != nil || mbit <= 0 {
		return tree.Value{}
	}
	return tree.Number(float64(mbit) * 1e6)
}

// linkUse returns the larger direction's share of the speed in percent.
func linkUse(rx, tx, speed tree.Value) tree.Value {
	in, ok1 := rx.Number()
	out, ok2 := tx.Number()
	bits, ok3 := speed.Number()
	if !ok1 || !ok2 || !ok3 {
		return tree.Value{}
	}
	return tree.Number(100 * 8 * max(in, out) / bits)
}

// netFile reads a file of sysfs about an interface; it is empty when there is none.
func (p *hostProbe) netFile(name, file string) string {
	b, err := os.ReadFile(filepath.Join(p.sys, "class/net", name, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
