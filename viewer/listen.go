package viewer

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// IsLoopback says whether a server that listens at the address, "host:port", can be
// reached from this machine only. An empty host is every address, so it is not.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopbackName(host)
}

// isLoopbackName holds for localhost and the addresses of the loopback interface.
func isLoopbackName(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// limited is a listener that closes connections beyond its bounds as soon as they
// come, so that neither one client nor all of them can take every file descriptor.
type limited struct {
	net.Listener
	perAddress, most int
	log              *slog.Logger

	mu    sync.Mutex // guards the fields below
	all   int
	count map[netip.Addr]int // only addresses that have connections
}

func limitListener(l net.Listener, perAddress, most int, log *slog.Logger) net.Listener {
	return &limited{Listener: l, perAddress: perAddress, most: most, log: log, count: map[netip.Addr]int{}}
}

// Accept returns the next connection that is within the bounds.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := remoteAddr(c)
		if l.take(ip) {
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { l.give(ip) })}, nil
		}
		_ = c.Close()
		l.log.Debug("refused a connection beyond the bound", "address", ip, "per_address", l.perAddress, "connections", l.most)
	}
}

func remoteAddr(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.Is6() { // A host may have a whole /64.
		p, _ := ip.Prefix(64)
		ip = p.Addr()
	}
	return ip
}

func (l *limited) take(ip netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most || l.count[ip] >= l.perAddress {
		return false
	}
	l.all++
	l.count[ip]++
	return true
}

func (l *limited) give(ip netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.count[ip]--; l.count[ip] == 0 {
		delete(l.count, ip)
	}
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
