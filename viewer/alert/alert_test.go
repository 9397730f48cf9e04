package alert

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
	"grove/tree/store"
	"grove/viewer/viewertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// book is a Book in memory.
type book struct {
	mu   sync.Mutex
	list []alert.Alert
	err  error
	did  []string
}

func (b *book) Search(_ context.Context, q alert.Query) (alert.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return alert.Page{}, b.err
	}
	page := alert.Page{Counts: b.counts(q.Sees)}
	from, _ := strconv.Atoi(q.After)
	for i := from; i < len(b.list); i++ {
		if !q.Takes(&b.list[i]) {
			continue
		}
		if len(page.Alerts) == q.Limit {
			page.Next = strconv.Itoa(i)
			break
		}
		page.Alerts = append(page.Alerts, b.list[i])
	}
	return page, nil
}

func (b *book) Get(_ context.Context, id alert.ID) (alert.Alert, error) {
	for _, a := range b.list {
		if a.ID == id {
			return a, b.err
		}
	}
	return alert.Alert{}, fmt.Errorf("%w: %s is not here", alert.ErrNone, id)
}

func (b *book) Live(yield func(*alert.Alert) bool) {
	for i := range b.list {
		if !b.list[i].Ended() && !yield(&b.list[i]) {
			return
		}
	}
}

func (b *book) Counts(sees func(tree.Path) bool) map[alert.State]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts(sees)
}

func (b *book) counts(sees func(tree.Path) bool) map[alert.State]int {
	counts := map[alert.State]int{}
	for i := range b.list {
		if a := &b.list[i]; !a.Ended() && (sees == nil || sees(a.Path)) {
			counts[a.State]++
		}
	}
	return counts
}

// change notes what was done to whom.
func (b *book) change(what string, ids []alert.ID, may func(tree.Path) error) (results []alert.Result) {
	for _, id := range ids {
		a, _ := b.Get(context.Background(), id)
		r := alert.Result{ID: id}
		if err := may(a.Path); err != nil {
			r.Error = err.Error()
		} else {
			b.did = append(b.did, fmt.Sprintf("%s %s", what, a.Path))
		}
		results = append(results, r)
	}
	return results
}

func (b *book) Acknowledge(_ context.Context, ids []alert.ID, a alert.Ack, may func(tree.Path) error) []alert.Result {
	text, _ := json.Marshal(a)
	return b.change("acknowledge "+string(text), ids, may)
}

func (b *book) Unacknowledge(_ context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result {
	return b.change("unacknowledge by "+by+": "+comment, ids, may)
}

func (b *book) Comment(_ context.Context, ids []alert.ID, by, text string, may func(tree.Path) error) []alert.Result {
	return b.change("comment by "+by+": "+text, ids, may)
}

func (b *book) Resolve(_ context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result {
	return b.change("resolve by "+by+": "+comment, ids, may)
}

// world is a room of alerts: one of zenith's that one of acme's follows from, one of
// nobody's, and one that is over.
type world struct {
	*viewertest.Room
	book *book
	api  *API
}

func newWorld(t *testing.T) *world {
	t.Helper()
	_, guard := viewertest.Estate(t)
	over := noon.Add(-time.Hour)
	w := &world{Room: viewertest.New(t), book: &book{list: []alert.Alert{
		{ID: 1, Path: tree.MustPath("/shop/b/up"), State: alert.Open, Status: tree.Red, Severity: tree.Major, Kind: alert.Status, Message: "/shop/b/up is red: SECRET", Opened: noon, Consequences: 1},
		{ID: 2, Path: tree.MustPath("/shop/a/up"), State: alert.Suppressed, Status: tree.Red, Severity: tree.Minor, Kind: alert.Status, Message: "/shop/a/up is red", Opened: noon,
			Suppression: &alert.Suppression{Reason: alert.ByDependency, Cause: 1, At: tree.MustPath("/shop/b/up"), Text: "/shop/b/up is red: SECRET"},
			History:     []alert.Step{{What: alert.DidSuppress, Text: "/shop/b/up is red: SECRET"}}},
		{ID: 3, Path: tree.MustPath("/bank/up"), State: alert.Acknowledged, Status: tree.Yellow, Severity: tree.Warning, Kind: alert.Silence, Message: "/bank/up is silent", Opened: noon, Instance: "bank"},
		{ID: 4, Path: tree.MustPath("/shop/a/load"), State: alert.Resolved, Status: tree.Green, Worst: tree.Yellow, Kind: alert.Status, Message: "/shop/a/load was yellow", Opened: over.Add(-time.Hour), Resolved: &over},
	}}}
	var err error
	if w.api, err = New(Options{Book: w.book, Guard: guard, Audit: w.Audit, Now: func() time.Time { return noon }}); err != nil {
		t.Fatal(err)
	}
	w.Add(w.api.Register)
	return w
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		grants, query string
		ids           string
		counts        string
	}{
		{"viewer", "", "1,2,3", `{"acknowledged":1,"open":1,"suppressed":1}`},
		{"viewer", "?state=open&state=acknowledged", "1,3", ""},
		{"viewer", "?state=open,suppressed&status=red", "1,2", ""},
		{"viewer", "?state=&status=&limit=2", "1,2", ""},
		{"viewer", "?state=all&under=/shop/a", "2,4", ""},
		{"viewer", "?state=resolved&from=2026-03-02T11:30:00Z", "", ""},
		{"viewer", "?severity=warning&kind=silence&instance=bank", "3", ""},
		{"viewer", "?cause=1", "2", ""},
		{"viewer", "?text=secret", "1,2", ""},
		{"viewer /shop/a", "", "2", `{"suppressed":1}`},
		{"viewer /shop/a", "?cause=1", "", ""},
		{"viewer /shop/a", "?text=secret", "", ""},
		{"viewer /shop/a", "?text=secret&limit=1", "", ""},
		{"viewer /shop/a", "?text=UP&limit=1", "2", ""},
		{"viewer customer=acme", "?state=all", "2,4", `{"suppressed":1}`},
		{"viewer customer=nobody", "?state=all", "", `{}`},
	} {
		status, body := w.Do(c.grants, "GET", "/api/v1/alerts"+c.query, "")
		var page struct {
			Alerts []alert.Alert
			Counts json.RawMessage
		}
		if err := json.Unmarshal([]byte(body), &page); status != 200 || err != nil {
			t.Errorf("%s %s: %d %s", c.grants, c.query, status, body)
			continue
		}
		var ids []string
		for _, a := range page.Alerts {
			ids = append(ids, a.ID.String())
		}
		if got := strings.Join(ids, ","); got != c.ids || c.counts != "" && string(page.Counts) != c.counts {
			t.Errorf("%s %s: %s %s", c.grants, c.query, got, page.Counts)
		}
		if who := viewertest.Subject(t, c.grants); !who.Whole(grant.Viewer) && (strings.Contains(body, "SECRET") || strings.Contains(body, "/shop/b")) {
			t.Errorf("%s %s tells of what is hidden: %s", c.grants, c.query, body)
		}
	}
}

func TestSearchIsRefused(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]string{
		"?state=opened":   "400 state: an alert is open, acknowledged, suppressed or resolved",
		"?status=blue":    "400 status: unknown status \"blue\": green, yellow, red or white",
		"?severity=grave": "400 severity: unknown severity \"grave\": indeterminate, warning, minor, major or critical",
		"?kind=noise":     "400 kind: an alert is about a status, silence or missing",
		"?under=/a~9":     "400 malformed path \"/a~9\": \"~\" must be followed by 0 or 1",
		"?cause=x":        "400 cause: no such alert: the number of an alert is decimal",
		"?limit=10001":    "422 validation failed",
		"?from=yesterday": "422 validation failed",
	} {
		status, body := w.Do("viewer", "GET", "/api/v1/alerts"+query, "")
		var problem struct{ Detail string }
		_ = json.Unmarshal([]byte(body), &problem)
		if got := fmt.Sprintf("%d %s", status, problem.Detail); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	w.book.err = fmt.Errorf("%w: of another query", alert.ErrQuery)
	if status, body := w.Do("viewer", "GET", "/api/v1/alerts?after=x", ""); status != 400 || !strings.Contains(body, "of another query") {
		t.Errorf("%d %s", status, body)
	}
	w.book.err = fmt.Errorf("secret path: %w", store.ErrUnavailable)
	if status, body := w.Do("viewer", "GET", "/api/v1/alerts", ""); status != 503 || strings.Contains(body, "secret") {
		t.Errorf("%d %s", status, body)
	}
}

// TestHiddenAlertIsAbsent asks for one that is hidden, and for one that is not there.
func TestHiddenAlertIsAbsent(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"1", "99", "x", "-1", strings.Repeat("9", 40)} {
		status, body := w.Do("viewer /shop/a", "GET", "/api/v1/alerts/"+id, "")
		if want := `"detail":"no such alert: ` + id + `"`; status != 404 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", id, status, body)
		}
	}
	if status, body := w.Do("viewer /shop/b", "GET", "/api/v1/alerts/1", ""); status != 200 || strings.Contains(body, "consequences") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := w.Do("viewer /shop", "GET", "/api/v1/alerts/1", ""); status != 200 || !strings.Contains(body, `"consequences":1`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestAlertsAreChanged(t *testing.T) {
	for _, c := range []struct {
		name, grants, action, body string
		status                     int
		answer                     string // a part
		did, audited               []string
	}{
		{"acknowledged", "operator", "acknowledge", `{"ids":["1"],"comment":" mine ","sticky":true,"until":"2026-03-02T14:00:00Z"}`, 200, `"results":[{"id":"1"}]`,
			[]string{`acknowledge {"by":"ada","at":"2026-03-02T12:00:00Z","comment":"mine","sticky":true,"until":"2026-03-02T14:00:00Z"} /shop/b/up`},
			[]string{`ada: alerts acknowledge /shop/b/up {"alerts":["1"],"comment":"mine","sticky":true,"until":"2026-03-02T14:00:00Z"}: <nil>`}},
		{"some of them", "operator /shop; viewer /bank", "resolve", `{"ids":["3","1","1","99"]}`, 200,
			`"results":[{"id":"3","error":"not allowed: ada needs the role operator on /bank/up"},{"id":"1"},{"id":"1"},{"id":"99","error":"no such alert: 99"}]`,
			[]string{"resolve by ada:  /shop/b/up"}, []string{`ada: alerts resolve /bank/up and 1 more {"alerts":["3","1"]}: not done for 1 of 2: not allowed: ada needs the role operator on /bank/up`}},
		{"hidden", "admin /shop/a", "unacknowledge", `{"ids":["1","nonsense"]}`, 200, `"results":[{"id":"1","error":"no such alert: 1"},{"id":"0","error":"no such alert: nonsense"}]`, nil, nil},
		{"a comment", "operator", "comment", `{"ids":["2"],"comment":"text"}`, 200, `{"id":"2"}`, []string{"comment by ada: text /shop/a/up"}, []string{`ada: alerts comment /shop/a/up {"alerts":["2"],"comment":"text"}: <nil>`}},
		{"no comment", "operator", "comment", `{"ids":["2"],"comment":" "}`, 422, "comment is empty", nil, nil},
		{"a long comment", "operator", "resolve", `{"ids":["2"],"comment":"` + strings.Repeat("x", 1025) + `"}`, 422, "comment has 1025 bytes, and the bound is 1024", nil, nil},
		{"over already", "operator", "acknowledge", `{"ids":["2"],"until":"2026-03-02T12:00:00Z"}`, 422, "until is over", nil, nil},
		{"sticky comment", "operator", "comment", `{"ids":["2"],"comment":"x","sticky":true}`, 422, "belong to acknowledging", nil, nil},
		{"none", "operator", "resolve", `{"ids":[]}`, 422, "validation failed", nil, nil},
		{"unknown setting", "operator", "resolve", `{"ids":["1"],"forever":true}`, 422, "validation failed", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			status, body := w.Do(c.grants, "POST", "/api/v1/alerts/"+c.action, c.body)
			if status != c.status || !strings.Contains(body, c.answer) {
				t.Errorf("%d %s", status, body)
			}
			if diff := cmp.Diff(c.did, w.book.did); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.audited, w.Audited); diff != "" {
				t.Error(diff)
			}
		})
	}
	w := newWorld(t)
	w.Full = errors.New("full")
	if status, body := w.Do("operator", "POST", "/api/v1/alerts/resolve", `{"ids":["1"]}`); status != 503 || len(w.book.did) > 0 {
		t.Errorf("done without the audit log: %d %s", status, body)
	}
}

// ear listens to the stream as somebody.
type ear struct {
	*testing.T
	lines *bufio.Scanner
	close func()
}

func (w *world) listen(server *httptest.Server, who *grant.Subject) *ear {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+StreamPath, nil)
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("X-Grants", grantsOf(who))
	res, err := server.Client().Do(req)
	if err != nil {
		w.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		w.Fatal(res.Status)
	}
	return &ear{w.T, bufio.NewScanner(res.Body), func() { cancel(); _ = res.Body.Close() }}
}

func grantsOf(who *grant.Subject) string {
	var texts []string
	for _, g := range who.Grants {
		texts = append(texts, g.String())
	}
	return strings.Join(texts, ";")
}

// next returns the data of the next event; empty when the stream has ended.
func (e *ear) next() string {
	for e.lines.Scan() {
		if data, ok := strings.CutPrefix(e.lines.Text(), "data: "); ok {
			return data
		}
	}
	return ""
}

// serve serves the stream to whoever says what his grants are, while still says so.
func (w *world) serve(still *atomic.Bool) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		who := viewertest.Subject(w.T, r.Header.Get("X-Grants"))
		if still != nil {
			who.Valid = still.Load
		}
		w.api.ServeHTTP(rw, r.WithContext(grant.With(r.Context(), who)))
	}))
	w.Cleanup(func() {
		if err := w.api.Close(context.Background()); err != nil {
			w.Error(err)
		}
		server.Close()
	})
	return server
}

func TestStream(t *testing.T) {
	w := newWorld(t)
	server := w.serve(nil)
	all, acme := w.listen(server, viewertest.Subject(t, "viewer")), w.listen(server, viewertest.Subject(t, "viewer /shop/a"))
	if got := all.next(); got != `{"counts":{"acknowledged":1,"open":1,"suppressed":1}}` {
		t.Errorf("at first: %s", got)
	}
	if got := acme.next(); got != `{"counts":{"suppressed":1}}` {
		t.Errorf("at first: %s", got)
	}
	// What he does not see changes, then what he sees: he hears of the second alone.
	w.book.mu.Lock()
	w.book.list[0].State = alert.Acknowledged
	w.book.mu.Unlock()
	w.api.Changed(w.book.list[:1])
	if got := all.next(); got != `{"counts":{"acknowledged":2,"suppressed":1}}` {
		t.Errorf("after a change: %s", got)
	}
	w.book.mu.Lock()
	w.book.list[1].State = alert.Open
	w.book.mu.Unlock()
	w.api.Changed(w.book.list[1:2])
	if got := acme.next(); got != `{"counts":{"open":1}}` {
		t.Errorf("after a change: %s", got)
	}
	w.api.Touched(tree.MustPath("/shop"))
	if got := acme.next(); got != `{"counts":{"open":1}}` {
		t.Errorf("after a maintenance above: %s", got)
	}
	all.close()
	acme.close()
}

func TestStreamEndsAtLogout(t *testing.T) {
	w := newWorld(t)
	var still atomic.Bool
	still.Store(true)
	e := w.listen(w.serve(&still), viewertest.Subject(t, "viewer"))
	if e.next() == "" {
		t.Fatal("nothing is told")
	}
	still.Store(false)
	if got := e.next(); got != "" {
		t.Errorf("told after the logout: %s", got)
	}
	e.close()
}

func TestStreamEndsWithTheServer(t *testing.T) {
	w := newWorld(t)
	server := w.serve(nil)
	e := w.listen(server, viewertest.Subject(t, "viewer"))
	if e.next() == "" {
		t.Fatal("nothing is told")
	}
	if err := w.api.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := e.next(); got != "" {
		t.Errorf("told after the end: %s", got)
	}
	e.close()
	answer := httptest.NewRecorder()
	w.api.ServeHTTP(answer, httptest.NewRequestWithContext(grant.With(t.Context(), viewertest.Subject(t, "viewer")), "GET", StreamPath, nil))
	if answer.Code != 503 {
		t.Errorf("after the end: %d", answer.Code)
	}
}

func TestStreamIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, target string
		status         int
	}{{"POST", StreamPath, 405}, {"GET", StreamPath + "?all=1", 400}, {"GET", StreamPath + "/more", 404}} {
		answer := httptest.NewRecorder()
		w.api.ServeHTTP(answer, httptest.NewRequestWithContext(grant.With(t.Context(), viewertest.Subject(t, "viewer")), c.method, c.target, nil))
		if answer.Code != c.status {
			t.Errorf("%s %s: %d", c.method, c.target, answer.Code)
		}
	}
	answer := httptest.NewRecorder()
	w.api.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", StreamPath, nil))
	if answer.Code != 403 {
		t.Errorf("nobody: %d", answer.Code)
	}
}

// TestNewsAreBounded tells more than is remembered: the listener learns that.
func TestNewsAreBounded(t *testing.T) {
	var n news
	many := slices.Repeat([]place{{path: tree.MustPath("/shop/a/up")}}, ringSize+10)
	n.tell(len(many), func(i int) place { return many[i] })
	places, next, missed := n.since(0)
	if len(places) != ringSize || next != uint64(len(many)) || !missed {
		t.Errorf("%d places, next %d, missed %t", len(places), next, missed)
	}
	if places, _, missed := n.since(next); len(places) != 0 || missed {
		t.Errorf("%d places, missed %t", len(places), missed)
	}
}
