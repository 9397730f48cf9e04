package alertmanager

import (
	"container/list"
	"time"

	"grove/notify/channel/labelled"
)

// Bounds of what is kept to be handed over again.
const (
	maxTold  = 20_000
	maxPiece = 200              // alerts of one request
	retain   = 15 * time.Minute // how long what is over is handed over, as Prometheus does
)

// told is what Alertmanager was told of, the one told last at the end. It is bounded: what
// was told longest ago is forgotten first.
type told struct {
	order *list.List // of *entry
	byKey map[string]*list.Element
}

type entry struct {
	key   string // of the alert of grove
	alert labelled.Alert
	until time.Time // it is kept
	over  bool
}

func newTold() told { return told{list.New(), map[string]*list.Element{}} }

// other is the alert that Alertmanager knows for the same alert of grove, if its labels are
// others than those that it has now, and it is not over.
func (t *told) other(key string, now labelled.Alert) (before labelled.Alert, ok bool) {
	old := t.byKey[key]
	if old == nil {
		return labelled.Alert{}, false
	}
	e, _ := old.Value.(*entry)
	return e.alert, !e.over && e.alert.Fingerprint() != now.Fingerprint()
}

// put keeps an alert in the place of what has its key.
func (t *told) put(e entry, now time.Time) {
	if old := t.byKey[e.key]; old != nil {
		t.forget(old)
	}
	e.until = e.alert.EndsAt
	if e.over {
		e.until = now.Add(retain)
	}
	t.byKey[e.key] = t.order.PushBack(&e)
	for t.order.Len() > maxTold {
		t.forget(t.order.Front())
	}
}

func (t *told) forget(e *list.Element) {
	if old, ok := t.order.Remove(e).(*entry); ok {
		delete(t.byKey, old.key)
	}
}

// pieces returns what is to be handed over again, and forgets what is not.
func (t *told) pieces(now time.Time) [][]labelled.Alert {
	var pieces [][]labelled.Alert
	var next *list.Element
	for e := t.order.Front(); e != nil; e = next {
		next = e.Next()
		one, _ := e.Value.(*entry)
		if !now.Before(one.until) {
			t.forget(e)
			continue
		}
		if len(pieces) == 0 || len(pieces[len(pieces)-1]) == maxPiece {
			pieces = append(pieces, nil)
		}
		last := &pieces[len(pieces)-1]
		*last = append(*last, one.alert)
	}
	return pieces
}
