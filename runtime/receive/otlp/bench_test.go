package otlp_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"grove/runtime/probe/pattern"
	"grove/runtime/probe/series"
	"grove/runtime/receive/otlp"
	"grove/runtime/receive/record"
)

// perRequest is how many data points or records a request has: what a collector batches.
const perRequest = 2000

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOTLP takes requests of 2,000 data points of which all go into the rows of a
// table, and of 2,000 log records that a rule looks at, through the handler.
func BenchmarkOTLP(b *testing.B) {
	send := func(b *testing.B, hub *otlp.Hub, path string, body func(n int) []byte) {
		b.Helper()
		handler := hub.Handler()
		spent := time.Duration(0)
		for n := range b.N {
			b.StopTimer()
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, bytes.NewReader(body(n)))
			r.Header.Set("Content-Type", "application/x-protobuf")
			w := httptest.NewRecorder()
			b.StartTimer()
			from := cpu()
			handler.ServeHTTP(w, r)
			spent += cpu() - from
			if w.Code != http.StatusOK {
				b.Fatal(w.Code, w.Body)
			}
		}
		b.ReportMetric(float64(b.N*perRequest)/spent.Seconds(), "samples/cpu-s")
	}
	b.Run("metrics", func(b *testing.B) {
		hub := otlp.NewHub(otlp.Options{})
		o := metricOptions(series.Options{Tables: map[string]series.Table{"queues": {Key: []string{"queue"}, MaxRows: perRequest, Columns: map[string]string{"length": "queue_length"}}}})
		o.MaxSeries = perRequest
		attach(b, otlp.Kind(hub), "a", o)
		start := time.Now().Add(-time.Hour)
		send(b, hub, "/otlp/v1/metrics", func(n int) []byte {
			all := pmetric.NewMetrics()
			m := all.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
			m.SetName("queue.length")
			points := m.SetEmptyGauge().DataPoints()
			for i := range perRequest {
				p := points.AppendEmpty()
				p.SetDoubleValue(float64(i + n))
				p.SetTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(n) * time.Millisecond)))
				p.Attributes().PutStr("queue", fmt.Sprintf("queue-%d", i))
				p.Attributes().PutStr("region", "eu")
			}
			text, err := pmetricotlp.NewExportRequestFromMetrics(all).MarshalProto()
			if err != nil {
				b.Fatal(err)
			}
			return text
		})
		if s := hub.Stats().Samples; s.Applied != s.Received {
			b.Errorf("not all was taken: %+v", s)
		}
	})
	b.Run("logs", func(b *testing.B) {
		hub := otlp.NewHub(otlp.Options{})
		attach(b, otlp.LogKind(hub), "a", &otlp.LogOptions{Options: record.Options{
			Match: map[string]string{"service.name": "shop"}, Options: pattern.Options{Rules: []pattern.Rule{{Match: "out of memory", Count: "killed"}}},
		}})
		all := plog.NewLogs()
		resource := all.ResourceLogs().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", "shop")
		records := resource.ScopeLogs().AppendEmpty().LogRecords()
		for i := range perRequest {
			r := records.AppendEmpty()
			r.SetSeverityNumber(plog.SeverityNumberInfo)
			r.Body().SetStr(fmt.Sprintf("request %d of /cart/items answered in %d ms", i, i%100))
		}
		body, err := plogotlp.NewExportRequestFromLogs(all).MarshalProto()
		if err != nil {
			b.Fatal(err)
		}
		send(b, hub, "/otlp/v1/logs", func(int) []byte { return body })
	})
}
