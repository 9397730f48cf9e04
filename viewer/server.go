package viewer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
)

// Bounds of the server.
const (
	MaxHeaderBytes       = 32 << 10
	MaxBodyBytes         = 64 << 20 // of any request; operations have smaller bounds
	DefaultPerAddress    = 1024     // connections from one address
	DefaultConnections   = 20000    // connections altogether
	readHeaderTimeout    = 5 * time.Second
	readTimeout          = 30 * time.Second // of a request with its body
	writeTimeout         = 2 * time.Minute  // of an answer; websockets have their own
	idleTimeout          = 2 * time.Minute
	defaultListenAddress = "127.0.0.1:7440"
)

// Feed is the live feed: a handler whose connections outlive the HTTP server's own
// shutdown, so that it is closed by itself.
type Feed interface {
	http.Handler
	// Close sends everybody away and waits until they are gone, or for ctx.
	Close(ctx context.Context) error
}

// Options are the surroundings of a Server.
type Options struct {
	// Listen is the address, "127.0.0.1:7440" when empty; port 0 picks a free one.
	Listen  string
	Version string // of grove, "1.2.3"
	Tree    *tree.Tree
	// Guard says who may see and do what in the tree; nil is a guard of the tree's own.
	Guard *grant.Guard
	// Past returns the tree as it stood at a moment, which stays as it is until it is
	// released; it takes no changes. Nil answers questions about the past with 501.
	Past func(ctx context.Context, at time.Time) (past *tree.Tree, release func(), err error)
	// Beans tells of the beans behind nodes; nil: there are none.
	Beans Beans
	// FromOwner asks the manager that a node of a joined tree is of about it now, for who asks
	// in ctx; own says that it is this manager's own. Nil: all are.
	FromOwner func(ctx context.Context, path tree.Path) (d *Details, own bool, err error)
	// Definitions tells of the instances; nil serves none.
	Definitions Definitions
	// Hosts lists names by which browsers may ask for the server besides loopback's
	// and the address that they reach it at: "grove.example", without port.
	Hosts []string
	// Ready says why the server is not ready yet; nil is always ready.
	Ready func() error
	// Operations add operations of other rooms to the REST interface.
	Operations []func(huma.API)
	// Metrics serves GET /metrics, Live serves GET /api/v1/live; nil leaves it out.
	Metrics http.Handler
	Live    Feed
	// Mounts are handlers of other rooms, each for everything below its prefix.
	Mounts []Mount
	// Access stands before every route and puts who asks into the request's context
	// (grant.With); what it does not know it refuses. Nil lets through as is, to handlers
	// that then see nobody.
	Access func(http.Handler) http.Handler
	// TLS, unless nil, makes the server speak TLS alone.
	TLS *tls.Config
	// Page holds the files of the page, index.html among them; nil serves none.
	Page fs.FS
	// ContentSecurityPolicy is sent with every answer; when it is empty, one that lets
	// a page load everything from here and nothing from elsewhere, and no inline code.
	ContentSecurityPolicy string
	// PerAddress and Connections bound the open connections from one address and
	// altogether; zero stands for DefaultPerAddress and DefaultConnections.
	PerAddress, Connections int
	// Own receives the server's own metrics, which [MetricHelp] explains; nil is a set
	// that nobody reads.
	Own *metrics.Set
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Mount serves a prefix and everything below it, in every method and as it was asked
// for: no path is cleaned and nobody is sent elsewhere, since some protocols have "//"
// in their paths and clients that follow no redirects.
type Mount struct {
	Prefix  string // "/jolokia", which takes "/jolokia" and "/jolokia/read/…", not "/jolokias"
	Handler http.Handler
}

// Server is the HTTP server. New, then Start, then Stop.
type Server struct {
	opts     Options
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	routes   []string // patterns, sorted
	requests requests

	stopping sync.Once
	served   chan struct{} // closed when Serve returned
	started  bool          // written by Start, before Stop
	serveErr error         // read after served
	stopErr  error
}

// New checks the options and binds the listener.
func New(o Options) (*Server, error) {
	if o.Tree == nil {
		return nil, errors.New("viewer: no tree")
	}
	if o.Listen == "" {
		o.Listen = defaultListenAddress
	}
	if o.ContentSecurityPolicy == "" {
		o.ContentSecurityPolicy = defaultPolicy
	}
	if o.PerAddress <= 0 {
		o.PerAddress = DefaultPerAddress
	}
	if o.Connections <= 0 {
		o.Connections = DefaultConnections
	}
	if o.Guard == nil {
		o.Guard = grant.NewGuard(o.Tree)
	}
	if o.Own == nil {
		o.Own = metrics.NewSet()
	}
	s := &Server{opts: o, log: o.Log, served: make(chan struct{}), requests: requests{set: o.Own, page: map[string]bool{}}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	handler, err := s.handler()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("viewer: %w", err)
	}
	s.listener = limitListener(l, o.PerAddress, o.Connections, s.log)
	if o.TLS != nil {
		s.listener = tls.NewListener(s.listener, o.TLS)
	}
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Routes lists the patterns that are served, sorted.
func (s *Server) Routes() []string { return s.routes }

// Ended is closed when the server does not serve any more, because of Stop or because
// it could not go on.
func (s *Server) Ended() <-chan struct{} { return s.served }

// Start serves until Stop. It is called once.
func (s *Server) Start() {
	s.started = true
	go func() {
		defer close(s.served)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.serveErr = err
			s.log.Error("the HTTP server ended", "error", err)
		}
	}()
}

// Stop refuses new requests, closes the live feed, and waits for the requests under
// way, at most until ctx ends; then it cuts them. It may be called more than once,
// and without Start.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Do(func() {
		var feed error
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			if s.opts.Live != nil {
				feed = s.opts.Live.Close(ctx)
			}
		}()
		err := s.http.Shutdown(ctx)
		if err != nil {
			err = errors.Join(fmt.Errorf("viewer: requests were cut: %w", err), s.http.Close())
		}
		<-closed
		if s.started {
			<-s.served
		} else {
			_ = s.listener.Close()
		}
		s.stopErr = errors.Join(feed, err, s.serveErr)
	})
	return s.stopErr
}
