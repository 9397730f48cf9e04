package app

import (
	"context"

	"grove/beans"
	"grove/notify/peer/remote"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/viewer"
	"grove/viewer/act"
)

// openActs makes the operations by which people do something with a node.
func (a *App) openActs() *act.API {
	return act.New(act.Options{
		Tree: a.Tree, Guard: a.Guard,
		Details: func(ctx context.Context, p tree.Path) (*viewer.Details, error) { return a.viewer.Details(ctx, p) },
		Sources: nodeBeans{a}.Sources, Ask: func(r tree.Ref) error { return a.binder.Refresh(r) },
		Audit: a.begin, PassOn: a.passOn, Log: a.log,
	})
}

// refresh makes what feeds a node run now: here, or at the manager whose node it is.
func (a *App) refresh(ctx context.Context, r tree.Ref) error {
	n, err := a.Tree.NodeAt(r)
	if err != nil {
		return err
	}
	if theirs, err := a.passOn(ctx, n.Path, string(remote.Ask), nil); theirs {
		return err
	}
	return a.binder.Refresh(r)
}

// place returns the path of the instance that a runtime bean, or the bean of an
// instance, belongs to: who may do something there may do it with the bean.
func (a *App) place(name beans.Name) (tree.Path, bool) {
	if _, theirs := name.Get(remote.Key); theirs {
		if a.peers.member == nil {
			return tree.Path{}, false
		}
		return a.peers.member.Remote.Place(name)
	}
	if name.Domain() != monitor.Domain {
		return tree.Path{}, false
	}
	property := ""
	switch kind, _ := name.Get("type"); kind {
	case "RuntimeBean":
		property = "instance"
	case "Instance":
		property = "name"
	}
	instance, ok := name.Text(property)
	if !ok {
		return tree.Path{}, false
	}
	return a.binder.Place(instance)
}

// nodeBeans tells of the beans behind nodes.
type nodeBeans struct{ app *App }

// Sources implements viewer.Beans.
func (b nodeBeans) Sources(r tree.Ref) []viewer.NodeSource {
	var list []viewer.NodeSource
	for _, s := range b.app.binder.Sources(r) {
		o := viewer.NodeSource{
			Source: s.Probe, Bean: s.Bean.String(), Instance: s.Instance, Kind: s.Kind, Resource: s.Target, Mode: s.Mode.String(), Started: s.Started,
			LastRun: viewer.FormatTime(s.Last), Duration: s.Duration.Seconds(), Error: s.Error,
			Runs: s.Runs, Failures: s.Failures, Missed: s.Missed, Next: viewer.FormatTime(s.Next),
		}
		if s.Every > 0 {
			o.Every = tree.FormatDuration(s.Every)
		}
		if s.Timeout > 0 {
			o.Timeout = tree.FormatDuration(s.Timeout)
		}
		list = append(list, o)
	}
	return list
}

// Operations implements viewer.Beans. What drops tuned thresholds needs who may tune
// them; what concerns all of an instance needs its operator.
func (b nodeBeans) Operations(r tree.Ref) []viewer.NodeOperation {
	n, err := b.app.Tree.NodeAt(r)
	if err != nil {
		return nil
	}
	var list []viewer.NodeOperation
	if name, err := monitor.Name(n.Path); err == nil {
		list = b.operations(list, name, "", n.Path)
	}
	for _, s := range b.app.binder.Sources(r) {
		list = b.operations(list, s.Bean, s.Probe, s.At)
	}
	return list
}

// operations adds those of one bean; source is empty for the bean of the node itself.
func (b nodeBeans) operations(list []viewer.NodeOperation, name beans.Name, source string, at tree.Path) []viewer.NodeOperation {
	info, err := b.app.Beans.Info(name)
	if err != nil {
		return list // It went in this moment.
	}
	for _, i := range info.Operations {
		o := viewer.NodeOperation{
			Bean: name.String(), Source: source, Name: i.Name, Description: i.Description, Returns: string(i.Returns),
			Impact: impacts[i.Impact], Needs: grant.Operator, At: at,
		}
		if source == "" && i.Name == "reset" {
			o.Needs = grant.Editor
		}
		for _, p := range i.Parameters {
			o.Parameters = append(o.Parameters, viewer.NodeParameter{Name: p.Name, Type: string(p.Type), Description: p.Description, Unit: p.Unit})
		}
		list = append(list, o)
	}
	return list
}

var impacts = map[beans.Impact]string{
	beans.ImpactInfo: "info", beans.ImpactAction: "action", beans.ImpactActionInfo: "action-info", beans.ImpactUnknown: "unknown",
}
