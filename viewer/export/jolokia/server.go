package jolokia

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"grove/beans"
	"grove/tree/grant"
	"grove/viewer/export/jolokia/history"
	"grove/viewer/export/jolokia/notification"
	"grove/viewer/export/jolokia/policy"
	"grove/viewer/export/jolokia/request"
	"grove/viewer/export/jolokia/value"
)

// Protocol is the version of the protocol that is spoken.
const Protocol = "8.2"

// Bounds of the agent.
const (
	MaxBody        = 1 << 20  // bytes
	DefaultAnswer  = 32 << 20 // bytes, of a bulk as a whole
	MaxHeavy       = 4        // requests over many beans at once
	MaxEffects     = 1000     // beans of which one exec runs an operation
	DefaultTimeout = time.Minute
)

// Options are the surroundings of a Server.
type Options struct {
	Beans *beans.Server
	// Guard says who sees and does what with the beans of nodes; who asks stands in the
	// context of a request.
	Guard   *grant.Guard
	Prefix  string // of the addresses, "/jolokia" if empty
	Version string // of grove
	ID      string // of the agent, which names its beans; "grove" if empty
	URL     string // under which clients reach the agent, if it is known
	Secured bool   // whether clients must say who they are
	// Policy says what clients may change; nil is nothing.
	Policy *policy.Policy
	// Audit is told of each write and exec before it is done; its error keeps it from
	// being done. What it returns is told how it ended, nil is well. It may be nil only
	// if the policy allows nothing.
	Audit func(context.Context, Act) (done func(error), err error)
	// Origins lists the origins, "https://hawtio.example", whose pages may ask besides
	// the agent's own.
	Origins []string
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
	// Own receives the agent's metrics, which [MetricHelp] explains; nil is a set that
	// nobody reads.
	Own *metrics.Set
	// MaxAnswer bounds an answer, in bytes; zero stands for DefaultAnswer.
	MaxAnswer int
	// Timeout bounds how long one answer may take; zero stands for DefaultTimeout.
	Timeout time.Duration
	// Expire is how long a client of notifications may be silent, KeepAlive how often an
	// idle stream sends a comment; zero stands for notification.DefaultExpire and 10 s.
	Expire, KeepAlive time.Duration
	// Now tells the time of answers; nil is time.Now.
	Now func() time.Time
}

// Act is a change that a client asked for and that the policy allows.
type Act struct {
	Time   time.Time
	Remote string // address of the client
	Action policy.Action
	Bean   beans.Name
	Member string // attribute or operation
	Detail string // the value or the arguments as JSON, at most 1,000 bytes of it
}

// Server is an [http.Handler] that serves all below Options.Prefix.
type Server struct {
	opts    Options
	clients *notification.Clients
	history *history.Store
	store   beans.Name    // of the notification store
	heavy   chan struct{} // has an element for each heavy request that runs
	changed atomic.Int64  // seconds since 1970 when a bean came or went last
	counts  *counts
	servers sync.Map // *http.Server whose shutdown ends the streams
	undo    []func()
	closing sync.Once
}

// New returns a Server and registers its beans; Close it.
func New(o Options) (*Server, error) {
	if o.Beans == nil {
		return nil, errors.New("jolokia: there is no bean server")
	}
	if o.Guard == nil {
		return nil, errors.New("jolokia: nobody says who sees what")
	}
	if o.Audit == nil && !o.Policy.Empty() {
		return nil, errors.New("jolokia: the policy allows changes, so there must be an audit")
	}
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&o.Prefix, "/jolokia")
	def(&o.ID, "grove")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = DefaultAnswer
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = 10 * time.Second
	}
	s := &Server{opts: o, history: history.New(), heavy: make(chan struct{}, MaxHeavy)}
	s.counts = newCounts(s, o.Own)
	s.clients = notification.New(notification.Options{Beans: o.Beans, Expire: o.Expire, Dropped: s.counts.dropped.Inc})
	s.undo = append(s.undo, s.clients.Close)
	if err := s.register(); err != nil {
		s.Close()
		return nil, fmt.Errorf("jolokia: %w", err)
	}
	s.changed.Store(o.Now().Unix())
	return s, nil
}

// Close ends all streams and takes the agent's beans away. Requests that are under way
// are the HTTP server's to wait for. It may be called more than once.
func (s *Server) Close() {
	s.closing.Do(func() {
		for _, undo := range s.undo {
			undo()
		}
	})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
	if !s.checkOrigin(w, r) {
		return
	}
	switch r.Method {
	case http.MethodGet:
		s.get(w, r)
	case http.MethodPost:
		s.post(w, r)
	case http.MethodOptions:
		s.preflight(w, r)
	default:
		h.Set("Allow", "GET, POST, OPTIONS")
		s.refuse(w, http.StatusBadRequest, "HTTP Method "+r.Method+" is not supported.")
	}
}

// get serves one request that stands in the path, or a stream.
func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, "The query cannot be read")
		return
	}
	one, err := request.FromGet(strings.TrimPrefix(r.URL.Path, s.opts.Prefix), query)
	if err != nil {
		s.misread(w, err)
		return
	}
	if one.Type == request.Notification && one.Command.Name == "open" {
		s.stream(w, r, one)
		return
	}
	s.serve(w, r, []*request.Request{one}, false, one.Params.PlainText)
}

// post serves the requests of a body.
func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, "The query cannot be read")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			s.refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("The body has more than the bound of %d bytes", large.Limit))
			return
		}
		s.refuse(w, http.StatusBadRequest, "The body cannot be read")
		return
	}
	all, bulk, err := request.FromPost(body, query)
	if err != nil {
		s.misread(w, err)
		return
	}
	plain, _ := request.ParamsOf(query) // it was read without an error before
	s.serve(w, r, all, bulk, plain.PlainText)
}

// serve answers requests in their order.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, all []*request.Request, bulk, plainText bool) {
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.Timeout)
	defer cancel()
	c := &call{Context: ctx, sight: s.sightOf(ctx), remote: r.RemoteAddr, budget: &value.Budget{Bytes: s.opts.MaxAnswer}}
	answers := make([]any, len(all))
	for i, one := range all {
		answer, err := s.answer(c, one)
		var malformed *request.BadRequest
		switch {
		case err == nil:
		case !bulk && errors.As(err, &malformed):
			s.counts.done(one.Type, outcomeMalformed)
			s.refuse(w, http.StatusBadRequest, malformed.Text)
			return
		default:
			answer = s.failed(one, err)
		}
		answers[i] = answer
	}
	var body []byte
	if bulk {
		body = value.Append(body, answers)
	} else {
		body = value.Append(body, answers[0])
	}
	s.write(w, body, plainText)
}

func (s *Server) write(w http.ResponseWriter, body []byte, plainText bool) {
	kind := "application/json; charset=utf-8"
	if plainText {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body) // the client has gone if it fails
}

// misread answers what could not be read.
func (s *Server) misread(w http.ResponseWriter, err error) {
	var malformed *request.BadRequest
	if errors.As(err, &malformed) {
		s.counts.done("none", outcomeMalformed)
		s.refuse(w, http.StatusBadRequest, malformed.Text)
		return
	}
	s.write(w, value.Append(nil, s.failed(nil, err)), false)
}

// refuse answers as the protocol's own agent does to what is no request.
func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// Text, never a page: whatever was asked may stand in it.
	_, _ = fmt.Fprintf(w, "%d (%s)\n\n%s\n", status, http.StatusText(status), text)
}

// checkOrigin keeps out pages of other origins than those allowed, and tells browsers
// of these that they may read the answer.
func (s *Server) checkOrigin(w http.ResponseWriter, r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	w.Header().Add("Vary", "Origin")
	origin := origins[0]
	if len(origins) > 1 || !s.knowsOrigin(r, origin) {
		s.refuse(w, http.StatusForbidden, "A page of this origin may not call this agent")
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if s.opts.Secured {
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
	return true
}

func (s *Server) knowsOrigin(r *http.Request, origin string) bool {
	if slices.Contains(s.opts.Origins, origin) {
		return true
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == scheme && strings.EqualFold(u.Host, r.Host) && u.User == nil && u.Path == "" && u.RawQuery == "" && u.Fragment == ""
}

// preflight answers what browsers ask before a request across origins, which
// checkOrigin has allowed.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		s.refuse(w, http.StatusBadRequest, "HTTP Method OPTIONS is supported only for CORS preflight requests.")
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}
