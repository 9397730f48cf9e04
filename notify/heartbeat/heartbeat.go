// Package heartbeat sends regular messages by which somebody else notices that grove has
// died: a dead man's switch expects them, and tells people when they stay out.
//
// They go through the outbox like all messages, but last of all and only while they are
// fresh: what nobody could deliver in time is not delivered later. They are sent only
// while what they vouch for works.
package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree"
)

// Options say of one heartbeat where it goes.
type Options struct {
	To    string        `yaml:"to" jsonschema:"description=Channel that it goes to."`
	Every time.Duration `yaml:"every,omitempty" jsonschema:"description=How often; 1m when left out."`
}

// Bounds of Options.Every, and what it is when nobody says.
const (
	MinEvery     = time.Second
	MaxEvery     = 24 * time.Hour
	defaultEvery = time.Minute
)

// again is how soon one that was held back is tried again: whoever waits for it is to
// hear early that all is well.
const again = 10 * time.Second

// Check says which option is wrong, by a channel.OptionError.
func (o Options) Check() error {
	switch {
	case o.To == "":
		return channel.BadOption("to", "is missing: the channel that the heartbeat goes to")
	case o.Every != 0 && (o.Every < MinEvery || o.Every > MaxEvery):
		return channel.BadOption("every", "%s is not from %s to %s", o.Every, MinEvery, tree.FormatDuration(MaxEvery))
	}
	return nil
}

func (o Options) every() time.Duration {
	if o.Every == 0 {
		return defaultEvery
	}
	return o.Every
}

// Config is what surrounds heartbeats.
type Config struct {
	Outbox interface {
		Add(ctx context.Context, messages ...outbox.Message) error
	}
	// Healthy says why grove does not work as it should: as long as it does, nothing is
	// sent. It returns at once; nil: grove is always well.
	Healthy func() error
	Manager string
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil discards
}

// Hearts are all heartbeats of a manager.
type Hearts struct {
	c       Config
	changed chan struct{}

	mu     sync.Mutex
	hearts map[string]*heart
}

// heart is one heartbeat.
type heart struct {
	Options
	next time.Time
	// held says that the last one was held back or could not be put into the outbox.
	held bool
}

// New returns hearts that beat once Replace says which and while Run runs.
func New(c Config) *Hearts {
	if c.Healthy == nil {
		c.Healthy = func() error { return nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Hearts{c: c, changed: make(chan struct{}, 1), hearts: map[string]*heart{}}
}

// Replace says by name which heartbeats there are from now on. One that stays as it was
// keeps its time; another begins at once.
func (h *Hearts) Replace(all map[string]Options) {
	h.mu.Lock()
	hearts := make(map[string]*heart, len(all))
	for name, o := range all {
		if old := h.hearts[name]; old != nil && old.Options == o {
			hearts[name] = old
			continue
		}
		hearts[name] = &heart{Options: o}
	}
	h.hearts = hearts
	h.mu.Unlock()
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// Run sends heartbeats until its context ends.
func (h *Hearts) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.changed:
		case <-timer.C:
		}
		timer.Reset(h.beat(ctx))
	}
}

// beat sends what is due and returns how long nothing will be.
func (h *Hearts) beat(ctx context.Context) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, sick := h.c.Now(), h.c.Healthy()
	pause := MaxEvery
	for _, name := range slices.Sorted(maps.Keys(h.hearts)) {
		one := h.hearts[name]
		// A clock that was set back must not silence it.
		if far := now.Add(one.every()); one.next.After(far) {
			one.next = far
		}
		if !one.next.After(now) {
			err := sick
			if err == nil {
				err = h.c.Outbox.Add(ctx, h.message(name, one, now))
			}
			h.note(name, one, err)
			// What was missed while the machine slept is not made up for.
			pace := one.every()
			if one.held {
				pace = min(pace, again)
			}
			if one.next = one.next.Add(pace); !one.next.After(now) {
				one.next = now.Add(pace)
			}
		}
		pause = min(pause, one.next.Sub(now))
	}
	return pause
}

// note logs that a heartbeat stays out, and that it is back, once each.
func (h *Hearts) note(name string, one *heart, err error) {
	switch {
	case errors.Is(err, context.Canceled):
		return
	case err != nil && !one.held:
		h.c.Log.Warn("a heartbeat is held back", "heartbeat", name, "to", one.To, "err", err)
	case err == nil && one.held:
		h.c.Log.Info("a heartbeat goes out again", "heartbeat", name, "to", one.To)
	}
	one.held = err != nil
}

// message makes the message of a heartbeat. Its sequence is the number of its period since
// 1970, which rises over restarts too.
func (h *Hearts) message(name string, one *heart, now time.Time) outbox.Message {
	every := one.every()
	group := fmt.Sprintf("%s/heartbeat/%s", h.c.Manager, name)
	m := channel.Message{
		Key: fmt.Sprintf("%s/%d", group, now.UnixMilli()), Group: group, Sequence: now.UnixNano() / int64(every),
		Purpose: channel.Heartbeat, Time: now, Manager: h.c.Manager, Status: tree.Green, Severity: tree.Cleared,
		Title: fmt.Sprintf("grove on %s lives", h.c.Manager),
		Text: fmt.Sprintf("This message comes every %s while the manager %s watches and tells. When it stays out, look there.",
			tree.FormatDuration(every), h.c.Manager),
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // It is made of texts and numbers.
	}
	return outbox.Message{
		Key: m.Key, Channel: one.To, Precedence: outbox.Bulk, Made: now, Ends: now.Add(every),
		Title: m.Title, Purpose: string(m.Purpose), Body: body,
	}
}
