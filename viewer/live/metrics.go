package live

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	frames  *prometheus.CounterVec // by type: snapshot, delta
	bytes   prometheus.Counter
	encoded prometheus.Counter
	refused prometheus.Counter
	held    prometheus.Counter
}

func newMetrics(s *Server, r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "grove", Subsystem: "live", Name: name, Help: help})
	}
	m := &metrics{
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "grove", Subsystem: "live", Name: "frames_total",
			Help: "Frames of data sent to clients of the live feed."}, []string{"type"}),
		bytes:   counter("frame_bytes_total", "Bytes of data sent to clients of the live feed, before compression."),
		encoded: counter("encoded_frames_total", "Frames of data encoded; what was sent more often was shared."),
		refused: counter("refused_total", "Requests for the live feed that were refused."),
		held:    counter("held_total", "Times that a subscription was held back because too many batches were not acknowledged."),
	}
	if r != nil {
		r.MustRegister(m.frames, m.bytes, m.encoded, m.refused, m.held,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "grove", Subsystem: "live", Name: "connections",
				Help: "Open sockets of the live feed."}, func() float64 { return float64(s.Connections()) }))
	}
	return m
}
