package app

import (
	client "github.com/prometheus/client_golang/prometheus"

	"grove/notify"
	"grove/runtime/bind"
	"grove/runtime/receive"
	"grove/runtime/receive/push"
	"grove/runtime/schedule"
	"grove/tree"
)

// ownMetrics collects what the layers count by themselves, which know nothing of
// Prometheus.
type ownMetrics struct {
	tree     *tree.Tree
	schedule *schedule.Schedule
	receiver *push.Receiver
	bus      *notify.Bus
	binder   *bind.Binder
}

func desc(name, help string, labels ...string) *client.Desc {
	return client.NewDesc("grove_"+name, help, labels, nil)
}

var (
	treeNodes     = desc("tree_nodes", "Nodes of the tree, groups included.")
	treeGroups    = desc("tree_groups", "Groups of the tree.")
	treeReadings  = desc("tree_readings_total", "Readings that reached the tree, by what became of them.", "outcome")
	treeChanges   = desc("tree_status_changes_total", "Changes of a status, of groups too.")
	treeUntold    = desc("tree_untold_status_changes_total", "Changes of a status that the log, the bus and listeners never heard of, because they were too slow.")
	treeUnnamed   = desc("tree_untold_name_changes_total", "Nodes that came or went without the listeners of the bean server hearing of it, because they were too many at once.")
	treeFlushes   = desc("tree_flushes_total", "Publications of what changed.")
	treeViews     = desc("tree_views", "Subtrees that somebody follows.")
	probes        = desc("probes", "Runtime beans that are polled, by kind.", "kind")
	probeRuns     = desc("probe_runs_total", "Runs of probes that ended, by kind.", "kind")
	probeFailures = desc("probe_failures_total", "Runs of probes that ended with an error, by kind.", "kind")
	probeMissed   = desc("probe_missed_runs_total", "Due runs that were skipped because the run before was not over, by kind.", "kind")
	probeLate     = desc("probe_late_seconds_total", "How late runs of probes began, all together, by kind.", "kind")
	probeBusy     = desc("probe_busy_seconds_total", "How long runs of probes took, all together, by kind.", "kind")
	scheduleJobs  = desc("schedule_jobs", "Jobs of the schedule, by state.", "state")
	scheduleLate  = desc("schedule_late_seconds", "How late runs began after the moment that they were due, of all kinds.")
	scheduleLeft  = desc("schedule_backed_off_runs_total", "Due runs that were left out because their jobs kept failing.")
	schedulePanic = desc("schedule_panics_total", "Runs that ended with a panic.")
	instances     = desc("definition_instances", "Instances of definitions that run; kept ones go on although their files are wrong now.", "state")
	faultCount    = desc("definition_errors", "Instances and files that are in error.")
	reloadOK      = desc("definition_last_reload_successful", "1 when everything that the files say is running.")
	reloadTime    = desc("definition_last_reload_timestamp_seconds", "When the definitions were last loaded.")
	reloadSeconds = desc("definition_last_reload_seconds", "How long the last loading took to apply.")
	pushRequests  = desc("push_requests_total", "Requests to the receiver of readings, by outcome.", "outcome")
	pushReadings  = desc("push_readings_total", "Readings that were pushed, by what became of them.", "outcome")
	busPublished  = desc("bus_notifications_total", "Notifications that were published on the bus.")
	busLost       = desc("bus_lost_notifications_total", "Notifications that subscribers lost because their queues were full.")
)

// probeDuration is a histogram for each kind of probe.
const probeDuration = "grove_probe_duration_seconds"

func metricHelp() map[string]string {
	return map[string]string{probeDuration: "How long runs of probes took, by kind."}
}

// Describe implements client.Collector.
func (m *ownMetrics) Describe(ch chan<- *client.Desc) {
	for _, d := range []*client.Desc{
		treeNodes, treeGroups, treeReadings, treeChanges, treeUntold, treeUnnamed, treeFlushes, treeViews,
		probes, probeRuns, probeFailures, probeMissed, probeLate, probeBusy, scheduleJobs, scheduleLate, scheduleLeft, schedulePanic,
		instances, faultCount, reloadOK, reloadTime, reloadSeconds, pushRequests, pushReadings, busPublished, busLost,
	} {
		ch <- d
	}
}

// Collect implements client.Collector.
func (m *ownMetrics) Collect(ch chan<- client.Metric) {
	gauge := func(d *client.Desc, v float64, labels ...string) {
		ch <- client.MustNewConstMetric(d, client.GaugeValue, v, labels...)
	}
	counter := func(d *client.Desc, v float64, labels ...string) {
		ch <- client.MustNewConstMetric(d, client.CounterValue, v, labels...)
	}
	t := m.tree.Stats()
	gauge(treeNodes, float64(t.Nodes))
	gauge(treeGroups, float64(t.Groups))
	gauge(treeViews, float64(t.Views))
	counter(treeReadings, float64(t.Applied), "applied")
	counter(treeReadings, float64(t.Older), "older")
	counter(treeReadings, float64(t.Unknown), "unknown_node")
	counter(treeReadings, float64(t.Misfit), "misfit")
	counter(treeReadings, float64(t.Ahead), "ahead_of_the_clock")
	counter(treeChanges, float64(t.Changes))
	counter(treeUntold, float64(t.Untold))
	counter(treeUnnamed, float64(t.UntoldNames))
	counter(treeFlushes, float64(t.Flushes))

	b := m.binder.Stats()
	for _, k := range b.Kinds {
		gauge(probes, float64(k.Probes), k.Kind)
		counter(probeRuns, float64(k.Runs), k.Kind)
		counter(probeFailures, float64(k.Failures), k.Kind)
		counter(probeMissed, float64(k.Missed), k.Kind)
		counter(probeLate, k.Late.Seconds(), k.Kind)
		counter(probeBusy, k.Busy.Seconds(), k.Kind)
	}
	gauge(instances, float64(b.Instances-b.Kept), "running")
	gauge(instances, float64(b.Kept), "kept")
	gauge(faultCount, float64(b.Reload.Errors))
	ok := 0.0
	if b.Reload.OK {
		ok = 1
	}
	gauge(reloadOK, ok)
	if !b.Reload.Time.IsZero() {
		gauge(reloadTime, float64(b.Reload.Time.UnixMilli())/1000)
		gauge(reloadSeconds, b.Reload.Duration.Seconds())
	}

	s := m.schedule.Stats()
	gauge(scheduleJobs, float64(s.Jobs), "all")
	gauge(scheduleJobs, float64(s.Running), "running")
	gauge(scheduleJobs, float64(s.Waiting), "waiting")
	ch <- lateness(&s)
	counter(scheduleLeft, float64(s.BackedOff))
	counter(schedulePanic, float64(s.Panics))

	p := m.receiver.Stats()
	counter(pushRequests, float64(p.Requests-p.BadRequests), "read")
	counter(pushRequests, float64(p.BadRequests), "malformed")
	counter(pushReadings, float64(p.Applied), "applied")
	for _, r := range receive.Reasons() {
		counter(pushReadings, float64(p.Refused[r]), r.String())
	}

	n := m.bus.Stats()
	counter(busPublished, float64(n.Published))
	counter(busLost, float64(n.Lost))
}

// lateness is the schedule's own histogram; its classes are the buckets.
func lateness(s *schedule.Stats) client.Metric {
	buckets := make(map[float64]uint64, len(schedule.LateBounds))
	count := uint64(0)
	for i, n := range s.Late {
		count += n
		if i < len(schedule.LateBounds) {
			buckets[schedule.LateBounds[i].Seconds()] = count
		}
	}
	return client.MustNewConstHistogram(scheduleLate, count, s.LateSum.Seconds(), buckets)
}
