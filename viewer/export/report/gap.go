package report

import (
	"context"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/store/journal"
)

// Gap is a time of which there is no record.
type Gap struct {
	From, To time.Time
	Planned  bool   // the manager was stopped in order
	Reason   string // for people
}

// gaps are those of one time, in order and apart from each other.
type gaps []Gap

// findGaps asks the journal when nothing was recorded.
func (m *Maker) findGaps(ctx context.Context, from, to time.Time) (gaps, error) {
	first, err := m.opts.Journal.Search(ctx, journal.Query{Oldest: true, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(first.Entries) == 0 || !first.Entries[0].Time.Before(to) {
		return gaps{{From: from, To: to, Reason: "the journal does not reach so far back"}}, nil
	}
	var list gaps
	begin := from
	if at := first.Entries[0].Time; at.After(from) {
		begin = at
		list = append(list, Gap{From: from, To: at, Reason: "the journal does not reach so far back"})
	}
	// The one before the time says whether the manager ran when it began.
	var stopped *Gap
	before, err := m.opts.Journal.Search(ctx, journal.Query{To: begin, Kinds: []journal.Kind{journal.Manager}, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(before.Entries) == 1 && before.Entries[0].To == tree.White {
		stopped = &Gap{From: begin}
	}
	q := journal.Query{From: begin, Kinds: []journal.Kind{journal.Manager}, Oldest: true, Limit: journal.MaxLimit}
	for {
		page, err := m.opts.Journal.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entries {
			switch {
			case e.To == tree.White && stopped == nil:
				stopped = &Gap{From: e.Time}
			case e.To == tree.White || e.From == e.To: // It is stopped already, or still runs.
			case stopped != nil:
				list = append(list, Gap{From: stopped.From, To: e.Time, Planned: true, Reason: "the manager was stopped"})
				stopped = nil
			default:
				gap, err := m.crash(ctx, begin, e)
				if err != nil {
					return nil, err
				}
				list = append(list, gap...)
			}
			if e.Time.After(to) {
				return list.within(from, to), nil // What began before the end ends here.
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if stopped != nil {
		list = append(list, Gap{From: stopped.From, To: to, Planned: true, Reason: "the manager was stopped"})
	}
	return list.within(from, to), nil
}

// beginning is how long before a manager says that it starts its first changes of
// status may stand in the journal: they are no signs of life of the one before it.
const beginning = 2 * time.Second

// crash returns the gap before a start that no stop precedes: since the last sign of life.
// Before the first start there was no manager that could have ended.
func (m *Maker) crash(ctx context.Context, begin time.Time, start journal.Entry) (gaps, error) {
	ran, err := m.opts.Journal.Search(ctx, journal.Query{To: start.Time, Kinds: []journal.Kind{journal.Manager}, Limit: 1})
	if err != nil || len(ran.Entries) == 0 {
		return nil, err
	}
	at := ran.Entries[0].Time
	last, err := m.opts.Journal.Search(ctx, journal.Query{To: start.Time.Add(-beginning), Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(last.Entries) > 0 && last.Entries[0].Time.After(at) {
		at = last.Entries[0].Time
	}
	if at.Before(begin) {
		at = begin
	}
	return gaps{{From: at, To: start.Time, Reason: "the manager ended without notice, after this at the earliest"}}, nil
}

// within cuts gaps to a time and joins those that overlap.
func (g gaps) within(from, to time.Time) gaps {
	slices.SortFunc(g, func(a, b Gap) int { return a.From.Compare(b.From) })
	var list gaps
	for _, gap := range g {
		if gap.From.Before(from) {
			gap.From = from
		}
		if gap.To.After(to) {
			gap.To = to
		}
		if last := len(list) - 1; last >= 0 && gap.From.Before(list[last].To) {
			gap.From = list[last].To
		}
		if gap.From.Before(gap.To) {
			list = append(list, gap)
		}
	}
	return list
}

// known is how much of a time is recorded.
func (g gaps) known(from, to time.Time) time.Duration {
	whole := max(to.Sub(from), 0)
	i, _ := slices.BinarySearchFunc(g, from, func(gap Gap, t time.Time) int { return gap.To.Compare(t) })
	for ; i < len(g) && g[i].From.Before(to); i++ {
		a, b := g[i].From, g[i].To
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		whole -= max(b.Sub(a), 0)
	}
	return max(whole, 0)
}
