package fleetbench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"grove/beans"
	"grove/runtime/bind"
	"grove/runtime/probe/builtin"
	"grove/runtime/schedule"
	"grove/test/grovetest"
	"grove/tree"
	"grove/tree/definition"
)

// fleetDefinition polls a device every 10 s: 193 values. Four nodes show what there is to
// be seen of it at a glance, and with ports five more each of its ports.
func fleetDefinition(ports bool) string {
	var columns strings.Builder
	for name, object := range fleetColumns {
		fmt.Fprintf(&columns, "          %s: %s\n", name, object)
	}
	text := `grove: 1
application: fleet
parameters:
  address: { type: address, required: true }
probes:
  device:
    kind: snmp
    address: ${address}
    request_timeout: 1s
    every: 10s
    values: { uptime: sysUpTime }
    tables:
      ports:
        key: name
        columns:
` + columns.String() + `tree:
  Answers: { from: device.up, kind: performance, red: "< 1" }
  Error: { from: device.error, kind: text }
  Response time: { from: device.duration, yellow: "> 1", red: "> 5" }
  Up for: { from: device.uptime, yellow: "< 300" }
`
	if ports {
		text += `  Ports:
    "${row.name}":
      each: device.ports
      Link: { from: row.status, states: { up: green, "*": red } }
      In: { from: row.in, change: rate, scale: 8, unit: bit/s, yellow: "> 8e9", red: "> 9e9", back: 5% }
      Out: { from: row.out, change: rate, scale: 8, unit: bit/s, yellow: "> 8e9", red: "> 9e9", back: 5% }
      Errors: { value: row.in_errors + row.out_errors, change: rate, yellow: "> 1e9", red: "> 2e9" }
      Discards: { from: row.discards, change: rate, yellow: "> 1e9" }
`
	}
	return text
}

// BenchmarkSNMPSchedule polls 1,000 devices on a schedule of 10 s with everything behind
// it: definition, schedule, probes, beans, tree, thresholds and, with ports, 120 nodes of
// ports with rates. It says which part of a processor that takes, how much memory the
// process has, and how late 99 % of the polls begin, also with a tenth and with half of
// the devices dead. What the devices cost is not counted.
//
//	go test ./test/fleetbench -run '^$' -bench '^BenchmarkSNMPSchedule$' -benchtime 1x
//
// It should take 2 % of a processor, and 99 % of the polls should begin within 20 ms.
func BenchmarkSNMPSchedule(b *testing.B) {
	port := startFleet(b)
	for _, c := range []struct {
		name      string
		deadEvery int
		ports     bool
	}{{"dead=0", 0, false}, {"dead=10", 10, false}, {"dead=50", 2, false}, {"ports", 0, true}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				fleetOnSchedule(b, port, 1000, c.deadEvery, c.ports)
			}
		})
	}
}

// BenchmarkSNMPFleet does the same with 20,000 devices. Four nodes show each; all its 193
// values are read and kept for its bean.
//
//	go test ./test/fleetbench -run '^$' -bench '^BenchmarkSNMPFleet$' -benchtime 1x
//
// It should take 25 % of a processor and 200 MB.
func BenchmarkSNMPFleet(b *testing.B) {
	port := startFleet(b)
	for b.Loop() {
		fleetOnSchedule(b, port, 20_000, 0, false)
	}
}

func fleetOnSchedule(b *testing.B, port, devices, deadEvery int, ports bool) {
	registry := builtin.Registry(builtin.Options{})
	kind, _ := registry.Kind("snmp")
	jobs := schedule.New(schedule.Options{Kinds: map[string]int{"snmp": kind.Limit}, Pace: devices / 4})
	server, err := beans.NewServer(beans.ServerOptions{ID: "fleet"})
	if err != nil {
		b.Fatal(err)
	}
	live := tree.New(tree.Options{})
	binder, err := bind.New(bind.Options{Tree: live, Registry: registry, Schedule: jobs, Beans: server})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 2)
	go func() { ended <- live.Run(ctx) }()
	go func() { ended <- jobs.Run(ctx) }()
	defer func() {
		if err := binder.Stop(context.Background()); err != nil {
			b.Error(err)
		}
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				b.Error(err)
			}
		}
	}()
	func() {
		files := fstest.MapFS{"fleet.yaml": {Data: []byte(fleetDefinition(ports))}}
		for group := range devices / 100 {
			list := []byte("<instances>\n")
			for i := 100 * group; i < 100*group+100; i++ {
				list = fmt.Appendf(list, "<instance name=\"d%d\" use=\"fleet\" at=\"/fleet/group %d/device %d\"><with address=%q/></instance>\n", i, group, i, fleetAddress(i, port, deadEvery))
			}
			files[fmt.Sprintf("group%d.xml", group)] = &fstest.MapFile{Data: append(list, "</instances>\n"...)}
		}
		plan, errs := (&definition.Loader{Kinds: builtin.Kinds{Registry: registry}}).FS(files, "")
		if len(errs) > 0 {
			b.Fatal(errs[0])
		}
		if err := binder.Apply(plan); err != nil {
			b.Fatal(err)
		}
	}()
	for jobs.Stats().Runs < uint64(devices) { // the first polls
		<-time.After(100 * time.Millisecond)
	}
	<-time.After(2 * time.Second) // what those leave behind
	runtime.GC()
	debug.FreeOSMemory()
	const measured = 10 * time.Second
	before, used, start := jobs.Stats(), grovetest.Worked(b, 0), time.Now()
	<-time.After(measured)
	after, spent, wall := jobs.Stats(), grovetest.Worked(b, 0)-used, time.Since(start)
	polls := after.Runs - before.Runs
	b.ReportMetric(100*spent.Seconds()/wall.Seconds(), "cpu-%")
	b.ReportMetric(float64(spent.Microseconds())/float64(max(polls, 1)), "cpu-us/poll")
	b.ReportMetric(float64(polls)/wall.Seconds(), "polls/s")
	b.ReportMetric(grovetest.Memory(b, os.Getpid(), "VmRSS")/1e6, "MB")
	b.ReportMetric(fleetLate(&before, &after).Seconds()*1000, "late-p99-ms")
	if missed := after.Missed - before.Missed; missed > 0 {
		b.ReportMetric(float64(missed), "missed")
	}
}

// fleetLate is the 99th percentile: the bound of the class that it is in.
func fleetLate(before, after *schedule.Stats) time.Duration {
	total, sum := uint64(0), uint64(0)
	for i := range after.Late {
		total += after.Late[i] - before.Late[i]
	}
	for i := range schedule.LateBounds {
		if sum += after.Late[i] - before.Late[i]; float64(sum) >= 0.99*float64(total) {
			return schedule.LateBounds[i]
		}
	}
	return after.LateMax
}
