package duty

import (
	"fmt"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/tree"
)

// May says whether this manager is to watch a device of its own: not one that another one
// watches, or of which that is not known yet. It is of use once Start has ended; what changes
// afterwards Local is told.
func (d *Duty) May(name string) bool {
	d.mu.must()
	defer d.mu.free()
	k := Key{Owner: d.self, Name: name}
	return d.holds[k] == nil || d.active[k]
}

// Held says whether messages about an alert at a path have to wait, and why: while this
// manager cannot know whether another one watches the device and tells of it too. They wait
// no longer than AloneAfter.
func (d *Duty) Held(path tree.Path) (why string, held bool) {
	k, ok := d.o.Local.Device(path)
	if !ok {
		return "", false
	}
	return d.HeldDevice(k, time.Now())
}

// HeldDevice is Held for a device at a moment.
func (d *Duty) HeldDevice(k Key, now time.Time) (why string, held bool) {
	d.mu.must()
	defer d.mu.free()
	h := d.holds[k]
	keeper := d.keeper()
	if h != nil {
		keeper = d.keeperOf(h)
	}
	if h != nil && h.Step != book.Watching {
		if now.Sub(h.Since) >= d.o.AloneAfter() {
			return "", false
		}
		return fmt.Sprintf("%s is with another manager", k.Name), true
	}
	since, fenced := d.fenced(keeper, now)
	switch {
	case !fenced:
		return "", false
	case k.Owner == d.self && len(d.o.StandIns()) == 0 && (h == nil || h.From == ""):
		return "", false // Nobody else can have it.
	case now.Sub(since) >= d.o.AloneAfter():
		return "", false
	}
	return fmt.Sprintf("home (%s) has not answered since %s, and may have given %s to a stand-in", keeper, since.Format(time.TimeOnly), k.Name), true
}

// fenced says whether a keeper may have given devices to others without this manager's
// knowing, and since when that may be. The lock is held.
func (d *Duty) fenced(keeper peer.ID, now time.Time) (since time.Time, yes bool) {
	if keeper == d.self {
		return time.Time{}, false
	}
	token, until := d.o.Roster.Lease(keeper)
	l := d.live(keeper)
	switch {
	case !now.Before(until):
		yes = true
	case l.heard.IsZero() || l.token != token:
		yes = true // It is there again, and has not said yet what it did meanwhile.
	}
	if !yes {
		l.fenced = time.Time{}
		return time.Time{}, false
	}
	if l.fenced.IsZero() {
		l.fenced = now
		if until.Before(now) && until.After(l.heard) {
			l.fenced = until
		}
	}
	return l.fenced, true
}
