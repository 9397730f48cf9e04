package member

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"grove/notify/peer/settings"
)

// listenEvery is how often it is tried again to listen where something else does.
const listenEvery = 5 * time.Second

// ears are how this manager listens for others that link to it. An address at which it cannot
// listen, such as one that is in use, stops nothing else: it is tried again and again.
type ears struct {
	one sync.Mutex // held while it begins to listen

	mu   sync.Mutex
	deaf error
}

// Deaf says why nobody can link to this manager though its file says where it listens; nil:
// it does listen, or is not to.
func (m *Member) Deaf() error {
	m.ears.mu.Lock()
	defer m.ears.mu.Unlock()
	return m.ears.deaf
}

// hears notes how it went to begin to listen, and logs what is new about it.
func (m *Member) hears(err error) {
	m.ears.mu.Lock()
	was := m.ears.deaf
	m.ears.deaf = err
	m.ears.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		m.log.Error("no other manager can link to this one; it is tried again", "listen", m.Settings().Listen, "err", err)
	case err == nil && was != nil:
		m.log.Info("other managers can link to this one again", "addresses", m.Fabric.Addresses())
	}
}

// startFabric starts to link, and to listen.
func (m *Member) startFabric(said *settings.Settings) error {
	err := m.Fabric.Start()
	if err != nil && (said.Cluster != nil || len(said.Listen) == 0) {
		return err
	}
	m.hears(err)
	return nil
}

// listen listens at these addresses and at no others.
func (m *Member) listen(addresses []string) {
	m.ears.one.Lock()
	defer m.ears.one.Unlock()
	m.hears(m.Fabric.Listen(addresses))
}

// listenAgain tries again until ctx ends, whenever this manager is deaf.
func (m *Member) listenAgain(ctx context.Context) error {
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if m.Deaf() == nil {
			continue
		}
		// What the file says meanwhile counts.
		if m.listen(m.Settings().Listen); m.Deaf() == nil {
			m.poke()
		}
	}
}

// way is how others may reach an address of this manager: where that is all addresses of the
// machine, it has the one that here says.
func way(address string, here func() string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err != nil || !ip.IsUnspecified() {
		return address
	}
	host := here()
	if host == "" {
		return address
	}
	u.Host = net.JoinHostPort(host, u.Port())
	return u.String()
}

// outward is the address from which this machine speaks to others, or else its name. Nothing is
// sent: a datagram socket has its own address as soon as it knows the other one, which is of
// RFC 5737 and nobody's.
func outward() string {
	if c, err := new(net.Dialer).DialContext(context.Background(), "udp", "192.0.2.1:9"); err == nil {
		defer c.Close()
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok && !a.IP.IsUnspecified() && !a.IP.IsLoopback() {
			return a.IP.String()
		}
	}
	name, _ := os.Hostname() // Empty when it has none.
	return name
}
