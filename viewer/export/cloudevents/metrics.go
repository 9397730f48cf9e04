package cloudevents

import "github.com/VictoriaMetrics/metrics"

const (
	metricClients = "grove_events_clients"
	metricEvents  = "grove_events_total"
	metricFailed  = "grove_events_failed_total"
	metricSent    = "grove_events_sent_total"
	metricLost    = "grove_events_lost_total"
)

// MetricHelp says what the metrics are that a Stream counts in Options.Own.
func MetricHelp() map[string]string {
	return map[string]string{
		metricClients: "Clients that listen to the stream of events.",
		metricEvents:  "Notifications that became events of the stream.",
		metricFailed:  "Notifications that could not be told as events.",
		metricSent:    "Events sent, counted for each client.",
		metricLost:    "Events that clients lost because they were too slow or away for too long.",
	}
}

type counts struct{ events, failed, sent, lost *metrics.Counter }

func newCounts(set *metrics.Set, clients func() float64) counts {
	if set == nil {
		set = metrics.NewSet()
	}
	set.NewGauge(metricClients, clients)
	return counts{set.NewCounter(metricEvents), set.NewCounter(metricFailed), set.NewCounter(metricSent), set.NewCounter(metricLost)}
}
