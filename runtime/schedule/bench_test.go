package schedule

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkJobs runs 100,000 jobs at 10 s for five seconds of real time a round: what
// the schedule itself costs, and how late its runs start.
func BenchmarkJobs(b *testing.B) {
	const jobs = 100_000
	for b.Loop() {
		s := New(Options{Pace: jobs})
		for i := range jobs {
			if _, err := s.Add(Job{Key: fmt.Sprint("host/", i), Kind: "k", Target: fmt.Sprint(i), Every: 10 * time.Second, Run: nothing}); err != nil {
				b.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 7*time.Second)
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		<-time.After(2 * time.Second) // the first runs
		before, used, start := s.Stats(), cpu(), time.Now()
		<-time.After(5 * time.Second)
		after, spent, wall := s.Stats(), cpu()-used, time.Since(start)
		<-ctx.Done()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		cancel()

		runs := after.Runs - before.Runs
		b.ReportMetric(float64(runs)/wall.Seconds(), "runs/s")
		b.ReportMetric(100*spent.Seconds()/wall.Seconds(), "%cpu")
		b.ReportMetric(float64(spent.Nanoseconds())/float64(max(runs, 1)), "cpu-ns/run")
		b.ReportMetric(quantile(before, after, 0.5).Seconds()*1000, "late-p50-ms")
		b.ReportMetric(quantile(before, after, 0.99).Seconds()*1000, "late-p99-ms")
	}
}

// quantile returns the upper bound of the class that holds it.
func quantile(before, after Stats, q float64) time.Duration {
	total := uint64(0)
	for i := range after.Late {
		total += after.Late[i] - before.Late[i]
	}
	sum := uint64(0)
	for i := range LateBounds {
		if sum += after.Late[i] - before.Late[i]; float64(sum) >= q*float64(total) {
			return LateBounds[i]
		}
	}
	return after.LateMax
}

// BenchmarkAddRemove is the cost of a job that comes and goes.
func BenchmarkAddRemove(b *testing.B) {
	s := New(Options{})
	for i := range 100_000 {
		if _, err := s.Add(Job{Key: fmt.Sprint(i), Every: 10 * time.Second, Run: nothing}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		h, _ := s.Add(Job{Key: "x", Every: 10 * time.Second, Run: nothing})
		s.Remove(h)
	}
}
