package viewer

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// mux is an http.ServeMux that remembers its patterns and answers what it does not
// have in the shape of all errors.
type mux struct {
	http.ServeMux
	patterns []string
	mounts   []Mount
}

// Mount registers a handler for a prefix.
func (m *mux) Mount(mount Mount) {
	m.patterns = append(m.patterns, mount.Prefix+"/")
	m.mounts = append(m.mounts, mount)
}

// Handle registers a handler for a pattern.
func (m *mux) Handle(pattern string, h http.Handler) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.Handle(pattern, h)
}

// HandleFunc registers an operation of the REST interface for a pattern; its answers
// are compressed. OpenAPI knows no parameter that spans slashes, so one named path at
// the end, which is that of a node, gets its dots here; without one it is the root.
func (m *mux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	above, spans := strings.CutSuffix(pattern, "/{path}")
	if !spans {
		m.Handle(pattern, compress(http.HandlerFunc(h)))
		return
	}
	m.Handle(above+"/{path...}", compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("path") == "" {
			r.SetPathValue("path", "/")
		}
		h(w, r)
	})))
}

// ServeHTTP implements http.Handler.
func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, mount := range m.mounts {
		if below, ok := strings.CutPrefix(r.URL.Path, mount.Prefix); ok && (below == "" || below[0] == '/') {
			r.Pattern = mount.Prefix + "/"
			mount.Handler.ServeHTTP(w, r)
			return
		}
	}
	if _, pattern := m.Handler(r); pattern != "" {
		m.ServeMux.ServeHTTP(w, r)
		return
	}
	// The mux says by status and headers what is wrong; only its body is replaced.
	c := &captured{header: http.Header{}}
	m.ServeMux.ServeHTTP(c, r)
	switch {
	case c.status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", c.header.Get("Allow"))
		WriteProblem(w, r, c.status, fmt.Sprintf("%.20s is not served here, only %s", r.Method, c.header.Get("Allow")))
	case c.status >= 300 && c.status < 400:
		w.Header().Set("Location", c.header.Get("Location"))
		WriteProblem(w, r, c.status, "the address has another form")
	case c.status == http.StatusBadRequest:
		WriteProblem(w, r, c.status, "the request is malformed")
	default:
		WriteProblem(w, r, http.StatusNotFound, "there is nothing at this address")
	}
}

type captured struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (c *captured) Header() http.Header { return c.header }

// Write implements http.ResponseWriter.
func (c *captured) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (c *captured) WriteHeader(status int) { c.status = status }

// handler puts all routes together.
func (s *Server) handler() (http.Handler, error) {
	m := &mux{}
	if err := s.api(m); err != nil {
		return nil, err
	}
	m.Handle("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") }))
	m.Handle("GET /readyz", http.HandlerFunc(s.ready))
	if s.opts.Metrics != nil {
		m.Handle("GET /metrics", s.opts.Metrics)
	}
	if s.opts.Live != nil {
		m.Handle("GET /api/v1/live", s.opts.Live)
	}
	for _, mount := range s.opts.Mounts {
		m.Mount(mount)
	}
	if s.opts.Page != nil {
		files, err := readPage(s.opts.Page)
		if err != nil {
			return nil, fmt.Errorf("viewer: read the page: %w", err)
		}
		for _, f := range files {
			s.requests.page["GET "+f.route] = true
			m.Handle("GET "+f.route, f)
		}
	}
	s.routes = slices.Sorted(slices.Values(m.patterns))
	return s.guard(m), nil
}

// ready answers 503 with the reason while the server is not ready.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.opts.Ready != nil {
		if err := s.opts.Ready(); err != nil {
			WriteProblem(w, r, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
	}
	writeText(w, "ready\n")
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text))
}
