package duty

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
)

// view returns the world as it is now. The lock is held while it is used.
func (d *Duty) view() *view {
	now := time.Now()
	states := map[peer.ID]State{}
	v := &view{now: now, term: func(owner peer.ID) int64 { term, _ := d.o.Roster.Term(owner); return term }}
	v.state = func(id peer.ID) State {
		s, ok := states[id]
		if !ok {
			if s = d.o.Roster.State(id); id == d.self {
				s = Live
			}
			states[id] = s
		}
		return s
	}
	v.leased = func(id peer.ID) bool { return id == d.self || d.o.Roster.Acts(id) }
	v.missing = func(id peer.ID) bool {
		switch v.state(id) {
		case Dead:
			return true
		case Left:
			if d.gone[id].IsZero() {
				d.gone[id] = now
			}
			return now.Sub(d.gone[id]) >= goneTime
		}
		delete(d.gone, id)
		return false
	}
	v.met = func(id peer.ID) bool { return d.members[id] != nil }
	var names map[peer.ID]string
	v.name = func(id peer.ID) string {
		if names == nil {
			names = map[peer.ID]string{}
			for _, m := range d.o.Roster.Managers() {
				names[m.ID] = m.Name
			}
		}
		return names[id]
	}
	v.member = func(id peer.ID) book.Member {
		if m := d.members[id]; m != nil {
			return *m
		}
		return book.Member{ID: id}
	}
	return v
}

// home is since when this manager is home to an owner.
type home struct {
	since time.Time
	// knew says that it was so before it was started again, and nobody else meanwhile: it
	// knows who watches what.
	knew bool
	// before is who was home before, if that is known; asked says that it is asked for its book.
	before peer.ID
	asked  bool
}

// home says how this manager is home to an owner: settled is that it has heard for long
// enough who is alive, and knows that it knows who watches what. The lock is held.
func (d *Duty) home(owner peer.ID, now time.Time) (settled, knows bool) {
	if owner == d.self {
		return true, true
	}
	h, ok := d.acting[owner]
	if !ok {
		m := d.members[owner]
		term, before := d.o.Roster.Term(owner)
		h.since, h.before = now, before
		// A term of zero does not say whether somebody else was home meanwhile; in the first
		// one nobody was.
		h.knew = term == 0 && !d.rivals() || term == 1 || term > 0 && m != nil && m.Acts && m.Term == term
		d.acting[owner] = h
		d.live(d.self).wanted = true // What it holds itself of that owner's is compared, too.
	}
	settled = now.Sub(h.since) >= settleTime
	return settled, settled || h.knew
}

// rivals says whether another manager may have been home.
func (d *Duty) rivals() bool {
	return slices.ContainsFunc(d.o.Roster.Managers(), func(m peer.Manager) bool { return m.Integrates && m.ID != d.self })
}

// homes notes to whom this manager is home, in a change. The lock is held.
func (d *Duty) homes(c *book.Change, v *view) {
	for _, id := range slices.Sorted(maps.Keys(d.members)) {
		m := *d.members[id]
		acts := d.acts(id)
		if !acts {
			delete(d.acting, id)
			delete(d.reported, id)
		}
		_, knows := false, false
		if acts {
			_, knows = d.home(id, v.now)
		}
		term := v.term(id)
		if m.Acts == (acts && knows) && (!m.Acts || m.Term == term) {
			continue
		}
		m.Acts, m.Term = acts && knows, term
		c.Members = append(c.Members, &m)
	}
}

// look decides what is to be done about every device in the book, and begins to do it.
func (d *Duty) look(ctx context.Context) error {
	d.mu.must()
	v := d.view()
	acts := map[peer.ID]bool{}
	c := &book.Change{}
	d.homes(c, v)
	choose := map[*book.Row]wants{}
	watched := map[peer.ID]int{}
	for k, r := range d.rows {
		watched[r.Watcher]++
		yes, ok := acts[k.Owner]
		if !ok {
			yes = d.acts(k.Owner)
			acts[k.Owner] = yes
		}
		if !yes {
			continue
		}
		settled, _ := d.home(k.Owner, v.now)
		to, w := v.plan(r)
		switch {
		case d.paused(k, v.now) && (w == successor || r.State == book.Orphaned || r.State == book.Watched && to.State == book.Offered):
			continue
		case w == nobody:
		case !settled && w == another:
			continue
		default:
			choose[to] = w
			continue
		}
		if to != r {
			c.Rows = append(c.Rows, to)
		}
	}
	if len(choose) > 0 {
		to, not := v.divide(choose, d.o.Roster.Managers(), watched)
		for r, w := range choose {
			var row *book.Row
			switch id := to[r]; {
			case id != "" && w == successor:
				row = v.offered(r, id, book.Handover, v.member(r.Watcher).By)
			case id != "":
				row = v.decided(r, id, whyTaken(r, id))
			case w == another:
				row = v.orphaned(r, not[r])
				if len(row.Refused) > 0 { // All have: they are asked again after a pause.
					row = row.Clone()
					row.Refused = nil
					d.pauses[r.Key] = v.now.Add(refusedTime)
				}
			default:
				row = r
				if r.Reason != not[r] {
					row = r.Clone()
					row.Reason = not[r]
				}
			}
			if row != d.rows[r.Key] {
				c.Rows = append(c.Rows, row)
			}
		}
	}
	for _, r := range c.Rows {
		if r.State == book.Offered || r.State == book.Taking {
			delete(d.pauses, r.Key)
		}
	}
	slices.SortFunc(c.Rows, func(a, b *book.Row) int { return book.Compare(a.Key, b.Key) })
	err := d.write(ctx, c)
	d.askBooks(ctx)
	if err == nil {
		d.startLocked(ctx, v, acts)
	}
	d.mu.free()
	return err
}

// whyTaken is the reason of a move after a death: one that had begun keeps its own when it
// ends where it was to end.
func whyTaken(r *book.Row, to peer.ID) book.Why {
	if r.State == book.Orphaned && to == r.Place {
		return book.Back
	}
	return book.Takeover
}

// paused says whether a row is to be left alone for now. The lock is held.
func (d *Duty) paused(k Key, now time.Time) bool {
	until, ok := d.pauses[k]
	if ok && !now.Before(until) {
		delete(d.pauses, k)
		ok = false
	}
	return ok
}

// startLocked asks about rows of which somebody is to be asked.
func (d *Duty) startLocked(ctx context.Context, v *view, acts map[peer.ID]bool) {
	unwatched := map[peer.ID]int{} // by who is to watch them, of moves that somebody planned
	for k, r := range d.rows {
		switch {
		case r.State == book.Taking && r.Why != book.Takeover:
			unwatched[r.Watcher]++
		case r.State == book.Prepared && d.busy[k] != nil:
			unwatched[r.Heir]++
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.rows), d.urgent) {
		r := d.rows[k]
		if len(d.busy) >= maxAtOnce {
			return
		}
		if d.busy[k] != nil || !acts[k.Owner] || d.paused(k, v.now) {
			continue
		}
		to, step := r.Watcher, d.give
		switch r.State {
		case book.Offered:
			to, step = r.Heir, d.offer
		case book.Prepared:
			step = d.release
		case book.Taking:
		default:
			continue
		}
		if v.state(to) != Live {
			continue
		}
		if r.State == book.Prepared {
			if unwatched[r.Heir] >= maxUnwatched {
				continue
			}
			unwatched[r.Heir]++
		}
		ctx, cancel := context.WithTimeout(ctx, askTime)
		d.busy[k] = cancel
		d.work.Go(func() {
			defer cancel()
			step(ctx, r)
			d.mu.must()
			delete(d.busy, k)
			d.mu.free()
			d.poke()
		})
	}
}

// urgent orders devices: those that nobody watches first, then those that are about to be let
// go. The lock is held.
func (d *Duty) urgent(a, b Key) int {
	rank := func(k Key) int {
		switch d.rows[k].State {
		case book.Taking:
			return 0
		case book.Prepared:
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), book.Compare(a, b))
}

// retryAfter is how long a step waits that got no answer.
const retryAfter = 500 * time.Millisecond

// became writes what became of a row about which somebody was asked, unless it has changed
// meanwhile. Nil: it is asked again a little later.
func (d *Duty) became(ctx context.Context, was *book.Row, c *book.Change, pause time.Duration) {
	if pause > 0 {
		d.mu.must()
		d.pauses[was.Key] = time.Now().Add(pause)
		d.mu.free()
	}
	if c == nil {
		return
	}
	err := d.commit(ctx, &piece{key: was.Key, add: func() (*book.Change, error) {
		if d.rows[was.Key] != was {
			return nil, nil
		}
		return c, nil
	}})
	if err != nil && ctx.Err() == nil {
		d.log.Error("the book of devices cannot be written", "device", was.Name, "err", err)
		d.mu.must()
		d.pauses[was.Key] = time.Now().Add(retryAfter)
		d.mu.free()
	}
}

// offer asks the heir to prepare.
func (d *Duty) offer(ctx context.Context, r *book.Row) {
	blob, err := d.o.Disk.Parcel(ctx, book.OfBook, r.Key)
	var o obeyed
	if err == nil {
		_, err = d.ask(ctx, r.Heir, kindOffer, order{Key: r.Key, Epoch: r.Next, From: r.Watcher}, blob, &o)
	}
	if err == nil {
		err = o.newer(r)
	}
	switch {
	case err == nil && o.Newer > 0:
		to := r.Clone()
		to.State, to.Heir, to.Next = book.Watched, "", max(r.Next, o.Newer)
		d.became(ctx, r, &book.Change{Rows: []*book.Row{to}}, retryAfter)
	case err == nil:
		d.answered(r.Key, r.Heir, &o)
		to := r.Clone()
		to.State = book.Prepared
		d.became(ctx, r, &book.Change{Rows: []*book.Row{to}}, 0)
	case unsure(err):
		d.became(ctx, r, nil, retryAfter)
	default:
		d.refused(ctx, r, err)
	}
}

// refused gives a planned move up that its heir does not want.
func (d *Duty) refused(ctx context.Context, r *book.Row, err error) {
	now := time.Now()
	to := r.Clone()
	to.State, to.Heir, to.Reason = book.Watched, "", err.Error()
	pause := refusedTime
	switch r.Why {
	case book.Given:
		to.Place, to.Until, to.Wish, to.WishBy = r.Was, time.Time{}, "", ""
		if to.Place == "" {
			to.Place = r.Owner
		}
	case book.Handover:
		to.Refused = append(to.Refused, r.Heir)
		pause = 0
	}
	d.became(ctx, r, &book.Change{Rows: []*book.Row{to}, Moves: []book.Move{d.move(r, r.Watcher, r.Heir, r.Next, "failed", err, now)}}, pause)
}

// move is what is remembered of a move that is over.
func (d *Duty) move(r *book.Row, from, to peer.ID, epoch int64, state string, err error, now time.Time) book.Move {
	m := book.Move{Time: now, Key: r.Key, From: from, To: to, Why: r.Why, By: r.By, State: state, Took: max(now.Sub(r.Since), 0), Epoch: epoch}
	if err != nil {
		m.Error = err.Error()
	}
	return m
}

// answered notes when a manager did what it was told about a device: what it said of it
// before and is heard only now is of no use any more.
func (d *Duty) answered(k Key, by peer.ID, o *obeyed) {
	d.mu.must()
	defer d.mu.free()
	s := o.stamp
	s.of = by
	if !s.before(d.answers[k]) {
		d.answers[k] = s
	}
}

// release asks the watcher to let go.
func (d *Duty) release(ctx context.Context, r *book.Row) {
	var o obeyed
	blob, err := d.ask(ctx, r.Watcher, kindRelease, order{Key: r.Key, Epoch: r.Epoch, Next: r.Next, Heir: r.Heir}, nil, &o)
	d.mu.must()
	v := d.view()
	d.mu.free()
	switch {
	case err == nil && o.Newer > 0:
		// It has another book in mind: what it says of itself comes with its next live.
		d.became(ctx, r, nil, retryAfter)
	case err == nil:
		d.answered(r.Key, r.Watcher, &o)
		c := &book.Change{Rows: []*book.Row{v.decided(r, r.Heir, r.Why)}}
		if _, wrong := open(&order{Key: r.Key}, blob); len(blob) > 0 && wrong == nil {
			c.Left = map[Key][]byte{r.Key: blob}
		} else if len(blob) > 0 { // What it has left before is as good as there is.
			d.log.Warn("a manager let a device go, and what it says of it cannot be read", "device", r.Name, "manager", r.Watcher, "err", wrong)
		}
		d.became(ctx, r, c, 0)
	case peer.IsRefusal(err, peer.NotFound) && r.Watcher == r.Owner:
		d.became(ctx, r, &book.Change{DropRows: []Key{r.Key}}, 0)
	case peer.IsRefusal(err, peer.NotFound):
		d.became(ctx, r, &book.Change{Rows: []*book.Row{v.decided(r, r.Heir, r.Why)}}, 0)
	case !unsure(err) && r.Reason != err.Error(): // People see it; it is asked again.
		to := r.Clone()
		to.Reason = err.Error()
		d.became(ctx, r, &book.Change{Rows: []*book.Row{to}}, retryAfter)
	default:
		d.became(ctx, r, nil, retryAfter)
	}
}

// give tells the one that has the device to watch it.
func (d *Duty) give(ctx context.Context, r *book.Row) {
	blob, err := d.o.Disk.Parcel(ctx, book.OfBook, r.Key)
	var o obeyed
	if err == nil {
		_, err = d.ask(ctx, r.Watcher, kindTake, order{Key: r.Key, Epoch: r.Epoch, From: r.From}, blob, &o)
	}
	if err == nil {
		err = o.newer(r)
	}
	now := time.Now()
	to := r.Clone()
	switch {
	case err == nil && o.Newer > 0:
		to.Epoch = o.Newer + 1
		to.Next = to.Epoch
		d.became(ctx, r, &book.Change{Rows: []*book.Row{to}}, 0)
	case err == nil:
		d.answered(r.Key, r.Watcher, &o)
		d.became(ctx, r, &book.Change{Rows: []*book.Row{arrived(r, now)}, Moves: d.over(r, now)}, 0)
	case peer.IsRefusal(err, peer.NotFound) && r.Watcher == r.Owner:
		d.became(ctx, r, &book.Change{DropRows: []Key{r.Key}}, 0)
	case unsure(err):
		d.became(ctx, r, nil, retryAfter)
	default:
		to.Refused = append(to.Refused, r.Watcher)
		to.State, to.Reason = book.Orphaned, err.Error()
		moves := []book.Move{d.move(r, r.From, r.Watcher, r.Epoch, "failed", err, now)}
		d.became(ctx, r, &book.Change{Rows: []*book.Row{to}, Moves: moves}, 0)
		d.log.Warn("a manager does not take a device", "device", r.Name, "manager", r.Watcher, "err", err)
	}
}

// over is what is remembered of a move that ends with a row that was taking: nothing when
// its watcher is the one that it was before.
func (d *Duty) over(r *book.Row, now time.Time) []book.Move {
	if r.From == r.Watcher {
		return nil
	}
	return []book.Move{d.move(r, r.From, r.Watcher, r.Epoch, "done", nil, now)}
}
