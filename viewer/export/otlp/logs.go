package otlp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"grove/beans"
	"grove/tree"
)

// Bounds of the queue of log records of one target.
const (
	maxQueue   = 8192
	maxBatch   = 512
	minBackoff = time.Second
	maxBackoff = time.Minute
)

// logs is the queue of log records of one target. It is the processor of a
// LoggerProvider, which makes records of the right resource and scope.
type logs struct {
	sender   *otlploghttp.Exporter
	provider *sdk.LoggerProvider
	logger   log.Logger
	ready    chan struct{} // holds a token when there is something to send

	mu            sync.Mutex // guards all below
	queue         []sdk.Record
	sent, dropped uint64
}

func newLogs(sender *otlploghttp.Exporter, of *resource.Resource, version string) *logs {
	l := &logs{sender: sender, ready: make(chan struct{}, 1)}
	l.provider = sdk.NewLoggerProvider(sdk.WithProcessor(l), sdk.WithResource(of), sdk.WithAttributeValueLengthLimit(tree.MaxTextBytes))
	l.logger = l.provider.Logger("grove", log.WithInstrumentationVersion(version))
	return l
}

// emit makes a record of a notification.
func (l *logs) emit(n *beans.Notification, path string) {
	var r log.Record
	r.SetTimestamp(n.Time)
	r.SetObservedTimestamp(n.Time)
	r.SetEventName(n.Type)
	r.SetBody(attribute.StringValue(n.Message))
	number, text := severity(n)
	r.SetSeverity(number)
	r.SetSeverityText(text)
	r.AddAttributes(attribute.String("grove.source", n.Source.String()), attribute.Int64("grove.sequence", n.Sequence))
	if path != "" {
		r.AddAttributes(attribute.String("path", path))
	}
	if fields, ok := n.Data.(map[string]beans.Value); ok {
		for _, name := range []string{"from", "to", "value", "reason"} {
			if v, ok := fields[name]; ok && v != nil && v != "" {
				r.AddAttributes(attribute.String("grove."+name, textOf(v)))
			}
		}
	}
	l.logger.Emit(context.Background(), r)
}

// severity is that of the status which a notification tells of (OpenTelemetry logs data
// model, "Severity fields").
func severity(n *beans.Notification) (log.Severity, string) {
	fields, _ := n.Data.(map[string]beans.Value)
	to, _ := fields["to"].(string)
	switch status, err := tree.ParseStatus(to); {
	case err == nil && status == tree.Red:
		return log.SeverityError, "ERROR"
	case err == nil && status != tree.Green:
		return log.SeverityWarn, "WARN"
	}
	return log.SeverityInfo, "INFO"
}

// pathOf is the node that a notification is about, or empty.
func pathOf(n *beans.Notification) string {
	fields, _ := n.Data.(map[string]beans.Value)
	if path, ok := fields["path"].(string); ok {
		return path
	}
	path, _ := n.Source.Text("path")
	return path
}

func textOf(v beans.Value) string {
	if s, ok := v.(string); ok {
		return s
	}
	if text, err := json.Marshal(v); err == nil {
		return string(text)
	}
	return fmt.Sprint(v)
}

// Enabled implements sdk.Processor.
func (l *logs) Enabled(context.Context, sdk.EnabledParameters) bool { return true }

// OnEmit implements sdk.Processor: it queues the record, in the place of the oldest if
// the queue is full.
func (l *logs) OnEmit(_ context.Context, r *sdk.Record) error {
	l.mu.Lock()
	if len(l.queue) >= maxQueue {
		l.queue = slices.Delete(l.queue, 0, maxBatch) // many at once, since it moves all
		l.dropped += maxBatch
	}
	l.queue = append(l.queue, r.Clone())
	l.mu.Unlock()
	select {
	case l.ready <- struct{}{}:
	default:
	}
	return nil
}

// ForceFlush implements sdk.Processor; run sends.
func (l *logs) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdk.Processor.
func (l *logs) Shutdown(context.Context) error { return nil }

// run sends what is queued until ctx ends, and then once more.
func (l *logs) run(ctx context.Context, note func(error)) {
	backoff := minBackoff
	for {
		select {
		case <-l.ready:
		case <-ctx.Done():
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			note(l.sendAll(stop))
			return
		}
		err := l.sendAll(ctx)
		note(err)
		if err == nil {
			backoff = minBackoff
			continue
		}
		select {
		case l.ready <- struct{}{}:
		default:
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// sendAll sends until the queue is empty or an error comes. A batch leaves the queue
// before it is sent, and goes back to its head when it could not be.
func (l *logs) sendAll(ctx context.Context) error {
	for {
		l.mu.Lock()
		n := min(len(l.queue), maxBatch)
		batch := slices.Clone(l.queue[:n])
		l.queue = slices.Delete(l.queue, 0, n)
		l.mu.Unlock()
		if n == 0 {
			return nil
		}
		err := l.sender.Export(ctx, batch)
		l.mu.Lock()
		if err == nil {
			l.sent += uint64(n)
		} else {
			room := max(maxQueue-len(l.queue), 0)
			l.dropped += uint64(max(n-room, 0))
			l.queue = slices.Insert(l.queue, 0, batch[max(n-room, 0):]...)
		}
		l.mu.Unlock()
		if err != nil {
			return fmt.Errorf("log records: %w", err)
		}
	}
}

func (l *logs) stats() (sent, dropped, waiting uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent, l.dropped, uint64(len(l.queue))
}

func (l *logs) close(ctx context.Context) error {
	if err := l.provider.Shutdown(ctx); err != nil {
		return err
	}
	return l.sender.Shutdown(ctx)
}

// pointsOf counts the points of a metric.
func pointsOf(data metricdata.Aggregation) uint64 {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return uint64(len(d.DataPoints))
	case metricdata.Gauge[float64]:
		return uint64(len(d.DataPoints))
	case metricdata.Sum[float64]:
		return uint64(len(d.DataPoints))
	}
	return 0
}
