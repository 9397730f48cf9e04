package duty

import (
	"context"
	"fmt"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
	"grove/notify/peer/duty/stand"
)

// What others say is believed as far as they may say it: a manager about its own devices;
// about those of others the one that has them, and until it is known who that is whoever
// their owner has named as a stand-in. Orders come from home alone.

// maxEpoch bounds epochs: the highest whole number that every reader of JSON knows.
const maxEpoch = 1 << 53

// homeEpoch is above all epochs that homes have given by their terms, which are below 2^20,
// each with less than 2^32 moves of one device. What is higher is believed only when this
// manager has given it itself: so nobody can wear out the numbers that are left for moves.
const homeEpoch = 1 << 52

// Bounds of what is said of one device, and of who asks.
const (
	maxKinds     = 1000
	maxIdentity  = 100
	maxWordBytes = 256 // of a name, and of who asked for something
	// maxOpened is how many parcels and lists of others are opened at the same time.
	maxOpened = 8
	// maxWithin bounds for how long a device is given.
	maxWithin = 10 * 365 * 24 * time.Hour
)

// given says whether an epoch can be one that a home has given, as far as a row knows.
func given(r *book.Row, epoch int64) bool {
	return epoch >= 0 && (epoch <= homeEpoch || r != nil && epoch <= max(r.Epoch, r.Next))
}

// newer returns the error of an answer that knows of an epoch that no home has given.
func (o *obeyed) newer(r *book.Row) error {
	if given(r, o.Newer) {
		return nil
	}
	return peer.Refuse(peer.Failed, "it says that it knows of the epoch %d of %s, which no home has given", o.Newer, r.Name)
}

// check says what is wrong with what a manager says of one device.
func (s *said) check() error {
	if err := s.Key.Check(); err != nil {
		return err
	}
	if e := max(s.Epoch, s.Next); e > maxEpoch || min(s.Epoch, s.Next) < 0 {
		return fmt.Errorf("%s: the epoch %d is not between 0 and %d", s.Key.Name, e, int64(maxEpoch))
	}
	switch s.Step {
	case "", book.Watching, book.Ready, book.Gone:
	default:
		return fmt.Errorf("%s: there is no step %.80q", s.Key.Name, s.Step)
	}
	if s.Heir != "" {
		if err := s.Heir.Check(); err != nil {
			return fmt.Errorf("heir of %s: %w", s.Key.Name, err)
		}
	}
	return s.Device.check(s.Key.Name)
}

// check says what is wrong with a device that another manager says it has; nil is right.
func (d *Device) check(name string) error {
	if d == nil {
		return nil
	}
	switch {
	case d.Name != name:
		return fmt.Errorf("%s: it is called %.80q beside that", name, d.Name)
	case len(d.Application) > parcel.MaxTextOfDevice, len(d.At.String()) > parcel.MaxTextOfDevice, len(d.Fixed) > parcel.MaxTextOfDevice:
		return fmt.Errorf("%s: its application, place or reason to stay has more than %d bytes", name, parcel.MaxTextOfDevice)
	case len(d.Kinds) > maxKinds || len(d.Identity) > maxIdentity:
		return fmt.Errorf("%s: %d kinds of probes and %d marks are more than %d and %d", name, len(d.Kinds), len(d.Identity), maxKinds, maxIdentity)
	case slices.ContainsFunc(d.Kinds, func(k string) bool { return len(k) > maxWordBytes }):
		return fmt.Errorf("%s: a kind of probe has more than %d bytes", name, maxWordBytes)
	}
	for k, v := range d.Identity {
		if len(k) > maxWordBytes || len(v) > parcel.MaxTextOfDevice {
			return fmt.Errorf("%s: the mark %.80q has more than %d bytes", name, k, parcel.MaxTextOfDevice)
		}
	}
	return nil
}

// checkStandIns bounds the list of who stands in for one manager.
func checkStandIns(list []string) error {
	if len(list) > maxStandIns {
		return peer.Refuse(peer.Invalid, "%d stand-ins are more than %d", len(list), maxStandIns)
	}
	for _, s := range list {
		if len(s) > maxWordBytes {
			return peer.Refuse(peer.Invalid, "the name of a stand-in has %d bytes, more than %d", len(s), maxWordBytes)
		}
	}
	return nil
}

// checkWords bounds texts that somebody sends along.
func checkWords(words ...string) error {
	for _, w := range words {
		if len(w) > maxWordBytes {
			return peer.Refuse(peer.Invalid, "%.40q has %d bytes, more than %d", w, len(w), maxWordBytes)
		}
	}
	return nil
}

// serves refuses a question of a manager to which this one is not home.
func (d *Duty) serves(from peer.ID) error {
	if from == d.self || d.acts(from) {
		return nil
	}
	return peer.Refuse(peer.Busy, "this manager is not home to %s", from)
}

// servesOnce is serves for one to which this manager was home, too: it may hold a device of
// then.
func (d *Duty) servesOnce(from peer.ID) error {
	if d.members[from] != nil {
		return nil
	}
	return d.serves(from)
}

// mayHave says whether a manager can have been given a device rightly, though the row does
// not say so: it has a part in the row, or the owner or who ought to watch it has named it.
func (v *view) mayHave(r *book.Row, id peer.ID) bool {
	switch id {
	case r.Owner, r.Place, r.Watcher, r.Heir, r.From:
		return true
	}
	for _, m := range []peer.ID{r.Owner, r.Place} {
		if slices.ContainsFunc(v.member(m).StandIns, func(s string) bool { return s == stand.Anybody || s == string(id) || s == v.name(id) }) {
			return true
		}
	}
	return false
}

// opening bounds how many parcels and lists of others are opened at the same time.
func (d *Duty) opening(ctx context.Context) (done func(), err error) {
	select {
	case d.opened <- struct{}{}:
		return func() { <-d.opened }, nil
	case <-ctx.Done():
		return nil, peer.Refuse(peer.Busy, "%v", ctx.Err())
	}
}
