package maintenance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func berlin(t testing.TB, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestParseRule(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "once": "", "daily": "FREQ=DAILY", "weekly on Sat, sunday": "FREQ=WEEKLY;BYDAY=SA,SU",
		"monthly on 15": "FREQ=MONTHLY;BYMONTHDAY=15", "monthly on -1": "FREQ=MONTHLY;BYMONTHDAY=-1", "Monthly on first Sun": "FREQ=MONTHLY;BYDAY=1SU",
		"monthly on last fri": "FREQ=MONTHLY;BYDAY=-1FR", "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU": "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
	} {
		if got, err := ParseRule(text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"often", "weekly", "weekly on s", "weekly on mon,", "monthly on 32", "monthly on fifth sun", "monthly on", strings.Repeat("x", 300)} {
		if got, err := ParseRule(text); !errors.Is(err, ErrWindow) {
			t.Errorf("%q is taken as %q", text, got)
		}
	}
}

func TestSettings(t *testing.T) {
	good := Setting{Name: "backup", At: []string{"/shop/db"}, Start: "22:00", For: 2 * time.Hour, Repeat: "weekly on sun", Zone: "Europe/Berlin"}
	for name, c := range map[string]struct {
		change func(*Setting)
		want   string
	}{
		"as it should be":  {func(*Setting) {}, ""},
		"no name":          {func(s *Setting) { s.Name = " " }, "name: is missing"},
		"no path":          {func(s *Setting) { s.At = nil }, "at: is missing"},
		"a bad path":       {func(s *Setting) { s.At = []string{"/a", "/b~2"} }, "at[1]: "},
		"no start":         {func(s *Setting) { s.Start = "" }, "start: "},
		"a time of day":    {func(s *Setting) { s.Repeat = "" }, `start: "22:00" is no time`},
		"too short":        {func(s *Setting) { s.For = time.Second }, "for: 1s is not between 1m and 90d"},
		"a zone":           {func(s *Setting) { s.Zone = "Berlin" }, `zone: "Berlin" is no time zone`},
		"our own zone":     {func(s *Setting) { s.Zone = "Local" }, `zone: "Local" is no time zone`},
		"a bad rule":       {func(s *Setting) { s.Repeat = "FREQ=WEEKLY;BYDAY=XX" }, "rule: "},
		"every second":     {func(s *Setting) { s.Repeat = "FREQ=SECONDLY" }, "hourly is the finest"},
		"never true":       {func(s *Setting) { s.Repeat = "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30" }, "has no time within ten years"},
		"it never ends":    {func(s *Setting) { s.Repeat = "daily"; s.For = 25 * time.Hour }, "it would never end"},
		"its own start":    {func(s *Setting) { s.Repeat = "FREQ=DAILY;DTSTART=20260101T000000Z" }, "DTSTART cannot be in it"},
		"announced early":  {func(s *Setting) { s.Announce = 31 * 24 * time.Hour }, "announce: "},
		"a long comment":   {func(s *Setting) { s.Comment = strings.Repeat("x", MaxTextBytes+1) }, "comment: 1025 bytes"},
		"two lines":        {func(s *Setting) { s.Name = "a\nb" }, "name: is one line"},
		"before all times": {func(s *Setting) { s.Start = "1812-01-01 00:00" }, "the year 1812"},
	} {
		s := good
		c.change(&s)
		_, err := s.Window()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The clock on the wall counts, also over the change to and from summer time: 02:30 is
// skipped on the 29th of March 2026 in Berlin, and there twice on the 25th of October.
func TestSummerTime(t *testing.T) {
	s := Setting{Name: "nightly", At: []string{"/"}, Start: "22:00", For: time.Hour, Repeat: "daily", Zone: "Europe/Berlin"}
	w, err := s.Window()
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []string{"2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25", "2026-10-26"} {
		start := berlin(t, day+" 22:00")
		for at, want := range map[time.Time]bool{start.Add(-time.Second): false, start: true, start.Add(time.Hour - time.Second): true, start.Add(time.Hour): false} {
			if _, ok := w.Now(at); ok != want {
				t.Errorf("%s: now is %v", at, ok)
			}
		}
	}
	s.Start = "02:30"
	if w, err = s.Window(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ after, want string }{
		{"2026-03-28 12:00", "2026-03-29 03:30"}, {"2026-03-29 12:00", "2026-03-30 02:30"},
	} {
		if o, ok := w.Next(berlin(t, c.after)); !ok || !o.Start.Equal(berlin(t, c.want)) {
			t.Errorf("after %s comes %s", c.after, o.Start)
		}
	}
	if o, ok := w.Next(berlin(t, "2026-10-24 12:00")); !ok || o.Start.Format("15:04") != "02:30" {
		t.Errorf("in the night of two 02:30 it begins at %s", o.Start)
	}
}

// world is a calendar with a clock of its own.
type world struct {
	*testing.T
	*Calendar
	mu    sync.Mutex
	now   time.Time
	told  []string
	fails bool
}

func newWorld(t *testing.T, d *storetest.Database, now time.Time) *world {
	w := &world{T: t, now: now}
	s := d.Open(t)
	w.Calendar = New(Options{
		Store: s, Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Announce: func(_ context.Context, o Occurrence, p Phase) error {
			if w.fails {
				return errors.New("nobody listens")
			}
			w.told = append(w.told, fmt.Sprint(o.Window.Name, " ", p, " ", o.Start.Format("02 15:04"), "-", o.End.Format("15:04")))
			return nil
		},
	})
	if err := w.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) add(s Setting) Window {
	w.Helper()
	made, err := s.Window()
	if err == nil {
		made, err = w.Add(w.Context(), made)
	}
	if err != nil {
		w.Fatal(err)
	}
	return made
}

func (w *world) active(path string) string {
	o, ok := w.Active(tree.MustPath(path), w.now)
	if !ok {
		return ""
	}
	return o.Window.Name
}

func TestInheritance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		w := newWorld(t, d, noon)
		w.add(Setting{Name: "short", At: []string{"/shop"}, Start: "2026-03-01 11:00", For: 2 * time.Hour})
		w.add(Setting{Name: "long", At: []string{"/shop/db", "/bank"}, Start: "2026-03-01 11:00", For: 3 * time.Hour})
		later := w.add(Setting{Name: "later", At: []string{"/"}, Start: "2026-03-01 14:00", For: time.Hour})
		check := func(when string, want map[string]string) {
			t.Helper()
			got := map[string]string{}
			for p := range want {
				got[p] = w.active(p)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", when, diff)
			}
		}
		check("at noon", map[string]string{"/": "", "/shop": "short", "/shop/web": "short", "/shopping": "", "/shop/db/Up": "long", "/bank": "long"})
		w.now = noon.Add(time.Hour)
		check("at one", map[string]string{"/shop": "", "/shop/db": "long"})
		w.now = noon.Add(2 * time.Hour)
		check("at two", map[string]string{"/shop/db": "later", "/anything": "later"})
		if err := w.End(t.Context(), later.ID); err != nil {
			t.Fatal(err)
		}
		check("ended early", map[string]string{"/shop/db": ""})
		if err := w.End(t.Context(), later.ID); !errors.Is(err, ErrWindow) {
			t.Errorf("ended twice: %v", err)
		}
		// What people made is there after a restart, as it was.
		again := newWorld(t, d, w.now)
		if got := again.active("/shop/db"); got != "" {
			t.Errorf("after a restart %q holds", got)
		}
		if n := len(again.List()); n != 3 {
			t.Errorf("after a restart there are %d windows", n)
		}
		if err := again.Remove(t.Context(), later.ID); err != nil {
			t.Error(err)
		}
		if err := again.Remove(t.Context(), later.ID); !errors.Is(err, ErrNone) {
			t.Errorf("removed twice: %v", err)
		}
	})
}

func TestFileAndPeople(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), berlin(t, "2026-03-01 22:30"))
	s := Setting{Name: "backup", At: []string{"/shop"}, Start: "22:00", For: time.Hour, Repeat: "weekly on sun", Zone: "Europe/Berlin"}
	fromFile, err := s.Window()
	if err != nil {
		t.Fatal(err)
	}
	w.Replace([]Window{fromFile})
	if got := w.active("/shop/web"); got != "backup" {
		t.Errorf("%q holds", got)
	}
	id := w.List()[0].ID
	if err := w.Remove(t.Context(), id); !errors.Is(err, ErrFile) {
		t.Errorf("what stands in the file is removed: %v", err)
	}
	if err := w.End(t.Context(), id); err != nil {
		t.Error(err)
	}
	w.Replace([]Window{fromFile}) // a reload
	if got := w.active("/shop/web"); got != "" {
		t.Errorf("after it was ended %q holds", got)
	}
	if o := w.List()[0].Next; o == nil || !o.Start.Equal(berlin(t, "2026-03-08 22:00")) {
		t.Errorf("it comes again at %v", o)
	}
	w.Replace(nil)
	if n := len(w.List()); n != 0 {
		t.Errorf("%d windows are left", n)
	}
	if _, err := w.Add(t.Context(), Window{Name: "over", At: []tree.Path{tree.Root}, Start: w.now.Add(-2 * time.Hour), For: Duration(time.Hour)}); err == nil {
		t.Error("a window that is over is taken")
	}
}

func TestAnnouncements(t *testing.T) {
	d := storetest.SQLite(t)
	w := newWorld(t, d, time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC))
	w.add(Setting{Name: "quiet", At: []string{"/"}, Start: "2026-03-01 21:00", For: time.Hour})
	w.add(Setting{Name: "backup", At: []string{"/shop"}, Start: "22:00", For: time.Hour, Repeat: "daily", Announce: time.Hour})
	step := func(at string, want ...string) {
		t.Helper()
		w.now, _ = time.Parse("02 15:04", at)
		w.now = w.now.AddDate(2026, 2, 0)
		w.told = nil
		if wait := w.step(t.Context()); wait <= 0 || wait > longest {
			t.Errorf("at %s it waits %s", at, wait)
		}
		if diff := cmp.Diff(want, w.told); diff != "" {
			t.Errorf("at %s: -want +got:\n%s", at, diff)
		}
	}
	step("01 20:59")
	w.fails = true
	step("01 21:00")
	w.fails = false
	step("01 21:01", "backup near 01 22:00-23:00")
	step("01 21:30")
	step("01 22:00", "backup begins 01 22:00-23:00")
	step("01 22:59")
	told := w.now
	w = newWorld(t, d, told) // A restart tells nothing twice, and the end although it was missed.
	step("01 22:59")
	step("01 23:10", "backup ends 01 22:00-23:00")
	step("02 20:00")
	// A manager that was away tells what holds.
	step("02 22:10", "backup begins 02 22:00-23:00")
}

func TestWhatIsOverGoes(t *testing.T) {
	now := time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)
	w := newWorld(t, storetest.SQLite(t), now)
	w.add(Setting{Name: "once", At: []string{"/"}, Start: "2026-03-01 21:00", For: time.Hour})
	w.now = now.Add(24 * time.Hour)
	w.step(t.Context())
	if n := len(w.List()); n != 1 {
		t.Errorf("a day later there are %d", n)
	}
	w.now = now.Add(keepOver + 3*time.Hour)
	w.step(t.Context())
	if n := len(w.List()); n != 0 {
		t.Errorf("long after there are %d", n)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	changed := make(chan struct{}, 8)
	c := New(Options{Store: storetest.SQLite(t).Open(t), Changed: func() { changed <- struct{}{} }})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-changed
	c.Replace(nil)
	<-changed // at once, not in a minute
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Whatever a rule says, looking at it ends soon and stays within its own bounds.
func FuzzRule(f *testing.F) {
	for _, s := range []string{"daily", "weekly on mon", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,TU", "FREQ=DAILY;COUNT=3", "FREQ=HOURLY;INTERVAL=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := Setting{Name: "x", At: []string{"/"}, Start: "2026-01-01 10:00", For: time.Minute, Repeat: text}
		w, err := s.Window()
		if err != nil {
			return
		}
		at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		if o, ok := w.Next(at); ok && !o.Start.After(at) {
			t.Errorf("%q: the next after %s begins at %s", text, at, o.Start)
		}
		if o, ok := w.Now(at); ok && (o.Start.After(at) || !o.End.After(at)) {
			t.Errorf("%q: now from %s to %s", text, o.Start, o.End)
		}
	})
}

// TestTheDatabaseIsReplaced restores a backup while the calendar runs: the windows are
// those of the backup, and those of the file.
func TestTheDatabaseIsReplaced(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		now := time.Now()
		turned := make(chan struct{}, 100)
		c := New(Options{Store: s, Changed: func() {
			select {
			case turned <- struct{}{}:
			default:
			}
		}})
		add := func(name string) {
			t.Helper()
			if _, err := c.Add(t.Context(), Window{Name: name, At: []tree.Path{tree.MustPath("/" + name)}, Start: now, For: Duration(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		c.Replace([]Window{{Name: "file", At: []tree.Path{tree.MustPath("/file")}, Start: now, For: Duration(time.Hour)}})
		add("kept")
		var backup bytes.Buffer
		if err := s.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		add("later")
		if err := s.Load(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = c.Run(ctx) })
		<-turned
		var names []string
		for _, p := range c.List() {
			names = append(names, p.Name)
		}
		cancel()
		running.Wait()
		if diff := cmp.Diff([]string{"file", "kept"}, slices.Sorted(slices.Values(names))); diff != "" {
			t.Error(diff)
		}
		if _, ok := c.Active(tree.MustPath("/later"), now.Add(time.Minute)); ok {
			t.Error("a window holds that the backup does not have")
		}
	})
}

// TestRulesThatBeganLongAgo follows rules from their start and from near by: both find the
// same.
func TestRulesThatBeganLongAgo(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, rule := range []string{
		"FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;BYMONTH=3", "FREQ=DAILY;COUNT=900", "FREQ=WEEKLY;BYDAY=SA,SU", "FREQ=WEEKLY;INTERVAL=5;BYDAY=TU;WKST=SU",
		"FREQ=HOURLY;INTERVAL=5", "FREQ=HOURLY;INTERVAL=36;BYDAY=MO", "FREQ=DAILY;BYHOUR=2,14", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=DAILY;UNTIL=20220301T000000Z",
	} {
		w := Window{Start: time.Date(2021, 3, 28-random.IntN(3), 2, 30, 0, 0, zone), For: Duration(time.Hour), Rule: rule, Zone: "Europe/Berlin"}
		for range 40 {
			at := w.Start.Add(time.Duration(random.Int64N(int64(6 * 365 * 24 * time.Hour))))
			far := w.rule(time.Time{}, at.AddDate(5, 0, 0))
			want, wantNext := far.Before(at, true), far.After(at, true)
			got, _ := w.begun(at)
			next, _ := w.begins(at, at.AddDate(5, 0, 0))
			if !got.Equal(want) || !next.Equal(wantNext) {
				t.Errorf("%s from %s, at %s: began %s and begins %s, want %s and %s", rule, w.Start, at, got, next, want, wantNext)
				break
			}
		}
	}
}

func TestRulesAreNotTooFine(t *testing.T) {
	w := Window{Name: "x", At: []tree.Path{tree.Root}, Start: berlin(t, "2026-01-01 00:00"), For: Duration(time.Minute), Rule: "FREQ=DAILY;BYMINUTE=0,2,4"}
	if err := w.Check(); err == nil || !strings.Contains(err.Error(), "hourly is the finest") {
		t.Errorf("every other minute: %v", err)
	}
}

func TestParseStart(t *testing.T) {
	want := berlin(t, "2026-01-04 03:00")
	for _, text := range []string{"2026-01-04 03:00", "2026-01-04T03:00", "2026-01-04 03:00:00", "2026-01-04T03:00:00", "2026-01-04T02:00:00Z", "2026-01-04T03:00:00+01:00"} {
		if got, err := ParseStart(text, "Europe/Berlin", false); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}
