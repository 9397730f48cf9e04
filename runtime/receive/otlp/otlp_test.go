package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/otlp"
	"grove/runtime/receive/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a probe that takes part in a hub, and what its nodes got last.
type sink struct {
	mu     sync.Mutex
	values map[string]string
	rows   map[string][]string
	events []string
}

func attach(t testing.TB, kind probe.Kind, instance string, options any) *sink {
	t.Helper()
	p, err := kind.New(options)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{values: map[string]string{}, rows: map[string][]string{}}
	detach, err := p.(receive.Attacher).Attach(instance, "it", s.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		detach()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *sink) take(r probe.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range r.Values {
		s.values[v.Attribute] = v.Value.String()
		for _, e := range v.Events {
			s.events = append(s.events, e.Status.String()+" "+e.Text)
		}
	}
	for _, table := range r.Tables {
		s.rows[table.Attribute] = nil
		for _, row := range table.Rows {
			var cells []string
			for _, c := range row {
				cells = append(cells, c.String())
			}
			s.rows[table.Attribute] = append(s.rows[table.Attribute], strings.Join(cells, "|"))
		}
	}
}

func (s *sink) only(names ...string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for _, n := range names {
		out[n] = s.values[n]
	}
	return out
}

func metricOptions(o series.Options) *otlp.ProbeOptions {
	o.MaxSeries = 100
	return &otlp.ProbeOptions{Options: o, StaleAfter: time.Hour}
}

// serve runs a hub over HTTP and gRPC.
func serve(t *testing.T, o otlp.Options) (hub *otlp.Hub, web, grpc string) {
	t.Helper()
	hub = otlp.NewHub(o)
	server := httptest.NewServer(hub.Handler())
	t.Cleanup(server.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hub.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return hub, server.Listener.Addr().String(), listener.Addr().String()
}

// TestSDK sends what the SDK of OpenTelemetry for Go sends, in both protocols and both
// temporalities.
func TestSDK(t *testing.T) {
	hub, web, grpc := serve(t, otlp.Options{Sources: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	overHTTP := func(o ...otlpmetrichttp.Option) (sdkmetric.Exporter, error) {
		return otlpmetrichttp.New(t.Context(), append(o, otlpmetrichttp.WithEndpoint(web), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithURLPath("/otlp/v1/metrics"))...)
	}
	delta := func(sdkmetric.InstrumentKind) metricdata.Temporality { return metricdata.DeltaTemporality }
	for _, tt := range []struct {
		name     string
		exporter func() (sdkmetric.Exporter, error)
	}{
		{"http", func() (sdkmetric.Exporter, error) { return overHTTP() }},
		{"http, compressed", func() (sdkmetric.Exporter, error) {
			return overHTTP(otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
		}},
		{"http, differences", func() (sdkmetric.Exporter, error) {
			return overHTTP(otlpmetrichttp.WithTemporalitySelector(delta))
		}},
		{"grpc", func() (sdkmetric.Exporter, error) {
			return otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(grpc), otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithCompressor("gzip"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := attach(t, otlp.Kind(hub), "shop", metricOptions(series.Options{
				Values: map[string]string{
					"orders": `sum(shop_orders_total{job="eu/shop"})`, "load": `load_ratio`, "median": `histogram_quantile(0.5, answer_seconds)`, "answers": `histogram_count(answer_seconds)`,
					"sizes": `histogram_sum(size_bytes)`,
				},
				Tables: map[string]series.Table{"carts": {Key: []string{"country"}, Columns: map[string]string{"orders": "shop_orders_total"}, Labels: []string{"host_name"}}},
			}))
			exporter, err := tt.exporter()
			if err != nil {
				t.Fatal(err)
			}
			reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(time.Hour))
			provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader),
				sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"), attribute.String("service.namespace", "eu"), attribute.String("host.name", "web1"))),
				sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "size"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}})))
			meter := provider.Meter("test")
			orders, _ := meter.Int64Counter("shop.orders")
			load, _ := meter.Float64Gauge("load", metric.WithUnit("1"))
			times, _ := meter.Float64Histogram("answer", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1, 2, 4))
			sizes, _ := meter.Int64Histogram("size", metric.WithUnit("By"))
			in := func(country string) metric.MeasurementOption {
				return metric.WithAttributes(attribute.String("country", country))
			}
			for round := range 2 {
				// Series tell their samples apart by the millisecond.
				for before := time.Now().UnixMilli(); time.Now().UnixMilli() == before; {
					runtime.Gosched()
				}
				orders.Add(t.Context(), 3, in("de"))
				orders.Add(t.Context(), 4, in("fr"))
				load.Record(t.Context(), 0.5)
				for range 2 {
					times.Record(t.Context(), 1.5)
					sizes.Record(t.Context(), 100)
				}
				if err := provider.ForceFlush(t.Context()); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
			want := map[string]string{"orders": "14", "load": "0.5", "median": "1.5", "answers": "4", "sizes": "400", "error": "", "missing": ""}
			if diff := cmp.Diff(want, got.only("orders", "load", "median", "answers", "sizes", "error", "missing")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff([]string{"de|web1|6", "fr|web1|8"}, sorted(got.rows["carts"])); diff != "" {
				t.Errorf("rows -want +got:\n%s", diff)
			}
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// TestSDKLogs sends what the SDK for Go logs.
func TestSDKLogs(t *testing.T) {
	hub, web, grpc := serve(t, otlp.Options{})
	for _, tt := range []struct {
		name     string
		exporter func() (sdklog.Exporter, error)
	}{
		{"http", func() (sdklog.Exporter, error) {
			return otlploghttp.New(t.Context(), otlploghttp.WithEndpoint(web), otlploghttp.WithInsecure(), otlploghttp.WithURLPath("/otlp/v1/logs"))
		}},
		{"grpc", func() (sdklog.Exporter, error) {
			return otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(grpc), otlploggrpc.WithInsecure())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := attach(t, otlp.LogKind(hub), "shop", &otlp.LogOptions{Severity: "info", Options: record.Options{
				Match: map[string]string{"service.name": "sh.p"}, Fields: []string{"user.id"},
				Options: pattern.Options{Rules: []pattern.Rule{{Match: "refused", Count: "refused", Text: "{severity}: {user_id} was refused"}, {Match: "."}}},
			}})
			foreign := attach(t, otlp.LogKind(hub), "bank", &otlp.LogOptions{Options: record.Options{Match: map[string]string{"service.name": "bank"}}})
			exporter, err := tt.exporter()
			if err != nil {
				t.Fatal(err)
			}
			provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(exporter)), sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"))))
			logger := provider.Logger("test")
			for _, line := range []struct {
				severity otellog.Severity
				text     string
			}{{otellog.SeverityDebug, "nothing"}, {otellog.SeverityWarn, "payment refused"}, {otellog.SeverityError, "broken\nfor good"}, {otellog.SeverityInfo, "started"}} {
				var r otellog.Record
				r.SetTimestamp(time.Now())
				r.SetSeverity(line.severity)
				r.SetSeverityText(line.severity.String())
				r.SetBody(attribute.StringValue(line.text))
				r.AddAttributes(attribute.String("user.id", "ada"))
				logger.Emit(t.Context(), r)
			}
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := []string{"yellow WARN: ada was refused", "red broken\nfor good", "green started"}
			if diff := cmp.Diff(want, got.events); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{"refused": "1", "lines": "3"}, got.only("refused", "lines")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(foreign.values) > 0 {
				t.Errorf("what is not for it came to a probe: %v", foreign.values)
			}
		})
	}
	if s := hub.Stats(); s.Records.Applied != 6 || s.Records.Refused[receive.NoNode] != 2 {
		t.Errorf("%+v", s)
	}
}

// point is a request of one data point, as a program may send it.
func point(edit func(pmetric.Metric)) pmetricotlp.ExportRequest {
	all := pmetric.NewMetrics()
	edit(all.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty())
	return pmetricotlp.NewExportRequestFromMetrics(all)
}

func gauge(name string, at time.Time, v float64) pmetricotlp.ExportRequest {
	return point(func(m pmetric.Metric) {
		m.SetName(name)
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetDoubleValue(v)
		if !at.IsZero() {
			p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		}
	})
}

// TestRefusals: what cannot be taken is told, and counted.
func TestRefusals(t *testing.T) {
	denied := errors.New("not yours")
	hub := otlp.NewHub(otlp.Options{MaxBody: 4000, May: func(_ context.Context, instance string) error {
		if instance == "foreign" {
			return denied
		}
		return nil
	}})
	got := attach(t, otlp.Kind(hub), "shop", metricOptions(series.Options{Values: map[string]string{"load": "load"}}))
	attach(t, otlp.Kind(hub), "foreign", metricOptions(series.Options{Values: map[string]string{"theirs": "theirs"}}))
	now := time.Now()
	body := func(r pmetricotlp.ExportRequest) string {
		b, err := r.MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	asJSON, err := gauge("load", now, 7).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	log, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, path, kind, coding, body string
		status                                 int
		want                                   string
	}{
		{"a sample", "POST", "metrics", "application/x-protobuf", "", body(gauge("load", now, 1)), 200, ""},
		{"JSON", "POST", "metrics", "application/json; charset=utf-8", "", string(asJSON), 200, "{"},
		{"nobody's", "POST", "metrics", "application/x-protobuf", "", body(gauge("other", now, 1)), 200, ""},
		{"somebody else's", "POST", "metrics", "application/x-protobuf", "", body(gauge("theirs", now, 1)), 200, "not yours"},
		{"without a time", "POST", "metrics", "application/x-protobuf", "", body(gauge("load", time.Time{}, 1)), 200, "a data point without a time"},
		{"without data", "POST", "metrics", "application/x-protobuf", "", body(point(func(m pmetric.Metric) { m.SetName("load") })), 200, "a metric without data"},
		{"a histogram that is none", "POST", "metrics", "application/x-protobuf", "", body(point(func(m pmetric.Metric) {
			m.SetName("h")
			p := m.SetEmptyHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(now))
			p.BucketCounts().FromRaw([]uint64{1, 2, 3})
		})), 200, "a histogram of 0 bounds has 1 buckets"},
		{"a log record", "POST", "logs", "application/x-protobuf", "", string(log), 200, ""},
		{"not OTLP", "POST", "metrics", "application/x-protobuf", "", "\xff", 400, "the body is no request of OTLP"},
		{"not JSON", "POST", "logs", "application/json", "", "[", 400, "the body is no request of OTLP"},
		{"another type", "POST", "metrics", "text/plain", "", "", 415, `content type "text/plain"`},
		{"another coding", "POST", "metrics", "application/json", "zstd", "", 415, `content encoding "zstd"`},
		{"not gzip", "POST", "metrics", "application/json", "gzip", "x", 400, "not compressed by gzip"},
		{"too long", "POST", "metrics", "application/json", "", strings.Repeat(" ", 4001), 413, "more than 4000 bytes"},
		{"too long when unpacked", "POST", "metrics", "application/json", "gzip", packed(t, strings.Repeat(" ", 5000)), 413, "more than 4000 bytes"},
		{"read", "GET", "metrics", "", "", "", 405, ""},
		{"traces", "POST", "traces", "application/json", "", "{}", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "/otlp/v1/"+tt.path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			if tt.coding != "" {
				r.Header.Set("Content-Encoding", tt.coding)
			}
			w := httptest.NewRecorder()
			hub.Handler().ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %q, want %d with %q", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
	if v := got.only("load"); v["load"] != "1" {
		t.Errorf("load is %s: of two samples of one time the first counts", v["load"])
	}
	s := hub.Stats()
	refused := fmt.Sprint(s.Samples.Refused[receive.Malformed], s.Samples.Refused[receive.Denied], s.Samples.Refused[receive.NoNode], s.Samples.Refused[receive.Older], s.Records.Refused[receive.NoNode])
	if s.Samples.Applied != 1 || refused != "3 1 1 1 1" || s.BadRequests != 7 {
		t.Errorf("%+v (%s)", s, refused)
	}
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestForeignAddress: gRPC knows no login, and so only addresses.
func TestForeignAddress(t *testing.T) {
	_, _, address := serve(t, otlp.Options{Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	exporter, err := otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(address), otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = exporter.Shutdown(context.Background()) }()
	err = exporter.Export(t.Context(), &metricdata.ResourceMetrics{Resource: resource.Empty()})
	if err == nil || !strings.Contains(err.Error(), "this address may not send") {
		t.Errorf("got %v", err)
	}
}

func TestContract(t *testing.T) {
	hub := otlp.NewHub(otlp.Options{})
	probetest.Run(t, otlp.Kind(hub), metricOptions(series.Options{Values: map[string]string{"load": "load"}}))
	probetest.Run(t, otlp.LogKind(hub), &otlp.LogOptions{Severity: "warn", Options: record.Options{Fields: []string{"a.b"}}})
	bad := func(name, option, want string, o otlp.LogOptions) probetest.Bad {
		return probetest.Bad{Name: name, Options: &o, Option: option, Want: option + ": " + want}
	}
	probetest.Refuses(t, otlp.LogKind(hub),
		bad("no severity", "severity", `"bad" is none of trace, debug, info, warn, error, fatal`, otlp.LogOptions{Severity: "bad"}),
		bad("no expression", "match.a", "error parsing regexp: missing closing ): `\\A(?:()\\z`", otlp.LogOptions{Options: record.Options{Match: map[string]string{"a": "("}}}),
		bad("a field twice", "fields", `"a_b" is empty or given twice`, otlp.LogOptions{Options: record.Options{Fields: []string{"a.b", "a_b"}}}),
	)
}

// FuzzRequests: anybody who may send may send anything.
func FuzzRequests(f *testing.F) {
	for _, r := range []pmetricotlp.ExportRequest{gauge("load", time.Unix(1e9, 0), 1)} {
		b, err := r.MarshalProto()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		f.Add(b, true)
	}
	hub := otlp.NewHub(otlp.Options{})
	attach(f, otlp.Kind(hub), "a", metricOptions(series.Options{Values: map[string]string{"n": `sum({__name__=~".+"})`}}))
	attach(f, otlp.LogKind(hub), "a", &otlp.LogOptions{})
	f.Fuzz(func(t *testing.T, body []byte, logs bool) {
		path := "/otlp/v1/metrics"
		if logs {
			path = "/otlp/v1/logs"
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-protobuf")
		w := httptest.NewRecorder()
		hub.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
