package sapcontrol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
	"grove/viewer/export/sapcontrol/soap"
)

// The defaults of Options.
const (
	DefaultElements   = 100_000
	DefaultConcurrent = 8
)

// Options are the surroundings of a Service.
type Options struct {
	// Elements are the tree as CCMS shows it, with its alerts.
	Elements *ccms.Exporter
	// Instance is the instance number, 0 to 99.
	Instance int
	// Hostname is the name of this machine; the system's when empty.
	Hostname string
	Version  string // of grove
	Built    time.Time
	// Access tells where the service can be reached; nil tells nothing.
	Access func() []Access
	// MaxElements bounds the elements in an answer; zero is DefaultElements.
	MaxElements int
	// Concurrent bounds the requests that are answered at once: each holds its whole
	// answer in memory. Zero is DefaultConcurrent.
	Concurrent int
	// Location is the zone of all times, which the protocol does not tell; nil is the
	// machine's, as with a SAP system.
	Location *time.Location
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Access is one place where a service can be reached.
type Access struct {
	Address  string // "127.0.0.1", or the path of a socket
	Port     int    // 0 for a socket
	Protocol string // "HTTP"
}

// Service is the handler of the web service. It answers at every path that it is mounted
// at.
type Service struct {
	opts      Options
	functions map[string]*soap.Function
	served    []string // names, in the order of the WSDL
	refused   []string
	slots     chan struct{}
	since     time.Time
}

// New returns a Service.
func New(o Options) (*Service, error) {
	switch {
	case o.Elements == nil:
		return nil, errors.New("sapcontrol: no monitoring tree")
	case o.Instance < 0 || o.Instance > 99:
		return nil, fmt.Errorf("sapcontrol: instance number %d is outside 0..99", o.Instance)
	case o.MaxElements < 0 || o.Concurrent < 0:
		return nil, errors.New("sapcontrol: a bound is negative")
	}
	o.MaxElements, o.Concurrent = cmp.Or(o.MaxElements, DefaultElements), cmp.Or(o.Concurrent, DefaultConcurrent)
	if o.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("sapcontrol: %w", err)
		}
		o.Hostname = name
	}
	if o.Access == nil {
		o.Access = func() []Access { return nil }
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{opts: o, functions: map[string]*soap.Function{}, slots: make(chan struct{}, o.Concurrent), since: o.Now()}
	for _, f := range soap.Functions {
		s.functions[f.Name] = f
		if f.Refused {
			s.refused = append(s.refused, f.Name)
		} else {
			s.served = append(s.served, f.Name)
		}
	}
	return s, nil
}

// contentType is that of SOAP 1.1 over HTTP: section 6.
const contentType = "text/xml; charset=utf-8"

// ServeHTTP answers a request, and a GET for ?wsdl with the WSDL.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Header.Get("Origin") != "":
		http.Error(w, "requests of web pages are not answered", http.StatusForbidden)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.serveWSDL(w, r)
	case r.Method != http.MethodPost:
		h.Set("Allow", "GET, POST")
		http.Error(w, "a request is a POST of a SOAP message; GET ?wsdl describes it", http.StatusMethodNotAllowed)
	case !isXML(r.Header.Get("Content-Type")):
		http.Error(w, "a SOAP message is of the type text/xml", http.StatusUnsupportedMediaType)
	default:
		s.serveSOAP(w, r)
	}
}

func isXML(header string) bool {
	kind, _, err := mime.ParseMediaType(header)
	return err == nil && (kind == "text/xml" || kind == "application/xml")
}

func (s *Service) serveWSDL(w http.ResponseWriter, r *http.Request) {
	key, _, _ := strings.Cut(r.URL.RawQuery, "=")
	if !strings.EqualFold(key, "wsdl") {
		http.Error(w, "the web service SAPControl: ?wsdl describes it, a POST of a SOAP message asks it", http.StatusNotFound)
		return
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	write(w, http.StatusOK, soap.WSDL(scheme+"://"+r.Host+r.URL.EscapedPath()))
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // Nothing is left to do for a client that went.
}

func (s *Service) serveSOAP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		write(w, http.StatusServiceUnavailable, (&soap.Fault{Code: "Server", Text: fmt.Sprintf("%d requests are under way, which is the bound", cap(s.slots))}).Message())
		return
	}
	body, err := s.answer(http.MaxBytesReader(w, r.Body, soap.MaxBody), r)
	if err != nil {
		write(w, http.StatusInternalServerError, s.explain(err).Message()) // 500 for every fault: SOAP 1.1, section 6.2
		return
	}
	write(w, http.StatusOK, body)
}

// explain makes a fault of an error.
func (s *Service) explain(err error) *soap.Fault {
	var f *soap.Fault
	var many *ccms.TooManyError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &many):
		return soap.ClientFault("%v, with the path in the URL, such as /?path=/shop", err)
	case errors.Is(err, tree.ErrNoNode), errors.Is(err, tree.ErrPath), errors.Is(err, ccms.ErrNoElement), errors.Is(err, grant.ErrDenied):
		return soap.ClientFault("%v", err)
	}
	s.opts.Log.Error("a request of SAPControl failed", "error", err)
	return &soap.Fault{Code: "Server", Text: "the server made a mistake; its log says more"}
}

// call is one request while it is answered.
type call struct {
	ctx context.Context // of the HTTP request; it says who asks
	*Service
	*soap.Request
	*soap.Answer
	below tree.Path // what the URL's path parameter selects
}

func (s *Service) answer(body io.Reader, r *http.Request) ([]byte, error) {
	below, err := tree.ParsePath(r.URL.Query().Get("path"))
	if err != nil {
		return nil, err
	}
	req, err := soap.Read(body)
	if err != nil {
		return nil, err
	}
	f := s.functions[req.Function]
	switch {
	case f == nil:
		return nil, soap.ClientFault("Method '%s' not implemented: method name or namespace not recognized", soap.Clip(req.Function))
	case f.Refused:
		return nil, refusal(f)
	}
	c := &call{ctx: r.Context(), Service: s, Request: req, Answer: soap.NewAnswer(f), below: below}
	if err := answers[f.Name](c); err != nil {
		return nil, err
	}
	return c.Message(), nil
}

// refusal says that a function has an effect which grove does not have.
func refusal(f *soap.Function) error {
	return soap.ClientFault("%s: permission denied: grove watches and does not control", f.Name)
}

// timeFormat is that of all times: "2026 03 01 12:05:09".
const timeFormat = "2006 01 02 15:04:05"

// stamp writes a time, and nothing for none.
func (s *Service) stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(s.opts.Location).Format(timeFormat)
}

// elapsed writes a duration as "H:MM:SS".
func elapsed(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
