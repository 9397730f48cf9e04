//go:build linux

package test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"grove/test/grovetest"
	"grove/tree"
	"grove/tree/history"
	"grove/viewer/export/prometheus/prometheustest"
)

// cost is what it takes to keep samples.
type cost struct {
	samples float64
	cpu     float64 // seconds
	memory  float64 // bytes that the process grew by
}

// roundsOf is how many values each series gets while the cost is measured: fewer of many,
// since nothing of it may take longer than prometheustest waits.
func roundsOf(series int) int { return max(5, min(10, 1_000_000/series)) }

// valueOf is the value of a series in a round, the same for both.
func valueOf(series, round int) int { return (series*7 + round*13) % 500 }

// groveKeeps has a live tree with a history take the values, each round until it is on
// the disk. The memory is that of the tree and of the history.
func groveKeeps(b *testing.B, series int) (c cost) {
	b.Helper()
	debug.FreeOSMemory()
	before := grovetest.Memory(b, os.Getpid(), "VmRSS")
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	var clock atomic.Int64
	clock.Store(now.UnixNano())
	read := func() time.Time { return time.Unix(0, clock.Load()) }
	past, err := history.Open(history.Options{Dir: b.TempDir(), Now: read, MinFree: 1, MaxSeries: 10_000_000})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := past.Close(); err != nil {
			b.Error(err)
		}
	}()
	live := tree.New(tree.Options{Now: read, Readings: past.Readings, Reports: past.Reports, Statuses: past.Statuses})
	past.Bind(live)
	spec := &tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds"}
	refs := make([]tree.Ref, 0, series)
	for from := 0; from < series; from += 10_000 {
		ops := make([]tree.Op, 0, 10_000)
		for i := from; i < min(from+10_000, series); i++ {
			ops = append(ops, tree.Add(seriesPath(i), spec))
		}
		if err := live.Change(ops...); err != nil {
			b.Fatal(err)
		}
	}
	for i := range series {
		r, _ := live.Lookup(seriesPath(i))
		refs = append(refs, r)
	}
	batch := make([]tree.Reading, 256)
	round := func(k int) {
		at := clock.Add(int64(10 * time.Second))
		for from := 0; from < series; from += len(batch) {
			part := batch[:min(len(batch), series-from)]
			for i := range part {
				part[i] = tree.Reading{Node: refs[from+i], Value: float64(valueOf(from+i, k)), Time: at}
			}
			live.Apply(part)
		}
		if err := past.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	round(0)
	kept, worked := past.Stats().Samples, grovetest.Worked(b, 0).Seconds()
	for k := range roundsOf(series) {
		round(k + 1)
	}
	c.cpu, c.samples = grovetest.Worked(b, 0).Seconds()-worked, float64(past.Stats().Samples-kept)
	c.memory = grovetest.Memory(b, os.Getpid(), "VmRSS") - before
	if c.samples < float64(series*roundsOf(series)) {
		b.Fatalf("grove took %v samples of %d: %v", c.samples, series*roundsOf(series), past.Stats().Dropped)
	}
	return c
}

func seriesPath(i int) tree.Path {
	return tree.MustPath(fmt.Sprintf("/shop/host%d/load%d", i/100, i%100))
}

// prometheusKeeps lets a real Prometheus scrape the values.
func prometheusKeeps(b *testing.B, series int) (c cost) {
	b.Helper()
	var round atomic.Int64
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := int(round.Add(1))
		out := bufio.NewWriterSize(w, 1<<20)
		defer func() { _ = out.Flush() }() // The scraper counts what it got.
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = out.WriteString("# TYPE answer_seconds gauge\n")
		var line []byte
		for i := range series {
			line = fmt.Appendf(line[:0], "answer_seconds{path=\"/shop/host%d/load%d\"} 0.%03d\n", i/100, i%100, valueOf(i, k))
			if _, err := out.Write(line); err != nil {
				return
			}
		}
	}))
	defer page.Close()
	// Its own page tells what it takes; it scrapes the values as soon as it can.
	every := time.Duration(max(2, series/100_000)) * time.Second
	config := func(targets string) string {
		return fmt.Sprintf("scrape_configs:\n- job_name: values\n  scrape_interval: %v\n  scrape_timeout: %[1]v\n  static_configs: [{ targets: [%s] }]\n", every, targets)
	}
	empty := prometheustest.Start(b, config(""))
	_, idle := resources(b, empty, 0)
	server := prometheustest.Start(b, config(strconv.Quote(strings.TrimPrefix(page.URL, "http://"))))
	begin, _ := resources(b, server, float64(series))
	end, memory := resources(b, server, begin.samples+float64(roundsOf(series)*series))
	return cost{end.samples - begin.samples, end.cpu - begin.cpu, memory - idle}
}

// resources waits until a Prometheus has taken so many samples, and reads from its own
// page how many it took, what it worked for that and what memory it has.
func resources(b *testing.B, s *prometheustest.Server, samples float64) (c cost, memory float64) {
	b.Helper()
	err := s.Until(func() error {
		res, err := http.Get(s.URL + "/metrics")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			name, text, _ := strings.Cut(lines.Text(), " ")
			value, _ := strconv.ParseFloat(text, 64)
			switch name {
			case `prometheus_tsdb_head_samples_appended_total{type="float"}`, "prometheus_tsdb_head_samples_appended_total":
				c.samples = value
			case "process_cpu_seconds_total":
				c.cpu = value
			case "process_resident_memory_bytes":
				memory = value
			}
		}
		if c.samples < samples || memory == 0 {
			return fmt.Errorf("it has taken %v samples of %v", c.samples, samples)
		}
		return lines.Err()
	})
	if err != nil {
		b.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return c, memory
}

// BenchmarkSamples holds what grove takes to keep samples, from the reading to the disk,
// against what Debian's Prometheus takes to scrape and keep the same values, in one run:
// samples for each second of processor time, and memory for each series.
//
//	go test ./test -run '^$' -bench '^BenchmarkSamples$' -benchtime 1x
//
// Grove's memory is that of its live tree, too.
func BenchmarkSamples(b *testing.B) {
	if _, err := os.Stat(prometheustest.Program); err != nil {
		b.Skipf("%s is not installed", prometheustest.Program)
	}
	for _, series := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("series=%d", series), func(b *testing.B) {
			for b.Loop() {
				grove, other := groveKeeps(b, series), prometheusKeeps(b, series)
				b.ReportMetric(grove.samples/grove.cpu/1e6, "Msamples/cpu-s")
				b.ReportMetric(other.samples/other.cpu/1e6, "prometheus-Msamples/cpu-s")
				b.ReportMetric(grove.samples/grove.cpu/(other.samples/other.cpu), "times-quicker")
				b.ReportMetric(grove.memory/float64(series), "B/series")
				b.ReportMetric(other.memory/float64(series), "prometheus-B/series")
				b.ReportMetric(other.memory/grove.memory, "times-less-memory")
			}
		})
	}
}
