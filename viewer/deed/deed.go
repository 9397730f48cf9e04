// Package deed does what people ask for so that it is in the audit log, before it is done
// and after, and makes answers of what the database cannot do.
package deed

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/store"
	"grove/viewer"
)

// Audit puts into the audit log that something begins; done puts there what came of it. An
// error keeps it from being done.
type Audit func(ctx context.Context, action, target string, detail any) (done func(error), err error)

// Do does something that is in the audit log.
func Do(ctx context.Context, audit Audit, log *slog.Logger, action, target string, detail any, do func() error) error {
	done, err := audit(ctx, action, target, detail)
	if err != nil {
		log.Error("something was not done, since it cannot be put into the audit log", "action", action, "target", target, "error", err)
		return later("not done, since it cannot be put into the audit log; the log of the server says why")
	}
	err = do()
	done(err)
	return err
}

// kept are errors of the database, of which the client is told the kind alone.
var kept = []struct {
	err  error
	text string
}{
	{store.ErrTaken, "another grove writes under the name of this one"},
	{store.ErrUnavailable, "the database is not available; try again later"},
	{store.ErrClosed, "grove is stopping"},
	{store.ErrDamaged, "the database is damaged; the log of the server says what to do"},
}

// Problem makes an answer of an error: of one that the database has, or else as
// viewer.Problem does.
func Problem(log *slog.Logger, err error) error {
	var known huma.StatusError
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, store.ErrFull) {
		log.Warn("a request could not be served", "error", err)
		return huma.NewError(http.StatusInsufficientStorage, "the disk of the database is full")
	}
	for _, k := range kept {
		if errors.Is(err, k.err) {
			log.Warn("a request could not be served", "error", err)
			return later(k.text)
		}
	}
	return viewer.Problem(err)
}

// later tells a client to come again.
func later(text string) error {
	header := http.Header{}
	header.Set("Retry-After", "2")
	return huma.ErrorWithHeaders(huma.NewError(http.StatusServiceUnavailable, text), header)
}
