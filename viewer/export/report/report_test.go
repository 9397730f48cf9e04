package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
	"grove/viewer/export/goldentest"
)

func TestReport(t *testing.T) {
	w := newWorld(t)
	r := w.report(t, day())
	for _, f := range Formats {
		var b bytes.Buffer
		if err := r.Write(&b, f.Name); err != nil {
			t.Fatal(err)
		}
		goldentest.Is(t, "day."+f.Name, b.Bytes())
		if f.Name == "html" && strings.Contains(b.String(), "<script") {
			t.Error("a text became markup")
		}
	}
}

// line sums a node up.
func line(n *Node) string {
	a, ok := n.Availability()
	mtbf, _ := n.MTBF()
	mttr, _ := n.MTTR()
	return fmt.Sprintf("%s green %v yellow %v red %v white %v unknown %v; %.4f %v, %d failures, MTBF %v, MTTR %v, %d changes, now %s",
		n.Path, n.For[tree.Green], n.For[tree.Yellow], n.For[tree.Red], n.For[tree.White], n.Unknown, a, ok, n.Failures, mtbf, mttr, n.Changes, n.Status)
}

// TestFigures says of each figure what the story says. 13 hours have passed; of them an
// hour and twenty minutes are without a record.
func TestFigures(t *testing.T) {
	w := newWorld(t)
	r := w.report(t, day())
	got := []string{line(r.Whole)}
	for _, n := range r.Elements {
		got = append(got, n.Role+" "+n.Name+" "+line(n))
	}
	for _, n := range r.Worst {
		got = append(got, "worst "+line(n))
	}
	for _, o := range r.Outages {
		got = append(got, fmt.Sprintf("outage %s %s to %s: %v %v %v", o.Path, o.From.Format("15:04"), o.To.Format("15:04"), o.Down, o.Before, o.Open))
	}
	for _, g := range r.Gaps {
		got = append(got, fmt.Sprintf("gap %s to %s %v %s", g.From.Format("15:04"), g.To.Format("15:04"), g.Planned, g.Reason))
	}
	got = append(got, fmt.Sprint(r.Nodes, r.Changes, r.Became, r.Events))
	want := []string{
		// Up 13:00 - 0:01 - 1:20 - 0:25 - 0:05 = 11:09, of 11:34.
		"/ green 10h39m0s yellow 30m0s red 25m0s white 6m0s unknown 1h20m0s; 0.9640 true, 1 failures, MTBF 11h9m0s, MTTR 25m0s, 6 changes, now green",
		"host web1 /web1 green 10h39m0s yellow 30m0s red 25m0s white 6m0s unknown 1h20m0s; 0.9640 true, 1 failures, MTBF 11h9m0s, MTTR 25m0s, 6 changes, now green",
		"service <script>shop /web1/shop green 10h39m0s yellow 0s red 1h0m0s white 1m0s unknown 1h20m0s; 0.9142 true, 1 failures, MTBF 10h39m0s, MTTR 0s, 2 changes, now red",
		"worst /web1/shop/Answer green 10h39m0s yellow 0s red 1h0m0s white 1m0s unknown 1h20m0s; 0.9142 true, 1 failures, MTBF 10h39m0s, MTTR 0s, 2 changes, now red",
		"worst /web1/CPU/Used green 10h39m0s yellow 30m0s red 25m0s white 6m0s unknown 1h20m0s; 0.9640 true, 1 failures, MTBF 11h9m0s, MTTR 25m0s, 6 changes, now green",
		"outage /web1/shop 12:00 to 13:00: 1h0m0s false true",
		"outage /web1 10:00 to 10:30: 25m0s false false",
		"gap 06:00 to 07:00 true the manager was stopped",
		"gap 08:00 to 08:20 false the manager ended without notice, after this at the earliest",
		"6 23 [1 4 1 3] [0 0 1 1]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTimesWithin(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to time.Duration
		path     string
		want     string
	}{
		{"within an outage", 10*hour + 5*minute, 10*hour + 20*minute, "/web1", "/web1 green 0s yellow 0s red 10m0s white 5m0s unknown 0s; 0.0000 true, 0 failures, MTBF 0s, MTTR 0s, 2 changes, now red"},
		{"an outage that began before", 10*hour + 5*minute, 11 * hour, "/web1", "/web1 green 0s yellow 30m0s red 20m0s white 5m0s unknown 0s; 0.6000 true, 0 failures, MTBF 0s, MTTR 20m0s, 3 changes, now yellow"},
		{"nothing happened", 2 * hour, 3 * hour, "/web1/shop", "/web1/shop green 1h0m0s yellow 0s red 0s white 0s unknown 0s; 1.0000 true, 0 failures, MTBF 0s, MTTR 0s, 0 changes, now green"},
		{"stopped all the time", 6*hour + 10*minute, 6*hour + 20*minute, "/web1", "/web1 green 0s yellow 0s red 0s white 0s unknown 10m0s; 0.0000 false, 0 failures, MTBF 0s, MTTR 0s, 0 changes, now green"},
		{"before the journal", -2 * hour, hour, "/web1", "/web1 green 59m0s yellow 0s red 0s white 1m0s unknown 2h0m0s; 1.0000 true, 0 failures, MTBF 0s, MTTR 0s, 1 changes, now green"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newWorld(t).report(t, Query{Path: at(tc.path), From: begin.Add(tc.from), To: begin.Add(tc.to)})
			if diff := cmp.Diff(tc.want, line(r.Whole)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSignsOfLife holds that a crash was after the last of them.
func TestSignsOfLife(t *testing.T) {
	w := newWorld(t)
	w.told.add(8*hour+15*minute, "/", journal.Manager, tree.Green, tree.Green)
	w.told.add(9*hour, "/", journal.Manager, tree.Green, tree.Green)
	w.told.add(12*hour+30*minute, "/", journal.Manager, tree.White, tree.White) // A stop, told without what was before.
	var got []string
	for _, g := range w.report(t, day()).Gaps {
		got = append(got, g.From.Format("15:04")+" "+g.To.Format("15:04"))
	}
	if diff := cmp.Diff([]string{"06:00 07:00", "08:15 08:20", "12:30 13:00"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestFirstChangesAreNoSignsOfLife holds that what a manager writes before it says that
// it starts neither shortens the time that a crash left without a record, nor looks like
// a crash when nothing ran before.
func TestFirstChangesAreNoSignsOfLife(t *testing.T) {
	w := newWorld(t)
	w.told.add(-time.Second, "/grove/Access", journal.Status, tree.White, tree.Green)
	w.told.add(8*hour+20*minute-time.Second, "/grove/Access", journal.Status, tree.White, tree.Green)
	q := day()
	q.From = begin.Add(-hour)
	var got []string
	for _, g := range w.report(t, q).Gaps {
		got = append(got, g.From.Format("15:04:05")+" "+g.To.Format("15:04:05")+" "+g.Reason)
	}
	want := []string{
		"23:00:00 23:59:59 the journal does not reach so far back",
		"06:00:00 07:00:00 the manager was stopped",
		"08:00:00 08:20:00 the manager ended without notice, after this at the earliest",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestACustomerSeesNothingOfOthers(t *testing.T) {
	q := day()
	q.Customer = "ATT"
	r := newWorld(t).report(t, q)
	if r.Whole != nil || len(r.Elements) != 1 || r.Nodes != 2 || len(r.Outages) != 1 || r.Events != [4]int{} {
		t.Errorf("%+v", r)
	}
	for _, f := range Formats {
		var b bytes.Buffer
		if err := r.Write(&b, f.Name); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "CPU") || !strings.Contains(b.String(), "shop") {
			t.Errorf("%s:\n%s", f.Name, b.String())
		}
	}
}

// TestTheRealJournal tells the story to a journal in a database, and compares.
func TestTheRealJournal(t *testing.T) {
	w := newWorld(t)
	want := w.report(t, day())
	j := journal.New(journal.Options{Store: storetest.SQLite(t).Open(t), Now: func() time.Time { return w.now }})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := j.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer func() { cancel(); running.Wait() }()
	if err := j.Append(t.Context(), w.told.entries...); err != nil {
		t.Fatal(err)
	}
	w.journal = j
	got := w.report(t, day())
	var a, b bytes.Buffer
	if err := want.WriteJSON(&a); err != nil {
		t.Fatal(err)
	}
	if err := got.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.String(), b.String()); diff != "" {
		t.Errorf("-memory +database\n%s", diff)
	}
}

func TestMistakes(t *testing.T) {
	w := newWorld(t)
	m := w.maker(t)
	for _, tc := range []struct {
		query Query
		want  string
	}{
		{Query{From: begin.Add(14 * hour), To: begin.Add(15 * hour)}, "the time of the report begins at 2026-03-01T14:00:00Z, which is not over yet"},
		{Query{From: begin, To: begin}, "the time of the report begins at 2026-03-01T00:00:00Z, which is not before its end at 2026-03-01T00:00:00Z"},
		{Query{From: begin.AddDate(-3, 0, 0), To: begin}, "the time of the report is longer than 400 days"},
		{Query{From: begin, To: w.now, Worst: 5000}, "the report is too large: worst is 1 to 1000"},
		{Query{From: begin, To: w.now, Path: at("/web2")}, `no such node: / has no "web2"; did you mean "web1"?`},
	} {
		if _, err := m.Make(everyone(t), tc.query); err == nil || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
	w.told.err = errBroken
	if _, err := m.Make(everyone(t), day()); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

func TestPeriods(t *testing.T) {
	berlin, err := Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	sunday := time.Date(2026, 3, 29, 12, 0, 0, 0, berlin) // summer time began at 2 o'clock
	monday := time.Date(2026, 3, 30, 0, 5, 0, 0, berlin)
	for _, tc := range []struct {
		name   string
		now    time.Time
		from   string
		length time.Duration
	}{
		{"today", sunday, "2026-03-29T00:00:00+01:00", 11 * hour},
		{"day", sunday, "2026-03-28T00:00:00+01:00", 24 * hour},
		{"day", monday, "2026-03-29T00:00:00+01:00", 23 * hour},
		{"week", sunday, "2026-03-16T00:00:00+01:00", 168 * hour},
		{"week", monday, "2026-03-23T00:00:00+01:00", 167 * hour},
		{"month", time.Date(2026, 1, 31, 1, 0, 0, 0, berlin), "2025-12-01T00:00:00+01:00", 31 * 24 * hour},
		{"last24h", sunday, "2026-03-28T11:00:00+01:00", 24 * hour},
		{"last7d", monday, "2026-03-23T00:05:00+01:00", 167 * hour},
		{"last30d", sunday, "2026-02-27T12:00:00+01:00", 719 * hour},
	} {
		from, to, err := Period(tc.name, tc.now)
		if err != nil || rfc(from) != tc.from || to.Sub(from) != tc.length {
			t.Errorf("%s at %s: %s for %s, %v", tc.name, tc.now, rfc(from), to.Sub(from), err)
		}
	}
}

func TestParseQuery(t *testing.T) {
	now := begin.Add(36*hour + 30*minute)
	for _, tc := range []struct{ in, want string }{
		{"", "/ 2026-03-01T12:30:00Z 2026-03-02T12:30:00Z"},
		{"period=day&path=/web1&worst=5&customer=ATT", "/web1 2026-03-01T00:00:00Z 2026-03-02T00:00:00Z"},
		{"period=day&zone=America/Denver", "/ 2026-03-01T00:00:00-07:00 2026-03-02T00:00:00-07:00"},
		{"from=2026-03-01", "/ 2026-03-01T00:00:00Z 2026-03-02T12:30:00Z"},
		{"from=2026-03-01T06:00&to=2026-03-01T07:00:00%2B01:00", "/ 2026-03-01T06:00:00Z 2026-03-01T06:00:00Z"},
		{"period=year", `the time of the report: there is no period "year": today, day, week, month, last24h, last7d, last30d`},
		{"from=yesterday", `the time of the report: "yesterday" is no time: 2026-03-01, 2026-03-01T12:00 or 2026-03-01T12:00:00Z`},
		{"to=2026-03-01", "from is missing"},
		{"period=day&from=2026-03-01", "period says the time already; leave from and to out"},
		{"zone=Mars/Olympus", `the time of the report: there is no time zone "Mars/Olympus"`},
		{"zone=../../etc/passwd", `the time of the report: there is no time zone "../../etc/passwd"`},
		{"zone=Local", `the time of the report: the time zone needs a name, such as Europe/Berlin`},
		{"worst=0", "worst is a number from 1 to 1000"},
		{"path=/a//b", `malformed path "/a//b": empty name`},
		{"best=1", `there is no parameter "best"; there are path, period, from, to, zone, customer and worst`},
		{"path=/a&path=/b", `"path" is given more than once`},
	} {
		values, err := url.ParseQuery(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParseQuery(values, now)
		got := fmt.Sprint(q.Path, " ", rfc(q.From), " ", rfc(q.To))
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s\ngot  %s\nwant %s", tc.in, got, tc.want)
		}
	}
}

func TestHandler(t *testing.T) {
	w := newWorld(t)
	h, err := NewHandler(HandlerOptions{Maker: w.maker(t), Prefix: "/reports", Refuse: func(w http.ResponseWriter, _ *http.Request, status int, detail string) {
		http.Error(w, detail, status)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, address, header, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, address, nil)
		r.Header.Set(header, value)
		a := httptest.NewRecorder()
		h.ServeHTTP(a, r.WithContext(everyone(t)))
		return a
	}
	for _, tc := range []struct{ method, address, accept, want string }{
		{"GET", "/reports", "", "200 text/html; charset=utf-8 <!DOC"},
		{"GET", "/reports/tree.csv?period=today", "", "200 text/csv; charset=utf-8; header=present secti"},
		{"GET", "/reports/customers/ATT?period=today", "application/json", "200 application/json {\n  \""},
		{"HEAD", "/reports/tree.json?path=/web1", "", "200 application/json "},
		{"GET", "/reports/tree", "image/png", "406 there is text/html, text/csv and application/json"},
		{"DELETE", "/reports", "", "405 reports are only read: GET or HEAD"},
		{"GET", "/reports/other", "", "404 there are reports of tree and customers/NAME"},
		{"GET", "/reports/customers/IBM", "", `404 no such customer as "IBM": no node has it as its property "customer"`},
		{"GET", "/reports/tree?path=/nowhere", "", `404 no such node: / has no "nowhere"`},
		{"GET", "/reports/tree?period=year", "", `400 the time of the report: there is no period "year": today, day, week, month, last24h, last7d, last30d`},
		{"GET", "/reports/tree?from=2026-03-02", "", "400 the time of the report begins at 2026-03-02T00:00:00Z, which is not over yet"},
		{"GET", "/reports/customers/ATT?customer=AOL", "", "400 the address names another customer"},
	} {
		a := ask(tc.method, tc.address, "Accept", tc.accept)
		got := fmt.Sprintf("%d %s", a.Code, strings.TrimSpace(a.Body.String()))
		if a.Code == http.StatusOK {
			got = fmt.Sprintf("200 %s %.5s", a.Header().Get("Content-Type"), a.Body.String())
		}
		if got != tc.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", tc.method, tc.address, got, tc.want)
		}
	}
	tag := ask("GET", "/reports/tree.csv?from=2026-03-01&to=2026-03-01T12:00", "Accept", "").Header().Get("Etag")
	if a := ask("GET", "/reports/tree.csv?from=2026-03-01&to=2026-03-01T12:00", "If-None-Match", tag); a.Code != http.StatusNotModified {
		t.Error(a.Code, tag)
	}
	w.told.err = errBroken
	if a := ask("GET", "/reports", "Accept", ""); a.Code != http.StatusInternalServerError || strings.Contains(a.Body.String(), errBroken.Error()) {
		t.Error(a.Code, a.Body.String())
	}
}

func TestDefuse(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"=1+1", "'=1+1"}, {"+1", "'+1"}, {"-1", "'-1"}, {"@SUM(A1)", "'@SUM(A1)"}, {" =1", "' =1"}, {"\t=1", "'\t=1"}, {"\rx", "'\rx"}, {"＝1", "'＝1"},
		{"/web1", "/web1"}, {"a=b", "a=b"}, {"", ""}, {"\x00=", "\ufffd="},
	} {
		if got := defuse(tc.in); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

// FuzzDefuse holds that no cell begins a formula, and that CSV reads back.
func FuzzDefuse(f *testing.F) {
	for _, s := range []string{"=1", "a\"b\nc", "\xff=", " \u00a0@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := Report{From: begin, To: begin.Add(hour), Gaps: []Gap{{From: begin, To: begin.Add(hour), Reason: s}}}
		var b bytes.Buffer
		if err := r.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatal(err, rows)
		}
		cell := rows[1][len(rows[1])-1]
		if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			t.Errorf("%q", cell)
		}
		if !json.Valid(jsonOfReport(t, &r)) {
			t.Error("no JSON")
		}
	})
}

func jsonOfReport(t *testing.T, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPercent(t *testing.T) {
	for _, tc := range []struct {
		share float64
		want  string
	}{{1, "100 %"}, {0, "0 %"}, {0.5, "50 %"}, {0.964, "96.4 %"}, {0.99995, "99.995 %"}, {0.9999999, "99.9999 %"}, {0.0000001, "0.0000 %"}, {0.00012, "0.01 %"}} {
		if got := strings.ReplaceAll(percent(tc.share, true), "\u202f", " "); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.share, got, tc.want)
		}
	}
}
