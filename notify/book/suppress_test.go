package book

import (
	"fmt"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/journal"
)

func TestConsequences(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/host/Ping", &tree.Alerting{Vital: 1})
		w.state("/host/app/Up", &tree.Alerting{Vital: 1})
		w.state("/host/app/Load", nil)
		w.state("/other/x", nil)
		w.begin()
		w.set("red", "/host/app/Load", "/host/app/Up", "/host/Ping", "/other/x")
		w.settled()
		w.wants("told", w.since(), "opened /host/Ping open red +2", "opened /other/x open red",
			"suppressed /host/app/Load suppressed red parent /host/Ping", "suppressed /host/app/Up suppressed red parent /host/Ping")
		load := w.one("/host/app/Load")
		if s := load.Suppression; s.Text != "/host has failed: /host/Ping is red" || s.Cause != w.one("/host/Ping").ID {
			t.Errorf("%+v", s)
		}
		page, err := w.book.Search(w.t.Context(), alert.Query{Cause: load.Suppression.Cause})
		if err != nil || len(page.Alerts) != 2 || page.Counts[alert.Suppressed] != 2 || page.Counts[alert.Open] != 2 {
			t.Errorf("%+v, %v", page, err)
		}
		w.restart()
		w.wait(time.Minute)
		w.wants("after a restart", w.since())

		w.set("green", "/host/Ping", "/host/app/Load")
		w.wait(time.Second)
		w.wants("told", w.since(), "resolved /host/Ping resolved green +2", "resolved /host/app/Load resolved green parent /host/Ping")
		w.restart()
		w.wait(DefaultRecover / 2)
		w.wants("its end holds back for a while", w.live(), "/host/app/Up suppressed red parent /host/Ping", "/other/x open red")
		w.wait(DefaultRecover)
		w.wants("told", w.since(), "released /host/app/Up open red")
		w.set("red", "/host/app/Load")
		w.settled()
		w.wants("told", w.since(), "suppressed /host/app/Load suppressed red x2 parent /host/app/Up")
		w.wants("live", w.live(), "/host/app/Load suppressed red x2 parent /host/app/Up", "/host/app/Up open red +1", "/other/x open red")
	})
}

// TestNodesComeAfterTheStart: a cause, or what follows from it, that grows only some time
// after the start changes nothing meanwhile.
func TestNodesComeAfterTheStart(t *testing.T) {
	bubble(t, func(w *world) {
		ping := &tree.Alerting{Vital: 1}
		w.state("/host/Ping", ping)
		w.state("/host/Load", nil)
		w.state("/host/Disk", nil)
		w.begin()
		w.set("red", "/host/Ping", "/host/Load", "/host/Disk")
		w.settled()
		w.end()
		if err := w.tree.Change(tree.Remove(tree.MustPath("/host"))); err != nil {
			t.Fatal(err)
		}
		w.since()
		w.begin()
		w.wait(time.Minute)
		w.wants("nothing is there", w.since())
		w.state("/host/Load", nil)
		w.set("red", "/host/Load")
		w.wait(time.Minute)
		w.wants("without the cause", w.since())
		w.state("/host/Ping", ping)
		w.wait(time.Minute)
		w.wants("with the cause, unread", w.since())
		w.set("red", "/host/Ping")
		w.wait(time.Minute)
		w.wants("with the cause", w.since())
		w.wants("live", w.live(), "/host/Disk suppressed red parent /host/Ping", "/host/Load suppressed red parent /host/Ping", "/host/Ping open red +2")
		w.wait(GoneAtStart)
		w.wants("told", w.since(), "resolved /host/Disk resolved white parent /host/Ping")
	})
}

// TestLateCause: alerts that were told become consequences.
func TestLateCause(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/host/Ping", &tree.Alerting{Vital: 1})
		w.state("/host/a", nil)
		w.state("/host/b", nil)
		w.begin()
		w.set("red", "/host/a", "/host/b")
		w.settled()
		w.wants("told", w.since(), "opened /host/a open red", "opened /host/b open red")
		w.book.Acknowledge(w.t.Context(), []alert.ID{w.one("/host/b").ID}, alert.Ack{By: "ada"}, nil)
		w.since()
		w.wait(10 * time.Second)
		w.set("red", "/host/Ping")
		w.settled()
		w.wants("told", w.since(), "opened /host/Ping open red +2", "suppressed /host/a suppressed red parent /host/Ping", "suppressed /host/b suppressed red by ada parent /host/Ping")
		w.set("yellow", "/host/Ping")
		w.wait(DefaultRecover + time.Second)
		w.wants("told", w.since(), "eased /host/Ping open yellow +2", "released /host/a open red", "released /host/b acknowledged red by ada")
		w.wants("live", w.live(), "/host/Ping open yellow", "/host/a open red", "/host/b acknowledged red by ada")
	})
}

// TestTheCauseIsHurried: a cause that has not settled is looked at before people are told of
// what follows from it.
func TestTheCauseIsHurried(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/host/Ping", &tree.Alerting{Vital: 1})
		w.state("/host/a", nil)
		w.state("/net/Link", nil)
		w.state("/app/b", &tree.Alerting{DependsOn: []tree.Path{tree.MustPath("/net/Link")}})
		w.begin()
		w.wait(time.Second)
		w.set("red", "/host/a", "/app/b")
		w.wait(DefaultSettle - 100*time.Millisecond)
		w.set("red", "/host/Ping", "/net/Link")
		w.wait(150 * time.Millisecond)
		w.wants("told", w.since(), "opened /host/Ping open red +1", "suppressed /host/a suppressed red parent /host/Ping",
			"opened /net/Link open red +1", "suppressed /app/b suppressed red dependency /net/Link")
	})
}

// TestTheCauseComesAMomentLater: it does not settle while people are about to be told of what
// follows from it.
func TestTheCauseComesAMomentLater(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/host/Ping", &tree.Alerting{Vital: 1})
		w.state("/host/a", nil)
		w.begin()
		w.set("red", "/host/a")
		w.wait(DefaultSettle + 100*time.Millisecond)
		w.wants("told", w.since(), "opened /host/a open red")
		w.set("red", "/host/Ping")
		w.wait(50 * time.Millisecond)
		w.wants("told", w.since(), "opened /host/Ping open red +1", "suppressed /host/a suppressed red parent /host/Ping")
	})
}

// TestTheCauseComesWhileWriting: what is not written yet is suppressed before anybody hears
// of it, and what was told of is taken back first.
func TestTheCauseComesWhileWriting(t *testing.T) {
	bubble(t, func(w *world) {
		w.slow = 2 * time.Second
		w.state("/host/Ping", &tree.Alerting{Vital: 1})
		const n = 2*maxPiece + 10
		paths := make([]string, n)
		for i := range paths {
			paths[i] = fmt.Sprint("/host/x", i)
			w.state(paths[i], nil)
		}
		w.begin()
		w.set("red", paths...)
		w.wait(DefaultSettle + w.slow/2)
		w.set("red", "/host/Ping")
		w.wait(time.Minute)
		open := map[tree.Path]bool{}
		pieces := 0
		for i := range w.told {
			a := &w.told[i]
			switch {
			case a.State == alert.Open:
				open[a.Path] = true
			case open[a.Path]:
				pieces = i / maxPiece
			}
		}
		if len(open) != maxPiece+1 || pieces > 2 {
			w.t.Errorf("%d were told as open, and taken back up to piece %d", len(open), pieces)
		}
		if c := w.book.Counts(nil); c[alert.Open] != 1 || c[alert.Suppressed] != n {
			w.t.Errorf("%v", c)
		}
	})
}

func TestDependsOnInACircle(t *testing.T) {
	bubble(t, func(w *world) {
		needs := func(p string) *tree.Alerting { return &tree.Alerting{DependsOn: []tree.Path{tree.MustPath(p)}} }
		w.group("/a", needs("/b"))
		w.group("/b", needs("/c"))
		w.group("/c", needs("/a"))
		for _, p := range []string{"/a/Up", "/b/Up", "/c/Up"} {
			w.state(p, &tree.Alerting{Vital: 1})
		}
		w.begin()
		w.set("red", "/b/Up")
		w.settled()
		w.set("red", "/a/Up", "/c/Up")
		w.settled()
		w.wants("live", w.live(), "/a/Up suppressed red dependency /b/Up", "/b/Up open red +2", "/c/Up suppressed red dependency /b/Up")
		w.set("green", "/b/Up")
		w.wait(DefaultRecover + time.Second)
		w.wants("live", w.live(), "/a/Up open red +1", "/c/Up suppressed red dependency /a/Up")
	})
}

func TestWhole(t *testing.T) {
	bubble(t, func(w *world) {
		w.add("/barn", &tree.Spec{Kind: tree.Group, Alerting: &tree.Alerting{Rule: tree.AlertWhole}, Rollup: &tree.Rollup{Rule: tree.Need, Green: 2}})
		for _, p := range []string{"/barn/a/Up", "/barn/b/Up", "/barn/c/Up"} {
			w.state(p, nil)
			w.set("green", p)
		}
		w.begin()
		w.set("red", "/barn/a/Up")
		w.settled()
		w.wants("the farm is well", w.since(), "suppressed /barn/a/Up suppressed red whole /barn")
		w.set("red", "/barn/b/Up")
		w.wait(2 * time.Second)
		w.wants("told", w.since(), "opened /barn open red +2", "suppressed /barn/a/Up suppressed red whole /barn", "suppressed /barn/b/Up suppressed red whole /barn")
		if a := w.one("/barn"); a.Message != "/barn is red because of /barn/a/Up, /barn/b/Up" {
			t.Error(a.Message)
		}
		w.set("green", "/barn/b/Up")
		w.wait(2 * time.Second)
		w.wants("live", w.live(), "/barn/a/Up suppressed red whole /barn")
	})
}

func TestMaintenance(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.state("/a/y", nil)
		w.begin()
		w.set("red", "/a/x")
		w.settled()
		w.since()
		until := time.Now().Add(time.Hour)
		w.maintain("/a", &until, true)
		w.wait(time.Second)
		w.wants("told", w.since(), "suppressed /a/x suppressed red maintenance /a")
		w.set("red", "/a/y")
		w.wait(time.Minute)
		w.wants("none opens for people", w.since(), "suppressed /a/y suppressed red maintenance /a")
		w.set("green", "/a/x")
		w.settled()
		w.wants("told", w.since(), "resolved /a/x resolved green maintenance /a")
		w.wait(time.Hour)
		w.wants("its end is known", w.since(), "released /a/y open red")
		w.maintain("/a", nil, true)
		w.wait(time.Second)
		w.maintain("/a", nil, false)
		w.wait(time.Second)
		w.wants("somebody ends it", w.since(), "released /a/y open red", "suppressed /a/y suppressed red maintenance /a")
	})
}

// TestWhatIf asks without changing anything.
func TestWhatIf(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/host/Ping", &tree.Alerting{Vital: 1})
		w.state("/host/a", nil)
		w.state("/host/b", nil)
		w.state("/shift/c", nil)
		w.state("/never/d", &tree.Alerting{Rule: tree.AlertNever})
		w.begin()
		w.set("yellow", "/host/b")
		w.settled()
		w.since()
		w.maintain("/shift", nil, true)
		var changes []tree.StatusChange
		for _, p := range []string{"/host/Ping", "/host/a", "/host/b", "/shift/c", "/never/d", "/nowhere"} {
			changes = append(changes, tree.StatusChange{Path: tree.MustPath(p), To: tree.Red})
		}
		var lines string
		for _, a := range w.book.WhatIf(changes) {
			lines += w.show(&a) + "\n"
		}
		want := "/shift/c suppressed red maintenance /shift\n/host/a suppressed red parent /host/Ping\n/host/Ping open red +2\n/host/b suppressed red parent /host/Ping\n"
		if lines != want {
			t.Errorf("%s\nwant\n%s", lines, want)
		}
		w.wait(time.Minute)
		w.wants("nothing happens", w.since())
		changes[0].To = tree.Green
		if would := w.book.WhatIf(changes[:2]); len(would) != 1 || would[0].State != alert.Open {
			t.Errorf("%+v", would)
		}
	})
}

// TestStorm: many red at once below one that has failed is one alert.
func TestStorm(t *testing.T) {
	for name, vital := range map[string]bool{"one cause": true, "unrelated": false} {
		t.Run(name, func(t *testing.T) {
			n := 300
			if vital {
				n = 1500 // BenchmarkStorm has 10,000
			}
			bubble(t, func(w *world) {
				a := &tree.Alerting{}
				if vital {
					a.Vital = 1
				}
				w.state("/dc/Power", a)
				paths := make([]string, n)
				for i := range paths {
					paths[i] = fmt.Sprintf("/dc/rack%d/host%d/Up", i%100, i)
					w.state(paths[i], nil)
				}
				w.begin()
				for i, p := range paths {
					if i == n*3/4 {
						w.set("red", "/dc/Power")
					}
					w.set("red", p)
					if i%1000 == 0 {
						w.wait(100 * time.Millisecond)
					}
				}
				w.settled()
				w.wait(time.Second)
				counts := w.book.Counts(nil)
				want := map[alert.State]int{alert.Open: n + 1}
				if vital {
					want = map[alert.State]int{alert.Open: 1, alert.Suppressed: n}
					if c := w.one("/dc/Power").Consequences; c != n {
						t.Errorf("%d consequences", c)
					}
				}
				for s, k := range want {
					if counts[s] != k {
						t.Errorf("%s: %d, want %d", s, counts[s], k)
					}
				}
				w.set("green", "/dc/Power")
				w.wait(DefaultRecover / 2)
				w.set("green", paths...)
				w.wait(time.Second)
				told := map[alert.What]int{}
				for i := range w.told {
					a := &w.told[i]
					last := a.History[len(a.History)-1]
					told[last.What]++
					if last.What == alert.Released {
						t.Fatalf("%s was released", a.Path)
					}
				}
				if w.live() != "" || told[alert.DidResolve] != n+1 {
					t.Errorf("at the end %v, and left:\n%s", told, w.live())
				}
			})
		})
	}
}

// TestTheJournalNamesNoOtherNode: who reads the lines of a node need not see its cause.
func TestTheJournalNamesNoOtherNode(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/net/Link", nil)
		w.group("/barn", &tree.Alerting{Rule: tree.AlertWhole})
		w.state("/barn/x", nil)
		w.state("/app/Up", &tree.Alerting{DependsOn: []tree.Path{tree.MustPath("/net/Link")}})
		w.begin()
		w.set("red", "/net/Link", "/barn/x", "/app/Up")
		w.wait(2 * time.Second)
		id := w.one("/net/Link").ID.String()
		w.set("green", "/net/Link")
		w.wait(2 * DefaultRecover)
		page, err := w.lines.Search(w.t.Context(), journal.Query{Kinds: []journal.Kind{journal.Alert}, Oldest: true})
		if err != nil {
			w.t.Fatal(err)
		}
		lines := map[string]string{}
		for _, e := range page.Entries {
			lines[e.Path.String()] += e.Text + "\n"
		}
		for path, want := range map[string]string{
			"/app/Up": "opened: /app/Up is red: red; suppressed (dependency) by alert " + id + "\nreleased\n",
			"/barn":   "opened: /barn is red\n",
		} {
			if lines[path] != want {
				w.t.Errorf("%s: %q, want %q", path, lines[path], want)
			}
		}
	})
}

// TestBehind: the book is behind while something is decided that is not told.
func TestBehind(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.set("green", "/a/x")
		w.begin()
		w.wait(time.Second)
		if w.book.Behind() {
			t.Error("it is behind at rest")
		}
		w.away.Store(true)
		w.set("red", "/a/x")
		w.wait(2 * time.Second)
		if !w.book.Behind() {
			t.Error("it is not behind while the database is away")
		}
		w.away.Store(false)
		w.wait(5 * time.Second)
		if w.wants("told", w.since(), "opened /a/x open red"); w.book.Behind() {
			t.Error("it is behind after it has told all")
		}
	})
}
