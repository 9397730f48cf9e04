package route

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/notify/route/compose"
	"grove/notify/route/told"
	"grove/tree"
	"grove/tree/alert"
)

// decision is what is told of a group at one time: messages, and what is remembered of
// them.
type decision struct {
	g        *group
	messages []outbox.Message
	change   told.Change
	tells    bool        // the targets of the route, not only those of a step
	begins   bool        // with what another manager has told
	at       tree.Path   // all that the messages are about lies there
	status   tree.Status // as the messages have it
}

// resolver looks up targets, each once.
type resolver struct {
	r     *Router
	now   time.Time
	known map[string][]string
}

func newResolver(r *Router, now time.Time) *resolver {
	return &resolver{r, now, map[string][]string{}}
}

// channels returns the channels of targets, each once.
func (s *resolver) channels(route string, targets []string) []string {
	var list []string
	for _, target := range targets {
		channels, ok := s.known[target]
		if !ok {
			var err error
			if channels, err = s.r.o.Resolve(target, s.now); err != nil {
				s.r.o.Log.Error("a target of a route cannot be told", "route", route, "target", target, "error", err)
			}
			s.known[target] = channels
		}
		for _, c := range channels {
			if !slices.Contains(list, c) {
				list = append(list, c)
			}
		}
	}
	return list
}

// errNobody is why a message has nowhere to go.
var errNobody = errors.New("nobody can be told: none of the targets has a channel now")

// decision makes what is due of a group; nil when nobody can be told.
func (r *Router) decision(ctx context.Context, g *group, now time.Time, targets *resolver) *decision {
	switch {
	case g.quiet <= r.tick:
		return r.quiet(g, now, targets)
	case g.end <= r.tick:
		return r.ending(g, now)
	}
	d := &decision{g: g, tells: min(g.tell, g.remind, g.confirm) <= r.tick}
	if !d.tells && g.escalate > r.tick { // What has joined it waits for more.
		return nil
	}
	step := g.step
	for step < len(g.route.Escalate) && g.open > 0 && g.escalate <= r.tick && g.unknown()+time.Duration(g.route.Escalate[step].After) <= r.tick {
		step++
	}
	var again, first []string // channels of the route and of steps that were taken; of steps that are taken now
	if d.tells {
		again = targets.channels(g.name, g.route.To)
		for i := range g.step {
			if i < len(g.route.Escalate) {
				again = append(again, targets.channels(g.name, g.route.Escalate[i].To)...)
			}
		}
	}
	for i := g.step; i < step; i++ {
		first = append(first, targets.channels(g.name, g.route.Escalate[i].To)...)
	}
	if len(again)+len(first) == 0 {
		r.count(func(s *Stats) { s.Unreached++ })
		if g.fails == 0 {
			r.o.Log.Error("alerts wait to be told", "route", g.name, "group", g.common.String(), "error", errNobody)
		}
		g.fails++
		g.err = errNobody
		g.retry, g.dirty = r.tick+time.Minute, true
		return nil
	}
	content := compose.Content{Manager: r.o.Manager, URL: r.o.URL(), Route: g.name, Common: g.common, Purpose: channel.Firing, Time: now, Latest: r.latest(ctx)}
	if d.tells && g.tell > r.tick && g.confirm > r.tick {
		content.Purpose = channel.Reminder
	}
	c := &d.change
	c.ID, c.Route, c.Common, c.Merged, c.Precedence, c.Began, c.Told, c.Step = g.id, g.name, g.common, g.merged, g.precedence, g.began, g.told, step
	c.Channels, c.Alerts = map[string]int64{}, map[alert.ID]told.Alert{}
	tell := g.id == "" || g.tell <= r.tick // what is fresh, too
	r.collect(d, &content, tell, now)
	if g.id == "" {
		c.Began, c.Precedence = now, uint8(g.route.precedence)
		eldest := g.firstOf(c.Alerts)
		c.ID = hash(r.o.Manager, g.key, eldest.ID.String(), strconv.FormatInt(eldest.Revision, 10))
	}
	if d.tells {
		c.Told = now
	}
	content.Group = c.ID
	if len(first) > 0 {
		escalation := content
		escalation.Purpose, escalation.After = channel.Escalation, r.tick-g.unknown()
		r.send(d, &escalation, first, now)
	}
	if len(again) > 0 {
		r.send(d, &content, again, now)
	}
	return d
}

// latest asks the book how an alert is now: how many consequences it has changes without
// that anybody is told.
func (r *Router) latest(ctx context.Context) func(*alert.Alert) *alert.Alert {
	return func(a *alert.Alert) *alert.Alert {
		if now, err := r.o.Book.Get(ctx, a.ID); err == nil && now.Revision == a.Revision {
			return &now
		}
		return a
	}
}

// unknown is the tick since when nobody has acknowledged: escalation counts from it.
func (g *group) unknown() time.Duration {
	from := never
	for _, m := range g.members {
		if m.told != nil && m.a.State == alert.Open {
			from = min(from, m.start)
		}
	}
	return from
}

// firstOf is the alert with the lowest number of those that are told: with its revision it
// makes the identity of the group.
func (g *group) firstOf(alerts map[alert.ID]told.Alert) *alert.Alert {
	var first *alert.Alert
	for id := range alerts {
		if a := g.members[id].a; first == nil || a.ID < first.ID {
			first = a
		}
	}
	return first
}

// collect puts the alerts of a group into a message, and what changes by it into the
// decision.
func (r *Router) collect(d *decision, content *compose.Content, tell bool, now time.Time) {
	g, c, fresh := d.g, &d.change, 0
	groups := map[string]bool{}
	for id, m := range g.members {
		switch {
		case m.told == nil && !(tell && m.fresh), m.fresh && fresh == maxTold:
			continue
		case m.a.State == alert.Resolved:
			if d.tells && !m.lost() {
				content.Over = append(content.Over, m.a)
			} else if d.tells {
				content.Others++
			}
			if d.tells {
				c.Gone = append(c.Gone, id)
			}
			continue
		}
		content.Standing = append(content.Standing, m.a)
		if g.merged {
			groups[g.route.by.Of(m.a).String()] = true
		}
		if m.fresh && tell {
			fresh++
		}
		other := m.told != nil && (m.fresh || m.told.Status != m.a.Status || m.told.Severity != m.a.Severity || later(m.from, m.told.Since))
		if m.fresh && tell || other && d.tells {
			c.Alerts[id] = told.Alert{Status: m.a.Status, Severity: m.a.Severity, Since: m.from, Told: now, Owed: r.owed(id, g)}
		}
	}
	content.Groups = len(groups)
}

// owed are the routes that have an alert, beside that of a group, and have not told of it.
func (r *Router) owed(id alert.ID, but *group) (names []string) {
	for _, g := range r.of[id] {
		if g != but && g.members[id].told == nil {
			names = append(names, g.name)
		}
	}
	return names
}

// ending tells all channels that were told that all is over.
func (r *Router) ending(g *group, now time.Time) *decision {
	d := &decision{g: g, change: told.Change{Group: told.Group{ID: g.id, Channels: map[string]int64{}}, Ends: true}}
	if g.route != nil && g.route.Resolved == ResolvedNone {
		return d
	}
	content := compose.Content{Manager: r.o.Manager, URL: r.o.URL(), Route: g.name, Group: g.id, Common: g.common, Purpose: channel.Resolution, Time: now}
	for _, m := range g.members {
		if m.lost() {
			content.Others++
			continue
		}
		content.Over = append(content.Over, m.a)
	}
	var names []string
	for name := range g.channels {
		names = append(names, name)
	}
	slices.Sort(names)
	d.change.Precedence = g.precedence
	r.send(d, &content, names, now)
	return d
}

// send makes the messages of one content for channels that have none in the decision yet.
func (r *Router) send(d *decision, content *compose.Content, channels []string, now time.Time) {
	m := content.Message()
	c := &d.change
	d.at, d.status = content.Place(), m.Status
	at := tree.Root
	if first := content.First(); first != nil {
		at = first.Path
	}
	var ends time.Time
	if rt := d.g.route; rt != nil && rt.TTL > 0 && content.Purpose != channel.Resolution {
		ends = now.Add(time.Duration(rt.TTL))
	}
	for _, name := range channels {
		if _, done := c.Channels[name]; done {
			continue
		}
		m.Sequence = d.g.channels[name] + 1
		m.Key = hash(r.o.Manager, d.g.name, m.Group, name, strconv.FormatInt(m.Sequence, 10))
		body, err := json.Marshal(m)
		if err != nil { // It is made of texts and numbers.
			r.o.Log.Error("a message cannot be written", "route", d.g.name, "error", fmt.Errorf("%s: %w", m.Title, err))
			continue
		}
		c.Channels[name] = m.Sequence
		d.messages = append(d.messages, outbox.Message{Key: m.Key, Channel: name, Precedence: outbox.Precedence(c.Precedence),
			Persistent: content.Purpose != channel.Reminder, Made: now, Ends: ends, Title: m.Title, At: at, Purpose: string(m.Purpose), Body: body})
	}
}

// hash makes an identity of texts.
func hash(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		h.Write([]byte(strconv.Itoa(len(t)) + ":" + t))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
