package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/beans"
	"grove/notify/center"
	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
	"grove/viewer"
	alertrest "grove/viewer/alert"
	maintenancerest "grove/viewer/maintenance"
	outboxrest "grove/viewer/outbox"
	routerest "grove/viewer/route"
	whatifrest "grove/viewer/whatif"
)

// alertsFile is the file of alerts in the data directory, which need not be there.
const alertsFile = "alerts.yaml"

// alerting is what becomes of changes of status that matter to people.
type alerting struct {
	center *center.Center
	world  *channel.World
	rest   *alertrest.API
	bean   *beans.Standard
	shown  map[string]bool // channels that have nodes; of the one who shows
}

// openAlerting makes the center of alerts, once there is a tree with a past.
func (a *App) openAlerting(p policies) error {
	c := &a.config
	file := c.Alerts
	if file == "" {
		file = filepath.Join(c.Data, alertsFile)
	}
	a.alerts.shown = map[string]bool{}
	a.alerts.world = a.openWorld(p)
	a.alerts.center = center.New(center.Options{
		Tree: a.Tree, Store: a.past.facts, Journal: a.past.journal, World: a.alerts.world, File: file, FileMust: c.Alerts != "",
		Healthy: a.healthy, Told: a.tellAlerts, Twin: a.twinOf, Held: a.held, Sent: a.sent, Log: a.log,
	})
	return a.openAlertBean()
}

// runAlerting compares the alerts of before with the tree, once that is as it was, and goes
// on with them until Stop.
func (a *App) runAlerting() {
	if a.config.URL == "" {
		a.alerts.world.URL = a.Scheme() + "://" + reachable(a.Addr())
	}
	a.runWithin(3*partWithin, "alerts", func(ctx context.Context) error {
		for {
			err := a.alerts.center.Begin(ctx)
			if err == nil {
				break
			}
			a.log.Error("alerts cannot be read; it is tried again", "error", err)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(beginAgain):
			}
		}
		return a.alerts.center.Run(ctx)
	})
}

// beginAgain is the pause after which the alerts are read again, when the database did not
// answer.
const beginAgain = 2 * time.Second

// tellAlerts tells the page and the bus of alerts that changed.
func (a *App) tellAlerts(alerts []alert.Alert) {
	if a.alerts.rest != nil {
		a.alerts.rest.Changed(alerts)
	}
	for i := range alerts {
		a.emitAlert(&alerts[i])
	}
}

// acknowledgeAt acknowledges the open alerts of a node for somebody who may.
func (a *App) acknowledgeAt(ctx context.Context, p tree.Path, by, comment string) {
	var ids []alert.ID
	for x := range a.alerts.center.Book.Live {
		if x.Path == p && x.Ack == nil {
			ids = append(ids, x.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	for _, r := range a.alerts.center.Book.Acknowledge(ctx, ids, alert.Ack{By: by, Comment: comment}, func(tree.Path) error { return nil }) {
		if r.Error != "" {
			a.log.Error("an acknowledgement by CCMS does not count for the alert", "path", p.String(), "alert", r.ID.String(), "error", r.Error)
		}
	}
}

// healthy says why grove does not do what its heartbeats vouch for.
func (a *App) healthy() error {
	stats := a.alerts.center.Book.Stats()
	switch {
	case !stats.Begun:
		return errors.New("alerts are not read yet")
	case stats.Err != nil:
		return stats.Err
	}
	select {
	case <-a.viewer.Ended():
		return errors.New("the web server has ended")
	default:
	}
	return nil
}

// openAlertOperations are the operations about alerts, and what is served outside of them.
func (a *App) openAlertOperations() (register []func(huma.API), mount viewer.Mount, err error) {
	c := a.alerts.center
	alerts, err := alertrest.New(alertrest.Options{Book: c.Book, Guard: a.Guard, Owners: alertOwners{a}, Audit: a.begin, Log: a.log})
	if err != nil {
		return nil, mount, err
	}
	a.onStop("streams of alerts", alerts.Close)
	a.alerts.rest = alerts
	windows, err := maintenancerest.New(maintenancerest.Options{Calendar: c.Calendar, Tree: a.Tree, Guard: a.Guard, Audit: a.begin, Touched: alerts.Touched, Log: a.log})
	if err != nil {
		return nil, mount, err
	}
	supposed, err := whatifrest.New(whatifrest.Options{Supposing: supposing{a}, Tree: a.Tree, Guard: a.Guard, Log: a.log})
	if err != nil {
		return nil, mount, err
	}
	routes, err := routerest.New(routerest.Options{Routes: routings{supposing{a}}, Supposing: supposing{a}, Live: c.Book.Live, Tree: a.Tree, Guard: a.Guard, Log: a.log})
	if err != nil {
		return nil, mount, err
	}
	queue, err := outboxrest.New(outboxrest.Options{Outbox: outboxes{a}, Audit: a.begin, Log: a.log})
	if err != nil {
		return nil, mount, err
	}
	return []func(huma.API){alerts.Register, windows.Register, supposed.Register, routes.Register, queue.Register},
		viewer.Mount{Prefix: alertrest.StreamPath, Handler: alerts}, nil
}

// supposing answers what would be, were nodes in another status.
type supposing struct{ app *App }

// Explain implements viewer/whatif.Supposing.
func (s supposing) Explain(x alert.Alert, at time.Time) alert.Explanation {
	return s.app.alerts.center.Router.Explain(x, at)
}
