package center

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
)

// Said is that people know of an alert from here: that it is open, or, Over, that it is not
// any more.
type Said struct {
	Path   tree.Path
	Kind   alert.Kind
	Status tree.Status // the worst that was told
	Over   bool
	At     time.Time  // of the last message
	Ack    *alert.Ack // while it is not over
}

// Bounds of what is remembered of messages.
const (
	maxSaid  = 20_000
	saidOver = 24 * time.Hour // of what is over
)

// about is what messages tell of: one kind of alert of one node.
type about struct {
	path tree.Path
	kind alert.Kind
}

// said remembers what was told since the start.
type said struct {
	started time.Time

	mu    sync.Mutex // guards what follows
	all   map[about]Said
	crowd time.Time // of the last message that told of more alerts than it named
}

// note takes a message that was delivered.
func (s *said) note(m *channel.Message, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(m.Alerts) < m.Firing+m.Resolved {
		s.crowd = m.Time
	}
	for i := range m.Alerts {
		a := &m.Alerts[i]
		at := about{a.Path, a.Kind}
		one, known := s.all[at]
		if !known && len(s.all) >= maxSaid {
			continue
		}
		status := a.Status
		if known && !one.Over {
			status = max(status, one.Status)
		}
		s.all[at] = Said{Path: a.Path, Kind: a.Kind, Status: status, Over: a.Ended(), At: now}
	}
}

// knows says whether people were told of an alert that is not over, here or, before it came here,
// by another manager. What was open before the start, and not held back, was told then.
func (s *said) knows(a *alert.Alert) (Said, bool) {
	one, ok := s.all[about{a.Path, a.Kind}]
	if ok && !one.Over {
		return one, true
	}
	began, came := a.Opened, time.Time{}
	for _, step := range a.History {
		switch step.What {
		case alert.Opened, alert.Reopened, alert.Released:
			began = step.Time
		case alert.Adopted:
			came = step.Time
		}
	}
	one = Said{Path: a.Path, Kind: a.Kind, Status: a.Status, At: a.Changed}
	return one, a.Suppression == nil && (!came.Before(began) || began.Before(s.started) || !began.After(s.crowd))
}

// Said returns what people know from here: of alerts that are not over, and of what was told to
// be over in the last day. Whoever watches the same devices need not tell it again.
func (c *Center) Said() (list []Said) {
	now := c.o.World.Time()
	s := &c.said
	s.mu.Lock()
	defer s.mu.Unlock()
	live := map[about]bool{}
	for a := range c.Book.Live {
		if a.Suppression != nil && a.Suppression.Told {
			continue // It is the other manager's.
		}
		live[about{a.Path, a.Kind}] = true
		if one, told := s.knows(a); told {
			one.Ack = a.Ack
			list = append(list, one)
		}
	}
	for at, one := range s.all {
		switch {
		case live[at]:
		case now.Sub(one.At) > saidOver:
			delete(s.all, at)
		case one.Over:
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b Said) int {
		return cmp.Or(cmp.Compare(a.Path.String(), b.Path.String()), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}
