package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/disk"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a made-up /proc and /sys.
type machine struct {
	t         *testing.T
	proc, sys string
}

func newMachine(t *testing.T) *machine {
	m := &machine{t, t.TempDir(), t.TempDir()}
	for name, content := range map[string]string{
		"meminfo": "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\nCached: 300 kB\n",
		"vmstat":  "pswpin 0\npswpout 0\n",
		"net/dev": "Inter-| Receive\n face |bytes\n",
		"loadavg": "0.50 1.00 2.00 1/100 999\n",
		"stat":    "cpu 0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n",
		"1/mountinfo": `20 1 254:0 / / rw - overlay overlay rw
21 20 0:5 / /proc rw - proc proc rw
22 20 254:1 / /srv ro - ext4 /dev/sdb1 rw
23 20 254:1 /x /bound rw - ext4 /dev/sdb1 rw
24 20 0:30 / /mnt/dead rw - nfs4 server:/export rw
25 20 0:31 / /run rw - tmpfs tmpfs rw
`,
		"filesystems": "\text4\n",
	} {
		m.file(m.proc, name, content)
	}
	m.file(m.sys, "class/block/.keep/uevent", "")
	return m
}

func (m *machine) file(root, name, content string) {
	m.t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) context() context.Context {
	return context.WithValue(m.t.Context(), common.EnvKey, common.EnvMap{
		common.HostProcEnvKey: m.proc, common.HostSysEnvKey: m.sys,
	})
}

func (m *machine) probe(o Options) *hostProbe {
	m.t.Helper()
	p, err := newProbe(&o, newStatter())
	if err != nil {
		m.t.Fatal(err)
	}
	p.sys = m.sys
	return p
}

// read reads one section at a time of the test's choosing.
func (m *machine) read(p *hostProbe, name string, at time.Duration) (probe.Result, error) {
	m.t.Helper()
	s, ok := sectionNamed(name)
	if !ok {
		m.t.Fatalf("no section %s", name)
	}
	var r probe.Result
	err := s.read(m.context(), p, time.Unix(1_800_000_000, 0).Add(at), &r)
	return r, err
}

// show writes a result as lines: "attribute = value" and "table: column=value …".
func show(r probe.Result) string {
	var b strings.Builder
	for _, v := range r.Values {
		fmt.Fprintf(&b, "%s = %s\n", v.Attribute, v.Value)
	}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "%s:", t.Attribute)
			for i, cell := range row {
				if !cell.IsNone() {
					fmt.Fprintf(&b, " %s=%s", t.Columns[i], cell)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func want(t *testing.T, got probe.Result, err error, text string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(text, "\t", ""), show(got)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestProcessorSharesAreTakenBetweenRuns(t *testing.T) {
	m := newMachine(t)
	p := m.probe(Options{})
	r, err := m.read(p, "cpu", 0)
	want(t, r, err, "cpu_count = 2\ncores: core=cpu0\ncores: core=cpu1\n")
	// Ticks: user nice system idle iowait irq softirq steal.
	m.file(m.proc, "stat", "cpu 100 0 40 40 10 2 3 5 0 0\ncpu0 100 0 0 0 0 0 0 0 0 0\ncpu2 1 1 1 1 1 1 1 1 0 0\n")
	r, err = m.read(p, "cpu", 10*time.Second)
	want(t, r, err, `cpu_used = 75
		cpu_user = 50
		cpu_nice = 0
		cpu_system = 20
		cpu_iowait = 5
		cpu_irq = 2.5
		cpu_steal = 2.5
		cpu_count = 2
		cores: core=cpu0 used=100 user=100 nice=0 system=0 iowait=0 irq=0 steal=0
		cores: core=cpu2
		`)
	r, err = m.read(p, "cpu", 20*time.Second)
	want(t, r, err, "cpu_count = 2\ncores: core=cpu0\ncores: core=cpu2\n")
}

func TestMemory(t *testing.T) {
	m := newMachine(t)
	r, err := m.read(m.probe(Options{}), "memory", 0)
	want(t, r, err, `memory_total = 1.024e+06
		memory_used = 409600
		memory_available = 614400
		memory_free = 204800
		memory_buffers = 51200
		memory_cached = 307200
		memory_used_percent = 40
		`)
}

func TestLoadPerCore(t *testing.T) {
	m := newMachine(t)
	p := m.probe(Options{Sections: []string{"load"}})
	r, err := p.Run(m.context())
	if err != nil || len(r.Values) != 6 {
		t.Fatalf("result %v, error %v", r, err)
	}
	one, _ := r.Values[0].Value.Number()
	perCore, _ := r.Values[3].Value.Number()
	if math.Abs(one-2*perCore) > 1e-9 {
		t.Errorf("load_1 is %v and load_1_per_core %v on two cores", one, perCore)
	}
}

func diskLine(name string, reads, readSectors, writes, writeSectors, busy int) string {
	return fmt.Sprintf(" 8 0 %s %d 0 %d 0 %d 0 %d 0 3 %d 0\n", name, reads, readSectors, writes, writeSectors, busy)
}

func TestDiskRates(t *testing.T) {
	m := newMachine(t)
	for _, name := range []string{"sda", "sda1", "loop0", "sdb"} {
		m.file(m.sys, "class/block/"+name+"/dev", "")
	}
	m.file(m.sys, "class/block/sda1/partition", "1")
	p := m.probe(Options{})
	m.file(m.proc, "diskstats", diskLine("sda", 10, 100, 10, 100, 50)+diskLine("sda1", 10, 100, 10, 100, 50)+diskLine("loop0", 1, 1, 1, 1, 1))
	r, err := m.read(p, "disks", 0)
	want(t, r, err, "disks: name=sda in_flight=3\n")

	m.file(m.proc, "diskstats", diskLine("sda", 30, 300, 20, 500, 1050)+diskLine("sdb", 1, 1, 1, 1, 1))
	r, err = m.read(p, "disks", 2*time.Second)
	want(t, r, err, `disks: name=sda read=51200 write=102400 read_ops=10 write_ops=5 busy=50 in_flight=3
		disks: name=sdb in_flight=3
		`)

	t.Log("a device that came back counts from the start: no rates once")
	m.file(m.proc, "diskstats", diskLine("sda", 1, 1, 1, 1, 1))
	r, err = m.read(p, "disks", 4*time.Second)
	want(t, r, err, "disks: name=sda in_flight=3\n")

	m.file(m.proc, "diskstats", diskLine("sda", 2, 1, 1, 1, 9000))
	r, err = m.read(p, "disks", 5*time.Second)
	want(t, r, err, "disks: name=sda read=0 write=0 read_ops=1 write_ops=0 busy=100 in_flight=3\n")

	with := m.probe(Options{Disks: DiskOptions{Include: []string{"sda*"}, Partitions: true}})
	m.file(m.proc, "diskstats", diskLine("sda", 10, 100, 10, 100, 50)+diskLine("sda1", 10, 100, 10, 100, 50)+diskLine("sdb", 1, 1, 1, 1, 1))
	r, err = m.read(with, "disks", 0)
	want(t, r, err, "disks: name=sda in_flight=3\ndisks: name=sda1 in_flight=3\n")
}

func TestNetworkRates(t *testing.T) {
	m := newMachine(t)
	line := func(name string, rx, tx int) string {
		return fmt.Sprintf("%s: %d %d 0 0 0 0 0 0 %d %d 0 0 0 0 0 0\n", name, rx, rx/100, tx, tx/100)
	}
	header := "Inter-| Receive\n face |bytes\n"
	for name, files := range map[string][3]string{
		"eth0": {"up", "0x1003", "1000"},
		"tun0": {"unknown", "0x10d1", "-1"},
		"eth1": {"down", "0x1002", "-1"},
	} {
		m.file(m.sys, "class/net/"+name+"/operstate", files[0]+"\n")
		m.file(m.sys, "class/net/"+name+"/flags", files[1]+"\n")
		m.file(m.sys, "class/net/"+name+"/speed", files[2]+"\n")
	}
	p := m.probe(Options{})
	m.file(m.proc, "net/dev", header+line("tun0", 0, 0)+line("eth0", 1000, 2000)+line("eth1", 0, 0)+line("lo", 5, 5)+line("veth12", 5, 5))
	r, err := m.read(p, "networks", 0)
	want(t, r, err, "networks: name=eth0 enabled=1 up=1 speed=1e+09\nnetworks: name=eth1 enabled=0 up=0\nnetworks: name=tun0 enabled=1 up=1\n")
	m.file(m.proc, "net/dev", header+line("eth0", 251000, 2000))
	r, err = m.read(p, "networks", time.Second)
	want(t, r, err, "networks: name=eth0 rx=250000 tx=0 rx_packets=2500 tx_packets=0 rx_errors=0 tx_errors=0 rx_drops=0 tx_drops=0 enabled=1 up=1 speed=1e+09 used_percent=0.2\n")

	t.Log("a count that fell means that the others of the interface began again, too")
	m.file(m.proc, "net/dev", header+line("eth0", 100, 3000))
	r, err = m.read(p, "networks", 2*time.Second)
	want(t, r, err, "networks: name=eth0 enabled=1 up=1 speed=1e+09\n")
}

func TestFilesystemsThatAreListed(t *testing.T) {
	usage := func(_ context.Context, mountpoint string) (*disk.UsageStat, error) {
		switch mountpoint {
		case "/srv":
			return &disk.UsageStat{Total: 100, Used: 60, Free: 20, UsedPercent: 75, InodesTotal: 10, InodesUsedPercent: 30}, nil
		case "/mnt/dead":
			return nil, errors.New("stale file handle")
		case "/bound":
			return nil, fs.ErrPermission
		}
		return &disk.UsageStat{Total: 10, Used: 1, Free: 9, UsedPercent: 10}, nil
	}
	root := "filesystems: mountpoint=/ device=overlay fstype=overlay total=10 used=1 free=9 used_percent=10 read_only=0 responding=1\n"
	srv := "filesystems: mountpoint=/srv device=/dev/sdb1 fstype=ext4 total=100 used=60 free=20 used_percent=75 inodes_used_percent=30 read_only=1 responding=1\n"
	dead := "filesystems: mountpoint=/mnt/dead device=server:/export fstype=nfs4 read_only=0 responding=0\n"
	run := "filesystems: mountpoint=/run device=tmpfs fstype=tmpfs total=10 used=1 free=9 used_percent=10 read_only=0 responding=1\n"
	for _, c := range []struct {
		name    string
		options FilesystemOptions
		want    string
	}{
		{"usual", FilesystemOptions{}, root + dead + srv},
		{"type left out", FilesystemOptions{ExcludeTypes: []string{"nfs*"}}, root + srv},
		{"mount point left out", FilesystemOptions{Exclude: []string{"/", "/mnt/*"}}, srv},
		{"included whatever the type", FilesystemOptions{Include: []string{"/run", "/s*"}}, run + srv},
		{"not to be looked into", FilesystemOptions{Include: []string{"/bound"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			p := m.probe(Options{Filesystems: c.options})
			p.stat.usage = usage
			r, err := m.read(p, "filesystems", 0)
			want(t, r, err, c.want)
		})
	}
}

func TestHungFilesystemHoldsOneGoroutine(t *testing.T) {
	m := newMachine(t)
	synctest.Test(t, func(t *testing.T) {
		m.t = t
		var asked atomic.Int32
		release := make(chan struct{})
		p := m.probe(Options{Sections: []string{"filesystems"}, Filesystems: FilesystemOptions{Include: []string{"/mnt/dead", "/srv"}}})
		p.stat.usage = func(ctx context.Context, mountpoint string) (*disk.UsageStat, error) {
			if mountpoint == "/mnt/dead" {
				asked.Add(1)
				<-release
			}
			return &disk.UsageStat{Total: 10, Used: 1, Free: 9, UsedPercent: 10}, nil
		}
		dead := "filesystems: mountpoint=/mnt/dead device=server:/export fstype=nfs4 read_only=0 responding=0\n"
		srv := "filesystems: mountpoint=/srv device=/dev/sdb1 fstype=ext4 total=10 used=1 free=9 used_percent=10 read_only=1 responding=1\n"
		for range 3 {
			start := time.Now()
			r, err := p.Run(m.context())
			want(t, r, err, dead+srv)
			if took := time.Since(start); took != statTimeout {
				t.Errorf("the run took %s, want %s", took, statTimeout)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("the file system was asked %d times while it hung, want once", n)
		}
		close(release)
		synctest.Wait()
		r, err := p.Run(m.context())
		want(t, r, err, strings.Replace(dead, "read_only=0 responding=0", "total=10 used=1 free=9 used_percent=10 read_only=0 responding=1", 1)+srv)
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times, want a second time after the answer", n)
		}
	})
}

func TestSectionThatFailsSparesTheOthers(t *testing.T) {
	m := newMachine(t)
	if err := os.Remove(filepath.Join(m.proc, "vmstat")); err != nil {
		t.Fatal(err)
	}
	p := m.probe(Options{Sections: []string{"memory", "swap", "networks"}})
	r, err := p.Run(m.context())
	if err == nil || !strings.HasPrefix(err.Error(), "swap: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one about swap", err)
	}
	if len(r.Values) != len(memoryAttributes) || len(r.Tables) != 1 {
		t.Errorf("result:\n%s", show(r))
	}
}

func TestEndedContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newMachine(t).probe(Options{}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context canceled", err)
	}
}

func TestContract(t *testing.T) {
	probetest.Run(t, Kind(), new(Options), &Options{
		Sections:    []string{"cpu", "filesystems", "disks", "networks"},
		Filesystems: FilesystemOptions{Include: []string{"/*"}, Exclude: []string{"/proc/*", "/sys/*"}, ExcludeTypes: []string{"nfs*"}},
		Disks:       DiskOptions{Include: []string{"*"}, Exclude: []string{"loop*"}, Partitions: true},
		Networks:    Filter{Include: []string{"*"}, Exclude: []string{"docker*"}},
	})
	probetest.Refuses(t, Kind(),
		probetest.Bad{Name: "unknown section", Options: &Options{Sections: []string{"cpus"}}, Option: "sections",
			Want: `sections: there is no section "cpus"; there are cpu, memory, swap, load, uptime, system, processes, disks, networks, sensors, filesystems`},
		probetest.Bad{Name: "section twice", Options: &Options{Sections: []string{"cpu", "cpu"}}, Option: "sections",
			Want: `sections: "cpu" is named twice`},
		probetest.Bad{Name: "pattern", Options: &Options{Networks: Filter{Exclude: []string{"eth["}}}, Option: "networks.exclude",
			Want: `networks.exclude: "eth[" is no pattern: a bracket is not closed, or a backslash ends it`},
		probetest.Bad{Name: "too many patterns", Options: &Options{Disks: DiskOptions{Include: make([]string, 201)}}, Option: "disks.include",
			Want: "disks.include: 201 patterns are more than the 200 that are allowed"},
	)
}

func TestFiguresAgreeWithDfAndFree(t *testing.T) {
	p, err := Kind().New(&Options{Sections: []string{"memory", "filesystems"}})
	if err != nil {
		t.Fatal(err)
	}
	df, err := exec.CommandContext(t.Context(), "df", "-B1", "--output=size,used,avail", "/").Output()
	if err != nil {
		t.Skipf("skipped: df does not run here: %v", err)
	}
	free, err := exec.CommandContext(t.Context(), "free", "-b").Output()
	if err != nil {
		t.Skipf("skipped: free does not run here: %v", err)
	}
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Others write files and take memory meanwhile: 2 % of the whole is near enough.
	near := func(what string, got, want, whole float64) {
		t.Helper()
		if math.Abs(got-want) > whole/50 {
			t.Errorf("%s is %.0f, the system's tool says %.0f", what, got, want)
		}
	}
	values := map[string]tree.Value{}
	for _, v := range r.Values {
		values[v.Attribute] = v.Value
	}
	for _, row := range r.Tables[0].Rows {
		if row[0] == tree.Text("/") {
			values["size"], values["used"], values["avail"] = row[3], row[4], row[5]
		}
	}
	figure := func(name string) float64 {
		v, ok := values[name].Number()
		if !ok {
			t.Errorf("%s has no number", name)
		}
		return v
	}
	field := func(text []byte, line, n int) float64 {
		v, err := strconv.ParseFloat(strings.Fields(strings.Split(string(text), "\n")[line])[n], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	size := field(df, 1, 0)
	near("size of /", figure("size"), size, 1)
	near("used of /", figure("used"), field(df, 1, 1), size)
	near("free of /", figure("avail"), field(df, 1, 2), size)
	total := field(free, 1, 1)
	near("memory", figure("memory_total"), total, 1)
	near("available memory", figure("memory_available"), field(free, 1, 6), total)
}

func BenchmarkRun(b *testing.B) {
	p, err := Kind().New(new(Options))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
