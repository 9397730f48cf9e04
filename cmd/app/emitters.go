package app

import (
	"context"
	"errors"
	"log/slog"

	"grove/beans"
	jmx "grove/beans/monitor"
	"grove/notify"
	"grove/notify/peer/remote"
	"grove/tree/monitor"
)

// emitters puts what beans emit on the bus: of those that are registered when it
// begins, and of all that come later. Nodes are left out, since the tree itself tells of
// their changes, and monitors, whose service does.
type emitters struct {
	beans *beans.Server
	bus   *notify.Bus
	log   *slog.Logger
	heard map[string]func() // canonical name -> end of the subscription
}

// run listens until ctx ends.
func (e *emitters) run(ctx context.Context) error {
	e.heard = map[string]func(){}
	defer func() {
		for _, end := range e.heard {
			end()
		}
	}()
	comings, err := e.bus.Subscribe(notify.Options{Name: "emitters", Types: []string{beans.TypeRegistered, beans.TypeUnregistered}, Buffer: notify.MaxBuffer, Filter: heardHere})
	if err != nil {
		return err
	}
	defer comings.Close()
	if err := e.survey(ctx); err != nil {
		return err
	}
	for n := range comings.All(ctx) {
		if n.Lost > 0 {
			if err := e.survey(ctx); err != nil {
				return err
			}
		}
		r, ok := n.Data.(beans.Registration)
		switch {
		case !ok:
		case n.Type == beans.TypeRegistered:
			e.hear(r.Name)
		default:
			if end := e.heard[r.Name.Canonical()]; end != nil {
				end()
				delete(e.heard, r.Name.Canonical())
			}
		}
	}
	return ctx.Err()
}

// heardHere leaves out the comings and goings of those.
func heardHere(n beans.Notification) bool {
	r, ok := n.Data.(beans.Registration)
	return ok && !elsewhere(r.Name)
}

// elsewhere says whether the notifications of a bean come to the bus another way, or are
// those of another manager's bus.
func elsewhere(n beans.Name) bool {
	kind, _ := n.Get("type")
	_, theirs := n.Get(remote.Key)
	return theirs || n.Domain() == monitor.Domain && kind == monitor.Type || n.Domain() == jmx.FactoryName.Domain()
}

// survey hears all beans that are there.
func (e *emitters) survey(ctx context.Context) error {
	// A pattern with the type would ask the directory of nodes for all names.
	for _, domain := range e.beans.Domains() {
		pattern, err := beans.ParseName(domain + ":*")
		if err != nil {
			return err
		}
		names, err := e.beans.Query(ctx, pattern, nil)
		if err != nil {
			return err
		}
		for _, n := range names {
			if !elsewhere(n) {
				e.hear(n)
			}
		}
	}
	return nil
}

// hear subscribes to a bean that emits something.
func (e *emitters) hear(n beans.Name) {
	if e.heard[n.Canonical()] != nil || n.Equal(beans.DelegateName) {
		return
	}
	end, err := e.beans.Subscribe(n, e.bus.Publish, nil)
	switch {
	case errors.Is(err, beans.ErrNoNotifications), errors.Is(err, beans.ErrNotFound):
	case err != nil:
		e.log.Error("a bean's notifications cannot be heard", "bean", n.String(), "error", err)
	default:
		e.heard[n.Canonical()] = end
	}
}
