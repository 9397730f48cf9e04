package icmp

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/runtime/probe"
)

func used(t testing.TB, who int) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPings pings 1,000 addresses of loopback, each by a probe of its own in a
// goroutine of its own, once a run and three times, which is the default, and has Debian's
// fping do the same. The kernel's answers are in both figures.
func BenchmarkPings(b *testing.B) {
	for _, count := range []int{1, 3} {
		b.Run(fmt.Sprintf("count=%d", count), func(b *testing.B) { benchmarkPings(b, count) })
	}
}

func benchmarkPings(b *testing.B, count int) {
	allowed(b, false)
	const targets = 1000
	kind := Kind(nil)
	var probes []probe.Probe
	var list strings.Builder
	for i := range targets {
		host := fmt.Sprintf("127.2.%d.%d", i/250, i%250+1)
		fmt.Fprintln(&list, host)
		o := kind.NewOptions().(*Options)
		o.Host, o.Count, o.Interval = host, count, minInterval
		p, err := kind.New(o)
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		probes = append(probes, p)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ours := used(b, syscall.RUSAGE_SELF)
	done := 0
	for b.Loop() {
		var wg sync.WaitGroup
		for _, p := range probes {
			wg.Go(func() {
				r, err := p.Run(ctx)
				if err != nil || len(r.Values) < 10 {
					b.Errorf("%s: %v %v", p.Target(), r, err)
				}
			})
		}
		wg.Wait()
		done += targets * count
	}
	rate := float64(done) / (used(b, syscall.RUSAGE_SELF) - ours).Seconds()
	b.ReportMetric(rate, "pings/CPU-s")
	fping, err := exec.LookPath("fping")
	if err != nil {
		b.Log("fping is not installed")
		return
	}
	const rounds = 5
	theirs := used(b, syscall.RUSAGE_CHILDREN)
	for range rounds {
		cmd := exec.Command(fping, "-q", "-c", strconv.Itoa(count), "-i", "1", "-p", "1000")
		cmd.Stdin = strings.NewReader(list.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%.500s", err, out)
		}
	}
	peer := float64(targets*rounds*count) / (used(b, syscall.RUSAGE_CHILDREN) - theirs).Seconds()
	b.ReportMetric(peer, "fping-pings/CPU-s")
	b.ReportMetric(rate/peer, "times-fping")
}
