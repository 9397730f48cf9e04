package past

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/record/sample"
	"grove/tree"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// errOpen is that the other manager still watches the device, as far as it knows.
var errOpen = errors.New("it is still watched there")

// errAway is that a device is with the other manager: more comes later.
var errAway = errors.New("it is watched there for now")

const (
	// young is how old readings are that come then: the youngest may be late.
	young = time.Minute
	// late is for how long they are asked for again, since some come late.
	late = 5 * time.Minute
)

// fetch pays what is owed of one manager, one device after the other.
func (p *Past) fetch(ctx context.Context, source peer.ID) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.busy, source)
	}()
	for {
		d := p.next(source)
		if d == nil || ctx.Err() != nil {
			return
		}
		err := p.pay(ctx, d)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil, errors.Is(err, errOther):
			p.mu.Lock()
			delete(p.pauses, source)
			p.mu.Unlock()
		case errors.Is(err, errAway):
			p.putOff(d, p.o.Away)
		case errors.Is(err, errOpen), refused(err):
			p.o.Log.Debug("the past of a device does not come for now", "device", d.Name, "peer", source, "err", err)
			if refused(err) || p.isAway(d.Device) {
				p.putOff(d, mostAgain)
			} else {
				p.putOff(d, again)
			}
		default:
			p.mu.Lock()
			last := p.pauses[source].last
			wait := min(max(2*last, again), mostAgain)
			p.pauses[source] = pause{p.o.Now().Add(wait), wait}
			p.mu.Unlock()
			if last == 0 && !errors.Is(err, peer.ErrNobody) && !errors.Is(err, peer.ErrLost) {
				p.o.Log.Warn("the past of devices does not come for now", "device", d.Name, "peer", source, "err", err)
			}
			return
		}
		if !wait(ctx, pace) {
			return
		}
	}
}

// refused says of an error that it is about one device, and not about the manager.
func refused(err error) bool {
	var r *peer.Refusal
	return errors.As(err, &r)
}

// wait waits; false is that ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask asks the manager of a debt.
func (p *Past) ask(ctx context.Context, d *debt, kind string, question any) ([]byte, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return p.o.Fabric.AskBulk(ctx, d.source, kind, body)
}

// pay fetches everything that is owed of one device by one manager.
func (p *Past) pay(ctx context.Context, d *debt) error {
	now := p.o.Now()
	at, ok := p.o.Local.Place(d.Device)
	if never := now.UnixMilli()-d.made > p.o.Age.Milliseconds(); !ok || never {
		if never {
			p.o.Log.Warn("the past of a device never came", "device", d.Name, "peer", d.source)
		}
		return p.paid(ctx, d, d, true, nil)
	}
	for {
		q := staysQuestion{d.Device, d.upTo}
		asked := p.o.Now()
		body, err := p.ask(ctx, d, kindStays, q)
		if peer.IsRefusal(err, peer.NotFound) && p.isAway(d.Device) {
			return errOpen // It is on its way.
		}
		if peer.IsRefusal(err, peer.NotFound) {
			return p.paid(ctx, d, d, true, nil)
		}
		if err != nil {
			return err
		}
		a, err := parseStays(body, &q)
		if err != nil {
			return err
		}
		// What is too old is so by the clock here; the clock there is about so far ahead.
		ahead := time.Duration(a.Now-(asked.UnixMilli()+p.o.Now().UnixMilli())/2) * time.Millisecond
		least := d.least
		if least > 0 {
			least += ahead.Milliseconds()
		}
		for i := range a.Stays {
			if d, err = p.take(ctx, d, at, &a.Stays[i], max(least, 0), ahead.Round(apart)); err != nil {
				return err
			}
		}
		switch {
		case a.More && len(a.Stays) > 0:
		case a.Open && p.isAway(d.Device):
			return p.takeSome(ctx, d, at, &a, max(least, 0), ahead.Round(apart))
		case a.Open || p.isAway(d.Device):
			return errOpen
		default:
			return p.paid(ctx, d, d, true, nil)
		}
	}
}

// take fetches one stay from a time on: its entries, then its readings. Their times are put
// back by what the clock there is ahead, if that is much. It returns how far the debt is.
func (p *Past) take(ctx context.Context, d *debt, at tree.Path, s *Stay, least int64, ahead time.Duration) (*debt, error) {
	if d.begins != s.Begins {
		is := *d
		is.begins, is.entry, is.node = s.Begins, 0, ""
		if err := p.paid(ctx, d, &is, false, nil); err != nil {
			return d, err
		}
		d = &is
	}
	low, high := s.numbers()
	low = max(low, journal.FirstID(time.UnixMilli(least)), 1)
	for d.entry < int64(high)-1 {
		is, err := p.takeEntries(ctx, d, at, s, max(journal.ID(d.entry), low-1), ahead)
		if err != nil {
			return d, err
		}
		d = is
		if !wait(ctx, pace) {
			return d, ctx.Err()
		}
	}
	d, err := p.takeReadings(ctx, d, at, s, least, ahead)
	if err != nil {
		return d, err
	}
	// Who had it before is asked next.
	var next *debt
	chain := s.From != "" && s.From != p.self && s.From != d.source && s.Begins > least
	if chain {
		if chain, err = p.party(ctx, d.Device, s.From); err != nil {
			return d, fmt.Errorf("who watched %s before: %w", d.Name, err)
		}
	}
	is := *d
	is.upTo, is.begins, is.entry, is.node = s.Ends, 0, 0, ""
	err = p.paid(ctx, d, &is, false, func(tx *store.Tx) (err error) {
		if chain {
			next, err = p.owe(tx, debtKey{d.Device, s.From}, p.o.Now())
		}
		return err
	})
	if err != nil {
		return d, err
	}
	if next != nil {
		p.mu.Lock()
		p.debts[next.debtKey] = next
		p.mu.Unlock()
		p.rouse()
	}
	return &is, nil
}

// takeEntries fetches some entries of a stay, and puts them into the journal with the number
// up to which they are there.
func (p *Past) takeEntries(ctx context.Context, d *debt, at tree.Path, s *Stay, after journal.ID, ahead time.Duration) (*debt, error) {
	is := *d
	_, high := s.numbers()
	if after >= high-1 { // All of it is older than what is wanted.
		is.entry = int64(high) - 1
		return &is, p.paid(ctx, d, &is, false, nil)
	}
	body, err := p.ask(ctx, d, kindEntries, entriesQuestion{d.Device, s.Begins, after})
	if err != nil {
		return nil, err
	}
	to, entries, left, err := parseEntries(body, s, after)
	if err != nil {
		return nil, err
	}
	if left > 0 {
		p.o.Log.Warn("entries of the past of a device make no sense", "device", d.Name, "peer", d.source, "entries", left)
	}
	now := p.o.Now()
	kept := entries[:0]
	for _, e := range entries {
		path, err := at.Join(e.Path)
		if err != nil || !p.o.Local.Its(d.Device, path) {
			continue
		}
		e.ID, e.Path, e.Time = 0, path, e.Time.Add(-ahead)
		if e.Time.After(now.Add(tree.MaxAhead)) {
			e.Time = now // One from the future would stand above all that comes.
		}
		kept = append(kept, e)
	}
	is.entry = int64(to)
	taken := 0
	err = p.paid(ctx, d, &is, false, func(tx *store.Tx) error {
		fresh, err := changes(tx, kept)
		if err != nil {
			return err
		}
		taken = len(fresh)
		return p.o.Journal.Add(tx, fresh...)
	})
	if err != nil {
		return nil, err
	}
	p.entries.Add(uint64(taken))
	return &is, nil
}

// changes are entries without those that say that a node took the status that it had.
func changes(tx *store.Tx, entries []journal.Entry) (list []journal.Entry, err error) {
	last := map[tree.Path]tree.Status{}
	for i := range entries {
		e := &entries[i]
		if e.Kind != journal.Status {
			list = append(list, *e)
			continue
		}
		was, known := last[e.Path]
		if !known {
			var status int64
			if known, err = tx.Row("SELECT status FROM journal WHERE manager = $1 AND node = $2 AND kind = 1 AND id < $3 ORDER BY id DESC LIMIT 1",
				[]any{tx.Manager(), store.NodeNumber(e.Path), int64(journal.FirstID(e.Time.Add(time.Millisecond)))}, &status); err != nil {
				return nil, err
			}
			was = tree.Status(status)
		}
		last[e.Path] = e.To
		if !known || was != e.To {
			list = append(list, *e)
		}
	}
	return list, nil
}

// isAway says of a device of this manager that another one watches it.
func (p *Past) isAway(d Device) bool {
	h, ok := p.o.Local.Held(d)
	return ok && d.Owner == p.self && h.Gone
}

// takeSome fetches readings of a stay that goes on, so that they are not too old once it is
// over.
func (p *Past) takeSome(ctx context.Context, d *debt, at tree.Path, a *staysAnswer, least int64, ahead time.Duration) error {
	s := &Stay{Begins: a.Since, Ends: a.Now - young.Milliseconds()}
	if s.Begins == 0 || s.Ends-max(s.Begins, d.upTo) < (p.o.Away/2).Milliseconds() {
		return errAway
	}
	if d.begins != s.Begins {
		is := *d
		is.begins, is.entry, is.node = s.Begins, 0, ""
		if err := p.paid(ctx, d, &is, false, nil); err != nil {
			return err
		}
		d = &is
	}
	d, err := p.takeReadings(ctx, d, at, s, least, ahead)
	if err != nil {
		return err
	}
	is := *d
	is.upTo, is.begins, is.entry, is.node = s.Ends, 0, 0, ""
	return errors.Join(p.paid(ctx, d, &is, false, nil), errAway)
}

// takeReadings fetches the readings of a stay.
func (p *Past) takeReadings(ctx context.Context, d *debt, at tree.Path, s *Stay, least int64, ahead time.Duration) (*debt, error) {
	nodes := p.o.Local.Nodes(d.Device)
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Below.String(), b.Below.String()) })
	nodes = slices.DeleteFunc(nodes, func(n Node) bool { return d.node != "" && n.Below.String() <= d.node })
	for len(nodes) > 0 {
		some := nodes[:min(len(nodes), sample.MaxNodes)]
		nodes = nodes[len(some):]
		from := max(s.first(), least, d.upTo-late.Milliseconds(), p.o.Now().Add(ahead-p.o.Readings).UnixMilli())
		if from >= s.Ends {
			return d, nil // All of it is too old.
		}
		paths := make([]tree.Path, len(some))
		local := make([]tree.Path, len(some))
		for i := range some {
			var err error
			if local[i], err = at.Join(some[i].Below); err != nil {
				return d, err
			}
			paths[i] = some[i].Below
		}
		ask := func(ctx context.Context, q *sample.Question) ([]byte, error) {
			return p.ask(ctx, d, kindReadings, readingsQuestion{d.Device, s.Begins, *q})
		}
		err := sample.Fetch(ctx, paths, from, s.Ends, ask, func(i int, list []sample.Reading) {
			batch := make([]history.Sample, len(list))
			for k, r := range list {
				batch[k] = history.Sample{Time: time.UnixMilli(r.At).Add(-ahead), Value: r.Value}
			}
			for chunk := range slices.Chunk(batch, 1024) {
				p.o.History.Fill(local[i], some[i].Spec, chunk)
			}
			p.readings.Add(uint64(len(list)))
		})
		if err == nil {
			err = p.o.History.Sync(ctx)
		}
		if err != nil {
			return d, err
		}
		is := *d
		is.node = some[len(some)-1].Below.String()
		if err := p.paid(ctx, d, &is, false, nil); err != nil {
			return d, err
		}
		d = &is
	}
	return d, nil
}
