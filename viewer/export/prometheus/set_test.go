package prometheus

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	client "github.com/prometheus/client_golang/prometheus"

	"grove/tree"
)

func setText(t *testing.T, f Format, set *metrics.Set) string {
	t.Helper()
	o := guarded(tree.New(tree.Options{}))
	o.Gatherers = []client.Gatherer{FromSet(set, testHelp)}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var lines []string
	for line := range strings.Lines(write(t, e, f, "/")) {
		if strings.Contains(line, "test_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

var testHelp = map[string]string{
	"test_requests_total": "Requests.", "test_level": "A level.", "test_time_seconds": "A time.", "test_size_bytes": "A size.", "test_items": "Items.",
}

func newSet() *metrics.Set {
	set := metrics.NewSet()
	set.NewCounter(`test_requests_total{route="/api/v1/nodes/{path...}",code="200"}`).Add(3)
	set.NewCounter(`test_requests_total{route="a\"b\\c",code="404"}`).Add(1)
	set.NewGauge("test_level", func() float64 { return 1.5 })
	h := set.NewHistogram(`test_time_seconds{route="x"}`)
	for _, v := range []float64{0, 1e-12, 0.00001, 0.000011, 0.001, 0.0010001, 0.5, 100, 100.1, 1e30} {
		h.Update(v)
	}
	set.NewHistogram("test_size_bytes").Update(4096)
	set.NewHistogram("test_items").Update(1)
	return set
}

func TestSetInTextAndOpenMetrics(t *testing.T) {
	text := setText(t, Text, newSet())
	for _, want := range []string{
		"# HELP test_requests_total Requests.\n# TYPE test_requests_total counter\n" +
			`test_requests_total{code="200",route="/api/v1/nodes/{path...}"} 3` + "\n" +
			`test_requests_total{code="404",route="a\"b\\c"} 1` + "\n",
		"# HELP test_level A level.\n# TYPE test_level gauge\ntest_level 1.5\n",
		"# HELP test_time_seconds A time.\n# TYPE test_time_seconds histogram\n" +
			`test_time_seconds_bucket{route="x",le="1e-05"} 3` + "\n" +
			`test_time_seconds_bucket{route="x",le="2.154e-05"} 4` + "\n" +
			`test_time_seconds_bucket{route="x",le="4.642e-05"} 4` + "\n" +
			`test_time_seconds_bucket{route="x",le="0.0001"} 4` + "\n",
		`test_time_seconds_bucket{route="x",le="0.001"} 5` + "\n" + `test_time_seconds_bucket{route="x",le="0.002154"} 6` + "\n",
		`test_time_seconds_bucket{route="x",le="0.4642"} 6` + "\n" + `test_time_seconds_bucket{route="x",le="1"} 7` + "\n",
		`test_time_seconds_bucket{route="x",le="100"} 8` + "\n" + `test_time_seconds_bucket{route="x",le="+Inf"} 10` + "\n",
		`test_time_seconds_count{route="x"} 10` + "\n",
		`test_size_bytes_bucket{le="2154"} 0` + "\n" + `test_size_bytes_bucket{le="4642"} 1` + "\n",
		"test_items_bucket{le=\"1\"} 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("wanted\n%s\nin\n%s", want, text)
		}
	}
	open := setText(t, OpenMetrics, newSet())
	for _, want := range []string{
		"# TYPE test_requests counter\n", `test_requests_total{code="200",route="/api/v1/nodes/{path...}"} 3`,
		"# TYPE test_time_seconds histogram\n", `test_time_seconds_bucket{route="x",le="1.0"} 7` + "\n",
	} {
		if !strings.Contains(open, want) {
			t.Errorf("OpenMetrics: wanted\n%s\nin\n%s", want, open)
		}
	}
}

// TestBucketsAreExact compares with counting by hand.
func TestBucketsAreExact(t *testing.T) {
	set := metrics.NewSet()
	h := set.NewHistogram("test_time_seconds")
	var values []float64
	for i := range 4000 {
		values = append(values, math.Pow(10, -6+float64(i)/400)) // to 10,000
	}
	for _, v := range values {
		h.Update(v)
	}
	own, err := FromSet(set, testHelp).Gather()
	if err != nil {
		t.Fatal(err)
	}
	d := own[0].GetMetric()[0].GetHistogram()
	for i, b := range d.GetBucket() {
		exact := math.Pow(10, float64(boundsOf("_seconds")[i])/stepsPerDecade)
		want := uint64(0)
		for _, v := range values {
			if v <= exact*(1+1e-9) {
				want++
			}
		}
		if math.Abs(b.GetUpperBound()/exact-1) > 1e-3 || b.GetCumulativeCount() != want {
			t.Errorf("up to %v, which is %v: %d, want %d", b.GetUpperBound(), exact, b.GetCumulativeCount(), want)
		}
	}
	if d.GetSampleCount() != 4000 {
		t.Errorf("count %d", d.GetSampleCount())
	}
}

func TestSetWithoutHelpIsAnError(t *testing.T) {
	set := metrics.NewSet()
	set.NewCounter("unknown_total").Inc()
	_, err := FromSet(set).Gather()
	if got, want := errText(err), "metric unknown_total has no help"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var b bytes.Buffer
	o := guarded(tree.New(tree.Options{}))
	o.Gatherers = []client.Gatherer{FromSet(set), NewRegistry("1", "a")}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Write(&b, Text, tree.Root); err != nil || !strings.Contains(b.String(), "grove_build_info") {
		t.Errorf("the other metrics are lost: %v", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestPromtoolFindsNothingInSets(t *testing.T) {
	set := newSet()
	set.UnregisterMetric(`test_requests_total{route="a\"b\\c",code="404"}`)
	text := setText(t, Text, set)
	if d := cmp.Diff("", run(t, text, "/usr/bin/promtool", "check", "metrics")); d != "" {
		t.Errorf("promtool says:\n%s", d)
	}
}
