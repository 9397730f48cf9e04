package series

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

// group is one classic histogram or summary: series that differ in their bucket only.
type group struct {
	hash  uint64 // of the labels without the bucket and the name
	parts []partOf
	// What came between the last two samples of the parts, as of the last time at which
	// all had a sample of the same moment: the parts of one histogram may come in several
	// messages, and counts of different moments make no quantile.
	buckets    promql.Buckets // cumulative
	count, sum float64
	known      bool
}

type partOf struct {
	*Series
	part part
	le   float64 // the bucket's upper bound
}

// refresh computes what came, if the parts are of one moment.
func (g *group) refresh() {
	for _, p := range g.parts {
		if p.before == 0 || p.time != g.parts[0].time || p.native != nil {
			return
		}
	}
	g.known = true
	g.buckets = g.buckets[:0]
	restarted := g.restarted()
	for _, p := range g.parts {
		grown := p.value
		if !restarted {
			grown -= p.was
		}
		switch p.part {
		case bucket:
			g.buckets = append(g.buckets, promql.Bucket{UpperBound: p.le, Count: grown})
		case counted:
			g.count = grown
		case summed:
			g.sum = grown
		}
	}
}

// restarted says whether the histogram began anew: a count fell. A sum may fall by
// itself, when observations are negative.
func (g *group) restarted() bool {
	for _, p := range g.parts {
		if p.part != summed && p.value < p.was {
			return true
		}
	}
	return false
}

// histogram reads a cell of histograms: quantiles and averages of what was observed
// between the last two samples, counts and sums since the histograms began. Where a
// source shows a histogram in both forms, the native one counts.
func (c *cell) histogram(q *query) (v float64, ok bool) {
	var total *histogram.FloatHistogram
	for _, x := range c.members {
		if x.native == nil {
			continue
		}
		h := x.native
		if q.op == quantile || q.op == histogramAverage {
			if h = x.grown(); h == nil {
				continue
			}
		}
		if total == nil {
			total = h.Copy()
		} else if added, _, _, err := total.Add(h); err == nil {
			total = added
		}
	}
	if total != nil {
		return q.native(total)
	}
	for _, x := range c.members {
		if x.native != nil {
			return 0, false // Its first sample.
		}
	}
	return c.classic(q)
}

// grown is what was observed between the last two samples; nil when there is only one.
func (x *Series) grown() *histogram.FloatHistogram {
	switch {
	case x.old == nil:
		return nil
	case x.native.DetectReset(x.old):
		return x.native
	}
	h, _, _, err := x.native.Copy().Sub(x.old)
	if err != nil {
		return x.native
	}
	return h
}

func (q *query) native(h *histogram.FloatHistogram) (v float64, ok bool) {
	switch q.op {
	case histogramCount:
		return h.Count, true
	case histogramSum:
		return h.Sum, true
	case histogramAverage:
		return h.Sum / h.Count, h.Count > 0
	}
	v, _ = promql.HistogramQuantile(q.phi, h, q.name, posrange.PositionRange{})
	return v, h.Count > 0
}

func (c *cell) classic(q *query) (v float64, ok bool) {
	var buckets promql.Buckets
	var count, sum float64
	for _, g := range c.groups {
		if q.op == histogramCount || q.op == histogramSum {
			for _, p := range g.parts {
				if p.time != 0 {
					v, ok = v+p.value, true
				}
			}
			continue
		}
		g.refresh()
		if !g.known {
			continue
		}
		buckets = append(buckets, g.buckets...)
		count, sum = count+g.count, sum+g.sum
	}
	switch q.op {
	case histogramAverage:
		return sum / count, count > 0
	case quantile:
		if len(buckets) == 0 {
			return 0, false
		}
		v, _, _, _, _, _ = promql.BucketQuantile(q.phi, buckets)
		return v, true
	}
	return v, ok
}
