package fabric

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"grove/notify/peer"
)

// What fabrics say to each other. No handler of others sees these kinds.
const (
	kindHello = "fabric.hello" // I am ready, to the manager whose server it is
	kindPing  = "fabric.ping"  // are you there
	kindHere  = "fabric.here"  // I am there, to all in a cluster, every hereEvery
	kindGone  = "fabric.gone"  // I stop, likewise
)

// The times of a way. It is tried again after retryFirst, then twice that, up to retryMost,
// each shortened by up to a half at random, so that not all come back at once.
const (
	retryFirst  = 100 * time.Millisecond
	retryMost   = 3 * time.Second
	helloWithin = 5 * time.Second
	lookEvery   = 5 * time.Second // at the round trip
	hereEvery   = time.Second
	stallUrgent = 1500 * time.Millisecond
	stallBulk   = 30 * time.Second
	// The bulk connection may have much to write before a ping: the urgent one says
	// whether the link is there.
	bulkPingsOut = 60
	// Between this manager and its own server there is no network: when nothing moves for a
	// while, it is the process that has no processor. To cut that connection would lose all
	// links at once.
	stallOwn    = time.Minute
	ownPingsOut = int(stallOwn / pingEvery)
)

type wayKind string

const (
	own     wayKind = "own"     // to the server in this process
	up      wayKind = "up"      // to a manager that this one calls
	cluster wayKind = "cluster" // to an external cluster
)

// way is a server that this manager is a client of, again and again.
type way struct {
	f       *Fabric
	kind    wayKind
	address string
	id      peer.ID       // of the manager that is called
	host    *host         // of own
	ready   chan struct{} // of own: is closed with its first session
	once    sync.Once     // closes it

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu  sync.Mutex
	now *session
}

// session is a way that is open: the two connections to its server.
type session struct {
	way          *way
	urgent, bulk *nats.Conn
	told         []chan struct{} // each is closed when nothing more is told of a connection
	only         []string        // kinds that may be asked for; nil is all
	limited      atomic.Bool     // only is not nil, for who asks before the session is open
	ends         time.Time
	ctx          context.Context // is over with the session
	end          context.CancelCauseFunc
	rtt          atomic.Int64 // nanoseconds
}

func (w *way) wait() {
	w.stop()
	w.running.Wait()
}

// cut ends the session that there is; another one follows.
func (w *way) cut(why error) {
	w.mu.Lock()
	s := w.now
	w.mu.Unlock()
	if s != nil {
		s.end(why)
	}
}

func (w *way) session() *session {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// run keeps a session until the way is taken back.
func (w *way) run() {
	retry := retryFirst
	for w.ctx.Err() == nil {
		s, err := w.open()
		if err == nil {
			retry = retryFirst
			err = w.keep(s)
		}
		if w.ctx.Err() != nil {
			break
		}
		w.f.outboundOver(w, err)
		select {
		case <-w.ctx.Done():
		case <-time.After(retry - rand.N(retry/2)):
		}
		retry = min(2*retry, retryMost)
	}
}

// keep serves a session until it is over, and says why that is.
func (w *way) keep(s *session) error {
	w.mu.Lock()
	w.now = s
	w.mu.Unlock()
	if w.ready != nil {
		w.once.Do(func() { close(w.ready) })
	}
	w.f.changed()
	if w.kind == up {
		w.f.outboundUp(s)
	} else if w.kind == cluster {
		w.f.clusterUp(s)
	}
	w.watch(s)
	w.mu.Lock()
	w.now = nil
	w.mu.Unlock()
	if w.ctx.Err() != nil && w.kind == cluster {
		_ = s.urgent.Publish(toAll+string(w.f.options.Self)+"."+kindGone, nil)
	}
	s.close()
	w.f.sessionOver(s)
	return context.Cause(s.ctx)
}

// watch looks after a session until it is over.
func (w *way) watch(s *session) {
	tick := time.NewTicker(hereEvery)
	defer tick.Stop()
	var looked time.Time
	for {
		if w.kind == cluster {
			_ = s.urgent.Publish(toAll+string(w.f.options.Self)+"."+kindHere, nil)
			w.f.clusterSilent(s)
		}
		if w.kind != own && time.Since(looked) >= lookEvery {
			ctx, cancel := context.WithTimeout(s.ctx, peer.Suspect)
			looked = time.Now()
			if s.urgent.FlushWithContext(ctx) == nil {
				s.rtt.Store(int64(time.Since(looked)))
			}
			cancel()
		}
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *session) close() {
	s.end(errors.New("it was closed"))
	for _, c := range []*nats.Conn{s.urgent, s.bulk} {
		if c == nil {
			continue
		}
		_ = c.FlushTimeout(100 * time.Millisecond)
		c.Close()
	}
	for _, over := range s.told {
		<-over
	}
}

// open makes the two connections and has them ready.
func (w *way) open() (_ *session, err error) {
	s := &session{way: w}
	s.ctx, s.end = context.WithCancelCause(w.ctx)
	defer func() {
		if err != nil {
			s.close()
			err = plain(err)
		}
	}()
	if s.urgent, err = w.dial(s, w.f.options.Pings, stallUrgent); err != nil {
		return nil, err
	}
	if s.bulk, err = w.dial(s, max(bulkPingsOut, w.f.options.Pings), stallBulk); err != nil {
		return nil, err
	}
	if most := s.urgent.MaxPayload(); most < peer.MaxBody+4096 {
		return nil, fmt.Errorf("it takes messages of %d bytes, and managers need %d: raise max_payload", most, maxPayload)
	}
	if state, err := s.urgent.TLSConnectionState(); err == nil && len(state.PeerCertificates) > 0 {
		s.ends = state.PeerCertificates[0].NotAfter
	}
	self := string(w.f.options.Self)
	for _, sub := range []struct {
		c       *nats.Conn
		subject string
		prefix  string
	}{{s.urgent, urgent + self + ".>", urgent}, {s.bulk, bulky + self + ".>", bulky}, {s.urgent, toAll + ">", toAll}} {
		got, err := sub.c.Subscribe(sub.subject, func(m *nats.Msg) { w.f.arrived(s, sub.prefix, m) })
		if err != nil {
			return nil, err
		}
		if err := got.SetPendingLimits(65536, maxPending); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, helloWithin)
	defer cancel()
	if err := s.bulk.FlushWithContext(ctx); err != nil {
		return nil, err
	}
	if w.kind == up {
		err = s.hello(ctx, w.id)
	} else {
		err = s.urgent.FlushWithContext(ctx)
	}
	return s, err
}

// dial makes one connection.
func (w *way) dial(s *session, pings int, stall time.Duration) (*nats.Conn, error) {
	f := w.f
	proxy, err := parseProxy(f.options.Proxy)
	if err != nil {
		return nil, err
	}
	if w.kind == own {
		pings, stall = ownPingsOut, stallOwn
	}
	options := []nats.Option{
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pings), nats.FlusherTimeout(stall),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if s.limited.Load() && errors.Is(err, nats.ErrPermissionViolation) {
				return // it knows that it may not
			}
			if errors.Is(err, net.ErrClosed) {
				return // the link is over, which is told elsewhere
			}
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			f.options.Log.Warn("a message between managers was lost", "link", w.address, "subject", subject, "error", err)
		}),
	}
	address := w.address
	switch w.kind {
	case own:
		address = ""
		options = append(options, nats.InProcessServer(w.host.server), nats.UserInfo(string(f.options.Self), w.host.gate.secret))
	case up:
		config, err := f.options.Security.ClientConfig(w.id)
		if err != nil {
			return nil, err
		}
		options = append(options, secure(address, config)...)
	case cluster:
		more, err := f.options.Cluster.options()
		if err != nil {
			return nil, err
		}
		options = append(options, more...)
	}
	return s.call(address, proxy, stall, options...)
}

// secure are the options for a TLS connection to a manager.
func secure(address string, config *tls.Config) []nats.Option {
	options := []nats.Option{nats.Secure(config)}
	if strings.HasPrefix(address, "tls:") {
		options = append(options, nats.TLSHandshakeFirst())
	}
	return options
}

// call makes a connection of a client, which is cut when the session is over and ends it when
// it is lost.
func (s *session) call(address string, proxy *url.URL, stall time.Duration, options ...nats.Option) (*nats.Conn, error) {
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	self := string(s.way.f.options.Self)
	d := &dialer{ctx: s.ctx, proxy: proxy, stall: stall, failed: s.end}
	over := make(chan struct{})
	c, err := nats.Connect(address, append([]nats.Option{
		nats.Name(self), nats.CustomInboxPrefix(inbox + self),
		nats.NoReconnect(), nats.ReconnectBufSize(-1), nats.NoEcho(), nats.SkipHostLookup(), nats.Timeout(dialWithin),
		nats.SetCustomDialer(d), nats.ClosedHandler(func(*nats.Conn) { // The last that is told.
			s.end(errors.New("the connection was lost"))
			close(over)
		}),
	}, options...)...)
	if err == nil {
		s.told = append(s.told, over)
	} else if errors.Is(err, nats.ErrNoServers) && d.err != nil {
		err = d.err
	}
	return c, err
}

// greeting is the question hello: which connections it is that are ready; welcome is the answer.
type greeting struct {
	Urgent uint64 `json:"urgent"`
	Bulk   uint64 `json:"bulk"`
}

type welcome struct {
	Only []string `json:"only,omitempty"`
}

// hello says to a manager that the link is ready.
func (s *session) hello(ctx context.Context, to peer.ID) error {
	var g greeting
	var err error
	if g.Urgent, err = s.urgent.GetClientID(); err != nil {
		return err
	}
	if g.Bulk, err = s.bulk.GetClientID(); err != nil {
		return err
	}
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	answer, err := s.ask(ctx, s.urgent, urgent, to, kindHello, body)
	if errors.Is(err, peer.ErrNobody) {
		return fmt.Errorf("another server answers there, not that of %s", to)
	}
	if err != nil {
		return err
	}
	var w welcome
	if err := json.Unmarshal(answer, &w); err != nil {
		return fmt.Errorf("the answer to hello: %w", err)
	}
	s.only = w.Only
	s.limited.Store(w.Only != nil)
	return nil
}

// refuses says why what a manager says over a session is not heard.
func (s *session) refuses(from peer.ID, kind string) error {
	if admits := s.way.f.options.Admits; admits != nil && s.way.kind == cluster {
		return admits(from, kind)
	}
	return nil
}

// may says whether a kind can be asked over a session.
func (s *session) may(kind string) bool {
	return s.only == nil || kind == kindHello || slices.Contains(s.only, kind)
}
