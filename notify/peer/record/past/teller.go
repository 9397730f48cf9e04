package past

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/record"
	"grove/notify/peer/record/sample"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// answer answers others until end is called.
func (p *Past) answer() (end func()) {
	handlers := map[string]peer.Handler{kindStays: p.onStays, kindEntries: p.onEntries, kindReadings: p.onReadings}
	for kind, h := range handlers {
		p.o.Fabric.Handle(kind, h)
	}
	return func() {
		for kind := range handlers {
			p.o.Fabric.Handle(kind, nil)
		}
	}
}

// partyTime is how long it is remembered that somebody is a party.
const partyTime = 10 * time.Minute

// may refuses who is no party to a move of a device.
func (p *Past) may(ctx context.Context, from peer.ID, d Device) error {
	if from == d.Owner {
		return nil // It is told of what was done for it.
	}
	known := false
	err := p.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		var one int64
		known, err = tx.Row("SELECT 1 FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 AND (source = $4 OR heir = $4) LIMIT 1",
			[]any{tx.Manager(), string(d.Owner), d.Name, string(from)}, &one)
		return err
	})
	if err != nil || known {
		return err
	}
	is, err := p.party(ctx, d, from)
	if err != nil {
		return peer.Refuse(peer.Busy, "whether %s ever watched %s is not known now: %v", from, d.Name, err)
	}
	if !is {
		return peer.Refuse(peer.Refused, "the past of %s is for its owner and for those that watched it, and home does not know that %s did", d.Name, from)
	}
	return nil
}

// party asks home, unless it has said so before.
func (p *Past) party(ctx context.Context, d Device, id peer.ID) (bool, error) {
	if id == d.Owner {
		return true, nil
	}
	key, now := debtKey{d, id}, p.o.Now()
	p.mu.Lock()
	at, known := p.parties[key]
	p.mu.Unlock()
	if known && now.Sub(at) < partyTime {
		return true, nil
	}
	is, err := p.o.Local.Party(ctx, d, id)
	if err != nil || !is {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.parties) >= maxParties {
		clear(p.parties)
	}
	p.parties[key] = now
	return true, nil
}

// maxParties bounds what is remembered of them.
const maxParties = 10_000

// onStays says when a device was watched here.
func (p *Past) onStays(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := parse(kindStays, body, func(q *staysQuestion) Device { return q.Device })
	if err != nil {
		return nil, err
	}
	if err := p.may(ctx, from, q.Device); err != nil {
		return nil, err
	}
	p.mu.Lock()
	queued := slices.ContainsFunc(slices.Concat(p.queue, p.noted), func(e event) bool { return e.device == q.Device })
	p.mu.Unlock()
	var a staysAnswer
	known := false
	err = p.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if a.Stays, a.Open, a.Since, err = stays(tx, q.Device, q.After, maxStays+1); err != nil {
			return err
		}
		var one int64
		known, err = tx.Row("SELECT 1 FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 LIMIT 1", []any{tx.Manager(), string(q.Device.Owner), q.Device.Name}, &one)
		return err
	})
	if err != nil {
		return nil, err
	}
	h, held := p.o.Local.Held(q.Device)
	switch {
	case queued:
		a.Open = true
	case !known && held && h.Watching:
		a.Open = true
	case !known && held && q.Device.Owner == p.self && h.Gone, a.Open && (!held || h.Gone):
		// Somebody else watches it, which this process did not do at all or has not written down.
		p.Left(q.Device, false)
		a.Open = true
	case !known:
		return nil, peer.Refuse(peer.NotFound, "%s was never watched here, as far as is remembered", q.Device.Name)
	}
	if len(a.Stays) > maxStays {
		a.Stays, a.More = a.Stays[:maxStays], true
	}
	if len(a.Stays) > 0 {
		if err := errors.Join(p.o.Journal.Sync(ctx), p.o.History.Sync(ctx)); err != nil {
			return nil, peer.Refuse(peer.Busy, "not all of the past is on the disk: %v", err)
		}
	}
	a.Now = p.o.Now().UnixMilli()
	return json.Marshal(a)
}

// stay finds the one that begins at a time. One that goes on ends now.
func (p *Past) stay(ctx context.Context, from peer.ID, d Device, begins int64) (s Stay, open bool, err error) {
	if err := p.may(ctx, from, d); err != nil {
		return s, false, err
	}
	found := false
	err = p.o.Store.Read(ctx, func(tx *store.Tx) error {
		var place string
		found, err = tx.Row("SELECT begins, ends, place FROM peer_stay WHERE manager = $1 AND owner = $2 AND name = $3 AND begins = $4", []any{tx.Manager(), string(d.Owner), d.Name, begins}, &s.Begins, &s.Ends, &place)
		if err != nil || !found {
			return err
		}
		s.place, err = tree.ParsePath(place)
		return err
	})
	if err == nil && !found {
		err = peer.Refuse(peer.Stale, "%s was not watched here from %d on: ask for its stays again", d.Name, begins)
	}
	if open = s.Ends == 0; open {
		s.Ends = p.o.Now().UnixMilli()
	}
	return s, open, err
}

// numbers are those of the entries of a stay: from low up to before high.
func (s *Stay) numbers() (low, high journal.ID) {
	return journal.FirstID(time.UnixMilli(s.Begins)), journal.FirstID(time.UnixMilli(s.Ends))
}

// first is when the first reading of a stay may be: the history cuts times to whole seconds.
func (s *Stay) first() int64 { return s.Begins - s.Begins%1000 }

// errFull ends the reading of an answer.
var errFull = errors.New("full")

// onEntries tells entries of a stay.
func (p *Past) onEntries(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := parse(kindEntries, body, func(q *entriesQuestion) Device { return q.Device })
	if err != nil {
		return nil, err
	}
	s, open, err := p.stay(ctx, from, q.Device, q.Begins)
	if err != nil {
		return nil, err
	}
	if open {
		return nil, peer.Refuse(peer.Busy, "%s is watched here: its journal is told when that is over", q.Device.Name)
	}
	for limit := record.MaxBatch; ; limit /= 2 {
		var a entriesAnswer
		err := p.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
			a, err = p.entriesOf(tx, q.Device, &s, q.After, limit)
			return err
		})
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(a)
		if err != nil || len(text) <= peer.MaxBody || limit == 1 {
			return text, err
		}
	}
}

// entriesOf reads entries of a stay after a number.
func (p *Past) entriesOf(tx *store.Tx, d Device, s *Stay, after journal.ID, limit int) (a entriesAnswer, err error) {
	low, high := s.numbers()
	after = max(after, low-1)
	a = entriesAnswer{To: high - 1, Entries: []record.Line{}}
	if after >= a.To {
		return a, peer.Refuse(peer.Invalid, "%s: the stay has no entries after %d", kindEntries, after)
	}
	where, args := "", []any{tx.Manager(), int64(after), int64(high), int64(maxScanned)}
	if !s.place.IsRoot() {
		where = " AND (n.path = $5 OR n.path >= $6 AND n.path < $7)" // "/" is followed by "0" in ASCII
		args = append(args, s.place.String(), s.place.String()+"/", s.place.String()+"0")
	}
	scanned, size, end := 0, 0, after
	err = tx.Each("SELECT "+journal.Columns+" FROM node n CROSS JOIN journal j WHERE n.manager = $1 AND j.manager = $1 AND j.node = n.id AND j.id > $2 AND j.id < $3"+where+" ORDER BY j.id LIMIT $4",
		args, func(rows *sql.Rows) error {
			e, err := journal.Scan(rows)
			if err != nil {
				return err
			}
			scanned++
			end = e.ID
			below, ok := s.place.Below(e.Path)
			if ok && told(e.Kind) && p.o.Local.Its(d, e.Path) {
				value, _ := e.Value.Text()
				size += 128 + len(e.Path.String()) + len(e.Text) + len(value)
				e.Path = below
				a.Entries = append(a.Entries, record.LineOf(&e))
			}
			if len(a.Entries) >= limit || size >= maxBytes || scanned >= maxScanned {
				return errFull
			}
			return nil
		})
	if errors.Is(err, errFull) {
		a.To, err = end, nil
	}
	return a, err
}

// onReadings tells readings of a stay.
func (p *Past) onReadings(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := parse(kindReadings, body, func(q *readingsQuestion) Device { return q.Device })
	if err != nil {
		return nil, err
	}
	s, _, err := p.stay(ctx, from, q.Device, q.Begins)
	if err != nil {
		return nil, err
	}
	if q.Question.From < s.first() || q.Question.To > s.Ends {
		return nil, peer.Refuse(peer.Invalid, "%s: from %d to %d is not within the stay from %d to %d", kindReadings, q.Question.From, q.Question.To, s.first(), s.Ends)
	}
	return sample.Find(ctx, p.o.History, &q.Question, func(below tree.Path) (tree.Path, bool) {
		at, err := s.place.Join(below)
		return at, err == nil && p.o.Local.Its(q.Device, at)
	})
}
