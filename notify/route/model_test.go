package route

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/storetest"
)

// modelRules are routes of the model. Each alert meets at most the conditions that want sees.
var modelRules = []string{
	`[{name: red, when: {status: red}, to: [pager], group: {by: path:1, wait: 5s, interval: 1m}, repeat: 30m, escalate: [{after: 10m, to: boss}, {after: 25m, to: cto}], continue: true},
	  {name: rest, to: [mail, push], group: {by: all, wait: 0s, interval: 10s}, repeat: 1h, resolved: each}]`,
	`[{name: all, to: [mail], group: {by: alert, wait: 2s}, most: 3, repeat: 20m, tell_acknowledged: false}]`,
	`[{name: all, to: [mail, push], group: {by: path:1, wait: 30s, interval: 0s}, most: 1, repeat: never, escalate: [{after: 1m, to: [mail, boss]}]}]`,
}

// heard is what one channel knows of one group.
type heard struct {
	sequence int64
	over     bool
	last     time.Time
	step     bool                     // the last message was an escalation, which the others did not get
	alerts   map[alert.ID]alert.Alert // as they were told last
}

// model checks each message when it comes, and at the end that nothing is owed.
type model struct {
	*world
	random *rand.Rand
	gone   bool // the database does not answer
	log    []string
	keys   map[string]bool
	heard  map[string]map[string]*heard // by group and channel
	based  map[string]time.Time         // by group: the last message to the targets of the route
}

// TestNothingIsForgottenOrToldTwice runs histories of alerts in which the router dies at any
// moment: what stands is told, what is held back is not, that it is over comes after that
// it began and to those who heard of it, and nothing is told again without a reason.
func TestNothingIsForgottenOrToldTwice(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	seeds := uint64(24)
	if testing.Short() {
		seeds = 12
	}
	for seed := range seeds {
		forgetAll(t, s)
		m := &model{world: newWorld(t, s, modelRules[seed%uint64(len(modelRules))]), random: rand.New(rand.NewPCG(seed, 7)),
			keys: map[string]bool{}, heard: map[string]map[string]*heard{}, based: map[string]time.Time{}}
		for range 80 {
			m.act()
			m.check()
		}
		m.settle()
		if t.Failed() {
			for _, line := range m.log {
				t.Log(line)
			}
			t.Fatalf("seed %d", seed)
		}
	}
}

// act does something, lets some time pass, and may let the router die.
func (m *model) act() {
	m.refuse, m.gone = nil, false
	switch m.random.IntN(12) {
	case 0:
		m.refuse = func(outbox.Message) error { return errors.New("the outbox is full") }
		m.say("the outbox refuses")
	case 1:
		m.gone = true
		m.say("the database is gone")
	}
	for range 1 + m.random.IntN(3) {
		m.change()
	}
	m.wait(time.Duration(m.random.ExpFloat64()*float64([...]time.Duration{time.Second, 20 * time.Second, 5 * time.Minute}[m.random.IntN(3)])) + time.Millisecond)
	if m.random.IntN(4) == 0 {
		m.say("killed")
		m.restart()
	}
}

// wait lets time pass with a router that may fail.
func (m *model) wait(d time.Duration) {
	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()
	if m.gone {
		cancel()
	}
	end := m.now.Add(d)
	for {
		pause, err := m.router.step(ctx)
		if err != nil {
			if !m.gone {
				m.t.Fatal(err)
			}
			pause = time.Second
		}
		m.check()
		next := m.now.Add(max(pause, time.Millisecond))
		if next.After(end) {
			m.now = end
			return
		}
		m.now = next
	}
}

func (m *model) say(format string, args ...any) {
	m.log = append(m.log, m.now.Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// change changes an alert in a way that its state allows.
func (m *model) change() {
	paths := []string{"/a/1", "/a/2", "/a/3", "/b/1", "/b/2", "/c/1"}
	path := paths[m.random.IntN(len(paths))]
	var a *alert.Alert
	for _, other := range m.alerts {
		if other.Path.String() == path && (a == nil || other.ID > a.ID) {
			a = other
		}
	}
	defer func() {
		if a != nil {
			a = m.alerts[a.ID]
			m.say("%s of %s: %s, %s", a.ID, path, a.History[len(a.History)-1].What, a.Status)
		}
	}()
	switch {
	case a == nil, a.State == alert.Resolved && m.random.IntN(2) == 0:
		if m.random.IntN(2) == 0 {
			a = m.alerts[m.open(path)]
		} else {
			a = m.alerts[m.open(path, yellow)]
		}
		return
	case a.State == alert.Resolved:
		m.reopen(a.ID)
		return
	}
	switch n := m.random.IntN(8); {
	case n < 2:
		m.resolve(a.ID)
	case n == 2 && a.State != alert.Suppressed:
		m.suppress(a.ID)
	case n < 5 && a.State == alert.Suppressed:
		m.release(a.ID)
	case n == 3 && a.State == alert.Open:
		m.acknowledge(a.ID)
	case n == 3 && a.State == alert.Acknowledged:
		m.unacknowledge(a.ID)
	case n > 4 && a.Status == tree.Yellow && a.State == alert.Open:
		m.worsen(a.ID)
	case n > 4 && a.Status == tree.Red:
		m.ease(a.ID)
	}
}

func (m *model) wrong(d delivery, format string, args ...any) {
	m.t.Helper()
	m.t.Errorf("%s %s #%d to %s: %s", d.Made.Format("15:04:05"), d.Said.Purpose, d.Said.Sequence, d.Channel, fmt.Sprintf(format, args...))
}

// check looks at what was sent since it was last asked.
func (m *model) check() {
	m.t.Helper()
	for _, d := range m.sent {
		said := d.Said
		var listed []string
		for _, a := range said.Alerts {
			listed = append(listed, fmt.Sprintf("%s %s %s", a.ID, a.State, a.Status))
		}
		m.say("  -> %s %s #%d of %.6s (%s): %q", d.Channel, said.Purpose, said.Sequence, said.Group, said.Route, listed)
		if m.keys[d.Key] {
			m.wrong(d, "the key %s was used before", d.Key)
		}
		m.keys[d.Key] = true
		group := m.heard[said.Group]
		if group == nil {
			group = map[string]*heard{}
			m.heard[said.Group] = group
		}
		h := group[d.Channel]
		if h == nil {
			h = &heard{alerts: map[alert.ID]alert.Alert{}}
			group[d.Channel] = h
		}
		if said.Sequence != h.sequence+1 || h.over {
			m.wrong(d, "it is number %d after %d, over: %t", said.Sequence, h.sequence, h.over)
		}
		h.sequence++
		m.judge(d, h, group)
		for _, a := range said.Alerts {
			// What has eased is not told to those of a step alone.
			if old, known := h.alerts[a.ID]; !known || said.Purpose != channel.Escalation || rank(a.Status) > rank(old.Status) {
				h.alerts[a.ID] = a
			}
		}
		h.last, h.step = d.Made, said.Purpose == channel.Escalation
		if said.Purpose == channel.Firing || said.Purpose == channel.Reminder {
			m.based[said.Group] = d.Made
		}
	}
	m.sent = nil
}

// over says whether an alert is over, or was told to be: what comes then is another matter.
func (m *model) over(h *heard, id alert.ID) bool {
	told := h.alerts[id]
	return m.alerts[id].State == alert.Resolved || told.State == alert.Resolved
}

// judge says whether a message has a reason.
func (m *model) judge(d delivery, h *heard, group map[string]*heard) {
	said := d.Said
	known := func(id alert.ID) bool { // by anybody who was told of the group
		for _, other := range group {
			if _, ok := other.alerts[id]; ok {
				return true
			}
		}
		return false
	}
	if said.Purpose == channel.Resolution {
		h.over = true
		if h.sequence == 1 {
			m.wrong(d, "nobody said that it began")
		}
		for id := range h.alerts {
			if !m.over(h, id) {
				m.wrong(d, "alert %s is %s", id, m.alerts[id].State)
			}
		}
		return
	}
	open, reason := false, len(h.alerts) == 0 || h.step
	standing, acked := 0, time.Time{}
	for _, a := range said.Alerts {
		before, was := h.alerts[a.ID]
		switch a.State {
		case alert.Suppressed, alert.Resolved:
			if !known(a.ID) {
				m.wrong(d, "alert %s is %s, and nobody was told that it is there", a.ID, a.State)
			}
		case alert.Open:
			open = true
		}
		if a.State != alert.Resolved {
			standing++
		}
		if a.Ack != nil && a.Ack.At.After(acked) {
			acked = a.Ack.At
		}
		reason = reason || !was || rank(a.Status) > rank(before.Status) || a.Severity > before.Severity || lastStep(m.alerts[a.ID], alert.Released).After(h.last) ||
			a.State == alert.Resolved && before.State != alert.Resolved
	}
	route := m.router.routeOf(said.Route)
	switch said.Purpose {
	case channel.Firing:
		if !reason && (open || !acked.After(h.last) || !route.tellsAcknowledged()) {
			m.wrong(d, "nothing is new in it")
		}
	case channel.Reminder:
		if since := d.Made.Sub(m.based[said.Group]); since < route.repeat-time.Millisecond && since > 0 || !open {
			m.wrong(d, "it comes after %s, and something is not acknowledged: %t", since, open)
		}
	case channel.Escalation:
		if !open {
			m.wrong(d, "all is acknowledged")
		}
	}
	if standing != said.Firing {
		m.wrong(d, "%d stand, and it says %d", standing, said.Firing)
	}
}

// settle lets everything become due, and says what is owed then.
func (m *model) settle() {
	m.refuse, m.gone = nil, false
	m.say("settle")
	m.restart()
	m.wait(15 * time.Minute)
	for id, a := range m.alerts {
		if a.State != alert.Open {
			continue
		}
		since := lastStep(a, alert.Opened, alert.Released)
		for _, rt := range *m.router.routes.Load() {
			if !rt.when.Match(a, m.now) {
				continue
			}
			for _, to := range rt.To {
				if !m.knows(to, id, since, a.Status) {
					m.t.Errorf("alert %s of %s is %s since %s, and %s was not told", id, a.Path, a.Status, since.Format("15:04:05"), to)
				}
			}
			if !rt.Continue {
				break
			}
		}
	}
	for name, group := range m.heard {
		for to, h := range group {
			over := true
			for id := range h.alerts {
				over = over && m.over(h, id)
			}
			if over && !h.over {
				all := true // Others heard of more, and it is over when that is.
				for _, other := range group {
					for id := range other.alerts {
						all = all && m.over(other, id)
					}
				}
				if all {
					m.t.Errorf("all of the group %.6s is over, and %s was not told", name, to)
				}
			}
		}
	}
}

// knows says whether a channel was told of an alert as bad as it is, not before a time.
func (m *model) knows(to string, id alert.ID, since time.Time, status tree.Status) bool {
	for _, group := range m.heard {
		if h := group[to]; h != nil && !h.over && !h.last.Before(since) {
			if a, ok := h.alerts[id]; ok && rank(a.Status) >= rank(status) && a.State != alert.Resolved {
				return true
			}
		}
	}
	return false
}

// TestKeysAreTheSame: what was decided, and not put on disk, is decided again as the same
// message.
func TestKeysAreTheSame(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail, push], group: {wait: 0s}}]")
	var keys [2][]string
	for i := range keys {
		w.refuse = func(m outbox.Message) error {
			if keys[i] = append(keys[i], m.Key); len(keys[i]) == 2 && i == 0 {
				return errors.New("killed here")
			}
			return nil
		}
		if i == 0 {
			w.open("/a/Up")
			w.step()
			w.now = w.now.Add(time.Minute)
			w.restart()
			continue
		}
		w.step()
	}
	if !slices.Equal(keys[0], keys[1]) || len(keys[0]) != 2 || len(w.sent) != 2 {
		t.Errorf("%q, then %q", keys[0], keys[1])
	}
}
