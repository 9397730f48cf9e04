package center

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"grove/notify/channel"
	"grove/notify/settings"
	"grove/tree/definition/source"
)

// stamp tells whether a file is another.
type stamp struct {
	size    int64
	changed time.Time
	there   bool
}

// look returns the stamp of the file as it is now.
func (c *Center) look() stamp {
	info, err := os.Stat(c.o.File)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime(), true}
}

// Reload reads the file again, and lets what it says count at once when all of it is good.
// The error is what is wrong with it.
func (c *Center) Reload() error {
	c.loading.Lock()
	defer c.loading.Unlock()
	c.seen = c.look()
	state := State{File: c.o.File, There: c.seen.there}
	if before := c.state.Load(); before != nil {
		state.Loaded = before.Loaded
	}
	said, errs := c.read()
	if len(errs) > 0 {
		state.Errors = errs
		c.state.Store(&state)
		for _, e := range errs.Sorted() {
			if state.Loaded.IsZero() {
				c.o.Log.Error("the file of alerts is not taken; nobody is told until it is mended", "at", e.Pos.String(), "error", e.Error())
			} else {
				c.o.Log.Error("the file of alerts is not taken; what it said before goes on", "at", e.Pos.String(), "error", e.Error())
			}
		}
		return errs.Err()
	}
	state.Loaded = c.o.World.Time()
	c.apply(said)
	c.rules.Store(said)
	c.state.Store(&state)
	c.there = state.There
	select {
	case <-c.taken:
	default:
		close(c.taken)
	}
	c.o.Log.Info("the file of alerts is loaded", "file", c.o.File, "there", state.There, "channels", len(said.Channels), "routes", len(said.Routes), "maintenance", len(said.Maintenance))
	return nil
}

// errVanished is a file that was there when it was read last. Who replaces it may do so in
// two steps, and what waits for its channels would be given up between them.
var errVanished = errors.New("it is gone, and what it said goes on: to have nobody told, leave an empty file there")

// read reads the file; one that was not there since the start says nothing.
func (c *Center) read() (*settings.Settings, source.Errors) {
	fail := func(err error) source.Errors {
		return source.Errors{source.Errorf(source.Pos{File: c.o.File}, "%w", err)}
	}
	f, err := os.Open(c.o.File)
	if errors.Is(err, fs.ErrNotExist) && !c.o.FileMust {
		if c.there {
			return nil, fail(errVanished)
		}
		return &settings.Settings{}, nil
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return nil, fail(path.Err) // The place has its name.
	}
	if err != nil {
		return nil, fail(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	switch {
	case err != nil:
		return nil, fail(err)
	case len(text) > MaxFileBytes:
		return nil, fail(fmt.Errorf("it is larger than %d bytes", MaxFileBytes))
	}
	return settings.Read(c.o.File, text, c.kinds, c.o.World)
}

// apply lets settings count.
func (c *Center) apply(s *settings.Settings) {
	gone := c.channels.replace(s.Channels)
	c.rotas.Replace(s.OnCall)
	c.rules.Store(s) // Routes resolve their targets by it.
	c.Router.Replace(s.Routes)
	c.Calendar.Replace(s.Maintenance)
	c.Book.Configure(s.Alerts.Settle, s.Alerts.Silence, s.Alerts.Reopen, s.Alerts.Recover)
	c.Outbox.Configure(s.Outbox)
	c.hearts.Replace(s.Heartbeats)
	for _, name := range gone {
		ctx, cancel := context.WithTimeout(context.Background(), forgetWithin)
		if err := c.Outbox.Forget(ctx, name); err != nil {
			c.o.Log.Error("messages of a channel that is gone still wait", "channel", name, "error", err)
		}
		cancel()
	}
}

// forgetWithin bounds the wait for the database when a channel goes.
const forgetWithin = 10 * time.Second

// watch reads the file again when it is another, until ctx ends.
func (c *Center) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := c.look()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now := c.look()
		c.loading.Lock()
		other := now != c.seen
		c.loading.Unlock()
		// It has stood still for one look: a file is not read half written.
		if other && now == last {
			_ = c.Reload() // It has told why it did not work.
		}
		last = now
	}
}

// resolve returns the channels that a target of a route means at a time.
func (c *Center) resolve(target string, at time.Time) ([]string, error) {
	s := c.rules.Load()
	switch s.Target(target) {
	case settings.ChannelTarget:
		return []string{target}, nil
	case settings.PersonTarget:
		return s.People[target].Channels, nil
	case settings.RotaTarget:
		people, err := c.rotas.OnCall(target, at)
		if err != nil {
			return nil, err
		}
		var channels []string
		for _, p := range people {
			switch s.Target(p) {
			case settings.PersonTarget:
				channels = append(channels, s.People[p].Channels...)
			case settings.ChannelTarget:
				channels = append(channels, p)
			default:
				err = errors.Join(err, fmt.Errorf("rota %q: %q is on call, and there is no person of that name", target, p))
			}
		}
		if len(channels) > 0 {
			if err != nil {
				c.o.Log.Warn("somebody on call cannot be told", "error", err)
			}
			return channels, nil
		}
		return nil, errors.Join(err, fmt.Errorf("rota %q: nobody is on call", target))
	}
	return nil, channel.Permanent(fmt.Errorf("%w: %q", errGone, target))
}
