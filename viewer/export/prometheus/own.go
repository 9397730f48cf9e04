package prometheus

import (
	"regexp"
	"runtime"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry for grove's own metrics that has those of the Go
// runtime, of the process and grove_build_info already. Those of the runtime are
// few and chosen: the old memory statistics have names that OpenMetrics forbids.
func NewRegistry(version, revision string) *client.Registry {
	r := client.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(
			collectors.WithGoCollectorMemStatsMetricsDisabled(),
			collectors.WithGoCollectorRuntimeMetrics(
				collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/memory/classes/(total|heap/objects|heap/stacks|heap/released):bytes$`)},
				collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/(heap/(allocs|live|goal):(bytes)|cycles/total:gc-cycles)$`)},
				collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/sched/latencies:seconds$`)},
			),
		),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		client.NewGaugeFunc(client.GaugeOpts{
			Name: "grove_build_info", Help: "1; the labels say which grove this is.",
			ConstLabels: client.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
	)
	return r
}
