package gostats

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"

	"grove/runtime/probe/probetest"
)

func TestContract(t *testing.T) { probetest.Run(t, Kind()) }

func read(t *testing.T, p *goProbe) map[string]float64 {
	t.Helper()
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, v := range r.Values {
		n, ok := v.Value.Number()
		if !ok {
			t.Fatalf("%s is not a number", v.Attribute)
		}
		got[v.Attribute] = n
	}
	return got
}

func TestEveryAttributeIsRead(t *testing.T) {
	p := newProbe()
	read(t, p)
	got := read(t, p)
	for _, a := range p.Attributes() {
		if _, ok := got[a.Name]; !ok && a.Name != "memory_limit" {
			t.Errorf("%s has no reading", a.Name)
		}
	}
}

func TestReadingsFollowTheProcess(t *testing.T) {
	p := newProbe()
	before := read(t, p)

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { <-stop })
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	after := read(t, p)
	close(stop)
	wg.Wait()
	f.Close()

	if d := after["goroutines"] - before["goroutines"]; d < 150 { // others may have ended
		t.Errorf("%v goroutines more, want 200", d)
	}
	if d := after["open_files"] - before["open_files"]; d < 1 {
		t.Errorf("%v open files more, want 1", d)
	}
	if d := after["gc_cycles"] - before["gc_cycles"]; d < 1 {
		t.Errorf("%v collections more, want 1", d)
	}
	if after["gc_pause_max"] <= 0 || after["gc_pause_max"] > 10 {
		t.Errorf("the longest pause was %v s", after["gc_pause_max"])
	}
	if after["cpu_time"] < before["cpu_time"] || after["cpu"] < 0 {
		t.Errorf("processor time %v then %v, use %v %%", before["cpu_time"], after["cpu_time"], after["cpu"])
	}
}

func TestSince(t *testing.T) {
	h := &metrics.Float64Histogram{Counts: []uint64{5, 3, 1, 1}, Buckets: []float64{math.Inf(-1), 1, 2, 3, math.Inf(1)}}
	for _, tt := range []struct {
		name     string
		before   []uint64
		quantile float64
		n        uint64
		want     float64
	}{
		{"all, the median", nil, 0.5, 10, 1},
		{"all, the highest has no bound above", nil, 1, 10, 3},
		{"only what is new", []uint64{5, 2, 1, 1}, 1, 1, 2},
		{"nothing new", []uint64{5, 3, 1, 1}, 1, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n, got := since(h, tt.before, tt.quantile); n != tt.n || got != tt.want {
				t.Errorf("got %d, %v; want %d, %v", n, got, tt.n, tt.want)
			}
		})
	}
}
