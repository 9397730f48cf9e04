package book

import (
	"time"

	"grove/tree"
	"grove/tree/alert"
)

// Twin says how it is with the alerts about a device that another manager watches, too: of
// several that watch it one tells people, so that they hear of it once.
//
// While Left, the alert is suppressed here, and the other manager tells of it. When that
// manager has told people of the alert, or that it is over (Told), what it tells from then on
// is enough: who was told from here before is not told that it is over from here as well. And
// when it is left to that manager no more, such as when that is lost, and it had told of the
// alert, people are not told of the opening again; that it is over they hear from here.
type Twin struct {
	Left bool
	By   string    // the other manager, for people
	At   tree.Path // of the device here
	Told bool
	Ack  *alert.Ack // somebody acknowledged it there
}

// suppression says in an alert that it is left to another manager.
func (t *Twin) suppression(now time.Time) *alert.Suppression {
	text := t.By + " watches " + t.At.String() + ", too, and tells of it"
	if t.Told {
		text = t.By + " watches " + t.At.String() + ", too, and has told of it"
	}
	return &alert.Suppression{Reason: alert.ByTwin, At: t.At, Text: text, Since: now, Told: t.Told}
}

// takeOver goes on, as if people had been told from here, with an alert of which the manager
// has told them that it was left to until now.
func (b *Book) takeOver(e *entry, was *alert.Suppression) {
	if was.Reason != alert.ByTwin {
		return
	}
	t := b.o.Twin(e.a)
	if !t.Told {
		return
	}
	if e.a.Ack == nil && t.Ack != nil {
		ack := *t.Ack
		b.edit(e).Ack = &ack
		if ack.Until != nil {
			b.agenda.add(e.path, *ack.Until)
		}
	}
	b.step(e, alert.Adopted, "", "it goes on here: "+t.By+" has told of it")
}
