package record

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/journal"
	"grove/tree/store/revision"
	"grove/viewer/record/archive"
)

// told are errors of what these operations stand on, whose whole text is for the client.
var told = []struct {
	err    error
	status int
}{
	{history.ErrNotReady, http.StatusServiceUnavailable},
	{journal.ErrQuery, http.StatusBadRequest},
	{audit.ErrQuery, http.StatusBadRequest},
	{revision.ErrNotFound, http.StatusNotFound},
	{store.ErrStale, http.StatusConflict},
	{revision.ErrDefinition, http.StatusUnprocessableEntity},
	{archive.ErrDamaged, http.StatusUnprocessableEntity},
	{archive.ErrNewer, http.StatusUnprocessableEntity},
	{archive.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{store.ErrBackup, http.StatusUnprocessableEntity},
	{history.ErrSnapshot, http.StatusUnprocessableEntity},
}

// kept are errors of the database, of which the client is told the kind alone.
var kept = []struct {
	err    error
	status int
	text   string
}{
	{store.ErrFull, http.StatusInsufficientStorage, "the disk of the database is full"},
	{store.ErrTaken, http.StatusServiceUnavailable, "another grove writes under the name of this one"},
	{store.ErrUnavailable, http.StatusServiceUnavailable, "the database is not available; try again later"},
	{store.ErrClosed, http.StatusServiceUnavailable, "grove is stopping"},
	{store.ErrDamaged, http.StatusServiceUnavailable, "the database is damaged; the log of the server says what to do"},
}

// problem makes an answer of an error.
func (a *API) problem(err error) error {
	var known huma.StatusError
	if err == nil || errors.As(err, &known) {
		return err
	}
	for _, t := range told {
		if errors.Is(err, t.err) {
			return patient(huma.NewError(t.status, err.Error()))
		}
	}
	for _, k := range kept {
		if errors.Is(err, k.err) {
			a.Log.Warn("a request could not be served", "error", err)
			return patient(huma.NewError(k.status, k.text))
		}
	}
	return a.Problem(err)
}

// patient tells a client when to come again, where that helps.
func patient(e huma.StatusError) error {
	if e.GetStatus() != http.StatusServiceUnavailable {
		return e
	}
	header := http.Header{}
	header.Set("Retry-After", "2")
	return huma.ErrorWithHeaders(e, header)
}
