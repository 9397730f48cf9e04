package center

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"grove/notify/channel"
	"grove/notify/settings"
)

// Begin reads the file, the windows that people made, the outbox and the alerts of before, and
// compares these with the tree, before Run. What is wrong with the file is told, and
// hinders nothing: State has it. It may be called again after an error.
func (c *Center) Begin(ctx context.Context) error {
	if err := c.Calendar.Load(ctx); err != nil {
		return fmt.Errorf("maintenance: %w", err)
	}
	_ = c.Reload() // It has told what is wrong.
	// Nothing is sent again, but what waits is read, for those who look at it.
	if _, err := c.Outbox.Resend(ctx, nil); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return c.Book.Begin(ctx)
}

// Run decides, tells and delivers until ctx ends. It returns once everything has ended.
func (c *Center) Run(ctx context.Context) error {
	parts := []struct {
		name string
		run  func(context.Context) error
	}{
		{"book", c.Book.Run}, {"routes", c.Router.Run}, {"outbox", c.deliver}, {"maintenance", c.Calendar.Run},
		{"heartbeats", c.hearts.Run}, {"file of alerts", c.watch},
	}
	var wg sync.WaitGroup
	errs := make([]error, len(parts))
	for i, part := range parts {
		wg.Go(func() {
			if err := part.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				errs[i] = fmt.Errorf("%s: %w", part.name, err)
				c.o.Log.Error("a part of the alerts has ended", "part", part.name, "error", err)
			}
		})
	}
	wg.Wait()
	c.channels.replace(nil)
	return errors.Join(errs...)
}

// deliver sends what waits. Before the file was taken for the first time nobody knows the
// channels: a mistake in it at a start must not make dead letters of what is owed.
func (c *Center) deliver(ctx context.Context) error {
	select {
	case <-c.taken:
		return c.Outbox.Run(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Settings are what the file says that is in force.
func (c *Center) Settings() *settings.Settings { return c.rules.Load() }

// State says how the last reading of the file went.
func (c *Center) State() State { return *c.state.Load() }

// Test delivers a message that says that it is a test, at once and past the outbox, and
// returns what the channel answers.
func (c *Center) Test(ctx context.Context, name, by string) error {
	now := c.o.World.Time()
	return c.channels.send(ctx, name, &channel.Message{
		Key: fmt.Sprintf("test-%d", now.UnixNano()), Group: "test", Sequence: 1, Purpose: channel.Test, Time: now, Manager: c.o.World.Manager,
		Title: "Test of channel " + name, Text: by + " tries whether grove's messages arrive here. Nothing is wrong.", URL: c.o.World.URL,
	})
}
