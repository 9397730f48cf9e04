package alert

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/tree"
	"grove/viewer/export/ccms/name"
)

// Options are the surroundings of a Book.
type Options struct {
	// Scheme is where the AIDs are unique.
	Scheme name.Scheme
	// Total and Each bound the alerts, altogether and of one element.
	Total, Each int
	// Shelf keeps the alerts over a restart; nil keeps them in memory only.
	Shelf Shelf
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Book is the bounded list of alerts. Its methods may be called from many goroutines.
type Book struct {
	o Options

	keeping  sync.Mutex // held around calls of the shelf; taken before mu; guards replaced
	replaced int64      // of the shelf, when it was read

	mu      sync.Mutex // guards what follows
	ready   bool       // it has what the shelf kept
	failing bool       // the shelf was, the last time
	alerts  map[uint64]*Alert
	of      map[string][]*Alert // by path, oldest first
	next    uint64
	dropped uint64
	changed map[uint64]bool // since the shelf was told
	gone    []uint64
}

// New returns a Book. With a shelf it takes nothing before Keep has read that, see Ready.
func New(o Options) *Book {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Book{o: o, ready: o.Shelf == nil, alerts: map[uint64]*Alert{}, of: map[string][]*Alert{}, next: 1, changed: map[uint64]bool{}}
}

// Ready says whether the book has what the shelf kept. Until then it is empty, and alerts
// are not opened: they would have the numbers of others.
func (b *Book) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready
}

// Open adds an alert, which gets its ID, its AID and its state, and drops what is too
// much.
func (b *Book) Open(a Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ready {
		return
	}
	a.ID, a.State = b.next, Open
	a.AID = b.o.Scheme.AID(a.ID, a.Opened)
	b.putLocked(&a)
	b.markLocked(&a)
}

// markLocked notes that the shelf does not know an alert as it is.
func (b *Book) markLocked(a *Alert) {
	if b.o.Shelf != nil {
		b.changed[a.ID] = true
	}
}

// putLocked adds an alert that has its ID.
func (b *Book) putLocked(a *Alert) {
	key := a.Path.String()
	b.alerts[a.ID] = a
	b.of[key] = append(b.of[key], a)
	b.next = max(b.next, a.ID+1)
	if len(b.of[key]) > b.o.Each {
		b.dropLocked(b.of[key][0])
	}
	if len(b.alerts) > b.o.Total {
		for _, least := range b.leastLocked(1 + b.o.Total/100) {
			b.dropLocked(least)
		}
	}
}

// leastLocked are the alerts that are missed least: first those that are completed, then
// those whose attribute is well again, then the oldest. Several go at once, since looking
// for them takes a walk over all, and a flood of alerts comes while the tree publishes.
func (b *Book) leastLocked(n int) []*Alert {
	rank := func(a *Alert) int {
		switch {
		case a.State == Completed:
			return 0
		case a.Ended != nil:
			return 1
		}
		return 2
	}
	all := slices.SortedFunc(maps.Values(b.alerts), func(x, y *Alert) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.ID, y.ID))
	})
	return all[:min(n, len(all))]
}

func (b *Book) dropLocked(a *Alert) {
	key := a.Path.String()
	delete(b.alerts, a.ID)
	delete(b.changed, a.ID)
	b.of[key] = slices.DeleteFunc(b.of[key], func(o *Alert) bool { return o == a })
	if len(b.of[key]) == 0 {
		delete(b.of, key)
	}
	if b.o.Shelf != nil {
		b.gone = append(b.gone, a.ID)
	}
	b.dropped++
}

// Took notes that an attribute took a colour, which ends its alerts of others that were
// open before. It says whether the colour is worth an alert that is not in the book: there
// is none that has not ended, and none of that very time.
func (b *Book) Took(p tree.Path, v tree.Status, at time.Time) (open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := false
	for _, a := range b.of[p.String()] {
		if a.Ended == nil && a.Value != v && !a.Opened.After(at) {
			a.Ended = &at
			b.markLocked(a)
		}
		known = known || a.Value == v && (a.Ended == nil || a.Opened.Equal(at))
	}
	return b.ready && v > tree.Green && !known
}

// Tops returns the open alert that matters most of each element at or below a path that
// has one.
func (b *Book) Tops(below tree.Path) map[tree.Path]*Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	tops := map[tree.Path]*Alert{}
	for _, of := range b.of {
		if !below.Contains(of[0].Path) {
			continue
		}
		var top *Alert
		for _, a := range of {
			if a.State == Open && (top == nil || Compare(a, top) < 0) {
				top = a
			}
		}
		if top != nil {
			told := *top
			tops[told.Path] = &told
		}
	}
	return tops
}

// List lists alerts in the order of Compare; total is how many there are without the
// limit.
func (b *Book) List(f Filter) (alerts []Alert, total int) {
	b.mu.Lock()
	for _, a := range b.alerts {
		if f.takes(a) {
			alerts = append(alerts, *a)
		}
	}
	b.mu.Unlock()
	slices.SortFunc(alerts, func(a, b Alert) int { return Compare(&a, &b) })
	total = len(alerts)
	if f.Limit > 0 && total > f.Limit {
		alerts = alerts[:f.Limit]
	}
	return alerts, total
}

// Dropped counts the alerts that fell out of the list since the start.
func (b *Book) Dropped() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// Acknowledge completes alerts, each by its AID, and says of each what came of it; done
// are those that were completed by this call. May says why alerts of an attribute must not
// be completed; it must not ask the book. Keep is still to be called.
func (b *Book) Acknowledge(aids []string, by, comment string, now time.Time, may func(tree.Path) error) (results []Result, done []Acknowledgement) {
	results = make([]Result, len(aids))
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, aid := range aids {
		results[i].AID = aid
		a, err := b.findLocked(aid)
		if err == nil {
			err = may(a.Path)
		}
		switch {
		case err != nil:
			results[i].Reason = err.Error()
		case a.State == Completed:
			results[i].Reason = "it is completed already"
		default:
			a.State, a.By, a.At, a.Comment = Completed, by, &now, comment
			b.markLocked(a)
			results[i].Acknowledged = true
			done = append(done, Acknowledgement{Time: now, By: by, Comment: comment, Alert: *a})
		}
	}
	return results, done
}

// findLocked finds an alert by its AID.
func (b *Book) findLocked(aid string) (*Alert, error) {
	id, ok := b.o.Scheme.ParseAID(aid)
	if !ok {
		return nil, fmt.Errorf("%w: an AID has %d characters and is taken from a list of alerts", ErrNone, name.AIDLength)
	}
	a := b.alerts[id]
	if a == nil || a.AID != aid {
		return nil, ErrGone
	}
	return a, nil
}

// byID sorts alerts by the order in which they opened.
func byID(a, b Alert) int { return cmp.Compare(a.ID, b.ID) }
