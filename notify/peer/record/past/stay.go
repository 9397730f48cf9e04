package past

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/store"
)

// Stay is a time in which a manager watched a device itself, Unix milliseconds of its clock:
// from Begins up to before Ends.
type Stay struct {
	Begins int64 `json:"begins"` // zero: it has always had it
	Ends   int64 `json:"ends"`   // zero: it watches it still
	// From is who had it before, as far as that is known.
	From peer.ID `json:"from,omitempty"`

	place tree.Path
}

// errNoManager is a program that opened the database without saying which manager it is.
var errNoManager = errors.New("the database was opened without a manager")

// note writes down what was told.
func (p *Past) note(ctx context.Context) error {
	now := p.o.Now()
	p.mu.Lock()
	queue := p.queue
	p.queue, p.noted = nil, queue
	p.mu.Unlock()
	if len(queue) == 0 {
		return nil
	}
	newest := map[Device]int{}
	for i := range queue {
		if !queue[i].only {
			newest[queue[i].device] = i
		}
	}
	var ready, rest []event
	waiting := map[Device]bool{}
	for i, e := range queue { // Copies: onStays looks into noted meanwhile.
		if !waiting[e.device] && p.settled(&e, now, newest[e.device] == i) {
			ready = append(ready, e)
		} else {
			waiting[e.device] = true
			rest = append(rest, e)
		}
	}
	var err error
	done := 0
	for chunk := range slices.Chunk(ready, 256) {
		if err = p.write(ctx, chunk); err != nil {
			break
		}
		done += len(chunk)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue, p.noted = slices.Concat(ready[done:], rest, p.queue), nil
	return err
}

// settled says whether what was told of a device can be written down, and asks what is to be
// known for that: what duty holds, and where it hangs. The writer of the store must not ask,
// since duty waits for it.
func (p *Past) settled(e *event, now time.Time, newest bool) bool {
	e.held, _ = p.o.Local.Held(e.device)
	e.place, e.hangs = p.o.Local.Place(e.device)
	switch {
	case now.Sub(e.at) > wroteTime || !newest || e.only:
		return true
	case e.watched:
		return e.hangs
	}
	if e.device.Owner == p.self && e.ran {
		return e.held.Gone // An own one is held from then on at the latest.
	}
	return !e.held.Watching
}

// write writes down some of it.
func (p *Past) write(ctx context.Context, events []event) error {
	now := p.o.Now()
	var owed []*debt
	var dropped []Device
	err := p.o.Store.Write(ctx, func(tx *store.Tx) error {
		if tx.Manager() == 0 {
			return errNoManager
		}
		owed, dropped = nil, nil
		for i := range events {
			e := &events[i]
			var err error
			switch {
			case !e.watched && !e.only:
				err = p.ended(tx, e)
				if err == nil && e.device.Owner != p.self {
					dropped = append(dropped, e.device)
					err = forgive(tx, e.device)
				} else if err == nil && e.held.Gone && e.held.Heir != "" && e.held.Heir != p.self {
					// Its readings come while it is away: later they may be too old.
					var d *debt
					if d, err = p.owe(tx, debtKey{e.device, e.held.Heir}, now); err == nil {
						owed = append(owed, d)
					}
				}
			case e.watched:
				var came bool
				if came, err = p.began(tx, e); !came {
					e.by = ""
				}
			}
			if err != nil {
				return err
			}
			if (e.watched || e.only) && e.by != "" && e.by != p.self {
				d, err := p.owe(tx, debtKey{e.device, e.by}, now)
				if err != nil {
					return err
				}
				owed = append(owed, d)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range dropped {
		for key := range p.debts {
			if key.Device == k {
				delete(p.debts, key)
			}
		}
	}
	for _, d := range owed {
		p.debts[d.debtKey] = d
		delete(p.pauses, d.source)
	}
	return nil
}

// began writes down that a stay began; came is false when it goes on.
func (p *Past) began(tx *store.Tx, e *event) (came bool, err error) {
	manager, owner, name := tx.Manager(), string(e.device.Owner), e.device.Name
	var begins int64
	if found, err := tx.Row("SELECT begins FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 AND ends = 0", []any{manager, owner, name}, &begins); err != nil || found {
		return false, err
	}
	if !e.hangs {
		return false, nil // It is gone again.
	}
	at := e.at
	if e.held.Watching && e.held.Since.Before(at) {
		at = e.held.Since // It was killed before it was written down.
	}
	var newest int64
	found, err := tx.Row("SELECT COALESCE(MAX(ends), 0) FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3", []any{manager, owner, name}, &newest)
	if err != nil {
		return false, err
	}
	always := e.device.Owner == p.self && found && newest == 0
	if always && e.by != "" && e.by != p.self {
		// It was killed before it knew that others watch it.
		always, newest = false, p.started.UnixMilli()
		if err := insertStay(tx, e.device, &Stay{Ends: newest, place: e.place}); err != nil {
			return false, err
		}
	}
	if _, err := tx.Exec("DELETE FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 AND ends > 0 AND ends < $4", manager, owner, name, e.at.Add(-keepStays).UnixMilli()); err != nil {
		return false, err
	}
	s := Stay{Begins: max(at.UnixMilli(), newest, 1), place: e.place}
	if always {
		s.Begins = 0 // Home has only now begun to know of it.
	}
	if e.by != p.self {
		s.From = e.by
	}
	return true, insertStay(tx, e.device, &s)
}

func insertStay(tx *store.Tx, d Device, s *Stay) error {
	_, err := tx.Exec("INSERT INTO peer_stay (manager, owner, name, begins, ends, place, source, heir, beside) VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0) ON CONFLICT DO NOTHING",
		tx.Manager(), string(d.Owner), d.Name, s.Begins, s.Ends, s.place.String(), string(s.From))
	return err
}

// ended writes down that a stay ended.
func (p *Past) ended(tx *store.Tx, e *event) error {
	manager, owner, name := tx.Manager(), string(e.device.Owner), e.device.Name
	at := e.at.Add(time.Millisecond) // What is from this millisecond is from before.
	if !e.ran {
		at = p.started // It was not watched since this process began.
	}
	var heir peer.ID
	var beside int64
	if e.held.Gone {
		if heir = e.held.Heir; e.ran && heir == "" {
			beside = 1
		}
	}
	changed, err := tx.Exec("UPDATE peer_stay SET ends = CASE WHEN begins < $1 THEN $1 ELSE begins + 1 END, heir = $2, beside = $3 WHERE manager = $4 AND owner = $5 AND name = $6 AND ends = 0",
		max(at.UnixMilli(), 1), string(heir), beside, manager, owner, name)
	if err != nil || changed > 0 || e.device.Owner != p.self {
		return err
	}
	var one int64
	found, err := tx.Row("SELECT 1 FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 LIMIT 1", []any{manager, owner, name}, &one)
	if err != nil || found || !e.hangs {
		return err
	}
	_, err = tx.Exec("INSERT INTO peer_stay (manager, owner, name, begins, ends, place, source, heir, beside) VALUES ($1, $2, $3, 0, $4, $5, '', $6, $7)",
		manager, owner, name, at.UnixMilli(), e.place.String(), string(heir), beside)
	return err
}

// apart is how badly it may be known how far the clocks of two managers are apart, and from
// how much on it matters.
const apart = time.Minute

// least is the time of what is wanted of others of a device that came just now, Unix
// milliseconds: of an own one what is from after it was let go.
func (p *Past) least(tx *store.Tx, d Device, now time.Time) (least int64, err error) {
	if d.Owner != p.self {
		return now.Add(-p.o.Entries).UnixMilli(), nil
	}
	var ends, beside int64
	var heir string
	_, err = tx.Row("SELECT ends, beside, heir FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 AND ends > 0 ORDER BY begins DESC LIMIT 1",
		[]any{tx.Manager(), string(d.Owner), d.Name}, &ends, &beside, &heir)
	switch {
	case beside != 0:
		return ends, err // What was before it has seen itself.
	case heir != "":
		return max(ends-apart.Milliseconds(), 0), err
	}
	return 0, err // It was killed, and is not sure when.
}

// stays reads the stays of a device that ended after a time, the oldest first; open says that
// one goes on, and since when.
func stays(tx *store.Tx, d Device, after int64, limit int) (list []Stay, open bool, since int64, err error) {
	err = tx.Each("SELECT begins, ends, source, place FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 AND (ends > $4 OR ends = 0) ORDER BY begins LIMIT $5",
		[]any{tx.Manager(), string(d.Owner), d.Name, after, int64(limit)}, func(rows *sql.Rows) error {
			var s Stay
			var from, place string
			if err := rows.Scan(&s.Begins, &s.Ends, &from, &place); err != nil {
				return err
			}
			if s.Ends == 0 {
				open, since = true, s.Begins
				return nil
			}
			var err error
			s.From = peer.ID(from)
			s.place, err = tree.ParsePath(place)
			list = append(list, s)
			return err
		})
	return list, open, since, err
}
