package promql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"grove/tree/grant"
)

// Version is the version of Prometheus whose PromQL this is.
const Version = "3.13.5"

// Bounds that hold unless Options say otherwise.
const (
	DefaultTimeout    = time.Minute
	DefaultConcurrent = 8
	DefaultMaxSamples = 10_000_000      // 16 bytes each
	DefaultLookback   = 5 * time.Minute // as in Prometheus
	MaxPoints         = 11_000          // of one series in a range query, as in Prometheus
	MaxQueryBytes     = 64 << 10        // of the text of a query, and of a selector
	MaxSelectors      = 256             // in one question for series or labels
	MaxFound          = 1_000_000       // series or labels in one answer
	subqueryStep      = time.Minute     // of a subquery that names none, as in Prometheus
)

// Options are the surroundings of an Engine.
type Options struct {
	// Store holds the samples.
	Store storage.Queryable
	// Guard says who sees which series; who asks stands in the context of each question.
	Guard *grant.Guard
	// NotReady is what the store's errors wrap while it cannot answer yet: they make
	// the answer Unavailable.
	NotReady error
	// Metadata tells what is known of the metrics that whoever asks sees, by name; nil
	// knows nothing.
	Metadata func(ctx context.Context) map[string][]Metadata
	// Timeout bounds the time of one question with its wait for others; zero is
	// DefaultTimeout.
	Timeout time.Duration
	// Concurrent bounds the questions that are worked on at once; zero is
	// DefaultConcurrent.
	Concurrent int
	// MaxSamples bounds the samples that one query holds in memory; zero is
	// DefaultMaxSamples.
	MaxSamples int
	// Lookback is how old a value may be and still hold; zero is DefaultLookback.
	Lookback time.Duration
	// Now is the time of a query that names none; nil is time.Now.
	Now func() time.Time
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Engine answers questions. All methods may be called at once; those that fail
// return an [*Error].
type Engine struct {
	opts   Options
	engine *promql.Engine
	parser parser.Parser
	slots  chan struct{}
}

// New returns an Engine; Close it.
func New(o Options) (*Engine, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("promql: no store")
	case o.Guard == nil:
		return nil, errors.New("promql: nobody says who sees what")
	case o.Timeout < 0 || o.Concurrent < 0 || o.MaxSamples < 0 || o.Lookback < 0:
		return nil, errors.New("promql: a bound is negative")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Concurrent == 0 {
		o.Concurrent = DefaultConcurrent
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = DefaultMaxSamples
	}
	if o.Lookback == 0 {
		o.Lookback = DefaultLookback
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Store = store{o.Store, o.NotReady}
	p := parser.NewParser(parser.Options{})
	return &Engine{
		opts:   o,
		parser: p,
		slots:  make(chan struct{}, o.Concurrent),
		engine: promql.NewEngine(promql.EngineOpts{
			Logger:                   o.Log,
			MaxSamples:               o.MaxSamples,
			Timeout:                  o.Timeout,
			LookbackDelta:            o.Lookback,
			NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			Parser:                   p,
		}),
	}, nil
}

// store tells failures of opening the store from those of a query, which the engine
// does not.
type store struct {
	storage.Queryable
	notReady error
}

func (s store) Querier(from, to int64) (storage.Querier, error) {
	q, err := s.Queryable.Querier(from, to)
	switch {
	case err == nil:
		return q, nil
	case s.notReady != nil && errors.Is(err, s.notReady):
		return nil, &Error{Unavailable, err}
	}
	return nil, promql.ErrStorage{Err: err}
}

// Close frees the engine. Questions that are under way end by themselves.
func (e *Engine) Close() error { return e.engine.Close() }

// Now is the time of a query that names none.
func (e *Engine) Now() time.Time { return e.opts.Now() }

// begin waits for a slot, at most as long as a question may take, and returns the
// context of the question and what ends it. A timeout above zero shortens it.
func (e *Engine) begin(ctx context.Context, timeout time.Duration) (context.Context, func(), error) {
	if timeout <= 0 || timeout > e.opts.Timeout {
		timeout = e.opts.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	select {
	case e.slots <- struct{}{}:
		return ctx, func() { <-e.slots; cancel() }, nil
	case <-ctx.Done():
		err := ctx.Err()
		cancel()
		if errors.Is(err, context.Canceled) {
			return nil, nil, &Error{Canceled, err}
		}
		return nil, nil, &Error{Timeout, fmt.Errorf("the query waited %s for %d others, which is the bound", timeout, cap(e.slots))}
	}
}
