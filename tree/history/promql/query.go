package promql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/stats"
)

// Query is what instant and range queries have in common.
type Query struct {
	Expr  string
	Scope Scope
	// Timeout shortens the engine's own; zero leaves it.
	Timeout time.Duration
	// Lookback stands in for the engine's own; zero leaves it.
	Lookback time.Duration
	// Limit cuts the answer to so many series, with a warning; zero gives all.
	Limit int
	Stats bool // asks for Result.Stats
}

// Instant evaluates a query at one time.
func (e *Engine) Instant(ctx context.Context, q Query, at time.Time) (*Result, error) {
	return e.run(ctx, q, func(ctx context.Context, store storage.Queryable, o promql.QueryOpts) (promql.Query, error) {
		return e.engine.NewInstantQuery(ctx, store, o, q.Expr, at)
	})
}

// Range evaluates a query at from, then every step up to to, which is included.
func (e *Engine) Range(ctx context.Context, q Query, from, to time.Time, step time.Duration) (*Result, error) {
	switch {
	case to.Before(from):
		return nil, badParameter("end", errors.New("end timestamp must not be before start time"))
	case step <= 0:
		return nil, badParameter("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	case step < time.Millisecond:
		return nil, badParameter("step", errors.New("a step is at least one millisecond"))
	// Floating point holds every pair of times; their difference as an integer may not.
	case (float64(to.UnixMilli())-float64(from.UnixMilli()))/float64(step.Milliseconds()) >= MaxPoints+1:
		return nil, &Error{BadData, errors.New("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")}
	}
	return e.run(ctx, q, func(ctx context.Context, store storage.Queryable, o promql.QueryOpts) (promql.Query, error) {
		return e.engine.NewRangeQuery(ctx, store, o, q.Expr, from, to, step)
	})
}

func (e *Engine) run(ctx context.Context, q Query, prepare func(context.Context, storage.Queryable, promql.QueryOpts) (promql.Query, error)) (*Result, error) {
	// Parsing first: what is malformed need not wait.
	if _, err := e.parse(q.Expr); err != nil {
		return nil, err
	}
	store, err := e.open(ctx, q.Scope)
	if err != nil {
		return nil, err
	}
	ctx, end, err := e.begin(ctx, q.Timeout)
	if err != nil {
		return nil, err
	}
	defer end()
	query, err := prepare(ctx, store, promql.NewPrometheusQueryOpts(false, q.Lookback))
	if err != nil {
		return nil, badParameter("query", err)
	}
	defer query.Close()
	r := query.Exec(ctx)
	if r.Err != nil {
		return nil, classify(r.Err)
	}
	out, cut := result(r, q.Limit)
	out.Warnings, out.Infos = texts(r.Warnings, q.Expr)
	if cut {
		out.Warnings = append(out.Warnings, truncated)
	}
	if q.Stats {
		out.Stats = cost(query.Stats())
	}
	return out, nil
}

// truncated is the warning of an answer that was cut to a limit.
const truncated = "results truncated due to limit"

// parse reads an expression.
func (e *Engine) parse(text string) (parser.Expr, error) {
	if len(text) > MaxQueryBytes {
		return nil, badParameter("query", fmt.Errorf("%d bytes, and %d is the bound", len(text), MaxQueryBytes))
	}
	expr, err := e.parser.ParseExpr(text)
	if err != nil {
		return nil, badParameter("query", err)
	}
	return expr, nil
}

// Check says whether a query is well formed.
func (e *Engine) Check(text string) error {
	_, err := e.parse(text)
	return err
}

// Format returns a query in the usual form, over several lines when it is long.
func (e *Engine) Format(text string) (string, error) {
	expr, err := e.parse(text)
	if err != nil {
		return "", err
	}
	return expr.Pretty(0), nil
}

func cost(s *stats.Statistics) *Stats {
	out := &Stats{}
	if s == nil {
		return out
	}
	if built, ok := stats.NewQueryStats(s).(*stats.BuiltinStats); ok && built != nil {
		t := built.Timings
		out.Evaluation, out.Sorting, out.Preparation = t.EvalTotalTime, t.ResultSortTime, t.QueryPreparationTime
		out.Inner, out.Queued, out.Total = t.InnerEvalTime, t.ExecQueueTime, t.ExecTotalTime
		if built.Samples != nil {
			out.SamplesRead, out.SamplesQueried = built.Samples.SamplesRead, built.Samples.TotalQueryableSamples
			out.SamplesPeak = built.Samples.PeakSamples
		}
	}
	return out
}
