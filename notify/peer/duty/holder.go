package duty

import (
	"context"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
)

// order is what a keeper asks of who holds a device, or is to.
type order struct {
	Key   Key   `json:"key"`
	Epoch int64 `json:"epoch"` // of an offer and of taking: the new one; of a release: the present one
	// Next and Heir say, of a release, under which epoch who is to watch it then.
	Next int64   `json:"next,omitempty"`
	Heir peer.ID `json:"heir,omitempty"`
	// From is, of an offer and of taking, who watches it now, or did.
	From peer.ID `json:"from,omitempty"`
}

// obeyed is the answer. Newer, unless zero, says that nothing was done, since the manager
// knows of that epoch, which is not older.
type obeyed struct {
	Newer int64 `json:"newer,omitempty"`
	stamp
}

// stamp says when a manager said something of what it holds: after how many changes of it,
// in which of its lives. A zero life is of one that does not say.
type stamp struct {
	Life    int64 `json:"life,omitempty"`
	Changes int64 `json:"changes,omitempty"`
	of      peer.ID
}

// before says that something was said before something else by the same manager.
func (s stamp) before(other stamp) bool {
	return s.Life != 0 && s.Life == other.Life && s.of == other.of && s.Changes < other.Changes
}

// done is the answer to an order that was obeyed.
func (d *Duty) done(blob []byte) ([]byte, error) {
	d.mu.must()
	o := obeyed{stamp: stamp{Life: d.life, Changes: d.changes}}
	d.mu.free()
	return d.pack(o, blob)
}

// begin reads an order and locks its device.
func (d *Duty) begin(ctx context.Context, from peer.ID, message []byte, kind string) (o order, blob []byte, free func(), err error) {
	blob, err = d.unpack(ctx, from, message, &o)
	if err != nil {
		return o, nil, nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	if err := o.Key.Check(); err != nil {
		return o, nil, nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	if o.Epoch < 0 || o.Next < 0 || max(o.Epoch, o.Next) > maxEpoch {
		return o, nil, nil, peer.Refuse(peer.Invalid, "%s: an epoch is between 0 and %d", o.Key.Name, int64(maxEpoch))
	}
	free, err = d.keys.take(ctx, o.Key)
	if err != nil {
		return o, nil, nil, peer.Refuse(peer.Busy, "%s is being moved", o.Key.Name)
	}
	d.mu.must()
	defer d.mu.free()
	if !d.started {
		free()
		return o, nil, nil, peer.Refuse(peer.Busy, "this manager is about to start")
	}
	if !d.mayOrder(from, kind, &o) {
		free()
		return o, nil, nil, peer.Refuse(peer.Refused, "%s may not say who watches %s: only home may", from, o.Key.Name)
	}
	return o, blob, free, nil
}

// mayOrder says whether an order may come from a manager: from home, or the one that has given
// it the device and was home then. Its owner may give none: it would have this manager run whatever it
// likes. The one that watched it before may have it watched under the epoch to which this one
// has prepared itself, since it helps when home is away. The lock is held.
func (d *Duty) mayOrder(from peer.ID, kind string, o *order) bool {
	h, home := d.holds[o.Key], d.o.Roster.Home()
	switch {
	case from == d.self || from == home:
		return true
	case h == nil:
		return false
	case kind == kindTake && from == h.From && o.Epoch == h.Epoch && h.Step != book.Gone:
		return true
	}
	if kind == kindRelease && o.Next>>32 > newest(h)>>32 && slices.Contains(d.o.Roster.Homes(), from) {
		return true // It has become home to the owner since.
	}
	return from == h.Keeper && (home == "" || slices.Contains(d.o.Roster.Homes(), from))
}

// hold returns what is held of a device; nil is nothing. It is not to be changed.
func (d *Duty) hold(k Key) (h *book.Hold, active bool) {
	d.mu.must()
	defer d.mu.free()
	return d.holds[k], d.active[k]
}

// keep writes what is held of a device from now on.
func (d *Duty) keep(ctx context.Context, h *book.Hold, blob []byte, active bool) error {
	c := &book.Change{Holds: []*book.Hold{h}}
	if len(blob) > 0 {
		c.Held = map[Key][]byte{h.Key: blob}
	}
	return d.commit(ctx, &piece{
		key: h.Key, add: func() (*book.Change, error) { return c, nil }, then: func() { d.setActive(h.Key, active) },
	})
}

// setActive notes whether Local watches a device. The lock is held.
func (d *Duty) setActive(k Key, active bool) {
	if active {
		d.active[k] = true
	} else {
		delete(d.active, k)
	}
}

// owns says whether a device is one of this manager's own that is still there.
func (d *Duty) owns(k Key) bool {
	return k.Owner == d.self && slices.ContainsFunc(d.o.Local.Devices(), func(own Device) bool { return own.Name == k.Name })
}

// open reads the parcel of an order.
func open(o *order, blob []byte) (*parcel.Parcel, error) {
	p, err := parcel.Decode(blob)
	if err != nil {
		return nil, peer.Refuse(peer.Refused, "%v", err)
	}
	if p.Key != o.Key {
		return nil, peer.Refuse(peer.Invalid, "the parcel is of %s, not of %s", p.Key, o.Key)
	}
	return p, nil
}

// onOffer prepares to watch a device: on return it is on disk and was found to be right.
func (d *Duty) onOffer(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	o, blob, free, err := d.begin(ctx, from, message, kindOffer)
	if err != nil {
		return nil, err
	}
	defer free()
	h, _ := d.hold(o.Key)
	if h != nil && newest(h) >= o.Epoch && (h.Step != book.Ready || h.Epoch != o.Epoch) {
		return d.pack(obeyed{Newer: newest(h)}, nil)
	}
	if o.Key.Owner == d.self && !d.owns(o.Key) {
		return nil, peer.Refuse(peer.NotFound, "%s is no device of this manager any more", o.Key.Name)
	}
	p, err := open(&o, blob)
	if err != nil {
		return nil, err
	}
	if err := d.o.Local.Check(ctx, p); err != nil {
		return nil, peer.Refuse(peer.Refused, "%v", err)
	}
	if h != nil && h.Step == book.Watching {
		// It watches under an older epoch, and does not know yet that another one does by now.
		if _, err := d.letGo(ctx, h, "", o.Epoch-1); err != nil {
			return nil, err
		}
	}
	err = d.keep(ctx, &book.Hold{Key: o.Key, Keeper: from, Step: book.Ready, Epoch: o.Epoch, From: o.From, Since: time.Now()}, blob, false)
	if err != nil {
		return nil, peer.Refuse(peer.Busy, "%v", err)
	}
	return d.done(nil)
}

// newest is the highest epoch that a hold knows of.
func newest(h *book.Hold) int64 { return max(h.Epoch, h.Next) }

// letGo stops watching a device for an heir and writes that down, with how it was in the
// end. The device is locked.
func (d *Duty) letGo(ctx context.Context, h *book.Hold, heir peer.ID, next int64) ([]byte, error) {
	p, err := d.o.Local.Unwatch(ctx, h.Key)
	if err != nil {
		return nil, peer.Refuse(peer.Busy, "%v", err)
	}
	var blob []byte
	if p != nil {
		p.Key, p.By, p.Epoch = h.Key, d.self, h.Epoch
		if blob, err = parcel.Encode(p); err == nil {
			err = d.keep(ctx, gone(h, heir, next), blob, false)
		}
	} else {
		err = d.keep(ctx, gone(h, heir, next), nil, false)
	}
	if err == nil {
		return blob, nil
	}
	if p != nil { // What is not on disk is not done.
		if back := d.o.Local.Watch(ctx, h.Key, p); back != nil {
			d.log.Error("a device that could not be let go is not watched any more", "device", h.Name, "err", back)
			d.mu.must()
			d.setActive(h.Key, false)
			d.mu.free()
		}
	}
	return nil, peer.Refuse(peer.Busy, "%v", err)
}

// gone is what is held of a device after it was let go. Without an heir whoever watches it
// is known to do so.
func gone(h *book.Hold, heir peer.ID, next int64) *book.Hold {
	return &book.Hold{Key: h.Key, Keeper: h.Keeper, Step: book.Gone, Epoch: h.Epoch, Heir: heir, Next: next, Heard: heir == "", Since: time.Now(), From: h.From}
}

// onRelease lets a device go: on return it is not watched, which is on disk.
func (d *Duty) onRelease(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	o, _, free, err := d.begin(ctx, from, message, kindRelease)
	if err != nil {
		return nil, err
	}
	defer free()
	h, _ := d.hold(o.Key)
	if h == nil {
		if !d.owns(o.Key) {
			return nil, peer.Refuse(peer.NotFound, "%s is not watched here", o.Key.Name)
		}
		h = &book.Hold{Key: o.Key, Keeper: from, Step: book.Watching, Epoch: o.Epoch}
	}
	switch {
	case newest(h) > max(o.Epoch, o.Next), h.Step == book.Ready, h.Step == book.Watching && h.Epoch > o.Epoch:
		return d.pack(obeyed{Newer: newest(h)}, nil)
	case h.Step == book.Gone: // it was asked before
		again := *h
		again.Heir, again.Next, again.Heard = o.Heir, o.Next, false
		if again.Heir != h.Heir || again.Next != h.Next {
			if err := d.keep(ctx, &again, nil, false); err != nil {
				return nil, peer.Refuse(peer.Busy, "%v", err)
			}
		}
		blob, err := d.o.Disk.Parcel(ctx, book.OfHold, o.Key)
		if err != nil {
			return nil, peer.Refuse(peer.Busy, "%v", err)
		}
		return d.done(blob)
	}
	blob, err := d.letGo(ctx, h, o.Heir, o.Next)
	if err != nil {
		return nil, err
	}
	return d.done(blob)
}

// onTake watches a device: on return it does so, which is on disk.
func (d *Duty) onTake(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	o, blob, free, err := d.begin(ctx, from, message, kindTake)
	if err != nil {
		return nil, err
	}
	defer free()
	h, active := d.hold(o.Key)
	if h != nil {
		same := h.Step != book.Gone && h.Epoch == o.Epoch
		if newest(h) >= o.Epoch && !same {
			return d.pack(obeyed{Newer: newest(h)}, nil)
		}
		if same && h.Step == book.Watching && active {
			return d.done(nil)
		}
	}
	if o.Key.Owner == d.self && !d.owns(o.Key) {
		return nil, peer.Refuse(peer.NotFound, "%s is no device of this manager any more", o.Key.Name)
	}
	p, err := d.parcelFor(ctx, &o, h, blob)
	if err != nil {
		return nil, err
	}
	keeper := from
	if h != nil && h.From == from && h.Keeper != "" { // the one before helps, in the place of the keeper
		keeper = h.Keeper
	}
	now := &book.Hold{Key: o.Key, Keeper: keeper, Step: book.Watching, Epoch: o.Epoch, From: o.From, Since: time.Now(), New: o.Key.Owner == d.self}
	if err := d.keep(ctx, now, blob, active); err != nil {
		return nil, peer.Refuse(peer.Busy, "%v", err)
	}
	if err := d.o.Local.Watch(ctx, o.Key, p); err != nil {
		if ctx.Err() != nil {
			return nil, peer.Refuse(peer.Busy, "%v", err)
		}
		if undo := d.forget(ctx, now); undo != nil { // it is asked again, and knows it then
			return nil, peer.Refuse(peer.Busy, "%v", undo)
		}
		return nil, peer.Refuse(peer.Failed, "%v", err)
	}
	d.began(ctx, now, p)
	return d.done(nil)
}

// parcelFor returns the parcel to watch a device by: that of the order, or else what was
// prepared. It is nil for a device of this manager's own that nobody has packed.
func (d *Duty) parcelFor(ctx context.Context, o *order, h *book.Hold, blob []byte) (*parcel.Parcel, error) {
	if len(blob) == 0 && h != nil {
		kept, err := d.o.Disk.Parcel(ctx, book.OfHold, o.Key)
		if err != nil {
			return nil, peer.Refuse(peer.Busy, "%v", err)
		}
		blob = kept
	}
	if len(blob) == 0 {
		if o.Key.Owner == d.self {
			return nil, nil
		}
		return nil, peer.Refuse(peer.Refused, "%s has come without what is needed to watch it", o.Key.Name)
	}
	p, err := open(o, blob)
	if err != nil {
		return nil, err
	}
	if h == nil || h.Step != book.Ready {
		if err := d.o.Local.Check(ctx, p); err != nil {
			return nil, peer.Refuse(peer.Refused, "%v", err)
		}
	}
	return p, nil
}

// forget writes that a device is not held after all. One of this manager's own is held as
// one that is with another.
func (d *Duty) forget(ctx context.Context, h *book.Hold) error {
	if h.Owner == d.self {
		return d.keep(ctx, gone(h, "", h.Epoch), nil, false)
	}
	return d.forgetHold(ctx, h.Key)
}

// forgetHold drops what is held of a device, which is not watched.
func (d *Duty) forgetHold(ctx context.Context, k Key) error {
	return d.commit(ctx, &piece{
		key: k, add: func() (*book.Change, error) { return &book.Change{DropHolds: []Key{k}}, nil }, then: func() { d.setActive(k, false) },
	})
}

// began does what follows when a device that came from elsewhere is watched here.
func (d *Duty) began(ctx context.Context, h *book.Hold, p *parcel.Parcel) {
	d.mu.must()
	d.setActive(h.Key, true)
	// Home has what it was taken by, and others may be about to be taken.
	d.leaveLocked(h.Key, time.Now().Add(takenAfter))
	d.mu.free()
	d.tellOf(h, p)
	if !h.New {
		return
	}
	old := *h
	old.New = false
	err := d.commit(ctx, &piece{key: h.Key, add: func() (*book.Change, error) {
		if d.holds[h.Key] != h {
			return nil, nil
		}
		return &book.Change{Holds: []*book.Hold{&old}}, nil
	}})
	if err != nil {
		// After a restart it is given the same parcel again, which changes nothing.
		d.log.Warn("the book of devices cannot be written", "device", h.Name, "err", err)
	}
}

// tellOf tells who wants to know of a device that came from another manager.
func (d *Duty) tellOf(h *book.Hold, p *parcel.Parcel) {
	if h.From == "" || h.From == d.self { // Nobody else had it meanwhile.
		return
	}
	if h.Owner == d.self && p != nil && d.o.Returned != nil {
		d.o.Returned(h.Key, p)
	}
	if d.o.Came != nil {
		d.o.Came(h.Key, h.From)
	}
}
