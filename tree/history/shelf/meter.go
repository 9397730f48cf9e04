package shelf

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// meters takes in the TSDB's own metrics, so that single ones can be asked for: some
// of what it knows it tells nowhere else.
type meters struct {
	mu   sync.Mutex // guards all
	all  []prometheus.Collector
	byID map[string]prometheus.Collector
}

func newMeters() *meters { return &meters{byID: map[string]prometheus.Collector{}} }

// Register implements prometheus.Registerer.
func (m *meters) Register(c prometheus.Collector) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (m *meters) MustRegister(list ...prometheus.Collector) {
	for _, c := range list {
		_ = m.Register(c)
	}
}

// Unregister implements prometheus.Registerer.
func (*meters) Unregister(prometheus.Collector) bool { return true }

// value is the sum of the counters of that name.
func (m *meters) value(name string) (sum float64) {
	c := m.find(name)
	if c == nil {
		return 0
	}
	metrics := make(chan prometheus.Metric, 16)
	go func() {
		c.Collect(metrics)
		close(metrics)
	}()
	for metric := range metrics {
		var d dto.Metric
		if metric.Write(&d) == nil {
			sum += d.GetCounter().GetValue()
		}
	}
	return sum
}

func (m *meters) find(name string) prometheus.Collector {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.byID[name]; ok {
		return c
	}
	for _, c := range m.all {
		found := false
		descs := make(chan *prometheus.Desc, 16)
		go func() {
			c.Describe(descs)
			close(descs)
		}()
		for d := range descs {
			found = found || strings.Contains(d.String(), `fqName: "`+name+`"`)
		}
		if found {
			m.byID[name] = c
			return c
		}
	}
	return nil
}

// overlapping is what the TSDB warns of, where blocks of the same time are the rule: late
// samples have their own, and so has each part of a large window that is merged.
const overlapping = "Overlapping blocks found during reloadBlocks"

// demoted makes what the TSDB calls information a matter of debugging.
type demoted struct{ slog.Handler }

func lower(l slog.Level) slog.Level {
	if l < slog.LevelWarn {
		return l - (slog.LevelInfo - slog.LevelDebug)
	}
	return l
}

func (h demoted) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, lower(l))
}

func (h demoted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lower(r.Level)
	if r.Message == overlapping {
		r.Level = slog.LevelDebug
		if !h.Handler.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h demoted) WithAttrs(a []slog.Attr) slog.Handler { return demoted{h.Handler.WithAttrs(a)} }
func (h demoted) WithGroup(n string) slog.Handler      { return demoted{h.Handler.WithGroup(n)} }
