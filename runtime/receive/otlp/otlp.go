// Package otlp is the receiver for what programs send by OpenTelemetry's protocol,
// metrics and logs, over HTTP and gRPC (opentelemetry.io/docs/specs/otlp, 1.x).
//
// A definition declares probes of the kinds "otlp" and "otlp_logs", whose options say
// which series and which log records they want. Metrics are named as Prometheus names
// them (opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics):
// http.server.request.duration in seconds is http_server_request_duration_seconds.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"grove/runtime/receive"
	"grove/runtime/receive/record"
	"grove/runtime/receive/sample"
)

// Bounds and defaults of a Hub.
const (
	// DefaultMaxBody bounds a request after decompression, in bytes.
	DefaultMaxBody = 16 << 20
	// DefaultAtOnce is how many requests are worked on at once; others wait.
	DefaultAtOnce = 8
	// patience is how long a request waits for its turn.
	patience = 10 * time.Second
)

// Options of a Hub. The zero value stands for the defaults.
type Options struct {
	// May says whether who sends may send to the probes of an instance. Nil: everybody may.
	May func(ctx context.Context, instance string) error
	// Sources are the addresses that may send by gRPC, which knows no login; nil: all.
	Sources []netip.Prefix
	// Admitted says who a sender by gRPC is, once its address let it in: what it returns is
	// the context that May gets. Nil: it stays as it is.
	Admitted func(ctx context.Context) context.Context
	MaxBody  int
	AtOnce   int
	Now      func() time.Time // nil: time.Now
}

// Hub takes requests. It may be used from many goroutines.
type Hub struct {
	options  Options
	samples  *sample.Hub
	records  *record.Hub
	places   chan struct{} // of requests that are worked on
	requests atomic.Uint64
	bad      atomic.Uint64
}

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.AtOnce <= 0 {
		o.AtOnce = DefaultAtOnce
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Hub{options: o, places: make(chan struct{}, o.AtOnce), samples: sample.NewHub(sample.Options{May: o.May, Now: o.Now}), records: &record.Hub{May: o.May}}
}

// Stats is what became of what was sent.
type Stats struct {
	Samples     receive.Counts // of metrics; a histogram is one
	Records     receive.Counts // of logs
	Requests    uint64         // all, also refused ones
	BadRequests uint64         // of which nothing could be read
}

// Stats reads the counts.
func (h *Hub) Stats() Stats {
	return Stats{Samples: h.samples.Account().Counts(), Records: h.records.Account().Counts(), Requests: h.requests.Load(), BadRequests: h.bad.Load()}
}

var errBusy = errors.New("too many requests are being worked on: come again")

// enter waits for a place among the requests that are worked on.
func (h *Hub) enter(ctx context.Context) (leave func(), err error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case h.places <- struct{}{}:
		return func() { <-h.places }, nil
	case <-late.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// metrics takes a request of metrics. What was refused is told, as a partial success.
func (h *Hub) metrics(ctx context.Context, request pmetricotlp.ExportRequest) pmetricotlp.ExportResponse {
	out := h.applyMetrics(ctx, request.Metrics())
	answer := pmetricotlp.NewExportResponse()
	if n := out.Malformed + out.Denied; n > 0 {
		answer.PartialSuccess().SetRejectedDataPoints(int64(n))
		answer.PartialSuccess().SetErrorMessage(out.Err.Error())
	}
	return answer
}

// takeLogs takes a request of logs. What was refused is told, as a partial success.
func (h *Hub) takeLogs(ctx context.Context, request plogotlp.ExportRequest) plogotlp.ExportResponse {
	denied, err := h.applyLogs(ctx, request.Logs())
	answer := plogotlp.NewExportResponse()
	if denied > 0 {
		answer.PartialSuccess().SetRejectedLogRecords(int64(denied))
		answer.PartialSuccess().SetErrorMessage(fmt.Sprint(err))
	}
	return answer
}
