package member

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/authority"
)

// An external cluster carries what managers say in place of links between them. All that are
// on it are linked; what one is to another is said by an invitation, as without it.

// clustered says whether an external cluster carries what this manager says.
func (m *Member) clustered() bool { return m.Settings().Cluster != nil }

// InvitesTo is the address that belongs into an invitation; ok is false when others cannot
// join this manager.
func (m *Member) InvitesTo() (address string, ok bool) {
	if m.clustered() {
		return authority.Cluster, true
	}
	if ways := m.Ways(); len(ways) > 0 {
		return ways[0], true
	}
	return "", false
}

// AskToJoin is an authority.AskOnce: it asks at an address, or over the cluster.
func (m *Member) AskToJoin(ctx context.Context, address string, config *tls.Config, to peer.ID, kind string, body []byte) ([]byte, error) {
	if address != authority.Cluster {
		return m.Fabric.AskOnce(ctx, address, config, to, kind, body)
	}
	if !m.clustered() {
		return nil, peer.Refuse(peer.Refused, "the invitation is of a manager in an external cluster: name that cluster in %s, too, and start this manager again", m.file.name)
	}
	// This manager, or the other one, may have come to the cluster just now.
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		answer, err := m.Meter.Ask(ctx, to, kind, body)
		if !errors.Is(err, peer.ErrNobody) {
			return answer, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w in the cluster: %w", err, m.clusterError())
		}
	}
}

// joinWithin bounds the wait for a manager that is to be joined over the cluster.
const joinWithin = 5 * time.Second

// clusterError says what is wrong with the link to the cluster itself.
func (m *Member) clusterError() error {
	for _, l := range m.Fabric.Links() {
		if l.Peer == "" && !l.Up {
			return fmt.Errorf("%s: %s", l.Address, l.Error)
		}
	}
	return errors.New("the link to the cluster is up, so look at the manager that made the token")
}

// acquainted says whether a manager has joined this one or was joined by it. Without a cluster
// nobody else is linked; in one all are. Until the names are read nobody is known to be a
// stranger.
func (m *Member) acquainted(id peer.ID) bool {
	if !m.clustered() || m.names.Load() == nil {
		return true
	}
	_, ok := m.named(id)
	return ok
}

// admits says whether what a manager says over a cluster is to be heard: there is no link to
// cut of one that was revoked here.
func (m *Member) admits(id peer.ID, kind string) error { return m.Authority.Admits(id, kind) }

// mark is that of the database; empty while it is not known.
func (m *Member) mark() string {
	if mark := m.database.Load(); mark != nil {
		return *mark
	}
	return ""
}

// learnDatabase reads the mark of the database, again when a backup has taken its place.
func (m *Member) learnDatabase(ctx context.Context) {
	n := m.o.Store.Replaced()
	if m.mark() != "" && m.replaced.Load() == n {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, markWithin)
	defer cancel()
	if mark, err := m.Leases.Mark(ctx); err == nil { // Otherwise it is tried again.
		m.database.Store(&mark)
		m.replaced.Store(n)
	}
}

// markWithin bounds the reading of the mark.
const markWithin = 2 * time.Second

// lockHome is the manager at which locks are taken: the home, unless that has the same
// database as this one, and so the same table of leases. Without a home they are taken here:
// whoever shares the database is excluded.
func (m *Member) lockHome() peer.ID {
	home := m.Registry.Home().Home
	if home == "" {
		return m.ID()
	}
	if s, ok := m.Registry.Get(home); ok && s.Database != "" && s.Database == m.mark() {
		return m.ID()
	}
	return home
}
