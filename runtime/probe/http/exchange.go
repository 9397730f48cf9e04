package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"grove/runtime/probe/secure"
)

// exchange is the record of one run: how long its steps took, summed over redirects.
// The transport dials in goroutines of its own, so each access is locked.
type exchange struct {
	ctx   context.Context // of the run: the transport does not end a dial with its request
	start time.Time

	mu           sync.Mutex
	dnsStart     time.Time
	dns          time.Duration
	connect      time.Duration
	tls          time.Duration
	firstByte    time.Duration // from start
	looked       bool          // a name was looked up
	connected    bool
	handshook    bool
	ready        bool // a connection could be used, new or kept
	answered     bool
	certificates []*x509.Certificate // of the last handshake, in order from the server's own
}

type exchangeKey struct{}

// newExchange returns a context whose requests are recorded.
func newExchange(ctx context.Context) (context.Context, *exchange) {
	x := &exchange{ctx: ctx, start: time.Now()}
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) {
			x.mu.Lock()
			x.dnsStart = time.Now()
			x.mu.Unlock()
		},
		DNSDone: func(httptrace.DNSDoneInfo) {
			x.mu.Lock()
			if !x.dnsStart.IsZero() {
				x.dns += time.Since(x.dnsStart)
				x.looked = true
			}
			x.mu.Unlock()
		},
		GotConn: func(httptrace.GotConnInfo) {
			x.mu.Lock()
			x.ready = true
			x.mu.Unlock()
		},
		GotFirstResponseByte: func() {
			x.mu.Lock()
			x.firstByte = time.Since(x.start)
			x.answered = true
			x.mu.Unlock()
		},
	}), x
}

// dial connects and notes how long that took, looking up the name apart.
func (p *httpProbe) dial(ctx context.Context, network, address string) (net.Conn, error) {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	if x == nil {
		return p.dialer.DialContext(ctx, network, address)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.ctx, cancel)()
	x.mu.Lock()
	start, before := time.Now(), x.dns
	x.mu.Unlock()
	conn, err := p.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.connect += max(0, time.Since(start)-(x.dns-before))
	x.connected = true
	x.mu.Unlock()
	return conn, nil
}

// dialTLS connects and does the handshake. The certificates are checked here and not
// by package tls, so that their expiry is known also when they are refused.
func (p *httpProbe) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conn, err := p.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	if x != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(x.ctx, cancel)()
	}
	name := p.plan.TLS.ServerName
	if name == "" {
		name = host
	}
	config := &tls.Config{
		ServerName:         name,
		Certificates:       p.files.Certificates(),
		NextProtos:         []string{"h2", "http/1.1"},
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			if x != nil {
				x.mu.Lock()
				x.certificates = s.PeerCertificates
				x.mu.Unlock()
			}
			if p.plan.TLS.Insecure {
				return nil
			}
			// s.ServerName is empty when the name is an address, so it does not do.
			return secure.Verify(s.PeerCertificates, name, p.files.Roots(), time.Now())
		},
	}
	start := time.Now()
	session := tls.Client(conn, config)
	if err := session.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	if x != nil {
		x.mu.Lock()
		x.tls += time.Since(start)
		x.handshook = true
		x.mu.Unlock()
	}
	return session, nil
}
