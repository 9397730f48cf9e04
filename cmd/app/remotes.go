package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"grove/beans"
	"grove/notify/peer"
	"grove/notify/peer/remote"
	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
	"grove/viewer/act"
)

// remoteOptions say what other managers may ask of this one, and do with it.
func (a *App) remoteOptions() remote.Options {
	return remote.Options{
		Beans: a.Beans, Tree: a.Tree, Guard: a.Guard, Audit: a.begin, Place: a.place,
		Name: func(id peer.ID) string { return a.peers.member.NameOf(id) },
		Details: func(ctx context.Context, at tree.Path) (json.RawMessage, error) {
			d, err := a.viewer.Details(ctx, at)
			if err != nil {
				return nil, err
			}
			return json.Marshal(d)
		},
		Acts: a.remoteActs(),
	}
}

// remoteActs are what other managers can do with nodes here, each as this manager's own
// page does it.
func (a *App) remoteActs() map[remote.Verb]remote.Act {
	acts := a.openActs()
	done := json.RawMessage("null")
	return map[remote.Verb]remote.Act{
		remote.Ask: {Needs: grant.Operator, Do: func(ctx context.Context, at tree.Path, arguments json.RawMessage) (json.RawMessage, error) {
			var w act.Wait
			if err := readArguments(arguments, &w); err != nil {
				return nil, err
			}
			return done, acts.Ask(ctx, at, w)
		}},
		remote.Reset: {Needs: grant.Editor, Do: func(_ context.Context, at tree.Path, _ json.RawMessage) (json.RawMessage, error) {
			return done, a.Tree.Reset(at)
		}},
		remote.Tune: {Needs: grant.Editor, Audited: true, Do: func(ctx context.Context, at tree.Path, arguments json.RawMessage) (json.RawMessage, error) {
			var t act.Tuning
			if err := readArguments(arguments, &t); err != nil {
				return nil, err
			}
			return done, acts.Tune(ctx, at, &t)
		}},
		remote.Untune: {Needs: grant.Editor, Audited: true, Do: func(ctx context.Context, at tree.Path, _ json.RawMessage) (json.RawMessage, error) {
			return done, acts.Untune(ctx, at)
		}},
		remote.Alerts:        {Needs: grant.Viewer, Audited: true, Do: a.tellAlertsOf},
		remote.Acknowledge:   {Needs: grant.Operator, Audited: true, Do: a.changeAlertsOf(remote.Acknowledge)},
		remote.Unacknowledge: {Needs: grant.Operator, Audited: true, Do: a.changeAlertsOf(remote.Unacknowledge)},
		remote.Comment:       {Needs: grant.Operator, Audited: true, Do: a.changeAlertsOf(remote.Comment)},
		remote.Resolve:       {Needs: grant.Operator, Audited: true, Do: a.changeAlertsOf(remote.Resolve)},
	}
}

// readArguments reads what another manager sends along.
func readArguments(text json.RawMessage, into any) error {
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: the arguments cannot be read: %w", beans.ErrInvalidValue, err)
	}
	return nil
}

// passOn has the owner of a node do something. Theirs says that it is of another manager.
func (a *App) passOn(ctx context.Context, at tree.Path, what string, arguments json.RawMessage) (theirs bool, err error) {
	if a.peers.member == nil {
		return false, nil
	}
	_, err = a.peers.member.Remote.Act(ctx, at, remote.Verb(what), arguments)
	if errors.Is(err, remote.ErrOwn) {
		return false, nil
	}
	return true, fromAfar(err)
}

// fromAfar is the answer to a client for an error of another manager: in its own words, since
// they are for whoever asked.
func fromAfar(err error) error {
	var theirs *remote.Error
	switch {
	case errors.Is(err, remote.ErrAway):
		return huma.NewError(http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, remote.ErrCircle):
		return huma.NewError(http.StatusConflict, err.Error())
	case errors.As(err, &theirs) && theirs.Unwrap() == nil:
		return huma.NewError(http.StatusConflict, theirs.Message)
	}
	return err
}

// askOwner asks the manager that a node is of about it now. Its paths become those that hang
// here, and what may be done with the node is what may be done here.
func (a *App) askOwner(ctx context.Context, at tree.Path) (d *viewer.Details, own bool, err error) {
	if a.peers.member == nil {
		return nil, true, nil
	}
	node, err := a.peers.member.Remote.Node(ctx, at)
	if errors.Is(err, remote.ErrOwn) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fromAfar(err)
	}
	here, err := a.viewer.Details(ctx, at)
	if err != nil {
		return nil, false, err
	}
	d = &viewer.Details{}
	if err := json.Unmarshal(node.Details, d); err != nil {
		return nil, false, fromAfar(&remote.Error{Message: "the owner's answer cannot be read: " + err.Error()})
	}
	d.Path, d.Name, d.Index, d.Parent, d.Labels = here.Path, here.Name, here.Index, here.Parent, here.Labels
	d.Operations, d.May, d.At = here.Operations, here.May, ""
	d.Cause = below(at, node.Path, d.Cause)
	for i := range d.Properties {
		d.Properties[i].From = "" // It may be a group that hangs elsewhere here.
	}
	for i := range d.Beans {
		d.Beans[i].Bean = a.beanHere(node.Owner, d.Beans[i].Bean)
	}
	return d, false, nil
}

// below are paths at and below a node, as they are where that hangs here.
func below(here, there tree.Path, paths []string) (list []string) {
	for _, text := range paths {
		p, err := tree.ParsePath(text)
		if err != nil || !there.Contains(p) {
			continue
		}
		rest := strings.TrimPrefix(p.String(), there.String())
		if there.IsRoot() {
			rest = p.String()
		}
		list = append(list, here.String()+rest)
	}
	return list
}

// beanHere is the name here of a bean of another manager; it is empty when there is none.
func (a *App) beanHere(of peer.ID, text string) string {
	name, err := beans.ParseName(text)
	if err != nil {
		return ""
	}
	if name, ok := a.peers.member.Remote.NameHere(of, name); ok {
		return name.String()
	}
	return ""
}
