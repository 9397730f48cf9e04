package record

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// load reads how far it is.
func (s *source) load(ctx context.Context) error {
	var token string
	var newest, known int64
	var ranges spans
	err := s.r.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		found, err := tx.Row("SELECT token, newest, known_at FROM peer_source WHERE manager = $1 AND source = $2", []any{tx.Manager(), string(s.id)}, &token, &newest, &known)
		if err != nil || !found {
			return err
		}
		ranges, err = s.rangesOf(tx)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.newest, s.ranges = token, newest, ranges
	if known > 0 {
		s.known = time.UnixMilli(known)
		s.noted = s.known
	}
	if _, holes := ranges.hole(); holes {
		s.back = s.r.o.Now()
		signal(s.holes)
	}
	return nil
}

// rangesOf reads the ranges.
func (s *source) rangesOf(tx *store.Tx) (ranges spans, err error) {
	err = tx.Each("SELECT low, high FROM peer_range WHERE manager = $1 AND source = $2 ORDER BY low", []any{tx.Manager(), string(s.id)}, func(rows *sql.Rows) error {
		var one span
		if err := rows.Scan(&one.low, &one.high); err != nil {
			return err
		}
		ranges = append(ranges, one)
		return nil
	})
	return ranges, err
}

// setRanges writes them in place of others.
func (s *source) setRanges(tx *store.Tx, was, is spans) error {
	if len(was) > 0 {
		if _, err := tx.Exec("DELETE FROM peer_range WHERE manager = $1 AND source = $2", tx.Manager(), string(s.id)); err != nil {
			return err
		}
	}
	args := make([]any, 0, 4*len(is))
	for _, one := range is {
		args = append(args, tx.Manager(), string(s.id), one.low, one.high)
	}
	_, err := tx.Insert("INSERT INTO peer_range (manager, source, low, high)", "", 4, args)
	return err
}

// commitBegin writes down what it begins with.
func (s *source) commitBegin(ctx context.Context, b begun, again bool) error {
	first := spans{{b.Start - 1, b.Start}} // A span of its own, so that the mark is in the table.
	err := s.r.o.Store.Write(ctx, func(tx *store.Tx) error {
		if tx.Manager() == 0 {
			return errNoManager
		}
		was, err := s.rangesOf(tx)
		if err != nil {
			return err
		}
		missed := b.Missed
		if again {
			missed += was.missing()
		}
		if err := s.tellMissed(tx, missed); err != nil {
			return err
		}
		if err := s.setRanges(tx, append(was, span{}), first); err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO peer_source (manager, source, token, newest, known_at) VALUES ($1, $2, $3, 0, 0)"+
			" ON CONFLICT (manager, source) DO UPDATE SET token = excluded.token", tx.Manager(), string(s.id), b.Token)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.ranges, s.open, s.last = b.Token, first, 0, b.Start
	s.counts.Missed += uint64(b.Missed)
	s.counts.Error = ""
	return nil
}

// tellMissed writes into the journal how many entries will never be there.
func (s *source) tellMissed(tx *store.Tx, missed int64) error {
	if missed == 0 {
		return nil
	}
	whose := "its journal"
	at, ok := s.r.o.Place(s.id, tree.Root)
	if !ok { // A part of its tree hangs here, or several.
		at, whose = tree.Root, "the journal of manager "+string(s.id)
	}
	what := fmt.Sprintf("%d entries of %s are missing here: it did not keep them until they were asked for", missed, whose)
	if missed == 1 {
		what = fmt.Sprintf("1 entry of %s is missing here: it did not keep it until it was asked for", whose)
	}
	return s.r.o.Journal.Add(tx, journal.Entry{Time: s.r.o.Now(), Path: at, Kind: journal.Link, Text: what})
}

// take commits what came of the numbers from after from on, with the range that it covers.
func (s *source) take(ctx context.Context, q *after, got *reply, from int64) error {
	if from >= got.To {
		return nil
	}
	now := s.r.o.Now()
	latest := now.Add(tree.MaxAhead)
	var newest int64
	var left, hidden uint64
	numbers := make([]int64, 0, len(got.Entries))
	entries := make([]journal.Entry, 0, len(got.Entries))
	for i := range got.Entries {
		line := &got.Entries[i]
		if line.Number <= from {
			continue
		}
		e, err := line.Entry()
		if err != nil {
			return err // It was looked at when it was read.
		}
		newest = min(max(newest, milliseconds(e.Time)), milliseconds(latest))
		if s.r.o.Hidden(s.id, e.Path) {
			hidden++
			continue
		}
		at, ok := s.r.o.Place(s.id, e.Path)
		if !ok || e.Kind == journal.Status && s.r.o.Own(at) {
			left++
			continue
		}
		e.ID, e.Path = 0, at
		if e.Time.After(latest) {
			e.Time = now // One from the future would stand above all that comes.
		}
		numbers, entries = append(numbers, line.Number), append(entries, e)
	}
	one := span{from, got.To}
	taken, missed := 0, int64(0)
	err := s.r.o.Store.Write(ctx, func(tx *store.Tx) error {
		var token string
		found, err := tx.Row("SELECT token FROM peer_source WHERE manager = $1 AND source = $2", []any{tx.Manager(), string(s.id)}, &token)
		if err != nil {
			return err
		}
		if !found || token != q.Token {
			return errAnew
		}
		was, err := s.rangesOf(tx)
		if err != nil {
			return err
		}
		is := was.add(one)
		fresh := entries
		if missed = got.Missed; was.touches(one) {
			// What is there already came twice: both lanes had asked for it.
			if missed > 0 && !slices.Equal(is, was) {
				return fmt.Errorf("%d of the entries up to number %d are missing, and it is not clear which", missed, one.high)
			}
			missed, fresh = 0, nil
			for i := range entries {
				if !was.has(numbers[i]) {
					fresh = append(fresh, entries[i])
				}
			}
		}
		if err := s.r.o.Journal.Add(tx, fresh...); err != nil {
			return err
		}
		if err := s.tellMissed(tx, missed); err != nil {
			return err
		}
		taken = len(fresh)
		if err := s.setRanges(tx, was, is); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE peer_source SET newest = CASE WHEN newest < $1 THEN $1 ELSE newest END WHERE manager = $2 AND source = $3", newest, tx.Manager(), string(s.id))
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ranges, s.newest = s.ranges.add(one), max(s.newest, newest)
	s.counts.Taken += uint64(taken)
	s.counts.Left += left
	s.counts.Hidden += hidden
	s.counts.Refused += uint64(got.refused)
	s.counts.Missed += uint64(missed)
	return nil
}

// note writes down that everything is known.
func (s *source) note(ctx context.Context) error {
	s.mu.Lock()
	known, noted := s.known, s.noted
	s.mu.Unlock()
	if !known.After(noted) {
		return nil
	}
	err := s.r.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec("UPDATE peer_source SET known_at = $1 WHERE manager = $2 AND source = $3", milliseconds(known), tx.Manager(), string(s.id))
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted = known
	return nil
}
