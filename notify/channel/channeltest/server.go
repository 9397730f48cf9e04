package channeltest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Request is a request as it came.
type Request struct {
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Answer is what the server does with a request.
type Answer struct {
	Status int // zero: 200
	Header http.Header
	Body   string
	// Silent gives no answer at all, Reset breaks the connection off.
	Silent, Reset bool
}

// Server is an HTTP server that keeps what it is asked and answers as it is told. It is no
// counterpart of anything that exists: tests that need it say so in their names.
type Server struct {
	URL    string
	server *httptest.Server
	ended  chan struct{}

	mu       sync.Mutex
	requests []Request
	answer   func(Request) Answer
}

// NewServer starts a server until the test ends. answer may be nil: everything is well.
func NewServer(t *testing.T, answer func(Request) Answer) *Server {
	t.Helper()
	s := &Server{ended: make(chan struct{}), answer: answer}
	s.server = httptest.NewServer(s)
	s.URL = s.server.URL
	t.Cleanup(func() { close(s.ended); s.server.Close() })
	return s
}

// Answer has the server answer so from now on.
func (s *Server) Answer(answer func(Request) Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return
	}
	asked := Request{r.Method, r.URL.Path, r.URL.Query(), r.Header.Clone(), body}
	s.mu.Lock()
	s.requests = append(s.requests, asked)
	answer := s.answer
	s.mu.Unlock()
	var a Answer
	if answer != nil {
		a = answer(asked)
	}
	switch {
	case a.Silent:
		select {
		case <-r.Context().Done():
		case <-s.ended:
		}
		return
	case a.Reset:
		if h, ok := w.(http.Hijacker); ok {
			if conn, _, err := h.Hijack(); err == nil {
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
				_ = conn.Close()
			}
		}
		return
	}
	for k, v := range a.Header {
		w.Header()[k] = v
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

// Moody returns what a server in a mood answers; when it is Well, what well says.
func Moody(m Mood, well func(Request) Answer) func(Request) Answer {
	return func(r Request) Answer {
		switch m {
		case Silent:
			return Answer{Silent: true}
		case Reset:
			return Answer{Reset: true}
		case Broken:
			return Answer{Status: http.StatusInternalServerError, Body: "out of order\x1b[31m: " + r.Header.Get("Authorization")}
		case Busy:
			return Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {strconv.Itoa(int(Pause / time.Second))}}}
		case Refusing:
			return Answer{Status: http.StatusBadRequest, Body: "no such thing\r\nSet-Cookie: a=b " + r.Header.Get("Authorization")}
		case Well:
		}
		if well == nil {
			return Answer{}
		}
		return well(r)
	}
}

// HTTP makes a Subject.Start of kinds that speak HTTP. options returns options that reach
// the server at an address; read makes a Delivery of a request, or says that it is none;
// well is what the server answers when it is Well, nil: 200 and nothing.
func HTTP(options func(url string) any, read func(Request) (Delivery, bool), well func(Request) Answer) func(*testing.T, Mood) *Counterpart {
	return func(t *testing.T, m Mood) *Counterpart {
		s := NewServer(t, Moody(m, well))
		return &Counterpart{options(s.URL), func() []Delivery {
			var all []Delivery
			for _, r := range s.Requests() {
				if d, ok := read(r); ok {
					if d.Size == 0 {
						d.Size = len(r.Body)
					}
					if d.Head == "" {
						d.Head = head(r.Header)
					}
					all = append(all, d)
				}
			}
			return all
		}}
	}
}

func head(h http.Header) string {
	text := ""
	for k, values := range h {
		for _, v := range values {
			text += k + ": " + v + "\n"
		}
	}
	return text
}
