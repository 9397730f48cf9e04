package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// Bounds of what is asked about statuses.
const (
	MaxIntervals = 20_000
	MaxTotals    = 200_000 // nodes
)

// Interval is a time in which a node had one status, from From on and before To.
type Interval struct {
	From, To time.Time
	Status   tree.Status
	Value    tree.Value // when the status was taken
	Text     string     // why it is white
}

// Intervals returns which status a node had between two times, without gaps, oldest
// first. The status that held at the beginning is the first; where nobody knows it the
// node counts as white. What lies in the future is left out. A node of which nothing is
// known has none.
func (j *Journal) Intervals(ctx context.Context, p tree.Path, from, to time.Time) ([]Interval, error) {
	from, to, err := j.span(from, to)
	if err != nil {
		return nil, err
	}
	var intervals []Interval
	err = j.o.Store.Read(ctx, func(tx *store.Tx) error {
		number := store.NodeNumber(p)
		before := Interval{From: from}
		known, err := j.statusBefore(tx, number, from, &before)
		if err != nil {
			return err
		}
		intervals = append(intervals[:0], before)
		err = tx.Each("SELECT id, was, status, form, value, text FROM journal WHERE manager = $1 AND node = $2 AND kind = 1 AND id >= $3 AND id < $4 ORDER BY id LIMIT $5",
			[]any{tx.Manager(), number, int64(FirstID(from)), int64(FirstID(to)), int64(MaxIntervals + 1)}, func(rows *sql.Rows) error {
				var id, was, status, form int64
				var value, text string
				if err := rows.Scan(&id, &was, &status, &form, &value, &text); err != nil {
					return err
				}
				if len(intervals) > MaxIntervals {
					return fmt.Errorf("%w: the status of %s changed more than %d times: ask for a shorter time", ErrQuery, p, MaxIntervals)
				}
				if !known { // what was before was deleted, or never told
					intervals[0].Status, known = tree.Status(was), true
				}
				last := &intervals[len(intervals)-1]
				if at := ID(id).Time(); at.After(last.From) {
					last.To = at
					intervals = append(intervals, Interval{From: at, Status: tree.Status(status), Value: valueOf(form, value), Text: text})
				} else { // in the same millisecond, or at the very beginning
					*last = Interval{From: last.From, Status: tree.Status(status), Value: valueOf(form, value), Text: text}
				}
				return nil
			})
		if err != nil {
			return err
		}
		if !known {
			if intervals[0].Status, known = j.present(p, from); !known {
				intervals = nil
				return nil
			}
		}
		intervals[len(intervals)-1].To = to
		return nil
	})
	if err != nil {
		return nil, err
	}
	return j.cover(p, intervals), nil
}

// cover makes white what is not known yet of a node.
func (j *Journal) cover(p tree.Path, intervals []Interval) []Interval {
	from, to, why := j.unknown(p)
	if !from.Before(to) {
		return intervals
	}
	covered := make([]Interval, 0, len(intervals)+2)
	white := false // the unknown was told
	for _, i := range intervals {
		if !i.From.Before(to) || !i.To.After(from) {
			covered = append(covered, i)
			continue
		}
		if i.From.Before(from) {
			before := i
			before.To = from
			covered = append(covered, before)
		}
		if last := len(covered) - 1; white {
			covered[last].To = earlier(i.To, to)
		} else {
			covered = append(covered, Interval{From: later(i.From, from), To: earlier(i.To, to), Text: why})
			white = true
		}
		if i.To.After(to) {
			after := i
			after.From = to
			covered = append(covered, after)
		}
	}
	return covered
}

// unknown is the time of which it is not known yet what a node did, to the millisecond.
func (j *Journal) unknown(p tree.Path) (from, to time.Time, why string) {
	if j.o.Unknown == nil {
		return from, to, why
	}
	from, to, why = j.o.Unknown(p)
	return from.Truncate(time.Millisecond), to.Truncate(time.Millisecond), why
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// span bounds a time to what has been.
func (j *Journal) span(from, to time.Time) (time.Time, time.Time, error) {
	now := j.o.Now()
	if to.IsZero() || to.After(now) {
		to = now
	}
	from, to = from.Truncate(time.Millisecond), to.Truncate(time.Millisecond)
	if !from.Before(to) {
		return from, to, fmt.Errorf("%w: the time begins at %s, which is not before its end at %s", ErrQuery, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, nil
}

// statusBefore fills in which status a node had at a time, as its last change before says.
func (j *Journal) statusBefore(tx *store.Tx, number int64, at time.Time, i *Interval) (found bool, err error) {
	var status, form int64
	var value string
	found, err = tx.Row("SELECT status, form, value, text FROM journal WHERE manager = $1 AND node = $2 AND kind = 1 AND id < $3 ORDER BY id DESC LIMIT 1",
		[]any{tx.Manager(), number, int64(FirstID(at))}, &status, &form, &value, &i.Text)
	if found {
		i.Status, i.Value = tree.Status(status), valueOf(form, value)
	}
	return found, err
}

// present is the status that a node has now, when it had it at a time already: of a node
// whose last change was deleted, or came before the journal.
func (j *Journal) present(p tree.Path, at time.Time) (status tree.Status, known bool) {
	t := j.tree.Load()
	if t == nil {
		return tree.White, false
	}
	n, err := t.Node(p)
	if err != nil {
		return tree.White, false
	}
	if n.Since.After(at) {
		return tree.White, true
	}
	return n.Status, true
}

// Total says for how long a node had each status.
type Total struct {
	Path    tree.Path
	For     [4]time.Duration // by status; the sum is the whole time
	Changes int              // of its status
}

// Totals returns for how long the nodes at and below a path had each status between two
// times, in the order of their paths. What Intervals says of the beginning and of the
// future holds here, too.
func (j *Journal) Totals(ctx context.Context, under tree.Path, from, to time.Time) ([]Total, error) {
	from, to, err := j.span(from, to)
	if err != nil {
		return nil, err
	}
	var sums []sum
	err = j.o.Store.Read(ctx, func(tx *store.Tx) error {
		sums = sums[:0]
		index := map[int64]int{}
		if err := eachBefore(tx, under, from, func(node int64, path tree.Path, status sql.NullInt64) error {
			if len(sums) >= MaxTotals {
				return fmt.Errorf("%w: more than %d nodes are below %s: ask for a part of them", ErrQuery, MaxTotals, under)
			}
			index[node] = len(sums)
			s := sum{Total: Total{Path: path}, status: tree.Status(status.Int64), since: from, known: status.Valid}
			s.dark[0], s.dark[1], _ = j.unknown(path)
			sums = append(sums, s)
			return nil
		}); err != nil {
			return err
		}
		low, high := below(under)
		condition, args := "", []any{tx.Manager(), int64(FirstID(from)), int64(FirstID(to))}
		tables := "journal j"
		if !under.IsRoot() {
			tables = "node n CROSS JOIN journal j"
			condition = " AND n.manager = $1 AND n.id = j.node AND (n.path = $4 OR n.path >= $5 AND n.path < $6)"
			args = append(args, under.String(), low, high)
		}
		return tx.Each("SELECT j.id, j.node, j.was, j.status FROM "+tables+" WHERE j.manager = $1 AND j.kind = 1 AND j.id >= $2 AND j.id < $3"+condition+" ORDER BY j.id",
			args, func(rows *sql.Rows) error {
				var id, node, was, status int64
				if err := rows.Scan(&id, &node, &was, &status); err != nil {
					return err
				}
				if k, ok := index[node]; ok {
					sums[k].change(ID(id).Time(), tree.Status(was), tree.Status(status))
				}
				return nil
			})
	})
	if err != nil {
		return nil, err
	}
	totals := make([]Total, 0, len(sums))
	for i := range sums {
		s := &sums[i]
		if !s.known {
			if s.status, s.known = j.present(s.Path, from); !s.known {
				continue
			}
		}
		s.add(to)
		totals = append(totals, s.Total)
	}
	return totals, nil
}

// sum is a Total that is being made.
type sum struct {
	Total
	status tree.Status
	since  time.Time
	known  bool
	dark   [2]time.Time // from and up to when it is not known what it was
}

func (s *sum) change(at time.Time, was, status tree.Status) {
	if !s.known {
		s.status, s.known = was, true
	}
	s.add(at)
	s.status = status
	s.Changes++
}

// add counts the status up to a time.
func (s *sum) add(to time.Time) {
	all := to.Sub(s.since)
	dark := max(earlier(to, s.dark[1]).Sub(later(s.since, s.dark[0])), 0)
	s.For[min(s.status, tree.Red)] += all - dark
	s.For[tree.White] += dark
	s.since = to
}

// eachBefore yields the nodes of a subtree with the status of each at a time.
func eachBefore(tx *store.Tx, under tree.Path, at time.Time, yield func(int64, tree.Path, sql.NullInt64) error) error {
	low, high := below(under)
	condition, args := "", []any{tx.Manager(), int64(FirstID(at))}
	if !under.IsRoot() {
		condition = " AND (n.path = $3 OR n.path >= $4 AND n.path < $5)"
		args = append(args, under.String(), low, high)
	}
	return tx.Each("SELECT n.id, n.path, (SELECT j.status FROM journal j WHERE j.manager = n.manager AND j.node = n.id AND j.kind = 1 AND j.id < $2 ORDER BY j.id DESC LIMIT 1)"+
		" FROM node n WHERE n.manager = $1"+condition+" ORDER BY n.path", args, func(rows *sql.Rows) error {
		var node int64
		var text string
		var status sql.NullInt64
		if err := rows.Scan(&node, &text, &status); err != nil {
			return err
		}
		p, err := tree.ParsePath(text)
		if err != nil {
			return err
		}
		return yield(node, p, status)
	})
}

// Events returns the newest n events of a log attribute, oldest first.
func (j *Journal) Events(ctx context.Context, p tree.Path, n int) (events []tree.Event, err error) {
	n = min(max(n, 0), tree.MaxKeep)
	err = j.o.Store.Read(ctx, func(tx *store.Tx) error {
		events = events[:0]
		return tx.Each("SELECT id, status, text FROM journal WHERE manager = $1 AND node = $2 AND kind = 2 ORDER BY id DESC LIMIT $3",
			[]any{tx.Manager(), store.NodeNumber(p), int64(n)}, func(rows *sql.Rows) error {
				var id, status int64
				var text string
				if err := rows.Scan(&id, &status, &text); err != nil {
					return err
				}
				events = append(events, tree.Event{Time: ID(id).Time(), Status: tree.Status(status), Text: text})
				return nil
			})
	})
	for i, k := 0, len(events)-1; i < k; i, k = i+1, k-1 {
		events[i], events[k] = events[k], events[i]
	}
	return events, err
}
