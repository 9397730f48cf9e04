package jolokia

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"grove/viewer/export/jolokia/request"
)

const (
	metricRequests = "grove_jolokia_requests_total"
	metricClients  = "grove_jolokia_notification_clients"
	metricDropped  = "grove_jolokia_notifications_dropped_total"
)

// MetricHelp says what the metrics are that a Server counts in Options.Own.
func MetricHelp() map[string]string {
	return map[string]string{
		metricRequests: `Requests of the Jolokia protocol by type and outcome: ok, error, denied by the policy, malformed. Each of a bulk counts. What could not be read has the type "none".`,
		metricClients:  "Registered clients of notifications of the Jolokia protocol.",
		metricDropped:  "Notifications that were dropped because a client of the Jolokia protocol took them too slowly.",
	}
}

// The outcomes of requests.
const (
	outcomeOK        = "ok"
	outcomeError     = "error"
	outcomeDenied    = "denied"
	outcomeMalformed = "malformed"
)

type counts struct {
	set     *metrics.Set
	dropped *metrics.Counter
}

func newCounts(s *Server, own *metrics.Set) *counts {
	if own == nil {
		own = metrics.NewSet()
	}
	c := &counts{set: own, dropped: own.GetOrCreateCounter(metricDropped)}
	for _, t := range request.Types {
		c.counter(t, outcomeOK) // so that all are there from the start
	}
	own.GetOrCreateGauge(metricClients, func() float64 { return float64(s.clients.Len()) })
	return c
}

func (c *counts) counter(kind request.Type, outcome string) *metrics.Counter {
	return c.set.GetOrCreateCounter(fmt.Sprintf(`%s{type=%q,outcome=%q}`, metricRequests, string(kind), outcome))
}

// done counts a request that was answered.
func (c *counts) done(kind request.Type, outcome string) { c.counter(kind, outcome).Inc() }
