package push

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

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/runtime/receive"
	"grove/tree"
	"grove/tree/grant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is a receiver with a tree whose clock stands still at noon.
type world struct {
	*Receiver
	tree  *tree.Tree
	boxes *receive.Mailboxes
	now   time.Time
}

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	w := &world{boxes: new(receive.Mailboxes), now: noon}
	clock := func() time.Time { return w.now }
	w.tree = tree.New(tree.Options{Now: clock})
	for path, spec := range map[string]*tree.Spec{
		"/shop/web1/Connections/Active": {Kind: tree.Performance, Unit: "connections"},
		"/shop/web1/Connections/Idle":   {Kind: tree.Performance, Unit: "connections"},
		"/shop/web1/State":              {Kind: tree.State},
		"/shop/web1/Log":                {Kind: tree.Log},
		"/shop/web1/Version":            {Kind: tree.TextKind},
		"/shop/web1/Probed":             {Kind: tree.Performance, Source: "status.active"},
		"/shop/web1/Own":                {Kind: tree.Performance, Source: "grove", Mode: tree.Push},
		"/shop/web1/Pushed":             {Kind: tree.Performance, Source: "metrics.active", Mode: tree.Push, Owner: "shop"},
	} {
		if _, err := w.tree.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	o.Tree, o.Guard, o.Mailboxes, o.Now = w.tree, grant.NewGuard(w.tree), w.boxes, clock
	var err error
	if w.Receiver, err = New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) node(t *testing.T, path string) tree.Node {
	t.Helper()
	n, err := w.tree.Node(tree.MustPath(path))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const active = "/shop/web1/Connections/Active"

func TestReadingsReachTheirNodes(t *testing.T) {
	tests := []struct {
		name, body, path, value string
		time                    time.Time
	}{
		{"number", `{"path":"/shop/web1/Connections/Active","value":12.5}`, active, "12.5", noon},
		{"in an array", ` [ {"value" : -1e3 , "path":"/shop/web1/Connections/Active"} ] `, active, "-1000", noon},
		{"true", `{"path":"/shop/web1/Connections/Active","value":true}`, active, "1", noon},
		{"path without a slash", `{"path":"shop/web1/Connections/Active/","value":1}`, active, "1", noon},
		{"escaped path", `{"path":"\/shop\/web1\/Connections\/\u0041ctive","value":1}`, active, "1", noon},
		{"text", `{"path":"/shop/web1/State","value":"run\"ning\u00e9"}`, "/shop/web1/State", `run"ningé`, noon},
		{"text node", `{"path":"/shop/web1/Version","value":"1.2"}`, "/shop/web1/Version", "1.2", noon},
		{"RFC 3339", `{"path":"/shop/web1/Connections/Active","value":1,"time":"2026-11-21T12:59:58.5+01:00"}`, active, "1", noon.Add(-1500 * time.Millisecond)},
		{"seconds", `{"path":"/shop/web1/Connections/Active","value":1,"time":1795262398}`, active, "1", noon.Add(-2 * time.Second)},
		{"seconds with a fraction", `{"path":"/shop/web1/Connections/Active","value":1,"time":1795262398.25}`, active, "1", noon.Add(-1750 * time.Millisecond)},
		{"milliseconds", `{"path":"/shop/web1/Connections/Active","value":1,"time":1795262398250}`, active, "1", noon.Add(-1750 * time.Millisecond)},
		{"a little ahead", `{"path":"/shop/web1/Connections/Active","value":1,"time":"2026-11-21T12:05:00Z"}`, active, "1", noon.Add(5 * time.Minute)},
		{"right unit", `{"path":"/shop/web1/Connections/Active","value":1,"unit":"connections"}`, active, "1", noon},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Options{})
			out, err := w.Take(grant.Anonymous, "test", []byte(tt.body))
			if err != nil || out.Accepted != 1 || out.RefusedCount != 0 {
				t.Fatalf("%+v, %v", out, err)
			}
			if n := w.node(t, tt.path); n.Value.String() != tt.value || !n.Time.Equal(tt.time) {
				t.Errorf("%q at %v, want %q at %v", n.Value, n.Time, tt.value, tt.time)
			}
		})
	}
}

func TestEventsReachTheirLog(t *testing.T) {
	w := newWorld(t, Options{})
	out, err := w.Take(grant.Anonymous, "test", []byte(`[{"path":"/shop/web1/Log","event":{"status":"red","text":"disk failed"}},
		{"path":"/shop/web1/Log","value":"a line","time":"2026-11-21T11:00:00Z"}]`))
	if err != nil || out.Accepted != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	events, err := w.tree.Events(tree.MustPath("/shop/web1/Log"))
	if err != nil {
		t.Fatal(err)
	}
	want := []tree.Event{{Time: noon, Status: tree.Red, Text: "disk failed"}, {Time: noon.Add(-time.Hour), Status: tree.Green, Text: "a line"}}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRefusalsSayWhichAndWhy(t *testing.T) {
	long := strings.Repeat("x", tree.MaxTextBytes+1)
	tests := []struct{ name, reading, reason, want string }{
		{"typo in the name", `{"path":"/shop/web1/Connections/Actve","value":1}`, "no_node", `no such node: /shop/web1/Connections has no "Actve"; did you mean "Active"?`},
		{"typo higher up", `{"path":"/shop/wbe1/Connections/Active","value":1}`, "no_node", `no such node: /shop has no "wbe1"; did you mean "web1"?`},
		{"nothing near", `{"path":"/elsewhere","value":1}`, "no_node", `no such node: / has no "elsewhere"`},
		{"the root", `{"path":"/","value":1}`, "misfit", "the node is a group, which takes no readings"},
		{"a group", `{"path":"/shop/web1","value":1}`, "misfit", "the node is a group, which takes no readings"},
		{"text for a group", `{"path":"/shop/web1","value":"x"}`, "misfit", "the node is a group, which takes no readings"},
		{"number for a log", `{"path":"/shop/web1/Log","value":1}`, "misfit", "the node is a log, which takes events and texts"},
		{"text for a number", `{"path":"/shop/web1/Connections/Active","value":"many"}`, "misfit", "the node takes numbers"},
		{"event for a state", `{"path":"/shop/web1/State","event":{"text":"x"}}`, "misfit", "the node is of kind status: only a log takes events"},
		{"wrong unit", `{"path":"/shop/web1/Connections/Active","value":1,"unit":"ms"}`, "misfit", `the node is in "connections", not in "ms"`},
		{"bad path", `{"path":"/shop//x","value":1}`, "malformed", `malformed path "/shop//x": empty name`},
		{"no path", `{"value":1}`, "malformed", "it lacks a path, or instance, probe and attribute"},
		{"half a name", `{"instance":"a","probe":"b","value":1}`, "malformed", "it lacks a path, or instance, probe and attribute"},
		{"both names", `{"path":"/a","instance":"a","value":1}`, "malformed", "it has both a path and an instance, probe or attribute"},
		{"no value", `{"path":"/a"}`, "malformed", "it lacks a value or an event"},
		{"value and event", `{"path":"/a","value":1,"event":{"text":"x"}}`, "malformed", "it has both a value and an event"},
		{"null", `{"path":"/a","value":null}`, "malformed", "value must be a number, a text, true or false"},
		{"object", `{"path":"/a","value":{"a":[1,{"b":null}]}}`, "malformed", "value must be a number, a text, true or false"},
		{"unknown key", `{"path":"/a","vlaue":[1,2,"x",true,false,null,{}]}`, "malformed", `unknown key "vlaue": a reading has path (or instance, probe and attribute), value or event, time and unit`},
		{"key twice", `{"path":"/a","path":"/b","value":1}`, "malformed", `the key "path" is there twice`},
		{"path of a number", `{"path":1,"value":1}`, "malformed", "path must be a text"},
		{"too large a number", `{"path":"/a","value":1e999}`, "malformed", "the number 1e999 is too large"},
		{"long text", `{"path":"/shop/web1/State","value":"` + long + `"}`, "malformed", "the text is longer than 4096 bytes"},
		{"long path", `{"path":"/` + long + `","value":1}`, "malformed", "the path is longer than 1024 bytes"},
		{"event of a text", `{"path":"/a","event":"x"}`, "malformed", "event must be an object with text and status"},
		{"event without text", `{"path":"/a","event":{"status":"red"}}`, "malformed", "the event has no text"},
		{"event with a bad status", `{"path":"/a","event":{"status":"blue","text":"x"}}`, "malformed", `status "blue" of the event is not green, yellow or red`},
		{"event with an unknown key", `{"path":"/a","event":{"text":"x","level":1}}`, "malformed", `unknown key "level": an event has text and status`},
		{"the future", `{"path":"/shop/web1/Connections/Active","value":1,"time":"2026-11-21T12:05:01Z"}`, "wrong_time", "time 2026-11-21T12:05:01Z is more than 5m0s ahead of the clock here, 2026-11-21T12:00:00Z"},
		{"no time", `{"path":"/a","value":1,"time":"noon"}`, "wrong_time", `time "noon" is not RFC 3339 between 1970 and 2261, such as 2026-01-31T12:00:00Z`},
		{"negative time", `{"path":"/a","value":1,"time":-5}`, "wrong_time", "time -5 is neither seconds nor milliseconds since 1970"},
		{"nanoseconds", `{"path":"/a","value":1,"time":1795262398250000000}`, "wrong_time", "time 1795262398250000000 is neither seconds nor milliseconds since 1970"},
		{"time of another kind", `{"path":"/a","value":1,"time":null}`, "wrong_time", "time must be RFC 3339 text, or seconds or milliseconds since 1970"},
		{"unknown instance", `{"instance":"a","probe":"b","attribute":"c","value":1}`, "no_node", `nothing takes readings of that name: no instance "a" has a probe that readings are pushed to`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Options{})
			out, err := w.Take(grant.Anonymous, "test", []byte(`[{"path":"`+active+`","value":7},`+tt.reading+`,{"path":"`+active+`","value":8}]`))
			if err != nil || out.Accepted != 2 || out.RefusedCount != 1 || len(out.Refused) != 1 {
				t.Fatalf("%+v, %v", out, err)
			}
			if r := out.Refused[0]; r.Index != 1 || r.Reason != tt.reason || r.Error != tt.want {
				t.Errorf("got  %d %s: %s\nwant 1 %s: %s", r.Index, r.Reason, r.Error, tt.reason, tt.want)
			}
			if n := w.node(t, active); n.Value != tree.Number(8) {
				t.Errorf("the good readings around it came to %v", n.Value)
			}
		})
	}
}

func TestMalformedBodiesChangeNothing(t *testing.T) {
	good := `{"path":"` + active + `","value":7}`
	tests := []struct{ name, body, want string }{
		{"empty", " ", "line 1, column 2: the body is empty: a reading or an array of readings is expected"},
		{"a number", "7", `line 1, column 1: '7' where a reading, which is an object, is expected`},
		{"cut off", "[" + good, "line 1, column 52: the body ends where a comma or the end of the array is expected"},
		{"trailing comma", "[" + good + ",]", `line 1, column 53: ']' where a reading, which is an object, is expected`},
		{"something behind it", good + "\n" + good, `line 2, column 1: '{' where the end of the body is expected`},
		{"no quotes", `[` + good + ",\n {path:1}]", `line 2, column 3: 'p' where a key in quotes is expected`},
		{"no colon", `{"path" 1}`, `line 1, column 9: '1' where a colon is expected`},
		{"an endless text", `{"path":"/a`, "line 1, column 9: the text that begins here does not end"},
		{"a backslash at the end", `{"path":"/a\`, "line 1, column 9: the text that begins here does not end"},
		{"a bad escape", `{"path":"\x"}`, "line 1, column 9: the text has a bad escape"},
		{"a line break in a text", "{\"path\":\"a\nb\"}", "line 1, column 11: a control character inside of a text must be escaped"},
		{"a bad number", `{"path":"/a","value":1.}`, `line 1, column 24: '}' where a digit is expected`},
		{"a leading zero", `{"path":"/a","value":01}`, `line 1, column 23: '1' where a comma or the end of the object is expected`},
		{"nan", `{"path":"/a","value":tru}`, `line 1, column 22: 't' where a value is expected`},
		{"not UTF-8", "{\"path\":\"\xff\"}", "line 1, column 10: the body is not UTF-8"},
		{"too deep", `{"path":"/a","value":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "line 1, column 39: nested deeper than 16"},
		{"too many", "[" + strings.Repeat(good+",", MaxReadings) + good + "]", "line 1, column 510002: more than 10000 readings in one request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Options{})
			_, err := w.Take(grant.Anonymous, "test", []byte(tt.body))
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if n := w.node(t, active); !n.Value.IsNone() {
				t.Errorf("the node has %v", n.Value)
			}
			if s := w.Stats(); s.BadRequests != 1 || s.Received != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The tree says how many readings of a batch it did not take; the answer says which.
func TestOlderReadingsAreNamed(t *testing.T) {
	const idle = "/shop/web1/Connections/Idle"
	reading := func(path string, seconds int) string {
		return fmt.Sprintf(`{"path":%q,"value":%d,"time":%d}`, path, seconds, noon.Unix()+int64(seconds))
	}
	tests := []struct {
		name          string
		before, after []string
		refused       []int
	}{
		{"the same again", []string{reading(active, -5)}, []string{reading(active, -5), reading(idle, -5)}, []int{0}},
		{"rising from before", []string{reading(active, -5)}, []string{reading(active, -7), reading(active, -6), reading(active, -4)}, []int{0, 1}},
		{"falling", nil, []string{reading(active, -1), reading(active, -2), reading(active, -3)}, []int{1, 2}},
		{"twice in the batch", nil, []string{reading(active, -1), reading(active, -1), reading(idle, -1)}, []int{1}},
		{"between good ones", []string{reading(idle, -3)}, []string{reading(active, -9), reading(idle, -4), reading(active, -8), reading(idle, -2)}, []int{1}},
		{"now, but the node is ahead", []string{reading(active, 60)}, []string{`{"path":"` + active + `","value":1}`, reading(idle, -1)}, []int{0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Options{})
			if len(tt.before) > 0 {
				if out, err := w.Take(grant.Anonymous, "test", []byte("["+strings.Join(tt.before, ",")+"]")); err != nil || out.RefusedCount > 0 {
					t.Fatalf("%+v, %v", out, err)
				}
			}
			out, err := w.Take(grant.Anonymous, "test", []byte("["+strings.Join(tt.after, ",")+"]"))
			if err != nil {
				t.Fatal(err)
			}
			var refused []int
			for _, r := range out.Refused {
				refused = append(refused, r.Index)
				if r.Reason != "older" {
					t.Errorf("%+v", r)
				}
			}
			if diff := cmp.Diff(tt.refused, refused); diff != "" || out.Accepted != len(tt.after)-len(refused) {
				t.Errorf("%d accepted, refused (-want +got):\n%s", out.Accepted, diff)
			}
		})
	}
}

func TestMailboxTakesReadings(t *testing.T) {
	w := newWorld(t, Options{})
	p, err := Kind(w.boxes).New(&ProbeOptions{Attributes: map[string]Attribute{"active": {Unit: "connections"}, "log": {Type: "events"}}})
	if err != nil {
		t.Fatal(err)
	}
	var delivered []string
	detach, err := p.(receive.Attacher).Attach("shop-web1", "metrics", func(r probe.Result) {
		delivered = append(delivered, fmt.Sprint(r.Time.Unix()-noon.Unix(), " ", r.Values[0].Attribute, "=", r.Values[0].Value, len(r.Values[0].Events)))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	out, err := w.Take(grant.Anonymous, "test", []byte(`[
		{"instance":"shop-web1","probe":"metrics","attribute":"active","value":12,"unit":"connections","time":1795262398},
		{"instance":"shop-web1","probe":"metrics","attribute":"active","value":13},
		{"instance":"shop-web1","probe":"metrics","attribute":"log","event":{"text":"restarted","status":"yellow"}},
		{"instance":"shop-web1","probe":"metrics","attribute":"active","value":"many"},
		{"instance":"shop-web1","probe":"metrics","attribute":"active","value":11,"time":1795262398},
		{"instance":"shop-web1","probe":"metrics","attribute":"idle","value":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	name := "shop-web1 metrics "
	want := Outcome{Accepted: 3, RefusedCount: 3, Refused: []Refusal{
		{Index: 3, Path: name + "active", Reason: "misfit", Error: "the attribute does not take such a value: active is a number"},
		{Index: 4, Path: name + "active", Reason: "older", Error: "not newer than what is there"},
		{Index: 5, Path: name + "idle", Reason: "no_node", Error: `nothing takes readings of that name: the probe has no attribute "idle", only [active log]`},
	}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"-2 active=12 0", "0 active=13 0", "0 log=restarted 1"}, delivered); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestSourcesAreLimitedApart(t *testing.T) {
	w := newWorld(t, Options{Rate: 1000, Burst: 1}) // a burst is one full request at least
	full := []byte("[" + strings.Repeat(`{"path":"`+active+`","value":7},`, MaxReadings-1) + `{"path":"` + active + `","value":7}]`)
	one := []byte(`{"path":"` + active + `","value":8}`)
	if out, err := w.Take(grant.Anonymous, "a", full); err != nil || out.Accepted != MaxReadings {
		t.Fatalf("%+v, %v", out, err)
	}
	_, err := w.Take(grant.Anonymous, "a", full)
	want := "10000 readings refused: this source sends more than 1000 a second; send them again after 10s"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := w.Take(grant.Anonymous, "b", one); err != nil {
		t.Errorf("another source: %v", err)
	}
	w.now = w.now.Add(time.Millisecond)
	if _, err := w.Take(grant.Anonymous, "a", one); err != nil {
		t.Errorf("after the time of one reading: %v", err)
	}
	if _, err := w.Take(grant.Anonymous, "a", one); err == nil {
		t.Error("a second one was taken")
	}
	s := w.Stats()
	if s.Received != s.Applied+s.Refused[receive.RateLimited] || s.Refused[receive.RateLimited] != MaxReadings+1 || s.Applied != MaxReadings+2 {
		t.Errorf("%+v", s)
	}
}

func TestSourcesAreBounded(t *testing.T) {
	l := newLimiter(1, 10)
	for i := range maxSources {
		l.take(fmt.Sprint(i), 1, noon)
	}
	for range 10 {
		if _, ok := l.take("one too many", 1, noon); !ok {
			t.Fatal("the shared allowance is smaller than one of a source's own")
		}
	}
	if _, ok := l.take("and another", 1, noon); ok || len(l.sources) > maxSources {
		t.Errorf("taken; %d sources", len(l.sources))
	}
	if _, ok := l.take("later", 1, noon.Add(2*time.Second)); !ok || len(l.sources) != 1 {
		t.Errorf("idle sources are not forgotten: %d", len(l.sources))
	}
}

func TestAccountOfManySendersAddsUp(t *testing.T) {
	w := newWorld(t, Options{Burst: 1 << 30})
	var wg sync.WaitGroup
	const senders, requests = 8, 20
	accepted, refused := make([]int, senders), make([]int, senders)
	for s := range senders {
		wg.Go(func() {
			for n := range requests {
				at := noon.UnixMilli() - 100_000 + int64(n) // all senders send the same times
				body := fmt.Sprintf(`[{"path":%q,"value":1,"time":%d},{"path":"/none","value":1},{"path":"/shop/web1/State","value":"x","time":%d},{"value":1}]`, active, at, at)
				out, err := w.Take(grant.Anonymous, "test", []byte(body))
				if err != nil {
					t.Error(err)
				}
				accepted[s] += out.Accepted
				refused[s] += out.RefusedCount
			}
		})
	}
	wg.Wait()
	stats, total := w.Stats(), [2]int{}
	for s := range senders {
		total[0] += accepted[s]
		total[1] += refused[s]
	}
	if stats.Received != senders*requests*4 || int(stats.Applied) != total[0] || stats.Refused[receive.NoNode] != senders*requests || stats.Refused[receive.Malformed] != senders*requests {
		t.Errorf("%+v, answers say %v", stats, total)
	}
	if ts := w.tree.Stats(); ts.Applied != stats.Applied {
		t.Errorf("the tree applied %d, the receiver says %d", ts.Applied, stats.Applied)
	}
}

func serve(t *testing.T, w *world) string {
	t.Helper()
	return serveAs(t, w, grant.Anonymous)
}

func serveAs(t *testing.T, w *world, s *grant.Subject) string {
	t.Helper()
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("test", "1"))
	w.Register(api)
	server := httptest.NewServer(as(mux, s))
	t.Cleanup(server.Close)
	return server.URL + "/api/v1/readings"
}

func post(t *testing.T, url, contentType, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

func TestHTTP(t *testing.T) {
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	good, bad := `{"path":"`+active+`","value":7}`, `{"path":"/none","value":7}`
	tests := []struct {
		name, contentType, body string
		header                  []string
		status                  int
		want                    []string // parts of the answer
	}{
		{"one", "application/json", good, nil, 200, []string{`"accepted":1`, `"refused_count":0`, `"refused":[]`}},
		{"no content type", "", good, nil, 200, nil},
		{"with a charset", "application/json; charset=utf-8", good, nil, 200, nil},
		{"nothing to take", "application/json", "[]", nil, 200, []string{`"accepted":0`}},
		{"in part", "application/json", "[" + good + "," + bad + "]", nil, 200, []string{`"accepted":1`, `"index":1`, `"path":"/none"`, `"reason":"no_node"`}},
		{"none", "application/json", bad, nil, 422, []string{`"detail":"none of 1 readings was taken"`, `"location":"body[0]"`, `no such node`}},
		{"malformed", "application/json", "[" + good, nil, 400, []string{`"detail":"the body is malformed, so no reading was taken"`, `line 1, column 52`}},
		{"other type", "text/csv", good, nil, 415, []string{`content type \"text/csv\": readings are application/json`}},
		{"compressed", "application/json", good, []string{"Content-Encoding", "gzip"}, 415, []string{`content encoding \"gzip\"`}},
		{"too large", "application/json", `{"path":"` + strings.Repeat("x", MaxBodyBytes) + `"}`, nil, 413, []string{"4194304"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, answer := post(t, serve(t, newWorld(t, Options{})), tt.contentType, tt.body, tt.header...)
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tt.status, answer)
			}
			if ct := resp.Header.Get("Content-Type"); tt.status != 200 && ct != "application/problem+json" {
				t.Errorf("content type %s", ct)
			}
			for _, part := range tt.want {
				if !strings.Contains(answer, part) {
					t.Errorf("%s is not in %s", part, answer)
				}
			}
		})
	}
	t.Run("too fast", func(t *testing.T) {
		w := newWorld(t, Options{Rate: 1, Burst: 1})
		w.limit.burst = 1
		url := serve(t, w)
		post(t, url, "application/json", good)
		w.now = w.now.Add(time.Second / 2)
		resp, answer := post(t, url, "application/json", good)
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(answer, "send them again after 500ms") {
			t.Errorf("%d, Retry-After %q: %s", resp.StatusCode, resp.Header.Get("Retry-After"), answer)
		}
	})
}

func TestDocumentSaysWhatIsTaken(t *testing.T) {
	api := humago.New(http.NewServeMux(), huma.DefaultConfig("test", "1"))
	newWorld(t, Options{}).Register(api)
	b, err := json.Marshal(api.OpenAPI().Paths["/api/v1/readings"].Post)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"oneOf":[{"$ref":"#/components/schemas/Reading"},{"items":{"$ref":"#/components/schemas/Reading"},"maxItems":10000,"type":"array"}]`, `"429"`, `"415"`, `"413"`} {
		if !strings.Contains(string(b), part) {
			t.Errorf("%s is not in %s", part, b)
		}
	}
}

func TestKindContract(t *testing.T) {
	boxes := new(receive.Mailboxes)
	probetest.Run(t, Kind(boxes), &ProbeOptions{Attributes: map[string]Attribute{
		"active": {Type: "number", Unit: "connections"}, "orders": {Type: "counter"}, "state": {Type: "text"}, "ready": {Type: "bool"}, "log": {Type: "events", Description: "lines"},
	}})
	one := func(name string, a Attribute) *ProbeOptions { return &ProbeOptions{map[string]Attribute{name: a}} }
	probetest.Refuses(t, Kind(boxes),
		probetest.Bad{Name: "nothing", Options: &ProbeOptions{}, Option: "attributes", Want: "attributes: a probe of kind push has 1 to 1000 attributes, not 0"},
		probetest.Bad{Name: "name", Options: one("a b", Attribute{}), Option: "attributes.a b", Want: "attributes.a b: an attribute's name is made of letters, digits and underscores"},
		probetest.Bad{Name: "taken", Options: one("received", Attribute{}), Option: "attributes.received", Want: "attributes.received: every probe of this kind has an attribute of this name"},
		probetest.Bad{Name: "type", Options: one("a", Attribute{Type: "int"}), Option: "attributes.a.type", Want: `attributes.a.type: "int" is not number, counter, text, bool or events`},
		probetest.Bad{Name: "unit of a text", Options: one("a", Attribute{Type: "text", Unit: "s"}), Option: "attributes.a.unit", Want: "attributes.a.unit: only a number has a unit"},
	)
}

func FuzzTake(f *testing.F) {
	f.Add([]byte(`[{"path":"` + active + `","value":12.5,"time":"2026-11-21T12:00:00Z","unit":"connections"}]`))
	f.Add([]byte(`{"instance":"a","probe":"b","attribute":"c","event":{"status":"red","text":"x\u00e9"}}`))
	f.Add([]byte(`[{"path":"/shop/web1/State","value":"x"},{"path":1,"value":{"a":[null]}}]`))
	w := newWorld(f, Options{Burst: 1 << 40, Rate: 1e12})
	f.Fuzz(func(t *testing.T, body []byte) {
		before := w.Stats()
		out, err := w.Take(grant.Anonymous, "fuzz", body)
		// What encoding/json refuses must be refused here, too.
		var any any
		if json.Unmarshal(body, &any) != nil && err == nil {
			t.Errorf("%q is taken and is no JSON", body)
		}
		if after := w.Stats(); int(after.Received-before.Received) != out.Accepted+out.RefusedCount {
			t.Errorf("%d readings received, the answer says %+v", after.Received-before.Received, out)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	for name, s := range map[string]*grant.Subject{
		"whole": grant.Anonymous, "a subtree": subject(b, "operator /load"), "a customer": subject(b, "operator / customer=acme"),
	} {
		b.Run(name, func(b *testing.B) { benchmarkTake(b, s) })
	}
}

func benchmarkTake(b *testing.B, s *grant.Subject) {
	w := newWorld(b, Options{Burst: 1 << 40, Rate: 1e12})
	const n = 1000
	if _, err := w.tree.Add(tree.MustPath("/load"), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "acme"}}); err != nil {
		b.Fatal(err)
	}
	var body strings.Builder
	for i := range n {
		p := tree.MustPath(fmt.Sprintf("/load/group%d/node%d", i/20, i))
		if _, err := w.tree.Add(p, &tree.Spec{Kind: tree.Performance}); err != nil {
			b.Fatal(err)
		}
		sep := ","
		if i == 0 {
			sep = "["
		}
		fmt.Fprintf(&body, `%s{"path":"%s","value":%d.25}`, sep, p, i)
	}
	body.WriteString("]")
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if out, err := w.Take(s, "bench", []byte(body.String())); err != nil || out.Accepted != n {
			b.Fatal(out, err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "readings/s")
}

func TestWhatAProbeFeedsTakesNoPush(t *testing.T) {
	w := newWorld(t, Options{})
	out, err := w.Take(grant.Anonymous, "test", []byte(`[{"path": "/shop/web1/Probed", "value": 1}, {"path": "/shop/web1/Connections/Idle", "value": 2},
		{"path": "/shop/web1/Own", "value": 3}, {"path": "/shop/web1/Pushed", "value": 4}]`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Refusal{{
		Index: 0, Path: "/shop/web1/Probed", Reason: "misfit",
		Error: "the node is fed by status.active, not by what is pushed to it",
	}, {
		Index: 2, Path: "/shop/web1/Own", Reason: "misfit",
		Error: "the node is fed by grove, not by what is pushed to it",
	}}
	if diff := cmp.Diff(want, out.Refused); diff != "" || out.Accepted != 2 {
		t.Error(out.Accepted, diff)
	}
}

// TestAnswersWaitForTheDisk sees that nothing is acknowledged that would not outlive a
// restart, and that what comes late goes into the history.
func TestAnswersWaitForTheDisk(t *testing.T) {
	var full error
	kept := 0
	given := 0
	w := newWorld(t, Options{
		Keep: func() func(context.Context) error {
			given++
			return func(context.Context) error { kept++; return full }
		},
		KeptFrom: func() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) },
	})
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	url := serve(t, w)
	push := func(body string) (int, string) {
		t.Helper()
		a, text := post(t, url, "application/json", body)
		return a.StatusCode, text
	}
	now, late := `{"path":"`+active+`","value":2}`, `{"path":"`+active+`","value":1,"time":"2026-11-21T11:00:00Z"}`
	if status, text := push("[" + now + "," + late + "]"); status != http.StatusOK || !strings.Contains(text, `"accepted":2,"late":1,"refused_count":0`) {
		t.Errorf("a late reading: %d %s", status, text)
	}
	if kept != 1 || given != 1 {
		t.Errorf("kept was asked %d times, and %d times before, want once a request", kept, given)
	}
	// Nothing is accepted that the history would refuse.
	tooLate := `{"path":"` + active + `","value":1,"time":"2026-11-21T09:59:59Z"}`
	if status, text := push("[" + now + "," + tooLate + "]"); status != http.StatusOK || !strings.Contains(text, `"accepted":1,"refused_count":1`) ||
		!strings.Contains(text, "only those from 2026-11-21T10:00:00Z on are kept beside it") {
		t.Errorf("a reading that is too late: %d %s", status, text)
	}
	// A repetition is taken, another value of the same time is not: the first stays.
	idle := func(value string) (int, string) {
		return push(`[{"path":"/shop/web1/Connections/Idle","value":` + value + `,"time":"2026-11-21T11:30:00Z"},` + now + `]`)
	}
	for _, step := range []struct{ value, want string }{{"7", `"accepted":2`}, {"7", `"accepted":2`}, {"8", `"accepted":1`}} {
		if status, text := idle(step.value); status != http.StatusOK || !strings.Contains(text, step.want) {
			t.Errorf("%s at the same time: %d %s", step.value, status, text)
		}
	}
	kept = 1
	if got := w.node(t, active).Value; got != tree.Number(2) {
		t.Errorf("the node has %v: the late one is only for the history", got)
	}
	if status, _ := push(`{"path":"/nowhere","value":1}`); status != http.StatusUnprocessableEntity || kept != 1 {
		t.Errorf("nothing was taken: %d, kept %d times", status, kept)
	}
	full = errors.New("no space left on device")
	if status, text := push(now); status != http.StatusServiceUnavailable || !strings.Contains(text, "no space left on device") {
		t.Errorf("a full disk: %d %s", status, text)
	}
	if s := w.Stats(); s.Received != s.Applied+uint64(len("xxx")) {
		t.Errorf("the account does not add up: %+v", s)
	}
}
