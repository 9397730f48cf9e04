package duty

import (
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/stand"
)

// view is the world as a keeper sees it at one moment.
type view struct {
	now     time.Time
	term    func(owner peer.ID) int64
	state   func(peer.ID) State
	leased  func(peer.ID) bool // this manager is home to it, so that it has a lease
	missing func(peer.ID) bool // dead, or gone for long
	member  func(peer.ID) book.Member
	met     func(peer.ID) bool // it has said here whom it wants as its stand-ins
	name    func(peer.ID) string
}

// usable says whether a manager can be given something.
func (v *view) usable(id peer.ID) bool { return v.state(id) == Live && !v.member(id).Away }

// next is the epoch of the next move of a device.
func (v *view) next(r *book.Row) int64 { return max(max(r.Epoch, r.Next)+1, v.term(r.Owner)<<32) }

// wants is what a row asks for that needs somebody to be chosen.
type wants uint8

const (
	nobody    wants = iota
	another         // its watcher is dead: who takes it
	successor       // its watcher is about to stop: to whom it is to be moved
)

// plan says what becomes of a row without asking anybody: the row as it is to be from now
// on, or the same one when nothing changes.
func (v *view) plan(r *book.Row) (*book.Row, wants) {
	if !r.Until.IsZero() && !v.now.Before(r.Until) {
		r = r.Clone()
		r.Was, r.Place, r.Until, r.Wish, r.WishBy = r.Place, r.Owner, time.Time{}, book.Returned, ""
	}
	switch r.State {
	case book.Watched:
		return v.planWatched(r)
	case book.Offered:
		switch {
		case v.missing(r.Watcher):
			return r, another
		case !v.usable(r.Heir):
			r = r.Clone()
			r.State, r.Heir, r.Reason = book.Watched, "", "the manager that was to watch it is not there"
		}
	case book.Prepared:
		switch {
		case v.missing(r.Watcher) && v.usable(r.Heir):
			return v.decided(r, r.Heir, book.Takeover), nobody
		case v.missing(r.Watcher):
			return r, another
		case v.missing(r.Heir) || v.state(r.Heir) == CutOff:
			// The watcher may have let go: it is told to go on, under an epoch that the heir
			// has never heard of.
			r = r.Clone()
			r.Next = v.next(r)
			r.Reason = "the manager that was to watch it is not there"
			return v.decided(r, r.Watcher, r.Why), nobody
		}
	case book.Taking:
		if v.missing(r.Watcher) || v.state(r.Watcher) == CutOff {
			return r, another
		}
	case book.Orphaned:
		return r, another
	}
	return r, nobody
}

func (v *view) planWatched(r *book.Row) (*book.Row, wants) {
	switch {
	case v.missing(r.Watcher):
		return r, another
	case v.state(r.Watcher) != Live || r.Fixed != "":
		return r, nobody
	case v.member(r.Watcher).Away:
		return r, successor
	case r.Place != r.Watcher && r.Left && v.usable(r.Place):
		why := r.Wish
		if why == "" {
			why = book.Back
		}
		return v.offered(r, r.Place, why, r.WishBy), nobody
	}
	return r, nobody
}

// offered begins a planned move.
func (v *view) offered(r *book.Row, heir peer.ID, why book.Why, by string) *book.Row {
	r = r.Clone()
	r.State, r.Heir, r.Next, r.From = book.Offered, heir, v.next(r), r.Watcher
	r.Why, r.By, r.Since, r.Reason = why, by, v.now, ""
	return r
}

// decided makes somebody the watcher: from now on it has the device, and is told so until it
// says that it watches. A move that was prepared keeps its epoch.
func (v *view) decided(r *book.Row, to peer.ID, why book.Why) *book.Row {
	n := v.next(r)
	if r.State == book.Prepared && r.Heir == to {
		n = r.Next
	}
	if r.State == book.Prepared && r.Watcher == to {
		n = r.Next // given by who gave the heir up
	}
	begun := r.State == book.Offered || r.State == book.Prepared || r.State == book.Taking
	r = r.Clone()
	if !begun || why == book.Takeover && r.Why != book.Takeover {
		r.Since, r.By = v.now, ""
	}
	if r.State != book.Taking && r.Watcher != to {
		r.From = r.Watcher
	}
	r.State, r.Watcher, r.Epoch, r.Heir, r.Next, r.Why = book.Taking, to, n, "", n, why
	return r
}

// arrived is a row whose device is watched where it was to be.
func arrived(r *book.Row, now time.Time) *book.Row {
	r = r.Clone()
	r.State, r.Heir, r.Reason, r.Refused, r.Since = book.Watched, "", "", nil, now
	if r.Watcher == r.Place {
		r.Wish, r.WishBy, r.Was = "", "", ""
	}
	return r
}

// orphaned is a row that nobody can watch.
func (v *view) orphaned(r *book.Row, reason string) *book.Row {
	if r.State == book.Orphaned && r.Reason == reason {
		return r
	}
	begun := r.State != book.Orphaned
	r = r.Clone()
	r.Next = max(r.Next, r.Epoch)
	r.State, r.Heir, r.Reason = book.Orphaned, "", reason
	if begun {
		r.Since, r.Why, r.By = v.now, book.Takeover, ""
	}
	return r
}

// device is how a row looks to who divides devices. The one in whose place others stand
// comes first; then the stand-ins of that one.
func (v *view) device(r *book.Row, w wants) stand.Device {
	d := stand.Device{Key: r.Key.String(), Application: r.Application, Kinds: r.Kinds, Not: slices.Clone(r.Refused)}
	if w == successor {
		if to := v.member(r.Watcher).To; to != "" {
			d.StandIns = []string{to}
		} else {
			d.StandIns = v.member(r.Place).StandIns
		}
		d.Not = append(d.Not, r.Watcher)
		return d
	}
	if r.Heir != "" {
		d.StandIns = append(d.StandIns, string(r.Heir))
	}
	d.StandIns = append(d.StandIns, string(r.Place))
	if r.Place != r.Owner {
		d.StandIns = append(d.StandIns, string(r.Owner))
	}
	if r.Fixed != "" || !r.Left {
		// Only its owner can watch it, who has everything itself.
		d.StandIns = []string{string(r.Owner)}
		return d
	}
	d.StandIns = append(d.StandIns, v.member(r.Place).StandIns...)
	return d
}

// why says of a device that nobody takes why that is.
func why(r *book.Row, said string) string {
	switch {
	case r.Fixed != "":
		return "it went with its manager: " + r.Fixed
	case !r.Left:
		return "its manager went before it had left what others need to watch it"
	}
	return said
}

// standIns is what stand decides of rows.
func (v *view) divide(rows map[*book.Row]wants, managers []peer.Manager, watched map[peer.ID]int) (to map[*book.Row]peer.ID, not map[*book.Row]string) {
	var candidates []stand.Candidate
	for i := range managers {
		m := &managers[i]
		if v.usable(m.ID) && v.leased(m.ID) {
			candidates = append(candidates, stand.Candidate{
				ID: m.ID, Name: m.Name, Kinds: m.Kinds, Applications: m.Applications, Capacity: m.Capacity, Devices: max(m.Devices, watched[m.ID]),
			})
		}
	}
	devices := make([]stand.Device, 0, len(rows))
	for r, w := range rows {
		devices = append(devices, v.device(r, w))
	}
	result := stand.Divide(devices, candidates)
	to, not = map[*book.Row]peer.ID{}, map[*book.Row]string{}
	for r := range rows {
		if id, ok := result.To[r.Key.String()]; ok {
			to[r] = id
		} else {
			not[r] = why(r, result.Nobody[r.Key.String()])
		}
	}
	return to, not
}
