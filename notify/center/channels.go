package center

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"grove/notify/channel"
	"grove/notify/settings"
)

// channels are the channels of the file, made when they are first used. One that a
// reload changes is closed once nothing is sent by it any more.
type channels struct {
	world *channel.World
	log   *slog.Logger

	mu  sync.Mutex // guards all
	all map[string]*line
}

// line is one channel.
type line struct {
	settings.Channel
	sending sync.Mutex // held around each use: a channel sends one message at a time
	made    channel.Channel
	closed  bool
}

// errGone is why a message for a channel that is not in the file any more is not sent.
var errGone = errors.New("the file of alerts has no such channel")

// replace puts the channels of a file in the place of those before; those that are as
// they were stay open. Gone are the names of those that are not there any more.
func (c *channels) replace(list []settings.Channel) (gone []string) {
	c.mu.Lock()
	before := c.all
	c.all = make(map[string]*line, len(list))
	for _, said := range list {
		if old := before[said.Name]; old != nil && old.Said == said.Said {
			c.all[said.Name] = old
			delete(before, said.Name)
			continue
		}
		c.all[said.Name] = &line{Channel: said}
	}
	for name := range before {
		if c.all[name] == nil {
			gone = append(gone, name)
		}
	}
	c.mu.Unlock()
	for _, old := range before {
		old.close(c.log)
	}
	slices.Sort(gone)
	return gone
}

// close closes what was made, after what is being sent.
func (l *line) close(log *slog.Logger) {
	l.sending.Lock()
	defer l.sending.Unlock()
	if l.made != nil && !l.closed {
		if err := l.made.Close(); err != nil {
			log.Warn("a channel does not close well", "channel", l.Name, "error", err)
		}
	}
	l.closed = true
}

// send delivers one message.
func (c *channels) send(ctx context.Context, name string, m *channel.Message) error {
	c.mu.Lock()
	l := c.all[name]
	c.mu.Unlock()
	if l == nil {
		return channel.Permanent(fmt.Errorf("%w: %q", errGone, name))
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	if l.closed {
		return fmt.Errorf("channel %q was changed at this moment", name) // It is tried again.
	}
	if l.made == nil {
		made, err := l.Kind.New(c.world, l.Options)
		if err != nil {
			return channel.Permanent(err)
		}
		l.made = made
	}
	return l.made.Send(ctx, m)
}
