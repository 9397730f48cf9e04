// Package center puts the rooms of alerts together as the file of alerts says: the book
// decides what is an alert, the router who is told, the outbox keeps the messages, and the
// channels deliver them; the calendar of maintenance and the rotas of who is on call are
// asked on the way.
//
// The file is read again when it changes. What cannot be read changes nothing: what ran
// goes on, and State says why.
package center

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/book"
	"grove/notify/channel"
	"grove/notify/channel/builtin"
	"grove/notify/heartbeat"
	"grove/notify/oncall"
	"grove/notify/outbox"
	"grove/notify/route"
	"grove/notify/settings"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/definition/source"
	"grove/tree/maintenance"
	"grove/tree/store"
)

// MaxFileBytes bounds the file of alerts.
const MaxFileBytes = 4 << 20

// lookEvery is how often the file is looked at.
const lookEvery = time.Second

// Options are the surroundings of a Center.
type Options struct {
	Tree    *tree.Tree
	Store   *store.Store
	Journal book.Journal
	World   *channel.World
	// File is the file of alerts. One that is not there says nothing, unless it must be.
	File     string
	FileMust bool
	// Healthy says why grove does not work as it should, which keeps back its heartbeats.
	Healthy func() error
	// Told is told of alerts that changed, as book.Options.Changed says; nil: nobody is.
	Told func([]alert.Alert)
	// Twin says to whom the alerts about a device are left that another manager watches, too,
	// as book.Options.Twin does; it is asked again when TwinsChanged is called.
	Twin func(*alert.Alert) book.Twin
	// Held says why messages about a node must wait, as those do that another manager may
	// have sent; nil: none must. Sent is told of each message that was delivered; nil: nobody.
	Held func(tree.Path) (why string, held bool)
	Sent func(*channel.Message)
	Log  *slog.Logger // nil discards
}

// Center is the alerts of one manager.
type Center struct {
	o        Options
	Book     *book.Book
	Router   *route.Router
	Outbox   *outbox.Outbox
	Calendar *maintenance.Calendar
	hearts   *heartbeat.Hearts
	rotas    *oncall.Rotas
	channels *channels
	said     said
	kinds    *builtin.Registry

	loading sync.Mutex // one reading of the file at a time; guards seen, there and the closing of taken
	seen    stamp
	there   bool          // what is in force stands in a file
	taken   chan struct{} // closed once a reading of the file was taken
	rules   atomic.Pointer[settings.Settings]
	state   atomic.Pointer[State]
}

// State says how the last reading of the file went.
type State struct {
	File string
	// There says that there is such a file; Errors what is wrong in it, in which case what
	// it said before goes on.
	There  bool
	Errors source.Errors
	Loaded time.Time // of what is in force; zero: none
}

// New puts a center together; nothing is decided and nothing sent before Begin and Run.
func New(o Options) *Center {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Center{o: o, kinds: builtin.Kinds(), channels: &channels{world: o.World, log: o.Log}, taken: make(chan struct{})}
	c.rules.Store(&settings.Settings{})
	c.said = said{started: o.World.Time(), all: map[about]Said{}}
	c.state.Store(&State{File: o.File})
	c.Calendar = maintenance.New(maintenance.Options{
		Store: o.Store, Now: o.World.Now, Log: o.Log,
		Changed: func() { c.Book.MaintenanceChanged() }, Announce: c.announce,
	})
	c.Book = book.New(book.Options{
		Tree: o.Tree, Store: o.Store, Journal: o.Journal, Manager: o.World.Manager, Maintained: c.maintained, Twin: o.Twin, Changed: c.changed, Now: o.World.Now, Log: o.Log,
	})
	c.Outbox = outbox.New(outbox.Options{Store: o.Store, Send: c.send, Now: o.World.Now, Log: o.Log})
	c.rotas = oncall.New(oncall.Options{Now: o.World.Now, Log: o.Log})
	c.Router = route.New(route.Options{
		Book: c.Book, Outbox: c.Outbox, Store: o.Store, Journal: o.Journal, Resolve: c.resolve, Manager: o.World.Manager, URL: func() string { return o.World.URL }, Now: o.World.Now, Log: o.Log,
	})
	c.hearts = heartbeat.New(heartbeat.Config{Outbox: c.Outbox, Healthy: o.Healthy, Manager: o.World.Manager, Now: o.World.Now, Log: o.Log})
	return c
}

// changed hands on what the book decided.
func (c *Center) changed(alerts []alert.Alert) {
	c.Router.Changed(alerts)
	if c.o.Told != nil {
		c.o.Told(alerts)
	}
}

// maintained says whether somebody works on a node.
func (c *Center) maintained(p tree.Path, at time.Time) (alert.Suppression, bool) {
	o, ok := c.Calendar.Active(p, at)
	if !ok {
		return alert.Suppression{}, false
	}
	where := p
	for _, w := range o.Window.At {
		if w.Contains(p) {
			where = w
		}
	}
	return alert.Suppression{Reason: alert.ByMaintenance, At: where, Text: o.Text(), Since: o.Start, Until: &o.End}, true
}

// announce tells of a maintenance those who would hear of alerts there.
func (c *Center) announce(ctx context.Context, o maintenance.Occurrence, phase maintenance.Phase) error {
	verb := map[maintenance.Phase]string{maintenance.Near: "is to begin", maintenance.Begins: "begins", maintenance.Ends: "is over"}[phase]
	for _, p := range o.Window.At {
		title := fmt.Sprintf("Maintenance of %s %s: %s", p, verb, o.Window.Name)
		if err := c.Router.Announce(ctx, p, title, o.Text(), o.Start); err != nil {
			return err
		}
	}
	return nil
}

// send delivers a message of the outbox.
func (c *Center) send(ctx context.Context, m *outbox.Message) error {
	var body channel.Message
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return channel.Permanent(fmt.Errorf("the message cannot be read: %w", err))
	}
	if c.o.Held != nil {
		for i := range body.Alerts {
			if why, held := c.o.Held(body.Alerts[i].Path); held {
				return channel.Aside(errors.New(why), heldFor)
			}
		}
	}
	err := c.channels.send(ctx, m.Channel, &body)
	if err != nil {
		return err
	}
	c.said.note(&body, c.o.World.Time())
	if c.o.Sent != nil {
		c.o.Sent(&body)
	}
	return nil
}

// TwinsChanged says that alerts are left to other managers than before, or that these have
// told people of others.
func (c *Center) TwinsChanged() { c.Book.TwinsChanged() }

// heldFor is after how long it is asked again whether a message must still wait.
const heldFor = 5 * time.Second

// DropTold drops the messages that wait at and below a node and say nothing but what people
// were told meanwhile by another manager, and returns how many.
func (c *Center) DropTold(ctx context.Context, under tree.Path, told func(*alert.Alert) bool) (n int, err error) {
	q := outbox.Query{State: outbox.Waiting, Limit: outbox.MaxLimit}
	for {
		page, err := c.Outbox.List(ctx, q)
		if err != nil {
			return n, err
		}
		var ids []int64
		for _, m := range page.Messages {
			var body channel.Message
			if json.Unmarshal(m.Body, &body) != nil || len(body.Alerts) == 0 || len(body.Alerts) < body.Firing+body.Resolved {
				continue // It says more than is known here.
			}
			if !slices.ContainsFunc(body.Alerts, func(a alert.Alert) bool { return !under.Contains(a.Path) || !told(&a) }) {
				ids = append(ids, m.ID)
			}
		}
		done, err := c.Outbox.Drop(ctx, ids)
		if n += len(done); err != nil || page.Next == "" {
			return n, err
		}
		q.After = page.Next
	}
}
