package member

import (
	"context"
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
