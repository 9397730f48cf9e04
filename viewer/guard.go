package viewer

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// securityHeaders go with every answer (CSP level 3; Fetch; HTML, COOP).
var securityHeaders = [][2]string{
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "same-origin"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"X-Frame-Options", "DENY"},
}

// defaultPolicy is the Content-Security-Policy unless the page brings its own.
const defaultPolicy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard stands before every route: headers, a panic's answer, the host that was
// asked for, and requests that another site's page makes.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteProblem(w, r, http.StatusForbidden, "a page of another site may not do this here")
	}))
	if s.opts.Access != nil {
		next = s.opts.Access(noted(next))
	}
	next = cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range securityHeaders {
			w.Header().Set(h[0], h[1])
		}
		w.Header().Set("Content-Security-Policy", s.opts.ContentSecurityPolicy)
		t := &tracked{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), trackedKey{}, t))
		t.request = r
		begin := time.Now()
		// The mux leaves its pattern in the request. A websocket is counted when it
		// begins; how long it lasts is nobody's waiting.
		t.done = sync.OnceFunc(func() { s.requests.done(t.request.Pattern, r.Method, t.code(), time.Since(begin)) })
		defer t.done()
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause)
			default:
				s.log.Error("a request panicked", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
				if t.status != 0 {
					panic(http.ErrAbortHandler) // Cuts the connection: the answer is not whole.
				}
				WriteProblem(t, r, http.StatusInternalServerError, internalDetail)
			}
		}()
		if !s.knowsHost(r) {
			WriteProblem(t, r, http.StatusMisdirectedRequest,
				"this server is not known by that host name; ask for it as localhost, or add the name to its configured hosts")
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(t, r.Body, MaxBodyBytes)
		}
		next.ServeHTTP(t, r)
	})
}

// knowsHost keeps out pages that made a name of theirs point at this machine (DNS
// rebinding): to the browser they are of the same origin as the server, but they
// still ask for it by their name.
func (s *Server) knowsHost(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if isLoopbackName(host) || slices.ContainsFunc(s.opts.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	here, err := netip.ParseAddrPort(local.String())
	return err == nil && here.Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
}

// noted keeps in mind the request that reaches the mux: what stands before it may have
// made another one of it.
func noted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t, ok := r.Context().Value(trackedKey{}).(*tracked); ok {
			t.request = r
		}
		next.ServeHTTP(w, r)
	})
}

type trackedKey struct{}

// tracked knows the status of an answer, if it has begun.
type tracked struct {
	http.ResponseWriter
	request *http.Request // that the mux has, or will have
	status  int           // 0: the answer has not begun
	done    func()        // counts the request, once
}

// code is the status that the client got.
func (t *tracked) code() int {
	if t.status == 0 {
		return http.StatusOK // as net/http does for a handler that wrote nothing
	}
	return t.status
}

// WriteHeader implements http.ResponseWriter.
func (t *tracked) WriteHeader(status int) {
	if t.status == 0 && status >= http.StatusOK {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (t *tracked) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	return t.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Hijack implements http.Hijacker, which websockets ask for by name.
func (t *tracked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err == nil {
		t.status = http.StatusSwitchingProtocols
		t.done()
	}
	return c, rw, err
}
