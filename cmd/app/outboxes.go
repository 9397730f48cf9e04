package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/notify/outbox"
	"grove/notify/settings"
	outboxrest "grove/viewer/outbox"
)

// outboxes shows the outbox to people.
type outboxes struct{ app *App }

// List implements viewer/outbox.Outbox.
func (o outboxes) List(ctx context.Context, q outboxrest.Query) (outboxrest.QueuePage, error) {
	page, err := o.app.alerts.center.Outbox.List(ctx, outbox.Query{State: outbox.State(q.State), Channel: q.Channel, Limit: q.Limit, After: q.After})
	if errors.Is(err, outbox.ErrQuery) {
		err = fmt.Errorf("%w: %w", outboxrest.ErrQuery, err)
	}
	out := outboxrest.QueuePage{Next: page.Next}
	for i := range page.Messages {
		m := &page.Messages[i]
		out.Messages = append(out.Messages, outboxrest.QueuedMessage{
			ID: strconv.FormatInt(m.ID, 10), Key: m.Key, Channel: m.Channel, Precedence: m.Precedence.String(), Persistent: m.Persistent, State: string(m.State),
			Made: m.Made, Ends: timeOrNil(m.Ends), Next: timeOrNil(m.Next), Settled: timeOrNil(m.Settled),
			Title: m.Title, At: m.At.String(), Purpose: m.Purpose, Bytes: int64(len(m.Body)), Attempts: m.Attempts, Error: m.Error,
		})
	}
	return out, err
}

// timeOrNil is nil for a time that is not known.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Channels implements viewer/outbox.Outbox: those of the file, and those for which
// something still is there.
func (o outboxes) Channels(ctx context.Context) (list []outboxrest.QueueChannel, stopped bool, err error) {
	stats := o.app.alerts.center.Outbox.Stats()
	of := map[string]outboxrest.QueueChannel{}
	for i := range stats.Channels {
		s := &stats.Channels[i]
		c := outboxrest.QueueChannel{
			Name: s.Channel, Stopped: !s.Stopped.IsZero(), Throttled: timeOrNil(s.Throttled),
			Waiting: outboxrest.QueueWaiting{Urgent: int64(s.Urgent.Waiting), Normal: int64(s.Normal.Waiting), Bulk: int64(s.Bulk.Waiting)},
		}
		if s.LastErrorAt.After(s.LastSent) {
			c.Error = s.LastError
		}
		for _, counts := range []*outbox.Counts{&s.Urgent, &s.Normal, &s.Bulk} {
			c.Sent += int64(counts.Sent)
			if oldest := counts.Oldest; !oldest.IsZero() && (c.Oldest == nil || oldest.Before(*c.Oldest)) {
				c.Oldest = &oldest
			}
		}
		of[s.Channel] = c
	}
	if stats.Dead > 0 {
		if err := o.countDead(ctx, of); err != nil {
			return nil, false, err
		}
	}
	for _, said := range o.app.alerts.center.Settings().Channels {
		c := of[said.Name]
		c.Name, c.Kind = said.Name, said.Kind.Name
		of[said.Name] = c
	}
	for _, c := range of {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b outboxrest.QueueChannel) int { return strings.Compare(a.Name, b.Name) })
	return list, !stats.Stopped.IsZero(), nil
}

// countDead counts the dead letters of each channel that there are now.
func (o outboxes) countDead(ctx context.Context, of map[string]outboxrest.QueueChannel) error {
	q := outbox.Query{State: outbox.Dead, Limit: outbox.MaxLimit}
	for {
		page, err := o.app.alerts.center.Outbox.List(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Messages {
			name := page.Messages[i].Channel
			c := of[name]
			c.Name = name
			c.Dead++
			of[name] = c
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}

// known refuses a channel that neither the file nor the outbox has.
func (o outboxes) known(ctx context.Context, channel string) error {
	if channel == "" {
		return nil
	}
	list, _, err := o.Channels(ctx)
	if err == nil && !slices.ContainsFunc(list, func(c outboxrest.QueueChannel) bool { return c.Name == channel }) {
		err = fmt.Errorf("%w: %.80q", outboxrest.ErrChannel, channel)
	}
	return err
}

// Stop implements viewer/outbox.Outbox.
func (o outboxes) Stop(ctx context.Context, channel string) error {
	if err := o.known(ctx, channel); err != nil {
		return err
	}
	return o.app.alerts.center.Outbox.Stop(ctx, channel)
}

// Start implements viewer/outbox.Outbox.
func (o outboxes) Start(ctx context.Context, channel string) error {
	if err := o.known(ctx, channel); err != nil {
		return err
	}
	return o.app.alerts.center.Outbox.Start(ctx, channel)
}

// Resend implements viewer/outbox.Outbox.
func (o outboxes) Resend(ctx context.Context, ids []int64) ([]int64, error) {
	return o.app.alerts.center.Outbox.Resend(ctx, ids)
}

// Drop implements viewer/outbox.Outbox.
func (o outboxes) Drop(ctx context.Context, ids []int64) ([]int64, error) {
	return o.app.alerts.center.Outbox.Drop(ctx, ids)
}

// Test implements viewer/outbox.Outbox.
func (o outboxes) Test(ctx context.Context, channel, by string) error {
	if !slices.ContainsFunc(o.app.alerts.center.Settings().Channels, func(c settings.Channel) bool { return c.Name == channel }) {
		return fmt.Errorf("%w: %.80q", outboxrest.ErrChannel, channel)
	}
	if err := o.app.alerts.center.Test(ctx, channel, by); err != nil {
		return fmt.Errorf("%w: %w", outboxrest.ErrTest, err)
	}
	return nil
}
