package series

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"

	"grove/runtime/probe"
)

func planOf(t testing.TB, o Options) *Plan {
	t.Helper()
	p, err := o.Plan("up", "error")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// put gives a set samples, as in `queue_messages{queue="a"} 3`.
func put(t testing.TB, s *Set, time int64, samples ...string) {
	t.Helper()
	for _, text := range samples {
		i := strings.LastIndexByte(text, ' ')
		l, err := parser.NewParser(parser.Options{}).ParseMetric(text[:i])
		if err != nil {
			t.Fatal(err)
		}
		var v float64
		if _, err := fmt.Sscan(text[i+1:], &v); err != nil {
			t.Fatal(err)
		}
		if err := give(s, l, Sample{Value: v, Time: time}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func give(s *Set, l labels.Labels, p Sample) error {
	if !s.Wants([]byte(l.Get(labels.MetricName))) {
		return nil
	}
	key := Key(l, nil)
	x := s.Get(key)
	if x == nil {
		var err error
		if x, err = s.Add(key, l); err != nil {
			return err
		}
	}
	return s.Put(x, p)
}

// read writes a reading as text: values, then rows.
func read(s *Set, changed bool) (string, error) {
	var r probe.Result
	err := s.Read(&r, changed)
	var b strings.Builder
	for _, v := range r.Values {
		fmt.Fprintf(&b, "%s=%s\n", v.Attribute, v.Value)
	}
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "%s %v\n", t.Attribute, t.Columns)
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "  %v\n", row)
		}
	}
	return b.String(), err
}

func want(t *testing.T, s *Set, changed bool, lines ...string) {
	t.Helper()
	got, err := read(s, changed)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(strings.Join(lines, "\n"), strings.TrimSuffix(got, "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	zero := 0.0
	p := planOf(t, Options{
		Values: map[string]string{
			"a_one": `jobs{queue="a"}`, "b_sum": "sum(jobs)", "c_max": `max(jobs{queue=~"a|b"})`, "d_min": "min(jobs)",
			"e_avg": "avg ((jobs))", "f_count": `count(jobs{queue!="a"})`, "g_gone": "no_such", "h_default": "no_such_either",
			"i_any": `sum({__name__=~"job.*",queue="b"})`, "j_truth": `jobs{queue="c"}`,
		},
		Texts:      map[string]Text{"version": {Of: "build_info", Label: "version"}},
		Attributes: map[string]Attribute{"h_default": {Default: &zero}, "j_truth": {Type: "bool"}},
	})
	s := p.NewSet()
	s.Begin()
	put(t, s, 1, `jobs{queue="a"} 3`, `jobs{queue="b"} 5`, `jobs{queue="c"} 1`, `other{queue="a"} 9`,
		`build_info{version="1.2",node="x"} 1`, `build_info{version="1.3",node="y"} 1`, `build_info{version="1.2",node="z"} 1`)
	s.End()
	want(t, s, false, "a_one=3", "b_sum=9", "c_max=5", "d_min=1", "e_avg=3", "f_count=2", "h_default=0", "i_any=5", "j_truth=1", "version=1.2, 1.3")
	if diff := cmp.Diff([]string{"g_gone"}, s.Missing()); diff != "" {
		t.Error(diff)
	}
	want(t, s, true)
	for text, fits := range map[string]bool{`jobs{queue="a"}`: true, `jobs{}`: true, `other{queue="a"}`: false, `jobless{queue="b"}`: true, `jobless{queue="a"}`: false} {
		l, err := parser.NewParser(parser.Options{}).ParseMetric(text)
		if err != nil || p.Fits(l) != fits {
			t.Errorf("%s: %v %v", text, p.Fits(l), err)
		}
	}
	if names, any := p.Names(); !any || strings.Join(names, " ") != "build_info jobs no_such no_such_either" {
		t.Errorf("%v %v", names, any)
	}
	// A series that does not come any more counts no more.
	s.Begin()
	put(t, s, 2, `jobs{queue="b"} 6`)
	s.End()
	want(t, s, true, "b_sum=6", "c_max=6", "d_min=6", "e_avg=6", "f_count=1", "i_any=6")
	if s.Len() != 1 {
		t.Errorf("%d series are remembered", s.Len())
	}
}

func TestOneSeriesIsMeant(t *testing.T) {
	s := planOf(t, Options{Values: map[string]string{"x": "jobs"}, Tables: map[string]Table{
		"t": {Key: []string{"queue"}, Columns: map[string]string{"n": "jobs"}},
	}}).NewSet()
	put(t, s, 1, `jobs{queue="a",node="1"} 3`, `jobs{queue="a",node="2"} 4`)
	_, err := read(s, false)
	wantErr := "values.x: 2 series fit, and one is wanted: say which by a label, or put sum(…), min, max, avg or count around it; " +
		"tables.t.columns.n: row a: 2 series fit, and one is wanted: say which by a label, or put sum(…), min, max, avg or count around it"
	if err == nil || err.Error() != wantErr {
		t.Errorf("got  %v\nwant %s", err, wantErr)
	}
}

func TestTables(t *testing.T) {
	zero := 0.0
	p := planOf(t, Options{Tables: map[string]Table{
		"queues": {
			Key: []string{"vhost", "queue"}, Labels: []string{"k8s.node"},
			Columns:    map[string]string{"messages": "messages", "rate": "sum(published_total)", "dead": `messages{state="dead"}`},
			Attributes: map[string]Attribute{"dead": {Default: &zero}},
		},
		"disks": {Key: []string{"device"}, Columns: map[string]string{"size": "disk_bytes", "busy": "disk_busy_seconds_total"}},
	}})
	s := p.NewSet()
	s.Begin()
	put(t, s, 1,
		`messages{vhost="/",queue="b"} 2`, `published_total{vhost="/",queue="b",channel="1"} 10`, `published_total{vhost="/",queue="b",channel="2"} 5`,
		`{"messages",vhost="a,b",queue="c","k8s.node"="n1"} 7`, `messages{} 100`,
		`disk_bytes{device="sda"} 1000`, `disk_busy_seconds_total{device="sda"} 1.5`, `disk_bytes{device="sdb"} 2000`)
	s.End()
	want(t, s, false,
		"disks [device busy size]", "  [sda 1.5 1000]", "  [sdb  2000]",
		"queues [vhost queue k8s_node dead messages rate key]", `  [/ b  0 2 15 /,b]`, `  [a,b c n1 0 7  a\,b,c]`)
	want(t, s, true)
	s.Begin()
	put(t, s, 2, `{"messages",vhost="a,b",queue="c","k8s.node"="n2"} 8`, `disk_bytes{device="sdb"} 2000`)
	s.End()
	want(t, s, true, "disks [device busy size]", "  [sdb  2000]",
		"queues [vhost queue k8s_node dead messages rate key]", `  [a,b c n2 0 8  a\,b,c]`)
	info := p.Attributes()[1]
	if info.Name != "queues" || info.Key != "key" {
		t.Errorf("%+v", info)
	}
	for _, c := range info.Columns {
		if c.Name == "rate" && c.Descriptor["metricType"] != "counter" {
			t.Error("a sum of counters is no counter")
		}
	}
	if c := p.Attributes()[0].Columns; c[1].Unit != "s" || c[2].Unit != "bytes" {
		t.Errorf("%+v", c)
	}
}

func TestUnits(t *testing.T) {
	for expression, want := range map[string]string{
		"go_goroutines": "", "node_filesystem_avail_bytes": "bytes", "process_cpu_seconds_total": "s counter", "http_requests_total": " counter",
		"sum(http_requests_total)": " counter", "max(http_requests_total)": "", "count(x_bytes)": "",
		"histogram_quantile(0.9, x_duration_seconds_bucket)": "s", "histogram_count(x_seconds)": " counter", "histogram_sum(x_seconds)": "s counter",
		"histogram_avg(x_seconds)": "s", "x_seconds_sum": "s counter", "x_seconds_count": " counter", "bytes": "", "room_celsius": "°C",
	} {
		q, err := parse(expression)
		if err != nil {
			t.Fatal(err)
		}
		unit, counter := q.unit()
		if counter {
			unit += " counter"
		}
		if unit != want {
			t.Errorf("%s: %q, want %q", expression, unit, want)
		}
	}
}

func buckets(a, b, inf int) []string {
	return []string{
		fmt.Sprintf(`x_seconds_bucket{h="u",le="0.1"} %d`, a), fmt.Sprintf(`x_seconds_bucket{h="u",le="1"} %d`, b),
		fmt.Sprintf(`x_seconds_bucket{h="u",le="+Inf"} %d`, inf),
	}
}

func TestClassicHistogram(t *testing.T) {
	s := planOf(t, Options{Values: map[string]string{
		"p50": "histogram_quantile(0.5, x_seconds)", "p90": "histogram_quantile(0.9, x_seconds_bucket)",
		"mean": "histogram_avg(x_seconds)", "n": "histogram_count(x_seconds)", "total": "histogram_sum(x_seconds)",
	}}).NewSet()
	put(t, s, 1, append(buckets(100, 100, 100), `x_seconds_count{h="u"} 100`, `x_seconds_sum{h="u"} 5`)...)
	want(t, s, false, "n=100", "total=5") // nothing is known of what came lately
	put(t, s, 2, append(buckets(100, 110, 110), `x_seconds_count{h="u"} 110`, `x_seconds_sum{h="u"} 10`)...)
	want(t, s, false, "mean=0.5", "n=110", "p50=0.55", "p90=0.91", "total=10")
	// A part of the next moment alone changes nothing.
	put(t, s, 3, buckets(200, 210, 210)[0])
	want(t, s, true, "p50=0.55", "p90=0.91")
	put(t, s, 3, buckets(200, 210, 210)[1:]...)
	want(t, s, true, "p50=0.05", "p90=0.09000000000000001")
	// The process began anew: the first bucket has more than before all the same.
	put(t, s, 4, buckets(205, 206, 206)...)
	want(t, s, true, "p50=0.05024390243902439", "p90=0.09043902439024391")
	put(t, s, 5, buckets(205, 206, 206)...)
	want(t, s, true) // nothing was observed
}

func TestNativeHistogram(t *testing.T) {
	s := planOf(t, Options{Values: map[string]string{
		"p50": "histogram_quantile(0.5, x_seconds)", "mean": "histogram_avg(x_seconds)", "n": "histogram_count(x_seconds)", "total": "histogram_sum(x_seconds)",
	}}).NewSet()
	l := labels.FromStrings(labels.MetricName, "x_seconds")
	native := func(counts []uint64, sum float64) *Histogram {
		h, err := Explicit([]float64{0.1, 1}, counts, sum)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	steps := []struct {
		counts []uint64
		sum    float64
		delta  bool
		want   []string
	}{
		{[]uint64{100, 0, 0}, 5, false, []string{"n=100", "total=5"}},
		{[]uint64{100, 10, 0}, 10, false, []string{"mean=0.5", "n=110", "p50=0.55", "total=10"}},
		{[]uint64{2, 0, 0}, 0.1, false, []string{"mean=0.05", "n=2", "p50=0.05", "total=0.1"}},
		{[]uint64{0, 0, 4}, 8, true, []string{"mean=2", "n=6", "p50=1", "total=8.1"}},
	}
	for i, step := range steps {
		if err := give(s, l, Sample{Histogram: native(step.counts, step.sum), Time: int64(i + 1), Increment: step.delta}); err != nil {
			t.Fatal(err)
		}
		// The parts of the classic form beside it do not count twice.
		put(t, s, int64(i+1), "x_seconds_count 1000", "x_seconds_sum 1")
		want(t, s, false, step.want...)
	}
	plain := planOf(t, Options{Values: map[string]string{"n": "sum(x_seconds)"}}).NewSet()
	_ = give(plain, l, Sample{Histogram: native([]uint64{1, 0, 0}, 1), Time: 1})
	if _, err := read(plain, false); err == nil || err.Error() != "values.n: is a histogram: read it by histogram_quantile, histogram_avg, histogram_count or histogram_sum" {
		t.Error(err)
	}
}

func TestExponentialHistogram(t *testing.T) {
	tests := []struct {
		name  string
		scale int32
		from  Buckets
		want  string
	}{
		{"powers of two", 0, Buckets{Offset: 0, Counts: []uint64{1, 2}}, "{count:3, sum:7, (1,2]:1, (2,4]:2}"},
		{"below one", 0, Buckets{Offset: -2, Counts: []uint64{3}}, "{count:3, sum:7, (0.25,0.5]:3}"},
		{"finer than Prometheus knows", 9, Buckets{Offset: -1, Counts: []uint64{1, 2, 4}}, "{count:7, sum:7, (0.9972960561,1]:1, (1,1.00271127505]:6}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := Exponential(tt.scale, 0, 0, tt.from, Buckets{}, 7)
			if err != nil {
				t.Fatal(err)
			}
			var parts []string
			for it := h.PositiveBucketIterator(); it.Next(); {
				b := it.At()
				parts = append(parts, fmt.Sprintf("(%.10g,%.12g]:%g", b.Lower, b.Upper, b.Count))
			}
			got := fmt.Sprintf("{count:%g, sum:%g, %s}", h.Count, h.Sum, strings.Join(parts, ", "))
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := Exponential(-5, 0, 0, Buckets{}, Buckets{}, 0); err == nil {
		t.Error("a scale that is too coarse is taken")
	}
	if _, err := Explicit([]float64{2, 1}, []uint64{1, 1, 1}, 0); err == nil {
		t.Error("bounds that fall are taken")
	}
	if _, err := Explicit([]float64{1}, []uint64{1}, 0); err == nil {
		t.Error("too few buckets are taken")
	}
}

func TestPutRefuses(t *testing.T) {
	s := planOf(t, Options{Values: map[string]string{"n": "jobs"}, MaxSeries: 2}).NewSet()
	l := labels.FromStrings(labels.MetricName, "jobs")
	if err := give(s, l, Sample{Value: 5, Time: 10}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		time int64
		want error
	}{{9, ErrOlder}, {10, ErrDuplicate}, {11, nil}} {
		if err := give(s, l, Sample{Value: 6, Time: tt.time}); !errors.Is(err, tt.want) {
			t.Errorf("at %d: %v, want %v", tt.time, err, tt.want)
		}
	}
	if err := give(s, l, Sample{Value: 2, Time: 11, Increment: true}); err != nil {
		t.Error(err)
	}
	want(t, s, false, "n=8")
	if err := give(s, l, Sample{Value: math.Float64frombits(value.StaleNaN), Time: 12}); err != nil {
		t.Error(err)
	}
	want(t, s, true)
	if s.Len() != 0 {
		t.Error("a stale series is still there")
	}
	_ = give(s, l, Sample{Value: 5, Time: 10})
	s.Expire(11)
	if s.Len() != 0 {
		t.Error("a series is there that should have expired")
	}
	if _, err := s.Add([]byte("big"), labels.FromStrings(labels.MetricName, "jobs", "x", strings.Repeat("x", MaxLabels))); !errors.Is(err, ErrLabels) {
		t.Error(err)
	}
	if _, err := s.Add([]byte("none"), labels.FromStrings("x", "y")); !errors.Is(err, ErrNoName) {
		t.Error(err)
	}
	for i := range 3 {
		err := give(s, labels.FromStrings(labels.MetricName, "jobs", "i", fmt.Sprint(i)), Sample{Value: 1, Time: 20})
		if (err == nil) != (i < 2) {
			t.Errorf("series %d: %v", i, err)
		}
		if err != nil && err.Error() != "max_series: there are more than 2: select fewer, or raise it" {
			t.Error(err)
		}
	}
}

func TestRowsAreBounded(t *testing.T) {
	s := planOf(t, Options{Tables: map[string]Table{"t": {Key: []string{"i"}, Columns: map[string]string{"n": "jobs"}, MaxRows: 2}}}).NewSet()
	s.Begin()
	put(t, s, 1, `jobs{i="1"} 1`, `jobs{i="2"} 2`, `jobs{i="3"} 3`)
	s.End()
	got, err := read(s, false)
	if err == nil || err.Error() != "tables.t.max_rows: there are more than 2: select fewer, or raise it" || got != "t [i n]\n  [1 1]\n  [2 2]\n" {
		t.Errorf("%s%v", got, err)
	}
	s.Begin()
	put(t, s, 2, `jobs{i="2"} 2`)
	s.End()
	s.Begin()
	put(t, s, 3, `jobs{i="2"} 2`, `jobs{i="3"} 3`) // there is a place now
	s.End()
	want(t, s, false, "t [i n]", "  [2 2]", "  [3 3]")
}

func TestPlanRefuses(t *testing.T) {
	one := func(expression string) Options { return Options{Values: map[string]string{"x": expression}} }
	column := func(t Table) Options { return Options{Tables: map[string]Table{"t": t}} }
	nan := math.NaN()
	columns := map[string]string{"n": "jobs"}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"nothing", Options{}, "values: are missing: neither values nor texts nor tables say what is wanted"},
		{"empty", one(" "), "values.x: is empty: name a series, such as go_goroutines"},
		{"no syntax", one("a{"), `values.x: "a{": 1:3: parse error: unexpected end of input inside braces`},
		{"rate", one("rate(a[5m])"), `values.x: "rate(a[5m])": rate is not known here: a node makes it by change: rate`},
		{"function", one("abs(a)"), `values.x: "abs(a)": abs is not known here: only histogram_quantile, histogram_avg, histogram_count, histogram_sum`},
		{"by", one("sum by (x) (a)"), `values.x: "sum by (x) (a)": leave out by and without: a value is one number, and a table groups by its key`},
		{"aggregation", one("stddev(a)"), `values.x: "stddev(a)": stddev is not known, only sum, min, max, avg, count`},
		{"sum of sums", one("sum(max(a))"), `values.x: "sum(max(a))": a selector, sum, min, max, avg, count or a function of a histogram around one, is all that is known here; calculate in the node's value, and rates by its change: rate`},
		{"offset", one("a offset 5m"), `values.x: "a offset 5m": only what is there now can be read: leave out offset and @`},
		{"quantile", one("histogram_quantile(99, a)"), `values.x: "histogram_quantile(99, a)": a quantile is a number from 0 to 1, such as 0.99`},
		{"nameless histogram", one(`histogram_count({a="b"})`), `values.x: "histogram_count({a=\"b\"})": a histogram is given by its name`},
		{"long", one(strings.Repeat("a", 2001)), "values.x: has 2001 bytes, more than 2000"},
		{"name", Options{Values: map[string]string{"a-b": "a"}}, `values.a-b: "a-b" is no name of an attribute: at most 64 letters, digits and underscores`},
		{"reserved", Options{Values: map[string]string{"up": "a"}}, `values.up: there is another attribute "up"`},
		{"twice", Options{Values: map[string]string{"a": "a"}, Texts: map[string]Text{"a": {Of: "a", Label: "b"}}}, `texts.a: there is another attribute "a"`},
		{"text of a sum", Options{Texts: map[string]Text{"a": {Of: "sum(a)", Label: "b"}}}, `texts.a.of: "sum(a)": a text is a label of plain series`},
		{"no label", Options{Texts: map[string]Text{"a": {Of: "a"}}}, `texts.a.label: is missing`},
		{"described", Options{Values: map[string]string{"a": "a"}, Attributes: map[string]Attribute{"b": {}}}, `attributes: "b" is none of the values`},
		{"type", Options{Values: map[string]string{"a": "a"}, Attributes: map[string]Attribute{"a": {Type: "text"}}}, `attributes.a.type: "text" is none of number, counter, bool`},
		{"unit", Options{Values: map[string]string{"a": "a"}, Attributes: map[string]Attribute{"a": {Type: "bool", Unit: "s"}}}, `attributes.a.unit: a truth value has no unit`},
		{"default", Options{Values: map[string]string{"a": "a"}, Attributes: map[string]Attribute{"a": {Default: &nan}}}, `attributes.a.default: is no number`},
		{"bound", Options{Values: map[string]string{"a": "a"}, MaxSeries: -1}, `max_series: -1 is not between 1 and 1000000`},
		{"no key", column(Table{Columns: columns}), `tables.t.key: is missing: which labels tell rows apart?`},
		{"no columns", column(Table{Key: []string{"a"}}), `tables.t.columns: are missing`},
		{"rows", column(Table{Key: []string{"a"}, Columns: columns, MaxRows: 100_001}), `tables.t.max_rows: 100001 is not between 1 and 100000`},
		{"column twice", column(Table{Key: []string{"n"}, Columns: columns}), `tables.t.columns.n: there is another column "n"`},
		{"key twice", column(Table{Key: []string{"a.b", "a_b"}, Columns: columns}), `tables.t.key: there is another column "a_b"`},
		{"label named key", column(Table{Key: []string{"a", "b"}, Labels: []string{"key"}, Columns: columns}), `tables.t.labels: there is another column "key"`},
		{"empty label", column(Table{Key: []string{""}, Columns: columns}), `tables.t.key: "" is no name of a label`},
		{"bad column", column(Table{Key: []string{"a"}, Columns: map[string]string{"n": "a["}}), `tables.t.columns.n: "a[": 1:3: parse error: unexpected end of input in duration expression`},
		{"column described", column(Table{Key: []string{"a"}, Columns: columns, Attributes: map[string]Attribute{"b": {}}}), `tables.t.attributes: "b" is none of the columns`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.options.Plan("up")
			var bad *probe.OptionError
			if err == nil || err.Error() != tt.want || !errors.As(err, &bad) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// FuzzParse: no text of a definition does harm.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a", `sum(a{b="c"})`, "histogram_quantile(0.9, a_bucket)", "count({__name__=~\"x\"})", "((a))", "histogram_quantile(NaN, a)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parse(text)
		if err == nil && q.name == "" && len(q.matchers) == 0 {
			t.Errorf("%q takes every series there is", text)
		}
		if err == nil && q.op == quantile && !(q.phi >= 0 && q.phi <= 1) {
			t.Errorf("%q is quantile %v", text, q.phi)
		}
	})
}

// BenchmarkSet is a round of 10,000 series that are known, half of them in a table.
func BenchmarkSet(b *testing.B) {
	s := planOf(b, Options{
		Values: map[string]string{"n": "sum(a)"},
		Tables: map[string]Table{"t": {Key: []string{"i"}, Columns: map[string]string{"n": "b"}, MaxRows: 10_000}},
	}).NewSet()
	var keys [][]byte
	for i := range 10_000 {
		name := "a"
		if i%2 == 1 {
			name = "b"
		}
		l := labels.FromStrings(labels.MetricName, name, "i", fmt.Sprint(i))
		keys = append(keys, Key(l, nil))
		if _, err := s.Add(keys[i], l); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for time := int64(1); b.Loop(); time++ {
		s.Begin()
		for i, k := range keys {
			if err := s.Put(s.Get(k), Sample{Value: float64(i), Time: time}); err != nil {
				b.Fatal(err)
			}
		}
		s.End()
		var r probe.Result
		if err := s.Read(&r, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(10_000, "series/op")
}
