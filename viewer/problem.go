package viewer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
)

// problemType is the content type of RFC 9457, section 4.1.
const problemType = "application/problem+json"

// answers is the only table from errors to HTTP statuses. The first match counts.
var answers = []struct {
	err    error
	status int
}{
	{tree.ErrNoNode, http.StatusNotFound},
	{tree.ErrSuppose, http.StatusUnprocessableEntity},
	{grant.ErrDenied, http.StatusForbidden},
	{grant.ErrGrant, http.StatusUnprocessableEntity},
	{grant.ErrBusy, http.StatusServiceUnavailable},
	{tree.ErrPath, http.StatusBadRequest},
	{tree.ErrStatus, http.StatusBadRequest},
	{tree.ErrThreshold, http.StatusUnprocessableEntity},
	{tree.ErrRollup, http.StatusUnprocessableEntity},
	{tree.ErrBadChange, http.StatusConflict},
	{beans.ErrMalformedName, http.StatusBadRequest},
	{beans.ErrPatternName, http.StatusBadRequest},
	{beans.ErrNotFound, http.StatusNotFound},
	{beans.ErrAttributeNotFound, http.StatusNotFound},
	{beans.ErrOperationNotFound, http.StatusNotFound},
	{beans.ErrListenerNotFound, http.StatusNotFound},
	{beans.ErrExists, http.StatusConflict},
	{beans.ErrReadOnly, http.StatusConflict},
	{beans.ErrRefused, http.StatusConflict},
	{beans.ErrNoNotifications, http.StatusConflict},
	{beans.ErrInvalidValue, http.StatusUnprocessableEntity},
	{context.DeadlineExceeded, http.StatusServiceUnavailable},
	{context.Canceled, http.StatusServiceUnavailable},
}

// Problem turns an error into the answer of a REST operation. An error that is an
// answer already stays as it is. What the table does not know is the server's own
// fault: the client is told only that, since the text may say more than is his.
func Problem(err error) error {
	var known huma.StatusError
	if err == nil || errors.As(err, &known) {
		return err
	}
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return huma.NewError(http.StatusRequestEntityTooLarge, err.Error())
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return huma.NewError(a.status, err.Error())
		}
	}
	return &internalError{ErrorModel: huma.ErrorModel{
		Status: http.StatusInternalServerError,
		Title:  http.StatusText(http.StatusInternalServerError),
		Detail: internalDetail,
	}, cause: err}
}

const internalDetail = "the server made a mistake; its log says more"

// internalError keeps the cause for the log.
type internalError struct {
	huma.ErrorModel
	cause error
}

// Unwrap returns what the client is not told.
func (e *internalError) Unwrap() error { return e.cause }

// WriteProblem answers a request with an error outside of the REST operations, in
// the same shape as theirs.
func WriteProblem(w http.ResponseWriter, _ *http.Request, status int, detail string) {
	body, err := json.Marshal(&huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
	if err != nil {
		body = []byte(`{"status":500}`) // Cannot be: the model always has a form.
	}
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Encoding")
	h.Del("Content-Length")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// hideCauses is a transformer of huma's: answers of status 500 that did not come
// through Problem lose what they say of the cause, and it is logged instead.
func (s *Server) hideCauses(ctx huma.Context, status string, v any) (any, error) {
	var cause any
	switch e := v.(type) {
	case *internalError:
		cause, v = e.cause, &e.ErrorModel
	case *huma.ErrorModel:
		if e.Status != http.StatusInternalServerError || e.Detail == internalDetail {
			hideSecrets(e.Errors)
			return v, nil
		}
		cause = errors.Join(errors.New(e.Detail), joinDetails(e.Errors))
		v = &huma.ErrorModel{Status: e.Status, Title: e.Title, Detail: internalDetail}
	default:
		return v, nil
	}
	s.log.Error("a request failed", "operation", ctx.Operation().OperationID, "status", status, "cause", cause)
	return v, nil
}

// hideSecrets takes from what is wrong with a body what may be a secret: passwords, and
// objects, which may have one under whatever name.
func hideSecrets(details []*huma.ErrorDetail) {
	for _, d := range details {
		if !strings.HasPrefix(d.Location, "body") {
			continue
		}
		name := d.Location[strings.LastIndexByte(d.Location, '.')+1:]
		if name == "password" || name == "current" || name == "body" {
			d.Value = nil // Of whatever kind: a password of digits may come as a number.
			continue
		}
		switch d.Value.(type) {
		case nil, bool, float64, json.Number, string:
		default:
			d.Value = nil
		}
	}
}

func joinDetails(details []*huma.ErrorDetail) error {
	var errs []error
	for _, d := range details {
		errs = append(errs, d)
	}
	return errors.Join(errs...)
}
