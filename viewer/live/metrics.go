package live

import (
	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

const metricDelay = "grove_live_delta_delay_seconds"

// MetricHelp says what the metrics are that a Server measures in Options.Own.
func MetricHelp() map[string]string {
	return map[string]string{
		metricDelay: "From the flush that published the last change of a delta until the delta was written to a client's socket.",
	}
}

// counts are the feed's own metrics.
type counts struct {
	frames  *prometheus.CounterVec // by type: snapshot, delta
	bytes   prometheus.Counter
	encoded prometheus.Counter
	refused prometheus.Counter
	held    prometheus.Counter
	delay   *metrics.Histogram
}

func newCounts(s *Server, r prometheus.Registerer, own *metrics.Set) *counts {
	if own == nil {
		own = metrics.NewSet()
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "grove", Subsystem: "live", Name: name, Help: help})
	}
	m := &counts{
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "grove", Subsystem: "live", Name: "frames_total",
			Help: "Frames of data sent to clients of the live feed."}, []string{"type"}),
		bytes:   counter("frame_bytes_total", "Bytes of data sent to clients of the live feed, before compression."),
		encoded: counter("encoded_frames_total", "Frames of data encoded; what was sent more often was shared."),
		refused: counter("refused_total", "Requests for the live feed that were refused."),
		held:    counter("held_total", "Times that a subscription was held back because too many batches were not acknowledged."),
		delay:   own.GetOrCreateHistogram(metricDelay),
	}
	if r != nil {
		r.MustRegister(m.frames, m.bytes, m.encoded, m.refused, m.held,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "grove", Subsystem: "live", Name: "connections",
				Help: "Open sockets of the live feed."}, func() float64 { return float64(s.Connections()) }))
	}
	return m
}
