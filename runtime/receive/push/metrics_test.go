package push

import (
	"bytes"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"grove/tree/grant"
)

func TestRequestsAreMeasured(t *testing.T) {
	set := metrics.NewSet()
	w := newWorld(t, Options{Own: set})
	for _, body := range []string{
		`{"path":"/shop/web1/Connections/Active","value":1}`,
		`[{"path":"/shop/web1/Connections/Active","value":2},{"path":"/nowhere","value":1}]`,
		`malformed`,
	} {
		_, _ = w.Take(grant.Anonymous, "test", []byte(body)) // What becomes of them is tested elsewhere.
	}
	var b bytes.Buffer
	set.WritePrometheus(&b)
	text := b.String()
	for _, want := range []string{
		"grove_push_request_size_bytes_sum 141\n", "grove_push_request_size_bytes_count 3\n",
		"grove_push_request_readings_sum 3\n", "grove_push_request_readings_count 2\n",
		"grove_push_request_duration_seconds_count 3\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for name := range MetricHelp() {
		if !strings.Contains(text, name) {
			t.Errorf("%s has help and is not measured", name)
		}
	}
}
