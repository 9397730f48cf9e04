package trap_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gosnmp/gosnmp"
	"golang.org/x/net/ipv4"

	"grove/runtime/bind"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/runtime/receive/trap"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
)

// sender sends linkDown with six varbinds from 32 addresses of loopback, at a steady rate.
type sender struct {
	conns   []*ipv4.PacketConn
	batches [][]ipv4.Message
	spent   float64 // seconds of a processor that the sending took
}

const perWrite = 32

func newSender(b *testing.B, to string) *sender {
	b.Helper()
	target, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		b.Fatal(err)
	}
	packet := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: "public", PDUType: gosnmp.SNMPv2Trap, RequestID: 1, Variables: []gosnmp.SnmpPDU{
		{Name: "1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(4711)},
		{Name: "1.3.6.1.6.3.1.1.4.1.0", Type: gosnmp.ObjectIdentifier, Value: "1.3.6.1.6.3.1.1.5.3"},
		{Name: "1.3.6.1.2.1.2.2.1.1.3", Type: gosnmp.Integer, Value: 3},
		{Name: "1.3.6.1.2.1.2.2.1.7.3", Type: gosnmp.Integer, Value: 1},
		{Name: "1.3.6.1.2.1.2.2.1.8.3", Type: gosnmp.Integer, Value: 2},
		{Name: "1.3.6.1.2.1.2.2.1.2.3", Type: gosnmp.OctetString, Value: "GigabitEthernet1/0/3"},
	}}
	message, err := packet.MarshalMsg()
	if err != nil {
		b.Fatal(err)
	}
	s := &sender{}
	for k := range 32 {
		conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.%d:0", 10+k))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		batch := make([]ipv4.Message, perWrite)
		for i := range batch {
			batch[i] = ipv4.Message{Buffers: [][]byte{message}, Addr: target}
		}
		s.conns, s.batches = append(s.conns, ipv4.NewPacketConn(conn)), append(s.batches, batch)
	}
	return s
}

// send sends so many a second for a while, as far as it can. It returns how many it has
// sent, and how many a second that were.
func (s *sender) send(b *testing.B, rate int, lasts time.Duration) (sent int, reached float64) {
	b.Helper()
	runtime.LockOSThread() // whose time is the sender's own
	defer runtime.UnlockOSThread()
	before := processorTime(b, syscall.RUSAGE_THREAD)
	defer func() { s.spent += processorTime(b, syscall.RUSAGE_THREAD) - before }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	for k := 0; ; k++ {
		passed := time.Since(begin)
		if passed >= lasts {
			return sent, float64(sent) / passed.Seconds()
		}
		due := int(passed.Seconds()*float64(rate)) - sent
		if due <= 0 {
			<-tick.C
			continue
		}
		c := k % len(s.conns)
		n, err := s.conns[c].WriteBatch(s.batches[c][:min(perWrite, due)], 0)
		if err != nil {
			b.Fatal(err)
		}
		sent += n
	}
}

// stored is a manager's tree that is fed by a hub.
type stored struct {
	hub  *trap.Hub
	tree *tree.Tree
}

const storedDefinition = `
grove: 1
application: bench
at: /bench
probes:
  traps:
    kind: traps
    sources: [127.0.0.0/8]
    communities: [public]
    events: [ { traps: [linkDown], status: yellow, text: "{source}: port {ifIndex} {ifDescr} is {ifOperStatus}" } ]
    counts: { downs: [linkDown] }
    tables: { ports: { key: "{source} {ifIndex}", states: { linkDown: down, linkUp: up }, columns: { name: "{ifDescr}" } } }
tree:
  Log: { from: traps.events, mode: push }
  Downs: { from: traps.downs, mode: push }
  Ports:
    "${row.key}": { each: traps.ports, from: row.state, mode: push, states: { up: green, down: red } }
`

func newStored(b testing.TB) (*stored, string) {
	b.Helper()
	s := &stored{hub: trap.NewHub(trap.Options{}), tree: tree.New(tree.Options{})}
	registry := probe.NewRegistry(trap.Kind(s.hub))
	plan, errs := (&definition.Loader{Kinds: builtin.Kinds{Registry: registry}}).FS(fstest.MapFS{"bench.yaml": {Data: []byte(storedDefinition)}}, "")
	if err := errs.Err(); err != nil {
		b.Fatal(err)
	}
	jobs := schedule.New(schedule.Options{})
	binder, err := bind.New(bind.Options{Tree: s.tree, Registry: registry, Schedule: jobs})
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.tree.Run(ctx) })
	running.Go(func() { _ = jobs.Run(ctx) })
	running.Go(func() { _ = s.hub.Serve(ctx, conn) })
	b.Cleanup(func() {
		_ = binder.Stop(context.Background())
		cancel()
		running.Wait()
	})
	if err := binder.Apply(plan); err != nil {
		b.Fatal(err)
	}
	return s, conn.LocalAddr().String()
}

// inTree is how many traps the tree has as events and in its count.
func (s *stored) inTree() int {
	s.tree.Flush()
	n, err := s.tree.Node(tree.MustPath("/bench/Downs"))
	if err != nil {
		return 0
	}
	count, _ := n.Value.Number()
	return int(count)
}

// settles waits until a count is what it should be, or rises no more.
func settles(count func() int, want int) int {
	last, since := -1, time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		n := count()
		if n != last {
			last, since = n, time.Now()
		}
		if n >= want || time.Since(since) > time.Second {
			return n
		}
		<-tick.C
	}
}

// snmptrapd runs Debian's, which writes a line a trap into a file.
func snmptrapd(b *testing.B) (address string, lines func() int) {
	b.Helper()
	const program = "/usr/sbin/snmptrapd"
	if _, err := os.Stat(program); err != nil {
		b.Skip("snmptrapd is not installed")
	}
	dir := b.TempDir()
	config, log := filepath.Join(dir, "snmptrapd.conf"), filepath.Join(dir, "log")
	if err := os.WriteFile(config, []byte("disableAuthorization yes\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address = socket.LocalAddr().String()
	_ = socket.Close()
	cmd := exec.Command(program, "-f", "-n", "-Lf", log, "-C", "-c", config, "-m", "", "-Oqn", "-F", "trap %b %v\n", "-p", filepath.Join(dir, "pid"), "udp:"+address)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines = func() int {
		text, _ := os.ReadFile(log)
		return bytes.Count(text, []byte("\ntrap "))
	}
	return address, lines
}

// heard sends single traps until the other side counts one, and returns the count then.
func heard(b *testing.B, s *sender, count func() int) int {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if n, _ := s.send(b, 1000, 10*time.Millisecond); settles(count, n) > 0 {
			return settles(count, 1<<30)
		}
	}
	b.Fatal("nothing is heard")
	return 0
}

const lasting = 1500 * time.Millisecond

// most returns the highest of some rates at which nothing is lost, as far as the sender
// reached it; each is tried twice, since the machine is not alone.
func most(b *testing.B, s *sender, rates []int, count func() int) (best float64, report string) {
	b.Helper()
	before := heard(b, s, count)
	var said []string
	for _, rate := range rates {
		clean := false
		for range 2 {
			sent, reached := s.send(b, rate, lasting)
			got := settles(count, before+sent) - before
			before += got
			said = append(said, fmt.Sprintf("%.0f/s: %d of %d", reached, got, sent))
			if clean = got == sent; clean {
				best = max(best, reached)
				break
			}
		}
		if !clean {
			break
		}
	}
	return best, strings.Join(said, "; ")
}

// BenchmarkStored is the rate up to which every trap becomes an event in the tree, beside
// the rate up to which snmptrapd writes every trap into its file.
func BenchmarkStored(b *testing.B) {
	for b.Loop() {
		s, address := newStored(b)
		grove, report := most(b, newSender(b, address), []int{20_000, 40_000, 60_000, 80_000, 100_000, 120_000, 160_000, 200_000, 240_000}, s.inTree)
		b.Logf("grove: %s", report)
		address, lines := snmptrapd(b)
		peer, report := most(b, newSender(b, address), []int{1000, 2000, 3000, 4000, 5000, 7500, 10_000, 15_000, 20_000, 30_000}, lines)
		b.Logf("snmptrapd: %s", report)
		b.ReportMetric(grove, "traps/s")
		b.ReportMetric(peer, "snmptrapd-traps/s")
		b.ReportMetric(grove/max(peer, 1), "times-more")
	}
}

// BenchmarkOverload sends as fast as it can, and holds every trap against what became of it.
func BenchmarkOverload(b *testing.B) {
	for b.Loop() {
		s, address := newStored(b)
		from := newSender(b, address)
		heard(b, from, s.inTree)
		begin := s.hub.Stats()
		before := begin.Received
		sent, reached := from.send(b, 1_000_000, lasting)
		settles(func() int { return int(s.hub.Stats().Received - before) }, sent) //nolint:gosec // It is small.
		stats := s.hub.Stats()
		var reasons []string
		for _, r := range trap.Reasons() {
			if n := stats.Refusals[r]; n > 0 {
				reasons = append(reasons, fmt.Sprintf("%v %d", r, n))
			}
		}
		b.Logf("%d sent, %d taken, refused: %s", sent, stats.Applied-begin.Applied, strings.Join(reasons, ", "))
		b.ReportMetric(reached, "sent/s")
		b.ReportMetric(float64(stats.Applied-begin.Applied)/lasting.Seconds(), "taken/s")
		b.ReportMetric(float64(sent)-float64(stats.Received-before), "uncounted")
	}
}

// BenchmarkHandle is what a trap costs from the socket to the event in the tree, without
// what it costs to send it.
func BenchmarkHandle(b *testing.B) {
	s, address := newStored(b)
	from := newSender(b, address)
	heard(b, from, s.inTree)
	from.spent = 0
	begin, cpu := s.inTree(), processorTime(b, syscall.RUSAGE_SELF)
	sent := 0
	for b.Loop() {
		n, _ := from.send(b, 30_000, 100*time.Millisecond)
		sent += n
	}
	got := settles(s.inTree, begin+sent) - begin
	b.ReportMetric(float64(got)/(processorTime(b, syscall.RUSAGE_SELF)-cpu-from.spent), "traps/cpu-s")
}

// processorTime is what this process or this thread of it has used, in seconds.
func processorTime(b *testing.B, who int) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// TestTrapsReachTheTree has what the senders of net-snmp say become events, counts and
// rows with a colour.
func TestTrapsReachTheTree(t *testing.T) {
	program, err := exec.LookPath("snmptrap")
	if err != nil {
		t.Skip("snmptrap is not installed")
	}
	s, address := newStored(t)
	for _, tt := range []struct {
		trap, log, port string
		status          tree.Status
		downs           int
	}{
		{"1.3.6.1.6.3.1.1.5.3", "127.0.0.1: port 3 ? is down", "/bench/Ports/127.0.0.1 3", tree.Red, 1},
		{"1.3.6.1.6.3.1.1.5.4", "", "/bench/Ports/127.0.0.1 3", tree.Green, 1},
	} {
		cmd := exec.Command(program, "-v2c", "-c", "public", address, "", tt.trap, "1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.2.2.1.8.3", "i", "2")
		cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+t.TempDir(), "MIBS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		n := settles(func() int {
			s.tree.Flush()
			n, err := s.tree.Node(tree.MustPath(tt.port))
			if err != nil || n.Status != tt.status {
				return 0
			}
			return 1
		}, 1)
		if n != 1 {
			t.Fatalf("%s is not %v: %+v", tt.port, tt.status, s.hub.Stats())
		}
		if log, err := s.tree.Node(tree.MustPath("/bench/Log")); tt.log != "" && (err != nil || log.Value.String() != tt.log) {
			t.Errorf("the log says %q, want %q (%v)", log.Value, tt.log, err)
		}
		if got := s.inTree(); got != tt.downs {
			t.Errorf("%d downs, want %d", got, tt.downs)
		}
	}
}
