// Package rest serves the monitoring tree of package ccms over HTTP, as JSON and as
// tables of comma-separated values.
package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/ccms/name"
)

// Bounds of the HTTP interface.
const (
	MaxElements     = 200_000 // of one answer
	defaultElements = 10_000
	MaxAlerts       = 10_000
	defaultAlerts   = 1_000
	maxBody         = 256 << 10 // bytes of a request to acknowledge
	MaxAcknowledged = 1_000     // alerts in one request
	maxComment      = 1_000     // bytes
	maxBy           = 100       // bytes
)

// prefix is where the handler answers; it is mounted at /ccms.
const prefix = "/ccms/v1"

// Elements are the monitoring tree with its alerts, as *ccms.Exporter has them. They are
// asked from many goroutines, for whoever the context says asks.
type Elements interface {
	// System is the system's name.
	System() string
	// Tree lists the elements at and below a path, down to so many levels (negative: all);
	// more of them than limit are a *ccms.TooManyError.
	Tree(ctx context.Context, p tree.Path, depth, limit int) ([]ccms.Row, error)
	// Element returns the element with a full name or TID, or at a path.
	Element(ctx context.Context, text string) (ccms.Element, error)
	// Alerts lists alerts; total is how many there are without the filter's limit.
	Alerts(context.Context, alert.Filter) (alerts []alert.Alert, total int, err error)
	// Dropped counts the alerts that fell out of the list.
	Dropped(context.Context) uint64
	// Acknowledge completes alerts, each by its AID.
	Acknowledge(ctx context.Context, aids []string, by, comment string) ([]alert.Result, error)
}

// Options are the surroundings of a Handler.
type Options struct {
	Elements Elements
	// Refuse answers a request that is not served; nil answers with plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Handler is the HTTP interface.
type Handler struct{ opts Options }

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if o.Elements == nil {
		return nil, errors.New("ccms: no monitoring tree")
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, detail string) { http.Error(w, detail, status) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{o}, nil
}

// ServeHTTP answers
//
//	GET  /ccms/v1/tree?path=/shop&depth=2&limit=1000&format=json|csv
//	GET  /ccms/v1/mte/<name>          full name, with its backslashes, or TID, escaped
//	GET  /ccms/v1/alerts?path=/shop&state=open|completed|all&value=yellow|red&limit=100&format=json|csv
//	POST /ccms/v1/alerts/acknowledge  {"AID": ["…"], "by": "…", "comment": "…"}
//
// Nothing else has an effect, and only the last one has.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	rest, ok := strings.CutPrefix(r.URL.Path, prefix)
	element, isElement := strings.CutPrefix(rest, "/mte/")
	var answer func(http.ResponseWriter, *http.Request) error
	method := http.MethodGet
	switch {
	case ok && rest == "/tree":
		answer = h.serveTree
	case ok && isElement && element != "":
		answer = func(w http.ResponseWriter, r *http.Request) error { return h.serveElement(w, r, element) }
	case ok && rest == "/alerts":
		answer = h.serveAlerts
	case ok && rest == "/alerts/acknowledge":
		answer, method = h.serveAcknowledge, http.MethodPost
	default:
		h.opts.Refuse(w, r, http.StatusNotFound, "there is tree, mte/<name>, alerts and alerts/acknowledge below "+prefix)
		return
	}
	if r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
		w.Header().Set("Allow", method)
		h.opts.Refuse(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%.20s is not served here, only %s", r.Method, method))
		return
	}
	if err := answer(w, r); err != nil {
		status, detail := explain(err)
		if status == http.StatusInternalServerError {
			h.opts.Log.Error("a question for the monitoring tree failed", "error", err)
		}
		h.opts.Refuse(w, r, status, detail)
	}
}

// requestError is a mistake of the client's.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// explain says how an error is answered.
func explain(err error) (status int, detail string) {
	var bad *requestError
	var many *ccms.TooManyError
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &bad):
		return bad.status, bad.text
	case errors.As(err, &many):
		return http.StatusUnprocessableEntity, err.Error() + " with path or depth, or raise limit"
	case errors.As(err, &long):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", long.Limit)
	case errors.Is(err, tree.ErrNoNode), errors.Is(err, ccms.ErrNoElement):
		return http.StatusNotFound, err.Error()
	case errors.Is(err, grant.ErrDenied):
		return http.StatusForbidden, err.Error()
	case errors.Is(err, grant.ErrBusy):
		return http.StatusServiceUnavailable, err.Error()
	case errors.Is(err, tree.ErrPath):
		return http.StatusBadRequest, err.Error()
	}
	return http.StatusInternalServerError, "the monitoring tree could not be read; the server's log says why"
}

// whole reads a whole number among the parameters.
func whole(r *http.Request, key string, standard, low, high int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, badRequest("%s: %q is no whole number from %d to %d", key, name.Clip(text, 40), low, high)
	}
	return n, nil
}

// isCSV says in which form an answer is wanted.
func isCSV(r *http.Request) (bool, error) {
	switch f := r.URL.Query().Get("format"); f {
	case "", "json":
		return false, nil
	case "csv":
		return true, nil
	default:
		return false, badRequest("format: %q is neither json nor csv", name.Clip(f, 40))
	}
}

func (h *Handler) serveTree(w http.ResponseWriter, r *http.Request) error {
	p, err := tree.ParsePath(r.URL.Query().Get("path"))
	if err != nil {
		return err
	}
	depth, err := whole(r, "depth", -1, 0, tree.MaxDepth)
	if err != nil {
		return err
	}
	limit, err := whole(r, "limit", defaultElements, 1, MaxElements)
	if err != nil {
		return err
	}
	asCSV, err := isCSV(r)
	if err != nil {
		return err
	}
	rows, err := h.opts.Elements.Tree(r.Context(), p, depth, limit)
	if err != nil {
		return err
	}
	if asCSV {
		return writeCSV(w, treeHeader, len(rows), func(i int) []string { return treeLine(&rows[i]) })
	}
	return writeJSON(w, struct {
		System   string     `json:"system"`
		Elements []ccms.Row `json:"elements"`
	}{h.opts.Elements.System(), rows})
}

func (h *Handler) serveElement(w http.ResponseWriter, r *http.Request, name string) error {
	el, err := h.opts.Elements.Element(r.Context(), name)
	if err != nil {
		return err
	}
	return writeJSON(w, el)
}

func (h *Handler) serveAlerts(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p, err := tree.ParsePath(q.Get("path"))
	if err != nil {
		return err
	}
	f := alert.Filter{Below: p, State: alert.Open}
	switch state := q.Get("state"); state {
	case "", string(alert.Open):
	case string(alert.Completed):
		f.State = alert.Completed
	case "all":
		f.State = ""
	default:
		return badRequest("state: %q is neither open nor completed nor all", name.Clip(state, 40))
	}
	switch value := q.Get("value"); value {
	case "":
	case "yellow":
		f.Value = tree.Yellow
	case "red":
		f.Value = tree.Red
	default:
		return badRequest("value: %q is neither yellow nor red", name.Clip(value, 40))
	}
	if f.Limit, err = whole(r, "limit", defaultAlerts, 1, MaxAlerts); err != nil {
		return err
	}
	asCSV, err := isCSV(r)
	if err != nil {
		return err
	}
	alerts, total, err := h.opts.Elements.Alerts(r.Context(), f)
	if err != nil {
		return err
	}
	if asCSV {
		return writeCSV(w, alertHeader, len(alerts), func(i int) []string { return alertLine(&alerts[i]) })
	}
	if alerts == nil {
		alerts = []alert.Alert{}
	}
	return writeJSON(w, struct {
		System  string        `json:"system"`
		Total   int           `json:"total"`   // without the limit
		Dropped uint64        `json:"dropped"` // that fell out of the list since the start
		Alerts  []alert.Alert `json:"alerts"`
	}{h.opts.Elements.System(), total, h.opts.Elements.Dropped(r.Context()), alerts})
}

func (h *Handler) serveAcknowledge(w http.ResponseWriter, r *http.Request) error {
	// A page of another site cannot send this type without asking first.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &requestError{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	var body struct {
		AID     []string `json:"AID"`
		By      string   `json:"by"`
		Comment string   `json:"comment"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return err
		}
		return badRequest(`the body is not {"AID": ["…"], "by": "…", "comment": "…"}: %v`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("something follows the body")
	}
	switch {
	case len(body.AID) == 0:
		return badRequest("AID: there is none")
	case len(body.AID) > MaxAcknowledged:
		return badRequest("AID: %d are more than the bound of %d", len(body.AID), MaxAcknowledged)
	case len(body.By) > maxBy || len(body.Comment) > maxComment:
		return badRequest("by has at most %d bytes and comment at most %d", maxBy, maxComment)
	case strings.ContainsFunc(body.By+body.Comment, isControl):
		return badRequest("by and comment have no control characters")
	}
	results, err := h.opts.Elements.Acknowledge(r.Context(), body.AID, body.By, body.Comment)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Results []alert.Result `json:"results"`
	}{results})
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError }

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	_, _ = w.Write(append(body, '\n')) // Nothing is left to do for a client that went.
	return nil
}
