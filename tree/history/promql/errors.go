package promql

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/promql"
)

// Kind classifies errors as Prometheus' HTTP interface does; its text is the field
// errorType there.
type Kind string

// The kinds of errors.
const (
	BadData     Kind = "bad_data"    // the question is malformed
	Execution   Kind = "execution"   // it is well formed and cannot be answered
	Canceled    Kind = "canceled"    // whoever asked went away
	Timeout     Kind = "timeout"     // it took too long
	Internal    Kind = "internal"    // the store failed
	Unavailable Kind = "unavailable" // the store is not ready, or too much is asked at once
)

// Error is what every method returns when it fails.
type Error struct {
	Kind Kind
	Err  error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// badParameter says that a parameter of the HTTP interface is malformed, in the words
// of Prometheus.
func badParameter(name string, err error) error {
	return &Error{BadData, fmt.Errorf("invalid parameter %q: %w", name, err)}
}

// classify gives an error of the engine or the store its kind.
func classify(err error) error {
	var (
		known    *Error
		canceled promql.ErrQueryCanceled
		timeout  promql.ErrQueryTimeout
		storage  promql.ErrStorage
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.As(err, &canceled):
		return &Error{Canceled, err}
	case errors.As(err, &timeout):
		return &Error{Timeout, err}
	case errors.As(err, &storage):
		return &Error{Internal, err}
	case errors.Is(err, context.Canceled):
		return &Error{Canceled, err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Timeout, err}
	}
	return &Error{Execution, err}
}
