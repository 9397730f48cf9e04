package live

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"grove/viewer/live/frame"
)

func TestDelayOfDeltasIsMeasured(t *testing.T) {
	set := metrics.NewSet()
	r := newRig(t, Options{Own: set})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/"}`)
	if f := c.frame(); f.Type != frame.TypeSnapshot {
		t.Fatalf("%+v", f)
	}
	r.set("/host/cpu", 5)
	if f := c.frame(); f.Type != frame.TypeDelta {
		t.Fatalf("%+v", f)
	}
	// The delay is noted after the write: wait until the socket is closed.
	if err := r.server.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	set.WritePrometheus(&b)
	if want := metricDelay + "_count 1\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
	for name := range MetricHelp() {
		if !strings.Contains(b.String(), name) {
			t.Errorf("%s has help and is not measured", name)
		}
	}
}
