package series

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
)

// The schemas of native histograms that Prometheus knows.
const (
	leastScale = -4
	mostScale  = 8
	// maxBuckets bounds the buckets of one histogram.
	maxBuckets = 10_000
)

// Explicit makes a histogram of stated buckets, as OpenTelemetry has them: counts has
// one element more than bounds, which rise; the last is of what is above them all.
func Explicit(bounds []float64, counts []uint64, sum float64) (*Histogram, error) {
	if len(counts) != len(bounds)+1 || len(counts) > maxBuckets {
		return nil, fmt.Errorf("a histogram of %d bounds has %d buckets, at most %d, not %d", len(bounds), len(bounds)+1, maxBuckets, len(counts))
	}
	h := &Histogram{
		Schema: histogram.CustomBucketsSchema, Sum: sum, CustomValues: slices.Clone(bounds),
		PositiveSpans:   []histogram.Span{{Offset: 0, Length: uint32(len(counts))}},
		PositiveBuckets: make([]float64, len(counts)),
	}
	for i, n := range counts {
		h.PositiveBuckets[i] = float64(n)
		h.Count += float64(n)
	}
	return h, h.Validate()
}

// Buckets are one side of an exponential histogram of OpenTelemetry: bucket i of the
// counts holds what is above base^(offset+i), up to base^(offset+i+1).
type Buckets struct {
	Offset int32
	Counts []uint64
}

// Exponential makes a histogram of buckets whose bounds are powers of 2^(2^-scale)
// (OpenTelemetry metrics data model, "ExponentialHistogram"). A scale that Prometheus
// does not know is made coarser.
func Exponential(scale int32, zero uint64, zeroThreshold float64, positive, negative Buckets, sum float64) (*Histogram, error) {
	if scale < leastScale || scale > 64 {
		return nil, fmt.Errorf("a histogram of scale %d: from %d on they are taken", scale, leastScale)
	}
	if len(positive.Counts) > maxBuckets || len(negative.Counts) > maxBuckets {
		return nil, fmt.Errorf("a histogram of more than %d buckets", maxBuckets)
	}
	coarser := max(0, scale-mostScale)
	h := &Histogram{Schema: scale - coarser, Sum: sum, ZeroCount: float64(zero), ZeroThreshold: zeroThreshold, Count: float64(zero)}
	h.PositiveSpans, h.PositiveBuckets = positive.dense(coarser)
	h.NegativeSpans, h.NegativeBuckets = negative.dense(coarser)
	for _, n := range h.PositiveBuckets {
		h.Count += n
	}
	for _, n := range h.NegativeBuckets {
		h.Count += n
	}
	return h, h.Validate()
}

// dense joins 2^coarser neighbours to one bucket. Prometheus counts a bucket by its
// upper bound, so its index is one more.
func (b Buckets) dense(coarser int32) ([]histogram.Span, []float64) {
	if len(b.Counts) == 0 {
		return nil, nil
	}
	first := b.Offset >> min(coarser, 31)
	var out []float64
	for i, n := range b.Counts {
		at := int((int64(b.Offset)+int64(i))>>min(coarser, 31)) - int(first)
		for len(out) <= at {
			out = append(out, 0)
		}
		out[at] += float64(n)
	}
	return []histogram.Span{{Offset: first + 1, Length: uint32(len(out))}}, out
}
