package prometheus

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
)

// constant is a collector of constant metrics for the very series that an exporter
// gives of a tree: what grove would do without a writer of its own.
type constant struct{ tree *tree.Tree }

var constantDescs = struct{ value, named, status, time, group *client.Desc }{
	client.NewDesc(metric.Value, "Value of a node, in its unit.", []string{"path", "unit"}, nil),
	client.NewDesc("answer_seconds", "Value of a node.", []string{"path", "site"}, nil),
	client.NewDesc(metric.Status, "Status of a node.", []string{"path"}, nil),
	client.NewDesc(metric.ReadingTime, "When the last reading of a node was taken, in Unix time.", []string{"path"}, nil),
	client.NewDesc(metric.GroupNodes, "Attributes anywhere below a group, by status.", []string{"path", "status"}, nil),
}

// Describe implements client.Collector.
func (constant) Describe(ch chan<- *client.Desc) {
	d := &constantDescs
	for _, desc := range []*client.Desc{d.value, d.named, d.status, d.time, d.group} {
		ch <- desc
	}
}

// Collect implements client.Collector.
func (c constant) Collect(ch chan<- client.Metric) {
	d := &constantDescs
	_ = c.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		path := n.Path.String()
		ch <- client.MustNewConstMetric(d.status, client.GaugeValue, float64(n.Status), path)
		if n.Kind == tree.Group {
			for i, s := range tree.Statuses {
				ch <- client.MustNewConstMetric(d.group, client.GaugeValue, float64(n.Counts[i]), path, s.String())
			}
			return true
		}
		if !n.Time.IsZero() {
			ch <- client.MustNewConstMetric(d.time, client.GaugeValue, float64(n.Time.UnixMilli())/1e3, path)
		}
		if v, ok := n.Value.Number(); ok && n.Status != tree.White {
			if n.Spec.Metric != "" {
				ch <- client.MustNewConstMetric(d.named, client.GaugeValue, v/1e3, path, n.Spec.Labels["site"])
			} else {
				ch <- client.MustNewConstMetric(d.value, client.GaugeValue, v, path, n.Spec.Unit)
			}
		}
		return true
	})
}

// discard is an answer that nobody keeps.
type discard struct {
	header http.Header
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.bytes += len(b); return len(b), nil }

func scrape(h http.Handler, accept, coding string) int {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil).WithContext(grant.With(context.Background(), grant.Anonymous))
	r.Header.Set("Accept", accept)
	r.Header.Set("Accept-Encoding", coding)
	w := &discard{header: http.Header{}}
	h.ServeHTTP(w, r)
	return w.bytes
}

// scraped is what one scrape takes.
type scraped struct {
	seconds           float64 // of the quickest: others were at work, too
	allocs, allocated float64
	cold              float64 // bytes that the first of them allocates, when nothing is pooled: what it holds
	bytes             int
}

// measure scrapes so often.
func measure(n int, between func(), h http.Handler, accept, coding string) scraped {
	var s scraped
	scrape(h, accept, coding) // It builds what is kept between scrapes.
	runtime.GC()
	runtime.GC() // Pools outlive one.
	_, s.cold = allocations(func() { scrape(h, accept, coding) })
	for range n {
		between()
		allocs, allocated := allocations(func() {
			start := time.Now()
			s.bytes = scrape(h, accept, coding)
			if d := time.Since(start).Seconds(); s.seconds == 0 || d < s.seconds {
				s.seconds = d
			}
		})
		s.allocs += allocs / float64(n)
		s.allocated += allocated / float64(n)
	}
	return s
}

func allocations(f func()) (objects, bytes float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
}

// BenchmarkScrape holds a scrape of 100,000 nodes, of which all or one in a hundred
// have changed since the last, against client_golang's own collector of constant metrics for the
// same series, in one run.
func BenchmarkScrape(b *testing.B) {
	tr := benchTree(b)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	registry := client.NewRegistry()
	registry.MustRegister(constant{tr})
	theirs := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	refs := benchRefs(b, tr)
	for _, coding := range []string{"identity", "gzip"} {
		for changed, share := range map[string]int{"all": 1, "percent": 100} {
			b.Run(coding+"/changed="+changed, func(b *testing.B) {
				round := 0.5
				between := func() {
					round++
					batch := make([]tree.Reading, 0, len(refs)/share)
					for i := 0; i < len(refs); i += share {
						batch = append(batch, tree.Reading{Node: refs[i], Value: float64(i)/100 + round})
					}
					tr.Apply(batch)
					tr.Flush()
				}
				var grove, other scraped
				for b.Loop() {
					grove = measure(10, between, e, "text/plain", coding)
					other = measure(3, between, theirs, "text/plain", coding)
				}
				b.ReportMetric(grove.seconds*1e3, "ms/scrape")
				b.ReportMetric(other.seconds*1e3, "client_golang-ms/scrape")
				b.ReportMetric(other.seconds/grove.seconds, "times-quicker")
				b.ReportMetric(grove.allocs, "allocs/scrape")
				b.ReportMetric(other.allocs/max(grove.allocs, 1), "times-fewer-allocs")
				b.ReportMetric(grove.allocated/1e6, "MB/scrape")
				b.ReportMetric(grove.cold/1e6, "MB-cold")
				b.ReportMetric(other.cold/max(grove.cold, 1), "times-less-memory")
				b.ReportMetric(float64(grove.bytes)/1e6, "MB-sent")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func benchRefs(b *testing.B, tr *tree.Tree) []tree.Ref {
	b.Helper()
	var refs []tree.Ref
	_ = tr.Walk(tree.Root, -1, func(n *tree.Node) bool {
		if n.Kind != tree.Group {
			refs = append(refs, n.Ref)
		}
		return true
	})
	return refs
}

// BenchmarkPack compresses the text of 100,000 nodes.
func BenchmarkPack(b *testing.B) {
	e, err := New(guarded(benchTree(b)))
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	var text bytes.Buffer
	if err := e.Write(&text, Text, tree.Root); err != nil {
		b.Fatal(err)
	}
	for _, c := range []coding{gzipped, zstded} {
		b.Run(string(c), func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				p := getPacker(c)
				_, _ = io.Copy(p, bytes.NewReader(text.Bytes()))
				_ = p.Close()
				n = p.out.Len()
				p.free(c)
			}
			b.ReportMetric(float64(text.Len())/float64(n), "times-smaller")
		})
	}
}

// BenchmarkTable is what is kept of 100,000 nodes between scrapes.
func BenchmarkTable(b *testing.B) {
	tr := benchTree(b)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr})
		if err != nil {
			b.Fatal(err)
		}
		write(b, e, Text, "/")
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(tr.Len()), "bytes/node")
		e.Close()
	}
}
