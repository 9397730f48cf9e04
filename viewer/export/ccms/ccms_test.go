package ccms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files")

// world is a tree with an exporter that hears of its changes.
type world struct {
	*testing.T
	now time.Time
	*tree.Tree
	*Exporter
	acknowledged []Acknowledgement
}

func newWorld(t *testing.T, edit ...func(*Options)) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	w.Tree = tree.New(tree.Options{Now: clock, Statuses: func(c []tree.StatusChange) {
		if w.Exporter != nil {
			w.Statuses(c)
		}
	}})
	o := Options{Tree: w.Tree, Now: clock, Audit: func(a Acknowledgement) { w.acknowledged = append(w.acknowledged, a) }}
	for _, f := range edit {
		f(&o)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Exporter = e
	t.Cleanup(e.Close)
	return w
}

func (w *world) add(path string, s *tree.Spec) {
	w.Helper()
	if _, err := w.Add(tree.MustPath(path), s); err != nil {
		w.Fatal(err)
	}
}

// report gives a node a reading a second after the one before, and publishes it.
func (w *world) report(path string, v tree.Value) {
	w.Helper()
	w.now = w.now.Add(time.Second)
	ref, ok := w.Lookup(tree.MustPath(path))
	if !ok || w.Report(tree.Report{Node: ref, Value: v, Time: w.now}) != 1 {
		w.Fatalf("report %s", path)
	}
	w.Flush()
}

func (w *world) shop() {
	w.add("/shop/web1/Connections/Open", &tree.Spec{
		Kind: tree.Performance, Unit: "connections", Description: "Open connections.", Source: "web1.status", Owner: "web1", Metric: "nginx_connections_active",
		Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900.5)},
	})
	w.add("/shop/web1/Answer/Up", &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}}, Properties: map[string]string{"severity": "200", "visibility": "expert"}})
	w.add("/shop/web1/Error", &tree.Spec{Kind: tree.TextKind})
	w.add("/shop/web1/Log", &tree.Spec{Kind: tree.Log, Threshold: &tree.Threshold{ClearAfter: time.Minute}, Keep: 7})
	w.report("/shop/web1/Connections/Open", tree.Number(291))
	w.report("/shop/web1/Answer/Up", tree.Text("up"))
	w.report("/shop/web1/Error", tree.Text(strings.Repeat("x", 41)))
	w.now = w.now.Add(time.Second)
	ref, _ := w.Lookup(tree.MustPath("/shop/web1/Log"))
	w.Report(tree.Report{Node: ref, Time: w.now, Events: []tree.Event{{Time: w.now, Status: tree.Green, Text: "started"}, {Time: w.now, Status: tree.Yellow, Text: "slow"}}})
	w.Flush()
}

func (w *world) get(address string) (int, string, []byte) {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, address, nil))
	return rec.Code, rec.Header().Get("Content-Type"), rec.Body.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: -want +got\n%s", name, d)
	}
}

func TestAnswers(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.report("/shop/web1/Connections/Open", tree.Number(501.5))
	for _, tt := range []struct{ name, address, kind string }{
		{"tree.json", "/ccms/v1/tree", "application/json"},
		{"tree.csv", "/ccms/v1/tree?path=/shop&depth=2&format=csv", "text/csv; charset=utf-8; header=present"},
		{"performance.json", "/ccms/v1/mte/" + url.PathEscape(`GRV\shop\...\web1/Connections\Open`), "application/json"},
		{"status.json", "/ccms/v1/mte/" + url.PathEscape(`GRV\shop\...\web1/Answer\Up`), "application/json"},
		{"log.json", "/ccms/v1/mte/" + url.PathEscape("/shop/web1/Log"), "application/json"},
		{"object.json", "/ccms/v1/mte/" + url.PathEscape(`GRV\shop\web1\...`), "application/json"},
		{"alerts.json", "/ccms/v1/alerts", "application/json"},
		{"alerts.csv", "/ccms/v1/alerts?format=csv&value=yellow&limit=1", "text/csv; charset=utf-8; header=present"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, kind, body := w.get(tt.address)
			if status != http.StatusOK || kind != tt.kind {
				t.Errorf("%d %s", status, kind)
			}
			if strings.HasSuffix(tt.name, ".json") {
				var indented bytes.Buffer
				if err := json.Indent(&indented, body, "", "  "); err != nil {
					t.Fatal(err)
				}
				body = indented.Bytes()
			}
			golden(t, tt.name, body)
		})
	}
}

func TestElementByTID(t *testing.T) {
	w := newWorld(t)
	w.shop()
	rows, err := w.Exporter.Tree(tree.MustPath("/shop"), -1, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		el, err := w.Element(r.TID)
		if err != nil || el.Path != r.Path || len(r.TID) != 84 {
			t.Errorf("%s by its TID: %s, %v", r.Path, el.Path, err)
		}
		if p, err := w.Resolve(r.Full); err != nil || p != r.Path {
			t.Errorf("%s by its name: %s, %v", r.Full, p, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.shop()
	for _, tt := range []struct {
		method, address string
		status          int
		want            string
	}{
		{"GET", "/ccms", 404, "there is tree, mte/<name>, alerts and alerts/acknowledge below /ccms/v1"},
		{"GET", "/ccms/v1/mte/", 404, "there is tree, mte/<name>, alerts and alerts/acknowledge below /ccms/v1"},
		{"POST", "/ccms/v1/tree", 405, "POST is not served here, only GET"},
		{"GET", "/ccms/v1/alerts/acknowledge", 405, "GET is not served here, only POST"},
		{"GET", "/ccms/v1/tree?path=/nowhere", 404, "/nowhere: no such node"},
		{"GET", "/ccms/v1/tree?path=/a//b", 400, `malformed path "/a//b": empty name`},
		{"GET", "/ccms/v1/tree?depth=x", 400, `depth: "x" is no whole number from 0 to 32`},
		{"GET", "/ccms/v1/tree?limit=200001", 400, `limit: "200001" is no whole number from 1 to 200000`},
		{"GET", "/ccms/v1/tree?limit=3", 422, "9 elements are more than the bound of 3: ask for a smaller part of the tree with path or depth, or raise limit"},
		{"GET", "/ccms/v1/tree?format=xml", 400, `format: "xml" is neither json nor csv`},
		{"GET", "/ccms/v1/alerts?state=lost", 400, `state: "lost" is neither open nor completed nor all`},
		{"GET", "/ccms/v1/alerts?value=green", 400, `value: "green" is neither yellow nor red`},
		{"GET", `/ccms/v1/mte/GRV%5Cx`, 404, `no such element: "GRV\\x": a full name is such as GRV\shop\web1\Up, a TID has 84 characters`},
	} {
		t.Run(tt.method+" "+tt.address, func(t *testing.T) {
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.address, nil))
			if got := strings.TrimSpace(rec.Body.String()); rec.Code != tt.status || got != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", rec.Code, got, tt.status, tt.want)
			}
		})
	}
}

// summary is what matters of a list of alerts.
func (w *world) summary(f Filter) (lines []string) {
	w.Helper()
	alerts, total, err := w.Alerts(f)
	if err != nil || f.Limit == 0 && total != len(alerts) {
		w.Fatalf("%d of %d alerts, %v", len(alerts), total, err)
	}
	for _, a := range alerts {
		ended := ""
		if a.Ended != nil {
			ended = " ended"
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %s%s", a.ID, a.Attribute, a.Value, a.State, ended))
	}
	return lines
}

func TestAlertsOpenAndAreAcknowledged(t *testing.T) {
	w := newWorld(t)
	w.shop() // the yellow line of the log is alert 1
	is := func(f Filter, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, w.summary(f)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	}
	open := Filter{State: Open, Below: tree.MustPath("/shop/web1/Connections")}
	w.report("/shop/web1/Connections/Open", tree.Number(600))
	w.report("/shop/web1/Connections/Open", tree.Number(700))
	is(open, "2 Open yellow open")
	w.report("/shop/web1/Connections/Open", tree.Number(1200))
	is(open, "3 Open red open", "2 Open yellow open ended")
	w.report("/shop/web1/Connections/Open", tree.Number(10))
	is(open, "3 Open red open ended", "2 Open yellow open ended")
	w.report("/shop/web1/Answer/Up", tree.Text("down"))
	is(Filter{State: Open}, "4 Up red open", "3 Open red open ended", "2 Open yellow open ended", "1 Log yellow open")
	is(Filter{State: Open, Value: tree.Yellow}, "2 Open yellow open ended", "1 Log yellow open")
	is(Filter{Limit: 1}, "4 Up red open")

	// The alert that matters most goes up the tree, whatever the colour is by now.
	rows, err := w.Exporter.Tree(tree.MustPath("/shop/web1/Connections"), -1, 10)
	if err != nil || rows[0].Alert == nil || rows[0].Alert.ID != 3 || rows[0].Value != tree.Green {
		t.Errorf("got %+v, %v", rows, err)
	}

	alerts, _, err := w.Alerts(Filter{})
	if err != nil {
		t.Fatal(err)
	}
	aid := alerts[0].AID
	foreign := strings.Replace(aid, "GRV", "T10", 1)
	gone := makeAID("GRV", DefaultSegment, 4711, w.now)
	got := w.Acknowledge([]string{aid, "x", aid, foreign, gone}, "erika", "seen")
	want := []Result{
		{AID: aid, Acknowledged: true},
		{AID: "x", Reason: "no such alert: an AID has 84 characters and is taken from a list of alerts"},
		{AID: aid, Reason: "it is completed already"},
		{AID: foreign, Reason: "no such alert: an AID has 84 characters and is taken from a list of alerts"},
		{AID: gone, Reason: "no such alert: it is not in the list any more"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	is(Filter{State: Completed}, "4 Up red completed")
	if len(w.acknowledged) != 1 || w.acknowledged[0].By != "erika" || w.acknowledged[0].Alert.ID != 4 || w.acknowledged[0].Comment != "seen" {
		t.Errorf("the audit was told %+v", w.acknowledged)
	}
	// Nothing opens anew as long as the attribute stays as it is.
	if err := w.Sample(); err != nil {
		t.Fatal(err)
	}
	w.add("/shop/other", &tree.Spec{Kind: tree.Performance})
	w.report("/shop/web1/Answer/Up", tree.Text("gone"))
	is(Filter{State: Open, Value: tree.Red}, "3 Open red open ended")
}

// TestAlertsWithoutBeingTold: what was not told is found, once, and told late it does
// not count twice.
func TestAlertsWithoutBeingTold(t *testing.T) {
	w := newWorld(t)
	heard := w.Exporter
	w.shop()
	w.Exporter = nil // the tree tells nobody
	w.report("/shop/web1/Connections/Open", tree.Number(600))
	w.Exporter = heard
	at := w.now
	f := Filter{Below: tree.MustPath("/shop/web1/Connections")}
	if d := cmp.Diff([]string{"2 Open yellow open"}, w.summary(f)); d != "" {
		t.Error(d)
	}
	w.Exporter = nil
	w.report("/shop/web1/Connections/Open", tree.Number(1200))
	w.Exporter = heard
	if d := cmp.Diff([]string{"3 Open red open", "2 Open yellow open ended"}, w.summary(f)); d != "" {
		t.Error(d)
	}
	ref, _ := w.Lookup(tree.MustPath("/shop/web1/Connections/Open"))
	w.Statuses([]tree.StatusChange{
		{Ref: ref, Path: f.Below, Kind: tree.Performance, From: tree.Green, To: tree.Yellow, Time: at, Value: tree.Number(600)},
		{Ref: ref, Path: f.Below, Kind: tree.Performance, From: tree.Yellow, To: tree.Red, Time: w.now, Value: tree.Number(1200)},
	})
	if d := cmp.Diff([]string{"3 Open red open", "2 Open yellow open ended"}, w.summary(f)); d != "" {
		t.Error(d)
	}
}

func TestSilenceEndsNoAlert(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.report("/shop/web1/Answer/Up", tree.Text("down"))
	ref, _ := w.Lookup(tree.MustPath("/shop/web1/Answer/Up"))
	w.Report(tree.Report{Node: ref, Time: w.now.Add(time.Second), Reason: "no answer"})
	w.Flush()
	f := Filter{Below: tree.MustPath("/shop/web1/Answer")}
	if d := cmp.Diff([]string{"2 Up red open"}, w.summary(f)); d != "" {
		t.Error(d)
	}
	w.report("/shop/web1/Answer/Up", tree.Text("down"))
	if d := cmp.Diff([]string{"2 Up red open"}, w.summary(f)); d != "" {
		t.Error(d)
	}
	w.report("/shop/web1/Answer/Up", tree.Text("up"))
	if d := cmp.Diff([]string{"2 Up red open ended"}, w.summary(f)); d != "" {
		t.Error(d)
	}
}

func TestAlertsAreBounded(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Alerts, o.AlertsPerNode = 3, 2 })
	for _, p := range []string{"/a/x", "/a/y"} {
		w.add(p, &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(1, 1)}})
	}
	for range 4 {
		w.report("/a/x", tree.Number(2))
		w.report("/a/x", tree.Number(0))
	}
	if d := cmp.Diff([]string{"4 x red open ended", "3 x red open ended"}, w.summary(Filter{})); d != "" {
		t.Error(d)
	}
	w.report("/a/y", tree.Number(2))
	w.report("/a/y", tree.Number(0))
	alerts, _, _ := w.Alerts(Filter{Below: tree.MustPath("/a/y")})
	w.Acknowledge([]string{alerts[0].AID}, "", "")
	w.report("/a/y", tree.Number(2)) // what is completed goes before what is open
	if d := cmp.Diff([]string{"6 y red open", "4 x red open ended", "3 x red open ended"}, w.summary(Filter{})); d != "" {
		t.Error(d)
	}
	if w.Dropped() != 3 {
		t.Errorf("%d dropped, want 3", w.Dropped())
	}
}

// shelf keeps alerts in a map.
type shelf struct {
	kept map[uint64]Alert
	err  error
}

func (s *shelf) Alerts() (all []Alert, err error) {
	for _, a := range s.kept {
		all = append(all, a)
	}
	return all, s.err
}

func (s *shelf) Keep(alerts []Alert) error {
	for _, a := range alerts {
		s.kept[a.ID] = a
	}
	return s.err
}

func (s *shelf) Drop(ids []uint64) error {
	for _, id := range ids {
		delete(s.kept, id)
	}
	return s.err
}

func TestAlertsOutliveARestart(t *testing.T) {
	s := &shelf{kept: map[uint64]Alert{}}
	with := func(o *Options) { o.Shelf, o.AlertsPerNode = s, 2 }
	w := newWorld(t, with)
	w.shop()
	w.report("/shop/web1/Connections/Open", tree.Number(600))
	w.report("/shop/web1/Answer/Up", tree.Text("down"))
	alerts, _, _ := w.Alerts(Filter{Below: tree.MustPath("/shop/web1/Answer")})
	w.Acknowledge([]string{alerts[0].AID}, "erika", "")
	want := w.summary(Filter{})

	again := newWorld(t, with)
	if d := cmp.Diff(want, again.summary(Filter{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	// What the tree remembers is no news; what is well again meanwhile ends.
	again.now = w.now.Add(time.Minute)
	again.add("/shop/web1/Connections/Open", &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450)}})
	again.add("/shop/web1/Answer/Up", &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"*": tree.Red}}})
	again.add("/shop/web1/New", &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(0, 0)}})
	again.Restore(
		tree.Memory{Path: tree.MustPath("/shop/web1/Connections/Open"), Value: tree.Number(1), Time: w.now, Status: tree.Green, Since: w.now},
		tree.Memory{Path: tree.MustPath("/shop/web1/Answer/Up"), Value: tree.Text("down"), Time: w.now, Status: tree.Red, Since: w.now},
		tree.Memory{Path: tree.MustPath("/shop/web1/New"), Value: tree.Number(1), Time: w.now, Status: tree.Red, Since: w.now},
	)
	again.Flush()
	if err := again.Sample(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"3 Up red completed", "4 New red open", "2 Open yellow open ended", "1 Log yellow open"}, again.summary(Filter{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if len(s.kept) != 4 {
		t.Errorf("%d alerts are kept, want 4", len(s.kept))
	}

	s.err = errors.New("the disk is full")
	if _, err := New(Options{Tree: w.Tree, Shelf: s}); err == nil || err.Error() != "ccms: alerts that were kept: the disk is full" {
		t.Errorf("got %v", err)
	}
}

func (w *world) acknowledge(kind, body string) (int, string) {
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodPost, "/ccms/v1/alerts/acknowledge", strings.NewReader(body))
	req.Header.Set("Content-Type", kind)
	w.ServeHTTP(rec, req)
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

func TestAcknowledgeByHTTP(t *testing.T) {
	w := newWorld(t)
	w.shop()
	alerts, _, _ := w.Alerts(Filter{})
	aid := alerts[0].AID
	for _, tt := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"a form of another site", "text/plain", `{}`, 415, "the body must be application/json"},
		{"an unknown key", "application/json", `{"aid2":1}`, 400, `the body is not {"AID": ["…"], "by": "…", "comment": "…"}: json: unknown field "aid2"`},
		{"nothing", "application/json", `{}`, 400, "AID: there is none"},
		{"two bodies", "application/json", `{} {}`, 400, "something follows the body"},
		{"much", "application/json", `{"AID":["` + strings.Repeat("x", maxBody) + `"]}`, 413, "the body has more than 262144 bytes"},
		{"many", "application/json", `{"AID":[""` + strings.Repeat(`,""`, MaxAcknowledged) + `]}`, 400, "AID: 1001 are more than the bound of 1000"},
		{"a control character", "application/json", `{"AID":[""],"by":"\u001b[2J"}`, 400, "by and comment have no control characters"},
		{"one and a wrong one", "application/json; charset=utf-8", `{"AID":["` + aid + `","x"],"by":"erika"}`, 200,
			`{"results":[{"AID":"` + aid + `","acknowledged":true},{"AID":"x","acknowledged":false,"reason":"no such alert: an AID has 84 characters and is taken from a list of alerts"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, body := w.acknowledge(tt.kind, tt.body); status != tt.status || body != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", status, body, tt.status, tt.want)
			}
		})
	}
	if len(w.acknowledged) != 1 {
		t.Errorf("the audit was told %d times", len(w.acknowledged))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	tr := tree.New(tree.Options{})
	for want, o := range map[string]Options{
		"ccms: no tree": {},
		`ccms: system "grv": is not three to 8 capital letters and digits that begin with a letter`: {Tree: tr, System: "grv"},
		`ccms: segment "a b": is not at most 40 ASCII characters without blanks`:                    {Tree: tr, Segment: "a b"},
		"ccms: a bound of the alerts, or the time between samples, is negative":                     {Tree: tr, Alerts: -1},
	} {
		if _, err := New(o); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestRunSamples: an average is there of readings that nobody asked for.
func TestRunSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := tree.New(tree.Options{})
		ref, err := tr.Add(tree.MustPath("/a/b/c"), &tree.Spec{Kind: tree.Performance, Unit: "s"})
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(Options{Tree: tr})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		for i := range 45 { // less often than it is looked: each counts
			tr.Apply([]tree.Reading{{Node: ref, Value: float64(i)}})
			tr.Flush()
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		el, err := e.Element("/a/b/c")
		if err != nil {
			t.Fatal(err)
		}
		want := &Averaged{P: 22_000, C: 45, S: 990_000, Value: 22}
		if d := cmp.Diff(want, el.Performance.Average5); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if el.Performance.Max == nil || el.Performance.Max.Stored != 44_000 || el.Performance.Min.Stored != 0 {
			t.Errorf("got %+v, %+v", el.Performance.Min, el.Performance.Max)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestStructureMayChange: averages stay with their nodes, and names follow.
func TestStructureMayChange(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.report("/shop/web1/Connections/Open", tree.Number(293))
	if err := w.Change(tree.Move(tree.MustPath("/shop/web1"), tree.MustPath("/shop/front/web2"))); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	el, err := w.Element(`GRV\shop\...\front/web2/Connections\Open`)
	if err != nil {
		t.Fatal(err)
	}
	if el.Performance.Average15 == nil || el.Performance.Average15.C != 2 || el.Performance.Average15.S != 5840 {
		t.Errorf("got %+v", el.Performance.Average15)
	}
	if _, err := w.Element(`GRV\shop\...\web1/Connections\Open`); !errors.Is(err, ErrNoElement) {
		t.Errorf("got %v", err)
	}
}

func bigTree(b *testing.B) (*tree.Tree, []tree.Ref) {
	tr := tree.New(tree.Options{})
	var ops []tree.Op
	s := &tree.Spec{Kind: tree.Performance, Unit: "s", Threshold: &tree.Threshold{Red: tree.AboveLevel(1e9, 1e9)}}
	var paths []tree.Path
	for i := range 1000 {
		for k := range 100 {
			p := tree.MustPath(fmt.Sprintf("/site%d/host%d/value%d", i/50, i, k))
			paths, ops = append(paths, p), append(ops, tree.Add(p, s))
		}
	}
	if err := tr.Change(ops...); err != nil {
		b.Fatal(err)
	}
	refs := make([]tree.Ref, len(paths))
	for i, p := range paths {
		refs[i], _ = tr.Lookup(p)
	}
	return tr, refs
}

// BenchmarkSample is one second of a manager with 100,000 nodes at ten seconds each.
func BenchmarkSample(b *testing.B) {
	tr, refs := bigTree(b)
	e, err := New(Options{Tree: tr})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	now := time.Now().UnixNano()
	batch := make([]tree.Reading, len(refs)/10)
	i := 0
	for b.Loop() {
		for k := range batch {
			batch[k] = tree.Reading{Node: refs[(i*len(batch)+k)%len(refs)], Value: float64(i), Time: now + int64(i)}
		}
		i++
		tr.Apply(batch)
		tr.Flush()
		if err := e.Sample(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTree lists 100,000 attributes.
func BenchmarkTree(b *testing.B) {
	tr, _ := bigTree(b)
	e, err := New(Options{Tree: tr})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for b.Loop() {
		if _, err := e.Tree(tree.Root, -1, MaxElements); err != nil {
			b.Fatal(err)
		}
	}
}
