package app

import (
	client "github.com/prometheus/client_golang/prometheus"

	"grove/notify/outbox"
)

// alertMetrics collects what the rooms of alerts count by themselves.
type alertMetrics struct{ app *App }

var (
	alertSteps     = desc("alert_steps_total", "Steps of alerts, by kind.", "step")
	routeMessages  = desc("route_messages_total", "Messages that routes put into the outbox, by purpose.", "purpose")
	routeUnreached = desc("route_unreached_total", "Times that none of those to be told had a channel.")
	outboxWaiting  = desc("outbox_channel_waiting", "Messages that wait to be sent.", "channel", "precedence")
	outboxMessages = desc("outbox_messages_total", "Messages that left the queue, and attempts that failed, by what became of them.", "channel", "outcome")
)

// Describe implements client.Collector.
func (m *alertMetrics) Describe(ch chan<- *client.Desc) {
	for _, d := range []*client.Desc{alertSteps, routeMessages, routeUnreached, outboxWaiting, outboxMessages} {
		ch <- d
	}
}

// Collect implements client.Collector.
func (m *alertMetrics) Collect(ch chan<- client.Metric) {
	counter := func(d *client.Desc, v uint64, labels ...string) {
		ch <- client.MustNewConstMetric(d, client.CounterValue, float64(v), labels...)
	}
	c := m.app.alerts.center
	b := c.Book.Stats()
	counter(alertSteps, b.Opened, "opened")
	counter(alertSteps, b.Reopened, "reopened")
	counter(alertSteps, b.Acknowledged, "acknowledged")
	counter(alertSteps, b.Suppressed, "suppressed")
	counter(alertSteps, b.Released, "released")
	counter(alertSteps, b.Resolved, "resolved")
	r := c.Router.Stats()
	for purpose, n := range r.Messages {
		counter(routeMessages, uint64(n), string(purpose))
	}
	counter(routeUnreached, uint64(r.Unreached))
	for _, s := range c.Outbox.Stats().Channels {
		sum := outbox.Counts{}
		for _, p := range []outbox.Precedence{outbox.Urgent, outbox.Normal, outbox.Bulk} {
			of := s.Of(p)
			ch <- client.MustNewConstMetric(outboxWaiting, client.GaugeValue, float64(of.Waiting), s.Channel, p.String())
			sum.Sent += of.Sent
			sum.Dead += of.Dead
			sum.Expired += of.Expired
			sum.Failed += of.Failed
		}
		counter(outboxMessages, sum.Sent, s.Channel, "sent")
		counter(outboxMessages, sum.Dead, s.Channel, "dead_letter")
		counter(outboxMessages, sum.Expired, s.Channel, "expired")
		counter(outboxMessages, sum.Failed, s.Channel, "attempt_failed")
	}
}
