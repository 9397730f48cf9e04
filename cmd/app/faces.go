package app

import (
	"context"
	"fmt"
	"net/http"

	"github.com/VictoriaMetrics/metrics"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/history/promql"
	"grove/viewer"
	"grove/viewer/export/ccms"
	ccmsrest "grove/viewer/export/ccms/rest"
	"grove/viewer/export/cloudevents"
	"grove/viewer/export/document"
	documentrest "grove/viewer/export/document/rest"
	"grove/viewer/export/jolokia"
	promhttp "grove/viewer/export/promql"
	"grove/viewer/export/report"
	"grove/viewer/export/sapcontrol"
	"grove/viewer/export/sapcontrol/listener"
)

// faces are the manager as other programs see it: one interface each for clients of
// Prometheus, JMX and SAP, and for programs that want documents or events.
type faces struct {
	events    *cloudevents.Stream
	elements  *ccms.Exporter
	documents *document.Maker
	reports   *report.Maker
	sap       *listener.Server // nil: it listens nowhere of its own
}

// openFaces builds them once there is a tree with a past. The mounts are for the
// viewer.
func (a *App) openFaces(p policies, own *metrics.Set) ([]viewer.Mount, error) {
	var mounts []viewer.Mount
	mount := func(prefix string, h http.Handler) { mounts = append(mounts, viewer.Mount{Prefix: prefix, Handler: h}) }

	engine, err := promql.New(promql.Options{Store: a.past.samples.Queryable(), Guard: a.Guard, NotReady: history.ErrNotReady, Metadata: a.past.catalogue.Seen, Log: a.log})
	if err != nil {
		return nil, err
	}
	a.onStop("PromQL", func(context.Context) error { return engine.Close() })
	queries, err := promhttp.New(promhttp.Options{Engine: engine, Revision: a.config.Revision, Ready: a.past.samples.Ready, Log: a.log})
	if err != nil {
		return nil, err
	}
	mount(promhttp.Prefix, queries)

	agent, err := jolokia.New(jolokia.Options{
		Beans: a.Beans, Guard: a.Guard, Version: a.config.Version, ID: a.config.Name, Policy: p.jolokia, Own: own, Log: a.log,
		Audit: a.auditAct,
	})
	if err != nil {
		return nil, err
	}
	a.onStop("Jolokia", func(context.Context) error { agent.Close(); return nil })
	mount("/jolokia", agent)

	if err := a.openSAP(mount); err != nil {
		return nil, err
	}

	a.faces.documents, err = document.NewMaker(document.Options{Tree: a.Tree, Guard: a.Guard, Managers: a, Version: a.config.Version})
	if err != nil {
		return nil, err
	}
	documents, err := documentrest.New(documentrest.Options{Maker: a.faces.documents, Prefix: "/documents", Refuse: viewer.WriteProblem})
	if err != nil {
		return nil, err
	}
	mount("/documents", documents)

	a.faces.reports, err = report.NewMaker(report.Options{Journal: a.past.journal, Guard: a.Guard, Documents: a.faces.documents, Version: a.config.Version})
	if err != nil {
		return nil, err
	}
	reports, err := report.NewHandler(report.HandlerOptions{Maker: a.faces.reports, Prefix: "/reports", Refuse: viewer.WriteProblem, Log: a.log})
	if err != nil {
		return nil, err
	}
	mount("/reports", reports)

	a.faces.events, err = cloudevents.New(cloudevents.Options{Manager: a.config.Name, Guard: a.Guard, Refuse: viewer.WriteProblem, Own: own, Log: a.log})
	if err != nil {
		return nil, err
	}
	a.onStop("events", a.faces.events.Close)
	mount("/api/v1/events", a.faces.events)
	return mounts, nil
}

// openSAP builds what SAP's tools read.
func (a *App) openSAP(mount func(string, http.Handler)) (err error) {
	c := &a.config
	a.faces.elements, err = ccms.New(ccms.Options{
		Tree: a.Tree, Guard: a.Guard, System: c.SAPSystem, Shelf: newAlertShelf(a.past.facts), Audit: a.auditAcknowledgement, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.onStop("CCMS", func(context.Context) error { a.faces.elements.Close(); return nil })
	elements, err := ccmsrest.New(ccmsrest.Options{Elements: a.faces.elements, Refuse: viewer.WriteProblem, Log: a.log})
	if err != nil {
		return err
	}
	mount("/ccms", elements)
	service, err := sapcontrol.New(sapcontrol.Options{Elements: a.faces.elements, Instance: c.SAPInstance, Version: c.Version, Access: a.sapAccess, Log: a.log})
	if err != nil {
		return err
	}
	mount("/SAPControl", service)
	mount("/SAPControl.cgi", service)
	if !c.SAPListen {
		return nil
	}
	a.faces.sap, err = listener.New(a.door.access.Handler(service), listener.Options{
		Address: fmt.Sprintf("127.0.0.1:%d", listener.Port(c.SAPInstance)), Socket: listener.Socket(c.SAPInstance), Log: a.log,
	})
	if err != nil {
		return err
	}
	a.onStop("SAPControl", a.faces.sap.Close)
	return nil
}

// sapAccess tells where SAPControl can be reached.
func (a *App) sapAccess() []sapcontrol.Access {
	if a.faces.sap == nil {
		return nil
	}
	var all []sapcontrol.Access
	for _, at := range a.faces.sap.Access() {
		all = append(all, sapcontrol.Access(at))
	}
	return all
}

// where says where an instance hangs that runs.
func (a *App) where(instance string) (tree.Path, bool) {
	for _, i := range a.binder.Running() {
		if i.Name == instance {
			return i.At, true
		}
	}
	return tree.Root, false
}

// Managers implements document.Managers: this one, until there are peers.
func (a *App) Managers() []document.Manager {
	m := document.Manager{ID: a.config.Name, Name: a.config.Name, Version: a.config.Version, Host: hostname(), Address: a.Scheme() + "://" + reachable(a.Addr())}
	list := a.Definitions()
	wrong := map[string][]string{}
	for _, i := range list.Instances {
		for _, f := range i.Errors {
			wrong[i.Name] = append(wrong[i.Name], f.Message)
		}
	}
	for _, i := range a.binder.Running() {
		kinds := make([]string, len(i.Probes))
		for k := range i.Probes {
			kinds[k] = i.Probes[k].Kind
		}
		m.Instances = append(m.Instances, document.Instance{
			Name: i.Name, Application: i.Application, Title: i.Title, Description: i.Description, Where: i.At,
			Kinds: kinds, Parameters: i.Parameters(), Errors: wrong[i.Name],
		})
	}
	return []document.Manager{m}
}
