package live

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"grove/tree"
	"grove/tree/grant"
)

// The subprotocols. A client that asks for none gets JSON.
const (
	ProtocolBinary = "grove.live.v2.binary"
	ProtocolJSON   = "grove.live.v2.json"
)

// Bounds of the feed.
const (
	Window             = 4        // batches of a subscription that may be unacknowledged
	MaxMessageBytes    = 16 << 10 // of one message of a client, decompressed
	MaxBadMessages     = 16       // a client that sends more is sent away
	DefaultConnections = 10_000
	DefaultPerSocket   = 16
)

// Options are the surroundings of a Server.
type Options struct {
	Tree *tree.Tree
	// Guard says who sees what; nil makes one of the tree. Who looks is told by the
	// context of the request.
	Guard *grant.Guard
	// Past returns the whole tree as it stood at a moment, which is not changed any more
	// and is given back by release. It may take its time. Nil: there is no past.
	Past    func(ctx context.Context, at time.Time) (past *tree.Tree, release func(), err error)
	Version string // "1.2.3", told to clients
	// Origins lists further origins that may connect, "https://grove.example". The
	// origin of the page itself, which is the host that was asked, always may, and so
	// may a program that sends neither an origin nor a cookie.
	Origins []string
	// MaxConnections bounds the sockets, MaxSubscriptions what one may look at; zero
	// stands for DefaultConnections and DefaultPerSocket.
	MaxConnections, MaxSubscriptions int
	// Refuse answers a request that is not served with a websocket; nil answers with
	// plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
	// Registerer receives the feed's own metrics; nil leaves them out.
	Registerer prometheus.Registerer
	// Own receives those that are measured for each frame, which [MetricHelp] explains;
	// nil is a set that nobody reads.
	Own *metrics.Set

	// WriteTimeout is how long a client may take to accept one message, PingEvery
	// how often it is asked whether it is there, PongTimeout how long it may stay
	// silent. Zero stands for 30 s, 20 s and 60 s.
	WriteTimeout, PingEvery, PongTimeout time.Duration
}

// Server is an [http.Handler] that serves the feed.
type Server struct {
	opts     Options
	run      string // names this Server to clients that resume
	upgrader websocket.Upgrader
	counts   *counts
	cancel   func() // ends the call of flushed
	flushes  flushTimes
	cost     time.Duration   // of a message, about, of which Pace makes its bound
	told     atomic.Uint64   // the flush that the sockets were woken for
	ctx      context.Context // ends with Close, for what is under way for many sockets
	end      context.CancelFunc

	mu      sync.Mutex // guards the fields below
	conns   map[*conn]struct{}
	stages  map[stageKey]*stage
	moments map[int64]*moment // by Unix milliseconds
	toldAt  time.Time         // when told was set
	telling *time.Timer       // that sets it next; nil: nothing waits to be told
	closed  bool
	done    sync.WaitGroup // one for each socket; Add only while not closed
}

// New returns a Server that follows the tree; Close it.
func New(o Options) *Server {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.WriteTimeout, 30*time.Second)
	def(&o.PingEvery, 20*time.Second)
	def(&o.PongTimeout, 60*time.Second)
	if o.MaxConnections <= 0 {
		o.MaxConnections = DefaultConnections
	}
	if o.MaxSubscriptions <= 0 {
		o.MaxSubscriptions = DefaultPerSocket
	}
	if o.Guard == nil {
		o.Guard = grant.NewGuard(o.Tree)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, detail string) { http.Error(w, detail, status) }
	}
	s := &Server{
		opts:    o,
		run:     rand.Text(),
		cost:    messageCost,
		conns:   map[*conn]struct{}{},
		stages:  map[stageKey]*stage{},
		moments: map[int64]*moment{},
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout:  10 * time.Second,
		ReadBufferSize:    1024,
		WriteBufferSize:   4096,
		WriteBufferPool:   &sync.Pool{},
		Subprotocols:      []string{ProtocolBinary, ProtocolJSON},
		EnableCompression: true,
		CheckOrigin:       func(*http.Request) bool { return true }, // checked before
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			s.counts.refused.Inc()
			o.Refuse(w, r, status, reason.Error())
		},
	}
	s.counts = newCounts(s, o.Registerer, o.Own)
	s.told.Store(o.Tree.Seq())
	s.cancel = o.Tree.OnFlush(s.flushed)
	return s
}

// messageCost is about what a message takes of a processor, with its acknowledgement.
const messageCost = 17 * time.Microsecond

// leastPace is the shortest time between two flushes, which a few sockets do not lengthen.
const leastPace = 4 * time.Millisecond

// Pace is the shortest time that the tree should leave between two flushes, for
// [tree.Options]: the feed should not take more than a fifth of a processor.
func (s *Server) Pace() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.pace(), leastPace)
}

// pace is Pace, but for its lower bound, with s.mu held.
func (s *Server) pace() time.Duration {
	return min(time.Duration(len(s.conns))*5*s.cost, time.Second)
}

// Connections counts the open sockets.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// flushed is called by the tree after each flush that published something. Not every
// flush keeps the pace: one that an acknowledged reading waits for comes at once. So it is
// kept here, too.
func (s *Server) flushed(seq uint64) {
	now := time.Now()
	s.flushes.note(seq, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.telling != nil || s.closed {
		return
	}
	pace := s.pace()
	if wait := pace - now.Sub(s.toldAt); pace > leastPace && wait > 0 {
		s.telling = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.telling = nil; !s.closed {
				s.tell(s.opts.Tree.Seq(), time.Now())
			}
		})
		return
	}
	s.tell(seq, now)
}

// tell wakes all sockets for a flush, with s.mu held.
func (s *Server) tell(seq uint64, now time.Time) {
	s.told.Store(seq)
	s.toldAt = now
	for c := range s.conns {
		c.wakeUp()
	}
}

// ServeHTTP serves one socket and returns when it is closed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, detail string) {
		s.counts.refused.Inc()
		s.opts.Refuse(w, r, status, detail)
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		refuse(http.StatusUpgradeRequired, "this address is a websocket: connect with the subprotocol "+ProtocolJSON+" or "+ProtocolBinary)
		return
	}
	if detail := s.checkOrigin(r); detail != "" {
		refuse(http.StatusForbidden, detail)
		return
	}
	subject := grant.Of(r.Context())
	if len(subject.Grants) == 0 {
		refuse(http.StatusForbidden, subject.Name+" may see nothing here")
		return
	}
	if !s.enter() {
		refuse(http.StatusServiceUnavailable, "the feed is closed")
		return
	}
	defer s.done.Done()
	if n := s.Connections(); n >= s.opts.MaxConnections {
		w.Header().Set("Retry-After", "10")
		refuse(http.StatusServiceUnavailable, "the feed serves no more than its bound of connections at once")
		return
	}
	ws, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrader.Error has answered.
	}
	c := newConn(s, ws, subject)
	if !s.join(c) {
		_ = ws.Close()
		return
	}
	defer s.leave(c)
	c.serve()
}

// enter counts a request among those that Close waits for.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.done.Add(1)
	return true
}

func (s *Server) join(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Close sends every client away, waits until the sockets are closed, and frees the
// views. When the context ends before that, it cuts the sockets and still waits.
// It may be called more than once.
func (s *Server) Close(ctx context.Context) error {
	s.cancel()
	s.end()
	s.mu.Lock()
	s.closed = true
	if s.telling != nil {
		s.telling.Stop()
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.end(websocket.CloseGoingAway, "the server stops")
	}
	gone := make(chan struct{})
	go func() {
		s.done.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		_ = c.ws.Close()
	}
	<-gone
	return errors.Join(errors.New("live feed: cut sockets that did not close in time"), ctx.Err())
}
