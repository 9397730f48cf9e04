package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/maintenance"
	view "grove/viewer/alert"
	windows "grove/viewer/maintenance"
	"grove/viewer/outbox"
	"grove/viewer/route"
	"grove/viewer/whatif"
)

// atNoon runs a command that asks the stub, at noon.
func (s *stub) atNoon(t *testing.T, args ...string) (Exit, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := Run(t.Context(), Process{
		Args: append(args, "--server", s.URL), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Now: func() time.Time { return noon },
	})
	return code, out.String(), errs.String()
}

// night is what an operator finds: a database that failed with what follows from it, and
// what is wrong besides.
func night() alert.Page {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	six := noon.Add(6 * time.Hour)
	page := alert.Page{
		Next:   "more",
		Counts: map[alert.State]int{alert.Open: 4, alert.Acknowledged: 1, alert.Suppressed: 213},
		Alerts: []alert.Alert{
			{ID: 7, Path: tree.MustPath("/shop/db/Up"), State: alert.Open, Status: tree.Red, Worst: tree.Red, Severity: tree.Critical, Opened: ago(47 * time.Minute), Kind: alert.Status,
				Message: "/shop/db/Up is red: the server does not answer", Consequences: 212, Count: 1},
			{ID: 6, Path: tree.MustPath("/shop/web1/Connections/Active"), State: alert.Acknowledged, Status: tree.Red, Worst: tree.Red, Severity: tree.Major, Opened: ago(51 * time.Hour), Kind: alert.Status,
				Message: "…", Value: "1200", Unit: "connections", Threshold: "> 1000", Count: 3,
				Ack: &alert.Ack{By: "ada", At: ago(2 * time.Hour), Comment: "looking at it, the balancer was given other weights on Friday and nobody undid it", Until: &six}},
			{ID: 5, Path: tree.MustPath("/shop/web2/Load"), State: alert.Open, Status: tree.Yellow, Worst: tree.Red, Severity: tree.Warning, Opened: ago(40 * time.Second), Kind: alert.Status,
				Value: "4.2", Threshold: "> 4 for 30s", Flapping: true, Count: 14},
			{ID: 4, Path: tree.MustPath("/shop/backup"), State: alert.Open, Status: tree.White, Severity: tree.Minor, Opened: ago(400 * 24 * time.Hour), Kind: alert.Missing, Message: "/shop/backup lacks \x1b]0;evil\x07 nightly", Count: 1},
			{ID: 3, Path: tree.MustPath("/shop/web3/Answer"), State: alert.Suppressed, Status: tree.Red, Severity: tree.Major, Opened: ago(5 * time.Minute), Kind: alert.Status, Message: "/shop/web3/Answer is red: no answer", Count: 1,
				Suppression: &alert.Suppression{Reason: alert.ByParent, Cause: 7, At: tree.MustPath("/shop/db/Up"), Text: "/shop/db has failed: /shop/db/Up is red"}},
		},
	}
	return page
}

func TestAlertsArePrinted(t *testing.T) {
	page := night()
	for name, s := range map[string]alertSheet{
		"wide":     {width: 120},
		"narrow":   {width: 60},
		"piped":    {},
		"colored":  {drawing: drawing{color: true}, width: 120},
		"narrower": {width: 30},
	} {
		t.Run(name, func(t *testing.T) {
			s.now, s.all = noon, true
			var b strings.Builder
			s.print(&b, &page)
			for line := range strings.SplitSeq(b.String(), "\n") {
				if n := len([]rune(line)); s.width > 30 && !s.color && n > s.width {
					t.Errorf("%d characters: %s", n, line)
				}
			}
			golden(t, "alerts-"+name+".txt", b.String())
		})
	}
}

// owned answers with alerts; nodes of other managers are those below /Managers.
func owned(page alert.Page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("at") == "owner" && !strings.HasPrefix(q.Get("under"), "/Managers/") {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"status":409,"title":"Conflict","detail":"it is of this manager"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(page)
	}
}

func TestAlertsAreAskedFor(t *testing.T) {
	s := serve(t, map[string]any{"GET /api/v1/alerts": owned(alert.Page{Counts: map[alert.State]int{}})})
	for _, c := range []struct {
		args   []string
		query  string
		stdout string
	}{
		{nil, "limit=100&state=open%2Cacknowledged", "● no alerts\n"},
		{[]string{"/shop", "--status", "red", "--status", "yellow", "--text", "a b"}, "limit=100&state=open%2Cacknowledged&status=red%2Cyellow&text=a+b&under=%2Fshop", "altogether no alerts\n"},
		{[]string{"/Managers/berlin/shop"}, "at=owner&limit=100&state=open%2Cacknowledged&under=%2FManagers%2Fberlin%2Fshop", "altogether no alerts\n"},
		{[]string{"/Managers/berlin/shop", "--here"}, "limit=100&state=open%2Cacknowledged&under=%2FManagers%2Fberlin%2Fshop", "altogether no alerts\n"},
		{[]string{"--state", "suppressed", "--limit", "7"}, "limit=7&state=suppressed", "altogether no alerts\n"},
		{[]string{"--cause", "7"}, "cause=7&limit=100", "altogether no alerts\n"},
		{[]string{"--from", "24h", "--customer", "acme", "--severity", "major"}, "customer=acme&from=2026-03-01T12%3A00%3A00Z&limit=100&severity=major&state=all", "altogether no alerts\n"},
		{[]string{"--json"}, "limit=100&state=open%2Cacknowledged", `{"alerts":null,"counts":{}}` + "\n"},
	} {
		s.asked = nil
		code, stdout, stderr := s.atNoon(t, append([]string{"alerts"}, c.args...)...)
		if want := "GET /api/v1/alerts?" + c.query; code != OK || stdout != c.stdout || len(s.asked) == 0 || s.asked[len(s.asked)-1] != want {
			t.Errorf("%q: %d, asked %s\n%s%s", c.args, code, s.asked, stdout, stderr)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"--json --watch", "grove: --json and --watch do not go together: programs follow /api/v1/alerts/stream\n"},
		{"--from yesterday", "grove: --from: \"yesterday\" is neither how long ago, such as 24h or 7d, nor a time such as 2026-03-01T12:00:00Z\n"},
		{"/a~9", "grove: malformed path \"/a~9\": \"~\" must be followed by 0 or 1\n"},
	} {
		if code, _, stderr := s.atNoon(t, append([]string{"alerts"}, strings.Fields(c.args)...)...); code != Usage || stderr != c.want {
			t.Errorf("%s: %d %s", c.args, code, stderr)
		}
	}
}

func TestOneAlertIsPrintedWhole(t *testing.T) {
	one := night().Alerts[1]
	one.Message = "/shop/web1/Connections/Active is red: 1200 connections, which is > 1000"
	one.Labels, one.Properties, one.Customers, one.Instance = map[string]string{"b": "2", "a": "1"}, map[string]string{"contact": "\x1b[31mops"}, []string{"acme"}, "shop-web1"
	one.EventType, one.Repair, one.Suppression = "qualityOfServiceAlarm", "add a server", nil
	one.History = []alert.Step{
		{Time: one.Opened, What: alert.Opened, Status: tree.Yellow, Text: "742 connections"},
		{Time: one.Opened.Add(time.Hour), What: alert.Worsened, Status: tree.Red},
		{Time: one.Ack.At, What: alert.DidAcknowledge, Status: tree.Red, By: "ada", Text: "looking"},
	}
	s := serve(t, map[string]any{"GET /api/v1/alerts/6": one})
	code, stdout, stderr := s.atNoon(t, "alerts", "6")
	if code != OK || stderr != "" {
		t.Fatalf("%d %s", code, stderr)
	}
	golden(t, "alerts-one.txt", stdout)
}

// TestAlertsAreWatched prints again what changed, until the server ends the stream.
func TestAlertsAreWatched(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/alerts", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"alerts":[],"counts":{}}`) })
	mux.HandleFunc("GET /api/v1/alerts/stream", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "retry: 3000\n: events follow\n\nevent: changed\ndata: {\"counts\":{\"open\":1}}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s := httptest.NewServer(mux)
	defer http.DefaultClient.CloseIdleConnections()
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var code Exit
	out, in := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		code = Run(ctx, Process{Args: []string{"alerts", "-w", "--server", s.URL}, Stdin: strings.NewReader(""), Stdout: in, Stderr: io.Discard, Getenv: func(string) string { return "" }})
		_ = in.Close()
	}()
	want := []byte("● no alerts\n● no alerts\n")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(out, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	cancel()
	_, _ = io.Copy(io.Discard, out)
	<-done
	if code != OK {
		t.Errorf("exit code %d", code)
	}
}

func TestAlertsAreAcknowledged(t *testing.T) {
	var bodies []string
	var answers []alert.Result
	change := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.URL.Path+" "+string(text))
		_ = json.NewEncoder(w).Encode(view.ChangeResults{Results: answers})
	})
	page := night()
	page.Next, page.Alerts = "", page.Alerts[:1]
	s := serve(t, map[string]any{"GET /api/v1/alerts": owned(page), "POST /api/v1/alerts/acknowledge": change, "POST /api/v1/alerts/unacknowledge": change})
	for _, c := range []struct {
		args    string
		answers []alert.Result
		code    Exit
		body    string
		stdout  string
		stderr  string
	}{
		{"ack /shop --for 2h -m looking --sticky", []alert.Result{{ID: 7}}, OK,
			`/api/v1/alerts/acknowledge {"ids":["7"],"comment":"looking","sticky":true,"until":"2026-03-02T14:00:00Z"}`, "■ /shop/db/Up is red: the server does not answer: acknowledged\n", ""},
		{"ack /Managers/berlin/shop", []alert.Result{{ID: 7}}, OK,
			`/api/v1/alerts/acknowledge {"ids":["7"],"at":"/Managers/berlin/shop"}`, "■ /shop/db/Up is red: the server does not answer: acknowledged\n", ""},
		{"ack 7 8", []alert.Result{{ID: 7}, {ID: 8, Error: "no such alert: 8"}}, Wrong,
			`/api/v1/alerts/acknowledge {"ids":["7","8"]}`, "alert 7: acknowledged\nalert 8: not done: no such alert: 8\n", "grove: not done for 1 of 2\n"},
		{"unack 7 -m later", []alert.Result{{ID: 7}}, OK, `/api/v1/alerts/unacknowledge {"ids":["7"],"comment":"later"}`, "alert 7: open again\n", ""},
		{"unack 7", nil, NoReply, `/api/v1/alerts/unacknowledge {"ids":["7"]}`, "", "grove: the answer of " + s.URL + " does not say what came of each alert\n"},
	} {
		bodies, answers = nil, c.answers
		code, stdout, stderr := s.atNoon(t, strings.Fields(c.args)...)
		if diff := cmp.Diff([]string{c.body}, bodies); diff != "" || code != c.code || stdout != c.stdout || stderr != c.stderr {
			t.Errorf("%s: %d\n%s%s%s", c.args, code, stdout, stderr, diff)
		}
	}
	none := serve(t, map[string]any{"GET /api/v1/alerts": alert.Page{}})
	if code, _, stderr := none.atNoon(t, "ack", "/shop"); code != Wrong || stderr != "grove: no alert at /shop, or below it, is open\n" {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestMaintenanceIsPrinted(t *testing.T) {
	during := func(from, to time.Duration) *maintenance.Occurrence {
		return &maintenance.Occurrence{Start: noon.Add(from), End: noon.Add(to)}
	}
	list := windows.PlannedWindows{Windows: []windows.PlannedWindow{
		{Window: maintenance.Window{ID: "ONE", Name: "backup", At: []tree.Path{tree.MustPath("/shop/db"), tree.MustPath("/shop/files")}, For: maintenance.Duration(2 * time.Hour), Rule: "FREQ=WEEKLY;BYDAY=SU,MO", Zone: "Europe/Berlin", Comment: "the big\ntables", By: "ada", Announce: maintenance.Duration(time.Hour)},
			Now: during(-time.Hour, time.Hour), Next: during(6*24*time.Hour, 6*24*time.Hour+2*time.Hour)},
		{Window: maintenance.Window{ID: "file-night", Name: "night", Source: "file", At: []tree.Path{tree.Root}, For: maintenance.Duration(time.Hour), Rule: "FREQ=HOURLY;INTERVAL=12"}, Next: during(10*time.Hour, 11*time.Hour)},
		{Window: maintenance.Window{ID: "hidden-1", Name: "maintenance", At: []tree.Path{tree.MustPath("/bank")}, For: maintenance.Duration(time.Hour)}, Next: during(10*time.Hour, 11*time.Hour), Hidden: true},
		{Window: maintenance.Window{ID: "OVER", Name: "move\x1b[31m", At: []tree.Path{tree.MustPath("/shop")}, By: "eve"}},
	}}
	s := serve(t, map[string]any{"GET /api/v1/maintenance": list, "DELETE /api/v1/maintenance/ONE": "", "POST /api/v1/maintenance/ONE/end": list.Windows[0]})
	var all strings.Builder
	for _, args := range []string{"maintenance", "maintenance /bank/x", "maintenance list --over", "maintenance remove backup", "maintenance end ONE", "maintenance end night", "maintenance remove nothing"} {
		code, stdout, stderr := s.atNoon(t, strings.Fields(args)...)
		fmt.Fprintf(&all, "$ grove %s: %d\n%s%s\n", args, code, stdout, stderr)
	}
	golden(t, "maintenance.txt", all.String())
	empty := serve(t, map[string]any{"GET /api/v1/maintenance": windows.PlannedWindows{}})
	if code, stdout, _ := empty.atNoon(t, "maintenance"); code != OK || stdout != "no maintenance is planned\n" {
		t.Errorf("%d %s", code, stdout)
	}
}

func TestMaintenanceIsPlanned(t *testing.T) {
	var asked string
	s := serve(t, map[string]any{"POST /api/v1/maintenance": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		asked = string(text)
		fmt.Fprint(w, `{"id":"NEW","name":"x","at":["/shop"],"start":"2026-03-02T12:00:00Z","for":"1h"}`)
	})})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"/shop", "--for", "90m"}, `{"name":"maintenance of /shop","at":["/shop"],"for":"1h30m"}`},
		{[]string{"shop/db/", "/x", "--for", "2h", "--at", "22:00", "--weekly", "sun", "--zone", "Europe/Berlin", "--comment", "dump", "--announce", "1h", "--name", "backup"},
			`{"name":"backup","at":["/shop/db","/x"],"start":"2026-03-02T22:00:00+01:00","for":"2h","rule":"weekly on sun","zone":"Europe/Berlin","comment":"dump","announce":"1h"}`},
		{[]string{"/shop", "--for", "2h", "--at", "11:00"}, `{"name":"maintenance of /shop","at":["/shop"],"start":"2026-03-03T11:00:00Z","for":"2h"}`},
		{[]string{"/shop", "--for", "1d", "--at", "2026-03-07 08:00", "--zone", "Europe/Berlin"}, `{"name":"maintenance of /shop","at":["/shop"],"start":"2026-03-07T08:00:00+01:00","for":"24h","zone":"Europe/Berlin"}`},
		{[]string{"/shop", "--for", "2h", "--at", "03:00", "--daily"}, `{"name":"maintenance of /shop","at":["/shop"],"start":"2026-03-02T03:00:00Z","for":"2h","rule":"daily"}`},
		{[]string{"/shop", "--for", "2h", "--at", "2026-03-07T08:00:00Z", "--rule", "FREQ=YEARLY"}, `{"name":"maintenance of /shop","at":["/shop"],"start":"2026-03-07T08:00:00Z","for":"2h","rule":"FREQ=YEARLY"}`},
	} {
		code, stdout, stderr := s.atNoon(t, append([]string{"maintenance", "add"}, c.args...)...)
		if code != OK || asked != c.want || stdout != "x: over\n  at /shop\n  id NEW\n" {
			t.Errorf("%q: %d %s%s\nasked %s\nwant  %s", c.args, code, stdout, stderr, asked, c.want)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"/shop", "grove: missing flags: --for=TIME\nTry: grove --help\n"},
		{"/shop --for 2h --at noon", "grove: --at: \"noon\" is no time such as 22:00 or \"2026-11-22 22:00\"\n"},
		{"/shop --for 2h --at 22:00 --zone Mars", "grove: --at: \"Mars\" is no time zone, such as Europe/Berlin\n"},
		{"/shop --for 2h --daily --weekly sun", "grove: --daily and --weekly can't be used together\nTry: grove --help\n"},
	} {
		if code, _, stderr := s.atNoon(t, append([]string{"maintenance", "add"}, strings.Fields(c.args)...)...); code != Usage || !strings.HasSuffix(stderr, c.want) {
			t.Errorf("%s: %d %s", c.args, code, stderr)
		}
	}
}

func TestRoutesAreExplained(t *testing.T) {
	list := route.Configuration{
		File: "data/alerts.yaml", Error: "alerts.yaml:7:3: unknown setting \"chanels\"",
		Routes: []route.Route{
			{Name: "databases", When: []route.Requirement{{Name: "under", Want: "/shop/db"}, {Name: "severity", Want: "major.."}}, To: []string{"dba"}, Group: []string{"instance"}, Wait: "10s", Interval: "5m", Repeat: "4h",
				Escalate: []route.Escalation{{After: "15m", To: []string{"boss", "ops-mail"}}}, Precedence: "urgent", Continue: true},
			{Name: "rest", To: []string{"ops-mail"}},
		},
		Channels: []route.NamedChannel{{Name: "ops-mail", Kind: "mail"}, {Name: "ada-push", Kind: "ntfy"}},
	}
	one := night().Alerts[0]
	x := alert.Explanation{Alert: one, Routes: []alert.Routing{
		{Route: "databases", Takes: true, Group: "instance=shop-db", Conditions: []alert.Condition{{Name: "under", Want: "/shop/db", Have: "/shop/db/Up", OK: true}, {Name: "status", Want: "red", Have: "red", OK: true}}},
		{Route: "night", Conditions: []alert.Condition{{Name: "during", Want: "Mon-Fri 08:00-18:00 Europe/Berlin", Have: "Sun 03:00"}}, Text: "not reached, since route \"databases\" took it"},
		{Route: "rest", Takes: true},
	}, Told: []alert.Telling{
		{Route: "databases", Channel: "ada-push", To: "ada", Purpose: "firing"},
		{Route: "rest", Channel: "ops-mail", To: "ops-mail", After: alert.Duration(10 * time.Second), Purpose: "firing", Every: alert.Duration(4 * time.Hour)},
		{Route: "databases", Channel: "boss-\x1b[2Jsms", To: "boss", After: alert.Duration(15 * time.Minute), Step: 1, Purpose: "escalation"},
	}}
	held := x
	held.Alert, held.Told, held.Routes = night().Alerts[4], nil, nil
	nobody := alert.Explanation{Alert: one}
	var all strings.Builder
	for _, c := range []struct {
		args string
		x    alert.Explanation
	}{
		{"route", x}, {"route --explain /shop/db/Up", x}, {"route --explain /shop/db/Up --color always", x},
		{"route --explain /shop/web3/Answer --status red --at 2026-03-01T02:00:00Z", held}, {"route --explain /shop/db/Up --status red", nobody},
		{"route --status red", x}, {"route --explain /a --at noon", x},
	} {
		var asked string
		s := serve(t, map[string]any{"GET /api/v1/routes": list, "POST /api/v1/routes/explain": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			asked = string(text)
			_ = json.NewEncoder(w).Encode(c.x)
		})})
		code, stdout, stderr := s.atNoon(t, strings.Fields(c.args)...)
		fmt.Fprintf(&all, "$ grove %s: %d, asked %s\n%s%s\n", c.args, code, asked, stdout, stderr)
	}
	golden(t, "route.txt", all.String())
}

func TestWhatIfIsPrinted(t *testing.T) {
	page := night()
	var more whatif.Supposed
	for i := range 60 {
		more.Changes = append(more.Changes, whatif.SupposedChange{Path: fmt.Sprintf("/barn/n%02d", i), From: "green", To: "red", Set: true})
	}
	held := page.Alerts[4]
	held.Path = tree.MustPath("/shop/web4/Answer")
	supposed := whatif.Supposed{
		Changes: []whatif.SupposedChange{{Path: "/shop", From: "yellow", To: "red"}, {Path: "/shop/db", From: "green", To: "red"}, {Path: "/shop/db/Up", From: "green", To: "red", Set: true}},
		Alerts:  []alert.Explanation{{Alert: page.Alerts[0]}, {Alert: page.Alerts[4]}, {Alert: held}},
		Messages: []whatif.SupposedMessage{
			{Route: "databases", Channel: "ada-push", To: "ada", Title: "/shop/db/Up is red", Purpose: "firing", Alerts: 1},
			{Route: "rest", Channel: "ops-mail", Title: "12 alerts: /shop/db/Up is red", Purpose: "escalation", After: alert.Duration(15 * time.Minute), Alerts: 12},
		},
		Truncated: true,
	}
	var all strings.Builder
	for _, c := range []struct {
		args string
		s    whatif.Supposed
	}{{"what-if /shop/db/Up=red", supposed}, {"what-if /barn/n=1=white --color always", whatif.Supposed{}}, {"what-if /x=red", more}, {"what-if /x", more}, {"what-if /x=blue", more}} {
		var asked string
		s := serve(t, map[string]any{"POST /api/v1/what-if": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			asked = string(text)
			_ = json.NewEncoder(w).Encode(c.s)
		})})
		code, stdout, stderr := s.atNoon(t, strings.Fields(c.args)...)
		fmt.Fprintf(&all, "$ grove %s: %d, asked %s\n%s%s\n", c.args, code, asked, stdout, stderr)
	}
	golden(t, "what-if.txt", all.String())
}

func TestOutboxIsPrinted(t *testing.T) {
	before := func(d time.Duration) *time.Time { at := noon.Add(-d); return &at }
	channels := []outbox.QueueChannel{
		{Name: "ada-push", Kind: "ntfy", Sent: 12},
		{Name: "ops-mail", Kind: "mail", Waiting: outbox.QueueWaiting{Urgent: 1, Normal: 3}, Oldest: before(7 * time.Minute), Throttled: before(-90 * time.Second), Sent: 3},
		{Name: "sms", Dead: 2, Error: "connection \x1b[31mrefused", Stopped: true},
	}
	q := outbox.Queue{Channels: channels, Next: "more", Messages: []outbox.QueuedMessage{
		{ID: "41", Channel: "ops-mail", Precedence: "urgent", State: "waiting", Made: *before(7 * time.Minute), Title: "/shop/db/Up is red", Purpose: "firing", Attempts: 3, Next: before(-20 * time.Second), Error: "dial tcp: refused"},
		{ID: "40", Channel: "ops-mail", Precedence: "bulk", State: "dead", Made: *before(3 * time.Hour), Title: "Maintenance of /shop\x07", Purpose: "announcement", Attempts: 9, Settled: before(time.Hour), Error: "550 no such user"},
	}}
	results := func(ids ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var asked outbox.MessageNumbers
			_ = json.NewDecoder(r.Body).Decode(&asked)
			var answer outbox.MessageResults
			for _, id := range asked.IDs {
				one := outbox.MessageResult{ID: id}
				if id == "40" {
					one.Error = "it is not among the dead letters"
				}
				answer.Results = append(answer.Results, one)
			}
			_ = json.NewEncoder(w).Encode(answer)
		}
	}
	stand := outbox.ChannelStand{Channels: channels[:1], Stopped: true}
	s := serve(t, map[string]any{
		"GET /api/v1/outbox": q, "POST /api/v1/outbox/send": results(), "POST /api/v1/outbox/drop": results(), "POST /api/v1/outbox/stop": stand, "POST /api/v1/outbox/start": stand,
		"POST /api/v1/channels/ops-mail/test": outbox.ChannelTried{Channel: "ops-mail", Took: 0.0421},
	})
	var all strings.Builder
	for _, args := range []string{"outbox", "outbox --color always", "outbox list --state sent --channel ops-mail", "outbox dead --limit 3", "outbox send 40 41", "outbox send --dead", "outbox drop 41", "outbox drop", "outbox drop 1 --channel x", "outbox stop", "outbox start ops-mail",
		"channel test ops-mail", "channel test nothing"} {
		s.asked = nil
		code, stdout, stderr := s.atNoon(t, strings.Fields(args)...)
		fmt.Fprintf(&all, "$ grove %s: %d, asked %s\n%s%s\n", args, code, s.asked, stdout, stderr)
	}
	golden(t, "outbox.txt", strings.ReplaceAll(all.String(), s.URL, "http://grove"))
}

// kindsOfTest are two kinds of channels.
type kindsOfTest map[string]channel.Kind

func (k kindsOfTest) Kind(name string) (channel.Kind, bool) { one, ok := k[name]; return one, ok }
func (k kindsOfTest) Names() []string                       { return []string{"mail", "ntfy"} }

func TestKindsOfChannelsAreExplained(t *testing.T) {
	kinds := kindsOfTest{
		"mail": {Name: "mail", Doc: "# mail\n\nSends a mail by\nSMTP. More of it.\n\n- `to`: who\n", Example: "kind: mail\nserver: mail.example:587\nto:\n  - ops@example.org\n"},
		"ntfy": {Name: "ntfy", Doc: "Sends to ntfy.", Example: "topic: ops"},
	}
	var all strings.Builder
	for _, c := range []channelKindCommand{{}, {Kind: "mail"}, {Kind: "ntfy", Example: true}, {Kind: "nfty"}, {Kind: "pigeon"}} {
		err := c.explain(&all, kinds)
		fmt.Fprintf(&all, "%v\n--\n", err)
	}
	golden(t, "channel.txt", all.String())
}
