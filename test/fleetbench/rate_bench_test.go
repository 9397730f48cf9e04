package fleetbench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp"
	"grove/test/grovetest"
)

// fleetColumns are what a poll reads of each port; with sysUpTime that makes 193 values.
var fleetColumns = map[string]string{
	"name": "ifName", "status": "ifOperStatus", "speed": "ifHighSpeed",
	"in": "ifHCInOctets", "out": "ifHCOutOctets", "in_errors": "ifInErrors", "out_errors": "ifOutErrors", "discards": "ifInDiscards",
}

const fleetValues = 1 + 8*fleetPorts

// BenchmarkSNMP polls 1,000 devices as fast as it can and counts the values of a
// CPU-second: by the probes of kind snmp, by gosnmp's own client with GET of known
// instances, 50 to a packet, and by Debian's prometheus-snmp-exporter, each for some
// seconds. What the devices cost is not counted, and neither is what asks the exporter.
//
//	go test ./test/fleetbench -run '^$' -bench '^BenchmarkSNMP$' -benchtime 1x
//
// The probes should have twenty times what the exporter has.
func BenchmarkSNMP(b *testing.B) {
	const devices = 1000
	port := startFleet(b)
	for b.Loop() {
		ours := fleetRate(b, 0, 64, devices, fleetProbes(b, port, devices))
		b.ReportMetric(ours, "values/CPU-s")
		plain := fleetRate(b, 0, 64, devices, fleetByGosnmp(port))
		b.ReportMetric(plain, "gosnmp-values/CPU-s")
		poll, pid := fleetByExporter(b, port)
		theirs := fleetRate(b, pid, 32, devices, poll)
		b.ReportMetric(theirs, "exporter-values/CPU-s")
		b.ReportMetric(ours/theirs, "times-exporter")
	}
}

// fleetRate polls devices from so many goroutines for some seconds, after a round that
// does not count.
func fleetRate(b *testing.B, pid, workers, devices int, poll func(device int) error) float64 {
	b.Helper()
	var next, polls atomic.Int64
	var failure atomic.Pointer[error]
	work := func(until time.Time, most int64) {
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for time.Now().Before(until) && failure.Load() == nil {
					n := next.Add(1)
					if n > most {
						return
					}
					if err := poll(int(n) % devices); err != nil {
						failure.CompareAndSwap(nil, &err)
					}
					polls.Add(1)
				}
			})
		}
		all.Wait()
	}
	work(time.Now().Add(time.Minute), int64(devices))
	polls.Store(0)
	begin := grovetest.Worked(b, pid)
	work(time.Now().Add(4*time.Second), 1<<62)
	spent := grovetest.Worked(b, pid) - begin
	if err := failure.Load(); err != nil {
		b.Fatal(*err)
	}
	return float64(polls.Load()) * fleetValues / spent.Seconds()
}

func fleetProbes(b *testing.B, port, devices int) func(int) error {
	b.Helper()
	kind := snmp.Kind(nil)
	type device struct {
		sync.Mutex
		probe.Probe
	}
	all := make([]device, devices)
	for i := range all {
		o := kind.NewOptions().(*snmp.Options)
		o.Address = fleetAddress(i, port, 0)
		o.Values = map[string]string{"uptime": "sysUpTime"}
		o.Tables = map[string]snmp.Table{"ports": {Columns: fleetColumns, Key: "name"}}
		p, err := kind.New(o)
		if err != nil {
			b.Fatal(err)
		}
		all[i].Probe = p
		b.Cleanup(func() { _ = p.Close() })
	}
	return func(i int) error {
		d := &all[i]
		d.Lock()
		defer d.Unlock()
		r, err := d.Run(context.Background())
		if err != nil {
			return err
		}
		if len(r.Tables) != 1 || len(r.Tables[0].Rows) != fleetPorts {
			return fmt.Errorf("device %d: %+v", i, r.Values)
		}
		if s, ok := d.Probe.(probe.Saver); ok {
			s.Free() // as the binder does
		}
		return nil
	}
}

func fleetByGosnmp(port int) func(int) error {
	columns := []string{"31.1.1.1.1", "2.2.1.8", "31.1.1.1.15", "31.1.1.1.6", "31.1.1.1.10", "2.2.1.14", "2.2.1.20", "2.2.1.13"}
	names := []string{"1.3.6.1.2.1.1.3.0"}
	for _, c := range columns {
		for p := range fleetPorts {
			names = append(names, fmt.Sprintf("1.3.6.1.2.1.%s.%d", c, p+1))
		}
	}
	return func(i int) error {
		host, _, err := net.SplitHostPort(fleetAddress(i, port, 0))
		if err != nil {
			return err
		}
		c := gosnmp.GoSNMP{Target: host, Port: uint16(port), Version: gosnmp.Version2c, Community: "public", Timeout: 5 * time.Second, Retries: 2, MaxOids: 60}
		if err := c.Connect(); err != nil {
			return err
		}
		defer c.Close()
		for rest := names; len(rest) > 0; rest = rest[min(50, len(rest)):] {
			if r, err := c.Get(rest[:min(50, len(rest))]); err != nil || len(r.Variables) == 0 {
				return fmt.Errorf("get: %w", err)
			}
		}
		return nil
	}
}

func fleetByExporter(b *testing.B, port int) (poll func(int) error, pid int) {
	b.Helper()
	program, err := exec.LookPath("prometheus-snmp-exporter")
	if err != nil {
		b.Skip("prometheus-snmp-exporter is not installed")
	}
	config := "fleet:\n  walk: ["
	metrics := "  metrics:\n"
	for _, c := range []struct{ name, oid, kind string }{
		{"ifName", "1.3.6.1.2.1.31.1.1.1.1", "DisplayString"}, {"ifOperStatus", "1.3.6.1.2.1.2.2.1.8", "gauge"}, {"ifHighSpeed", "1.3.6.1.2.1.31.1.1.1.15", "gauge"},
		{"ifHCInOctets", "1.3.6.1.2.1.31.1.1.1.6", "counter"}, {"ifHCOutOctets", "1.3.6.1.2.1.31.1.1.1.10", "counter"},
		{"ifInErrors", "1.3.6.1.2.1.2.2.1.14", "counter"}, {"ifOutErrors", "1.3.6.1.2.1.2.2.1.20", "counter"}, {"ifInDiscards", "1.3.6.1.2.1.2.2.1.13", "counter"},
	} {
		config += c.oid + ", "
		metrics += fmt.Sprintf("  - {name: %s, oid: %s, type: %s, help: h, indexes: [{labelname: ifIndex, type: gauge}]}\n", c.name, c.oid, c.kind)
	}
	config += "]\n  get: [1.3.6.1.2.1.1.3.0]\n" + metrics + "  - {name: sysUpTime, oid: 1.3.6.1.2.1.1.3, type: gauge, help: h}\n  version: 2\n  max_repetitions: 25\n  auth: {community: public}\n"
	file := filepath.Join(b.TempDir(), "snmp.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	listen := free.Addr().String()
	_ = free.Close()
	cmd := exec.Command(program, "--config.file", file, "--web.listen-address", listen, "--log.level", "error")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	poll = func(i int) error {
		res, err := client.Get("http://" + listen + "/snmp?module=fleet&target=" + fleetAddress(i, port, 0))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		lines := 0
		buffer := make([]byte, 64<<10)
		for {
			n, err := res.Body.Read(buffer)
			lines += strings.Count(string(buffer[:n]), "\n")
			if err != nil {
				break
			}
		}
		if res.StatusCode != http.StatusOK || lines < fleetValues {
			return fmt.Errorf("the exporter answers %s with %d lines", res.Status, lines)
		}
		return nil
	}
	for try := 0; ; try++ {
		if err := poll(0); err == nil {
			break
		} else if try == 100 {
			b.Fatal(err)
		}
		<-time.After(100 * time.Millisecond)
	}
	return poll, cmd.Process.Pid
}
