package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/VictoriaMetrics/metrics"
	client "github.com/prometheus/client_golang/prometheus"

	"grove/runtime/receive/push"
	"grove/viewer"
	"grove/viewer/export/cloudevents"
	"grove/viewer/export/jolokia"
	"grove/viewer/export/prometheus"
	"grove/viewer/live"
	peerrest "grove/viewer/peer"
	"grove/viewer/record"
	"grove/viewer/web"
)

// openViewer builds everything that is served over HTTP, once there is a tree with a
// past and something that feeds it, and binds the listener.
func (a *App) openViewer(p policies, own *metrics.Set, receiver *push.Receiver, kept *backups) error {
	c := &a.config
	moments := a.openTimeTravel()
	registered := prometheus.NewRegistry(c.Version, c.Revision)
	a.feed = live.New(live.Options{
		Tree: a.Tree, Guard: a.Guard, Past: moments.At, Version: c.Version,
		Refuse: viewer.WriteProblem, Log: a.log, Registerer: registered, Own: own,
	})
	a.onStop("live feed", a.feed.Close)
	registered.MustRegister(&ownMetrics{tree: a.Tree, schedule: a.schedule, receiver: receiver, bus: a.Bus, binder: a.binder}, &a.receivers, &alertMetrics{a}, &peerMetrics{a})
	exporter, err := prometheus.New(prometheus.Options{
		Tree: a.Tree, Guard: a.Guard, Refuse: viewer.WriteProblem, Log: a.log,
		Gatherers: []client.Gatherer{registered, prometheus.FromSet(own, metricHelp(), viewer.MetricHelp(), live.MetricHelp(), push.MetricHelp(), jolokia.MetricHelp(), cloudevents.MetricHelp())},
	})
	if err != nil {
		return err
	}
	a.onStop("exporter", func(context.Context) error { exporter.Close(); return nil })
	page, built := web.Assets()
	if !built {
		a.log.Warn("the page was not built into this program: run make build")
	}
	if err := a.openAccess(page); err != nil {
		return err
	}
	mounts, err := a.openFaces(p, own)
	if err != nil {
		return err
	}
	records, err := record.New(record.Options{
		Tree: a.Tree, Guard: a.Guard, History: &a.past.longAgo, Journal: a.past.journal, Definitions: a.past.shared, ForAll: a.past.shared.ForAll(), Check: a.sharedFaults,
		Audit: a.past.audit, Backups: kept, Spool: kept.spool(), Problem: viewer.Problem, Log: a.log,
	})
	if err != nil {
		return err
	}
	browser, streams := a.openBeans()
	alerts, news, err := a.openAlertOperations()
	if err != nil {
		return err
	}
	others, err := peerrest.New(peerrest.Options{Peers: peerView{a}, Audit: a.begin, Log: a.log})
	if err != nil {
		return err
	}
	a.viewer, err = viewer.New(viewer.Options{
		Ready: a.past.samples.Ready, FromOwner: a.askOwner,
		Listen: c.Listen, Version: c.Version, Tree: a.Tree, Guard: a.Guard, Past: moments.At, Beans: nodeBeans{a}, Definitions: a, Hosts: c.Hosts,
		Operations: append(alerts, others.Register,
			receiver.Register, a.registerPlan, records.Register, moments.operations.Register, a.openActs().Register,
			a.door.rest.Register, browser.Register, a.openDesk().Register, a.openSystem(a.feed, receiver).Register,
		),
		Metrics: exporter, Own: own, Live: a.feed, Mounts: slices.Concat(mounts, []viewer.Mount{streams, news}, a.loginMounts(), a.receivers.mounts()), Page: page, ContentSecurityPolicy: web.ContentSecurityPolicy, Log: a.log,
		Access: a.door.access.Handler, TLS: a.tlsConfig(),
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w: another program listens there; choose another address with --listen", err)
	}
	if err != nil {
		return err
	}
	a.onStop("web server", a.viewer.Stop)
	return nil
}
