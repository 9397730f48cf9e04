package app

import (
	client "github.com/prometheus/client_golang/prometheus"

	"grove/notify/peer/registry"
)

// peerMetrics collects how it is with other managers.
type peerMetrics struct{ app *App }

var (
	peerUp       = desc("peer_link_up", "Whether the link to a manager is up.", "manager")
	peerLive     = desc("peer_live", "Whether a manager lives, as far as any manager knows.", "manager")
	peerTrip     = desc("peer_round_trip_seconds", "Time of the last ping to a manager and back.", "manager")
	peerWaiting  = desc("peer_waiting_bytes", "Bytes that the network has not taken yet.", "manager")
	peerBytes    = desc("peer_bytes_total", "Bytes that went over a link, by direction.", "manager", "direction")
	peerMessages = desc("peer_messages_total", "Messages that went over a link, by direction.", "manager", "direction")
	peerBehind   = desc("peer_journal_behind", "Entries of the journal of a manager that are not here yet.", "manager")
	peerTaken    = desc("peer_journal_entries_total", "Entries of the journals of other managers, by what became of them.", "manager", "outcome")
	peerNodes    = desc("peer_nodes", "Nodes of a manager that hang in the tree here.", "manager")
	peerBusy     = desc("peer_saturation_ratio", "Part of the time that this manager spends on messages of others: at 1 they wait.")
	peerHandled  = desc("peer_handled_total", "Messages of other managers that were answered.")
	peerFilled   = desc("peer_samples_filled_total", "Readings that were fetched from other managers after they had been missed.")
)

// Describe implements client.Collector.
func (m *peerMetrics) Describe(ch chan<- *client.Desc) {
	for _, d := range []*client.Desc{peerUp, peerLive, peerTrip, peerWaiting, peerBytes, peerMessages, peerBehind, peerTaken, peerNodes, peerBusy, peerHandled, peerFilled} {
		ch <- d
	}
}

// Collect implements client.Collector.
func (m *peerMetrics) Collect(ch chan<- client.Metric) {
	of := m.app.peers.member
	put := func(d *client.Desc, kind client.ValueType, v float64, labels ...string) {
		ch <- client.MustNewConstMetric(d, kind, v, labels...)
	}
	truth := map[bool]float64{true: 1}
	load := of.Meter.Load()
	put(peerBusy, client.GaugeValue, load.Saturation)
	put(peerHandled, client.CounterValue, float64(load.Handled))
	put(peerFilled, client.CounterValue, float64(of.Filler.Added()))
	seen := map[string]bool{}
	for _, c := range m.app.peerConditions() {
		name := c.state.Name
		if seen[name] || name == "" {
			name = string(c.state.ID)
		}
		seen[name] = true
		put(peerLive, client.GaugeValue, truth[c.state.State == registry.Live], name)
		put(peerNodes, client.GaugeValue, float64(c.nodes), name)
		put(peerBehind, client.GaugeValue, float64(c.behind), name)
		for outcome, n := range c.entries {
			put(peerTaken, client.CounterValue, float64(n), name, outcome)
		}
		if c.link == nil {
			continue
		}
		put(peerUp, client.GaugeValue, truth[c.link.Up], name)
		put(peerTrip, client.GaugeValue, c.link.RoundTrip.Seconds(), name)
		put(peerWaiting, client.GaugeValue, float64(c.link.Waiting), name)
		put(peerBytes, client.CounterValue, float64(c.link.BytesIn), name, "in")
		put(peerBytes, client.CounterValue, float64(c.link.BytesOut), name, "out")
		put(peerMessages, client.CounterValue, float64(c.link.MessagesIn), name, "in")
		put(peerMessages, client.CounterValue, float64(c.link.MessagesOut), name, "out")
	}
}
