package fabric

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"grove/notify/peer"
)

// What a server takes. A connection that is silent for two pings is lost.
const (
	pingEvery    = 500 * time.Millisecond
	pingsOut     = 2
	maxPayload   = 1 << 20
	maxPending   = 32 << 20         // bytes that wait for one connection
	maxConns     = 8192             // connections in all
	maxSubjects  = 8192             // subscriptions of one connection
	handshake    = 5 * time.Second  // for TLS, for the websocket, and for saying who it is
	writeWithin  = 30 * time.Second // a connection that takes nothing for so long is cut
	sweepEvery   = 250 * time.Millisecond
	serverStarts = 10 * time.Second
)

// host is the NATS server inside this manager.
type host struct {
	server    *server.Server
	gate      *gate
	addresses []string
	stop      chan struct{}
	running   sync.WaitGroup

	counting sync.Mutex // guards what follows
	counted  time.Time  // when
	conns    map[uint64]*server.ConnInfo
	byPeer   map[peer.ID][]uint64
}

// open starts a server.
func (f *Fabric) open(l listen) (*host, error) {
	h := &host{gate: newGate(f.options), stop: make(chan struct{})}
	o := &server.Options{
		ServerName: string(f.options.Self), DontListen: l.tls == nil,
		NoSigs: true, NoLog: false, NoSystemAccount: true,
		// The server pings half as often as the clients do, since one that is about to say who
		// it is takes a ping for a fault: a round trip may take a second.
		PingInterval: 2 * pingEvery, MaxPingsOut: max(1, f.options.Pings/2),
		MaxPayload: maxPayload, MaxPending: maxPending, MaxConn: maxConns, MaxSubs: maxSubjects,
		TLSTimeout: handshake.Seconds(), AuthTimeout: handshake.Seconds(), WriteDeadline: writeWithin,
		// One that is too slow is cut, and does not make the others wait.
		NoFastProducerStall:        true,
		CustomClientAuthentication: h.gate,
		DisableJetStreamBanner:     true,
	}
	var err error
	if l.tls != nil {
		o.TLS, o.TLSConfig, o.TLSHandshakeFirst = true, f.options.Security.ServerConfig(), true
		if o.Host, o.Port, err = hostPort(l.tls); err != nil {
			return nil, err
		}
	}
	if l.wss != nil {
		w := &o.Websocket
		w.TLSConfig, w.HandshakeTimeout, w.AuthTimeout, w.PingInterval = f.options.Security.ServerConfig(), handshake, handshake.Seconds(), 2*pingEvery
		if w.Host, w.Port, err = hostPort(l.wss); err != nil {
			return nil, err
		}
	}
	if h.server, err = server.NewServer(o); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	said := &said{log: f.options.Log}
	h.server.SetLoggerV2(said, false, false, false)
	h.server.Start()
	// A port that is in use is a fatal line of its log, and no more.
	ready := false
	for began := time.Now(); !ready && said.fatal() == nil && time.Since(began) < serverStarts; {
		ready = h.server.ReadyForConnections(serverStarts / 100)
	}
	if err := said.fatal(); err != nil || !ready {
		h.server.Shutdown()
		h.server.WaitForShutdown()
		if err == nil {
			err = errors.New("the server was not ready in time")
		}
		return nil, fmt.Errorf("listen: %w", err)
	}
	if l.tls != nil {
		h.addresses = append(h.addresses, withPort(l.tls, h.server.Addr().(*net.TCPAddr).Port))
	}
	if l.wss != nil {
		u, err := url.Parse(h.server.WebsocketURL())
		if err != nil {
			h.close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		port, _ := strconv.Atoi(u.Port())
		h.addresses = append(h.addresses, withPort(l.wss, port))
	}
	h.running.Go(func() {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.sweep(h, nil)
			case <-h.stop:
				return
			}
		}
	})
	return h, nil
}

func hostPort(u *url.URL) (string, int, error) {
	port, err := strconv.Atoi(u.Port())
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return u.Hostname(), port, err
}

func withPort(u *url.URL, port int) string {
	c := *u
	c.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
	return c.String()
}

func (h *host) close() {
	close(h.stop)
	h.running.Wait()
	h.server.Shutdown()
	h.server.WaitForShutdown()
}

// sweep forgets the connections that the server has no more, and tells of the links that
// are lost with them.
func (f *Fabric) sweep(h *host, why error) {
	var over []conn
	h.gate.mu.Lock()
	for n, c := range h.gate.conns {
		if h.server.GetClient(n) == nil {
			delete(h.gate.conns, n)
			if c.linked {
				over = append(over, *c)
			}
		}
	}
	h.gate.mu.Unlock()
	for _, c := range over {
		if _, ok := h.gate.of(c.caller.ID); !ok {
			f.inboundOver(c, why)
		}
	}
}

// said is what the server logs. What it calls fatal ends nothing but the start.
type said struct {
	log *slog.Logger
	mu  sync.Mutex
	err error
}

var _ server.Logger = (*said)(nil)

func (s *said) fatal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Noticef implements server.Logger.
func (s *said) Noticef(format string, v ...any) {
	s.log.Debug("the server says", "what", fmt.Sprintf(format, v...))
}

// Warnf implements server.Logger.
func (s *said) Warnf(format string, v ...any) {
	s.log.Debug("the server says", "what", fmt.Sprintf(format, v...))
}

// Errorf implements server.Logger.
func (s *said) Errorf(format string, v ...any) {
	s.log.Info("the server says", "what", fmt.Sprintf(format, v...))
}

// Fatalf implements server.Logger.
func (s *said) Fatalf(format string, v ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, fmt.Errorf(format, v...))
}

// Debugf implements server.Logger.
func (s *said) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (s *said) Tracef(string, ...any) {}
