package route

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree"
	"grove/tree/store"
)

// Announce tells those who would be told of alerts of a node, or of nodes below it, of
// something that is not an alert, such as a maintenance. Only the paths of the routes
// count: which alerts there will be nobody knows, so it is better told to one more. At is the
// time that it is about, which makes it another announcement than the next of the same
// words; the same again has the same keys. It returns once it is committed.
func (r *Router) Announce(ctx context.Context, path tree.Path, title, text string, at time.Time) error {
	now := r.o.Now()
	targets := newResolver(r, now)
	m := channel.Message{Purpose: channel.Announcement, Sequence: 1, Time: now.UTC(), Manager: r.o.Manager, Status: tree.Green, Severity: tree.Cleared, Title: title, Text: text}
	m.Group = hash(r.o.Manager, "announcement", path.String(), title, text, strconv.FormatInt(at.UnixMilli(), 10))
	if url := r.o.URL(); url != "" {
		m.URL = url + "/#/maintenance"
	}
	var messages []outbox.Message
	done := map[string]bool{}
	for _, rt := range *r.routes.Load() {
		some, all := rt.when.Concerns(path)
		if !some {
			continue
		}
		for _, name := range targets.channels(rt.Name, rt.To) {
			if done[name] {
				continue
			}
			done[name] = true
			m.Route, m.Key = rt.Name, hash(r.o.Manager, rt.Name, m.Group, name, "1")
			body, err := json.Marshal(&m)
			if err != nil {
				return fmt.Errorf("announcement %q: %w", title, err)
			}
			if len(body) > channel.MaxBytes {
				return fmt.Errorf("announcement %q: %d bytes are more than the bound of %d", title, len(body), channel.MaxBytes)
			}
			messages = append(messages, outbox.Message{Key: m.Key, Channel: name, Precedence: rt.precedence, Persistent: true,
				Made: now, Title: title, At: path, Purpose: string(channel.Announcement), Body: body})
		}
		if all && !rt.Continue {
			break
		}
	}
	if len(messages) == 0 {
		return nil
	}
	err := r.o.Store.Write(ctx, func(tx *store.Tx) error { return r.o.Outbox.Put(tx, messages...) })
	if err != nil {
		return fmt.Errorf("announcement %q: %w", title, err)
	}
	r.count(func(s *Stats) { s.Messages[channel.Announcement] += int64(len(messages)) })
	r.o.Outbox.Wake()
	return nil
}
