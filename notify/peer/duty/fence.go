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
	keeper := d.lessor(k, h)
	if h != nil && h.Step != book.Watching {
		if now.Sub(h.Since) >= d.o.AloneAfter() {
			return "", false
		}
		return fmt.Sprintf("%s is with another manager", k.Name), true
	}
	since, fenced := d.fenced(keeper, k, now)
	switch {
	case !fenced:
		return "", false
	case k.Owner == d.self && len(d.o.StandIns()) == 0 && (h == nil || h.From == ""):
		return "", false // Nobody else can have it.
	case now.Sub(since) >= d.o.AloneAfter():
		return "", false
	}
	if keeper == d.self {
		return fmt.Sprintf("another home may decide about %s since %s: this one does not hear enough managers that have chosen it", k.Name, since.Format(time.TimeOnly)), true
	}
	return fmt.Sprintf("home (%s) has not answered since %s, and may have given %s to a stand-in", keeper, since.Format(time.TimeOnly), k.Name), true
}

// lessor is whose lease this manager needs to tell of a device: that of the one that decides
// about it. Of a device of another owner that is who gave it: another home of this manager
// may not be home to that owner, and does not know what becomes of the device.
func (d *Duty) lessor(k Key, h *book.Hold) peer.ID {
	switch {
	case h == nil || k.Owner == d.self:
		return d.keeper()
	case d.acts(k.Owner):
		return d.self
	}
	return h.Keeper
}

// fenced says whether a keeper may have given devices to others without this manager's
// knowing, and since when that may be. The lock is held.
func (d *Duty) fenced(keeper peer.ID, k Key, now time.Time) (since time.Time, yes bool) {
	d.rehome()
	l := d.live(keeper)
	token, until := d.o.Roster.Lease(keeper)
	switch {
	case keeper == d.self && d.acts(k.Owner):
		if r := d.rows[k]; k.Owner == d.self || r != nil && r.Watcher == d.self {
			return time.Time{}, false
		}
		yes = true // This manager has another one in its own book.
	case keeper == d.self:
		yes = true // Another one decides about it now.
	case !now.Before(until):
		yes = true
	case l.heard.IsZero() || l.token != token:
		yes = true // It is there again, and has not said yet what it did meanwhile.
	}
	if !yes {
		l.fenced = time.Time{}
		since, yes = d.foreign[k]
		return since, yes
	}
	if l.fenced.IsZero() {
		l.fenced = now
		if until.Before(now) && until.After(l.heard) {
			l.fenced = until
		}
	}
	return l.fenced, true
}

// rehome forgets what was compared with homes of before once this manager has another one:
// what they said then does not hold when it comes back to them. The lock is held.
func (d *Duty) rehome() {
	now := d.keeper()
	if d.kept == now {
		return
	}
	for id, l := range d.lives {
		if id != now || d.kept != "" {
			l.heard, l.wanted = time.Time{}, true
		}
	}
	d.kept = now
}
