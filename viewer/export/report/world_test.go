package report

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store/journal"
	"grove/viewer/export/document"
)

var begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func at(text string) tree.Path { return tree.MustPath(text) }

// memory is a journal in memory that pages after three entries.
type memory struct {
	entries []journal.Entry
	err     error
}

func (m *memory) add(after time.Duration, path string, kind journal.Kind, from, to tree.Status) {
	m.entries = append(m.entries, journal.Entry{Time: begin.Add(after), Path: at(path), Kind: kind, From: from, To: to})
	slices.SortStableFunc(m.entries, func(a, b journal.Entry) int { return a.Time.Compare(b.Time) })
}

func (m *memory) Search(_ context.Context, q journal.Query) (journal.Page, error) {
	var found []journal.Entry
	for _, e := range m.entries {
		if !e.Time.Before(q.From) && (q.To.IsZero() || e.Time.Before(q.To)) && q.Under.Contains(e.Path) && (q.Sees == nil || q.Sees(e.Path)) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, e.Kind)) {
			found = append(found, e)
		}
	}
	if !q.Oldest {
		slices.Reverse(found)
	}
	skip, _ := strconv.Atoi(q.After)
	page := journal.Page{Entries: found[skip:]}
	if most := min(q.Limit, 3); len(page.Entries) > most {
		page = journal.Page{Entries: page.Entries[:most], Next: strconv.Itoa(skip + most)}
	}
	return page, m.err
}

func (m *memory) Totals(_ context.Context, under tree.Path, from, to time.Time) ([]journal.Total, error) {
	type state struct {
		journal.Total
		status tree.Status
		since  time.Time
	}
	states := map[tree.Path]*state{}
	for _, e := range m.entries {
		if e.Kind != journal.Status || !under.Contains(e.Path) {
			continue
		}
		s := states[e.Path]
		if s == nil {
			s = &state{Total: journal.Total{Path: e.Path}, status: e.From, since: from}
			states[e.Path] = s
		}
		if e.Time.After(from) && e.Time.Before(to) {
			s.For[s.status] += e.Time.Sub(s.since)
			s.since = e.Time
			s.Changes++
		}
		if e.Time.Before(to) {
			s.status = e.To
		}
	}
	var list []journal.Total
	for _, s := range states {
		s.For[s.status] += to.Sub(s.since)
		list = append(list, s.Total)
	}
	slices.SortFunc(list, func(a, b journal.Total) int { return cmp.Compare(a.Path.String(), b.Path.String()) })
	return list, m.err
}

// world is a host with a service on it, and an hour in the journal.
type world struct {
	journal Journal
	told    *memory
	tree    *tree.Tree
	now     time.Time
}

type fixed []document.Manager

func (f fixed) Managers() []document.Manager { return f }

const hour, minute = time.Hour, time.Minute

// story is what happened: a host that is down from 10:00 to 10:30, with five minutes
// without data in between, and a service that is down from 12:00 on; the manager is
// stopped from 06:00 to 07:00 and crashes at 08:00, to start again at 08:20.
func story() *memory {
	m := &memory{}
	m.add(0, "/", journal.Manager, tree.White, tree.Green)
	for _, p := range []string{"/", "/web1", "/web1/CPU/Used", "/web1/shop", "/web1/shop/Answer", "/=cmd"} {
		m.add(minute, p, journal.Status, tree.White, tree.Green)
	}
	m.add(6*hour, "/", journal.Manager, tree.Green, tree.White)
	m.add(7*hour, "/", journal.Manager, tree.White, tree.Green)
	m.add(8*hour, "/web1/Log", journal.Event, tree.White, tree.Yellow)
	m.add(8*hour+20*minute, "/", journal.Manager, tree.White, tree.Green)
	for _, p := range []string{"/web1/CPU/Used", "/web1", "/"} {
		m.add(10*hour, p, journal.Status, tree.Green, tree.Red)
		m.add(10*hour+10*minute, p, journal.Status, tree.Red, tree.White)
		m.add(10*hour+15*minute, p, journal.Status, tree.White, tree.Red)
		m.add(10*hour+30*minute, p, journal.Status, tree.Red, tree.Yellow)
		m.add(11*hour, p, journal.Status, tree.Yellow, tree.Green)
	}
	for _, p := range []string{"/web1/shop/Answer", "/web1/shop"} {
		m.add(12*hour, p, journal.Status, tree.Green, tree.Red)
	}
	m.add(12*hour, "/web1/Log", journal.Event, tree.White, tree.Red)
	return m
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{told: story(), now: begin.Add(13 * hour)}
	w.journal = w.told
	w.tree = tree.New(tree.Options{Now: func() time.Time { return w.now }})
	for p, s := range map[string]*tree.Spec{
		"/web1":             {Kind: tree.Group, Properties: map[string]string{"role": "host"}},
		"/web1/CPU/Used":    {Kind: tree.Performance},
		"/web1/Log":         {Kind: tree.Log},
		"/web1/shop":        {Kind: tree.Group, Properties: map[string]string{"service": "<script>shop", "customer": "ATT"}},
		"/web1/shop/Answer": {Kind: tree.Performance},
		"/=cmd":             {Kind: tree.Performance},
	} {
		if _, err := w.tree.Add(at(p), s); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) maker(t *testing.T) *Maker {
	t.Helper()
	now, guard := func() time.Time { return w.now }, grant.NewGuard(w.tree)
	d, err := document.NewMaker(document.Options{Tree: w.tree, Guard: guard, Managers: fixed{{ID: "em1", Name: "ABC"}}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMaker(Options{Journal: w.journal, Guard: guard, Documents: d, Version: "1.2.3", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *world) report(t *testing.T, q Query) *Report {
	t.Helper()
	r, err := w.maker(t).Make(everyone(t), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func day() Query { return Query{From: begin, To: begin.Add(24 * hour)} }

var errBroken = errors.New("the database is away")

// everyone lets everybody ask.
func everyone(t testing.TB) context.Context { return grant.With(t.Context(), grant.Anonymous) }
