package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// comparable compares values by what they say, and times by what they are.
var comparable = cmp.Options{
	cmp.Comparer(func(a, b tree.Value) bool { return a.String() == b.String() && a.IsNone() == b.IsNone() }),
	cmp.Comparer(func(a, b tree.Path) bool { return a == b }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmpopts.IgnoreFields(Entry{}, "ID"),
}

// running makes a journal that runs until the end of the test.
func running(t testing.TB, d *storetest.Database, o Options) *Journal {
	t.Helper()
	o.Store = d.Open(t)
	if o.Now == nil {
		o.Now = func() time.Time { return start.Add(time.Hour) }
	}
	j := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := j.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); all.Wait() })
	return j
}

func entry(at time.Duration, path string, kind Kind, from, to tree.Status, text string) Entry {
	return Entry{Time: start.Add(at), Path: tree.MustPath(path), Kind: kind, From: from, To: to, Text: text}
}

// some are entries of a small tree, in the order of time.
var some = []Entry{
	entry(1*time.Second, "/a/x", Status, tree.White, tree.Green, ""),
	entry(2*time.Second, "/ab/x", Status, tree.White, tree.Green, ""),
	entry(3*time.Second, "/a", Status, tree.White, tree.Green, ""),
	entry(4*time.Second, "/a/log", Event, tree.White, tree.Red, "Out of MEMORY in Zürich"),
	entry(5*time.Second, "/a/x", Status, tree.Green, tree.Red, ""),
	entry(5*time.Second, "/a", Status, tree.Green, tree.Red, ""),
	entry(6*time.Second, "/a/log", Event, tree.White, tree.Green, "100% of a_b, c\\d"),
	entry(7*time.Second, "/a/~1x", Status, tree.White, tree.Yellow, ""),
	entry(8*time.Second, "/", Definition, tree.White, tree.White, "shop revision 2"),
	entry(9*time.Second, "/a/x", Status, tree.Red, tree.White, "no answer"),
}

func TestSearch(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		if err := j.Append(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
		pick := func(indexes ...int) (e []Entry) {
			for _, i := range indexes {
				e = append(e, some[i])
			}
			return e
		}
		a := tree.MustPath("/a")
		for name, tc := range map[string]struct {
			query Query
			want  []Entry
		}{
			"newest first":             {Query{Limit: 3}, pick(9, 8, 7)},
			"oldest first":             {Query{Limit: 3, Oldest: true}, pick(0, 1, 2)},
			"a time":                   {Query{From: start.Add(3 * time.Second), To: start.Add(5 * time.Second)}, pick(3, 2)},
			"a subtree, not its twin":  {Query{Under: a, Oldest: true}, pick(0, 2, 3, 4, 5, 6, 7, 9)},
			"one node":                 {Query{Under: a, Only: true}, pick(5, 2)},
			"one leaf":                 {Query{Under: tree.MustPath("/a/x")}, pick(9, 4, 0)},
			"an escaped name":          {Query{Under: tree.MustPath("/a/~1x")}, pick(7)},
			"a node that never was":    {Query{Under: tree.MustPath("/b")}, nil},
			"a kind":                   {Query{Kinds: []Kind{Event}}, pick(6, 3)},
			"two kinds":                {Query{Kinds: []Kind{Definition, Event}}, pick(8, 6, 3)},
			"a kind below a node":      {Query{Kinds: []Kind{Status}, Under: a, Oldest: true}, pick(0, 2, 4, 5, 7, 9)},
			"a status":                 {Query{Statuses: []tree.Status{tree.Red}}, pick(5, 4, 3)},
			"two statuses":             {Query{Statuses: []tree.Status{tree.White, tree.Yellow}}, pick(9, 8, 7)},
			"text in any case":         {Query{Text: "out of memory"}, pick(3)},
			"text beyond ASCII":        {Query{Text: "ZÜRICH"}, pick(3)},
			"another letter there":     {Query{Text: "Zorich"}, nil},
			"one that is almost there": {Query{Text: "Zörich"}, nil},
			"per cent":                 {Query{Text: "100% OF"}, pick(6)},
			"no wild card":             {Query{Text: "m%y"}, nil},
			"underscore":               {Query{Text: "a_b"}, pick(6)},
			"no wild letter":           {Query{Text: "m_mory"}, nil},
			"backslash":                {Query{Text: `c\D`}, pick(6)},
			"all at once": {Query{Text: "answer", Under: a, Kinds: []Kind{Status}, Statuses: []tree.Status{tree.White},
				From: start, To: start.Add(time.Hour)}, pick(9)},
		} {
			t.Run(name, func(t *testing.T) {
				page, err := j.Search(t.Context(), tc.query)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tc.want, page.Entries, comparable); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
			})
		}
	})
}

func TestPagesJoinWhateverHappensMeanwhile(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		if err := j.Append(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
		for _, q := range []Query{{Limit: 1}, {Limit: 3}, {Limit: 3, Oldest: true}, {Limit: 2, Under: tree.MustPath("/a")}, {Limit: 1, Text: "ü"}, {Limit: 10}} {
			all := q
			all.Limit, all.To = 0, start.Add(time.Minute)
			q.To = all.To
			want, err := j.Search(t.Context(), all)
			if err != nil || want.Next != "" {
				t.Fatal(want.Next, err)
			}
			var got []Entry
			for {
				page, err := j.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, page.Entries...)
				if q.After = page.Next; page.Next == "" {
					break
				}
				if err := j.Append(t.Context(), entry(time.Hour, "/a/x", Status, tree.White, tree.Green, "")); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(want.Entries, got, comparable); d != "" {
				t.Errorf("%+v: -want +got\n%s", q, d)
			}
		}
	})
}

func TestQueriesThatAreWrong(t *testing.T) {
	j := running(t, storetest.SQLite(t), Options{})
	if err := j.Append(t.Context(), some...); err != nil {
		t.Fatal(err)
	}
	page, err := j.Search(t.Context(), Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for want, q := range map[string]Query{
		"search of the journal: 1 to 10000 entries at a time, not 10001":                                                {Limit: 10001},
		"search of the journal: 1 to 10000 entries at a time, not -1":                                                   {Limit: -1},
		"search of the journal: a text of 256 bytes at most, not 300":                                                   {Text: fmt.Sprintf("%300s", "x")},
		"search of the journal: the text is not UTF-8":                                                                  {Text: "\xff"},
		"search of the journal: unknown status 9":                                                                       {Statuses: []tree.Status{9}},
		"search of the journal: unknown kind 99":                                                                        {Kinds: []Kind{99}},
		`search of the journal: "x" does not continue any search: leave it out to begin anew`:                           {After: "x"},
		"search of the journal: it begins at 2026-03-01T12:00:00Z, which is not before its end at 2026-03-01T12:00:00Z": {From: start, To: start},
		`search of the journal: "` + page.Next + `" continues another search: repeat what was searched for, or leave it out to begin anew`: {
			After: page.Next, Text: "other"},
	} {
		if _, err := j.Search(t.Context(), q); !errors.Is(err, ErrQuery) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func FuzzCursor(f *testing.F) {
	q := Query{Text: "x"}
	f.Add(q.cursor(5))
	f.Add("AQAAAAAAAAAFAAAAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := q.parseCursor(token)
		if (err == nil) != (id > 0) {
			t.Fatalf("%d, %v", id, err)
		}
		if err == nil && q.cursor(id) != token {
			t.Fatalf("%q is read as %d, which is written %q", token, id, q.cursor(id))
		}
	})
}

func TestWhatIsLateTakesItsPlace(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		text := func(at time.Duration, s string) Entry { return entry(at, "/a/log", Event, tree.White, tree.Green, s) }
		for _, batch := range [][]Entry{
			{text(10*time.Second, "3"), text(20*time.Second, "7")},
			{text(10*time.Second, "4"), text(10*time.Second, "5"), text(5*time.Second, "1")},
			{text(5*time.Second, "2"), text(15*time.Second, "6"), text(20*time.Second, "8"), text(30*time.Second, "9")},
		} {
			if err := j.Append(t.Context(), batch...); err != nil {
				t.Fatal(err)
			}
		}
		page, err := j.Search(t.Context(), Query{Oldest: true})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, e := range page.Entries {
			got += e.Text
		}
		if got != "123456789" {
			t.Errorf("order %s", got)
		}
	})
}

func TestEveryEntryOfOneMillisecondIsKept(t *testing.T) {
	// 2^20 fit into a millisecond; more pass on to the next.
	n := numbers{known: true, last: FirstID(start) + 1<<idBits - 2}
	batch := []Entry{entry(0, "/a", Status, 0, 1, ""), entry(0, "/b", Status, 0, 1, ""), entry(0, "/c", Status, 0, 1, ""), entry(time.Millisecond, "/d", Status, 0, 1, "")}
	s := storetest.SQLite(t).Open(t)
	if err := s.Write(t.Context(), func(tx *store.Tx) error { return n.give(tx, 0, batch) }); err != nil {
		t.Fatal(err)
	}
	for i, e := range batch {
		if want := FirstID(start) + 1<<idBits - 1 + ID(i); e.ID != want {
			t.Errorf("entry %d has number %d, want %d", i, e.ID, want)
		}
	}
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		var want []Entry
		for i, v := range []tree.Value{{}, tree.Number(0.1), tree.Number(math.Inf(-1)), tree.Number(math.NaN()), tree.Number(math.Copysign(0, -1)), tree.Text(""), tree.Text("1"), tree.Text("läuft\n\"'\\")} {
			e := entry(time.Duration(i)*time.Second, "/a/x", Status, tree.Green, tree.Red, "why")
			e.Value = v
			want = append(want, e)
		}
		hostile := entry(time.Minute, "/a/x", Event, tree.White, tree.Red, "a\x00b\xffc")
		if err := j.Append(t.Context(), append(want, hostile)...); err != nil {
			t.Fatal(err)
		}
		hostile.Text = "a\uFFFDb\uFFFDc"
		page, err := j.Search(t.Context(), Query{Oldest: true})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(append(want, hostile), page.Entries, comparable); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

func TestTheTreeTellsTheJournal(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		now := start
		tr := tree.New(tree.Options{Now: func() time.Time { return now }, Statuses: j.Statuses, Reports: j.Reports})
		j.Bind(tr)
		x, err := tr.Add(tree.MustPath("/a/x"), &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(10, 10)}})
		if err != nil {
			t.Fatal(err)
		}
		log, err := tr.Add(tree.MustPath("/a/log"), &tree.Spec{Kind: tree.Log})
		if err != nil {
			t.Fatal(err)
		}
		tr.Apply([]tree.Reading{{Node: x, Value: 5}})
		now = now.Add(time.Second)
		tr.Apply([]tree.Reading{{Node: x, Value: 50}})
		tr.Report(tree.Report{Node: log, Events: []tree.Event{
			{Time: start.Add(-time.Hour), Status: tree.Yellow, Text: "old"}, {Status: tree.White, Text: "now"}, {Time: now.Add(24 * 365 * time.Hour), Text: "ahead"},
		}}, tree.Report{Node: x, Reason: "gone"}, tree.Report{Node: tree.Ref{}, Events: []tree.Event{{Text: "nowhere"}}})
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		page, err := j.Search(t.Context(), Query{Oldest: true, Under: tree.MustPath("/a/log")})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]Entry{
			entry(-time.Hour, "/a/log", Event, tree.White, tree.Yellow, "old"),
			{Time: now, Path: tree.MustPath("/a/log"), Kind: Status, From: tree.White, To: tree.Yellow, Value: tree.Text("old")},
			entry(time.Second, "/a/log", Event, tree.White, tree.White, "now"),
			entry(time.Second, "/a/log", Event, tree.White, tree.White, "ahead"),
		}, page.Entries, comparable, cmpopts.SortSlices(func(a, b Entry) bool { return a.Text < b.Text })); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		page, err = j.Search(t.Context(), Query{Oldest: true, Under: tree.MustPath("/a/x")})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]Entry{
			{Time: start, Path: tree.MustPath("/a/x"), Kind: Status, From: tree.White, To: tree.Green, Value: tree.Number(5)},
			{Time: now, Path: tree.MustPath("/a/x"), Kind: Status, From: tree.Green, To: tree.Red, Value: tree.Number(50)},
			{Time: now, Path: tree.MustPath("/a/x"), Kind: Status, From: tree.Red, To: tree.White, Value: tree.Number(50), Text: "gone"},
		}, page.Entries, comparable); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		events, err := j.Events(t.Context(), tree.MustPath("/a/log"), 2)
		if err != nil || len(events) != 2 || events[0].Text != "now" || events[1].Text != "ahead" {
			t.Errorf("events %v, %v", events, err)
		}
	})
}

func TestIntervals(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		tr := tree.New(tree.Options{Now: func() time.Time { return start }})
		j.Bind(tr)
		if _, err := tr.Add(tree.MustPath("/a/quiet"), &tree.Spec{Kind: tree.Performance}); err != nil {
			t.Fatal(err)
		}
		r, _ := tr.Lookup(tree.MustPath("/a/quiet"))
		tr.Apply([]tree.Reading{{Node: r, Value: 1}})
		if err := j.Append(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
		at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
		for name, tc := range map[string]struct {
			path     string
			from, to time.Time
			want     []Interval
		}{
			"from before the first": {"/a/x", at(-10), at(20), []Interval{
				{From: at(-10), To: at(1), Status: tree.White}, {From: at(1), To: at(5), Status: tree.Green},
				{From: at(5), To: at(9), Status: tree.Red}, {From: at(9), To: at(20), Status: tree.White, Text: "no answer"}}},
			"the status that held":         {"/a/x", at(6), at(8), []Interval{{From: at(6), To: at(8), Status: tree.Red}}},
			"a change at the beginning":    {"/a/x", at(5), at(8), []Interval{{From: at(5), To: at(8), Status: tree.Red}}},
			"a change at the end":          {"/a/x", at(2), at(5), []Interval{{From: at(2), To: at(5), Status: tree.Green}}},
			"not into the future":          {"/a/x", at(10), at(1e6), []Interval{{From: at(10), To: at(3600), Status: tree.White, Text: "no answer"}}},
			"only the tree knows":          {"/a/quiet", at(10), at(20), []Interval{{From: at(10), To: at(20), Status: tree.Green}}},
			"the tree does not know since": {"/a/quiet", at(-10), at(20), []Interval{{From: at(-10), To: at(20), Status: tree.White}}},
			"nobody knows":                 {"/nowhere", at(10), at(20), nil},
		} {
			t.Run(name, func(t *testing.T) {
				got, err := j.Intervals(t.Context(), tree.MustPath(tc.path), tc.from, tc.to)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tc.want, got, comparable); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
			})
		}
		if _, err := j.Intervals(t.Context(), tree.Root, at(5), at(5)); !errors.Is(err, ErrQuery) {
			t.Errorf("an empty time: %v", err)
		}
		for _, under := range []string{"/a", "/"} {
			totals, err := j.Totals(t.Context(), tree.MustPath(under), at(0), at(10))
			if err != nil {
				t.Fatal(err)
			}
			want := []Total{
				{Path: tree.MustPath("/a"), For: [4]time.Duration{3 * time.Second, 2 * time.Second, 0, 5 * time.Second}, Changes: 2},
				{Path: tree.MustPath("/a/x"), For: [4]time.Duration{2 * time.Second, 4 * time.Second, 0, 4 * time.Second}, Changes: 3},
				{Path: tree.MustPath("/a/~1x"), For: [4]time.Duration{7 * time.Second, 0, 3 * time.Second, 0}, Changes: 1},
			}
			if under == "/" {
				want = slices.Insert(want, 0, Total{For: [4]time.Duration{0, 10 * time.Second, 0, 0}}) // the tree knows it
				want = append(want, Total{Path: tree.MustPath("/ab/x"), For: [4]time.Duration{2 * time.Second, 8 * time.Second, 0, 0}, Changes: 1})
			}
			if d := cmp.Diff(want, totals, comparable); d != "" {
				t.Errorf("%s: -want +got\n%s", under, d)
			}
		}
	})
}
