package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a tree with the operations on it.
type world struct {
	*testing.T
	tree    *tree.Tree
	mux     *http.ServeMux
	sources []viewer.NodeSource
	asked   func() // what asking does
	log     []string
	full    error // of the audit log
	lost    error // of what keeps tuned thresholds
	passed  []string
	refused error // of the owner
	mu      sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, mux: http.NewServeMux()}
	w.tree = tree.New(tree.Options{Tuned: func(tree.Tuning) error { return w.lost }})
	defined := &tree.Threshold{Yellow: tree.AboveLevel(10, 10), StaleAfter: time.Hour}
	if err := w.tree.Change(
		tree.Add(tree.MustPath("/shop/load"), &tree.Spec{Kind: tree.Performance, Mode: tree.Timer, Threshold: defined}),
		tree.Add(tree.MustPath("/shop/state"), &tree.Spec{Kind: tree.State}),
		tree.Add(tree.MustPath("/shop/up"), &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"1": tree.Green, "0": tree.Red}}}),
		tree.Add(tree.MustPath("/shop/log"), &tree.Spec{Kind: tree.Log}),
		tree.Add(tree.MustPath("/bank/load"), &tree.Spec{Kind: tree.Performance}),
	); err != nil {
		t.Fatal(err)
	}
	w.report("/shop/load", 7)
	guard := grant.NewGuard(w.tree)
	server, err := viewer.New(viewer.Options{Listen: "127.0.0.1:0", Tree: w.tree, Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	a := New(Options{
		Tree: w.tree, Guard: guard, Details: server.Details,
		Sources: func(tree.Ref) []viewer.NodeSource {
			w.mu.Lock()
			defer w.mu.Unlock()
			return append([]viewer.NodeSource(nil), w.sources...)
		},
		Ask: func(tree.Ref) error { w.asked(); return nil },
		PassOn: func(_ context.Context, path tree.Path, what string, arguments json.RawMessage) (bool, error) {
			if !tree.MustPath("/bank").Contains(path) {
				return false, nil
			}
			w.passed = append(w.passed, fmt.Sprintf("%s %s %s", what, path, arguments))
			return true, w.refused
		},
		Audit: func(ctx context.Context, action, target string, detail any) (func(error), error) {
			if w.full != nil {
				return nil, w.full
			}
			text, err := json.Marshal(detail)
			if err != nil {
				return nil, err
			}
			return func(err error) {
				w.log = append(w.log, fmt.Sprintf("%s: %s %s %s: %v", grant.Of(ctx).Name, action, target, text, err))
			}, nil
		},
	})
	a.Register(humago.New(w.mux, huma.DefaultConfig("act", "1")))
	return w
}

func (w *world) report(path string, v float64) {
	w.Helper()
	ref, ok := w.tree.Lookup(tree.MustPath(path))
	if !ok || w.tree.Report(tree.Report{Node: ref, Value: tree.Number(v)}) != 1 {
		w.Fatal("no report")
	}
}

// do sends a request with grants, and returns the status and the body. The mux of the
// tests has no parameters that span slashes, so they are written as %2F.
func (w *world) do(grants, method, target, body string) (int, string) {
	w.Helper()
	who := &grant.Subject{Name: "ada"}
	for text := range strings.SplitSeq(grants, ";") {
		g, err := grant.Parse(text)
		if err != nil {
			w.Fatal(err)
		}
		who.Grants = append(who.Grants, g)
	}
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(grant.With(w.Context(), who), method, target, content)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.mux.ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

func (w *world) node(path string) tree.Node {
	w.Helper()
	n, err := w.tree.Node(tree.MustPath(path))
	if err != nil {
		w.Fatal(err)
	}
	return n
}

func TestThresholdsByRole(t *testing.T) {
	const body = `{"yellow": "> 5", "red": "> 9"}`
	for _, c := range []struct {
		grants, method, target string
		status                 int
	}{
		{"editor", "PUT", "/api/v1/thresholds/shop%2Fload", 200},
		{"editor /shop", "PUT", "/api/v1/thresholds/shop%2Fload", 200},
		{"admin /shop/load", "PUT", "/api/v1/thresholds/%2Fshop%2Fload", 200},
		{"operator", "PUT", "/api/v1/thresholds/shop%2Fload", 403},
		{"viewer", "PUT", "/api/v1/thresholds/shop%2Fload", 403},
		{"editor /bank", "PUT", "/api/v1/thresholds/shop%2Fload", 404},
		{"editor /shop/load", "PUT", "/api/v1/thresholds/shop", 403},
		{"editor /shop", "PUT", "/api/v1/thresholds/shop", 409},
		{"editor", "PUT", "/api/v1/thresholds/shop%2Flaod", 404},
		{"editor", "PUT", "/api/v1/thresholds/a~2", 400},
		{"editor", "DELETE", "/api/v1/thresholds/shop%2Fload", 200},
		{"operator", "DELETE", "/api/v1/thresholds/shop%2Fload", 403},
		{"editor /bank", "DELETE", "/api/v1/thresholds/shop%2Fload", 404},
		{"operator", "POST", "/api/v1/ask/shop%2Fload", 409}, // nothing feeds it
		{"operator /shop", "POST", "/api/v1/ask/shop", 409},
		{"viewer", "POST", "/api/v1/ask/shop%2Fload", 403},
		{"operator /bank", "POST", "/api/v1/ask/shop%2Fload", 404},
	} {
		w := newWorld(t)
		text := body
		if c.method != "PUT" {
			text = ""
		}
		status, answer := w.do(c.grants, c.method, c.target, text)
		if status != c.status {
			t.Errorf("%s: %s %s: %d %s, want %d", c.grants, c.method, c.target, status, answer, c.status)
		}
		if changed := w.node("/shop/load").Tuned; changed != (c.status == 200 && c.method == "PUT") {
			t.Errorf("%s: %s %s: changed %t", c.grants, c.method, c.target, changed)
		}
		if c.status != 200 && w.log != nil {
			t.Errorf("%s: %s %s: the audit log has %v", c.grants, c.method, c.target, w.log)
		}
		if c.status == 404 && strings.Contains(answer, "mean") != (c.grants == "editor") {
			t.Errorf("%s: %s", c.grants, answer)
		}
	}
}

// TestPutThresholds tunes, looks, and undoes.
func TestPutThresholds(t *testing.T) {
	w := newWorld(t)
	status, answer := w.do("editor", "PUT", "/api/v1/thresholds/shop%2Fload", `{"yellow": "> 4 for 5s", "red": "> 6", "back": {"yellow": 1, "red": "50%"}, "clear": "30s", "flap": "5 changes in 10m"}`)
	if status != 200 {
		t.Fatal(status, answer)
	}
	n := w.node("/shop/load")
	want := &tree.Threshold{
		Yellow: tree.Level{Form: tree.Above, High: 4, OffHigh: 3, After: 5 * time.Second}, Red: tree.AboveLevel(6, 3),
		ClearAfter: 30 * time.Second, StaleAfter: time.Hour, Flap: tree.Flap{Changes: 5, Window: 10 * time.Minute},
	}
	if d := cmp.Diff(want, n.Threshold); d != "" || !n.Tuned || n.Status != tree.Red {
		t.Errorf("%s, tuned %t (-want +got):\n%s", n.Status, n.Tuned, d)
	}
	var got viewer.Details
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Status != "red" || !got.Thresholds.Tuned || got.Thresholds.Red != "> 6" {
		t.Errorf("%v: %s", err, answer)
	}
	if status, answer = w.do("editor", "DELETE", "/api/v1/thresholds/shop%2Fload", ""); status != 200 {
		t.Fatal(status, answer)
	}
	if n := w.node("/shop/load"); n.Tuned || n.Status != tree.Green || n.Value != tree.Number(7) {
		t.Errorf("%+v", n)
	}
	if status, answer = w.do("editor", "DELETE", "/api/v1/thresholds/shop%2Fload", ""); status != 200 { // There is nothing to undo.
		t.Fatal(status, answer)
	}
	wantLog := []string{
		`ada: thresholds put /shop/load {"became":{"yellow":"\u003e 4 for 5s","red":"\u003e 6","back":{"red":"50%","yellow":"1"},"clear":"30s","flap":"5 changes in 10m"},"was":{"yellow":"\u003e 10","white":"1h"}}: <nil>`,
		`ada: thresholds delete /shop/load {"became":{"yellow":"\u003e 10","white":"1h"},"was":{"yellow":"\u003e 4 for 5s","red":"\u003e 6","back":{"yellow":[3],"red":[3]},"clear":"30s","white":"1h","flap":{"changes":5,"window":"10m"},"tuned":true}}: <nil>`,
	}
	if d := cmp.Diff(wantLog, w.log); d != "" {
		t.Errorf("the audit log (-want +got):\n%s", d)
	}
}

// TestOtherSettings puts settings of which one thing is looked at.
func TestOtherSettings(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		want             tree.Threshold
	}{
		{"nothing", "/shop/load", `{}`, tree.Threshold{StaleAfter: time.Hour}},
		{"empty texts are nothing", "/shop/load", `{"yellow": " ", "red": "", "back": null, "states": {}}`, tree.Threshold{StaleAfter: time.Hour}},
		{"silence", "/shop/load", `{"white": "no reading for 2m"}`, tree.Threshold{StaleAfter: 2 * time.Minute}},
		{"silence as GET says it", "/shop/load", `{"white": "2m"}`, tree.Threshold{StaleAfter: 2 * time.Minute}},
		{"never white", "/shop/load", `{"white": "never"}`, tree.Threshold{}},
		{"one back for both", "/shop/load", `{"yellow": "< 10", "red": "< 5", "back": "10%", "white": "never"}`, tree.Threshold{Yellow: tree.BelowLevel(10, 11), Red: tree.BelowLevel(5, 5.5)}},
		{"states", "/shop/state", `{"states": {"running": "green", "*": "red"}}`, tree.Threshold{States: map[string]tree.Status{"running": tree.Green, "*": tree.Red}}},
		{"states of a truth", "/shop/up", `{"states": {"true": "yellow", "0": "green"}}`, tree.Threshold{States: map[string]tree.Status{"1": tree.Yellow, "0": tree.Green}}},
		{"silence of a log", "/shop/log", `{"white": "no reading for 1h"}`, tree.Threshold{StaleAfter: time.Hour}},
	} {
		w := newWorld(t)
		status, answer := w.do("editor", "PUT", "/api/v1/thresholds/"+strings.ReplaceAll(c.path[1:], "/", "%2F"), c.body)
		if status != 200 {
			t.Errorf("%s: %d %s", c.name, status, answer)
			continue
		}
		if d := cmp.Diff(&c.want, w.node(c.path).Threshold); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestWhatIsWrongIsToldAtItsField puts bad settings: nothing changes, and each error
// names the field.
func TestWhatIsWrongIsToldAtItsField(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		status           int
		want             []string // location: message
	}{
		{"no level", "/shop/load", `{"yellow": "over 5"}`, 422, []string{`body.yellow: level "over 5": not understood ("> 500", "< 5", "outside 10..20" or "inside 1..3", each with or without "for 30s")`}},
		{"two fields", "/shop/load", `{"yellow": ">= 5", "red": "> 5x", "clear": "soon"}`, 422, []string{
			`body.clear: want a duration such as 30s, 5m or 1h30m, not "soon"`,
			`body.red: level "> 5x": "5x" is no number`,
			`body.yellow: level ">= 5": a level begins beyond its border (write "> 5")`,
		}},
		{"red before yellow", "/shop/load", `{"yellow": "> 10", "red": "> 5"}`, 422, []string{"body.red: invalid threshold: red begins at 5, before yellow at 10"}},
		{"back of a level", "/shop/load", `{"yellow": "> 10", "back": {"yellow": "-1"}}`, 422, []string{`body.back.yellow: back "-1": negative`}},
		{"back without a level", "/shop/load", `{"back": "10%"}`, 422, []string{"body.back: back has no level to come back from (give yellow or red)"}},
		{"back of nothing that there is", "/shop/load", `{"yellow": "> 10", "back": {"green": 1}}`, 422, nil},
		{"a range that back makes empty", "/shop/load", `{"yellow": "outside 1..2", "back": 5}`, 422, []string{"body.yellow: invalid threshold: yellow: is left at 6 and -3, which is not within 1 and 2"}},
		{"white too soon", "/shop/load", `{"white": "no reading for 10s"}`, 422, []string{"body.white: white after 10s: the node gets a reading every 30s, so it would turn white in between"}},
		{"white not understood", "/shop/load", `{"white": "sometimes"}`, 422, []string{`body.white: white "sometimes": not understood (write it as "no reading for 60s", or "never")`}},
		{"flap", "/shop/load", `{"flap": "1 changes in 1m"}`, 422, []string{`body.flap: flap "1 changes in 1m": 2 to 64 changes, not 1`}},
		{"levels of a state", "/shop/state", `{"yellow": "> 5"}`, 422, []string{"body.yellow: yellow is a level for numbers, but the node is of kind status (use states)"}},
		{"no status", "/shop/state", `{"states": {"up": "gren"}}`, 422, []string{`body.states.up: unknown status "gren": green, yellow, red or white (did you mean "green"?)`}},
		{"states of a log", "/shop/log", `{"states": {"up": "green"}}`, 422, []string{"body.states: states has no meaning for a node of kind log"}},
		{"an unknown setting", "/shop/load", `{"yelow": "> 5"}`, 422, nil},
		{"no JSON", "/shop/load", `{`, 400, nil},
		{"a long text", "/shop/load", `{"yellow": "> ` + strings.Repeat("1", 300) + `"}`, 422, nil},
		{"a long body", "/shop/load", `{"yellow": "` + strings.Repeat("1", maxBody) + `"}`, 413, nil},
	} {
		w := newWorld(t)
		w.sources = []viewer.NodeSource{{Source: "host", Started: true, Every: "30s"}}
		before := w.node(c.path)
		status, answer := w.do("editor", "PUT", "/api/v1/thresholds/"+strings.ReplaceAll(c.path[1:], "/", "%2F"), c.body)
		if status != c.status {
			t.Errorf("%s: %d %s", c.name, status, answer)
		}
		if d := cmp.Diff(before.Threshold, w.node(c.path).Threshold); d != "" || w.log != nil {
			t.Errorf("%s: changed, with %v in the audit log:\n%s", c.name, w.log, d)
		}
		if c.want == nil {
			continue
		}
		var problem huma.ErrorModel
		if err := json.Unmarshal([]byte(answer), &problem); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range problem.Errors {
			got = append(got, e.Location+": "+e.Message)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		if _, first, _ := strings.Cut(c.want[0], ": "); problem.Detail != "the thresholds of "+c.path+" stay as they are: "+first {
			t.Errorf("%s: %s", c.name, problem.Detail)
		}
	}
}

// TestNothingChangesThatCannotBeKept has an audit log that is full, and then a memory.
func TestNothingChangesThatCannotBeKept(t *testing.T) {
	w := newWorld(t)
	put := func(body string) (int, string) { return w.do("editor", "PUT", "/api/v1/thresholds/shop%2Fload", body) }
	w.full = errors.New("secret disk is full")
	if status, answer := put(`{"red": "> 1"}`); status != 503 || w.node("/shop/load").Tuned || strings.Contains(answer, "secret") {
		t.Errorf("%d %s", status, answer)
	}
	w.full, w.lost = nil, errors.New("secret database is away")
	if status, answer := put(`{"red": "> 1"}`); status != 503 || strings.Contains(answer, "secret") {
		t.Errorf("%d %s", status, answer)
	}
	if n := w.node("/shop/load"); n.Tuned || n.Status != tree.Green {
		t.Errorf("it is %s, tuned %t", n.Status, n.Tuned)
	}
	w.lost = nil
	if status, answer := put(`{"red": "> 1"}`); status != 200 {
		t.Fatal(status, answer)
	}
	w.lost = errors.New("secret database is away")
	if status, _ := put(`{"yellow": "> 1"}`); status != 503 || w.node("/shop/load").Status != tree.Red {
		t.Errorf("%d, it is %s", status, w.node("/shop/load").Status)
	}
	if status, _ := w.do("editor", "DELETE", "/api/v1/thresholds/shop%2Fload", ""); status != 503 || w.node("/shop/load").Status != tree.Red {
		t.Errorf("%d, it is %s", status, w.node("/shop/load").Status)
	}
	if n := len(w.log); n != 4 || !strings.HasSuffix(w.log[0], "after a restart; the log of the server says why") {
		t.Errorf("the audit log has %q", w.log)
	}
}

// TestAsk asks beans that run at once, later, just before, not at all, and never.
func TestAsk(t *testing.T) {
	now := func(ago time.Duration) string { return viewer.FormatTime(time.Now().Add(-ago)) }
	running := viewer.NodeSource{Source: "host", Bean: "grove:name=host", Started: true, Runs: 3, LastRun: now(time.Hour)}
	for _, c := range []struct {
		name    string
		sources []viewer.NodeSource
		asked   func(w *world)
		query   string
		status  int
		want    string // in the answer
	}{
		{"it runs", []viewer.NodeSource{running}, func(w *world) { w.report("/shop/load", 42); w.sources[0].Runs++ }, "", 200, `"value":42`},
		{"it ran just before", []viewer.NodeSource{{Source: "host", Bean: "grove:name=host", Started: true, Runs: 3, LastRun: now(0)}}, func(*world) {}, "", 200, `"value":7`},
		{"it takes too long", []viewer.NodeSource{running}, func(*world) {}, "?wait=0.05", 200, `"value":7`},
		{"it goes away", []viewer.NodeSource{running}, func(w *world) { w.sources = nil }, "", 200, `"value":7`},
		{"one of two was stopped", []viewer.NodeSource{{Source: "b", Bean: "grove:name=b"}, running}, func(w *world) { w.sources[1].Runs++ }, "", 200, `"value":7`},
		{"it was stopped", []viewer.NodeSource{{Source: "host", Bean: "grove:name=host"}}, nil, "", 409, "/shop/load cannot be asked: host was stopped; start it first"},
		{"nothing feeds it", nil, nil, "", 409, "/shop/load cannot be asked: no probe feeds it, its readings are sent to it"},
		{"its readings are sent", []viewer.NodeSource{{Source: "box", Bean: "grove:name=box", Mode: "push", Started: true}}, nil, "", 409, "/shop/load cannot be asked: no probe feeds it, its readings are sent to it"},
		{"a long wait", []viewer.NodeSource{running}, nil, "?wait=31", 422, `"location":"query.wait"`},
	} {
		w := newWorld(t)
		w.sources = c.sources
		w.asked = func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			c.asked(w)
		}
		status, answer := w.do("operator", "POST", "/api/v1/ask/shop%2Fload"+c.query, "")
		if status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s", c.name, status, answer)
		}
	}
}

// FuzzBack reads what somebody sends as back, and writes it.
func FuzzBack(f *testing.F) {
	for _, text := range []string{`"10%"`, `50`, `{"yellow": 1, "red": "5%"}`, `null`, `[1]`, `{"yellow": {}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Back
		if json.Unmarshal([]byte(text), &b) != nil {
			return
		}
		written, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(written) {
			t.Errorf("%s is written as %s, and that as %s, %v", text, written, twice, err)
		}
	})
}

func TestNodesOfOthersGoToTheirOwner(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, target, body string
		status               int
	}{
		{"POST", "/api/v1/ask/bank%2Fload?wait=2", "", 200},
		{"PUT", "/api/v1/thresholds/bank%2Fload?at=owner", `{"yellow": "> 5"}`, 200},
		{"DELETE", "/api/v1/thresholds/bank%2Fload?at=owner", "", 200},
		{"PUT", "/api/v1/thresholds/shop%2Fload?at=owner", `{"yellow": "> 5"}`, 409},
		{"DELETE", "/api/v1/thresholds/shop%2Fload?at=elsewhere", "", 422},
		{"PUT", "/api/v1/thresholds/bank%2Fload", `{"yellow": "> 5"}`, 200},
	} {
		if status, body := w.do("editor", c.method, c.target, c.body); status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.target, status, body)
		}
	}
	want := []string{`ask /bank/load {"wait":2}`, `tune /bank/load {"yellow":"\u003e 5"}`, `untune /bank/load null`}
	if diff := cmp.Diff(want, w.passed); diff != "" {
		t.Error(diff)
	}
	if n := w.node("/bank/load"); !n.Tuned {
		t.Error("what is tuned here goes to the owner")
	}
	w.refused = fmt.Errorf("%w: not over there", grant.ErrDenied)
	if status, body := w.do("editor", "POST", "/api/v1/ask/bank%2Fload", ""); status != 403 || !strings.Contains(body, "not over there") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := w.do("viewer", "POST", "/api/v1/ask/bank%2Fload", ""); status != 403 || len(w.passed) != 4 {
		t.Errorf("%d, %v", status, w.passed)
	}
}
