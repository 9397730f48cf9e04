package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"grove/tree/metric"
)

// Bounds of what is read back.
const (
	MaxBuckets          = 10_000   // of one question; Prometheus gives 11,000 points
	DefaultReadBytes    = 64 << 20 // of one answer, decompressed
	defaultReadTimeout  = 20 * time.Second
	maxReadTimeout      = 5 * time.Minute
	shortestReadBuckets = time.Millisecond
)

// Source is a store to read back from: one that answers Prometheus' query interface.
type Source struct {
	// URL is the base of the interface: "https://metrics.example/prometheus", below
	// which "/api/v1/query_range" is.
	URL     string            `yaml:"url"`
	Headers map[string]string `yaml:"headers,omitempty"`
	Access  `yaml:",inline"`
	// Labels tell this grove's series from others' there: those that a target adds.
	Labels map[string]string `yaml:"labels,omitempty"`
	// Timeout bounds one question; 0 is 20 s.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// MaxBytes bounds one answer; 0 is DefaultReadBytes.
	MaxBytes int64 `yaml:"max_bytes,omitempty"`
}

// Check says everything that is wrong with the source; each is a [*KeyError].
func (s *Source) Check() error {
	var c checks
	c.url("url", s.URL)
	for name, value := range s.Headers {
		c.header("headers."+clip(name), name, value)
	}
	s.Access.check(&c)
	for name := range s.Labels {
		if !metric.ValidLabel(name) {
			c.add("labels."+clip(name), "is not a label name, or one of grove's own")
		}
	}
	c.between("timeout", int(s.Timeout/time.Millisecond), int(maxReadTimeout/time.Millisecond))
	if s.MaxBytes < 0 {
		c.add("max_bytes", "must not be negative")
	}
	return c.sorted()
}

// Point merges the samples of a span of time.
type Point struct {
	Time          time.Time // where the span begins
	Min, Max, Avg float64   // in the base unit, as the store has them
	Last          float64   // the newest
	Count         int64
}

// Reader reads points back. Its methods may be called at once.
type Reader struct {
	source Source
	api    v1.API
	client *http.Client
}

// NewReader returns a Reader; Close it. Secret reads what references stand for.
func NewReader(s Source, secret func(ref string) (string, error), version string) (*Reader, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Timeout == 0 {
		s.Timeout = defaultReadTimeout
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = DefaultReadBytes
	}
	transport, err := s.Access.transport()
	if err != nil {
		return nil, err
	}
	r := &Reader{source: s, client: &http.Client{
		Transport: &asking{source: &s, next: transport, read: secret, agent: "grove/" + version}, CheckRedirect: stay,
	}}
	c, err := api.NewClient(api.Config{Address: s.URL, Client: r.client})
	if err != nil {
		return nil, fmt.Errorf("read from the store: %w", err)
	}
	r.api = v1.NewAPI(c)
	return r, nil
}

// Close ends the connections that nobody uses.
func (r *Reader) Close() { r.client.CloseIdleConnections() }

// Points merges the samples of a series from from up to to, which is not included,
// into so many spans of the same length. Spans without samples have no point. Where
// the store has the series several times, as from two groves of a pair, they are
// merged.
func (r *Reader) Points(ctx context.Context, s metric.Series, from, to time.Time, buckets int) ([]Point, error) {
	span := to.Sub(from)
	switch {
	case span <= 0:
		return nil, errors.New("read from the store: the end is not after the beginning")
	case buckets < 1 || buckets > MaxBuckets:
		return nil, fmt.Errorf("read from the store: 1 to %d points, not %d", MaxBuckets, buckets)
	}
	step := (span + time.Duration(buckets) - 1) / time.Duration(buckets)
	// The store counts in milliseconds.
	step = max((step+time.Millisecond-1)/time.Millisecond*time.Millisecond, shortestReadBuckets)
	ctx, cancel := context.WithTimeout(ctx, r.source.Timeout)
	defer cancel()

	selector := r.selector(s)
	points := map[int64]*Point{}
	// A span that begins at t is looked at from its last millisecond: range selectors
	// reach back, and take in their end.
	const last = time.Millisecond
	window := v1.Range{Start: from.Add(step - last), End: from.Add(step*time.Duration((span+step-1)/step) - last), Step: step}
	for i, over := range []string{"min", "max", "avg", "last", "count"} {
		outer := over
		switch over {
		case "count":
			outer = "sum"
		case "last":
			outer = "max"
		}
		query := fmt.Sprintf("%s(%s_over_time(%s[%dms]))", outer, over, selector, step.Milliseconds())
		value, _, _, err := r.api.QueryRange(ctx, query, window)
		if err != nil {
			return nil, fmt.Errorf("read from the store: %w", err)
		}
		matrix, ok := value.(model.Matrix)
		if !ok || len(matrix) > 1 {
			return nil, fmt.Errorf("read from the store: it answers with a %s of another form than was asked for", value.Type())
		}
		for _, series := range matrix {
			for _, p := range series.Values {
				t := p.Timestamp.Time().Add(last - step)
				at := points[t.UnixMilli()]
				if at == nil {
					at = &Point{Time: t.UTC(), Min: math.NaN(), Max: math.NaN(), Avg: math.NaN(), Last: math.NaN()}
					points[t.UnixMilli()] = at
				}
				switch v := float64(p.Value); i {
				case 0:
					at.Min = v
				case 1:
					at.Max = v
				case 2:
					at.Avg = v
				case 3:
					at.Last = v
				case 4:
					at.Count = int64(v)
				}
			}
		}
	}
	all := make([]Point, 0, len(points))
	for _, p := range points {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Point) int { return a.Time.Compare(b.Time) })
	return all, nil
}

// selector names the series there.
func (r *Reader) selector(s metric.Series) string {
	var b strings.Builder
	b.WriteString(s.Name + "{")
	add := func(name, value string) {
		if !strings.HasSuffix(b.String(), "{") {
			b.WriteByte(',')
		}
		b.WriteString(name + "=" + strconv.Quote(value))
	}
	for _, l := range s.Labels {
		add(l.Name, l.Value)
	}
	for _, name := range sortedKeys(r.source.Labels) {
		add(name, r.source.Labels[name])
	}
	b.WriteByte('}')
	return b.String()
}

// asking is the transport of questions: it says who asks, and bounds the answers.
type asking struct {
	source *Source
	next   *http.Transport
	read   secrets
	agent  string
}

// RoundTrip implements http.RoundTripper.
func (a *asking) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range a.source.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("User-Agent", a.agent)
	if err := a.source.authorize(r, a.read); err != nil {
		return nil, err
	}
	// VictoriaMetrics moves the times of a question to round ones unless told not to.
	q := r.URL.Query()
	q.Set("nocache", "1")
	r.URL.RawQuery = q.Encode()
	res, err := a.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &bounded{ReadCloser: res.Body, most: a.source.MaxBytes, left: a.source.MaxBytes}
	return res, nil
}

// CloseIdleConnections lets http.Client reach the transport's.
func (a *asking) CloseIdleConnections() { a.next.CloseIdleConnections() }

// bounded is a body that fails beyond a bound.
type bounded struct {
	io.ReadCloser
	most, left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, fmt.Errorf("the answer has more than %d bytes, which is the bound", b.most)
	}
	return n, err
}
