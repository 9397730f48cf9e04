package book

import (
	"context"
	"sync"

	"grove/tree"
	"grove/tree/alert"
)

// shown is what readers see: alerts that are committed.
type shown struct {
	mu    sync.RWMutex // guards what follows
	live  map[alert.ID]*alert.Alert
	stats Stats

	given    uint64        // up to which everything is decided and committed
	failing  error         // of the last try to write
	progress chan struct{} // closed and made anew when given or failing changes
}

// Stats are the counts of a book since it was made.
type Stats struct {
	Begun                              bool // what was kept has been read
	Live                               int  // alerts that are not resolved
	Waiting                            int  // nodes that wait to be looked at
	Unwritten                          int  // alerts that wait for the database
	Opened, Reopened, Resolved         uint64
	Suppressed, Released, Acknowledged uint64
	GivenUp                            uint64 // for want of room
	Surveys                            uint64 // looks at the whole tree
	Rows                               int64  // resolved alerts in the database; -1 while they are not counted
	Err                                error  // why nothing can be written at present
}

// Stats returns the present counts.
func (b *Book) Stats() Stats {
	b.in.mu.Lock()
	waiting := len(b.in.queue)
	b.in.mu.Unlock()
	b.shown.mu.RLock()
	defer b.shown.mu.RUnlock()
	s := b.shown.stats
	s.Live, s.Err = len(b.shown.live), b.shown.failing
	s.Waiting += waiting
	return s
}

// Live yields the alerts that are not resolved, in no order, until yield returns false.
// They are not changed by anybody.
func (b *Book) Live(yield func(*alert.Alert) bool) {
	for _, a := range b.all() {
		if !yield(a) {
			return
		}
	}
}

// Behind says that the book has not caught up with the tree, or not told yet what it has
// decided, as in a storm: what is open now may be a consequence in a moment. Who is about to
// tell people of it waits a little. What was told by [Options.Changed] before a call that says
// no is all that there was to tell.
func (b *Book) Behind() bool {
	if b.owing.Load() {
		return true
	}
	now := b.o.Now().UnixNano()
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	return b.in.whole || len(b.in.queue) > 0 && now-b.in.queue[0].at > int64(behindAfter)
}

// behindAfter is how long a change waits at most before it is taken, when there is not much
// to decide.
const behindAfter = 3 * pace

// all lists the alerts that are not resolved.
func (b *Book) all() []*alert.Alert {
	b.shown.mu.RLock()
	defer b.shown.mu.RUnlock()
	list := make([]*alert.Alert, 0, len(b.shown.live))
	for _, a := range b.shown.live {
		list = append(list, a)
	}
	return list
}

// Get returns one alert; the error of one that is not there wraps alert.ErrNone.
func (b *Book) Get(ctx context.Context, id alert.ID) (alert.Alert, error) {
	b.shown.mu.RLock()
	a := b.shown.live[id]
	b.shown.mu.RUnlock()
	if a != nil {
		return *a, nil
	}
	a, err := b.ledger.Get(ctx, id)
	if err != nil {
		return alert.Alert{}, err
	}
	return *a, nil
}

// Counts counts the alerts that are not resolved by their states, of the nodes that are
// seen; nil: of all.
func (b *Book) Counts(sees func(tree.Path) bool) map[alert.State]int {
	return count(b.all(), sees)
}

func count(all []*alert.Alert, sees func(tree.Path) bool) map[alert.State]int {
	counts := map[alert.State]int{alert.Open: 0, alert.Acknowledged: 0, alert.Suppressed: 0}
	for _, a := range all {
		if sees == nil || sees(a.Path) {
			counts[a.State]++
		}
	}
	return counts
}
