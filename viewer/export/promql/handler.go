package promql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/history/promql"
)

// Prefix is where the handler is mounted; paths without it are taken, too.
const Prefix = "/prometheus"

// MaxFormBytes bounds the body of a POST, and of a query string.
const MaxFormBytes = 256 << 10

// maxPaths bounds the subtrees of one question.
const maxPaths = 100

// Engine answers the questions; [promql.Engine] is one. Who asks stands in the context of
// the request: the engine leaves out what is hidden from him.
type Engine interface {
	Instant(ctx context.Context, q promql.Query, at time.Time) (*promql.Result, error)
	Range(ctx context.Context, q promql.Query, from, to time.Time, step time.Duration) (*promql.Result, error)
	Series(ctx context.Context, f promql.Find) ([]promql.Labels, []string, error)
	LabelNames(ctx context.Context, f promql.Find) ([]string, []string, error)
	LabelValues(ctx context.Context, name string, f promql.Find) ([]string, []string, error)
	Metadata(ctx context.Context, metric string, limit, perMetric int) map[string][]promql.Metadata
	Format(query string) (string, error)
	Check(query string) error
	Now() time.Time
}

// Options are the surroundings of the handler.
type Options struct {
	Engine Engine
	// Revision says which grove this is; what is given as the version is that of the
	// PromQL, since readers choose by it what they may ask.
	Revision string
	// Ready says why there are no answers yet; nil is always ready.
	Ready func() error
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// New returns the handler.
func New(o Options) (http.Handler, error) {
	if o.Engine == nil {
		return nil, errors.New("promql: no engine")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{opts: o}
	post := []string{http.MethodGet, http.MethodPost}
	get := []string{http.MethodGet}
	h.routes = map[string]route{
		"query":            {post, h.query},
		"query_range":      {post, h.queryRange},
		"query_exemplars":  {post, h.exemplars},
		"format_query":     {post, h.format},
		"series":           {post, h.series},
		"labels":           {post, h.labels},
		"label":            {get, h.values},
		"metadata":         {get, h.metadata},
		"status/buildinfo": {get, h.buildInfo},
		"rules":            {get, empty(`{"groups":[]}`)},
		"alerts":           {get, empty(`{"alerts":[]}`)},
	}
	return h, nil
}

type handler struct {
	opts   Options
	routes map[string]route
}

// route is one operation.
type route struct {
	methods []string
	// answer returns what writes the field data, and the warnings and infos beside it.
	answer func(*request) (*answer, error)
}

// request is a question whose form was read.
type request struct {
	*http.Request
	form
	scope promql.Scope
	label string // of label/<name>/values
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, Prefix)
	switch path {
	case "/-/healthy":
		plain(w, http.StatusOK, "grove is healthy.\n")
		return
	case "/-/ready":
		h.ready(w)
		return
	}
	name, label := strings.TrimPrefix(path, "/api/v1/"), ""
	if rest, ok := strings.CutPrefix(name, "label/"); ok {
		if l, ok := strings.CutSuffix(rest, "/values"); ok {
			name, label = "label", l
		}
	} else if name == "label" {
		name = ""
	}
	found, ok := h.routes[name]
	if !ok || !strings.HasPrefix(path, "/api/v1/") {
		writeError(w, http.StatusNotFound, "not_found", "there is nothing at this address of the Prometheus interface")
		return
	}
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", strings.Join(found.methods, ", "))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if !slices.Contains(found.methods, r.Method) && r.Method != http.MethodHead {
		w.Header().Set("Allow", strings.Join(found.methods, ", "))
		writeError(w, http.StatusMethodNotAllowed, "bad_data", fmt.Sprintf("%.20s is not served here, only %s", r.Method, strings.Join(found.methods, ", ")))
		return
	}
	asked, err := h.read(w, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	asked.label = label
	a, err := found.answer(asked)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	a.send(w, r)
}

func (h *handler) ready(w http.ResponseWriter) {
	if h.opts.Ready != nil {
		if err := h.opts.Ready(); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
	}
	plain(w, http.StatusOK, "grove is ready.\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // Nothing is left to do for a reader that went.
}

// read reads the form and which subtrees it is about.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (*request, error) {
	if len(r.URL.RawQuery) > MaxFormBytes {
		return nil, bad("the query string has %d bytes, and %d is the bound", len(r.URL.RawQuery), MaxFormBytes)
	}
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, MaxFormBytes)
	}
	if err := r.ParseForm(); err != nil {
		return nil, &promql.Error{Kind: promql.BadData, Err: fmt.Errorf("error parsing form values: %w", err)}
	}
	asked := &request{Request: r, form: form(r.Form)}
	texts := asked.form["path"]
	if len(texts) > maxPaths {
		return nil, bad("%d paths, and %d is the bound", len(texts), maxPaths)
	}
	if len(texts) == 0 {
		return asked, nil
	}
	asked.scope = make(promql.Scope, 0, len(texts))
	for _, text := range texts {
		p, err := tree.ParsePath(text)
		if err != nil {
			return nil, parameter("path", err)
		}
		asked.scope = append(asked.scope, p)
	}
	return asked, nil
}

// fail answers with an error.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var long *http.MaxBytesError
	var e *promql.Error
	switch {
	case errors.As(err, &long):
		writeError(w, http.StatusRequestEntityTooLarge, string(promql.BadData), fmt.Sprintf("the form has more than %d bytes, which is the bound", long.Limit))
		return
	case !errors.As(err, &e):
		h.opts.Log.Error("a question to the Prometheus interface failed", "path", r.URL.Path, "error", err)
		writeError(w, http.StatusInternalServerError, string(promql.Internal), "the server made a mistake; its log says more")
		return
	}
	status := http.StatusInternalServerError
	switch e.Kind {
	case promql.BadData:
		status = http.StatusBadRequest
	case promql.Execution:
		status = http.StatusUnprocessableEntity
	case promql.Canceled, promql.Timeout:
		status = http.StatusServiceUnavailable
	case promql.Unavailable:
		w.Header().Set("Retry-After", "5")
		status = http.StatusServiceUnavailable
	}
	writeError(w, status, string(e.Kind), err.Error())
}

func empty(data string) func(*request) (*answer, error) {
	return func(*request) (*answer, error) {
		return &answer{data: func(e *encoder) { e.raw(data) }}, nil
	}
}

func (h *handler) buildInfo(*request) (*answer, error) {
	return &answer{data: func(e *encoder) {
		e.object(
			"version", promql.Version, "revision", h.opts.Revision, "branch", "", "buildUser", "grove",
			"buildDate", "", "goVersion", runtime.Version(),
		)
	}}, nil
}
