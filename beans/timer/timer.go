// Package timer emits notifications at dates: the timer service of JMX
// (javax.management.timer.Timer), as a bean and for Go programs.
//
// A timer keeps a table of notifications. Each is emitted at its date, once, or
// again after each period, for a number of times or for ever. [Timer.Run] owns
// the only goroutine that waits; [Timer.Start] and [Timer.Stop] say whether it
// emits.
package timer

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/beans"
)

const (
	// MaxEntries bounds the table of one timer.
	MaxEntries = 10_000
	// MaxPast bounds how many missed notifications of one entry are emitted late,
	// at the start of the timer or after the machine slept; the oldest beyond it
	// are skipped. JMX knows no bound.
	MaxPast = 10_000

	// The clock of the machine may be set meanwhile, so no wait is longer.
	longestWait = time.Minute
)

// ErrFull is the error of an Add beyond MaxEntries.
var ErrFull = fmt.Errorf("add to the timer: it has its bound of %d entries", MaxEntries)

// Entry is one notification of the table.
type Entry struct {
	ID      int64 // from 1 on; Add gives it
	Type    string
	Message string
	Data    beans.Value
	// Date is when it is due next. A date in the past counts as the present when
	// the entry is added.
	Date time.Time
	// Period is the time between two emissions; 0: it is emitted once.
	Period time.Duration
	// Occurrences is how often it is still to be emitted; 0: for ever. It counts
	// only with a period.
	Occurrences int64
	// FixedRate keeps to the dates; otherwise the next emission follows the last
	// one by the period.
	FixedRate bool
}

// Fired is the Data of the notifications of a timer (TimerNotification). Their
// Time is the date of the entry, not the moment of emission.
type Fired struct {
	ID   int64
	Data beans.Value
}

// NotificationFields implements beans.Detailed (TimerNotification).
func (f Fired) NotificationFields() ([]beans.AttributeValue, beans.Value) {
	return []beans.AttributeValue{{Name: "notificationID", Value: f.ID}}, f.Data
}

// Timer is a timer service. [New] makes one.
type Timer struct {
	*beans.Standard

	wake chan struct{} // tells Run that something changed

	mu       sync.Mutex // guards all below
	entries  map[int64]*entry
	queue    queue
	lastID   int64
	active   bool
	starting bool
	sendPast bool
}

type entry struct {
	Entry
	next  time.Time // when it is emitted; with a fixed delay later than Date
	place int       // in the queue
}

// New returns a timer without entries that is not active.
func New() *Timer {
	t := &Timer{wake: make(chan struct{}, 1), entries: map[int64]*entry{}}
	t.Standard = t.bean()
	return t
}

// Run waits for the dates and emits, while the timer is active, until the
// context ends; it returns the context's error. It must run once at a time.
func (t *Timer) Run(ctx context.Context) error {
	alarm := time.NewTimer(longestWait)
	defer alarm.Stop()
	for {
		for ctx.Err() == nil {
			n, ok := t.due(time.Now())
			if !ok {
				break
			}
			t.Emit(n)
		}
		alarm.Reset(t.wait(time.Now()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.wake:
		case <-alarm.C:
		}
	}
}

// wait returns how long nothing is due.
func (t *Timer) wait(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.active || len(t.queue) == 0 {
		return longestWait
	}
	return min(longestWait, max(0, t.queue[0].next.Sub(now)))
}

// due takes the next notification that is due by now, and moves its entry on.
func (t *Timer) due(now time.Time) (beans.Notification, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.active || len(t.queue) == 0 || t.queue[0].next.After(now) {
		return beans.Notification{}, false
	}
	e := t.queue[0]
	if e.FixedRate {
		t.skipLocked(e, now, MaxPast)
	}
	n := e.notification()
	if t.advanceLocked(e) {
		if !e.FixedRate {
			e.next = now.Add(e.Period)
		}
		heap.Fix(&t.queue, e.place)
	}
	return n, true
}

func (e *entry) notification() beans.Notification {
	return beans.Notification{Type: e.Type, Time: e.Date, Message: e.Message, Data: Fired{ID: e.ID, Data: e.Data}}
}

// advanceLocked moves an entry to its next date, or removes it when that was
// the last and reports false. The place in the queue is left to the caller.
func (t *Timer) advanceLocked(e *entry) bool {
	if e.Period == 0 || e.Occurrences == 1 {
		t.removeLocked(e)
		return false
	}
	if e.Occurrences > 1 {
		e.Occurrences--
	}
	e.Date = e.Date.Add(e.Period)
	e.next = e.Date
	return true
}

// skipLocked moves an entry on without emitting until at most keep of its dates
// are past, but never removes it.
func (t *Timer) skipLocked(e *entry, now time.Time, keep int64) {
	if e.Period == 0 {
		return
	}
	late := int64(now.Sub(e.Date) / e.Period)
	skip := late - keep
	if e.Occurrences > 0 {
		skip = min(skip, e.Occurrences-1)
	}
	if skip <= 0 {
		return
	}
	if e.Occurrences > 0 {
		e.Occurrences -= skip
	}
	e.Date = e.Date.Add(time.Duration(skip) * e.Period)
	e.next = e.Date
}

// Start makes the timer active. Dates that passed while it was not are emitted
// now, from this goroutine, if [Timer.SetSendPast] said so, and skipped
// otherwise. Starting an active timer does nothing.
func (t *Timer) Start() {
	t.mu.Lock()
	if t.active || t.starting {
		t.mu.Unlock()
		return
	}
	t.starting = true
	now, sendPast := time.Now(), t.sendPast
	ids := slices.Sorted(maps.Keys(t.entries))
	t.mu.Unlock()
	// A listener may panic, and may add, remove, stop and start.
	defer func() {
		t.mu.Lock()
		t.starting, t.active = false, true
		t.mu.Unlock()
		t.changed()
	}()
	for _, id := range ids {
		for n, ok := t.past(id, now, sendPast); ok; n, ok = t.past(id, now, sendPast) {
			t.Emit(n)
		}
	}
}

// past takes the next missed notification of an entry. If they are not to be
// sent it skips all of them.
func (t *Timer) past(id int64, now time.Time, send bool) (n beans.Notification, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[id]
	if e == nil {
		return n, false
	}
	e.next = e.Date
	for left := true; left && e.Date.Before(now); {
		if send {
			t.skipLocked(e, now, MaxPast)
			n, ok = e.notification(), true
		} else {
			t.skipLocked(e, now, 1)
		}
		left = t.advanceLocked(e)
		if ok {
			break
		}
	}
	if t.entries[id] == e {
		heap.Fix(&t.queue, e.place)
	}
	return n, ok
}

// Stop makes the timer inactive and keeps its entries. An emission that is under
// way ends on its own.
func (t *Timer) Stop() {
	t.mu.Lock()
	t.active = false
	t.mu.Unlock()
	t.changed()
}

// PreDeregister stops the timer when its bean is unregistered.
func (t *Timer) PreDeregister() error {
	t.Stop()
	return nil
}

// Active reports whether the timer emits.
func (t *Timer) Active() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.active
}

// SetSendPast says whether Start emits what was missed; at first it does not.
func (t *Timer) SetSendPast(send bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sendPast = send
}

// SendPast returns what SetSendPast was told.
func (t *Timer) SendPast() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sendPast
}

// Add enters a notification into the table and returns its ID; the ID of e does
// not count. The error wraps beans.ErrInvalidValue or is [ErrFull].
func (t *Timer) Add(e Entry) (id int64, err error) {
	switch {
	case e.Date.IsZero():
		return 0, fmt.Errorf("add to the timer: %w: there is no date", beans.ErrInvalidValue)
	case e.Period < 0:
		return 0, fmt.Errorf("add to the timer: %w: the period %s is negative", beans.ErrInvalidValue, e.Period)
	case e.Period > 0 && e.Period < time.Millisecond:
		return 0, fmt.Errorf("add to the timer: %w: the period %s is below the bound of 1ms", beans.ErrInvalidValue, e.Period)
	case e.Occurrences < 0:
		return 0, fmt.Errorf("add to the timer: %w: %d occurrences", beans.ErrInvalidValue, e.Occurrences)
	}
	now := time.Now()
	if e.Date.Before(now) {
		e.Date = now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) >= MaxEntries {
		return 0, ErrFull
	}
	t.lastID++
	e.ID = t.lastID
	added := &entry{Entry: e, next: e.Date}
	t.entries[e.ID] = added
	heap.Push(&t.queue, added)
	t.changed()
	return e.ID, nil
}

// Remove takes one notification out of the table; beans.ErrNotFound if there is
// none with the ID.
func (t *Timer) Remove(id int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[id]
	if e == nil {
		return fmt.Errorf("remove from the timer: %w: notification %d", beans.ErrNotFound, id)
	}
	t.removeLocked(e)
	t.changed()
	return nil
}

// RemoveType takes all notifications of a type out of the table;
// beans.ErrNotFound if there are none.
func (t *Timer) RemoveType(kind string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := false
	for _, e := range t.entries {
		if e.Type == kind {
			t.removeLocked(e)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("remove from the timer: %w: notifications of type %q", beans.ErrNotFound, kind)
	}
	t.changed()
	return nil
}

// RemoveAll empties the table; IDs begin with 1 again.
func (t *Timer) RemoveAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.entries)
	t.queue = nil
	t.lastID = 0
	t.changed()
}

// Entries returns the table, sorted by ID.
func (t *Timer) Entries() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Entry, 0, len(t.entries))
	for _, e := range t.entries {
		list = append(list, e.Entry)
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Entry returns one notification of the table.
func (t *Timer) Entry(id int64) (Entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[id]
	if e == nil {
		return Entry{}, false
	}
	return e.Entry, true
}

func (t *Timer) removeLocked(e *entry) {
	delete(t.entries, e.ID)
	heap.Remove(&t.queue, e.place)
}

// changed makes Run look again.
func (t *Timer) changed() {
	select {
	case t.wake <- struct{}{}:
	default: // it is told already
	}
}

// queue is a heap of entries, the one to be emitted next first.
type queue []*entry

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if !q[i].next.Equal(q[j].next) {
		return q[i].next.Before(q[j].next)
	}
	return q[i].ID < q[j].ID
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.place = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
