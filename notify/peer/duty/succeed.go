package duty

import (
	"context"
	"maps"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
)

// bookTime is how long a home waits for the book of the one before it.
const bookTime = 3 * time.Second

// askBooks asks the homes before this one for what they know of the devices of owners that it
// has become home to, so that it need not wait until all have said what they hold. The lock
// is held.
func (d *Duty) askBooks(ctx context.Context) {
	for _, owner := range slices.Sorted(maps.Keys(d.acting)) {
		h := d.acting[owner]
		if h.knew || h.asked || h.before == "" || h.before == d.self || !slices.Contains(d.o.Roster.Homes(), h.before) {
			continue
		}
		h.asked = true
		d.acting[owner] = h
		d.work.Go(func() {
			if err := d.askBook(ctx, owner, h); err != nil && ctx.Err() == nil {
				d.log.Info("the home before does not say who watches the devices of a manager: all are listened to", "owner", owner, "home", h.before, "err", err)
			}
		})
	}
}

// askBook takes over what the home before knows.
func (d *Duty) askBook(ctx context.Context, owner peer.ID, h home) error {
	ctx, cancel := context.WithTimeout(ctx, bookTime)
	defer cancel()
	blob, err := d.ask(ctx, h.before, kindBook, succession{Owner: owner}, nil, nil)
	if err != nil {
		return err
	}
	rows, err := unsqueeze[book.Row](blob)
	if err != nil {
		return err
	}
	d.mu.must()
	defer d.mu.free()
	now, ok := d.acting[owner]
	if !ok || now.since != h.since { // It is not home any more, or is so again.
		return nil
	}
	v := d.view()
	c := &book.Change{}
	var strays []*order
	for i := range rows {
		row, stray := v.inherit(d.rows[rows[i].Key], &rows[i], owner)
		if row != nil {
			c.Rows = append(c.Rows, row)
			stray = v.stray(d.rows[row.Key], row)
		}
		if stray != nil {
			strays = append(strays, stray)
		}
	}
	if err := d.write(ctx, c); err != nil {
		return err
	}
	now.knew = true
	d.acting[owner] = now
	d.poke()
	for _, o := range strays {
		d.sendAway(ctx, o)
	}
	return nil
}

// sendAway has who is no more to watch a device let it go, which it would not hear before its
// next report.
func (d *Duty) sendAway(ctx context.Context, o *order) {
	d.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		if _, err := d.ask(ctx, o.From, kindRelease, o, nil, nil); err != nil {
			d.log.Debug("a device is not let go by one that is no more to watch it", "device", o.Key.Name, "manager", o.From, "err", err)
		}
	})
}

// stray is an order to who watched a device, as this manager had decided, when it has a later
// row of another one; nil: there is nobody.
func (v *view) stray(was, is *book.Row) *order {
	if was == nil || was.Watcher == is.Watcher || was.Epoch >= is.Epoch || !v.leased(was.Watcher) {
		return nil
	}
	return &order{Key: was.Key, Epoch: was.Epoch, Next: is.Epoch, Heir: is.Watcher, From: was.Watcher}
}

// inherit returns what becomes of a row when the home before has another one, which is its
// later one; nil is nothing. Stray is an order to who watches it as the home before has it,
// and not as this one has decided since.
func (v *view) inherit(was, theirs *book.Row, owner peer.ID) (row *book.Row, stray *order) {
	s := said{Key: theirs.Key, Epoch: theirs.Epoch, Next: theirs.Next, Heir: theirs.Watcher}
	d := Device{Name: theirs.Name, Application: theirs.Application, At: theirs.At, Kinds: theirs.Kinds, Identity: theirs.Identity, Fixed: theirs.Fixed}
	if theirs.Owner != owner || s.check() != nil || d.check(theirs.Name) != nil || theirs.Place.Check() != nil || !given(was, max(theirs.Epoch, theirs.Next)) {
		return nil, nil
	}
	if was != nil && theirs.Epoch <= was.Epoch {
		if theirs.Watcher != was.Watcher && theirs.Watcher != owner && theirs.Epoch < was.Epoch && theirs.State == book.Watched {
			stray = &order{Key: was.Key, Epoch: theirs.Epoch, Next: was.Epoch, Heir: was.Watcher, From: theirs.Watcher}
		}
		return nil, stray
	}
	r := theirs.Clone()
	r.Left = was != nil && was.Left // What was left is with who has left it.
	r.Refused = nil
	switch r.State {
	case book.Watched, book.Taking, book.Orphaned:
		return r, nil
	}
	r.State, r.Heir = book.Watched, ""
	if theirs.State == book.Prepared { // It may have let go.
		return v.again(r, 0), nil
	}
	return r, nil
}

// succession asks for the rows of an owner.
type succession struct {
	Owner peer.ID `json:"owner"`
}

// onBook tells a manager that has become home to an owner what is known of its devices.
func (d *Duty) onBook(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	var s succession
	if _, err := d.unpack(ctx, from, message, &s); err != nil {
		return nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	if !slices.Contains(d.o.Roster.Homes(), from) {
		return nil, peer.Refuse(peer.Refused, "%s is no integration manager that this one has joined", from)
	}
	if s.Owner.Check() != nil || s.Owner == d.self {
		return nil, peer.Refuse(peer.Invalid, "%.40q is no manager whose devices another one could have decided about", s.Owner)
	}
	d.mu.must()
	maps.DeleteFunc(d.ceded, func(_ peer.ID, until time.Time) bool { return time.Now().After(until) })
	d.ceded[s.Owner] = time.Now().Add(settleTime)
	rows := []*book.Row{}
	for _, k := range slices.SortedFunc(maps.Keys(d.rows), book.Compare) {
		if k.Owner == s.Owner {
			rows = append(rows, d.rows[k])
		}
	}
	d.mu.free()
	blob, err := squeeze(rows)
	if err != nil {
		return nil, err
	}
	return d.pack(struct{}{}, blob)
}
