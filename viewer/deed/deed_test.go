package deed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/store"
)

var quiet = slog.New(slog.DiscardHandler)

func status(err error) int {
	var known huma.StatusError
	if errors.As(err, &known) {
		return known.GetStatus()
	}
	return 0
}

func TestNothingIsDoneThatCannotBeAudited(t *testing.T) {
	did := false
	err := Do(t.Context(), func(context.Context, string, string, any) (func(error), error) { return nil, errors.New("full") },
		quiet, "alerts acknowledge", "/shop", nil, func() error { did = true; return nil })
	if did || status(err) != http.StatusServiceUnavailable {
		t.Errorf("done %t, %v", did, err)
	}
}

func TestWhatCameOfItIsAudited(t *testing.T) {
	failed := errors.New("no")
	var came error
	err := Do(t.Context(), func(context.Context, string, string, any) (func(error), error) {
		return func(err error) { came = err }, nil
	}, quiet, "alerts acknowledge", "/shop", nil, func() error { return failed })
	if !errors.Is(err, failed) || !errors.Is(came, failed) {
		t.Errorf("%v, and in the log %v", err, came)
	}
}

func TestProblem(t *testing.T) {
	for want, err := range map[int]error{
		0:                              nil,
		http.StatusInsufficientStorage: fmt.Errorf("secret detail: %w", store.ErrFull),
		http.StatusServiceUnavailable:  fmt.Errorf("secret detail: %w", store.ErrUnavailable),
		http.StatusNotFound:            tree.ErrNoNode,
		http.StatusTeapot:              huma.NewError(http.StatusTeapot, "tea"),
		http.StatusInternalServerError: errors.New("secret detail"),
	} {
		got := Problem(quiet, err)
		if status(got) != want || got != nil && want != http.StatusNotFound && got.Error() == err.Error() && want != http.StatusTeapot {
			t.Errorf("%v: %v, want %d", err, got, want)
		}
	}
}
