package book

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/notify/subject"
	"grove/tree"
	"grove/tree/alert"
)

// Waits for the nodes of alerts that were adopted.
const (
	// ArriveWithin is how long the node of an alert may take to be there, and what holds the
	// alert back to be known here, too.
	ArriveWithin = time.Minute
	// wellAfter is how long a node must be known to be well: its first reading may be judged
	// before its thresholds are tuned as they were elsewhere.
	wellAfter = 5 * time.Second
)

// Bounds of an alert that is adopted.
const (
	maxMessageBytes = 4096
	maxCount        = 1 << 30
)

// Adopt goes on with alerts that were open at another manager, as Release has returned them
// there, with the paths of this tree: they keep when they opened, how often they came, who
// acknowledged them and what happened to them; the nodes decide what becomes of them. Their
// nodes may come up to ArriveWithin later. Where an alert of the same kind is open, it stays, and
// takes over when the other opened, if that was earlier, and its acknowledgement, if it has
// none. What was adopted before, and has not moved on since, changes nothing, so it may
// be adopted again after a kill. An error says what is wrong with which, and concerns no
// others; what succeeded is on disk. Before Begin they are taken, and kept by it.
func (b *Book) Adopt(ctx context.Context, alerts []alert.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	return b.goOn(ctx, coming{alerts: alerts})
}

// TakeBack is Adopt for a device of this manager that another one has watched since it was
// watched here, which may not have been let go in good order, as after a kill: what is open here
// at and below its node ends for good without telling anybody, since the other manager told
// people what became of it, and goes on only if it is among what comes. Why is a sentence for
// the history.
func (b *Book) TakeBack(ctx context.Context, under tree.Path, why string, alerts []alert.Alert) error {
	if under.IsRoot() {
		return errors.New("alerts of the whole tree cannot be taken back: a device hangs below the root")
	}
	if len(why) > alert.MaxCommentBytes {
		return fmt.Errorf("why alerts of %s end has %d bytes, more than the bound of %d", under, len(why), alert.MaxCommentBytes)
	}
	return b.goOn(ctx, coming{map[tree.Path]string{under: why}, alerts})
}

// coming is what another manager had.
type coming struct {
	over   map[tree.Path]string // nodes of which what is open ends before, and why
	alerts []alert.Alert
}

func (b *Book) goOn(ctx context.Context, c coming) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.leave()
	if n := len(c.alerts) + len(b.early.alerts); n > MaxAtOnce {
		return fmt.Errorf("%d alerts at once are more than the bound of %d", n, MaxAtOnce)
	}
	b.time = b.now()
	if !b.wanted {
		for under, why := range c.over {
			if b.early.over == nil {
				b.early.over = map[tree.Path]string{}
			}
			b.early.over[under] = why
			b.early.alerts = slices.DeleteFunc(b.early.alerts, func(a alert.Alert) bool { return under.Contains(a.Path) })
		}
		b.early.alerts = append(b.early.alerts, c.alerts...)
		return nil
	}
	if !b.ready(ctx) {
		return ErrNotBegun
	}
	if err := b.writeFirst(ctx); err != nil {
		return err
	}
	err := b.adopt(ctx, c)
	if unkept := b.conclude(ctx); unkept != nil {
		return errors.Join(err, fmt.Errorf("alerts are adopted once they can be kept: %w", unkept))
	}
	return err
}

// adoptEarly adopts what came before Begin. The next round writes it.
func (b *Book) adoptEarly(ctx context.Context) {
	early := b.early
	b.early = coming{}
	if len(early.over)+len(early.alerts) == 0 {
		return
	}
	if err := b.adopt(ctx, early); err != nil {
		b.o.Log.Error("alerts of another manager are not adopted", "err", err)
	}
	b.settle()
}

func (b *Book) adopt(ctx context.Context, c coming) error {
	b.forgo(c.over)
	alerts := c.alerts
	var errs []error
	var came []*entry
	numbers := map[alert.ID]alert.ID{} // here, by those that they had
	for i := range alerts {
		a := alerts[i]
		if err := b.check(&a); err != nil {
			errs = append(errs, err)
			continue
		}
		switch e, err := b.adoptOne(ctx, &a); {
		case err != nil:
			errs = append(errs, fmt.Errorf("alert of %s: %w", a.Path, err))
		case e != nil:
			numbers[alerts[i].ID] = e.a.ID
			came = append(came, e)
		}
	}
	for _, e := range came {
		s := e.a.Suppression
		if s == nil {
			continue
		}
		held := *s
		held.Cause, held.At, held.Hidden = numbers[s.Cause], e.path, false
		if cause := b.byID[held.Cause]; cause != nil {
			held.At = cause.path
			b.count(held.Cause, 1)
		}
		e.a.Suppression = &held
	}
	return errors.Join(errs...)
}

// check bounds an alert that came from outside, and takes what another manager's clock or
// history says too much.
func (b *Book) check(a *alert.Alert) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("alert of %s: "+format, append([]any{a.Path}, args...)...)
	}
	switch {
	case a.Path.IsRoot():
		return errors.New("an alert says no node")
	case !slices.Contains(kinds[:], a.Kind):
		return wrong("there is no kind %.40q", a.Kind)
	case a.Resolved != nil || a.State == alert.Resolved:
		return wrong("it is over")
	case a.Status > tree.Red || a.Worst > tree.Red || a.Kind == alert.Status && a.Status < tree.Yellow:
		return wrong("its status cannot be %s, and at worst %s", a.Status, a.Worst)
	case len(a.Message) > maxMessageBytes:
		return wrong("its message has %d bytes, more than the bound of %d", len(a.Message), maxMessageBytes)
	case a.Opened.IsZero():
		return wrong("it does not say when it opened")
	}
	if k := a.Ack; k != nil {
		if k.By == "" || len(k.By) > maxByBytes || len(k.Comment) > alert.MaxCommentBytes {
			return wrong("its acknowledgement has a name of 1 to %d bytes, and a comment of at most %d", maxByBytes, alert.MaxCommentBytes)
		}
	}
	for i := range a.History {
		if s := &a.History[i]; len(s.By) > maxByBytes || len(s.Text) > maxMessageBytes {
			return wrong("a step of its history has a name of at most %d bytes, and a text of at most %d", maxByBytes, maxMessageBytes)
		}
	}
	if a.Opened = a.Opened.UTC().Truncate(time.Millisecond); a.Opened.After(b.time) {
		a.Opened = b.time
	}
	a.History = a.History[max(len(a.History)-alert.MaxSteps, 0):]
	a.Count, a.Revision, a.Consequences = min(max(a.Count, 1), maxCount), min(max(a.Revision, 0), 1<<40), 0
	return nil
}

// adoptOne returns nil where nothing changes but what is open already.
func (b *Book) adoptOne(ctx context.Context, a *alert.Alert) (*entry, error) {
	at := slot{a.Path, kindOf(a.Kind)}
	for q := a.Path; ; q = q.Parent() {
		delete(b.leaving, q) // It stays, then.
		if q.IsRoot() {
			break
		}
	}
	e := b.entries[at]
	had := (*alert.Alert)(nil)
	if e != nil && e.a.Opened.Equal(a.Opened) {
		had = e.a
	} else {
		var err error
		if had, err = b.ledger.Find(ctx, a.Path, a.Kind, a.Opened); err != nil {
			return nil, err
		}
	}
	switch {
	case had != nil && !moved(had) && had.Count >= a.Count:
		return nil, nil // It was adopted before, and is open, or over, since.
	case e != nil && e.live():
		b.merge(e, a)
		return nil, nil
	}
	b.makeRoom()
	b.watch(a.Path)
	if e != nil && moved(e.a) { // It is back.
		id, revision := e.a.ID, e.a.Revision
		*b.edit(e) = *a
		e.a.ID, e.a.Revision = id, max(revision, a.Revision)
	} else {
		if e != nil {
			delete(b.byID, e.a.ID)
		}
		b.last = max(b.last+1, alert.ID(b.time.UnixMilli()<<idBits))
		copied := *a
		copied.ID = b.last
		e = &entry{slot: at, a: &copied, fresh: true}
		b.entries[at], b.byID[copied.ID] = e, e
		b.touch(e)
	}
	from := a.Manager
	e.a.Manager, e.a.Key = b.o.Manager, subject.Key(b.o.Manager, a.Kind, a.Path)
	e.seen, e.was, e.turns, e.turned = false, e.a.Status, nil, a.Opened
	e.remember()
	text := "it goes on here"
	if from != "" && from != b.o.Manager {
		text = "it goes on here: " + from[:min(len(from), maxByBytes)] + " had it"
	}
	b.begins(e, text)
	return e, nil
}

// begins has an alert go on that edit has returned, and whose node is looked at soon.
func (b *Book) begins(e *entry, text string) {
	e.closed, e.well, e.adopted = false, time.Time{}, b.time
	b.live++
	b.step(e, alert.Adopted, "", text)
	b.agenda.add(e.path, b.time.Add(b.waits.Load().settle))
}

// merge gives an alert that is open here what another manager knows of it.
func (b *Book) merge(e *entry, a *alert.Alert) {
	older, known := a.Opened.Before(e.a.Opened), a.Ack != nil && e.a.Ack == nil
	if !older && !known {
		return
	}
	b.edit(e)
	if older {
		e.a.Opened = a.Opened
	}
	if known {
		e.a.Ack = a.Ack
		b.agenda.add(e.path, b.time.Add(b.waits.Load().settle))
	}
	b.step(e, alert.Adopted, "", "another manager had it, too")
}

// arriving says whether an alert came from another manager a moment ago.
func (b *Book) arriving(e *entry) bool {
	return !e.adopted.IsZero() && b.time.Before(e.adopted.Add(ArriveWithin))
}

// tooEarly says that a node which is well may not be known to be so, since its alert came
// from another manager a moment ago. Groups wait for their children.
func (b *Book) tooEarly(e *entry, n *tree.Node) bool {
	until := e.adopted.Add(wellAfter)
	if n.Kind == tree.Group {
		until = e.adopted.Add(ArriveWithin)
	}
	if e.adopted.IsZero() || !b.time.Before(until) {
		return false
	}
	b.agenda.add(e.path, until)
	return true
}

// arrive looks at alerts whose nodes others watched, or were to watch.
func (b *Book) arrive(p tree.Path, n *tree.Node, there bool, s *subject.Subject) {
	for k := range kinds {
		e := b.entries[slot{p, kind(k)}]
		if e == nil {
			continue
		}
		if e.closed && moved(e.a) {
			if _, up := b.o.Tree.Lookup(p.Parent()); there || up && e.kind == ofMissing {
				b.stay(e)
			}
			continue
		}
		if there && e.live() && !e.seen && b.arriving(e) {
			dress(b.edit(e), s, n.Spec)
		}
	}
}
