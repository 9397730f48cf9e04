package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"

	"grove/beans"
	"grove/tree"
)

// timeout bounds one request.
const timeout = 20 * time.Second

// Options are the surroundings of an Exporter.
type Options struct {
	Tree             *tree.Tree
	Manager, Version string // which grove the data is of
	// Secret reads what a reference names.
	Secret func(reference string) (string, error)
	// Client sends the requests; nil is one that follows no redirects, since they could
	// carry headers elsewhere.
	Client *http.Client
	Log    *slog.Logger // nil discards
}

// Exporter sends to all targets.
type Exporter struct {
	opts    Options
	targets []*target
}

// Stats counts what became of the data of one target.
type Stats struct {
	Name                                string
	Points, FailedPoints                uint64 // of metrics, sent or not
	Records, DroppedRecords, WaitingNow uint64 // of logs
	LastError                           string // of the last request; empty: it went well
}

// target is a Target with all that it takes to send.
type target struct {
	Target
	metrics *otlpmetrichttp.Exporter
	logs    *logs
	points  atomic.Uint64
	failed  atomic.Uint64

	mu        sync.Mutex // guards what follows
	lastError string
}

// New returns an Exporter; Run sends. The targets have been checked.
func New(o Options, targets []Target) (*Exporter, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	e := &Exporter{opts: o}
	names := map[string]bool{}
	for _, t := range targets {
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("otlp: %w", err)
		}
		if names[t.Name] {
			return nil, fmt.Errorf("otlp: two targets have the name %s", t.Name)
		}
		names[t.Name] = true
		one, err := e.open(t)
		if err != nil {
			return nil, fmt.Errorf("otlp: %s: %w", t.Name, err)
		}
		e.targets = append(e.targets, one)
	}
	return e, nil
}

func (e *Exporter) open(t Target) (*target, error) {
	headers := make(map[string]string, len(t.Headers))
	for name, reference := range t.Headers {
		value, err := e.opts.Secret(reference)
		if err != nil {
			return nil, fmt.Errorf("headers: %s: %w", name, err)
		}
		headers[name] = value
	}
	// The exporters read OTEL_EXPORTER_OTLP_... where an option is not given; all that
	// matters is given.
	one := &target{Target: t}
	var err error
	one.metrics, err = otlpmetrichttp.New(context.Background(),
		otlpmetrichttp.WithEndpointURL(t.base.JoinPath("v1/metrics").String()), otlpmetrichttp.WithHeaders(headers), otlpmetrichttp.WithTimeout(timeout),
		otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression), otlpmetrichttp.WithHTTPClient(e.opts.Client),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: timeout}))
	if err != nil || !t.logs() {
		return one, err
	}
	sender, err := otlploghttp.New(context.Background(),
		otlploghttp.WithEndpointURL(t.base.JoinPath("v1/logs").String()), otlploghttp.WithHeaders(headers), otlploghttp.WithTimeout(timeout),
		otlploghttp.WithCompression(otlploghttp.GzipCompression), otlploghttp.WithHTTPClient(e.opts.Client),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: false})) // the queue tries again
	if err != nil {
		return nil, err
	}
	one.logs = newLogs(sender, e.resource(), e.opts.Version)
	return one, nil
}

// resource says whom the data is of (OpenTelemetry semantic conventions, "Service").
func (e *Exporter) resource() *resource.Resource {
	return resource.NewSchemaless(attribute.String("service.name", "grove"),
		attribute.String("service.version", e.opts.Version), attribute.String("service.instance.id", e.opts.Manager))
}

func scopeOf(version string) instrumentation.Scope {
	return instrumentation.Scope{Name: "grove", Version: version}
}

// Publish takes a notification for the targets that want it; it returns at once.
func (e *Exporter) Publish(n beans.Notification) {
	path := pathOf(&n)
	for _, t := range e.targets {
		if t.logs != nil && t.wants(n.Type, path) {
			t.logs.emit(&n, path)
		}
	}
}

// Run sends until ctx ends; what can still be sent of the log records then is.
func (e *Exporter) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, t := range e.targets {
		if !t.NoMetrics {
			all.Go(func() { e.sendMetrics(ctx, t) })
		}
		if t.logs != nil {
			all.Go(func() { t.logs.run(ctx, func(err error) { e.note(t, err) }) })
		}
	}
	all.Wait()
	var errs []error
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for _, t := range e.targets {
		errs = append(errs, t.metrics.Shutdown(stop))
		if t.logs != nil {
			errs = append(errs, t.logs.close(stop))
		}
	}
	return errors.Join(errs...)
}

// sendMetrics sends a picture of the tree at each interval.
func (e *Exporter) sendMetrics(ctx context.Context, t *target) {
	tick := time.NewTicker(t.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			e.note(t, e.send(ctx, t))
		case <-ctx.Done():
			return
		}
	}
}

func (e *Exporter) send(ctx context.Context, t *target) error {
	requests, err := picture(e.opts.Tree, t.root, time.Now(), e.resource(), scopeOf(e.opts.Version))
	if err != nil {
		return err
	}
	for k, r := range requests {
		n := uint64(0)
		for _, m := range r.ScopeMetrics[0].Metrics {
			n += pointsOf(m.Data)
		}
		if err := t.metrics.Export(ctx, r); err != nil {
			t.failed.Add(n)
			return fmt.Errorf("metrics, request %d of %d: %w", k+1, len(requests), err)
		}
		t.points.Add(n)
	}
	return nil
}

// note remembers how the last request went, and logs when that changes.
func (e *Exporter) note(t *target, err error) {
	if err != nil && errors.Is(err, context.Canceled) {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if (text == "") != (t.lastError == "") {
		if err != nil {
			e.opts.Log.Warn("a collector takes no data", "target", t.Name, "error", err)
		} else {
			e.opts.Log.Info("a collector takes data again", "target", t.Name)
		}
	}
	t.lastError = text
}

// Stats returns the counts of all targets.
func (e *Exporter) Stats() []Stats {
	all := make([]Stats, len(e.targets))
	for i, t := range e.targets {
		all[i] = Stats{Name: t.Name, Points: t.points.Load(), FailedPoints: t.failed.Load()}
		if t.logs != nil {
			all[i].Records, all[i].DroppedRecords, all[i].WaitingNow = t.logs.stats()
		}
		t.mu.Lock()
		all[i].LastError = t.lastError
		t.mu.Unlock()
	}
	return all
}
