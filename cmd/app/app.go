// Package app puts a manager together: it is the one package that knows every layer,
// builds them in the order of their dependence, and takes them down in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"grove/beans"
	jmx "grove/beans/monitor"
	"grove/beans/timer"
	"grove/notify"
	"grove/runtime/bind"
	"grove/runtime/discover"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/runtime/receive"
	"grove/runtime/receive/push"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/source"
	"grove/tree/definition/watch"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/tree/store/drawer"
	"grove/viewer"
	"grove/viewer/live"
)

// App is one manager. New binds and builds, Start runs, Stop ends.
type App struct {
	config Config
	log    *slog.Logger

	Tree  *tree.Tree
	Guard *grant.Guard // who sees what of the tree
	Beans *beans.Server
	Bus   *notify.Bus

	past      past
	receivers receivers
	door      door
	faces     faces
	exports   exports
	alerts    alerting
	peers     peers
	away      *away
	statuses  *statusLog
	watch     *watch.Watcher
	loader    *definition.Loader
	registry  *probe.Registry
	binder    *bind.Binder
	memories  *memories
	// discoveries keeps the rows of which instances are made.
	discoveries *discover.Hub
	schedule    *schedule.Schedule
	timer       *timer.Timer
	feed        *live.Server
	viewer      *viewer.Server

	reloading sync.Mutex                      // one Reload at a time
	outcome   []any                           // of the last, as it was logged; guarded by reloading
	fresh     freshNodes                      // since the last Reload
	loaded    atomic.Pointer[definition.Plan] // what the files said last

	cleanups []cleanup
	stopping sync.Once
	stopErr  error
}

// cleanup undoes one step of New or Start.
type cleanup struct {
	name string
	do   func(ctx context.Context) error
}

// New builds a manager. The listener is bound when it returns, so that Addr is true;
// nothing is served yet. After an error nothing is left.
func New(c Config) (*App, error) {
	policies, err := c.check()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	a := &App{config: c, log: c.Log, away: newAway()}
	if err := a.build(policies); err != nil {
		return nil, errors.Join(err, a.Stop(context.Background()))
	}
	return a, nil
}

// build puts the parts together: one straight function, since every part needs those
// before it.
func (a *App) build(policies policies) error {
	c := &a.config
	data, err := openData(c.Data)
	if err != nil {
		return err
	}
	a.onStop("data directory", func(context.Context) error { return data.Close() })
	if err := os.MkdirAll(c.Definitions, 0o700); err != nil {
		return fmt.Errorf("definitions: %w", err)
	}

	// The past comes first: the tree tells it everything from the beginning.
	if err := a.openPast(policies.exports); err != nil {
		return err
	}

	// The bottom: beans, the tree on them, and who is told of changes of status.
	a.Beans, err = beans.NewServer(beans.ServerOptions{DefaultDomain: monitor.Domain, ImplementationVersion: c.Version})
	if err != nil {
		return err
	}
	a.Bus = notify.NewBus()
	a.onStop("bus", a.Bus.Close)
	if _, err = a.Beans.Subscribe(beans.DelegateName, a.Bus.Publish, nil); err != nil {
		return err
	}
	a.statuses = &statusLog{log: a.log, source: a.Bus.Source(beans.MustName(monitor.Domain + ":type=Tree"))}
	options := tree.Options{
		Statuses: func(changes []tree.StatusChange) {
			a.statuses.take(changes)
			a.faces.elements.Statuses(changes)
			a.alerts.center.Book.Statuses(changes)
			a.devicesChanged(changes)
		},
		Names: func(changes []tree.NameChange) {
			monitor.Announce(a.Beans, changes)
			a.alerts.center.Book.Names(changes)
			a.fresh.take(changes)
			if p := a.exports.publisher; p != nil {
				p.Changed()
			}
		},
		Asked: func(refs []tree.Ref) { a.binder.Asked(refs) },
		Pace:  func() time.Duration { return a.feed.Pace() },
	}
	a.past.hook(&options)
	kept := &backups{app: a}
	if err := kept.clear(); err != nil {
		return err
	}
	options.Tuned = kept.tuned(options.Tuned)
	a.Tree = tree.New(options)
	a.Guard = grant.NewGuard(a.Tree)
	if err := a.bindPast(policies.exports); err != nil {
		return err
	}
	if err := a.openAlerting(policies); err != nil {
		return err
	}
	directory := monitor.NewDirectory(a.Tree, a.refresh)
	a.statuses.directory = directory
	if _, err = a.Beans.Mount(monitor.Domain, monitor.Type, directory); err != nil {
		return err
	}
	a.timer = timer.New()
	if _, err = a.Beans.Register(a.timer, beans.MustName(monitor.Domain+":type=Timer")); err != nil {
		return err
	}

	// The runtime beans.
	mailboxes := new(receive.Mailboxes)
	a.openReceivers(policies)
	kinds := builtin.Options{Dial: policies.dial, Commands: policies.commands, Secrets: policies.secrets, Files: policies.files, Mailboxes: mailboxes}
	a.receivers.into(&kinds)
	a.registry = builtin.Registry(kinds)
	limits := map[string]int{}
	for _, name := range a.registry.Names() {
		if kind, _ := a.registry.Kind(name); kind.Limit > 0 {
			limits[name] = kind.Limit
		}
	}
	a.schedule = schedule.New(schedule.Options{Kinds: limits, Log: a.log})
	own := metrics.NewSet() // what is counted too often for a registry
	monitors := jmx.NewService(jmx.Options{Beans: a.Beans, Notify: a.Bus.Publish})
	if _, err = a.Beans.Register(jmx.NewFactory(monitors), jmx.FactoryName); err != nil {
		return err
	}
	a.run("monitors", monitors.Run)
	a.memories = openMemories(context.Background(), drawer.New(a.past.facts, memoryKind, maxMemories), a.log)
	a.onStop("memories", func(ctx context.Context) error { a.memories.save(ctx); return nil })
	a.run("memories", a.memories.run)
	a.openDiscoveries(context.Background())
	a.binder, err = bind.New(bind.Options{
		Wrap: a.discoveries.Wrap,
		Tree: a.Tree, Registry: a.registry, Schedule: a.schedule, Beans: a.Beans, Monitors: monitors, Logger: a.log, Memories: a.memories,
		Ran: func(kind string, o schedule.Outcome) {
			own.GetOrCreateHistogram(probeDuration + `{kind="` + kind + `"}`).Update(o.Duration.Seconds())
		},
	})
	if err != nil {
		return err
	}
	a.onStop("probes", a.binder.Stop)
	receiver, err := push.New(push.Options{Tree: a.Tree, Guard: a.Guard, Where: a.where, Mailboxes: mailboxes, Keep: a.past.keep, KeptFrom: a.past.samples.TakesFrom, Own: own})
	if err != nil {
		return err
	}
	a.loader = newLoader(a.registry)
	a.loader.Beside = []string{filepath.Join(c.Data, sharedDir)}
	a.loader.Running = a.binder.Running
	a.loader.Found = a.discoveries.Rows
	a.loaded.Store(&definition.Plan{})
	a.watch = &watch.Watcher{Dir: c.Definitions, Changed: a.Reload}

	if err := a.openPeers(context.Background()); err != nil {
		if wrong := (source.Errors)(nil); errors.As(err, &wrong) {
			return fmt.Errorf("%w: %w", ErrConfig, err) // of the file of peers
		}
		return err
	}
	if err := a.openViewer(policies, own, receiver, kept); err != nil {
		return err
	}
	if err := a.openExports(policies.exports); err != nil {
		return err
	}
	if err := a.takeIn(); err != nil {
		return err
	}
	a.loader.Ask = ownInstances(c, a.Scheme(), a.viewer.Addr())
	return errors.Join(a.showAccess(), a.showCondition())
}

// Addr is where the manager listens.
func (a *App) Addr() net.Addr { return a.viewer.Addr() }

// DropIn is the drop-in directory, as configured or by default.
func (a *App) DropIn() string { return a.config.Definitions }

// Ended is closed when the manager cannot go on serving; Stop then says why.
func (a *App) Ended() <-chan struct{} { return a.viewer.Ended() }

// Start runs the manager. The definitions are loaded when it returns, and nothing was
// served before: who pushes to a manager that has just come back finds its nodes.
func (a *App) Start() {
	a.runPast()
	a.run("notifications of beans", (&emitters{beans: a.Beans, bus: a.Bus, log: a.log}).run)
	a.runExports()
	a.run("own condition", a.keepShowing)
	a.run("CCMS", a.faces.elements.Run)
	a.run("tree", a.Tree.Run)
	a.waitForHistory(context.Background())
	late := a.past.samples.Ready() != nil
	a.startPeers()
	a.Reload()
	a.beginPeers()
	if late {
		a.run("numbers of before", a.renew)
	}
	a.runAlerting()
	a.run("schedule", a.schedule.Run)
	a.run("timer", a.timer.Run)
	a.run("watch of definitions", a.watch.Run)
	a.run("discoveries", a.discoveries.Run)
	a.run("devices that are away", a.keepAway)
	if a.faces.sap != nil {
		a.faces.sap.Start()
	}
	a.runAccess()
	a.viewer.Start()
}

// run runs a part of the manager until Stop, which ends it before everything that
// New built, and waits for it.
func (a *App) run(name string, part func(context.Context) error) {
	a.runWithin(partWithin, name, part)
}

// runWithin is run for a part that may need longer than others to end.
func (a *App) runWithin(limit time.Duration, name string, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- part(ctx) }()
	a.onStop(name, func(stop context.Context) error {
		cancel()
		select {
		case err := <-ended:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-stop.Done():
			return stop.Err()
		case <-time.After(limit):
			return fmt.Errorf("it did not end within %s", limit)
		}
	})
}

// Bounds of the end of one part: those of Start leave time to others, and what does not
// know of time at all is left to the end of the process.
const (
	partWithin = 3 * time.Second
	grace      = 100 * time.Millisecond
)

// end undoes one step, within ctx.
func (c *cleanup) end(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- c.do(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
		return ctx.Err()
	}
}

func (a *App) onStop(name string, do func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// Stop ends the manager, last built first, within ctx. Every part is stopped whatever
// others say; their errors are joined. It may be called more than once.
func (a *App) Stop(ctx context.Context) error {
	a.stopping.Do(func() {
		var errs []error
		for i := len(a.cleanups) - 1; i >= 0; i-- {
			if err := a.cleanups[i].end(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", a.cleanups[i].name, err))
			}
		}
		a.stopErr = errors.Join(errs...)
	})
	return a.stopErr
}
